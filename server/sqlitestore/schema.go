package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// applicationID tells our files from those of other programs. It reads "onet".
const applicationID = 0x6f6e6574

// schema holds the steps that make a database, in order. One that went through the first n has version n. A step is
// never changed once it was released.
var schema = [...]string{
	// Sealed values are kept apart, in rows of one size under ever growing numbers, each on a page of its own: see
	// pageSize. The rows of one secret are consecutive. An index by account ends in the row's number, which is the order
	// of Recent.
	`
	CREATE TABLE chunks (
		number INTEGER PRIMARY KEY AUTOINCREMENT,
		data   BLOB NOT NULL
	) STRICT;

	CREATE TABLE secrets (
		id             BLOB PRIMARY KEY,
		receipt_id     BLOB NOT NULL,
		account        BLOB NOT NULL,
		created        INTEGER NOT NULL,
		expires        INTEGER NOT NULL,
		has_passphrase INTEGER NOT NULL,
		key_id         BLOB NOT NULL,
		first_chunk    INTEGER NOT NULL,
		chunks         INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	CREATE INDEX secrets_by_expiry ON secrets (expires);

	CREATE TABLE receipts (
		number         INTEGER PRIMARY KEY AUTOINCREMENT,
		id             BLOB NOT NULL UNIQUE,
		secret_id      BLOB NOT NULL,
		account        BLOB NOT NULL,
		state          TEXT NOT NULL,
		created        INTEGER NOT NULL,
		updated        INTEGER NOT NULL,
		secret_expires INTEGER NOT NULL,
		expires        INTEGER NOT NULL,
		has_passphrase INTEGER NOT NULL,
		key_id         BLOB NOT NULL,
		claim          BLOB NOT NULL,
		sealed         BLOB NOT NULL
	) STRICT;
	CREATE INDEX receipts_by_expiry ON receipts (expires);

	CREATE TABLE recent (
		number     INTEGER PRIMARY KEY AUTOINCREMENT,
		account    BLOB NOT NULL,
		receipt_id BLOB NOT NULL,
		sealed     BLOB NOT NULL
	) STRICT;
	CREATE INDEX recent_by_account ON recent (account);
	CREATE INDEX recent_by_receipt ON recent (receipt_id);

	CREATE TABLE accounts (
		id       BLOB PRIMARY KEY,
		email    TEXT NOT NULL UNIQUE,
		created  INTEGER NOT NULL,
		token_id BLOB NOT NULL,
		key_id   BLOB NOT NULL,
		sealed   BLOB NOT NULL
	) STRICT, WITHOUT ROWID;

	CREATE TABLE server_keys (
		number INTEGER PRIMARY KEY AUTOINCREMENT,
		id     BLOB NOT NULL UNIQUE
	) STRICT;

	CREATE TABLE high_water (
		only INTEGER PRIMARY KEY CHECK (only = 1),
		time INTEGER
	) STRICT;
	INSERT INTO high_water VALUES (1, NULL);
	`,

	// Lists get ids of their own. Those by the ids of accounts are found by nobody any more. The partial index is for
	// burning what an account has unread, and costs anonymous callers nothing.
	`
	CREATE TABLE removed_keys (
		id BLOB PRIMARY KEY
	) STRICT, WITHOUT ROWID;

	CREATE INDEX secrets_by_account ON secrets (account) WHERE account <> x'00000000000000000000000000000000';

	DELETE FROM recent;
	ALTER TABLE recent RENAME COLUMN account TO list;
	DROP INDEX recent_by_account;
	CREATE INDEX recent_by_list ON recent (list);
	`,

	// Quotas, guesses, and totals that need no counting. The first index has all that a quota asks for, and costs nobody
	// anything who has no owner. In the place of a caller, a tally of all callers has a number of one byte: see writes of
	// guesses. Triggers keep the totals right also where somebody deletes secrets by hand.
	`
	ALTER TABLE secrets ADD COLUMN owner BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
	CREATE INDEX secrets_by_owner ON secrets (owner, expires, chunks) WHERE owner <> x'00000000000000000000000000000000';

	CREATE TABLE tallies (
		record  BLOB NOT NULL,
		caller  BLOB NOT NULL,
		count   INTEGER NOT NULL,
		ends    INTEGER NOT NULL,
		touched INTEGER NOT NULL,
		PRIMARY KEY (record, caller)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX tallies_by_end ON tallies (ends);
	CREATE INDEX tallies_by_touch ON tallies (touched);

	CREATE TABLE totals (
		only    INTEGER PRIMARY KEY CHECK (only = 1),
		secrets INTEGER NOT NULL,
		tallies INTEGER NOT NULL,
		pings   INTEGER NOT NULL
	) STRICT;
	INSERT INTO totals SELECT 1, count(*), 0, 0 FROM secrets;
	CREATE TRIGGER secret_added AFTER INSERT ON secrets BEGIN UPDATE totals SET secrets = secrets + 1; END;
	CREATE TRIGGER secret_gone AFTER DELETE ON secrets BEGIN UPDATE totals SET secrets = secrets - 1; END;
	CREATE TRIGGER tally_added AFTER INSERT ON tallies BEGIN UPDATE totals SET tallies = tallies + 1; END;
	CREATE TRIGGER tally_gone AFTER DELETE ON tallies BEGIN UPDATE totals SET tallies = tallies - 1; END;
	`,

	// Secrets get numbers, and their ids an index. Without a number the inner pages of the table's tree hold whole rows, five
	// to a page, so that it is deep and a page is split for every third secret.
	`
	CREATE TABLE numbered_secrets (
		number         INTEGER PRIMARY KEY,
		id             BLOB NOT NULL UNIQUE,
		receipt_id     BLOB NOT NULL,
		account        BLOB NOT NULL,
		owner          BLOB NOT NULL,
		created        INTEGER NOT NULL,
		expires        INTEGER NOT NULL,
		has_passphrase INTEGER NOT NULL,
		key_id         BLOB NOT NULL,
		first_chunk    INTEGER NOT NULL,
		chunks         INTEGER NOT NULL
	) STRICT;
	INSERT INTO numbered_secrets (id, receipt_id, account, owner, created, expires, has_passphrase, key_id, first_chunk, chunks)
		SELECT id, receipt_id, account, owner, created, expires, has_passphrase, key_id, first_chunk, chunks
		FROM secrets ORDER BY first_chunk;
	DROP TABLE secrets;
	ALTER TABLE numbered_secrets RENAME TO secrets;
	CREATE INDEX secrets_by_expiry ON secrets (expires);
	CREATE INDEX secrets_by_account ON secrets (account) WHERE account <> x'00000000000000000000000000000000';
	CREATE INDEX secrets_by_owner ON secrets (owner, expires, chunks) WHERE owner <> x'00000000000000000000000000000000';
	CREATE TRIGGER secret_added AFTER INSERT ON secrets BEGIN UPDATE totals SET secrets = secrets + 1; END;
	CREATE TRIGGER secret_gone AFTER DELETE ON secrets BEGIN UPDATE totals SET secrets = secrets - 1; END;
	`,

	// What the secrets of an owner take in all, for quotas: counting them would take longer the more there are, and all
	// others would wait meanwhile. What has expired and was not swept yet is taken off with the index by owner.
	`
	CREATE TABLE owners (
		owner   BLOB PRIMARY KEY,
		secrets INTEGER NOT NULL,
		chunks  INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	INSERT INTO owners SELECT owner, count(*), sum(chunks) FROM secrets
		WHERE owner <> x'00000000000000000000000000000000' GROUP BY owner;
	CREATE TRIGGER owned_secret_added AFTER INSERT ON secrets WHEN NEW.owner <> x'00000000000000000000000000000000' BEGIN
		INSERT INTO owners VALUES (NEW.owner, 1, NEW.chunks)
			ON CONFLICT (owner) DO UPDATE SET secrets = secrets + 1, chunks = chunks + excluded.chunks;
	END;
	CREATE TRIGGER owned_secret_gone AFTER DELETE ON secrets WHEN OLD.owner <> x'00000000000000000000000000000000' BEGIN
		UPDATE owners SET secrets = secrets - 1, chunks = chunks - OLD.chunks WHERE owner = OLD.owner;
		DELETE FROM owners WHERE owner = OLD.owner AND secrets = 0;
	END;
	`,
}

// prepare brings a database to the version that this package knows.
func prepare(ctx context.Context, conn *sql.Conn, db database) error {
	// Before anything is changed: the file may not be ours.
	if _, err := version(ctx, conn); err != nil {
		return err
	}
	if !db.inMemory {
		if err := enterWAL(ctx, conn); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := migrate(ctx, conn); err != nil {
		// The error to report is the first one, and a connection that failed to open is closed.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	_, err := conn.ExecContext(ctx, "COMMIT")
	return err
}

func migrate(ctx context.Context, conn *sql.Conn) error {
	// Again, as another process may just have done the work.
	done, err := version(ctx, conn)
	if err != nil || done == len(schema) {
		return err
	}
	for _, step := range schema[done:] {
		if _, err := conn.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx,
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(schema)))
	return err
}

// version returns how many steps the database has been through, or why this package must not touch it.
func version(ctx context.Context, conn *sql.Conn) (int, error) {
	var application, version, objects int
	const query = `SELECT
		(SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`
	if err := conn.QueryRowContext(ctx, query).Scan(&application, &version, &objects); err != nil {
		return 0, err
	}
	empty := application == 0 && version == 0 && objects == 0
	switch {
	case empty:
		return 0, nil
	case application != applicationID:
		return 0, fmt.Errorf("the database belongs to another program (application id %d)", application)
	case version > len(schema):
		return 0, fmt.Errorf("the database has schema version %d, and this program knows none after %d",
			version, len(schema))
	}
	return version, nil
}

// enterWAL turns the write-ahead log on. SQLite does not wait for others while it does so, hence the loop.
func enterWAL(ctx context.Context, conn *sql.Conn) error {
	const pause = 5 * time.Millisecond
	deadline := time.Now().Add(lockWait)
	for {
		var mode string
		err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		switch {
		case err == nil && mode == "wal":
			return nil
		case err == nil:
			return fmt.Errorf("the file system allows no write-ahead log (journal mode %q)", mode)
		case !isBusy(err) || time.Now().After(deadline):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
