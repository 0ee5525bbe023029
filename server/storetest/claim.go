package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func testClaim(t *testing.T, store vault.Store) {
	list := newListID(1)
	received, burned, other := newTrio(1).on(list), newTrio(2).on(list), newTrio(3).on(list)
	create(t, store, received, burned, other)

	reveal := received.claim(1, onetime.StateReceived, start.Add(7*tick))
	mustClaim(t, store, reveal)
	wantNoSecret(t, store, received.secret.ID)
	wantReceipt(t, store, received.claimed(reveal))
	wantSecret(t, store, burned.secret)
	wantReceipt(t, store, burned.stored())

	burn := burned.claim(2, onetime.StateBurned, start.Add(9*tick))
	mustClaim(t, store, burn)
	wantNoSecret(t, store, burned.secret.ID)
	wantReceipt(t, store, burned.claimed(burn))
	wantReceipt(t, store, received.claimed(reveal))

	wantSecret(t, store, other.secret)
	wantReceipt(t, store, other.stored())
}

func testSecondClaim(t *testing.T, store vault.Store) {
	r := newTrio(1)
	create(t, store, r)
	wantLost(t, store, newTrio(2).claim(1, onetime.StateReceived, start))

	first := r.claim(1, onetime.StateReceived, start.Add(tick))
	mustClaim(t, store, first)
	wantLost(t, store, first)
	wantLost(t, store, r.claim(2, onetime.StateBurned, start.Add(2*tick)))
	wantReceipt(t, store, r.claimed(first))
	wantNoSecret(t, store, r.secret.ID)
}

func testClaimExpiry(t *testing.T, store vault.Store) {
	early, late := newTrio(1), newTrio(2)
	early, late = early.at(start, start.Add(lifetime)), late.at(start, start.Add(lifetime))
	create(t, store, early, late)

	wantLost(t, store, late.claim(1, onetime.StateReceived, late.secret.Expires))
	wantLost(t, store, late.claim(2, onetime.StateReceived, late.secret.Expires.Add(tick)))
	wantLost(t, store, late.claim(3, onetime.StateBurned, late.secret.Expires.Add(lifetime)))
	wantSecret(t, store, late.secret) // reads return expired ones too
	wantReceipt(t, store, late.stored())

	claim := early.claim(4, onetime.StateReceived, early.secret.Expires.Add(-tick))
	mustClaim(t, store, claim)
	wantReceipt(t, store, early.claimed(claim))
}

func testOneClaimWins(t *testing.T, store vault.Store) {
	r := newTrio(1)
	create(t, store, r)
	contest(t, r, 64, store)
}

func testOneClaimWinsEach(t *testing.T, store vault.Store) {
	var contests sync.WaitGroup
	for number := range 100 {
		r := newTrio(number)
		create(t, store, r)
		contests.Go(func() { contest(t, r, 16, store) })
	}
	contests.Wait()
}

// contest has callers claim one secret at once, half of them to burn it, spread over stores on the same data. One must
// win, and the receipt must tell which.
func contest(t *testing.T, r trio, callers int, stores ...vault.Store) {
	var winner atomic.Pointer[vault.Claim]
	var wins atomic.Int64
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for caller := range callers {
		state := onetime.StateReceived
		if caller%2 == 1 {
			state = onetime.StateBurned
		}
		claim := r.claim(caller, state, r.secret.Created)
		store := stores[caller%len(stores)]
		wg.Go(func() {
			<-ready
			won, err := store.Claim(t.Context(), claim)
			if err != nil {
				t.Errorf("Claim: %v", err)
			}
			if won {
				wins.Add(1)
				winner.Store(&claim)
			}
		})
	}
	close(ready)
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d of %d claims won, want 1", wins.Load(), callers)
		return
	}
	for _, store := range stores {
		wantReceipt(t, store, r.claimed(*winner.Load()))
		wantNoSecret(t, store, r.secret.ID)
	}
}

func testReadsDuringClaims(t *testing.T, store vault.Store) {
	const count, blocks = 40, 64 // many blocks, for a claim to come between
	var wg sync.WaitGroup
	for number := range count {
		r := newTrio(number)
		r.secret.Sealed = sealed(number, blocks)
		create(t, store, r)
		claimed := make(chan struct{})
		for range 3 {
			wg.Go(func() { readUntilGone(t, store, r, claimed) })
		}
		wg.Go(func() {
			defer close(claimed)
			if won, err := store.Claim(t.Context(), r.claim(1, onetime.StateReceived, start)); err != nil || !won {
				t.Errorf("Claim = %v, %v, want true, nil", won, err)
			}
		})
	}
	wg.Wait()
}

func readUntilGone(t *testing.T, store vault.Store, r trio, claimed <-chan struct{}) {
	for {
		over := false
		select {
		case <-claimed:
			over = true // the read that follows must find nothing
		default:
		}
		got, err := store.Secret(t.Context(), r.secret.ID)
		switch {
		case errors.Is(err, vault.ErrNoRecord):
			return
		case err != nil:
			t.Errorf("Secret: %v, want the whole record or ErrNoRecord", err)
			return
		case over:
			t.Error("Secret found what was claimed before")
			return
		}
		if diff := difference(r.secret, got); diff != "" {
			t.Errorf("Secret (-want +got):\n%s", diff)
			return
		}
	}
}
