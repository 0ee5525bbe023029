package sqlitestore_test

import (
	"testing"

	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/storetest"
	"github.com/onetime-go/onetime/server/vault"
)

func TestHistories(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		storetest.RunHistories(t, func(t *testing.T) vault.Store { return open(t, newPath(t)) })
	})
	t.Run("memory", func(t *testing.T) {
		storetest.RunHistories(t, func(t *testing.T) vault.Store {
			store, err := sqlitestore.OpenMemory(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return store
		})
	})
}
