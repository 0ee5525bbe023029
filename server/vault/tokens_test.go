package vault_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

const ada = "ada@example.com"

func (f *fixture) login(t testing.TB, token onetime.Sensitive) onetime.Caller {
	t.Helper()
	account, err := f.Authenticate(t.Context(), ada, token.Expose())
	must(t, err)
	return onetime.Caller{Account: account}
}

func (f *fixture) wantNoLogin(t testing.TB, token onetime.Sensitive) {
	t.Helper()
	if account, err := f.Authenticate(t.Context(), ada, token.Expose()); !errors.Is(err, onetime.ErrUnauthorized) {
		t.Errorf("authenticate: %v, %v, want ErrUnauthorized", account, err)
	}
}

func (f *fixture) wantRecent(t testing.TB, caller onetime.Caller, want ...onetime.Sensitive) {
	t.Helper()
	receipts, err := f.Recent(t.Context(), caller)
	var got []onetime.Sensitive
	for _, r := range receipts {
		got = append(got, r.Key)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("recent has %d entries, want %d; %v", len(got), len(want), err)
	}
}

func TestAccounts(t *testing.T) {
	f := newVault(t)
	for _, email := range []string{"Bob@example.com", ada} {
		_, err := f.AddAccount(t.Context(), email)
		must(t, err)
		f.clock.add(time.Second)
	}
	got, err := f.Accounts(t.Context())
	want := []vault.AccountInfo{{ada, start.Add(time.Second)}, {"bob@example.com", start}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestRotateToken(t *testing.T) {
	f := newVault(t)
	caller, old := f.account(t, ada)
	before := f.share(t, caller, onetime.ShareRequest{})
	_, bobs := f.account(t, "bob@example.com")
	for name, test := range map[string]struct {
		email string
		token onetime.Sensitive
	}{
		"wrong": {ada, "wrong"}, "none": {ada, ""}, "another's": {ada, bobs}, "no account": {"eve@example.com", old},
	} {
		if _, err := f.RotateToken(t.Context(), test.email, test.token); !errors.Is(err, onetime.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	token, err := f.RotateToken(t.Context(), "ADA@example.com", old)
	must(t, err)
	if token == old || len(token) != 40 {
		t.Error("the new token is none")
	}
	f.wantNoLogin(t, old)
	if _, err := f.RotateToken(t.Context(), ada, old); !errors.Is(err, onetime.ErrUnauthorized) {
		t.Errorf("again with the old token: %v", err)
	}
	caller = f.login(t, token)
	f.wantRecent(t, caller, before.Key)
	after := f.share(t, caller, onetime.ShareRequest{})
	f.wantRecent(t, caller, after.Key, before.Key)
}

// TestRotateTokenAtOnce holds that of two who rotate a token, one has one that is good.
func TestRotateTokenAtOnce(t *testing.T) {
	f := newVault(t)
	_, old := f.account(t, ada)
	tokens := make(chan onetime.Sensitive, 8)
	for range cap(tokens) {
		go func() {
			token, err := f.RotateToken(t.Context(), ada, old)
			if err != nil && !errors.Is(err, onetime.ErrUnauthorized) {
				t.Error(err)
			}
			tokens <- token
		}()
	}
	var good []onetime.Sensitive
	for range cap(tokens) {
		if token := <-tokens; token != "" {
			good = append(good, token)
		}
	}
	if len(good) != 1 {
		t.Fatalf("%d tokens", len(good))
	}
	f.login(t, good[0])
}

func TestReplaceLostToken(t *testing.T) {
	f := newVault(t)
	caller, old := f.account(t, ada)
	before := f.share(t, caller, onetime.ShareRequest{})
	late, err := f.Share(t.Context(), caller, onetime.ShareRequest{Secret: "s"})
	must(t, err)
	token, err := f.ReplaceLostToken(t.Context(), ada)
	must(t, err)
	f.wantNoLogin(t, old)
	if err := late.Commit(t.Context()); !errors.Is(err, onetime.ErrUnauthorized) { // it would be listed where nobody looks
		t.Errorf("a share that was under way: %v", err)
	}
	caller = f.login(t, token)
	f.wantRecent(t, caller)
	after := f.share(t, caller, onetime.ShareRequest{})
	f.wantRecent(t, caller, after.Key)
	f.receipt(t, before.Key)
	if _, err := f.ReplaceLostToken(t.Context(), "eve@example.com"); !errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("no account: %v", err)
	}
}

func TestRemoveAccount(t *testing.T) {
	f := newVault(t)
	caller, token := f.account(t, ada)
	shared := f.share(t, caller, onetime.ShareRequest{})
	must(t, f.RemoveAccount(t.Context(), "ADA@example.com"))
	f.wantNoLogin(t, token)
	if err := f.RemoveAccount(t.Context(), ada); !errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("again: %v", err)
	}
	if _, err := f.reveal(nobody, shared.SecretKey, ""); err != nil {
		t.Errorf("what it has shared: %v", err)
	}
	caller, _ = f.account(t, ada)
	f.wantRecent(t, caller)
}

func TestBurnAccount(t *testing.T) {
	f := newVault(t)
	caller, token := f.account(t, ada)
	bob, _ := f.account(t, "bob@example.com")
	var mine []onetime.Receipt
	for i := range 250 { // more than two steps
		if i == 100 { // what it has shared before counts too
			var err error
			token, err = f.ReplaceLostToken(t.Context(), ada)
			must(t, err)
			caller = f.login(t, token)
		}
		mine = append(mine, f.share(t, caller, onetime.ShareRequest{}))
	}
	read := f.share(t, caller, onetime.ShareRequest{})
	_, err := f.reveal(nobody, read.SecretKey, "")
	must(t, err)
	bobs, anonymous := f.share(t, bob, onetime.ShareRequest{}), f.share(t, nobody, onetime.ShareRequest{})

	burned, err := f.BurnAccount(t.Context(), ada)
	if err != nil || burned != len(mine) {
		t.Errorf("%d burned, want %d; %v", burned, len(mine), err)
	}
	f.wantNoLogin(t, token)
	for _, r := range mine {
		if state := f.receipt(t, r.Key).State; state != onetime.StateBurned {
			t.Fatalf("state %q", state)
		}
		if _, err := f.reveal(nobody, r.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
			t.Fatalf("reveal: %v", err)
		}
	}
	if state := f.receipt(t, read.Key).State; state != onetime.StateReceived {
		t.Errorf("what was read has state %q", state)
	}
	for _, r := range []onetime.Receipt{bobs, anonymous} {
		if _, err := f.reveal(nobody, r.SecretKey, ""); err != nil {
			t.Errorf("what another has shared: %v", err)
		}
	}
	if _, err := f.BurnAccount(t.Context(), ada); !errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("again: %v", err)
	}
}

// TestShareDuringBurnAccount burns an account at every moment of a share: nothing of it is left, and whoever shares learns so.
func TestShareDuringBurnAccount(t *testing.T) {
	for _, moment := range []string{"authenticated", "prepared", "before it is stored", "stored", "confirmed"} {
		t.Run(moment, func(t *testing.T) {
			f := newVault(t)
			caller, token := f.account(t, ada)
			burn := func(now string) {
				if now == moment {
					f.store.before, f.store.after = nil, nil
					_, err := f.BurnAccount(t.Context(), ada)
					must(t, err)
				}
			}
			burn("authenticated")
			pending, err := f.Share(t.Context(), caller, onetime.ShareRequest{Secret: "s"})
			must(t, err)
			burn("prepared")
			f.store.before = func(method string) error {
				if method == "Create" {
					burn("before it is stored")
				}
				return nil
			}
			f.store.after = func(method string) error {
				switch method {
				case "Create":
					burn("stored")
				case "Account":
					burn("confirmed")
				}
				return nil
			}
			err = pending.Commit(t.Context())
			if confirmed := moment == "confirmed"; (err == nil) != confirmed || !confirmed && !errors.Is(err, onetime.ErrUnauthorized) {
				t.Errorf("the share ends in %v", err)
			}
			if live, err := f.store.Store.Live(t.Context()); err != nil || live != 0 {
				t.Errorf("%d secrets are left, %v", live, err)
			}
			if _, err := f.reveal(nobody, pending.Answer.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("reveal: %v", err)
			}
			f.wantNoLogin(t, token)
		})
	}
}

// TestShareDuringRotation holds that a share of whose account the token was replaced meanwhile leaves nothing, and that one
// that cannot be confirmed leaves nothing either.
func TestShareDuringRotation(t *testing.T) {
	f := newVault(t)
	caller, _ := f.account(t, ada)
	pending, err := f.Share(t.Context(), caller, onetime.ShareRequest{Secret: "s"})
	must(t, err)
	token, err := f.ReplaceLostToken(t.Context(), ada)
	must(t, err)
	if err := pending.Commit(t.Context()); !errors.Is(err, onetime.ErrUnauthorized) {
		t.Errorf("the share ends in %v", err)
	}
	pending, err = f.Share(t.Context(), f.login(t, token), onetime.ShareRequest{Secret: "s"})
	must(t, err)
	f.store.before = func(method string) error {
		if method == "Account" {
			return errBroken
		}
		return nil
	}
	wantFailure(t, pending.Commit(t.Context()))
	if live, err := f.store.Store.Live(t.Context()); err != nil || live != 0 {
		t.Errorf("%d secrets are left, %v", live, err)
	}
}

// TestBurnAccountFails holds that an account that is half burned is locked, and can be burned again.
func TestBurnAccountFails(t *testing.T) {
	f := newVault(t)
	caller, token := f.account(t, ada)
	for range 150 {
		f.share(t, caller, onetime.ShareRequest{})
	}
	planted := errors.New("planted")
	steps := 0
	f.store.before = func(method string) error {
		if method == "BurnAccount" {
			if steps++; steps == 2 {
				return planted
			}
		}
		return nil
	}
	burned, err := f.BurnAccount(t.Context(), ada)
	if !errors.Is(err, planted) || burned != 100 {
		t.Errorf("%d burned, %v", burned, err)
	}
	f.wantNoLogin(t, token)
	if burned, err := f.BurnAccount(t.Context(), ada); err != nil || burned != 50 {
		t.Errorf("again: %d burned, %v", burned, err)
	}
}

// TestRewrap holds that an account's key is sealed under the active server key when the account is used.
func TestRewrap(t *testing.T) {
	f, path := newRotating(t)
	caller, token := f.account(t, ada)
	before := f.share(t, caller, onetime.ShareRequest{})
	_, fresh := f.rotate(t, path)
	must(t, f.ReloadKeys(t.Context()))

	f.store.before = func(method string) error {
		if method == "UpdateAccount" {
			return errors.New("planted")
		}
		return nil
	}
	f.wantRecent(t, f.login(t, token), before.Key) // although it cannot be stored
	f.store.before = nil
	if r, err := f.store.Store.Account(t.Context(), ada); err != nil || r.KeyID == fresh {
		t.Errorf("sealed under %s, %v", r.KeyID, err)
	}

	f.wantNoLogin(t, "wrong")
	f.wantRecent(t, f.login(t, token), before.Key)
	r, err := f.store.Store.Account(t.Context(), ada)
	if err != nil || r.KeyID != fresh {
		t.Errorf("sealed under %s, want %s; %v", r.KeyID, fresh, err)
	}
	updates := 0
	f.store.before = func(method string) error {
		if method == "UpdateAccount" {
			updates++
		}
		return nil
	}
	f.wantRecent(t, f.login(t, token), before.Key)
	if updates != 0 {
		t.Error("it is sealed at every request")
	}
}

// TestRewrapMeetsRotation has a token rotated between the two steps of a request that rewraps: the new token stays good.
func TestRewrapMeetsRotation(t *testing.T) {
	f, path := newRotating(t)
	_, old := f.account(t, ada)
	f.rotate(t, path)
	must(t, f.ReloadKeys(t.Context()))
	var token onetime.Sensitive
	f.store.before = func(method string) error {
		if method == "UpdateAccount" {
			f.store.before = nil
			var err error
			token, err = f.RotateToken(t.Context(), ada, old)
			must(t, err)
		}
		return nil
	}
	f.login(t, old) // it was good when it was read
	f.wantNoLogin(t, old)
	f.login(t, token)
}

// TestRotationMeetsRewrap has a request rewrap an account between the two steps of a rotation, which is tried again.
func TestRotationMeetsRewrap(t *testing.T) {
	f, path := newRotating(t)
	_, old := f.account(t, ada)
	f.rotate(t, path)
	must(t, f.ReloadKeys(t.Context()))
	f.store.before = func(method string) error {
		if method == "UpdateAccount" {
			f.store.before = nil
			f.login(t, old)
		}
		return nil
	}
	token, err := f.RotateToken(t.Context(), ada, old)
	must(t, err)
	f.wantNoLogin(t, old)
	f.login(t, token)
}
