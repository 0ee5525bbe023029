package proof

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/onetime-go/onetime/server/vault"
)

// An outcome is what many callers of one link got.
type outcome struct {
	winners  int
	leaks    int         // answers other than 200 with the value in them
	statuses map[int]int // of those who did not win
	errs     []error
}

// contest has callers reveal one secret at the same moment.
func contest(a api, key, passphrase, value string, callers int) outcome {
	o := outcome{statuses: map[int]int{}}
	var mu sync.Mutex
	var ready, done sync.WaitGroup
	ready.Add(callers)
	for range callers {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			r, err := a.reveal(key, passphrase)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				o.errs = append(o.errs, err)
			case r.status == 200 && r.Value == value:
				o.winners++
			default:
				o.statuses[r.status]++
				if strings.Contains(r.body, value) {
					o.leaks++
				}
			}
		})
	}
	done.Wait()
	return o
}

// check returns what is wrong with an outcome. Losers are told that there is nothing or, where there is a passphrase,
// that they try too much.
func (o outcome) check(callers int, hasPassphrase bool) error {
	allowed := []int{404}
	if hasPassphrase {
		allowed = []int{404, 429}
	}
	for _, status := range slices.Sorted(maps.Keys(o.statuses)) {
		if !slices.Contains(allowed, status) {
			return fmt.Errorf("%d callers were answered %d", o.statuses[status], status)
		}
	}
	switch {
	case len(o.errs) > 0:
		return fmt.Errorf("%d of %d callers got no answer: %w", len(o.errs), callers, o.errs[0])
	case o.winners != 1:
		return fmt.Errorf("%d of %d callers got the secret, want one; the others: %v", o.winners, callers, o.statuses)
	case o.leaks > 0:
		return errors.New("an answer that is not 200 holds the value")
	}
	return nil
}

func TestOneLink(t *testing.T) {
	const callers = 1000
	for name, passphrase := range map[string]string{"without passphrase": "", "with passphrase": "open sesame"} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, layers{})
			shared := must(t, 200)(f.share("the value", passphrase))
			if err := contest(f.api, shared.SecretKey, passphrase, "the value", callers).check(callers, passphrase != ""); err != nil {
				t.Error(err)
			}
			if r := must(t, 200)(f.receipt(shared.Key)); r.state() != "received" {
				t.Errorf("the receipt says %s", r.state())
			}
		})
	}
}

func TestManyLinks(t *testing.T) {
	const callers, atOnce, passphraseEach = 32, 8, 50
	links := scale(100, 10_000)
	f := serve(t, layers{})
	numbers := make(chan int)
	var wg sync.WaitGroup
	// Links with a passphrase take turns: all are from one network, which has half of the processors for Argon2id, and whoever
	// finds no turn for two seconds is told to come again. With several such links that may be all callers of one.
	var turn sync.Mutex
	contestOf := func(n int) error {
		passphrase := ""
		if n%passphraseEach == 0 {
			passphrase = "open sesame"
			turn.Lock()
			defer turn.Unlock()
		}
		value := fmt.Sprintf("the value of link %d.", n)
		shared, err := f.share(value, passphrase)
		if err != nil || shared.status != 200 {
			return fmt.Errorf("the share is answered %d, %w", shared.status, err)
		}
		return contest(f.api, shared.SecretKey, passphrase, value, callers).check(callers, passphrase != "")
	}
	for range atOnce {
		wg.Go(func() {
			for n := range numbers {
				if err := contestOf(n); err != nil {
					t.Errorf("link %d: %v", n, err)
				}
			}
		})
	}
	for n := range links {
		numbers <- n
	}
	close(numbers)
	wg.Wait()
}

// checkThenAct is the bug that these tests are for: it looks whether a secret is there, and then takes it.
type checkThenAct struct{ vault.Store }

func (s checkThenAct) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	_, err := s.Secret(ctx, claim.SecretID)
	if errors.Is(err, vault.ErrNoRecord) {
		return false, nil
	}
	if err == nil {
		_, err = s.Store.Claim(ctx, claim)
	}
	return err == nil, err
}

// loser never wins, as if the winner were always another server.
type loser struct{ vault.Store }

func (s loser) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	_, err := s.Store.Claim(ctx, claim)
	return false, err
}

func TestRacesFindPlantedBugs(t *testing.T) {
	for name, test := range map[string]struct {
		plant func(vault.Store) vault.Store
		bad   func(outcome) bool
	}{
		"claims that check, then act": {func(s vault.Store) vault.Store { return checkThenAct{s} }, func(o outcome) bool { return o.winners > 1 }},
		"none to nobody":              {func(s vault.Store) vault.Store { return loser{s} }, func(o outcome) bool { return o.winners == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, layers{store: test.plant})
			for n := range 100 {
				shared := must(t, 200)(f.share("the value", ""))
				if o := contest(f.api, shared.SecretKey, "", "the value", 32); test.bad(o) && o.check(32, false) != nil {
					t.Logf("found in contest %d", n)
					return
				}
			}
			t.Error("100 contests did not find it")
		})
	}
}
