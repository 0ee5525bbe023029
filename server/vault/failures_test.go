package vault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

var errBroken = errors.New("the disk is gone")

var reasons = []error{onetime.ErrNotFound, onetime.ErrUnauthorized, onetime.ErrForbidden, onetime.ErrInvalid,
	onetime.ErrRule, onetime.ErrRateLimited}

// wantFailure fails unless an error is the server's fault, and silent about what was asked.
func wantFailure(t *testing.T, err error, markers ...onetime.Sensitive) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			t.Errorf("%v: is %v", err, reason)
		}
	}
	for _, marker := range markers {
		if marker != "" && strings.Contains(err.Error(), marker.Expose()) {
			t.Errorf("the error holds a marker: %v", err)
		}
	}
}

func TestStoreFailures(t *testing.T) {
	f := newVault(t)
	caller, token := f.account(t, "ada@example.com")
	shared := f.share(t, caller, onetime.ShareRequest{Secret: "marker-secret", Passphrase: "marker-passphrase"})
	reveal := onetime.RevealRequest{Key: shared.SecretKey, Passphrase: "marker-passphrase"}
	burn := onetime.BurnRequest{Key: shared.Key, Passphrase: "marker-passphrase"}
	for _, test := range []struct {
		name, method string
		do           func() error
	}{
		{"share", "Create", func() error {
			_, err := commit(f.Share(t.Context(), caller, onetime.ShareRequest{Secret: "marker-secret"}))
			return err
		}},
		{"generate", "Create", func() error {
			_, err := commit(f.Generate(t.Context(), nobody, onetime.GenerateRequest{}))
			return err
		}},
		{"look at a secret", "Secret", func() error { _, err := commit(f.Reveal(t.Context(), nobody, reveal)); return err }},
		{"reveal", "Claim", func() error { _, err := commit(f.Reveal(t.Context(), nobody, reveal)); return err }},
		{"look at a receipt", "Receipt", func() error { _, err := f.Receipt(t.Context(), nobody, shared.Key); return err }},
		{"burn, receipt", "Receipt", func() error { _, err := commit(f.Burn(t.Context(), nobody, burn)); return err }},
		{"burn, secret", "Secret", func() error { _, err := commit(f.Burn(t.Context(), nobody, burn)); return err }},
		{"burn", "Claim", func() error { _, err := commit(f.Burn(t.Context(), nobody, burn)); return err }},
		{"recent", "Recent", func() error { _, err := f.Recent(t.Context(), caller); return err }},
		{"sweep", "Sweep", func() error { return f.Sweep(t.Context()) }},
		{"add an account", "CreateAccount", func() error {
			_, err := f.AddAccount(t.Context(), "bob@example.com")
			return err
		}},
		{"authenticate", "Account", func() error {
			_, err := f.Authenticate(t.Context(), "ada@example.com", token.Expose())
			return err
		}},
		{"new, keys", "ServerKeys", func() error { _, err := vault.New(t.Context(), f.config); return err }},
		{"new, key", "AddServerKey", func() error { _, err := vault.New(t.Context(), f.config); return err }},
		{"new, time", "HighWater", func() error { _, err := vault.New(t.Context(), f.config); return err }},
		{"keyring", "ServerKeys", func() error {
			_, err := vault.LoadKeyring(t.Context(), t.TempDir()+"/keyring", f.store)
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.store.before = func(method string) error {
				if method == test.method {
					return errBroken
				}
				return nil
			}
			err := test.do()
			f.store.before = nil
			wantFailure(t, err, "marker", shared.Key, shared.SecretKey, token)
			if !errors.Is(err, errBroken) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
	if state := f.receipt(t, shared.Key).State; state != onetime.StateNew {
		t.Errorf("state %q", state)
	}
}

// TestRandomFails holds that nothing is made of randomness that did not come.
func TestRandomFails(t *testing.T) {
	for limit := range 40 { // reads in vain at each of the places
		source := &failing{left: limit}
		f := newVault(t, func(c *vault.Config) { c.Random = source })
		_, err := f.AddAccount(t.Context(), "ada@example.com")
		if err == nil {
			_, err = commit(f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s"}))
		}
		var receipt onetime.Receipt
		if err == nil {
			receipt, err = commit(f.Generate(t.Context(), nobody, onetime.GenerateRequest{}))
		}
		if err == nil {
			_, err = f.reveal(nobody, receipt.SecretKey, "")
		}
		if err == nil {
			return
		}
		wantFailure(t, err)
		if !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
	}
	t.Error("it never came to an end")
}

// failing gives a number of reads.
type failing struct{ left int }

func (f *failing) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, errBroken
	}
	f.left--
	for i := range p {
		p[i] = byte(i + f.left)
	}
	return len(p), nil
}

// TestClaimInDoubt is about an engine that does not say whether a claim was made.
func TestClaimInDoubt(t *testing.T) {
	for _, test := range []struct {
		name     string
		done     bool // the claim was made
		readBack bool // what became of it can be read
		failure  error
		won      bool
		state    onetime.State
	}{
		{"made, and read back", true, true, errBroken, true, onetime.StateReceived},
		{"made, and not read back", true, false, errBroken, false, onetime.StateReceived},
		{"made, and not durable, says the store", true, true, vault.ErrInDoubt, false, onetime.StateReceived},
		{"not made, and read back", false, true, errBroken, false, onetime.StateNew},
		{"not made, and not read back", false, false, errBroken, false, onetime.StateNew},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newVault(t)
			shared := f.share(t, nobody, onetime.ShareRequest{})
			failed := false
			fail := func(method string) error {
				if method == "Claim" {
					failed = true
					return test.failure
				}
				return nil
			}
			f.store.before = func(method string) error {
				if !test.done && method == "Claim" {
					return fail(method)
				}
				if failed && !test.readBack && method == "Receipt" {
					return errors.New("still gone")
				}
				return nil
			}
			f.store.after = fail
			secret, err := f.reveal(nobody, shared.SecretKey, "")
			f.store.before, f.store.after = nil, nil
			if test.won && (err != nil || secret.Value != "the secret") {
				t.Errorf("the winner got %v", err)
			}
			if !test.won {
				wantFailure(t, err, shared.SecretKey)
			}
			if state := f.receipt(t, shared.Key).State; state != test.state {
				t.Errorf("state %q", state)
			}
			_, err = f.reveal(nobody, shared.SecretKey, "")
			if test.done != errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("the next reveal: %v", err)
			}
		})
	}
}

// TestClaimInDoubtOfTheLoser holds that the claim id tells whose claim it was that was made.
func TestClaimInDoubtOfTheLoser(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{})
	late, err := f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: shared.SecretKey})
	must(t, err)
	_, err = f.reveal(nobody, shared.SecretKey, "")
	must(t, err)
	f.store.before = func(method string) error {
		if method == "Claim" {
			return errBroken
		}
		return nil
	}
	wantFailure(t, late.Commit(t.Context()))
}
