package proof

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime/internal/redistest"
)

// A loss is what became of what servers had acknowledged, when the primary was killed under load. The page docs/stores.md
// has what this counts.
type loss struct {
	shares, claims int // acknowledged
	lost           int // shares of which nothing is there, though nobody has asked for them in vain
	revived        int // claims whose secret can be had again, or whose receipt says new
	doubtful       int // calls that were answered 500, or not at all
}

func (l loss) String() string {
	return fmt.Sprintf("%d shares acknowledged, %d of them lost; %d claims acknowledged, %d of them revived; %d calls in doubt",
		l.shares, l.lost, l.claims, l.revived, l.doubtful)
}

// count asks for everything that a journal knows. What a reveal is answered 500 is no evidence: the receipt is.
func (l *loss) count(t testing.TB, j *journal, a api) {
	t.Helper()
	l.doubtful += j.failed
	for _, e := range j.entries {
		l.shares++
		consumed, inDoubt := e.revealed+e.burned > 0, e.revealLost || e.burnLost
		if consumed {
			l.claims++
		}
		var receipt reply
		waitFor(t, "a receipt is shown, or not there", func() bool {
			r, err := a.receipt(e.receiptKey)
			receipt = r
			return err == nil && r.status != 500
		})
		isNew := receipt.status == 200 && receipt.state() == "new"
		r, err := a.reveal(e.key, "")
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case consumed && (isNew || r.status == 200 || e.revealed+e.burned > 1):
			l.revived++
		case !consumed && !inDoubt && (!isNew || r.status == 404):
			l.lost++
		}
		if r.status == 200 && r.Value != e.value {
			t.Errorf("secret %d: another value came", e.number)
		}
	}
}

// killEngine has two servers work until the primary is killed, and recovers what there is to recover.
func killEngine(t testing.TB, f *fleet, primary func() *redistest.Engine, recover func(killed *redistest.Engine), rounds int) loss {
	t.Helper()
	const longest = 300 * time.Millisecond
	servers := f.start(t, 2)
	var l loss
	for round := range rounds {
		j := &journal{faults: true}
		var stops []func()
		for _, server := range servers {
			stops = append(stops, j.load(server.api, rand.Uint64()))
		}
		time.Sleep(longest/3 + rand.N(longest))
		killed := primary()
		killed.Kill()
		var wg sync.WaitGroup
		for _, stop := range stops {
			wg.Go(stop)
		}
		wg.Wait()
		recover(killed)
		waitFor(t, "a server takes shares again", func() bool {
			for _, server := range servers {
				if r, err := server.share("the value", ""); err != nil || r.status != 200 {
					return false
				}
			}
			return true
		})
		before := l
		l.count(t, j, servers[rand.IntN(2)].api)
		if l.lost > before.lost || l.revived > before.revived {
			t.Logf("round %d: %d shares lost, %d claims revived", round, l.lost-before.lost, l.revived-before.revived)
		}
	}
	return l
}

// TestKillEngine kills the primary under load, and counts for each setting what was lost and what came back. It demands
// that nothing was where that is promised, and prints the rest: go test -v -run TestKillEngine, with ONETIME_ENGINES=all.
func TestKillEngine(t *testing.T) {
	rounds := scale(2, 20)
	t.Run("restart, appendfsync always, fsync", func(t *testing.T) {
		e := redistest.Start(t, redistest.Durable...)
		l := restarts(t, e, rounds, "--store-durability", "fsync")
		if l.lost > 0 || l.revived > 0 {
			t.Errorf("it is promised that nothing is: %s", l)
		}
	})
	t.Run("restart, appendfsync everysec, primary", func(t *testing.T) {
		restarts(t, redistest.Start(t), rounds, "--store-durability", "primary")
	})
	if !redistest.All() {
		return
	}
	t.Run("restart, nothing on disk, primary", func(t *testing.T) {
		l := restarts(t, redistest.Start(t, "--appendonly", "no"), rounds, "--store-durability", "primary", "--store-volatile")
		if l.shares == l.claims || l.lost == 0 {
			t.Errorf("the test finds no loss where all is lost: %s", l)
		}
	})
	for replicas := range 3 {
		t.Run(fmt.Sprintf("failover, primary, %d replicas", replicas), func(t *testing.T) {
			l := failovers(t, rounds, replicas)
			if replicas == 2 && (l.lost > 0 || l.revived > 0) {
				t.Errorf("it is promised that nothing is: %s", l)
			}
		})
	}
}

// TestPrimaryComesBack has the killed primary come back while the Sentinels replace it, under load all the time. It demands that
// nothing is lost if all replicas have to confirm, and prints what is lost if one of two does.
func TestPrimaryComesBack(t *testing.T) {
	if !redistest.All() {
		t.Skip("it takes several engines: ONETIME_ENGINES=all runs it")
	}
	for replicas := 1; replicas <= 2; replicas++ {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			trio := redistest.StartSentinel(t)
			f := newFleet(t, trio, "--store-durability", "primary", "--store-replicas", fmt.Sprint(replicas))
			servers := f.start(t, 2)
			var l loss
			rounds := scale(1, 10)
			for range rounds {
				j := &journal{faults: true}
				stop, stopOther := j.load(servers[0].api, rand.Uint64()), j.load(servers[1].api, rand.Uint64())
				killed := trio.Primary(t)
				killed.Kill()
				trio.AwaitElection(t, killed)
				killed.Start(t)
				trio.Failover(t, killed)
				trio.Settle(t)
				stop()
				stopOther()
				l.count(t, j, servers[0].api)
			}
			t.Logf("%d times: %s", rounds, l)
			if replicas == 2 && (l.lost > 0 || l.revived > 0) {
				t.Errorf("it is promised that nothing is: %s", l)
			}
		})
	}
}

func restarts(t *testing.T, e *redistest.Engine, rounds int, args ...string) loss {
	l := killEngine(t, newFleet(t, e, args...), func() *redistest.Engine { return e }, func(*redistest.Engine) { e.Start(t) }, rounds)
	t.Logf("%d times: %s", rounds, l)
	return l
}

// failovers has the killed primary come back as a replica, so that the next failover has as many to choose from.
func failovers(t *testing.T, rounds, replicas int) loss {
	trio := redistest.StartSentinel(t)
	args := []string{"--store-durability", "primary", "--store-replicas", fmt.Sprint(replicas)}
	l := killEngine(t, newFleet(t, trio, args...), func() *redistest.Engine { return trio.Primary(t) }, func(killed *redistest.Engine) {
		trio.Failover(t, killed)
		trio.Rejoin(t, killed)
	}, rounds)
	t.Logf("%d times: %s", rounds, l)
	return l
}

// TestKillServers kills servers that share an engine under load, one after the other.
func TestKillServers(t *testing.T) {
	f := newFleet(t, redistest.Start(t))
	j := &journal{}
	for round := range scale(4, 20) {
		servers := f.start(t, 2)
		from := max(len(j.entries)-recent, 0)
		stop, stopOther := j.load(servers[0].api, rand.Uint64()), j.load(servers[1].api, rand.Uint64())
		time.Sleep(rand.N(300 * time.Millisecond))
		servers[0].kill()
		stop()
		stopOther()
		if err := j.settle(servers[1].api, from); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		servers[1].kill()
	}
	j.wantHeld(t)
}
