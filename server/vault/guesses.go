package vault

import (
	"net/netip"
	"sync"
	"time"

	"github.com/onetime-go/onetime"
)

// How many passphrases may be tried for one record before it is locked to the caller, and to everybody.
const (
	guessesPerCaller = 5
	guessesInAll     = 20
	guessWindow      = 10 * time.Minute
	lockTime         = 30 * time.Minute
	maxTallies       = 1 << 18 // what they take in memory is bounded; the turns of Argon2id keep this from being reached
)

// guesses counts passphrases that were tried, by record and caller, whether or not the record exists, so that a lock says
// nothing of that. It counts a try before it is made, so that tries that come together are counted together.
type guesses struct {
	mu      sync.Mutex
	tallies map[tallyKey]*tally
}

// A tallyKey is a record, and the network of one caller or the zero Prefix for all. The ids of secrets and receipts
// differ, so burns are counted apart from reveals.
type tallyKey struct {
	id      ID
	network netip.Prefix
}

type tally struct {
	count       int
	since       time.Time
	lockedUntil time.Time
}

func newGuesses() *guesses { return &guesses{tallies: map[tallyKey]*tally{}} }

// reserve counts one guess, or returns how long the record is locked.
func (g *guesses) reserve(id ID, caller onetime.Caller, now time.Time) (locked time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.tallies) >= maxTallies {
		g.sweepLocked(now)
	}
	if len(g.tallies) >= maxTallies {
		return guessWindow
	}
	mine, all := g.tally(id, caller.Network, now), g.tally(id, netip.Prefix{}, now)
	if locked := max(mine.locked(guessesPerCaller, now), all.locked(guessesInAll, now)); locked > 0 {
		return locked
	}
	mine.count++
	all.count++
	if mine == all {
		mine.count-- // a caller without a network counts once
	}
	return 0
}

// refund takes a guess back that was right, or was never made.
func (g *guesses) refund(id ID, caller onetime.Caller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, network := range []netip.Prefix{caller.Network, {}} {
		if t := g.tallies[tallyKey{id, network}]; t != nil && t.count > 0 {
			t.count--
		}
		if !caller.Network.IsValid() {
			return
		}
	}
}

func (g *guesses) tally(id ID, network netip.Prefix, now time.Time) *tally {
	key := tallyKey{id, network}
	t := g.tallies[key]
	if t == nil {
		t = &tally{since: now}
		g.tallies[key] = t
	}
	if t.over(now) {
		*t = tally{since: now}
	}
	return t
}

// locked returns how long a tally is locked, and locks it if it is full.
func (t *tally) locked(limit int, now time.Time) time.Duration {
	if t.lockedUntil.IsZero() && t.count >= limit {
		t.lockedUntil = now.Add(lockTime)
	}
	return max(t.lockedUntil.Sub(now), 0)
}

// over tells whether a tally says nothing any more.
func (t *tally) over(now time.Time) bool {
	if t.lockedUntil.IsZero() {
		return !now.Before(t.since.Add(guessWindow))
	}
	return !now.Before(t.lockedUntil)
}

// sweep forgets tallies that are over.
func (g *guesses) sweep(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweepLocked(now)
}

func (g *guesses) sweepLocked(now time.Time) {
	for key, t := range g.tallies {
		if t.over(now) {
			delete(g.tallies, key)
		}
	}
}
