package sqlitestore

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

func openFile(t *testing.T) *Store {
	t.Helper()
	store, err := Open(t.Context(), filepath.Join(t.TempDir(), "onetime.db"))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func addKey(id vault.KeyID) func(session) error {
	return func(tx session) error { return tx.exec(insertServerKey, id[:]) }
}

// batch submits changes so that the writer takes them together, and returns their outcomes.
func batch(t *testing.T, w *writer, changes ...func(session) error) []error {
	t.Helper()
	release, holding := hold(t, w)
	outcomes := make([]chan error, len(changes))
	for i, do := range changes {
		outcomes[i] = make(chan error, 1)
		go func() { outcomes[i] <- w.submit(context.Background(), &change{do: do}) }()
		time.Sleep(10 * time.Millisecond) // they queue in this order
	}
	close(release)
	if err := <-holding; err != nil {
		t.Fatalf("the change before the batch: %v", err)
	}
	errs := make([]error, len(changes))
	for i := range outcomes {
		errs[i] = <-outcomes[i]
	}
	return errs
}

// hold keeps the writer in a change until release is closed.
func hold(t *testing.T, w *writer) (release chan struct{}, outcome chan error) {
	t.Helper()
	release, outcome = make(chan struct{}), make(chan error, 1)
	taken := make(chan struct{})
	go func() {
		outcome <- w.submit(context.Background(), &change{do: func(session) error {
			close(taken)
			<-release
			return nil
		}})
	}()
	<-taken
	return release, outcome
}

func wantKeys(t *testing.T, s *Store, want ...vault.KeyID) {
	t.Helper()
	got, err := s.ServerKeys(t.Context())
	if err != nil || len(got) != len(want) {
		t.Fatalf("ServerKeys = %v, %v, want %v", got, err, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("ServerKeys = %v, want %v", got, want)
		}
	}
}

func TestChangesThatWaitAreCommittedTogether(t *testing.T) {
	store := openFile(t)
	var commits int
	count := func(id vault.KeyID) func(session) error {
		return func(tx session) error {
			var changes int // rows changed so far: a commit in between would show
			if err := tx.conn.QueryRowContext(context.Background(),
				"SELECT count(*) FROM server_keys").Scan(&changes); err != nil {
				return err
			}
			if visible, err := store.ServerKeys(context.Background()); err != nil || len(visible) > 0 {
				commits++
			}
			return addKey(id)(tx)
		}
	}
	errs := batch(t, store.writer, count(vault.KeyID{1}), count(vault.KeyID{2}), count(vault.KeyID{3}))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if commits != 0 {
		t.Error("a change saw that an earlier one of its batch was committed")
	}
	wantKeys(t, store, vault.KeyID{1}, vault.KeyID{2}, vault.KeyID{3})
}

func TestFailedChangeHarmsNoOther(t *testing.T) {
	store := openFile(t)
	failure := errors.New("planted")
	errs := batch(t, store.writer,
		addKey(vault.KeyID{1}),
		func(tx session) error { // half-done when it fails
			if err := addKey(vault.KeyID{2})(tx); err != nil {
				return err
			}
			return failure
		},
		addKey(vault.KeyID{3}),
		func(tx session) error { // refused by SQLite itself
			_, err := tx.conn.ExecContext(context.Background(), "INSERT INTO server_keys (id) VALUES (NULL)")
			return err
		},
		addKey(vault.KeyID{4}),
	)
	for i, wantErr := range []bool{false, true, false, true, false} {
		if (errs[i] != nil) != wantErr {
			t.Errorf("change %d: %v, want an error: %v", i+1, errs[i], wantErr)
		}
	}
	wantKeys(t, store, vault.KeyID{1}, vault.KeyID{3}, vault.KeyID{4})
}

// A deferred constraint fails at COMMIT, and leaves the transaction open, as a full disk may.
func TestFailedCommit(t *testing.T) {
	store := openFile(t)
	w := store.writer
	for _, query := range []string{
		"CREATE TABLE parents (id INTEGER PRIMARY KEY)",
		"CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
		"PRAGMA foreign_keys = ON",
	} {
		if _, err := w.session.conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	errs := batch(t, w, addKey(vault.KeyID{1}), func(tx session) error {
		_, err := tx.conn.ExecContext(context.Background(), "INSERT INTO children VALUES (1)")
		return err
	})
	for i, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "FOREIGN KEY") {
			t.Errorf("change %d: %v, want the error of the commit", i+1, err)
		}
	}
	wantKeys(t, store)

	if err := store.AddServerKey(t.Context(), vault.KeyID{2}); err != nil {
		t.Errorf("AddServerKey after a failed commit: %v", err)
	}
	wantKeys(t, store, vault.KeyID{2})
}

func TestFullDisk(t *testing.T) {
	store := openFile(t)
	conn := store.writer.session.conn
	if _, err := conn.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil { // as large as it is
		t.Fatal(err)
	}
	secret := vault.SecretRecord{ID: vault.ID{1}, Sealed: make([]byte, 100*vault.SealedBlock)}
	receipt := vault.ReceiptRecord{ID: vault.ID{2}}
	if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("Create: %v, want that the disk is full", err)
	}
	if _, err := conn.ExecContext(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
		t.Errorf("Create when there is room again: %v", err)
	}
	if _, err := store.Secret(t.Context(), secret.ID); err != nil {
		t.Errorf("Secret: %v", err)
	}
}

func TestContextCountsUntilTheChangeIsTaken(t *testing.T) {
	store := openFile(t)
	w := store.writer

	release, holding := hold(t, w)
	waiting, cancelWaiting := context.WithCancel(t.Context())
	outcome := make(chan error, 1)
	go func() { outcome <- store.AddServerKey(waiting, vault.KeyID{1}) }()
	time.Sleep(10 * time.Millisecond)
	cancelWaiting()
	if err := <-outcome; !errors.Is(err, context.Canceled) {
		t.Errorf("AddServerKey that was not taken: %v, want context.Canceled", err)
	}
	close(release)
	if err := <-holding; err != nil {
		t.Fatal(err)
	}
	wantKeys(t, store)

	taken, cancelTaken := context.WithCancel(t.Context())
	err := w.submit(taken, &change{do: func(tx session) error {
		cancelTaken()
		return addKey(vault.KeyID{2})(tx)
	}})
	if err != nil {
		t.Errorf("a change that was taken: %v, want nil", err)
	}
	wantKeys(t, store, vault.KeyID{2})
}

func TestCloseWaitsForChanges(t *testing.T) {
	store := openFile(t)
	release, closed := make(chan struct{}), make(chan error, 1)
	taken, outcome := make(chan struct{}), make(chan error, 1)
	go func() {
		outcome <- store.write(context.Background(), "test", change{do: func(tx session) error {
			close(taken)
			<-release
			return nil
		}})
	}()
	<-taken
	go func() { closed <- store.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("Close returned %v during a change", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := errors.Join(<-outcome, <-closed); err != nil {
		t.Error(err)
	}
}
