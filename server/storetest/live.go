package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// liveDelay bounds how long the suite waits for Live, which may be behind.
const liveDelay = 10 * time.Second

func wantLive(t *testing.T, store vault.Store, want int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), liveDelay)
	defer cancel()
	for {
		live, err := store.Live(ctx)
		if err != nil {
			t.Fatalf("Live = %d, %v, want %d, nil", live, err, want)
		}
		if live == want {
			return
		}
	}
}

func testLive(t *testing.T, store vault.Store) {
	wantLive(t, store, 0)
	account := newAccountID(1)
	var all []trio
	for number := range 6 {
		all = append(all, newTrio(number).of(account).at(start, start.Add(time.Duration(number+1)*time.Minute)))
	}
	create(t, store, all...)
	wantLive(t, store, 6)
	mustClaim(t, store, all[5].claim(1, onetime.StateReceived, start))
	wantLost(t, store, all[5].claim(2, onetime.StateReceived, start))
	wantLive(t, store, 5)
	if err := store.Create(t.Context(), all[4].secret, all[4].receipt, nil, vault.Quota{}); err == nil {
		t.Fatal("Create of what is there succeeded")
	}
	wantLive(t, store, 5)
	mustSweep(t, store, start.Add(2*time.Minute), 10, vault.Swept{Secrets: 2})
	wantLive(t, store, 3)
	mustBurn(t, store, account, vault.ClaimID{1}, start.Add(2*time.Minute), 2, 2)
	wantLive(t, store, 1)
}

// testPing holds that a ping shows nowhere.
func testPing(t *testing.T, store vault.Store) {
	known := populate(t, store)
	for range 3 {
		if err := store.Ping(t.Context()); err != nil {
			t.Fatalf("Ping: %v", err)
		}
	}
	wantPopulated(t, store, known)
	if err := store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := store.Ping(t.Context()); err == nil || errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("Ping after Close: %v, want an error", err)
	}
}
