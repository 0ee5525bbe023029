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
	maxTallies       = 1 << 18 // bounds what they take in memory; when it is reached, no passphrase is tried
	fullPause        = 30 * time.Second
)

// guesses counts passphrases that were tried, by record and caller, whether or not the record exists, so that a lock says
// nothing of that. It counts a try before it is made, so that tries that come together are counted together.
type guesses struct {
	mu        sync.Mutex
	tallies   map[tallyKey]*tally
	nextSweep time.Time // of one that is made for want of room
}

// A tallyKey is a record, and the network of one caller (the zero Prefix for those of whom none is known) or all of
// them. The ids of secrets and receipts differ, so burns are counted apart from reveals.
type tallyKey struct {
	id      ID
	network netip.Prefix
	all     bool
}

func keysOf(id ID, caller onetime.Caller) (mine, all tallyKey) {
	return tallyKey{id: id, network: caller.Network}, tallyKey{id: id, all: true}
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
	if len(g.tallies) >= maxTallies && !now.Before(g.nextSweep) {
		g.sweepLocked(now)
		g.nextSweep = now.Add(fullPause)
	}
	if len(g.tallies) >= maxTallies {
		return guessWindow
	}
	myKey, allKey := keysOf(id, caller)
	mine, all := g.tally(myKey, now), g.tally(allKey, now)
	if locked := max(mine.locked(guessesPerCaller, now), all.locked(guessesInAll, now)); locked > 0 {
		return locked
	}
	mine.count++
	all.count++
	return 0
}

// refund takes a guess back that was right, or was never made, and a lock that came of counting it.
func (g *guesses) refund(id ID, caller onetime.Caller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	mine, all := keysOf(id, caller)
	for _, key := range []tallyKey{mine, all} {
		if t := g.tallies[key]; t != nil && t.count > 0 {
			t.count--
			t.lockedUntil = time.Time{}
		}
	}
}

func (g *guesses) tally(key tallyKey, now time.Time) *tally {
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
