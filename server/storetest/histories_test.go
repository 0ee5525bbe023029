package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// checkThenAct looks whether a secret is there, and then takes it, as the servers do that reveal secrets twice.
type checkThenAct struct{ vault.Store }

func (s checkThenAct) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	secret, err := s.Secret(ctx, claim.SecretID)
	if errors.Is(err, vault.ErrNoRecord) || err == nil && !secret.Expires.After(claim.Now) {
		return false, nil
	}
	if err == nil {
		_, err = s.Store.Claim(ctx, claim)
	}
	return err == nil, err
}

// stale answers a second look at a receipt from memory.
type stale struct {
	vault.Store
	known *sync.Map
}

func (s stale) Receipt(ctx context.Context, id vault.ID) (vault.ReceiptRecord, error) {
	if r, ok := s.known.Load(id); ok {
		return r.(vault.ReceiptRecord), nil
	}
	r, err := s.Store.Receipt(ctx, id)
	if err == nil {
		s.known.Store(id, r)
	}
	return r, err
}

// unmarked consumes secrets and does not say so in their receipts.
type unmarked struct{ vault.Store }

func (s unmarked) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	claim.State = onetime.StateNew
	return s.Store.Claim(ctx, claim)
}

// TestHistoriesFindPlantedBugs holds that the checker finds what it is for.
func TestHistoriesFindPlantedBugs(t *testing.T) {
	for name, plant := range map[string]func(vault.Store) vault.Store{
		"claims that check, then act": func(s vault.Store) vault.Store { return checkThenAct{s} },
		"receipts from a cache":       func(s vault.Store) vault.Store { return stale{s, &sync.Map{}} },
		"receipts that are not told":  func(s vault.Store) vault.Store { return unmarked{s} },
	} {
		t.Run(name, func(t *testing.T) {
			store, err := sqlitestore.OpenMemory(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, closing(t, plant(store)))
			for n := range 1000 {
				if !legal(w.play(t, n)) {
					t.Logf("found in history %d", n)
					return
				}
			}
			t.Error("1,000 histories did not find it")
		})
	}
}
