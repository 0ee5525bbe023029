package vault

import (
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
)

var guessStart = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func callerAt(address string) onetime.Caller {
	return onetime.Caller{Network: netip.PrefixFrom(netip.MustParseAddr(address), 32)}
}

// TestGuessesOfCallersWithoutANetwork holds that the count of those is not the count of all.
func TestGuessesOfCallersWithoutANetwork(t *testing.T) {
	g, id := newGuesses(), ID{1}
	for range guessesPerCaller {
		if locked := g.reserve(id, callerAt("192.0.2.1"), guessStart); locked != 0 {
			t.Fatalf("locked for %s", locked)
		}
	}
	if locked := g.reserve(id, onetime.Caller{}, guessStart); locked != 0 {
		t.Errorf("a caller without a network is locked for %s by another's guesses", locked)
	}
	if locked := g.reserve(id, callerAt("192.0.2.2"), guessStart); locked != 0 {
		t.Errorf("a caller is locked for %s by those of others", locked)
	}
	for range guessesPerCaller - 1 {
		if locked := g.reserve(id, onetime.Caller{}, guessStart); locked != 0 {
			t.Fatalf("locked for %s", locked)
		}
	}
	if locked := g.reserve(id, onetime.Caller{}, guessStart); locked != lockTime {
		t.Errorf("callers without a network are locked for %s", locked)
	}
}

// TestGuessesRefundEndsALock holds that right passphrases that come together lock nobody out.
func TestGuessesRefundEndsALock(t *testing.T) {
	g, id, caller := newGuesses(), ID{1}, callerAt("192.0.2.1")
	for range guessesPerCaller {
		g.reserve(id, caller, guessStart)
	}
	if locked := g.reserve(id, caller, guessStart); locked == 0 {
		t.Fatal("not locked")
	}
	for range guessesPerCaller {
		g.refund(id, caller)
	}
	if locked := g.reserve(id, caller, guessStart); locked != 0 {
		t.Errorf("locked for %s", locked)
	}
}

func TestGuessesWindow(t *testing.T) {
	g, id, caller := newGuesses(), ID{1}, callerAt("192.0.2.1")
	for range guessesPerCaller {
		g.reserve(id, caller, guessStart)
	}
	if locked := g.reserve(id, caller, guessStart.Add(guessWindow-time.Millisecond)); locked != lockTime {
		t.Errorf("within the window: locked for %s", locked)
	}
	end := guessStart.Add(guessWindow - time.Millisecond + lockTime)
	if locked := g.reserve(id, caller, end.Add(-time.Millisecond)); locked != time.Millisecond {
		t.Errorf("just before the end: locked for %s", locked)
	}
	if locked := g.reserve(id, caller, end); locked != 0 {
		t.Errorf("at the end: locked for %s", locked)
	}

	g = newGuesses()
	for range guessesPerCaller {
		g.reserve(id, caller, guessStart)
	}
	if locked := g.reserve(id, caller, guessStart.Add(guessWindow)); locked != 0 {
		t.Errorf("after the window: locked for %s", locked)
	}
}

func TestGuessesTakeBoundedMemory(t *testing.T) {
	g, caller := newGuesses(), callerAt("192.0.2.1")
	id := func(i int) ID { return ID{byte(i), byte(i >> 8), byte(i >> 16)} }
	for i := range maxTallies/2 + 100 {
		g.reserve(id(i), caller, guessStart)
	}
	if len(g.tallies) > maxTallies+1 {
		t.Errorf("%d tallies", len(g.tallies))
	}
	if locked := g.reserve(id(-1), caller, guessStart); locked == 0 {
		t.Error("a guess was not counted, and not refused either")
	}
	g.sweep(guessStart.Add(guessWindow - 1))
	if len(g.tallies) < maxTallies {
		t.Error("a sweep forgot what counts")
	}
	if locked := g.reserve(id(-1), caller, guessStart.Add(guessWindow)); locked != 0 {
		t.Errorf("locked for %s when all are over", locked)
	}
	g.sweep(guessStart.Add(2 * guessWindow))
	if len(g.tallies) != 0 {
		t.Errorf("%d tallies after a sweep", len(g.tallies))
	}
}

func TestRefundOfWhatIsForgotten(t *testing.T) {
	g, id, caller := newGuesses(), ID{1}, callerAt("192.0.2.1")
	g.refund(id, caller)
	if len(g.tallies) != 0 {
		t.Errorf("%d tallies", len(g.tallies))
	}
}

// TestGuessesAreCountedBeforeTheyAreMade counts runs, of which many callers at once must not get more than one alone.
func TestGuessesAreCountedBeforeTheyAreMade(t *testing.T) {
	v := &Vault{guesses: newGuesses(), argon: newArgon(16), clock: func() time.Time { return guessStart }}
	var runs atomic.Int64
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			caller := callerAt("192.0.2." + strconv.Itoa(i%2))
			_, err := v.guess(t.Context(), caller, ID{1}, func() ([]byte, error) {
				runs.Add(1)
				time.Sleep(time.Millisecond) // for the others to come in
				return nil, errWrongPassphrase
			})
			if err == nil {
				t.Error("a wrong passphrase opened something")
			}
		})
	}
	group.Wait()
	if runs.Load() != 2*guessesPerCaller {
		t.Errorf("two callers made %d guesses", runs.Load())
	}
}
