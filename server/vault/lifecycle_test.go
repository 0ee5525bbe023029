package vault_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func TestShareRevealOnce(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Secret: "läuft", TTL: time.Hour})
	want := onetime.Receipt{
		Custid: onetime.Anonymous, Key: shared.Key, SecretKey: shared.SecretKey, State: onetime.StateNew,
		Created: start, Updated: start, TTL: time.Hour, ReceiptTTL: 2 * time.Hour, SecretTTL: time.Hour,
	}
	if diff := cmp.Diff(want, shared); diff != "" {
		t.Errorf("shared (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, f.receipt(t, shared.Key)); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}

	f.clock.add(time.Minute)
	secret, err := f.reveal(nobody, shared.SecretKey, "")
	must(t, err)
	if diff := cmp.Diff(onetime.Secret{Value: "läuft", Key: shared.SecretKey}, secret); diff != "" {
		t.Errorf("secret (-want +got):\n%s", diff)
	}
	f.clock.add(time.Minute)
	if _, err := f.reveal(nobody, shared.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("second reveal: %v", err)
	}
	want.State, want.SecretKey, want.SecretTTL = onetime.StateReceived, "", 0
	want.Updated, want.Received = start.Add(time.Minute), start.Add(time.Minute)
	want.ReceiptTTL -= 2 * time.Minute
	if diff := cmp.Diff(want, f.receipt(t, shared.Key)); diff != "" {
		t.Errorf("receipt afterwards (-want +got):\n%s", diff)
	}
}

func TestBurn(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{TTL: time.Hour})
	f.clock.add(time.Minute)
	burned, err := f.burn(nobody, shared.Key, "")
	must(t, err)
	want := shared
	want.State, want.SecretTTL = onetime.StateBurned, 0
	want.Updated, want.ReceiptTTL = start.Add(time.Minute), 2*time.Hour-time.Minute
	if diff := cmp.Diff(onetime.Burned{Receipt: want, ShortKey: shared.SecretKey[:8]}, burned); diff != "" {
		t.Errorf("burned (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, f.receipt(t, shared.Key)); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	if _, err := f.burn(nobody, shared.Key, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("second burn: %v", err)
	}
	if _, err := f.reveal(nobody, shared.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("reveal after burn: %v", err)
	}
}

func TestBurnAfterReveal(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{})
	_, err := f.reveal(nobody, shared.SecretKey, "")
	must(t, err)
	if _, err := f.burn(nobody, shared.Key, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("burn after reveal: %v", err)
	}
	if state := f.receipt(t, shared.Key).State; state != onetime.StateReceived {
		t.Errorf("state %q", state)
	}
}

// TestExpiry holds that the sweep changes nothing that a caller sees.
func TestExpiry(t *testing.T) {
	for _, test := range []struct {
		name  string
		sweep bool
	}{{"before the sweep", false}, {"after the sweep", true}} {
		t.Run(test.name, func(t *testing.T) {
			f := newVault(t)
			shared := f.share(t, nobody, onetime.ShareRequest{TTL: time.Hour})
			f.clock.add(time.Hour - time.Millisecond)
			if got := f.receipt(t, shared.Key); got.State != onetime.StateNew || got.SecretTTL != time.Millisecond {
				t.Errorf("just before: %s, %s left", got.State, got.SecretTTL)
			}
			f.clock.add(time.Millisecond)
			if test.sweep {
				must(t, f.Sweep(t.Context()))
			}
			want := shared
			want.State, want.SecretTTL = onetime.StateExpired, 0
			want.Updated, want.ReceiptTTL = start.Add(time.Hour), time.Hour
			if diff := cmp.Diff(want, f.receipt(t, shared.Key)); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
			reveal, err := f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: shared.SecretKey})
			if !errors.Is(err, onetime.ErrNotFound) || reveal.Answer.Value != "" {
				t.Errorf("reveal, before its commit: %v", err)
			}
			_, err = f.Burn(t.Context(), nobody, onetime.BurnRequest{Key: shared.Key})
			if !errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("burn, before its commit: %v", err)
			}
			f.clock.add(time.Hour - time.Millisecond)
			f.receipt(t, shared.Key)
			f.clock.add(time.Millisecond)
			if test.sweep {
				must(t, f.Sweep(t.Context()))
			}
			if _, err := f.Receipt(t.Context(), nobody, shared.Key); !errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("receipt past twice the lifetime: %v", err)
			}
		})
	}
}

// TestSweepGoesOn holds that one sweep deletes all, in however many steps.
func TestSweepGoesOn(t *testing.T) {
	for name, left := range map[string]*vault.Swept{
		"secrets": {Secrets: 1234}, "receipts": {Receipts: 1234}, "tallies": {Tallies: 1234},
	} {
		f := newVault(t)
		f.config.Store = &sweeper{hooked: f.store, left: left}
		must(t, mustNew(t, f.config).Sweep(t.Context()))
		if *left != (vault.Swept{}) {
			t.Errorf("%s: %+v left", name, *left)
		}
	}
}

type sweeper struct {
	*hooked
	left *vault.Swept
}

func (s *sweeper) Sweep(_ context.Context, _ time.Time, limit int) (swept vault.Swept, err error) {
	for _, kind := range []struct{ left, swept *int }{
		{&s.left.Secrets, &swept.Secrets}, {&s.left.Receipts, &swept.Receipts}, {&s.left.Tallies, &swept.Tallies},
	} {
		*kind.swept = min(limit, *kind.left)
		*kind.left -= *kind.swept
	}
	return swept, nil
}

func TestRunReportsAndGoesOnUntilItsContextEnds(t *testing.T) {
	f := newVault(t)
	f.store.before = func(method string) error {
		if method == "Sweep" {
			return errBroken
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var reported error
	f.Run(ctx, func(err error) { reported = err; cancel() })
	if !errors.Is(reported, errBroken) {
		t.Errorf("reported %v", reported)
	}
}

func TestOrphaned(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{TTL: time.Hour})
	f.store.receipt = func(r *vault.ReceiptRecord) { r.SecretStands = false }
	got := f.receipt(t, shared.Key)
	if got.State != onetime.StateOrphaned || got.SecretTTL != 0 || got.SecretKey != shared.SecretKey {
		t.Errorf("state %q, %s left, key equal: %t", got.State, got.SecretTTL, got.SecretKey == shared.SecretKey)
	}
	f.store.before = func(method string) error {
		if method == "Secret" {
			return vault.ErrNoRecord
		}
		return nil
	}
	if _, err := f.burn(nobody, shared.Key, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("burn: %v", err)
	}
}

func TestUnknownKeys(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{})
	for name, key := range map[string]onetime.Sensitive{
		"empty":            "",
		"one character":    "a",
		"recent":           "recent",
		"upper case":       onetime.Sensitive(strings.ToUpper(shared.Key.Expose())),
		"too long":         shared.Key + "a",
		"well formed":      "0000000000000000000000000000000",
		"not UTF-8":        "\xff000000000000000000000000000000",
		"a NUL at the end": shared.Key[:30] + "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := f.Receipt(t.Context(), nobody, key); !errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("receipt: %v", err)
			}
			if _, err := f.reveal(nobody, key, ""); !errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("reveal: %v", err)
			}
			if _, err := f.burn(nobody, key, ""); !errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("burn: %v", err)
			}
		})
	}
}

// TestKeysAreNotInterchangeable holds that a link does not read its receipt, nor burn, and a receipt reveals nothing.
func TestKeysAreNotInterchangeable(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{})
	if _, err := f.Receipt(t.Context(), nobody, shared.SecretKey); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("receipt by the secret's key: %v", err)
	}
	if _, err := f.burn(nobody, shared.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("burn by the secret's key: %v", err)
	}
	if _, err := f.reveal(nobody, shared.Key, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("reveal by the receipt's key: %v", err)
	}
}

func TestPassphrase(t *testing.T) {
	f := newVault(t)
	for _, test := range []struct {
		name       string
		set, given onetime.Sensitive
		reveal     error
		burn       error
		has        bool
	}{
		{name: "right", set: "sesame", given: "sesame", has: true},
		{name: "wrong", set: "sesame", given: "Sesame", has: true, reveal: onetime.ErrNotFound, burn: onetime.ErrInvalid},
		{name: "missing", set: "sesame", has: true, reveal: onetime.ErrNotFound, burn: onetime.ErrInvalid},
		{name: "needless", given: "sesame"},
		{name: "not UTF-8", set: "\xff\x00", given: "\xff\x00", has: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			shared := f.share(t, nobody, onetime.ShareRequest{Secret: "hidden", Passphrase: test.set})
			if shared.HasPassphrase != test.has || f.receipt(t, shared.Key).HasPassphrase != test.has {
				t.Error("HasPassphrase is wrong")
			}
			secret, err := f.reveal(nobody, shared.SecretKey, test.given)
			if !errors.Is(err, test.reveal) {
				t.Errorf("reveal: %v", err)
			}
			if err == nil && secret.Value != "hidden" {
				t.Error("reveal: the value is wrong")
			}
			if err != nil && f.receipt(t, shared.Key).State != onetime.StateNew {
				t.Error("a failed reveal consumed the secret")
			}

			shared = f.share(t, nobody, onetime.ShareRequest{Passphrase: test.set})
			if _, err := f.burn(nobody, shared.Key, test.given); !errors.Is(err, test.burn) {
				t.Errorf("burn: %v", err)
			} else if err != nil && f.receipt(t, shared.Key).State != onetime.StateNew {
				t.Error("a failed burn consumed the secret")
			}
		})
	}
}

func TestPendingWithoutCommit(t *testing.T) {
	f := newVault(t)
	shared, err := f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s"})
	must(t, err)
	generated, err := f.Generate(t.Context(), nobody, onetime.GenerateRequest{})
	must(t, err)
	if f.store.creates.Load() != 0 {
		t.Error("stored before the commit")
	}
	for _, receipt := range []onetime.Receipt{shared.Answer, generated.Answer} {
		if _, err := f.Receipt(t.Context(), nobody, receipt.Key); !errors.Is(err, onetime.ErrNotFound) {
			t.Errorf("receipt before the commit: %v", err)
		}
	}
	must(t, shared.Commit(t.Context()))
	for range 2 {
		_, err = f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: shared.Answer.SecretKey})
		must(t, err)
		_, err = f.Burn(t.Context(), nobody, onetime.BurnRequest{Key: shared.Answer.Key})
		must(t, err)
	}
	if f.store.claims.Load() != 0 {
		t.Error("claimed before the commit")
	}
	_, err = f.reveal(nobody, shared.Answer.SecretKey, "")
	must(t, err)
}

func TestOneCommitWins(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{})
	one, err := f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: shared.SecretKey})
	must(t, err)
	two, err := f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: shared.SecretKey})
	must(t, err)
	burn, err := f.Burn(t.Context(), nobody, onetime.BurnRequest{Key: shared.Key})
	must(t, err)
	must(t, two.Commit(t.Context()))
	for name, late := range map[string]func(context.Context) error{"reveal": one.Commit, "burn": burn.Commit} {
		if err := late(t.Context()); !errors.Is(err, onetime.ErrNotFound) {
			t.Errorf("late commit of the %s: %v", name, err)
		}
	}
	if state := f.receipt(t, shared.Key).State; state != onetime.StateReceived {
		t.Errorf("state %q", state)
	}
}

func TestCommitAfterExpiry(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{TTL: time.Minute})
	reveal, err := f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: shared.SecretKey})
	must(t, err)
	burn, err := f.Burn(t.Context(), nobody, onetime.BurnRequest{Key: shared.Key})
	must(t, err)
	f.clock.add(time.Minute)
	if err := reveal.Commit(t.Context()); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("reveal: %v", err)
	}
	if err := burn.Commit(t.Context()); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("burn: %v", err)
	}
	if state := f.receipt(t, shared.Key).State; state != onetime.StateExpired {
		t.Errorf("state %q", state)
	}
}

func TestOneOfManyRevealsWins(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Secret: "mine"})
	var won, lost atomic.Int64
	var group sync.WaitGroup
	begin := make(chan struct{})
	for range 100 {
		group.Go(func() {
			<-begin
			secret, err := f.reveal(nobody, shared.SecretKey, "")
			switch {
			case err == nil && secret.Value == "mine":
				won.Add(1)
			case errors.Is(err, onetime.ErrNotFound):
				lost.Add(1)
			default:
				t.Errorf("neither won nor lost: %v", err)
			}
		})
	}
	close(begin)
	group.Wait()
	if won.Load() != 1 || lost.Load() != 99 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}

func TestGenerate(t *testing.T) {
	f := newVault(t)
	seen := map[onetime.Sensitive]bool{}
	for range 20 {
		receipt, err := commit(f.Generate(t.Context(), nobody, onetime.GenerateRequest{TTL: time.Hour}))
		must(t, err)
		value := receipt.Value.Expose()
		if len(value) != 24 || strings.ContainsAny(value, "0O1lI") || strings.Trim(value, alphanumeric) != "" {
			t.Errorf("%q is not 24 legible letters and digits", value)
		}
		if seen[receipt.Value] {
			t.Error("a value came twice")
		}
		seen[receipt.Value] = true
		if f.receipt(t, receipt.Key).Value != "" {
			t.Error("a later receipt holds the value")
		}
		secret, err := f.reveal(nobody, receipt.SecretKey, "")
		must(t, err)
		if secret.Value != receipt.Value {
			t.Error("another value was revealed")
		}
	}
	if receipt := f.share(t, nobody, onetime.ShareRequest{}); receipt.Value != "" {
		t.Error("the answer to share holds the value")
	}
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func TestStatus(t *testing.T) {
	f := newVault(t)
	want := onetime.Status{Status: onetime.StatusNominal, Locale: "en"}
	if got, err := f.Status(t.Context(), nobody); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := f.AuthCheck(t.Context(), nobody); !errors.Is(err, onetime.ErrUnauthorized) {
		t.Errorf("anonymous: %v", err)
	}
	caller, _ := f.account(t, "ada@example.com")
	if got, err := f.AuthCheck(t.Context(), caller); err != nil || got != want {
		t.Errorf("with an account: %+v, %v", got, err)
	}
}
