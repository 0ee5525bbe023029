package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/onetime-go/onetime/server/vault"
)

// A statement is one that writes, or that belongs to a write.
type statement int

const (
	begin statement = iota
	commit
	rollback
	raiseHighWater
	insertChunk
	insertSecret
	insertReceipt
	insertRecent
	takeSecret
	deleteChunks
	markReceipt
	expiredSecrets
	deleteSecret
	expireReceipt
	expiredReceipts
	deleteReceipt
	deleteRecent
	secretsOfAccount
	ownersSecrets
	selectTally
	putTally
	deleteTally
	countTallies
	forgetTallies
	expiredTallies
	ping
	insertAccount
	updateAccount
	deleteAccount
	insertServerKey
	keyIsRemoved
	keyIsUsed
	deleteServerKey
	insertRemovedKey
)

var statements = [...]string{
	begin:    `BEGIN IMMEDIATE`, // a transaction that begins with a read may find at its first write that it cannot go on
	commit:   `COMMIT`,
	rollback: `ROLLBACK`,

	raiseHighWater: `UPDATE high_water SET time = ?1 WHERE time IS NULL OR time < ?1`,

	insertChunk: `INSERT INTO chunks (data) VALUES (?)`,
	insertSecret: `INSERT INTO secrets (id, receipt_id, account, owner, created, expires, has_passphrase, key_id,
		first_chunk, chunks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	insertReceipt: `INSERT INTO receipts (id, secret_id, account, state, created, updated, secret_expires, expires,
		has_passphrase, key_id, claim, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	insertRecent: `INSERT INTO recent (list, receipt_id, sealed) VALUES (?, ?, ?)`,

	takeSecret:   `DELETE FROM secrets WHERE id = ? AND expires > ? RETURNING receipt_id, first_chunk, chunks`,
	deleteChunks: `DELETE FROM chunks WHERE number >= ?1 AND number < ?1 + ?2`,
	markReceipt:  `UPDATE receipts SET state = ?, updated = ?, claim = ? WHERE id = ?`,

	expiredSecrets: `SELECT id, receipt_id, expires, first_chunk, chunks FROM secrets
		WHERE expires <= ? ORDER BY expires LIMIT ?`,
	deleteSecret:    `DELETE FROM secrets WHERE id = ?`,
	expireReceipt:   `UPDATE receipts SET state = ?, updated = ? WHERE id = ? AND state = ?`,
	expiredReceipts: `SELECT id FROM receipts WHERE expires <= ? ORDER BY expires LIMIT ?`,
	deleteReceipt:   `DELETE FROM receipts WHERE id = ?`,
	deleteRecent:    `DELETE FROM recent WHERE receipt_id = ?`,

	// Without the first condition SQLite does not see that its index will do.
	secretsOfAccount: `SELECT id, chunks FROM secrets WHERE account <> x'00000000000000000000000000000000' AND account = ?
		AND expires > ? LIMIT ?`,

	ownersSecrets: `SELECT secrets - expired, chunks - expired_chunks FROM owners,
		(SELECT count(*) AS expired, coalesce(sum(chunks), 0) AS expired_chunks FROM secrets
			WHERE owner <> x'00000000000000000000000000000000' AND owner = ?1 AND expires <= ?2)
		WHERE owner = ?1`,

	selectTally: `SELECT count, ends FROM tallies WHERE record = ? AND caller = ? AND ends > ?`,
	putTally: `INSERT INTO tallies (record, caller, count, ends, touched) VALUES (?, ?, ?, ?, ?) ON CONFLICT (record, caller)
		DO UPDATE SET count = excluded.count, ends = excluded.ends, touched = excluded.touched`,
	deleteTally:  `DELETE FROM tallies WHERE record = ? AND caller = ?`,
	countTallies: `SELECT tallies FROM totals`,
	forgetTallies: `DELETE FROM tallies WHERE (record, caller) IN
		(SELECT record, caller FROM tallies ORDER BY touched LIMIT ?)`,
	expiredTallies: `DELETE FROM tallies WHERE (record, caller) IN
		(SELECT record, caller FROM tallies WHERE ends <= ? ORDER BY ends LIMIT ?)`,

	ping: `UPDATE totals SET pings = 1 - pings`, // an update that changes nothing writes nothing

	insertAccount: `INSERT INTO accounts (id, email, created, token_id, key_id, sealed) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (email) DO NOTHING`,
	updateAccount: `UPDATE accounts SET token_id = ?, key_id = ?, sealed = ? WHERE id = ? AND token_id = ? AND key_id = ?`,
	deleteAccount: `DELETE FROM accounts WHERE id = ?`,

	insertServerKey: `INSERT INTO server_keys (id) VALUES (?) ON CONFLICT (id) DO NOTHING`,
	keyIsRemoved:    `SELECT EXISTS (SELECT 1 FROM removed_keys WHERE id = ?)`,
	keyIsUsed: `SELECT EXISTS (SELECT 1 FROM accounts WHERE key_id = ?1) OR
		EXISTS (SELECT 1 FROM secrets WHERE key_id = ?1) OR EXISTS (SELECT 1 FROM receipts WHERE key_id = ?1)`,
	deleteServerKey:  `DELETE FROM server_keys WHERE id = ?`,
	insertRemovedKey: `INSERT INTO removed_keys (id) VALUES (?) ON CONFLICT (id) DO NOTHING`,
}

// A session is the writer's connection with its statements. Nothing on it can be cancelled, so that a transaction has
// no end but the two that the writer gives it.
type session struct {
	conn     *sql.Conn
	prepared []*sql.Stmt
	// standing has the server keys that were found not to be removed, in this transaction.
	standing map[vault.KeyID]bool
}

func newSession(ctx context.Context, pool *sql.DB, db database) (session, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return session{}, err
	}
	if err := prepare(ctx, conn, db); err != nil {
		return session{}, errors.Join(err, conn.Close())
	}
	s := session{conn: conn, prepared: make([]*sql.Stmt, len(statements)), standing: map[vault.KeyID]bool{}}
	for i, text := range statements {
		if s.prepared[i], err = conn.PrepareContext(ctx, text); err != nil {
			return session{}, errors.Join(err, conn.Close())
		}
	}
	return s, nil
}

// close closes the statements too. SQLite keeps a connection that has any left, and with it path-wal, until the end of the
// process.
func (s session) close() error {
	var errs []error
	for _, stmt := range s.prepared {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

func (s session) exec(stmt statement, args ...any) error {
	_, err := s.prepared[stmt].Exec(args...)
	return err
}

func (s session) row(stmt statement, args ...any) *sql.Row {
	return s.prepared[stmt].QueryRow(args...)
}

func (s session) rows(stmt statement, args ...any) (*sql.Rows, error) {
	return s.prepared[stmt].Query(args...)
}

// is tells whether a condition holds.
func (s session) is(stmt statement, args ...any) (bool, error) {
	var holds bool
	err := s.row(stmt, args...).Scan(&holds)
	return holds, err
}

// changes tells whether a statement that may come to nothing has changed a row.
func (s session) changes(stmt statement, args ...any) (bool, error) {
	rows, err := s.changed(stmt, args...)
	return rows > 0, err
}

// changed returns how many rows a statement has changed.
func (s session) changed(stmt statement, args ...any) (int, error) {
	result, err := s.prepared[stmt].Exec(args...)
	if err != nil {
		return 0, err
	}
	rows, err := result.RowsAffected()
	return int(rows), err
}

// rollback ends a transaction that failed. SQLite may have ended it already, which is an error that means nothing.
func (s session) rollback() {
	_ = s.exec(rollback)
}
