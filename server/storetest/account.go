package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
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

func wantAccounts(t *testing.T, store vault.Store, want ...vault.AccountRecord) {
	t.Helper()
	got, err := store.Accounts(t.Context())
	if err != nil {
		t.Errorf("Accounts: %v", err)
	} else if len(got)+len(want) > 0 && difference(want, got) != "" {
		t.Errorf("Accounts (-want +got):\n%s", difference(want, got))
	}
}

func testAccounts(t *testing.T, store vault.Store) {
	wantAccounts(t, store)
	emails := []string{"Z@example.com", "a@example.com", "b@example.com", "é@example.com"}
	var want []vault.AccountRecord
	for number, email := range emails {
		account := newAccount(number)
		account.Email = email
		want = append(want, account)
	}
	for _, i := range []int{2, 0, 3, 1} {
		mustCreateAccount(t, store, want[i])
	}
	wantAccounts(t, store, want...)
}

func mustCreateAccount(t *testing.T, store vault.Store, account vault.AccountRecord) {
	t.Helper()
	if err := store.CreateAccount(t.Context(), account); err != nil {
		t.Fatalf("CreateAccount: %v", err)
	}
}

// resealed is an account as an update leaves it that was asked for with all fields of another.
func resealed(was vault.AccountRecord, number int) (is, stored vault.AccountRecord) {
	is, stored = newAccount(number), was
	stored.TokenID, stored.KeyID, stored.Sealed = is.TokenID, is.KeyID, is.Sealed
	return is, stored
}

func testUpdateAccount(t *testing.T, store vault.Store) {
	account, other := newAccount(1), newAccount(2)
	mustCreateAccount(t, store, account)
	mustCreateAccount(t, store, other)
	is, stored := resealed(account, 3)

	otherToken, otherKey := account, account
	otherToken.TokenID[0] ^= 1
	otherKey.KeyID[0] ^= 1
	for name, was := range map[string]vault.AccountRecord{
		"another token": otherToken, "another key": otherKey, "no such account": newAccount(4),
	} {
		if done, err := store.UpdateAccount(t.Context(), was, is); err != nil || done {
			t.Errorf("%s: UpdateAccount = %v, %v, want false, nil", name, done, err)
		}
	}
	wantAccount(t, store, account)
	if done, err := store.UpdateAccount(t.Context(), account, is); err != nil || !done {
		t.Errorf("UpdateAccount = %v, %v, want true, nil", done, err)
	}
	wantAccount(t, store, stored)
	wantAccount(t, store, other)
	if done, err := store.UpdateAccount(t.Context(), account, is); err != nil || done {
		t.Errorf("UpdateAccount of what was = %v, %v, want false, nil", done, err)
	}
}

func testOneUpdateWins(t *testing.T, store vault.Store) {
	account := newAccount(0)
	mustCreateAccount(t, store, account)
	var winner atomic.Pointer[vault.AccountRecord]
	var wins atomic.Int64
	var wg sync.WaitGroup
	for number := 1; number <= 32; number++ {
		wg.Go(func() {
			is, stored := resealed(account, number)
			done, err := store.UpdateAccount(t.Context(), account, is)
			if err != nil {
				t.Errorf("UpdateAccount: %v", err)
			}
			if done {
				wins.Add(1)
				winner.Store(&stored)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d updates were made, want 1", wins.Load())
	}
	wantAccount(t, store, *winner.Load())
}

func testRemoveAccount(t *testing.T, store vault.Store) {
	account, other := newAccount(1), newAccount(2)
	mustCreateAccount(t, store, account)
	mustCreateAccount(t, store, other)
	r := newTrio(1).of(account.ID)
	create(t, store, r)

	if err := store.RemoveAccount(t.Context(), account.ID); err != nil {
		t.Fatalf("RemoveAccount: %v", err)
	}
	wantAccounts(t, store, other)
	wantSecret(t, store, r.secret)
	wantReceipt(t, store, r.stored())
	wantRecent(t, store, r.recent.List, 10, r.listed())
	for _, id := range []vault.AccountID{account.ID, newAccountID(3), {}} {
		if err := store.RemoveAccount(t.Context(), id); !errors.Is(err, vault.ErrNoRecord) {
			t.Errorf("RemoveAccount: %v, want ErrNoRecord", err)
		}
	}
	again := newAccount(3)
	again.Email = account.Email
	mustCreateAccount(t, store, again)
	wantAccount(t, store, again)
}

func mustBurn(t *testing.T, store vault.Store, account vault.AccountID, claim vault.ClaimID, now time.Time, limit, want int) {
	t.Helper()
	if got, err := store.BurnAccount(t.Context(), account, claim, now, limit); err != nil || got != want {
		t.Fatalf("BurnAccount = %d, %v, want %d, nil", got, err, want)
	}
}

// burned is the receipt as it reads after its account was burned.
func (r trio) burned(claim vault.ClaimID, now time.Time) vault.ReceiptRecord {
	return r.claimed(vault.Claim{ID: claim, State: onetime.StateBurned, Now: now})
}

func testBurnAccount(t *testing.T, store vault.Store) {
	mine, yours := newAccountID(1), newAccountID(2)
	now := start.Add(lifetime)
	live := newTrio(1).of(mine).at(start, now.Add(tick))
	expired := newTrio(2).of(mine).at(start, now)
	received := newTrio(3).of(mine).at(start, now.Add(tick))
	other := newTrio(4).of(yours).at(start, now.Add(tick))
	anonymous := newTrio(5).of(vault.AccountID{}).at(start, now.Add(tick))
	create(t, store, live, expired, received, other, anonymous)
	reveal := received.claim(1, onetime.StateReceived, start.Add(tick))
	mustClaim(t, store, reveal)
	claim := vault.ClaimID{7}

	mustBurn(t, store, mine, claim, now, 10, 1)
	wantNoSecret(t, store, live.secret.ID)
	wantReceipt(t, store, live.burned(claim, now))
	wantSecret(t, store, expired.secret) // which a sweep deletes
	wantReceipt(t, store, expired.stored())
	wantReceipt(t, store, received.claimed(reveal))
	wantSecret(t, store, other.secret)
	mustBurn(t, store, vault.AccountID{}, claim, now, 10, 0)
	wantSecret(t, store, anonymous.secret)
	wantLost(t, store, live.claim(2, onetime.StateReceived, now))
}

func testBurnAccountLimit(t *testing.T, store vault.Store) {
	account := newAccountID(1)
	var all []trio
	for number := range 7 {
		all = append(all, newTrio(number).of(account))
	}
	create(t, store, all...)
	now := start.Add(8 * tick)
	claim := vault.ClaimID{9}
	for _, step := range []struct{ limit, want int }{{0, 0}, {3, 3}, {3, 3}, {3, 1}, {3, 0}} {
		mustBurn(t, store, account, claim, now, step.limit, step.want)
	}
	for _, r := range all {
		wantNoSecret(t, store, r.secret.ID)
		wantReceipt(t, store, r.burned(claim, now))
	}
}

// testBurnMeetsClaims has readers and the burning of an account run into each other. Every secret goes once.
func testBurnMeetsClaims(t *testing.T, store vault.Store) {
	const count = 64
	account, claim := newAccountID(1), vault.ClaimID{9}
	now := start.Add(count * tick)
	var all []trio
	for number := range count {
		all = append(all, newTrio(number).of(account))
	}
	create(t, store, all...)
	var won [count]atomic.Bool
	var revealed, burned atomic.Int64
	var wg sync.WaitGroup
	for number, r := range all {
		wg.Go(func() {
			ok, err := store.Claim(t.Context(), r.claim(number, onetime.StateReceived, now))
			if err != nil {
				t.Errorf("Claim: %v", err)
			}
			if ok {
				won[number].Store(true)
				revealed.Add(1)
			}
		})
		wg.Go(func() {
			n, err := store.BurnAccount(t.Context(), account, claim, now, 1)
			if err != nil {
				t.Errorf("BurnAccount: %v", err)
			}
			burned.Add(int64(n))
		})
	}
	wg.Wait()
	if revealed.Load()+burned.Load() != count {
		t.Errorf("%d were revealed and %d burned, of %d", revealed.Load(), burned.Load(), count)
	}
	for number, r := range all {
		want := r.burned(claim, now)
		if won[number].Load() {
			want = r.claimed(r.claim(number, onetime.StateReceived, now))
		}
		wantReceipt(t, store, want)
		wantNoSecret(t, store, r.secret.ID)
	}
}
