package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// newRotating is a vault whose keyring is in a file.
func newRotating(t testing.TB) (*fixture, string) {
	t.Helper()
	path, store := keyringPath(t), memory(t)
	keys, err := vault.LoadKeyring(t.Context(), path, store)
	must(t, err)
	return newVault(t, func(c *vault.Config) { c.Store, c.Keys = store, keys }), path
}

// another is a vault on the same store with a keyring file of its own, a copy of the one at path.
func (f *fixture) another(t testing.TB, path string) (*fixture, string) {
	t.Helper()
	copied := keyringPath(t)
	copyFile(t, path, copied)
	return f.at(t, copied), copied
}

// at is a vault on the same store with the keyring file at path.
func (f *fixture) at(t testing.TB, path string) *fixture {
	t.Helper()
	keys, err := vault.LoadKeyring(t.Context(), path, f.store)
	must(t, err)
	return newVault(t, func(c *vault.Config) { c.Store, c.Keys, c.Clock = f.store.Store, keys, f.clock.Now })
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to+".new", data, 0o600))
	must(t, os.Rename(to+".new", to))
}

func readKeys(t testing.TB, path string, store vault.Store) []vault.KeyInfo {
	t.Helper()
	keys, err := vault.LoadKeyring(t.Context(), path, store)
	must(t, err)
	return keys.Keys()
}

func mustAddKey(t testing.TB, path string) vault.KeyID {
	t.Helper()
	id, err := vault.AddKey(t.Context(), path)
	must(t, err)
	return id
}

// rotate adds a key and activates it.
func (f *fixture) rotate(t testing.TB, path string) (old, fresh vault.KeyID) {
	t.Helper()
	for _, key := range readKeys(t, path, f.store) {
		if key.Active {
			old = key.ID
		}
	}
	fresh = mustAddKey(t, path)
	must(t, vault.ActivateKey(t.Context(), path, f.store, fresh))
	return old, fresh
}

func TestKeysOfAFile(t *testing.T) {
	f, path := newRotating(t)
	first := readKeys(t, path, f.store)[0].ID
	second, third := mustAddKey(t, path), mustAddKey(t, path)
	want := func(active vault.KeyID, ids ...vault.KeyID) {
		t.Helper()
		var got []vault.KeyID
		for _, key := range readKeys(t, path, f.store) {
			got = append(got, key.ID)
			if key.Active != (key.ID == active) {
				t.Errorf("key %s: active is %v", key.ID, key.Active)
			}
			if age := time.Since(key.Created); age < -time.Second || age > time.Minute {
				t.Errorf("key %s: created %v", key.ID, key.Created)
			}
		}
		if !slices.Equal(got, ids) {
			t.Errorf("keys %v, want %v", got, ids)
		}
	}
	want(first, first, second, third)
	for range 2 {
		must(t, vault.ActivateKey(t.Context(), path, f.store, second))
		want(second, first, second, third)
	}
	if used, err := f.store.ServerKeys(t.Context()); err != nil || !slices.Equal(used, []vault.KeyID{first, second}) {
		t.Errorf("the store knows %v, %v", used, err)
	}
	for name, test := range map[string]struct {
		err, want error
	}{
		"activate an unknown one": {vault.ActivateKey(t.Context(), path, f.store, vault.KeyID{1}), vault.ErrNoKey},
		"prune an unknown one":    {vault.PruneKey(t.Context(), path, f.store, vault.KeyID{1}), vault.ErrNoKey},
		"prune the active one":    {vault.PruneKey(t.Context(), path, f.store, second), vault.ErrKeyActive},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v", name, test.err)
		}
	}
	want(second, first, second, third)
	must(t, vault.PruneKey(t.Context(), path, f.store, first))
	must(t, vault.PruneKey(t.Context(), path, f.store, third))
	want(second, second)

	info, err := os.Stat(path)
	must(t, err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".keyring-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestAddKeyAtOnce holds that no key is lost to a change that is made at the same time.
func TestAddKeyAtOnce(t *testing.T) {
	f, path := newRotating(t)
	const callers = 16
	var ids [callers]vault.KeyID
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			var err error
			if ids[i], err = vault.AddKey(t.Context(), path); err != nil {
				t.Error(err)
			}
			if err := vault.ActivateKey(t.Context(), path, f.store, ids[i]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	keys := readKeys(t, path, f.store)
	if len(keys) != 1+callers {
		t.Errorf("%d keys, want %d", len(keys), 1+callers)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(keys, func(key vault.KeyInfo) bool { return key.ID == id }) {
			t.Errorf("key %s is lost", id)
		}
	}
}

func TestAddKeyWithoutAFile(t *testing.T) {
	if _, err := vault.AddKey(t.Context(), keyringPath(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestParseKeyID(t *testing.T) {
	id := readKeys(t, keyringPath(t), memory(t))[0].ID
	if got, err := vault.ParseKeyID(id.String()); err != nil || got != id {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "1", "0123456789abcde", "0123456789abcdef01", "0123456789abcdeg"} {
		if _, err := vault.ParseKeyID(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestReloadKeys(t *testing.T) {
	f, path := newRotating(t)
	old := f.share(t, nobody, onetime.ShareRequest{Passphrase: "p"})
	must(t, f.ReloadKeys(t.Context())) // nothing has changed
	_, fresh := f.rotate(t, path)
	must(t, f.ReloadKeys(t.Context()))
	var sealedUnder vault.KeyID
	f.store.secret = func(r *vault.SecretRecord) { sealedUnder = r.KeyID }
	shared := f.share(t, nobody, onetime.ShareRequest{})
	if _, err := f.reveal(nobody, shared.SecretKey, ""); err != nil || sealedUnder != fresh {
		t.Errorf("sealed under %s, want %s; %v", sealedUnder, fresh, err)
	}
	if _, err := f.reveal(nobody, old.SecretKey, "p"); err != nil || sealedUnder == fresh {
		t.Errorf("what the old key sealed: %v", err)
	}
}

func TestReloadKeysOfNoFile(t *testing.T) {
	must(t, newVault(t).ReloadKeys(t.Context()))
}

// TestRunTakesUpAChangedKeyring holds that a server needs no restart, and nothing that it meets.
func TestRunTakesUpAChangedKeyring(t *testing.T) {
	f, path := newRotating(t)
	f.rotate(t, path)
	before, err := f.store.ServerKeys(t.Context())
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	noted := make(chan struct{}, 1)
	f.store.after = func(method string) error {
		if method == "Sweep" {
			noted <- struct{}{}
		}
		return nil
	}
	var group sync.WaitGroup
	group.Go(func() { f.Run(ctx, func(err error) { t.Error(err) }) })
	<-noted // the keyring was read before
	cancel()
	group.Wait()
	f.store.after = nil
	var sealedUnder vault.KeyID
	f.store.secret = func(r *vault.SecretRecord) { sealedUnder = r.KeyID }
	_, err = f.reveal(nobody, f.share(t, nobody, onetime.ShareRequest{}).SecretKey, "")
	must(t, err)
	if sealedUnder != before[1] {
		t.Errorf("sealed under %s, want %s", sealedUnder, before[1])
	}
}

// TestRunReportsABadKeyring holds that a vault goes on with the keyring it has.
func TestRunReportsABadKeyring(t *testing.T) {
	for name, test := range map[string]struct {
		text, want string
	}{
		"another store's": {ring(entry(oneKey, active)), "which the keyring lacks"},
		"damaged":         {"{", "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			f, path := newRotating(t)
			must(t, os.WriteFile(path, []byte(test.text), 0o600))
			for range 2 { // not forgotten either
				err := f.ReloadKeys(t.Context())
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v", err)
				}
			}
			_, err := f.reveal(nobody, f.share(t, nobody, onetime.ShareRequest{}).SecretKey, "")
			must(t, err)
			if used, err := f.store.ServerKeys(t.Context()); err != nil || len(used) != 1 {
				t.Errorf("the store knows %v, %v", used, err)
			}
		})
	}
}

// TestMeetingANewKey has one server activate a key that another has in its file, and has not read.
func TestMeetingANewKey(t *testing.T) {
	f, path := newRotating(t)
	other := f.at(t, path)
	ada, token := f.account(t, "ada@example.com")
	f.rotate(t, path)
	must(t, f.ReloadKeys(t.Context()))
	for name, use := range map[string]func(*fixture, onetime.Receipt) error{
		"reveal": func(o *fixture, r onetime.Receipt) error { _, err := o.reveal(nobody, r.SecretKey, ""); return err },
		"burn":   func(o *fixture, r onetime.Receipt) error { _, err := o.burn(nobody, r.Key, ""); return err },
		"receipt": func(o *fixture, r onetime.Receipt) error {
			_, err := o.Receipt(t.Context(), nobody, r.Key)
			return err
		},
		"recent": func(o *fixture, r onetime.Receipt) error { _, err := o.Recent(t.Context(), ada); return err },
		"authenticate": func(o *fixture, r onetime.Receipt) error {
			_, err := f.Authenticate(t.Context(), "ada@example.com", token.Expose()) // rewraps
			must(t, err)
			_, err = o.Authenticate(t.Context(), "ada@example.com", token.Expose())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			old, err := os.ReadFile(path)
			must(t, err)
			copied := keyringPath(t)
			must(t, os.WriteFile(copied, old, 0o600))
			late := f.at(t, copied)
			f.rotate(t, copied)
			copyFile(t, copied, path)
			must(t, f.ReloadKeys(t.Context()))
			if err := use(late, f.share(t, ada, onetime.ShareRequest{})); err != nil {
				t.Errorf("where the key is in the file: %v", err)
			}
		})
	}
	if _, err := other.reveal(nobody, f.share(t, nobody, onetime.ShareRequest{}).SecretKey, ""); err != nil {
		t.Errorf("after several: %v", err)
	}
}

// TestMeetingAKeyThatWasNotDistributed holds that nothing is consumed, and no guess spent, by a server that lacks the key.
func TestMeetingAKeyThatWasNotDistributed(t *testing.T) {
	f, path := newRotating(t)
	ada, token := f.account(t, "ada@example.com")
	late, latePath := f.another(t, path)
	f.rotate(t, path)
	must(t, f.ReloadKeys(t.Context()))
	_, err := f.Authenticate(t.Context(), "ada@example.com", token.Expose()) // rewraps
	must(t, err)
	plain, locked := f.share(t, ada, onetime.ShareRequest{}), f.share(t, ada, onetime.ShareRequest{Passphrase: "p"})

	for range 10 { // more than there are guesses
		_, err := late.reveal(nobody, plain.SecretKey, "")
		_, wrong := late.reveal(nobody, locked.SecretKey, "wrong")
		_, burn := late.burn(nobody, locked.Key, "wrong")
		_, recent := late.Recent(t.Context(), ada)
		_, login := late.Authenticate(t.Context(), "ada@example.com", token.Expose())
		for _, err := range []error{err, wrong, burn, recent, login} {
			if !errors.Is(err, vault.ErrDamaged) || errors.Is(err, onetime.ErrNotFound) || errors.Is(err, onetime.ErrUnauthorized) {
				t.Fatalf("error %v", err)
			}
		}
	}
	if late.store.claims.Load() != 0 {
		t.Error("a claim was made")
	}
	copyFile(t, path, latePath)
	if _, err := late.reveal(nobody, plain.SecretKey, ""); err != nil {
		t.Errorf("once the key is there: %v", err)
	}
	if _, err := late.reveal(nobody, locked.SecretKey, "p"); err != nil {
		t.Errorf("once the key is there: %v", err)
	}
}

// noting fails a test when something is stored under a server key that was not noted before.
type noting struct {
	vault.Store
	t *testing.T
}

func (n noting) Create(ctx context.Context, s vault.SecretRecord, r vault.ReceiptRecord, e *vault.RecentRecord, q vault.Quota) error {
	n.check(ctx, s.KeyID)
	return n.Store.Create(ctx, s, r, e, q)
}

func (n noting) CreateAccount(ctx context.Context, a vault.AccountRecord) error {
	n.check(ctx, a.KeyID)
	return n.Store.CreateAccount(ctx, a)
}

func (n noting) check(ctx context.Context, id vault.KeyID) {
	if known, err := n.ServerKeys(ctx); err != nil || !slices.Contains(known, id) {
		n.t.Errorf("key %s seals and was not noted: %v, %v", id, known, err)
	}
}

// slow gives others the time to come between.
func (n noting) AddServerKey(ctx context.Context, id vault.KeyID) error {
	time.Sleep(time.Millisecond)
	return n.Store.AddServerKey(ctx, id)
}

// TestRotationUnderLoad rotates while others share and reveal on two vaults.
func TestRotationUnderLoad(t *testing.T) {
	path, store := keyringPath(t), noting{memory(t), t}
	keys, err := vault.LoadKeyring(t.Context(), path, store)
	must(t, err)
	f := newVault(t, func(c *vault.Config) { c.Store, c.Keys = store, keys })
	other := f.at(t, path)
	done := make(chan struct{})
	var group sync.WaitGroup
	for _, pair := range [][2]*fixture{{f, other}, {other, f}, {f, f}} {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				receipt, err := commit(pair[0].Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s"}))
				if err != nil {
					t.Errorf("share: %v", err)
					return
				}
				if _, err := pair[1].reveal(nobody, receipt.SecretKey, ""); err != nil {
					t.Errorf("reveal: %v", err)
					return
				}
			}
		})
	}
	for range 20 {
		f.rotate(t, path)
		must(t, f.ReloadKeys(t.Context()))
	}
	close(done)
	group.Wait()
}

func TestSetKeys(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{})
	if err := f.SetKeys(t.Context(), vault.NewKeyring()); err == nil || !strings.Contains(err.Error(), "lacks") {
		t.Errorf("a keyring without the key in use: %v", err)
	}
	for name, keys := range map[string]*vault.Keyring{"none": nil, "an empty one": {}} {
		if err := f.SetKeys(t.Context(), keys); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := f.reveal(nobody, shared.SecretKey, ""); err != nil {
		t.Errorf("the keyring from before: %v", err)
	}
}

// TestKeyThatCannotBeNoted holds that a vault seals with no key of which the store does not know.
func TestKeyThatCannotBeNoted(t *testing.T) {
	f, path := newRotating(t)
	old, fresh := f.rotate(t, path)
	planted := errors.New("planted")
	f.store.before = func(method string) error {
		if method == "AddServerKey" {
			return planted
		}
		return nil
	}
	if err := f.ReloadKeys(t.Context()); !errors.Is(err, planted) {
		t.Errorf("error %v", err)
	}
	var sealedUnder vault.KeyID
	f.store.secret = func(r *vault.SecretRecord) { sealedUnder = r.KeyID }
	_, err := f.reveal(nobody, f.share(t, nobody, onetime.ShareRequest{}).SecretKey, "")
	if err != nil || sealedUnder != old {
		t.Errorf("sealed under %s, want %s: %v", sealedUnder, old, err)
	}
	f.store.before = nil
	must(t, f.ReloadKeys(t.Context()))
	_, err = f.reveal(nobody, f.share(t, nobody, onetime.ShareRequest{}).SecretKey, "")
	if err != nil || sealedUnder != fresh {
		t.Errorf("sealed under %s, want %s: %v", sealedUnder, fresh, err)
	}
}

// TestPrune holds an old key until the last receipt and the last account need it no more.
func TestPrune(t *testing.T) {
	f, path := newRotating(t)
	_, token := f.account(t, "ada@example.com")
	receipt := f.share(t, nobody, onetime.ShareRequest{TTL: time.Hour})
	old, _ := f.rotate(t, path)
	must(t, f.ReloadKeys(t.Context()))
	refused := func(why string) {
		t.Helper()
		if err := vault.PruneKey(t.Context(), path, f.store, old); !errors.Is(err, vault.ErrKeyInUse) {
			t.Errorf("%s: %v", why, err)
		}
		if keys := readKeys(t, path, f.store); len(keys) != 2 {
			t.Errorf("%s: keys %v", why, keys)
		}
	}
	refused("a secret, a receipt and an account")
	f.clock.add(time.Hour)
	must(t, f.Sweep(t.Context()))
	refused("a receipt and an account")
	f.receipt(t, receipt.Key)
	f.clock.add(time.Hour)
	must(t, f.Sweep(t.Context()))
	refused("an account")
	_, err := f.Authenticate(t.Context(), "ada@example.com", token.Expose())
	must(t, err)
	must(t, vault.PruneKey(t.Context(), path, f.store, old))
	must(t, f.ReloadKeys(t.Context()))
	_, err = f.Authenticate(t.Context(), "ada@example.com", token.Expose())
	must(t, err)
	must(t, f.at(t, path).Sweep(t.Context())) // it starts
}

// TestPruneUnderAServerThatIsLate holds that nothing is stored under a key that is gone, and that the server recovers.
func TestPruneUnderAServerThatIsLate(t *testing.T) {
	f, path := newRotating(t)
	pending, err := f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s"})
	must(t, err)
	old, _ := f.rotate(t, path)
	must(t, vault.PruneKey(t.Context(), path, f.store, old))
	if err := pending.Commit(t.Context()); !errors.Is(err, vault.ErrKeyRemoved) {
		t.Fatalf("commit: %v", err)
	}
	if _, err := f.Receipt(t.Context(), nobody, pending.Answer.Key); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("receipt: %v", err)
	}
	_, err = f.reveal(nobody, f.share(t, nobody, onetime.ShareRequest{}).SecretKey, "")
	if err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestOldKeyringFile has a server start with the file from before a key was pruned.
func TestOldKeyringFile(t *testing.T) {
	f, path := newRotating(t)
	_, oldPath := f.another(t, path)
	old, _ := f.rotate(t, path)
	must(t, f.ReloadKeys(t.Context()))
	must(t, vault.PruneKey(t.Context(), path, f.store, old))
	keys, err := vault.LoadKeyring(t.Context(), oldPath, f.store)
	must(t, err)
	if _, err := vault.New(t.Context(), vault.Config{Store: f.store, Keys: keys}); err == nil {
		t.Error("it starts")
	}
	id := mustAddKey(t, oldPath)
	must(t, vault.ActivateKey(t.Context(), oldPath, f.store, id))
	if err := vault.ActivateKey(t.Context(), oldPath, f.store, old); !errors.Is(err, vault.ErrKeyRemoved) {
		t.Errorf("activate a pruned key: %v", err)
	}
}
