package vault_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// A watch keeps the events that it is told of.
type watch struct {
	mu     sync.Mutex
	events []vault.Event
}

func (w *watch) observe(e vault.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// take returns what has happened since the last time.
func (w *watch) take() []vault.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}

func watched(t testing.TB) (*fixture, *watch) {
	w := &watch{}
	return newVault(t, func(c *vault.Config) { c.Observe = w.observe }), w
}

func (w *watch) want(t *testing.T, what string, want ...vault.Event) {
	t.Helper()
	if diff := cmp.Diff(want, w.take()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestEvents(t *testing.T) {
	f, w := watched(t)
	ada, _ := f.account(t, "ada@example.com")
	plain := f.share(t, nobody, onetime.ShareRequest{})
	locked := f.share(t, ada, onetime.ShareRequest{Passphrase: "right"})
	f.share(t, ada, onetime.ShareRequest{TTL: time.Minute})
	w.want(t, "three shares", vault.Event{Kind: vault.EventCreated, Count: 1},
		vault.Event{Kind: vault.EventCreated, Count: 1}, vault.Event{Kind: vault.EventCreated, Count: 1})

	_, err := f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: plain.SecretKey})
	must(t, err)
	f.receipt(t, plain.Key)
	w.want(t, "looks")
	_, err = f.reveal(nobody, plain.SecretKey, "")
	must(t, err)
	w.want(t, "a reveal", vault.Event{Kind: vault.EventRevealed, Count: 1})
	if _, err = f.reveal(nobody, plain.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("a second reveal: %v", err)
	}
	w.want(t, "a second reveal")

	for range 6 {
		_, _ = f.reveal(nobody, locked.SecretKey, "wrong")
	}
	wrong := vault.Event{Kind: vault.EventWrongPassphrase}
	w.want(t, "six wrong passphrases", wrong, wrong, wrong, wrong, wrong, vault.Event{Kind: vault.EventLocked})
	_, _ = f.reveal(nobody, unknown, "wrong")
	_, _ = f.burn(nobody, locked.Key, "wrong")
	w.want(t, "for an unknown key, and of a burn", wrong, wrong)
	_, _ = f.reveal(nobody, locked.SecretKey, "")
	w.want(t, "no passphrase")

	_, err = f.burn(nobody, locked.Key, "right")
	must(t, err)
	w.want(t, "a burn", vault.Event{Kind: vault.EventBurned, Count: 1})
	f.clock.add(time.Minute)
	must(t, f.Sweep(t.Context()))
	w.want(t, "a sweep", vault.Event{Kind: vault.EventExpired, Count: 1})

	f.share(t, ada, onetime.ShareRequest{})
	f.share(t, ada, onetime.ShareRequest{})
	w.take()
	_, err = f.BurnAccount(t.Context(), "ada@example.com")
	must(t, err)
	w.want(t, "an account is burned", vault.Event{Kind: vault.EventBurned, Count: 2})
}

// TestDamageRaisesAnAlarm holds that every damaged record is told of, by the hash in its id, whoever meets it.
func TestDamageRaisesAnAlarm(t *testing.T) {
	f, w := watched(t)
	ada, token := f.account(t, "ada@example.com")
	shared := f.share(t, ada, onetime.ShareRequest{})
	w.take()
	flip := func(b []byte) { b[len(b)/2] ^= 1 }
	uses := map[string]func() error{
		"reveal":       func() error { _, err := f.reveal(nobody, shared.SecretKey, ""); return err },
		"burn":         func() error { _, err := f.burn(nobody, shared.Key, ""); return err },
		"receipt":      func() error { _, err := f.Receipt(t.Context(), nobody, shared.Key); return err },
		"recent":       func() error { _, err := f.Recent(t.Context(), ada); return err },
		"authenticate": func() error { _, err := f.Authenticate(t.Context(), "ada@example.com", token.Expose()); return err },
	}
	for _, test := range []struct {
		damaged string
		alter   func()
		use     []string
	}{
		{"a secret", func() { f.store.secret = func(r *vault.SecretRecord) { flip(r.Sealed) } }, []string{"reveal", "burn"}},
		{"a receipt", func() { f.store.receipt = func(r *vault.ReceiptRecord) { flip(r.Sealed) } }, []string{"receipt", "burn"}},
		{"a list entry", func() { f.store.recent = func(r *vault.RecentRecord) { flip(r.Sealed) } }, []string{"recent"}},
		{"an account", func() { f.store.account = func(r *vault.AccountRecord) { flip(r.Sealed) } }, []string{"authenticate"}},
		{"what the store cannot read", func() {
			f.store.before = func(method string) error {
				if method == "Secret" {
					return fmt.Errorf("a store: %w", vault.ErrDamaged)
				}
				return nil
			}
		}, []string{"reveal", "burn"}},
	} {
		t.Run(test.damaged, func(t *testing.T) {
			test.alter()
			for _, use := range test.use {
				if err := uses[use](); !errors.Is(err, vault.ErrDamaged) {
					t.Errorf("%s: %v", use, err)
				}
				events := w.take()
				if len(events) != 1 || events[0].Kind != vault.EventDamaged || len(events[0].Record) != 64 || events[0].Count != 0 {
					t.Errorf("%s: %+v, want one alarm", use, events)
				}
			}
			f.store.secret, f.store.receipt, f.store.recent, f.store.account, f.store.before = nil, nil, nil, nil, nil
		})
	}
	w.take()
	for name, use := range uses {
		if name == "reveal" || name == "burn" {
			continue
		}
		must(t, use())
		w.want(t, name+" of what is whole")
	}
}

// TestRecordOfAnAlarm holds that the name of a damaged record has nothing of a key, and is in its id.
func TestRecordOfAnAlarm(t *testing.T) {
	f, w := watched(t)
	shared := f.share(t, nobody, onetime.ShareRequest{})
	w.take()
	var id vault.ID
	f.store.secret = func(r *vault.SecretRecord) { id = r.ID; r.Sealed[0] ^= 1 }
	_, err := f.reveal(nobody, shared.SecretKey, "")
	if !errors.Is(err, vault.ErrDamaged) {
		t.Fatal(err)
	}
	record := w.take()[0].Record
	if record != fmt.Sprintf("%x", id[2:]) || record != id.String() {
		t.Errorf("the record is %s, its id %x", record, id)
	}
}
