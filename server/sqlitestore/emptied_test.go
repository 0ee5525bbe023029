package sqlitestore

import (
	"path/filepath"
	"testing"
	"time"
)

// TestEmptied tells when the log was emptied, and not when it could not be.
func TestEmptied(t *testing.T) {
	memory, err := OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	if !memory.Emptied().IsZero() {
		t.Error("a database in memory has a log")
	}
	store, err := Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Unix(1, 0)
	sweep := func() {
		t.Helper()
		for range 2 { // the second returns after what follows the first
			now = now.Add(time.Second) // which is a change
			if _, err := store.Sweep(t.Context(), now, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	opened := store.Emptied()
	sweep()
	before := store.Emptied()
	if !before.After(opened) {
		t.Errorf("opened at %v, emptied at %v", opened, before)
	}

	// A reader that stays open is in the way: what it sees is in the log.
	pool, err := database{uri: store.writer.db.uri}.connect(1, lockWait)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	reader, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reader.QueryRow("SELECT count(*) FROM secrets").Scan(&n); err != nil {
		t.Fatal(err)
	}
	sweep() // and what followed the sweep before
	blocked := store.Emptied()
	sweep()
	if got := store.Emptied(); !got.Equal(blocked) {
		t.Errorf("a reader is in the way, and the log is emptied: %v, then %v", blocked, got)
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	sweep()
	if !store.Emptied().After(blocked) {
		t.Error("after the reader has left the log is not emptied")
	}
}
