package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// expiredReceipt is the receipt as it reads when a sweep has deleted the secret unread.
func (r trio) expiredReceipt() vault.ReceiptRecord {
	receipt := r.receipt
	receipt.State, receipt.Updated, receipt.SecretStands = onetime.StateExpired, r.secret.Expires, false
	return receipt
}

func testSweepBoundary(t *testing.T, store vault.Store) {
	now := start.Add(lifetime)
	before := newTrio(1).at(start, now.Add(-tick))
	at := newTrio(2).at(start, now)
	after := newTrio(3).at(start, now.Add(tick))
	create(t, store, before, at, after)

	mustSweep(t, store, start, 10, vault.Swept{})
	wantSecret(t, store, before.secret)

	mustSweep(t, store, now, 10, vault.Swept{Secrets: 2})
	wantNoSecret(t, store, before.secret.ID)
	wantNoSecret(t, store, at.secret.ID)
	wantSecret(t, store, after.secret)
	wantReceipt(t, store, before.expiredReceipt())
	wantReceipt(t, store, at.expiredReceipt())
	wantReceipt(t, store, after.stored())

	mustSweep(t, store, now, 10, vault.Swept{})
	mustSweep(t, store, now.Add(tick), 10, vault.Swept{Secrets: 1})
	wantReceipt(t, store, after.expiredReceipt())
}

func testSweepStates(t *testing.T, store vault.Store) {
	unread, received, burned := newTrio(1), newTrio(2), newTrio(3)
	odd := newTrio(4) // its receipt says received, and yet its secret is there
	odd.receipt.State, odd.receipt.SecretStands = onetime.StateReceived, false
	create(t, store, unread, received, burned, odd)
	reveal := received.claim(1, onetime.StateReceived, start.Add(tick))
	burn := burned.claim(2, onetime.StateBurned, start.Add(tick))
	mustClaim(t, store, reveal)
	mustClaim(t, store, burn)

	mustSweep(t, store, odd.secret.Expires, 10, vault.Swept{Secrets: 2})
	wantReceipt(t, store, unread.expiredReceipt())
	wantReceipt(t, store, received.claimed(reveal))
	wantReceipt(t, store, burned.claimed(burn))
	wantReceipt(t, store, odd.receipt)
	wantNoSecret(t, store, odd.secret.ID)
}

func testSweepReceipts(t *testing.T, store vault.Store) {
	list := newListID(1)
	now := start.Add(lifetime)
	at, after := newTrio(1).on(list).at(start, start.Add(tick)), newTrio(2).on(list).at(start, start.Add(tick))
	at.receipt.Expires, after.receipt.Expires = now, now.Add(tick)
	create(t, store, at, after)

	mustSweep(t, store, now.Add(-tick), 10, vault.Swept{Secrets: 2}) // the secrets
	wantReceipt(t, store, at.expiredReceipt())
	mustSweep(t, store, now, 10, vault.Swept{Receipts: 1})
	wantNoReceipt(t, store, at.receipt.ID)
	wantReceipt(t, store, after.expiredReceipt())
	mustSweep(t, store, now.Add(tick), 10, vault.Swept{Receipts: 1})
	wantNoReceipt(t, store, after.receipt.ID)
	wantRecent(t, store, list, 10)

	create(t, store, at) // nothing of it is in the way
	wantRecent(t, store, list, 10, at.listed())
}

func testSweepLimit(t *testing.T, store vault.Store) {
	const secrets, limit = 7, 3
	var all []trio
	for number := range secrets {
		all = append(all, newTrio(number).at(start, start.Add(time.Duration(number+1)*tick)))
	}
	create(t, store, all...)

	mustSweep(t, store, start.Add(lifetime/2), 0, vault.Swept{})
	for _, want := range []int{3, 3, 1, 0} {
		mustSweep(t, store, start.Add(lifetime/2), limit, vault.Swept{Secrets: want})
	}
	for _, r := range all {
		wantNoSecret(t, store, r.secret.ID)
		wantReceipt(t, store, r.expiredReceipt())
	}

	later := newTrio(secrets)
	create(t, store, later)
	// The limit counts for each kind: one secret, and receipts.
	for _, want := range []vault.Swept{{Secrets: 1, Receipts: 3}, {Receipts: 3}, {Receipts: 1}, {}} {
		mustSweep(t, store, later.secret.Expires, limit, want)
	}
	wantReceipt(t, store, later.expiredReceipt())
}

// testSweepMeetsClaims lets sweeps and claims run into each other. Every secret goes once, and its receipt tells how.
func testSweepMeetsClaims(t *testing.T, store vault.Store) {
	const count = 64
	var wg sync.WaitGroup
	for number := range count {
		r := newTrio(number).at(start, start.Add(lifetime))
		create(t, store, r)
		claim := r.claim(number, onetime.StateReceived, start)
		wg.Go(func() {
			won, err := store.Claim(t.Context(), claim)
			if err != nil {
				t.Errorf("Claim: %v", err)
			}
			want := r.expiredReceipt()
			if won {
				want = r.claimed(claim)
			}
			wantReceipt(t, store, want)
			wantNoSecret(t, store, r.secret.ID)
		})
		if number%8 == 7 {
			wg.Go(func() {
				if _, err := store.Sweep(t.Context(), start.Add(lifetime), 5); err != nil {
					t.Errorf("Sweep: %v", err)
				}
			})
		}
	}
	wg.Wait()
}

func testHighWater(t *testing.T, store vault.Store) {
	wantHighWater(t, store, time.Time{})

	steps := []struct {
		name string
		do   func(at time.Time) error
	}{
		{"Create", func(at time.Time) error {
			r := newTrio(int(at.UnixMilli())).at(at, at.Add(lifetime))
			return store.Create(t.Context(), r.secret, r.receipt, &r.recent, vault.Quota{})
		}},
		{"CreateAccount", func(at time.Time) error {
			account := newAccount(int(at.UnixMilli()))
			account.Created = at
			return store.CreateAccount(t.Context(), account)
		}},
		{"Claim that wins", func(at time.Time) error {
			r := newTrio(1).at(start.Add(-lifetime), start.Add(lifetime))
			number := int(at.UnixMilli())
			r.secret.ID, r.receipt.ID = tagged(vault.ID(append(digest("a", number), 0, 0)), number),
				tagged(vault.ID(append(digest("b", number), 0, 0)), number)
			r.secret.ReceiptID, r.receipt.SecretID = r.receipt.ID, r.secret.ID
			if err := store.Create(t.Context(), r.secret, r.receipt, nil, vault.Quota{}); err != nil {
				return err
			}
			won, err := store.Claim(t.Context(), r.claim(1, onetime.StateReceived, at))
			if err == nil && !won {
				err = errors.New("the claim was lost")
			}
			return err
		}},
		{"Claim that finds nothing", func(at time.Time) error {
			_, err := store.Claim(t.Context(), newTrio(-1).claim(1, onetime.StateReceived, at))
			return err
		}},
		{"BurnAccount", func(at time.Time) error {
			_, err := store.BurnAccount(t.Context(), newAccountID(-1), vault.ClaimID{1}, at, 10)
			return err
		}},
		{"Sweep", func(at time.Time) error {
			_, err := store.Sweep(t.Context(), at, 10)
			return err
		}},
	}
	high := start
	for _, step := range steps {
		high = high.Add(7 * tick)
		if err := step.do(high); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		wantHighWater(t, store, high)
		if err := step.do(high.Add(-3 * tick)); err != nil { // earlier than before: no change
			t.Fatalf("%s: %v", step.name, err)
		}
		wantHighWater(t, store, high)
		if t.Failed() {
			t.Fatalf("after %s", step.name)
		}
	}
}

func testHighWaterConcurrent(t *testing.T, store vault.Store) {
	const count = 64
	var wg sync.WaitGroup
	for number := range count {
		wg.Go(func() {
			r := newTrio(number)
			if err := store.Create(t.Context(), r.secret, r.receipt, nil, vault.Quota{}); err != nil {
				t.Errorf("Create: %v", err)
			}
			got, err := store.HighWater(t.Context())
			if err != nil || got.Before(r.secret.Created) {
				t.Errorf("HighWater = %v, %v, want %v or later", got, err, r.secret.Created)
			}
		})
	}
	wg.Wait()
	wantHighWater(t, store, newTrio(count-1).secret.Created)
}
