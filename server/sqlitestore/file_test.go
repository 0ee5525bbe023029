package sqlitestore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

var created = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// newPair makes a secret of so many blocks, each of which begins with marker, and its receipt.
func newPair(number, blocks int, marker string) (vault.SecretRecord, vault.ReceiptRecord) {
	block := make([]byte, vault.SealedBlock)
	copy(block, marker)
	secret := vault.SecretRecord{
		ID:      vault.ID{'a', 'b', byte(number), byte(number >> 8), byte(number >> 16), 's'},
		Created: created,
		Expires: created.Add(time.Hour),
		Sealed:  bytes.Repeat(block, blocks),
	}
	secret.ReceiptID = vault.ID{'a', 'b', byte(number), byte(number >> 8), byte(number >> 16), 'r'}
	return secret, vault.ReceiptRecord{
		ID: secret.ReceiptID, SecretID: secret.ID, State: onetime.StateNew, Created: created, Updated: created,
		SecretExpires: secret.Expires, Expires: created.Add(2 * time.Hour), Sealed: []byte("sealed"),
	}
}

func create(t testing.TB, store *sqlitestore.Store, number, blocks int, marker string) vault.SecretRecord {
	t.Helper()
	secret, receipt := newPair(number, blocks, marker)
	if err := store.Create(context.Background(), secret, receipt, nil, vault.Quota{}); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return secret
}

func claim(t testing.TB, store *sqlitestore.Store, id vault.ID) {
	t.Helper()
	won, err := store.Claim(context.Background(), vault.Claim{SecretID: id, State: onetime.StateReceived, Now: created})
	if err != nil || !won {
		t.Fatalf("Claim = %v, %v, want true, nil", won, err)
	}
}

// execute runs SQL beside the stores.
func execute(t *testing.T, path, query string) {
	t.Helper()
	touch(t, path)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// touch makes a file that is nobody else's.
func touch(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	create(t, store, 1, 1, "")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the mode of %s is %v, want 0600", info.Name(), info.Mode().Perm())
		}
	}
}

// TestOpenRefusesFilesThatOthersCanRead holds that it says which, and goes on when that was mended.
func TestOpenRefusesFilesThatOthersCanRead(t *testing.T) {
	path := newPath(t)
	create(t, open(t, path), 1, 1, "") // it stays open, so that all three files are there
	for _, suffix := range []string{"", "-wal", "-shm"} {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
			if err := os.Chmod(path+suffix, mode); err != nil {
				t.Fatal(err)
			}
			if _, err := sqlitestore.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), path+suffix+" can be read") {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
		if err := os.Chmod(path+suffix, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, path)
}

func TestPathWithSpecialCharacters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "50% of?a=b&c#d e")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "one?time#%41.db")
	create(t, open(t, path), 1, 1, "")
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("Stat = %v, %v, want a file with something in it", info, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
	}{
		"a newer schema": {
			func(t *testing.T, path string) {
				if err := open(t, path).Close(); err != nil {
					t.Fatal(err)
				}
				execute(t, path, "PRAGMA user_version = 99")
			},
			"sqlitestore: open: the database has schema version 99, and this program knows none after 5",
		},
		"another program's database": {
			func(t *testing.T, path string) { execute(t, path, "CREATE TABLE theirs (x)") },
			"sqlitestore: open: the database belongs to another program (application id 0)",
		},
		"another file": {
			func(t *testing.T, path string) {
				if err := os.WriteFile(path, []byte(strings.Repeat("not a database. ", 100)), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			"not a database",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			test.prepare(t, path)
			before, _ := os.ReadFile(path)
			store, err := sqlitestore.Open(t.Context(), path)
			if err == nil {
				store.Close()
				t.Fatal("Open succeeded, want an error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open: %v, want %s", err, test.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}

	t.Run("a missing folder", func(t *testing.T) {
		_, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "missing", "onetime.db"))
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open: %v, want fs.ErrNotExist", err)
		}
	})
}

func TestOpenNewFileAtTheSameTime(t *testing.T) {
	for range 10 {
		path := newPath(t)
		var wg sync.WaitGroup
		for number := range 8 {
			wg.Go(func() {
				store, err := sqlitestore.Open(t.Context(), path)
				if err != nil {
					t.Errorf("Open: %v", err)
					return
				}
				defer store.Close()
				secret, receipt := newPair(number, 1, "")
				if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
					t.Errorf("Create: %v", err)
				}
			})
		}
		wg.Wait()
	}
}

// saturate has many callers create secrets until the test calls stop.
func saturate(t *testing.T, store *sqlitestore.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for caller := range 64 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				secret, receipt := newPair(caller*100_000+i, 1, "")
				if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
					t.Errorf("Create: %v", err)
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// A saturated server must leave room for a command that writes to its database.
func TestWriteBesideSaturatedStore(t *testing.T) {
	path := newPath(t)
	command := open(t, path)
	stop := saturate(t, open(t, path))
	defer stop()
	var slowest time.Duration
	for number := range 20 {
		account := vault.AccountRecord{
			ID: vault.AccountID{byte(number)}, Email: string(rune('a'+number)) + "@example.com", Created: created,
		}
		began := time.Now()
		if err := command.CreateAccount(t.Context(), account); err != nil {
			t.Errorf("CreateAccount: %v", err)
		}
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("the slowest of 20 writes took %v", slowest)
}

func TestReadFromSaturatedMemory(t *testing.T) {
	store, err := sqlitestore.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	secret := create(t, store, -1, 1, "")
	stop := saturate(t, store)
	defer stop()
	var slowest time.Duration
	for range 100 {
		began := time.Now()
		if _, err := store.Secret(t.Context(), secret.ID); err != nil {
			t.Errorf("Secret: %v", err)
		}
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("the slowest of 100 reads took %v", slowest)
}

// A reader that stays open must not hold up writers, a sweep's checkpoint included.
func TestReaderDoesNotBlockWriter(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	create(t, store, 1, 1, "")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var count int
	if err := tx.QueryRow("SELECT count(*) FROM secrets").Scan(&count); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // less than SQLite would wait
	defer cancel()
	if _, err := store.Sweep(ctx, created, 10); err != nil {
		t.Errorf("Sweep: %v", err)
	}
	secret, receipt := newPair(2, 1, "")
	if err := store.Create(ctx, secret, receipt, nil, vault.Quota{}); err != nil {
		t.Errorf("Create: %v", err)
	}
}

func TestNothingStaysOfClaimedAndSwept(t *testing.T) {
	const marker = "MARKER-that-is-sealed"
	path := newPath(t)
	store := open(t, path)
	kept, receipt := newPair(0, 3, "KEPT")
	kept.Expires = kept.Expires.Add(time.Second)
	if err := store.Create(t.Context(), kept, receipt, nil, vault.Quota{}); err != nil {
		t.Fatalf("Create: %v", err)
	}
	for number := 1; number <= 60; number++ { // many, for pages to be split and freed
		create(t, store, number, number, marker)
	}
	if !fileHolds(t, path+"-wal", marker) {
		t.Fatal("the marker is not where it is looked for")
	}
	for number := 1; number <= 60; number += 2 {
		secret, _ := newPair(number, 0, "")
		claim(t, store, secret.ID)
	}
	if _, err := store.Sweep(t.Context(), created, 0); err != nil { // empties the log
		t.Fatal(err)
	}
	deleted, err := store.Sweep(t.Context(), created.Add(time.Hour), 100)
	if err != nil || deleted.Secrets+deleted.Receipts != 30 {
		t.Fatalf("Sweep = %+v, %v, want 30 records, nil", deleted, err)
	}
	// The sweep is answered before the log is emptied. The next change is not taken before.
	if err := store.AddServerKey(t.Context(), vault.KeyID{1}); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		if fileHolds(t, path+suffix, marker) {
			t.Errorf("the database's %q file holds what was claimed", suffix)
		}
	}
	if !fileHolds(t, path, string(kept.Sealed[:4])) {
		t.Error("the database does not hold what was not claimed")
	}
}

func fileHolds(t *testing.T, path, marker string) bool {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(content, []byte(marker))
}

func TestDamagedSecret(t *testing.T) {
	for name, damage := range map[string]string{
		"first chunk":  "DELETE FROM chunks WHERE number = 4",
		"middle chunk": "DELETE FROM chunks WHERE number = 5",
		"last chunk":   "DELETE FROM chunks WHERE number = 6",
		"all chunks":   "DELETE FROM chunks WHERE number > 3",
		"short chunk":  "UPDATE chunks SET data = x'00' WHERE number = 5",
		"receipt's id": "UPDATE secrets SET receipt_id = x'00' WHERE first_chunk = 4",
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			store := open(t, path)
			whole := create(t, store, 1, 3, "")
			damaged := create(t, store, 2, 3, "")
			create(t, store, 3, 3, "")
			execute(t, path, damage)

			if _, err := store.Secret(t.Context(), damaged.ID); err == nil || errors.Is(err, vault.ErrNoRecord) {
				t.Errorf("Secret: %v, want an error other than ErrNoRecord", err)
			}
			if _, err := store.Secret(t.Context(), whole.ID); err != nil {
				t.Errorf("Secret: %v", err)
			}
		})
	}
}

func TestErrorsHideTheDriver(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	create(t, store, 1, 1, "")
	secret, receipt := newPair(1, 1, "")
	taken := store.Create(t.Context(), secret, receipt, nil, vault.Quota{})

	odd := secret
	odd.Sealed = odd.Sealed[1:]
	length := store.Create(t.Context(), odd, receipt, nil, vault.Quota{})

	execute(t, path, "DROP TABLE accounts")
	_, broken := store.Account(t.Context(), "someone@example.com")

	for name, err := range map[string]error{"id taken": taken, "odd length": length, "table gone": broken} {
		var driver *sqlite.Error
		if err == nil || errors.As(err, &driver) || !strings.HasPrefix(err.Error(), "sqlitestore: ") {
			t.Errorf("%s: %#v, want an error of this package", name, err)
		}
	}
}

func TestNegativeLimitIsNone(t *testing.T) {
	store := open(t, newPath(t))
	secret, receipt := newPair(1, 1, "")
	recent := &vault.RecentRecord{List: vault.ListID{1}, Receipt: receipt}
	if err := store.Create(t.Context(), secret, receipt, recent, vault.Quota{}); err != nil {
		t.Fatalf("Create: %v", err)
	}
	if deleted, err := store.Sweep(t.Context(), receipt.Expires, -1); err != nil || deleted != (vault.Swept{}) {
		t.Errorf("Sweep = %+v, %v, want nothing, nil", deleted, err)
	}
	if listed, err := store.Recent(t.Context(), recent.List, -1); err != nil || len(listed) != 0 {
		t.Errorf("Recent = %d entries, %v, want 0, nil", len(listed), err)
	}
}

// After Close nothing is left of what was deleted, and the database is in one file.
func TestCloseEmptiesTheLog(t *testing.T) {
	path := newPath(t)
	store := open(t, path)
	secret := create(t, store, 1, 3, "MARKER")
	claim(t, store, secret.ID)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(path + "*")
	if err != nil || len(left) != 1 {
		t.Errorf("files: %v, %v", left, err)
	}
	for _, name := range left {
		if fileHolds(t, name, "MARKER") {
			t.Errorf("%s holds what was claimed", filepath.Base(name))
		}
	}
}

func TestCloseTwice(t *testing.T) {
	store := open(t, newPath(t))
	for range 2 {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func TestMemoriesAreApart(t *testing.T) {
	var stores [2]*sqlitestore.Store
	for i := range stores {
		store, err := sqlitestore.OpenMemory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		stores[i] = store
	}
	secret := create(t, stores[0], 1, 1, "")
	if _, err := stores[1].Secret(t.Context(), secret.ID); !errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("Secret: %v, want ErrNoRecord", err)
	}
}
