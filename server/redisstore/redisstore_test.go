package redisstore_test

import (
	"testing"

	"github.com/onetime-go/onetime/internal/redistest"
	"github.com/onetime-go/onetime/server/redisstore"
	"github.com/onetime-go/onetime/server/storetest"
	"github.com/onetime-go/onetime/server/vault"
)

// A deployment is what engines are part of.
type deployment interface {
	Config() redisstore.Config
	Empty(testing.TB)
}

func open(t testing.TB, config redisstore.Config) *redisstore.Store {
	t.Helper()
	store, err := redisstore.Open(t.Context(), config)
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

func large(t *testing.T) {
	t.Helper()
	if !redistest.All() {
		t.Skip("it starts several engines, or takes long: ONETIME_ENGINES=all runs it")
	}
}

// suite runs all that a store has to pass, on one deployment that is emptied before each test.
func suite(t *testing.T, d deployment, change func(*redisstore.Config)) {
	t.Helper()
	config := d.Config()
	if change != nil {
		change(&config)
	}
	empty := func(t *testing.T) vault.Store {
		d.Empty(t)
		return open(t, config)
	}
	storetest.Run(t, empty)
	storetest.RunShared(t, func(t *testing.T) func() vault.Store {
		d.Empty(t)
		return func() vault.Store { return open(t, config) }
	})
	t.Run("histories", func(t *testing.T) { storetest.RunHistories(t, empty) })
}

func TestStore(t *testing.T) {
	suite(t, redistest.Start(t), nil)
}

// TestDurable runs the suite where each write is on the disk before it is answered.
func TestDurable(t *testing.T) {
	large(t)
	suite(t, redistest.Start(t, redistest.Durable...), func(c *redisstore.Config) { c.Durability = redisstore.Fsync })
}

func TestSentinel(t *testing.T) {
	large(t)
	suite(t, redistest.StartSentinel(t), func(c *redisstore.Config) { c.Replicas = 1 })
}

func TestCluster(t *testing.T) {
	large(t)
	suite(t, redistest.StartCluster(t), nil)
}
