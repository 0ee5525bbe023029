package vault_test

import (
	"errors"
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
