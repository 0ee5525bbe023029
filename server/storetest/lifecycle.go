package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// A call is one use of a store.
type call struct {
	name string
	do   func(context.Context, vault.Store) error
}

// calls uses every method but Close. What they write is about fresh; what they read, claim and sweep is about known.
func calls(known, fresh trio) []call {
	return []call{
		{"Create", func(ctx context.Context, s vault.Store) error {
			return s.Create(ctx, fresh.secret, fresh.receipt, &fresh.recent, vault.Quota{})
		}},
		{"Secret", func(ctx context.Context, s vault.Store) error {
			_, err := s.Secret(ctx, known.secret.ID)
			return err
		}},
		{"Receipt", func(ctx context.Context, s vault.Store) error {
			_, err := s.Receipt(ctx, known.receipt.ID)
			return err
		}},
		{"Claim", func(ctx context.Context, s vault.Store) error {
			_, err := s.Claim(ctx, known.claim(1, onetime.StateReceived, start))
			return err
		}},
		{"Recent", func(ctx context.Context, s vault.Store) error {
			_, err := s.Recent(ctx, known.recent.List, 10)
			return err
		}},
		{"Sweep", func(ctx context.Context, s vault.Store) error {
			_, err := s.Sweep(ctx, known.receipt.Expires, 10)
			return err
		}},
		{"HighWater", func(ctx context.Context, s vault.Store) error {
			_, err := s.HighWater(ctx)
			return err
		}},
		{"ReserveGuess", func(ctx context.Context, s vault.Store) error {
			_, err := s.ReserveGuess(ctx, guessAt(known.secret.ID, 1, start))
			return err
		}},
		{"RefundGuess", func(ctx context.Context, s vault.Store) error {
			return s.RefundGuess(ctx, guessAt(known.secret.ID, 1, start))
		}},
		{"Live", func(ctx context.Context, s vault.Store) error {
			_, err := s.Live(ctx)
			return err
		}},
		{"Ping", func(ctx context.Context, s vault.Store) error { return s.Ping(ctx) }},
		{"CreateAccount", func(ctx context.Context, s vault.Store) error {
			return s.CreateAccount(ctx, newAccount(2))
		}},
		{"Account", func(ctx context.Context, s vault.Store) error {
			_, err := s.Account(ctx, newAccount(1).Email)
			return err
		}},
		{"BurnAccount", func(ctx context.Context, s vault.Store) error {
			_, err := s.BurnAccount(ctx, known.secret.Account, vault.ClaimID{1}, start, 10)
			return err
		}},
		{"Accounts", func(ctx context.Context, s vault.Store) error {
			_, err := s.Accounts(ctx)
			return err
		}},
		{"UpdateAccount", func(ctx context.Context, s vault.Store) error {
			_, err := s.UpdateAccount(ctx, newAccount(1), newAccount(2))
			return err
		}},
		{"RemoveAccount", func(ctx context.Context, s vault.Store) error {
			return s.RemoveAccount(ctx, newAccount(1).ID)
		}},
		{"KeysInUse", func(ctx context.Context, s vault.Store) error {
			_, err := s.KeysInUse(ctx)
			return err
		}},
		{"RemoveServerKey", func(ctx context.Context, s vault.Store) error {
			return s.RemoveServerKey(ctx, newKeyID(1))
		}},
		{"ServerKeys", func(ctx context.Context, s vault.Store) error {
			_, err := s.ServerKeys(ctx)
			return err
		}},
		{"AddServerKey", func(ctx context.Context, s vault.Store) error {
			return s.AddServerKey(ctx, newKeyID(2))
		}},
	}
}

// populate stores one of each.
func populate(t *testing.T, store vault.Store) trio {
	t.Helper()
	r := newTrio(1)
	create(t, store, r)
	if err := store.CreateAccount(t.Context(), newAccount(1)); err != nil {
		t.Fatalf("CreateAccount: %v", err)
	}
	if err := store.AddServerKey(t.Context(), newKeyID(1)); err != nil {
		t.Fatalf("AddServerKey: %v", err)
	}
	return r
}

func wantPopulated(t *testing.T, store vault.Store, r trio) {
	t.Helper()
	wantSecret(t, store, r.secret)
	wantReceipt(t, store, r.stored())
	wantRecent(t, store, r.recent.List, 10, r.listed())
	wantAccount(t, store, newAccount(1))
	wantServerKeys(t, store, newKeyID(1))
	wantHighWater(t, store, newAccount(1).Created)
}

func testEndedContext(t *testing.T, store vault.Store) {
	known, fresh := populate(t, store), newTrio(2)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()

	for _, call := range calls(known, fresh) {
		if err := call.do(cancelled, store); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", call.name, err)
		}
		if err := call.do(late, store); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want context.DeadlineExceeded", call.name, err)
		}
	}
	wantPopulated(t, store, known)
	wantNoSecret(t, store, fresh.secret.ID)
	wantNoReceipt(t, store, fresh.receipt.ID)
	if _, err := store.Account(t.Context(), newAccount(2).Email); !errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("Account: %v, want ErrNoRecord", err)
	}
}

// testEndingContext ends contexts at any moment. What returned nil has happened; what returned an error has happened
// in whole or not at all; and the store works on.
func testEndingContext(t *testing.T, store vault.Store) {
	const count = 200
	var wg sync.WaitGroup
	for number := range count {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(number)*50*time.Microsecond)
		r := newTrio(number)
		wg.Go(func() {
			defer cancel()
			err := store.Create(ctx, r.secret, r.receipt, &r.recent, vault.Quota{})
			wantWholeOrNothing(t, store, r, err == nil)
		})
	}
	wg.Wait()
	last := newTrio(count)
	create(t, store, last)
	wantSecret(t, store, last.secret)
}

func wantWholeOrNothing(t *testing.T, store vault.Store, r trio, must bool) {
	t.Helper()
	_, err := store.Secret(t.Context(), r.secret.ID)
	if err == nil || must {
		wantSecret(t, store, r.secret)
		wantReceipt(t, store, r.stored())
		wantRecent(t, store, r.recent.List, 10, r.listed())
		return
	}
	wantNoSecret(t, store, r.secret.ID)
	wantNoReceipt(t, store, r.receipt.ID)
	wantRecent(t, store, r.recent.List, 10)
}

func testClosed(t *testing.T, store vault.Store) {
	known := populate(t, store)
	if err := store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for _, call := range calls(known, newTrio(2)) {
		if err := call.do(t.Context(), store); err == nil {
			t.Errorf("%s after Close succeeded, want an error", call.name)
		} else if errors.Is(err, vault.ErrNoRecord) || errors.Is(err, vault.ErrExists) {
			t.Errorf("%s after Close: %v, want another error", call.name, err)
		}
	}
}
