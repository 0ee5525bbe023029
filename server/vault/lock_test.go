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
