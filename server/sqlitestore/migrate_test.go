package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// TestMigrate opens databases of every earlier version, with records in them.
func TestMigrate(t *testing.T) {
	for done := 1; done < len(schema); done++ {
		t.Run(fmt.Sprint("from version ", done), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "onetime.db")
			makeVersion(t, path, done)
			store, err := Open(t.Context(), path)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			defer store.Close()
			account, err := store.Account(t.Context(), "ada@example.com")
			if err != nil || account.ID != (vault.AccountID{1}) {
				t.Errorf("Account: %v, %v", account.ID, err)
			}
			if secret, err := store.Secret(t.Context(), vault.ID{9}); err != nil || len(secret.Sealed) != 2*vault.SealedBlock {
				t.Errorf("Secret: %d bytes, %v", len(secret.Sealed), err)
			}
			if live, err := store.Live(t.Context()); err != nil || live != 1 {
				t.Errorf("Live: %d, %v", live, err)
			}
			another := vault.SecretRecord{ID: vault.ID{8}, Owner: vault.OwnerID{5}, Created: time.UnixMilli(1)}
			err = store.Create(t.Context(), another, vault.ReceiptRecord{ID: vault.ID{8}}, nil, vault.Quota{Secrets: 1})
			if got, want := errors.Is(err, vault.ErrQuota), done >= 3; got != want {
				t.Errorf("Create for an owner who has one: %v", err)
			}
			wantKeys(t, store, vault.KeyID{7})
			if err := store.RemoveServerKey(t.Context(), vault.KeyID{7}); err != nil {
				t.Errorf("RemoveServerKey: %v", err)
			}
			receipt := vault.ReceiptRecord{ID: vault.ID{2}, Expires: time.UnixMilli(1)}
			recent := &vault.RecentRecord{List: vault.ListID{1}, Receipt: receipt}
			if err := store.Create(t.Context(), vault.SecretRecord{ID: vault.ID{1}}, receipt, recent, vault.Quota{}); err != nil {
				t.Fatalf("Create: %v", err)
			}
			if listed, err := store.Recent(t.Context(), vault.ListID{1}, 10); err != nil || len(listed) != 1 {
				t.Errorf("Recent: %d entries, %v", len(listed), err)
			}
			if got, err := version(t.Context(), store.writer.session.conn); err != nil || got != len(schema) {
				t.Errorf("version %d, %v", got, err)
			}
		})
	}
}

// makeVersion makes a database as the program of an earlier version left it.
func makeVersion(t *testing.T, path string, version int) {
	t.Helper()
	if err := createPrivate(path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	steps := append([]string{}, schema[:version]...)
	owner, value := "", "" // a secret has one from version 3 on
	if version >= 3 {
		owner, value = ", owner", ", CAST(x'05' || zeroblob(15) AS BLOB)"
	}
	steps = append(steps,
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version),
		"INSERT INTO server_keys (id) VALUES (x'0700000000000000')",
		"INSERT INTO accounts VALUES (x'01000000000000000000000000000000', 'ada@example.com', 5, zeroblob(32), zeroblob(8), x'00')",
		"INSERT INTO chunks (number, data) VALUES (3, zeroblob(512)), (4, zeroblob(512))",
		fmt.Sprintf(`INSERT INTO secrets (id, receipt_id, account, created, expires, has_passphrase, key_id, first_chunk, chunks%s)
			VALUES (CAST(x'09' || zeroblob(33) AS BLOB), zeroblob(34), zeroblob(16), 1, 1000, 0, zeroblob(8), 3, 2%s)`, owner, value),
		"INSERT INTO recent VALUES (1, x'01000000000000000000000000000000', zeroblob(34), x'00')")
	for _, step := range steps {
		if _, err := db.ExecContext(context.Background(), step); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
}

// TestBurningUsesTheIndex holds that a step of burning does not look through everybody's secrets.
func TestBurningUsesTheIndex(t *testing.T) {
	store := openFile(t)
	rows, err := store.writer.session.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statements[secretsOfAccount], []byte{1}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := collect(rows, func(detail *string) []any { var n int; return []any{&n, &n, &n, detail} })
	if err != nil || len(plan) != 1 || plan[0] != "SEARCH secrets USING INDEX secrets_by_account (account=?)" {
		t.Errorf("plan %q, %v", plan, err)
	}
}
