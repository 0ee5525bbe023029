package storetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func mustClose(t *testing.T, store vault.Store) {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func testReopen(t *testing.T, open func() vault.Store) {
	store := open()
	known := populate(t, store)
	mustClose(t, store)

	store = open()
	wantPopulated(t, store, known)
	claim := known.claim(1, onetime.StateReceived, start.Add(lifetime/2))
	mustClaim(t, store, claim)
	newer := newTrio(2).on(known.recent.List)
	create(t, store, newer)
	if err := store.AddServerKey(t.Context(), newKeyID(0)); err != nil {
		t.Fatalf("AddServerKey: %v", err)
	}
	mustClose(t, store)

	store = open()
	wantNoSecret(t, store, known.secret.ID)
	wantReceipt(t, store, known.claimed(claim))
	received := known.recent
	received.Receipt = known.claimed(claim)
	wantRecent(t, store, known.recent.List, 10, newer.listed(), received)
	wantServerKeys(t, store, newKeyID(1), newKeyID(0))
}

func testReopenHighWater(t *testing.T, open func() vault.Store) {
	store := open()
	high := start.Add(lifetime)
	mustSweep(t, store, high, 10, vault.Swept{})
	mustClose(t, store)

	store = open()
	wantHighWater(t, store, high)
	mustSweep(t, store, high.Add(-tick), 10, vault.Swept{})
	wantHighWater(t, store, high)
	mustSweep(t, store, high.Add(tick), 10, vault.Swept{})
	wantHighWater(t, store, high.Add(tick))
}

// testReopenAcknowledged closes a store in the midst of writes. Those that returned nil must be there afterwards, and
// of the others nothing in part.
func testReopenAcknowledged(t *testing.T, open func() vault.Store) {
	const callers, each = 16, 50
	store := open()
	var stored [callers * each]atomic.Bool
	var begun, wg sync.WaitGroup
	begun.Add(callers)
	for caller := range callers {
		wg.Go(func() {
			for i := range each {
				number := caller*each + i
				r := newTrio(number)
				stored[number].Store(store.Create(t.Context(), r.secret, r.receipt, &r.recent, vault.Quota{}) == nil)
				if i == 0 {
					begun.Done()
				}
			}
		})
	}
	begun.Wait()
	mustClose(t, store)
	wg.Wait()

	store = open()
	for number := range stored {
		wantWholeOrNothing(t, store, newTrio(number), stored[number].Load())
	}
}

func testTwoStores(t *testing.T, open func() vault.Store) {
	a, b := open(), open()
	known := populate(t, a)
	wantPopulated(t, b, known)

	claim := known.claim(1, onetime.StateBurned, start.Add(lifetime/2))
	mustClaim(t, b, claim)
	wantReceipt(t, a, known.claimed(claim))
	wantLost(t, a, claim)

	// Neither takes the time back that the other has set.
	mustSweep(t, b, start.Add(lifetime), 10, vault.Swept{})
	mustSweep(t, a, start.Add(lifetime-tick), 10, vault.Swept{})
	wantHighWater(t, a, start.Add(lifetime))
	wantHighWater(t, b, start.Add(lifetime))
}

func testTwoStoresClaim(t *testing.T, open func() vault.Store) {
	a, b := open(), open()
	for number := range 20 {
		r := newTrio(number)
		create(t, a, r)
		contest(t, r, 16, a, b)
	}
}

func testTwoStoresWrite(t *testing.T, open func() vault.Store) {
	const callers, each = 16, 20
	stores := []vault.Store{open(), open()}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range each {
				r := newTrio(caller*each + i)
				if err := stores[caller%2].Create(t.Context(), r.secret, r.receipt, &r.recent, vault.Quota{}); err != nil {
					t.Errorf("Create: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for number := range callers * each {
		r := newTrio(number)
		wantSecret(t, stores[number%2], r.secret)
		wantReceipt(t, stores[number%2], r.stored())
	}
}
