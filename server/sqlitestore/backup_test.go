package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// check fails unless SQLite finds a file in order.
func check(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: %s, %v", verdict, err)
	}
}

// TestBackupUnderLoad makes backups while others write. Each holds what was acknowledged before it began, whole.
func TestBackupUnderLoad(t *testing.T) {
	path, folder := newPath(t), t.TempDir()
	server, command := open(t, path), open(t, path)
	const callers = 16
	var done atomic.Bool
	var acknowledged [callers]atomic.Int64
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for i := 0; !done.Load(); i++ {
				secret, receipt := newPair(caller*100_000+i, 3, "")
				if err := server.Create(context.Background(), secret, receipt, nil, vault.Quota{}); err != nil {
					t.Errorf("Create: %v", err)
					return
				}
				acknowledged[caller].Store(int64(i + 1))
			}
		})
	}
	for _, name := range []string{"1.db", "2.db", "3.db"} {
		time.Sleep(50 * time.Millisecond)
		var before [callers]int64
		for caller := range before {
			before[caller] = acknowledged[caller].Load()
		}
		file := filepath.Join(folder, name)
		if err := command.Backup(t.Context(), file); err != nil {
			t.Fatalf("Backup: %v", err)
		}
		wantBacked(t, file, before[:])
	}
	done.Store(true)
	group.Wait()
	left, err := os.ReadDir(folder)
	for _, entry := range left {
		if filepath.Ext(entry.Name()) != ".db" {
			t.Errorf("%s was left behind", entry.Name())
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func wantBacked(t *testing.T, file string, count []int64) {
	t.Helper()
	check(t, file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	copied, err := sqlitestore.Open(t.Context(), file)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	found := 0
	for caller, n := range count {
		for i := range int(n) {
			secret, receipt := newPair(caller*100_000+i, 3, "")
			got, err := copied.Secret(t.Context(), secret.ID)
			if err != nil || len(got.Sealed) != len(secret.Sealed) {
				t.Fatalf("Secret %d of caller %d: %v", i, caller, err)
			}
			if _, err := copied.Receipt(t.Context(), receipt.ID); err != nil {
				t.Fatalf("Receipt %d of caller %d: %v", i, caller, err)
			}
			found++
		}
	}
	if found == 0 {
		t.Error("nothing was written before the backup")
	}
	if err := copied.Close(); err != nil {
		t.Error(err)
	}
}

func TestBackupRefuses(t *testing.T) {
	store := open(t, newPath(t))
	taken := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(taken, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(taken), "link")
	if err := os.Symlink(filepath.Join(filepath.Dir(taken), "nowhere"), link); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	memory, err := sqlitestore.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	closed := open(t, newPath(t))
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	free := filepath.Join(filepath.Dir(taken), "free")
	for name, test := range map[string]struct {
		err, want error
	}{
		"a file":           {store.Backup(t.Context(), taken), fs.ErrExist},
		"a symbolic link":  {store.Backup(t.Context(), link), fs.ErrExist},
		"a folder":         {store.Backup(t.Context(), filepath.Dir(taken)), fs.ErrExist},
		"a missing folder": {store.Backup(t.Context(), filepath.Join(free, "f")), nil},
		"an ended context": {store.Backup(ended, free), context.Canceled},
		"memory":           {memory.Backup(t.Context(), free), nil},
		"a closed store":   {closed.Backup(t.Context(), free), nil},
	} {
		if test.err == nil || test.want != nil && !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %v", name, test.err, test.want)
		}
	}
	if content, err := os.ReadFile(taken); err != nil || string(content) != "theirs" {
		t.Errorf("the file holds %q, %v", content, err)
	}
	entries, err := os.ReadDir(filepath.Dir(taken))
	if err != nil || len(entries) != 2 {
		t.Errorf("files: %v, %v", entries, err)
	}
}

// TestBackupHoldsNothingDeleted looks for what was consumed in the copy, page by page.
func TestBackupHoldsNothingDeleted(t *testing.T) {
	const marker = "MARKER-that-is-sealed"
	store := open(t, newPath(t))
	for number := 1; number <= 60; number++ {
		create(t, store, number, number, marker)
	}
	kept := create(t, store, 61, 3, "KEPT")
	for number := 1; number <= 60; number++ {
		secret, _ := newPair(number, 0, "")
		claim(t, store, secret.ID)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := store.Backup(t.Context(), file); err != nil {
		t.Fatalf("Backup: %v", err)
	}
	if fileHolds(t, file, marker) {
		t.Error("the backup holds what was consumed")
	}
	if !fileHolds(t, file, string(kept.Sealed[:4])) {
		t.Error("the backup does not hold what was not consumed")
	}
}

// TestRestore holds what the package comment says of a restored backup, and of the statements that it recommends.
func TestRestore(t *testing.T) {
	store := open(t, newPath(t))
	removed := vault.AccountRecord{ID: vault.AccountID{1}, Email: "ada@example.com", Created: created}
	if err := store.CreateAccount(t.Context(), removed); err != nil {
		t.Fatal(err)
	}
	secret := create(t, store, 1, 3, "MARKER")
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := store.Backup(t.Context(), file); err != nil {
		t.Fatalf("Backup: %v", err)
	}
	claim(t, store, secret.ID)
	if err := store.RemoveAccount(t.Context(), removed.ID); err != nil {
		t.Fatal(err)
	}

	restored, err := sqlitestore.Open(t.Context(), file)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if _, err := restored.Secret(t.Context(), secret.ID); err != nil {
		t.Errorf("what was revealed after the backup: %v", err)
	}
	if _, err := restored.Account(t.Context(), removed.Email); err != nil {
		t.Errorf("an account that was removed after the backup: %v", err)
	}
	high, err := restored.HighWater(t.Context())
	if err != nil || !high.Equal(created) {
		t.Errorf("HighWater = %v, %v", high, err)
	}
	if err := restored.Close(); err != nil {
		t.Fatal(err)
	}

	execute(t, file, "PRAGMA secure_delete = ON; DELETE FROM secrets; DELETE FROM chunks; VACUUM;")
	if fileHolds(t, file, "MARKER") {
		t.Error("the copy holds what was deleted from it")
	}
	restored = open(t, file)
	if _, err := restored.Secret(t.Context(), secret.ID); !errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("Secret: %v", err)
	}
	receipt, err := restored.Receipt(t.Context(), secret.ReceiptID)
	if err != nil || receipt.State != onetime.StateNew || receipt.SecretStands {
		t.Errorf("Receipt = %+v, %v", receipt, err)
	}
	if _, err := restored.Account(t.Context(), removed.Email); err != nil {
		t.Errorf("Account: %v", err)
	}
}

// TestWritersDoNotWaitForBackup has a large database copied, and counts what is written meanwhile.
func TestWritersDoNotWaitForBackup(t *testing.T) {
	store := open(t, newPath(t))
	for number := range 40 {
		create(t, store, number, 2048, "")
	}
	done := make(chan error, 1)
	go func() { done <- store.Backup(context.Background(), filepath.Join(t.TempDir(), "backup.db")) }()
	var slowest time.Duration
	for number := 100; ; number++ {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Backup: %v", err)
			}
			t.Logf("%d writes meanwhile, the slowest took %v", number-100, slowest)
			if number < 105 { // who waits for it gets one done
				t.Error("writers waited for the backup")
			}
			return
		default:
		}
		began := time.Now()
		create(t, store, number, 1, "")
		if number%20 == 10 { // now and then, as it may wait a moment for the backup, to empty the log
			if _, err := store.Sweep(t.Context(), created, 10); err != nil {
				t.Errorf("Sweep: %v", err)
			}
		}
		slowest = max(slowest, time.Since(began))
	}
}

// TestBackupAtOnce has several backups made under one name. One is, and the others find that it is taken.
func TestBackupAtOnce(t *testing.T) {
	store := open(t, newPath(t))
	create(t, store, 1, 3, "")
	file := filepath.Join(t.TempDir(), "backup.db")
	var made atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			err := store.Backup(t.Context(), file)
			if err == nil {
				made.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Errorf("Backup: %v", err)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Errorf("%d backups were made under one name", made.Load())
	}
	check(t, file)
}
