package vault_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
)

const unknown = onetime.Sensitive("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")

// outcome is what a caller learns of an error.
func outcome(err error) string {
	var refusal *onetime.Refusal
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refusal):
		return fmt.Sprintf("%v %q %q %s", refusal.Reason, refusal.Rule, refusal.Message, refusal.RetryAfter)
	}
	return err.Error()
}

// TestLockOfReveals is the same for a key that is known and one that is not.
func TestLockOfReveals(t *testing.T) {
	here, there := from("192.0.2.1"), from("192.0.2.2")
	sequence := func(f *fixture, key onetime.Sensitive) []string {
		var outcomes []string
		try := func(caller onetime.Caller, passphrase onetime.Sensitive) {
			_, err := f.reveal(caller, key, passphrase)
			outcomes = append(outcomes, outcome(err))
		}
		for range 3 {
			try(here, "") // costs nothing
		}
		for range 5 {
			try(here, "wrong")
		}
		try(here, "wrong")
		f.clock.add(time.Minute)
		try(here, "wrong")
		try(here, "")
		try(there, "wrong")
		f.clock.add(29*time.Minute - time.Millisecond)
		try(here, "wrong")
		f.clock.add(time.Millisecond)
		try(here, "wrong")
		return outcomes
	}
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	known := sequence(f, shared.SecretKey)
	const vain, lock = "unknown secret", `too many requests "" "Too many wrong passphrases, try again later" `
	if diff := cmp.Diff([]string{vain, vain, vain, vain, vain, vain, vain, vain,
		lock + "30m0s", lock + "29m0s", vain, vain, lock + "1ms", vain}, known); diff != "" {
		t.Errorf("known key (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(known, sequence(newVault(t), unknown)); diff != "" {
		t.Errorf("an unknown key differs from a known one (-known +unknown):\n%s", diff)
	}
	if _, err := f.reveal(here, shared.SecretKey, "right"); err != nil {
		t.Errorf("the right one after the lock: %v", err)
	}
}

// TestLockShutsOutTheRightPassphrase holds that a lock is not a way to find out which passphrase is right.
func TestLockShutsOutTheRightPassphrase(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	for range 5 {
		_, _ = f.reveal(from("192.0.2.1"), shared.SecretKey, "wrong")
	}
	if _, err := f.reveal(from("192.0.2.1"), shared.SecretKey, "right"); !errors.Is(err, onetime.ErrRateLimited) {
		t.Errorf("locked: %v", err)
	}
	if _, err := f.reveal(from("192.0.2.2"), shared.SecretKey, "right"); err != nil {
		t.Errorf("another caller: %v", err)
	}
}

func TestLockForAll(t *testing.T) {
	for name, known := range map[string]bool{"known key": true, "unknown key": false} {
		t.Run(name, func(t *testing.T) {
			f, key := newVault(t), unknown
			if known {
				key = f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"}).SecretKey
			}
			for i := range 20 {
				_, err := f.reveal(from(fmt.Sprintf("192.0.2.%d", i/4)), key, "wrong")
				if !errors.Is(err, onetime.ErrNotFound) {
					t.Fatalf("guess %d: %v", i, err)
				}
			}
			_, err := f.reveal(from("198.51.100.1"), key, "wrong")
			var refusal *onetime.Refusal
			if !errors.As(err, &refusal) || refusal.RetryAfter != 30*time.Minute {
				t.Errorf("a new caller: %v", err)
			}
		})
	}
}

// TestRightPassphrasesCostNothing reveals without a commit, more often than one may guess.
func TestRightPassphrasesCostNothing(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	for i := range 7 {
		_, err := f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: shared.SecretKey, Passphrase: "right"})
		if err != nil {
			t.Fatalf("reveal %d: %v", i, err)
		}
		_, err = f.Burn(t.Context(), nobody, onetime.BurnRequest{Key: shared.Key, Passphrase: "right"})
		if err != nil {
			t.Fatalf("burn %d: %v", i, err)
		}
	}
}

func TestLockOfBurns(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	for range 5 {
		if _, err := f.reveal(nobody, shared.SecretKey, "wrong"); !errors.Is(err, onetime.ErrNotFound) {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := f.burn(nobody, shared.Key, ""); !errors.Is(err, onetime.ErrInvalid) {
			t.Fatal(err)
		}
	}
	for range 5 {
		if _, err := f.burn(nobody, shared.Key, "wrong"); !errors.Is(err, onetime.ErrInvalid) {
			t.Fatalf("burns are not counted apart from reveals: %v", err)
		}
	}
	for _, wait := range []time.Duration{0, 30*time.Minute - time.Second, time.Second - time.Millisecond} {
		f.clock.add(wait)
		if _, err := f.burn(nobody, shared.Key, "right"); !errors.Is(err, onetime.ErrForbidden) {
			t.Errorf("locked: %v", err)
		}
	}
	f.clock.add(time.Millisecond)
	if _, err := f.burn(nobody, shared.Key, "right"); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

// TestGuessesThatComeTogether holds that no more of them are made than one after the other: each that was made says
// ErrNotFound, and each that was not ErrRateLimited.
func TestGuessesThatComeTogether(t *testing.T) {
	for name, known := range map[string]bool{"known key": true, "unknown key": false} {
		t.Run(name, func(t *testing.T) {
			f, key := newVault(t), unknown
			if known {
				key = f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"}).SecretKey
			}
			var mu sync.Mutex
			var made, refused int
			var group sync.WaitGroup
			begin := make(chan struct{})
			for range 100 {
				group.Go(func() {
					<-begin
					_, err := f.reveal(from("192.0.2.1"), key, "wrong")
					mu.Lock()
					defer mu.Unlock()
					switch {
					case errors.Is(err, onetime.ErrNotFound):
						made++
					case errors.Is(err, onetime.ErrRateLimited):
						refused++
					default:
						t.Errorf("%v", err)
					}
				})
			}
			close(begin)
			group.Wait()
			if made != 5 || refused != 95 {
				t.Errorf("%d guesses were made, %d refused", made, refused)
			}
		})
	}
}

// TestClientThatLeaves holds that nobody pays for a turn that did not come.
func TestClientThatLeaves(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		_, err := f.Reveal(ctx, nobody, onetime.RevealRequest{Key: shared.SecretKey, Passphrase: "right"})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if _, err := f.reveal(nobody, shared.SecretKey, "right"); err != nil {
		t.Error(err)
	}
}

// TestLocksSurviveARestart holds that guesses and locks are in the store, and those of every server over it.
func TestLocksSurviveARestart(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	here := from("192.0.2.1")
	for range 4 {
		_, _ = f.reveal(here, shared.SecretKey, "wrong")
	}
	other := *f
	other.Vault = mustNew(t, f.config)
	if _, err := other.reveal(here, shared.SecretKey, "wrong"); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("the fifth, at another server: %v", err)
	}
	for name, server := range map[string]*fixture{"this": f, "the other": &other} {
		if _, err := server.reveal(here, shared.SecretKey, "right"); !errors.Is(err, onetime.ErrRateLimited) {
			t.Errorf("the sixth, at %s server: %v", name, err)
		}
	}
	f.clock.add(30 * time.Minute)
	if _, err := f.reveal(here, shared.SecretKey, "right"); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

// TestPatientGuesses tries passphrases for a whole life of a secret, as fast as no lock comes of it, from as many networks as
// it takes. No more than 100 are tried.
func TestPatientGuesses(t *testing.T) {
	for name, known := range map[string]bool{"known key": true, "unknown key": false} {
		t.Run(name, func(t *testing.T) {
			f, key := newVault(t), unknown
			ada, _ := f.account(t, "ada@example.com")
			if known {
				key = f.share(t, ada, onetime.ShareRequest{Passphrase: "right", TTL: 30 * 24 * time.Hour}).SecretKey
			}
			tried := 0
			for round := range 30 * 24 {
				for i := range 19 {
					_, err := f.reveal(from(fmt.Sprintf("192.0.2.%d", i)), key, "wrong")
					if errors.Is(err, onetime.ErrNotFound) {
						tried++
					}
				}
				if f.clock.add(time.Hour); round > 10 && tried == 100 {
					f.clock.add(24 * time.Hour) // nothing but time passes from here on
				}
				if f.clock.Now().Sub(start) > 29*24*time.Hour {
					break
				}
			}
			if tried != 100 {
				t.Errorf("%d passphrases were tried", tried)
			}
		})
	}
}

// TestSameWorkForKnownAndUnknown counts what a wrong passphrase costs, for a key that is known and one that is not.
func TestSameWorkForKnownAndUnknown(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	gone := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	_, err := f.reveal(nobody, gone.SecretKey, "right")
	must(t, err)
	work := func(key, passphrase onetime.Sensitive) map[string]int {
		calls := map[string]int{}
		f.store.before = func(method string) error { calls[method]++; return nil }
		defer func() { f.store.before = nil }()
		runs := f.ArgonRuns()
		_, _ = f.reveal(from("192.0.2.1"), key, passphrase)
		calls["Argon2id"] = int(f.ArgonRuns() - runs)
		return calls
	}
	for _, test := range []struct {
		name       string
		passphrase onetime.Sensitive
		times      int
		want       map[string]int
	}{
		{"wrong", "wrong", 5, map[string]int{"Secret": 1, "ReserveGuess": 1, "Argon2id": 1}},
		{"locked", "wrong", 2, map[string]int{"Secret": 1, "ReserveGuess": 1, "Argon2id": 0}},
		{"missing", "", 2, map[string]int{"Secret": 1, "Argon2id": 0}},
	} {
		for range test.times {
			for name, key := range map[string]onetime.Sensitive{"known": shared.SecretKey, "unknown": unknown, "gone": gone.SecretKey} {
				if diff := cmp.Diff(test.want, work(key, test.passphrase)); diff != "" {
					t.Errorf("%s passphrase, %s key (-want +got):\n%s", test.name, name, diff)
				}
			}
		}
	}
}

// TestGuessThatIsNotCounted holds that no passphrase is tried where the store cannot count it, and that who knows the right one
// is not refused because the store cannot give back a guess.
func TestGuessThatIsNotCounted(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{Passphrase: "right"})
	fail := func(method string) {
		f.store.before = func(called string) error {
			if called == method {
				return errors.New("the disk is full")
			}
			return nil
		}
	}
	fail("ReserveGuess")
	runs := f.ArgonRuns()
	for _, key := range []onetime.Sensitive{shared.SecretKey, unknown} {
		_, err := f.reveal(nobody, key, "right")
		wantFailure(t, err)
	}
	_, err := f.burn(nobody, shared.Key, "right")
	wantFailure(t, err)
	if f.ArgonRuns() != runs {
		t.Error("a passphrase was tried")
	}
	fail("RefundGuess")
	if _, err := f.reveal(nobody, shared.SecretKey, "right"); err != nil {
		t.Errorf("the right one: %v", err)
	}
}
