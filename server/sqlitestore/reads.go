package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

const receiptColumns = `receipts.id, receipts.secret_id, receipts.account, receipts.state, receipts.created,
	receipts.updated, receipts.secret_expires, receipts.expires, receipts.has_passphrase, receipts.key_id,
	receipts.claim, receipts.sealed, EXISTS (SELECT 1 FROM secrets WHERE secrets.id = receipts.secret_id)`

const accountColumns = `id, email, created, token_id, key_id, sealed`

// Each read is one statement, and so sees one state of the database.
const (
	selectSecret = `SELECT id, receipt_id, account, owner, created, expires, has_passphrase, key_id, secrets.chunks, data
		FROM secrets LEFT JOIN chunks ON chunks.number >= first_chunk AND chunks.number < first_chunk + secrets.chunks
		WHERE id = ? ORDER BY chunks.number`
	selectReceipt = `SELECT ` + receiptColumns + ` FROM receipts WHERE receipts.id = ?`
	selectRecent  = `SELECT recent.list, recent.sealed, ` + receiptColumns + `
		FROM recent JOIN receipts ON receipts.id = recent.receipt_id
		WHERE recent.list = ? ORDER BY recent.number DESC LIMIT ?`
	selectHighWater  = `SELECT time FROM high_water`
	selectLive       = `SELECT secrets FROM totals`
	selectAccount    = `SELECT ` + accountColumns + ` FROM accounts WHERE email = ?`
	selectAccounts   = `SELECT ` + accountColumns + ` FROM accounts ORDER BY email`
	selectServerKeys = `SELECT id FROM server_keys ORDER BY number`
	selectKeysInUse  = `SELECT key_id, sum(secrets), sum(receipts), sum(accounts), max(until) FROM (
		SELECT key_id, count(*) AS secrets, 0 AS receipts, 0 AS accounts, max(expires) AS until FROM secrets GROUP BY key_id
		UNION ALL SELECT key_id, 0, count(*), 0, max(expires) FROM receipts GROUP BY key_id
		UNION ALL SELECT key_id, 0, 0, count(*), NULL FROM accounts GROUP BY key_id
	) GROUP BY key_id`
)

// A reader is a pool of connections that cannot write, with the statements that they share.
type reader struct {
	pool *sql.DB
	turn sync.Locker

	secret, receipt, recent, highWater, live, account, accounts, serverKeys, keysInUse *sql.Stmt
}

func newReader(ctx context.Context, db database) (*reader, error) {
	const least = 4 // even where there is one processor: a read that waits for the disk holds up no other
	pool, err := db.connect(max(least, 2*runtime.GOMAXPROCS(0)), lockWait, "query_only(ON)")
	if err != nil {
		return nil, err
	}
	r := &reader{pool: pool, turn: db.reading}
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&r.secret, selectSecret},
		{&r.receipt, selectReceipt},
		{&r.recent, selectRecent},
		{&r.highWater, selectHighWater},
		{&r.live, selectLive},
		{&r.account, selectAccount},
		{&r.accounts, selectAccounts},
		{&r.serverKeys, selectServerKeys},
		{&r.keysInUse, selectKeysInUse},
	} {
		if *s.stmt, err = pool.PrepareContext(ctx, s.text); err != nil {
			return nil, errors.Join(err, pool.Close())
		}
	}
	return r, nil
}

func (r *reader) close() error { return r.pool.Close() }

// read runs a query when the store is open and it is its turn.
func (s *Store) read(ctx context.Context, operation string, query func(*reader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return opaque(operation, errClosed)
	}
	s.reader.turn.Lock()
	defer s.reader.turn.Unlock()
	err := query(s.reader)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // what an interrupted query reports is SQLite's own error
		err = ctx.Err()
	case errors.Is(err, sql.ErrNoRows):
		err = vault.ErrNoRecord
	}
	return opaque(operation, err)
}

// uninterrupted is for a query of one record. The driver starts a goroutine to watch a context that can end, which costs
// more than is saved: such a query is over in microseconds.
func uninterrupted(ctx context.Context) context.Context {
	if ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// collect scans all rows, each into the columns of a new T, and closes them.
func collect[T any](rows *sql.Rows, columns func(*T) []any) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		var next T
		all = append(all, next)
		if err := rows.Scan(columns(&all[len(all)-1])...); err != nil {
			return nil, err
		}
	}
	return all, rows.Err()
}

// Secret implements vault.Store.
func (s *Store) Secret(ctx context.Context, id vault.ID) (vault.SecretRecord, error) {
	var record vault.SecretRecord
	err := s.read(ctx, "secret", func(r *reader) error {
		rows, err := r.secret.QueryContext(uninterrupted(ctx), id[:])
		if err != nil {
			return err
		}
		record, err = scanSecret(rows)
		return err
	})
	return record, err
}

// scanSecret reads one row for each chunk, or one row without, and closes rows.
func scanSecret(rows *sql.Rows) (vault.SecretRecord, error) {
	defer rows.Close()
	var record vault.SecretRecord
	var count int
	found := false
	for rows.Next() {
		found = true
		var data sql.RawBytes
		if err := rows.Scan(fixed(record.ID[:]), fixed(record.ReceiptID[:]), fixed(record.Account[:]), fixed(record.Owner[:]),
			moment{&record.Created}, moment{&record.Expires}, &record.HasPassphrase, fixed(record.KeyID[:]), &count,
			&data); err != nil {
			return vault.SecretRecord{}, err
		}
		record.Sealed = append(record.Sealed, data...)
	}
	switch err := rows.Err(); {
	case err != nil:
		return vault.SecretRecord{}, err
	case !found:
		return vault.SecretRecord{}, vault.ErrNoRecord
	case len(record.Sealed) != count*vault.SealedBlock:
		return vault.SecretRecord{}, vault.ErrDamaged
	}
	return record, nil
}

// Receipt implements vault.Store.
func (s *Store) Receipt(ctx context.Context, id vault.ID) (vault.ReceiptRecord, error) {
	var record vault.ReceiptRecord
	err := s.read(ctx, "receipt", func(r *reader) error {
		return r.receipt.QueryRowContext(uninterrupted(ctx), id[:]).Scan(receiptTargets(&record)...)
	})
	return record, err
}

// receiptTargets is in the order of receiptColumns.
func receiptTargets(r *vault.ReceiptRecord) []any {
	return []any{
		fixed(r.ID[:]), fixed(r.SecretID[:]), fixed(r.Account[:]), &r.State, moment{&r.Created}, moment{&r.Updated},
		moment{&r.SecretExpires}, moment{&r.Expires}, &r.HasPassphrase, fixed(r.KeyID[:]), fixed(r.Claim[:]),
		&r.Sealed, &r.SecretStands,
	}
}

// Recent implements vault.Store. Newest is what was stored last.
func (s *Store) Recent(ctx context.Context, list vault.ListID, limit int) ([]vault.RecentRecord, error) {
	limit = max(limit, 0) // SQLite takes a negative one for none
	var records []vault.RecentRecord
	err := s.read(ctx, "recent", func(r *reader) error {
		rows, err := r.recent.QueryContext(ctx, list[:], limit)
		if err != nil {
			return err
		}
		records, err = collect(rows, func(r *vault.RecentRecord) []any {
			return append([]any{fixed(r.List[:]), &r.Sealed}, receiptTargets(&r.Receipt)...)
		})
		return err
	})
	return records, err
}

// HighWater implements vault.Store.
func (s *Store) HighWater(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := s.read(ctx, "high water", func(r *reader) error {
		return r.highWater.QueryRowContext(ctx).Scan(moment{&at})
	})
	return at, err
}

// Live implements vault.Store.
func (s *Store) Live(ctx context.Context) (int64, error) {
	var live int64
	err := s.read(ctx, "live", func(r *reader) error {
		return r.live.QueryRowContext(ctx).Scan(&live)
	})
	return live, err
}

// Account implements vault.Store.
func (s *Store) Account(ctx context.Context, email string) (vault.AccountRecord, error) {
	var a vault.AccountRecord
	err := s.read(ctx, "account", func(r *reader) error {
		return r.account.QueryRowContext(ctx, email).Scan(accountTargets(&a)...)
	})
	return a, err
}

// accountTargets is in the order of accountColumns.
func accountTargets(a *vault.AccountRecord) []any {
	return []any{fixed(a.ID[:]), &a.Email, moment{&a.Created}, fixed(a.TokenID[:]), fixed(a.KeyID[:]), &a.Sealed}
}

// Accounts implements vault.Store.
func (s *Store) Accounts(ctx context.Context) ([]vault.AccountRecord, error) {
	var accounts []vault.AccountRecord
	err := s.read(ctx, "accounts", func(r *reader) error {
		rows, err := r.accounts.QueryContext(ctx)
		if err != nil {
			return err
		}
		accounts, err = collect(rows, accountTargets)
		return err
	})
	return accounts, err
}

// ServerKeys implements vault.Store.
func (s *Store) ServerKeys(ctx context.Context) ([]vault.KeyID, error) {
	var ids []vault.KeyID
	err := s.read(ctx, "server keys", func(r *reader) error {
		rows, err := r.serverKeys.QueryContext(ctx)
		if err != nil {
			return err
		}
		ids, err = collect(rows, func(id *vault.KeyID) []any { return []any{fixed(id[:])} })
		return err
	})
	return ids, err
}

// KeysInUse implements vault.Store. It reads all secrets and receipts, about a second for a million.
func (s *Store) KeysInUse(ctx context.Context) ([]vault.KeyUse, error) {
	var uses []vault.KeyUse
	err := s.read(ctx, "keys in use", func(r *reader) error {
		rows, err := r.keysInUse.QueryContext(ctx)
		if err != nil {
			return err
		}
		uses, err = collect(rows, func(u *vault.KeyUse) []any {
			return []any{fixed(u.ID[:]), &u.Secrets, &u.Receipts, &u.Accounts, moment{&u.Until}}
		})
		return err
	})
	return uses, err
}
