package proof

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime/internal/redistest"
)

// callers is how many of a server wait at the same time.
const callers = 64

// stores runs a benchmark on servers over each store, all in one run, so that their numbers may be compared.
func stores(b *testing.B, run func(*testing.B, measured)) {
	b.Run("sqlite", func(b *testing.B) {
		run(b, measured{server: start(b, real(b, b.TempDir()))})
	})
	for _, engine := range []struct {
		name, durability string
		settings         []string
	}{
		{"redis primary", "primary", nil},
		{"redis fsync", "fsync", redistest.Durable},
	} {
		b.Run(engine.name, func(b *testing.B) {
			e := redistest.Start(b, engine.settings...)
			f := newFleet(b, e, "--store-durability", engine.durability)
			run(b, measured{start(b, f.command(b)), e.PID()})
		})
	}
}

// measured are the processes whose CPU time counts. The engine is 0 where the server has none.
type measured struct {
	server *process
	engine int
}

// cpu has do run, and reports what it took of the processors, for each operation.
func (m measured) cpu(b *testing.B, do func()) {
	b.Helper()
	server, engine := cpuTime(m.server.cmd.Process.Pid), cpuTime(m.engine)
	b.ResetTimer()
	do()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64((cpuTime(m.server.cmd.Process.Pid)-server).Microseconds())/float64(b.N), "server-µs/op")
	b.ReportMetric(float64((cpuTime(m.engine)-engine).Microseconds())/float64(b.N), "engine-µs/op")
}

// cpuTime returns what a process has used, where the system tells.
func cpuTime(pid int) time.Duration {
	const tick = 10 * time.Millisecond // of every Linux that Go runs on
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || pid == 0 {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

func BenchmarkShare(b *testing.B) {
	stores(b, func(b *testing.B, m measured) {
		m.cpu(b, func() { share(b, m.server.api, nil) })
	})
}

func BenchmarkReveal(b *testing.B) {
	stores(b, func(b *testing.B, m measured) {
		keys := make([]string, b.N)
		share(b, m.server.api, keys)
		m.cpu(b, func() { revealAll(b, m.server.api, keys) })
	})
}

// share shares as many secrets as the benchmark runs times, and keeps their keys if it is to.
func share(b *testing.B, a api, keys []string) {
	b.Helper()
	var next atomic.Int64
	inParallel(b, func() {
		r, err := a.share("the value", "")
		if err != nil || r.status != 200 {
			b.Errorf("a share: %d, %v", r.status, err)
		}
		if keys != nil {
			keys[next.Add(1)-1] = r.SecretKey
		}
	})
}

func inParallel(b *testing.B, do func()) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) && !b.Failed() {
				do()
			}
		})
	}
	wg.Wait()
}

// BenchmarkMemory reports what a live secret takes of an engine's memory, with its receipt and all that belongs to it, and what
// stays of it when it is revealed.
func BenchmarkMemory(b *testing.B) {
	e := redistest.Start(b)
	server := newFleet(b, e).start(b, 1)[0]
	share(b, server.api, nil) // the tables of so many are there
	empty := e.UsedMemory(b)
	keys := make([]string, b.N)
	b.ResetTimer()
	share(b, server.api, keys)
	b.StopTimer()
	full := e.UsedMemory(b)
	revealAll(b, server.api, keys)
	b.ReportMetric(float64(full-empty)/float64(b.N), "bytes/secret")
	b.ReportMetric(float64(e.UsedMemory(b)-empty)/float64(b.N), "bytes/receipt")
}

func revealAll(b *testing.B, a api, keys []string) {
	b.Helper()
	var next atomic.Int64
	inParallel(b, func() {
		if r, err := a.reveal(keys[next.Add(1)-1], ""); err != nil || r.status != 200 {
			b.Errorf("a reveal: %d, %v", r.status, err)
		}
	})
}
