package vault_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// start has milliseconds, which the vault keeps, and no more, which it drops.
var start = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)

// A clock stands still until it is told otherwise.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A fixture is a vault over a store in memory that can be made to fail, and a clock.
type fixture struct {
	*vault.Vault
	store  *hooked
	clock  *clock
	config vault.Config
}

func newVault(t testing.TB, options ...func(*vault.Config)) *fixture {
	t.Helper()
	f := &fixture{clock: &clock{now: start}}
	f.config = vault.Config{Keys: vault.NewKeyring(), Clock: f.clock.Now}
	for _, option := range options {
		option(&f.config)
	}
	if f.config.Store == nil {
		f.config.Store = memory(t)
	}
	f.store = &hooked{Store: f.config.Store}
	f.config.Store = f.store
	f.Vault = mustNew(t, f.config)
	return f
}

func memory(t testing.TB) vault.Store {
	t.Helper()
	store, err := sqlitestore.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func mustNew(t testing.TB, config vault.Config) *vault.Vault {
	t.Helper()
	v, err := vault.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var nobody onetime.Caller

// from is an anonymous caller of whom a network is known.
func from(address string) onetime.Caller {
	return onetime.Caller{Network: netip.PrefixFrom(netip.MustParseAddr(address), 32)}
}

// commit does both steps.
func commit[T any](pending onetime.Pending[T], err error) (T, error) {
	if err == nil {
		err = pending.Commit(context.Background())
	}
	if err != nil {
		var none T
		return none, err
	}
	return pending.Answer, nil
}

func (f *fixture) share(t testing.TB, caller onetime.Caller, r onetime.ShareRequest) onetime.Receipt {
	t.Helper()
	if r.Secret == "" {
		r.Secret = "the secret"
	}
	receipt, err := commit(f.Share(t.Context(), caller, r))
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func (f *fixture) reveal(caller onetime.Caller, key, passphrase onetime.Sensitive) (onetime.Secret, error) {
	return commit(f.Reveal(context.Background(), caller, onetime.RevealRequest{Key: key, Passphrase: passphrase}))
}

func (f *fixture) burn(caller onetime.Caller, key, passphrase onetime.Sensitive) (onetime.Burned, error) {
	return commit(f.Burn(context.Background(), caller, onetime.BurnRequest{Key: key, Passphrase: passphrase}))
}

func (f *fixture) receipt(t testing.TB, key onetime.Sensitive) onetime.Receipt {
	t.Helper()
	receipt, err := f.Receipt(t.Context(), nobody, key)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// account adds one and returns a caller who has authenticated, and the token.
func (f *fixture) account(t testing.TB, email string) (onetime.Caller, onetime.Sensitive) {
	t.Helper()
	token, err := f.AddAccount(t.Context(), email)
	if err != nil {
		t.Fatal(err)
	}
	account, err := f.Authenticate(t.Context(), email, token.Expose())
	if err != nil {
		t.Fatal(err)
	}
	return onetime.Caller{Account: account}, token
}

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
