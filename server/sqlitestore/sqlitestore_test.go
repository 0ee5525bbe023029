package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/storetest"
	"github.com/onetime-go/onetime/server/vault"
)

func open(t testing.TB, path string) *sqlitestore.Store {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "onetime.db") }

func TestFile(t *testing.T) {
	storetest.Run(t, func(t *testing.T) vault.Store { return open(t, newPath(t)) })
}

func TestSharedFile(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) func() vault.Store {
		path := newPath(t)
		return func() vault.Store { return open(t, path) }
	})
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) vault.Store {
		store, err := sqlitestore.OpenMemory(t.Context())
		if err != nil {
			t.Fatalf("OpenMemory: %v", err)
		}
		return store
	})
}
