package vault_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// TestClockGoesBack holds that nothing comes back that had expired, nor over a restart.
func TestClockGoesBack(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{TTL: time.Minute})
	f.clock.add(time.Minute)
	later := f.share(t, nobody, onetime.ShareRequest{TTL: time.Hour})
	f.clock.add(-time.Hour)
	check := func(name string) {
		t.Helper()
		if state := f.receipt(t, shared.Key).State; state != onetime.StateExpired {
			t.Errorf("%s: state %q", name, state)
		}
		if _, err := f.reveal(nobody, shared.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
			t.Errorf("%s: reveal: %v", name, err)
		}
		if left := f.receipt(t, later.Key).SecretTTL; left != time.Hour {
			t.Errorf("%s: %s left", name, left)
		}
	}
	check("clock went back")
	f.Vault = mustNew(t, f.config)
	check("restarted")
	made := f.share(t, nobody, onetime.ShareRequest{}).Created
	if !made.Equal(later.Created) {
		t.Errorf("made at %s, after %s", made, later.Created)
	}
}

// TestTimeOfReads holds that it counts too, within one run, that somebody was told that a secret had expired.
func TestTimeOfReads(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{TTL: time.Minute})
	f.clock.add(time.Minute)
	f.receipt(t, shared.Key)
	f.clock.add(-time.Second)
	if _, err := f.reveal(nobody, shared.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("reveal: %v", err)
	}
}

// TestClaimAndSweepSetTheTime holds that not only creations keep time from going back over a restart.
func TestClaimAndSweepSetTheTime(t *testing.T) {
	for name, write := range map[string]func(*fixture, onetime.Receipt) error{
		"claim": func(f *fixture, r onetime.Receipt) error { _, err := f.reveal(nobody, r.SecretKey, ""); return err },
		"sweep": func(f *fixture, r onetime.Receipt) error { return f.Sweep(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newVault(t)
			shared := f.share(t, nobody, onetime.ShareRequest{TTL: time.Hour})
			f.clock.add(time.Minute)
			must(t, write(f, shared))
			f.clock.add(-time.Minute)
			f.Vault = mustNew(t, f.config)
			if made := f.share(t, nobody, onetime.ShareRequest{}).Created; !made.Equal(start.Add(time.Minute)) {
				t.Errorf("made at %s", made)
			}
		})
	}
}

// TestTimeIsMonotone has many callers under a clock that jumps to and fro.
func TestTimeIsMonotone(t *testing.T) {
	var mu sync.Mutex
	jumps := 0
	f := newVault(t, func(c *vault.Config) {
		c.Clock = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			jumps++
			return start.Add(time.Duration(jumps*7919%1000) * time.Second)
		}
	})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			var last time.Time
			for range 50 {
				pending, err := f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s"})
				if err != nil || pending.Answer.Created.Before(last) {
					t.Errorf("%s after %s, %v", pending.Answer.Created, last, err)
				}
				last = pending.Answer.Created
			}
		})
	}
	group.Wait()
}

// A machine has a clock that can be set, and one that cannot.
type machine struct {
	mu      sync.Mutex
	set     time.Duration // by how much the clock is wrong
	elapsed time.Duration
}

func (m *machine) clock() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return start.Add(m.elapsed + m.set)
}

func (m *machine) sinceBoot() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.elapsed
}

// pass lets time pass, and jump sets the clock.
func (m *machine) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.elapsed += d
}

func (m *machine) jump(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set += d
}

func onMachine(t testing.TB) (*fixture, *machine, *watch) {
	m, w := &machine{}, &watch{}
	f := newVault(t, func(c *vault.Config) { c.Clock, c.Elapsed, c.Observe = m.clock, m.sinceBoot, w.observe })
	return f, m, w
}

// madeAt is the vault's time.
func (f *fixture) madeAt(t testing.TB) time.Duration {
	t.Helper()
	pending, err := f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s"})
	must(t, err)
	return pending.Answer.Created.Sub(start)
}

// TestClockJumpsAnHour holds, for an hour either way and there and back, that nothing comes back that had expired, was swept
// or was consumed, also over a restart, and that what has a lot of time left is there.
func TestClockJumpsAnHour(t *testing.T) {
	for name, jumps := range map[string][]time.Duration{
		"ahead":          {time.Hour},
		"back":           {-time.Hour},
		"ahead and back": {time.Hour, -time.Hour},
		"back and ahead": {-time.Hour, time.Hour},
	} {
		for _, sweep := range []bool{false, true} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, sweep %t, restart %t", name, sweep, restart), func(t *testing.T) {
					f, m, w := onMachine(t)
					expired := f.share(t, nobody, onetime.ShareRequest{TTL: time.Minute})
					consumed := f.share(t, nobody, onetime.ShareRequest{})
					short := f.share(t, nobody, onetime.ShareRequest{TTL: 30 * time.Minute})
					long := f.share(t, nobody, onetime.ShareRequest{TTL: 3 * time.Hour})
					_, err := f.reveal(nobody, consumed.SecretKey, "")
					must(t, err)
					m.pass(time.Minute)
					w.take()
					gone := map[string]onetime.Receipt{"expired": expired, "consumed": consumed}
					check := func() {
						t.Helper()
						for name, receipt := range gone {
							if _, err := f.reveal(nobody, receipt.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
								t.Errorf("what was %s: %v", name, err)
							}
							if r, err := f.Receipt(t.Context(), nobody, receipt.Key); err == nil && r.State == onetime.StateNew {
								t.Errorf("the receipt of what was %s says %s", name, r.State)
							}
						}
						if _, err := f.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: short.SecretKey}); errors.Is(err, onetime.ErrNotFound) {
							gone["short"] = short // and has to stay so
						}
					}
					check()
					for _, jump := range jumps {
						m.jump(jump)
						check()
						if sweep {
							must(t, f.Sweep(t.Context()))
						}
						if restart {
							// What is stored with the time: a sweep does so every half a minute, whatever it finds.
							_, err := f.store.Store.Sweep(t.Context(), start.Add(f.madeAt(t)), 0)
							must(t, err)
							f.Vault = mustNew(t, f.config)
						}
						check()
						m.pass(time.Second)
						check()
					}
					if _, err := f.reveal(nobody, long.SecretKey, ""); err != nil {
						t.Errorf("what has two hours left: %v", err)
					}
					if events := w.take(); !slices.Contains(events, vault.Event{Kind: vault.EventClock}) {
						t.Errorf("no alarm in %v", events)
					}
				})
			}
		}
	}
}

// TestClockJumpsFar holds that a clock which shows another decade for a minute costs no more than two hours, serves nothing
// meanwhile that it says has expired, and leaves nothing behind in the store.
func TestClockJumpsFar(t *testing.T) {
	f, m, w := onMachine(t)
	short := f.share(t, nobody, onetime.ShareRequest{TTL: time.Hour})
	long := f.share(t, nobody, onetime.ShareRequest{TTL: 3 * time.Hour})
	w.take()
	m.jump(10 * 365 * 24 * time.Hour)
	for range 60 {
		must(t, f.Sweep(t.Context()))
		for _, receipt := range []onetime.Receipt{short, long} {
			if _, err := f.reveal(nobody, receipt.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
				t.Fatalf("a secret that has expired by the clock: %v", err)
			}
		}
		m.pass(time.Second)
	}
	m.jump(-10 * 365 * 24 * time.Hour)
	alarms := 0
	for _, event := range w.take() {
		if event.Kind == vault.EventClock {
			alarms++
		}
	}
	if alarms != 1 {
		t.Errorf("%d alarms", alarms)
	}
	high, err := f.store.Store.HighWater(t.Context())
	if must(t, err); high.Sub(start) > 2*time.Hour {
		t.Errorf("stored for good: %s", high.Sub(start))
	}
	f.Vault = mustNew(t, f.config)
	if _, err := f.reveal(nobody, long.SecretKey, ""); err != nil {
		t.Errorf("what has three hours: %v", err)
	}
	if _, err := f.reveal(nobody, short.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("what was swept: %v", err)
	}
}

// TestClockCatchesUp holds that the time is that of the clock soon after a machine has slept.
func TestClockCatchesUp(t *testing.T) {
	f, m, _ := onMachine(t)
	f.madeAt(t)
	m.jump(8 * time.Hour)
	for range 8 * 60 {
		m.pass(time.Second)
		f.madeAt(t)
	}
	if at, clock := f.madeAt(t), m.clock().Sub(start); at != clock {
		t.Errorf("%s, and the clock shows %s", at, clock)
	}
}

// TestTimeDoesNotStandStill holds that secrets expire while the clock is behind, a tenth late at most, until the two meet.
func TestTimeDoesNotStandStill(t *testing.T) {
	f, m, _ := onMachine(t)
	m.jump(-time.Hour)
	shared := f.share(t, nobody, onetime.ShareRequest{TTL: 9 * time.Minute})
	for range 10 * 60 {
		m.pass(time.Second)
		f.madeAt(t)
	}
	if _, err := f.reveal(nobody, shared.SecretKey, ""); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("after ten minutes: %v", err)
	}
	for range 10 * 60 {
		m.pass(time.Minute)
		f.madeAt(t)
	}
	if at, clock := f.madeAt(t), m.clock().Sub(start); at != clock {
		t.Errorf("%s, and the clock shows %s", at, clock)
	}
}

// TestStoredTimeThatIsAhead holds that time goes on from there, and that somebody is told.
func TestStoredTimeThatIsAhead(t *testing.T) {
	f, m, w := onMachine(t)
	f.share(t, nobody, onetime.ShareRequest{})
	w.take()
	m.jump(-365 * 24 * time.Hour)
	f.Vault = mustNew(t, f.config)
	w.want(t, "a start", vault.Event{Kind: vault.EventClock})
	before := f.madeAt(t)
	m.pass(time.Hour)
	if passed := f.madeAt(t) - before; passed != 54*time.Minute {
		t.Errorf("%s have passed in an hour", passed)
	}
	w.want(t, "later")
}

// TestSmallSteps holds that what a clock and a monotonic clock differ by from call to call adds up to nothing.
func TestSmallSteps(t *testing.T) {
	f, m, w := onMachine(t)
	for range 20_000 {
		m.pass(333 * time.Microsecond)
		_, _ = f.Receipt(t.Context(), nobody, unknown)
	}
	if at, clock := f.madeAt(t), m.clock().Sub(start); clock-at > time.Millisecond || at > clock {
		t.Errorf("%s, and the clock shows %s", at, clock)
	}
	w.want(t, "a clock that is right")
}
