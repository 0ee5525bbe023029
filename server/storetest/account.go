package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/onetime-go/onetime/server/vault"
)

func testAccountExists(t *testing.T, store vault.Store) {
	first := newAccount(1)
	if err := store.CreateAccount(t.Context(), first); err != nil {
		t.Fatalf("CreateAccount: %v", err)
	}
	second := newAccount(2)
	second.Email = first.Email
	for _, account := range []vault.AccountRecord{first, second} {
		if err := store.CreateAccount(t.Context(), account); !errors.Is(err, vault.ErrExists) {
			t.Errorf("CreateAccount: %v, want ErrExists", err)
		}
	}
	wantAccount(t, store, first)
}

func testAccountOneWins(t *testing.T, store vault.Store) {
	const callers = 32
	var winner atomic.Pointer[vault.AccountRecord]
	var wins atomic.Int64
	var wg sync.WaitGroup
	for caller := range callers {
		account := newAccount(caller)
		account.Email = "same@example.com"
		wg.Go(func() {
			err := store.CreateAccount(t.Context(), account)
			if err == nil {
				wins.Add(1)
				winner.Store(&account)
			} else if !errors.Is(err, vault.ErrExists) {
				t.Errorf("CreateAccount: %v, want ErrExists", err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d of %d accounts were created, want 1", wins.Load(), callers)
	}
	wantAccount(t, store, *winner.Load())
}

func testServerKeys(t *testing.T, store vault.Store) {
	var want []vault.KeyID
	for number := range 5 {
		id := newKeyID(number)
		want = append(want, id)
		for _, add := range []vault.KeyID{id, want[0], id} { // twice, and the first again
			if err := store.AddServerKey(t.Context(), add); err != nil {
				t.Fatalf("AddServerKey: %v", err)
			}
		}
		wantServerKeys(t, store, want...)
	}
}
