package vault_test

import (
	"errors"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func TestAnonymousQuota(t *testing.T) {
	f := newVault(t, func(c *vault.Config) { c.AnonymousQuota = vault.Quota{Secrets: 2} })
	here, there := from("192.0.2.1"), from("192.0.2.2")
	ada, _ := f.account(t, "ada@example.com")
	adaHere := onetime.Caller{Account: ada.Account, Network: here.Network}
	first := f.share(t, here, onetime.ShareRequest{TTL: time.Hour})
	f.share(t, here, onetime.ShareRequest{TTL: time.Minute})

	wantRefused := func(t *testing.T) {
		t.Helper()
		_, err := commit(f.Generate(t.Context(), here, onetime.GenerateRequest{}))
		var refusal *onetime.Refusal
		if !errors.Is(err, onetime.ErrRateLimited) || !errors.As(err, &refusal) || refusal.Message == "" || refusal.RetryAfter != time.Minute {
			t.Errorf("one too many: %v", err)
		}
	}
	wantRefused(t)
	f.share(t, there, onetime.ShareRequest{})
	for range 3 { // those with an account, and those of whom no network is known, have no quota
		f.share(t, adaHere, onetime.ShareRequest{})
		f.share(t, nobody, onetime.ShareRequest{})
	}
	if _, err := f.reveal(there, first.SecretKey, ""); err != nil {
		t.Fatal(err)
	}
	f.share(t, here, onetime.ShareRequest{})
	wantRefused(t)
	f.clock.add(time.Minute)
	f.share(t, here, onetime.ShareRequest{})
	wantRefused(t)
}

func TestAnonymousQuotaOfBytes(t *testing.T) {
	f := newVault(t, func(c *vault.Config) { c.AnonymousQuota = vault.Quota{Bytes: 2 * vault.SealedBlock} })
	f.share(t, from("192.0.2.1"), onetime.ShareRequest{})
	f.share(t, from("192.0.2.1"), onetime.ShareRequest{})
	if _, err := commit(f.Share(t.Context(), from("192.0.2.1"), onetime.ShareRequest{Secret: "s"})); !errors.Is(err, onetime.ErrRateLimited) {
		t.Errorf("one too many: %v", err)
	}
}

// TestOwnersAreKeptForQuotasOnly holds that nothing of a network is stored where nothing asks for it.
func TestOwnersAreKeptForQuotasOnly(t *testing.T) {
	for name, quota := range map[string]vault.Quota{"off": {}, "on": {Secrets: 5}} {
		t.Run(name, func(t *testing.T) {
			f := newVault(t, func(c *vault.Config) { c.AnonymousQuota = quota })
			shared := f.share(t, from("192.0.2.1"), onetime.ShareRequest{})
			var owner vault.OwnerID
			f.store.secret = func(r *vault.SecretRecord) { owner = r.Owner }
			_, err := f.reveal(nobody, shared.SecretKey, "")
			must(t, err)
			if (owner != vault.OwnerID{}) != (quota != vault.Quota{}) {
				t.Errorf("owner %x", owner)
			}
		})
	}
}

func TestRefuseAnonymous(t *testing.T) {
	f := newVault(t, func(c *vault.Config) { c.RefuseAnonymous = true })
	ada, _ := f.account(t, "ada@example.com")
	_, share := f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s"})
	_, generate := f.Generate(t.Context(), nobody, onetime.GenerateRequest{})
	for name, err := range map[string]error{"share": share, "generate": generate} {
		var refusal *onetime.Refusal
		if !errors.Is(err, onetime.ErrForbidden) || !errors.As(err, &refusal) || refusal.Message == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	shared := f.share(t, ada, onetime.ShareRequest{})
	f.receipt(t, shared.Key)
	if _, err := f.reveal(nobody, shared.SecretKey, ""); err != nil {
		t.Errorf("a link is for everybody: %v", err)
	}
}
