package storetest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// Limits of guesses that differ from each other and from those of the vault, since a store takes them from each guess.
var (
	perCaller = vault.GuessLimit{Most: 3, Window: 10 * time.Second, Lock: 30 * time.Second}
	inAll     = vault.GuessLimit{Most: 7, Window: 20 * time.Second, Lock: 40 * time.Second}
	inLife    = vault.GuessLimit{Most: 12, Window: time.Hour, Lock: 2 * time.Hour}
)

const keep = 1000

func guessAt(id vault.ID, caller int, now time.Time) vault.Guess {
	g := vault.Guess{ID: id, Now: now, PerCaller: perCaller, InAll: inAll, InLife: inLife, Keep: keep}
	if caller > 0 { // else of no known network
		copy(g.Caller[:], digest("caller", caller))
	}
	return g
}

func newID(number int) (id vault.ID) {
	copy(id[:], digest("id", number))
	return tagged(id, number)
}

// wantGuess reserves one and compares for how long the record is locked: 0 if the guess is let through.
func wantGuess(t *testing.T, store vault.Store, guess vault.Guess, want time.Duration) {
	t.Helper()
	if locked, err := store.ReserveGuess(t.Context(), guess); err != nil || locked != want {
		t.Fatalf("ReserveGuess = %s, %v, want %s, nil", locked, err, want)
	}
}

func wantGuesses(t *testing.T, store vault.Store, guess vault.Guess, count int) {
	t.Helper()
	for range count {
		wantGuess(t, store, guess, 0)
	}
}

func mustRefund(t *testing.T, store vault.Store, guess vault.Guess) {
	t.Helper()
	if err := store.RefundGuess(t.Context(), guess); err != nil {
		t.Fatalf("RefundGuess: %v", err)
	}
}

// testGuessLimits fills the tally of each kind: of a caller, of all callers in a window, and of all in a record's life.
// It makes no difference whether there is such a record.
func testGuessLimits(t *testing.T, store vault.Store) {
	known := newTrio(1)
	create(t, store, known)
	for _, id := range []vault.ID{known.secret.ID, known.receipt.ID, newID(1)} {
		at := func(caller int, after time.Duration) vault.Guess { return guessAt(id, caller, start.Add(after)) }
		wantGuesses(t, store, at(1, 0), 3)
		wantGuess(t, store, at(1, 0), perCaller.Lock)
		wantGuess(t, store, at(1, time.Second), perCaller.Lock-time.Second)
		wantGuesses(t, store, at(2, time.Second), 3)
		wantGuesses(t, store, at(3, 2*time.Second), 1) // the seventh of all
		wantGuess(t, store, at(3, 3*time.Second), inAll.Lock-time.Second)
		wantGuess(t, store, at(4, 3*time.Second), inAll.Lock-time.Second)
		// Of two locks the longer one counts: that of caller 1 would end before.
		wantGuess(t, store, at(1, 4*time.Second), inAll.Lock-2*time.Second)

		later := 2*time.Second + inAll.Lock
		wantGuess(t, store, at(4, later-tick), tick)
		wantGuesses(t, store, at(4, later), 3)
		wantGuesses(t, store, at(5, later), 2) // the twelfth in the record's life
		wantGuess(t, store, at(6, later+time.Minute), inLife.Lock-time.Minute)
		wantGuess(t, store, at(6, later+inLife.Lock-tick), tick)
		wantGuesses(t, store, at(6, later+inLife.Lock), 3)
	}
	wantSecret(t, store, known.secret)
	wantReceipt(t, store, known.stored())
}

func testGuessTimes(t *testing.T, store vault.Store) {
	at := func(number int, after time.Duration) vault.Guess { return guessAt(newID(number), 1, start.Add(after)) }

	// The window runs from the first guess, and no later one prolongs it.
	wantGuesses(t, store, at(1, 0), 1)
	wantGuesses(t, store, at(1, perCaller.Window-tick), 1)
	wantGuesses(t, store, at(1, perCaller.Window), 2) // anew
	wantGuesses(t, store, at(1, perCaller.Window+tick), 1)
	wantGuess(t, store, at(1, perCaller.Window+2*tick), perCaller.Lock-tick)

	// The lock runs from the guess that filled the tally, and trying on does not prolong it.
	wantGuesses(t, store, at(2, 0), 2)
	wantGuesses(t, store, at(2, perCaller.Window-tick), 1)
	for _, after := range []time.Duration{perCaller.Window, perCaller.Lock, perCaller.Window + perCaller.Lock - 2*tick} {
		wantGuess(t, store, at(2, after), perCaller.Window-tick+perCaller.Lock-after)
	}
	wantGuesses(t, store, at(2, perCaller.Window-tick+perCaller.Lock), 1)

	// A guess takes the limits that it brings.
	more := at(3, 0)
	wantGuesses(t, store, more, 3)
	wantGuess(t, store, more, perCaller.Lock)
	more.PerCaller.Most = 4
	wantGuesses(t, store, more, 1)
	wantGuess(t, store, more, perCaller.Lock)
}

// testGuessesApart holds that records and callers have tallies of their own, and that callers of whom nothing is known have
// one of theirs.
func testGuessesApart(t *testing.T, store vault.Store) {
	r := newTrio(1) // its two ids begin alike
	ids := []vault.ID{r.secret.ID, r.receipt.ID, newID(1), {}}
	for caller := range 2 {
		for _, id := range ids {
			wantGuesses(t, store, guessAt(id, caller, start), 3)
			wantGuess(t, store, guessAt(id, caller, start), perCaller.Lock)
		}
	}
}

func testRefund(t *testing.T, store vault.Store) {
	id := newID(1)
	at := func(caller int, after time.Duration) vault.Guess { return guessAt(id, caller, start.Add(after)) }
	mustRefund(t, store, at(1, 0)) // there is nothing to take back
	for range 3 * inLife.Most {    // what is refunded does not count, in none of the tallies
		wantGuesses(t, store, at(1, 0), 1)
		mustRefund(t, store, at(1, 0))
	}

	// A refund ends a lock, and the tally has its window again.
	wantGuesses(t, store, at(1, 0), 3)
	wantGuess(t, store, at(1, 0), perCaller.Lock)
	mustRefund(t, store, at(1, time.Second))
	wantGuesses(t, store, at(1, perCaller.Window+time.Second-tick), 1)
	wantGuess(t, store, at(1, perCaller.Window+time.Second), perCaller.Lock-tick)

	// What is over is not taken back from what came after it.
	wantGuesses(t, store, at(2, 0), 1)
	wantGuesses(t, store, at(2, perCaller.Window), 3)
	mustRefund(t, store, at(3, perCaller.Window)) // counts down those of all, and not those of caller 2
	wantGuess(t, store, at(2, perCaller.Window), perCaller.Lock)

	other := newID(2)
	wantGuesses(t, store, guessAt(other, 1, start), 3)
	mustRefund(t, store, guessAt(other, 1, start.Add(perCaller.Lock))) // over by then
	wantGuesses(t, store, guessAt(other, 1, start.Add(perCaller.Lock)), 3)
}

// testGuessesTogether has many callers guess at once. As many are let through as would be one after the other.
func testGuessesTogether(t *testing.T, store vault.Store) {
	guessTogether(t, newID(1), store)
}

func testTwoStoresGuesses(t *testing.T, open func() vault.Store) {
	a, b := open(), open()
	guessTogether(t, newID(1), a, b)
	wantGuess(t, b, guessAt(newID(1), 9, start.Add(time.Second)), inAll.Lock-time.Second)
	mustClose(t, a)
	mustClose(t, b)
	again := open()
	wantGuess(t, again, guessAt(newID(1), 9, start.Add(2*time.Second)), inAll.Lock-2*time.Second)
	mustRefund(t, again, guessAt(newID(1), 1, start.Add(2*time.Second)))
	wantGuesses(t, again, guessAt(newID(1), 9, start.Add(2*time.Second)), 1)
}

func guessTogether(t *testing.T, id vault.ID, stores ...vault.Store) {
	t.Helper()
	var through [3]atomic.Int64
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for n := range 99 {
		store, caller := stores[n%len(stores)], n%3
		wg.Go(func() {
			<-ready
			locked, err := store.ReserveGuess(t.Context(), guessAt(id, caller+1, start))
			if err != nil {
				t.Errorf("ReserveGuess: %v", err)
			}
			if locked == 0 {
				through[caller].Add(1)
			}
		})
	}
	close(ready)
	wg.Wait()
	each := []int64{through[0].Load(), through[1].Load(), through[2].Load()}
	if slices.Max(each) > int64(perCaller.Most) || each[0]+each[1]+each[2] != int64(inAll.Most) {
		t.Errorf("%v guesses of three callers were let through, want %d in all", each, inAll.Most)
	}
}

// testGuessesAreBounded holds that the tallies of what was guessed at least recently go first.
func testGuessesAreBounded(t *testing.T, store vault.Store) {
	at := func(number, after int) vault.Guess {
		g := guessAt(newID(number), 1, start.Add(time.Duration(after)*tick))
		g.ID[0], g.ID[1] = '0', '0' // records of one part
		g.Keep = 30
		return g
	}
	wantGuesses(t, store, at(1, 0), 3)
	wantGuesses(t, store, at(2, 1), 3)
	for number := 3; number <= 11; number++ { // with them, 9 records more, and 33 tallies
		wantGuesses(t, store, at(number, number), 1)
	}
	wantGuess(t, store, at(2, 12), perCaller.Lock-11*tick)
	wantGuesses(t, store, at(1, 12), 3) // forgotten
	swept, err := store.Sweep(t.Context(), start.Add(3*time.Hour), 1000)
	if err != nil || swept.Tallies > 30 {
		t.Errorf("%d tallies were there, %v", swept.Tallies, err)
	}
}

func testSweepTallies(t *testing.T, store vault.Store) {
	early, late := newID(1), newID(2)
	wantGuesses(t, store, guessAt(early, 1, start), 3)
	wantGuesses(t, store, guessAt(late, 1, start.Add(tick)), 3)
	mustSweep(t, store, start.Add(inAll.Window-tick), 10, vault.Swept{})
	mustSweep(t, store, start.Add(inAll.Window), 10, vault.Swept{Tallies: 1})
	mustSweep(t, store, start.Add(perCaller.Lock), 10, vault.Swept{Tallies: 2}) // with that of all, of late
	wantGuess(t, store, guessAt(late, 1, start.Add(perCaller.Lock)), tick)
	mustSweep(t, store, start.Add(inLife.Window+tick), 2, vault.Swept{Tallies: 2})
	mustSweep(t, store, start.Add(inLife.Window+tick), 2, vault.Swept{Tallies: 1})
	mustSweep(t, store, start.Add(inLife.Window+tick), 2, vault.Swept{})
}
