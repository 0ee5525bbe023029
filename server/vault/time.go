package vault

import (
	"sync"
	"time"
)

// How far the vault's time follows a clock that jumps ahead. An hour, which is what a wrong time zone makes, it follows at
// once, so that what was said to have expired stays so when the clock jumps back. The rest it catches up with at 60 times
// the speed of time: the 8 hours that a machine slept in 7 minutes; and a clock that shows another decade for a minute has
// taken the vault ahead by two hours, and not by ten years.
const (
	maxJump   = time.Hour
	catchUp   = 60
	slowDown  = 10 // while the clock is behind, time runs slower by one part in 10, so that the two meet again
	clockOdds = time.Minute
)

// A timekeeper makes of a clock that somebody may set a time that never goes back and never stands still.
type timekeeper struct {
	clock   func() time.Time
	elapsed func() time.Duration // nil: nothing but the clock is known, and it is believed

	mu   sync.Mutex
	time int64         // Unix milliseconds
	part time.Duration // of a millisecond, that has passed since
	at   time.Duration // what elapsed returned then
	jump time.Duration // how far ahead it may still jump
	odd  bool          // whether the clock differs by more than clockOdds
}

func newTimekeeper(clock func() time.Time, elapsed func() time.Duration) *timekeeper {
	k := &timekeeper{clock: clock, elapsed: elapsed, jump: maxJump}
	if clock == nil {
		k.clock = time.Now
		if elapsed == nil {
			started := time.Now()
			k.elapsed = func() time.Duration { return time.Since(started) } // Go's clock that nobody sets
		}
	}
	return k
}

// begin takes up the time with the later of the clock and the time that is stored. When a process starts there is nothing
// else to compare the clock with.
func (k *timekeeper) begin(stored time.Time) (odd bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clock := k.clock().UnixMilli()
	k.time = clock
	if !stored.IsZero() {
		k.time = max(clock, stored.UnixMilli())
	}
	if k.elapsed != nil {
		k.at = k.elapsed()
	}
	return k.differs(k.time - clock)
}

// differs notes how much the clock differs, and tells whether it has begun to.
func (k *timekeeper) differs(by int64) (begins bool) {
	was := k.odd
	k.odd = by > clockOdds.Milliseconds() || by < -clockOdds.Milliseconds()
	return k.odd && !was
}

// now returns the time, what the clock shows where that is later, and whether the clock has just begun to differ from the
// time that has passed.
func (k *timekeeper) now() (now, latest time.Time, odd bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clock := k.clock().UnixMilli() // under the lock, so that nobody comes with an old one
	if k.elapsed == nil {
		k.time = max(k.time, clock)
	} else {
		odd = k.advance(clock)
	}
	return time.UnixMilli(k.time).UTC(), time.UnixMilli(max(k.time, clock)).UTC(), odd
}

// advance moves the time on by what has passed, or to where the clock is as far as that may be.
func (k *timekeeper) advance(clock int64) (odd bool) {
	at := k.elapsed()
	passed := max(at-k.at, 0)
	k.at = at
	k.jump = min(k.jump+(catchUp-1)*min(passed, maxJump), maxJump)

	tenth := passed / slowDown
	passed += k.part
	if over := k.time + passed.Milliseconds() - clock; over > tenth.Milliseconds() {
		passed -= tenth
	} else if over > 0 {
		passed -= time.Duration(over) * time.Millisecond
	}
	k.time += passed.Milliseconds()
	k.part = passed % time.Millisecond

	odd = k.differs(clock - k.time)
	if step := min(clock-k.time, k.jump.Milliseconds()); step > 0 {
		k.time += step
		k.jump -= time.Duration(step) * time.Millisecond
		k.part = 0
	}
	return odd
}
