package pathbench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// partEnv makes of the test program one of the parts that run in processes of their own.
const partEnv = "ONETIME_PATHBENCH_PART"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(partEnv) {
	case "load":
		err = generateLoad(os.Stdin, os.Stdout)
	case "bare":
		err = serveBare()
	default:
		code := m.Run()
		for _, line := range lines {
			fmt.Println(line)
		}
		os.Exit(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// lines are what is printed in the end, one number on each.
var lines []string

func printLater(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }

const (
	callers = 32
	count   = 8000 // secrets in a round
	rounds  = 5    // after one that is not counted
)

// BenchmarkPath compares the real server with the bare one and with its store, in turns, so that what else happens on the
// machine happens to all of them. Of all rounds the median counts.
func BenchmarkPath(b *testing.B) {
	real, bare := startReal(b, program(b), b.TempDir()), startBare(b)
	var ours, theirs []result
	var creates, claims []float64
	b.ResetTimer()
	for round := range 1 + rounds {
		o := load(b, job{Address: real.address, PID: real.pid, Callers: callers, Count: count})
		t := load(b, job{Address: bare.address, PID: bare.pid, Callers: callers, Count: count})
		create, claim := driveStore(b)
		if round == 0 {
			continue
		}
		ours, theirs = append(ours, o), append(theirs, t)
		creates, claims = append(creates, create), append(claims, claim)
	}
	b.StopTimer()
	shares := func(r result) phase { return r.Share }
	reveals := func(r result) phase { return r.Reveal }
	compare("share", medianOf(ours, shares), medianOf(theirs, shares), median(creates))
	compare("reveal", medianOf(ours, reveals), medianOf(theirs, reveals), median(claims))
}

func compare(name string, ours, bare phase, store float64) {
	printLater("ratio path/%s %.2f", name, ours.PerSecond/bare.PerSecond)
	report("path/"+name+" onetime serve", ours)
	report("path/"+name+" bare", bare)
	printLater("%-34s %6.0f/s", "path/"+name+" store alone", store)
}

func report(name string, p phase) {
	printLater("%-34s %6.0f/s  %3d µs of CPU  p50 %s  p99 %s", name, p.PerSecond, p.CPU.Microseconds(), round(p.P50), round(p.P99))
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func medianOf(results []result, of func(result) phase) phase {
	each := func(field func(phase) float64) float64 {
		var all []float64
		for _, r := range results {
			all = append(all, field(of(r)))
		}
		return median(all)
	}
	return phase{
		PerSecond: each(func(p phase) float64 { return p.PerSecond }),
		CPU:       time.Duration(each(func(p phase) float64 { return float64(p.CPU) })),
		P50:       time.Duration(each(func(p phase) float64 { return float64(p.P50) })),
		P99:       time.Duration(each(func(p phase) float64 { return float64(p.P99) })),
	}
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// program builds the real program.
func program(b testing.TB) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "onetime")
	build := exec.Command("go", "build", "-o", file, "github.com/onetime-go/onetime/cmd/onetime")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

// A process is a server in a process of its own.
type process struct {
	address string
	pid     int
	cmd     *exec.Cmd
	stop    func()
}

// startReal starts the real server on its default store. No caller is limited: all of them are one.
func startReal(b testing.TB, program, folder string) process {
	b.Helper()
	return start(b, exec.Command(program, "serve", "--listen", "127.0.0.1:0", "--data", folder, "--rate-limit", "off"))
}

func startBare(b testing.TB) process {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partEnv+"=bare")
	return start(b, cmd)
}

var servingAt = regexp.MustCompile(`msg=serving url=http://(\S+)`)

// start starts a server, with its log in a file, and waits until it serves.
func start(b testing.TB, cmd *exec.Cmd) process {
	b.Helper()
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	p := process{pid: cmd.Process.Pid, cmd: cmd}
	p.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
		_ = log.Close()
	})
	b.Cleanup(p.stop)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			b.Fatal(err)
		}
		if found := servingAt.FindSubmatch(text); found != nil {
			p.address = string(found[1])
			return p
		}
		select {
		case <-ended:
			b.Fatalf("the server ended:\n%s", text)
		default:
		}
	}
	b.Fatal("the server does not serve")
	return p
}

// driveStore measures the store of the real server alone, in this process: how many secrets it stores in a second, and
// how many it reads and claims.
func driveStore(b testing.TB) (creates, claims float64) {
	b.Helper()
	store, err := sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	creates = drive(b, callers, count, func(ctx context.Context, i int) error {
		secret, receipt := newRecords(i)
		return store.Create(ctx, secret, receipt, nil, vault.Quota{})
	})
	claims = drive(b, callers, count, func(ctx context.Context, i int) error {
		secret, _ := newRecords(i)
		if _, err := store.Secret(ctx, secret.ID); err != nil {
			return err
		}
		won, err := store.Claim(ctx, vault.Claim{SecretID: secret.ID, State: onetime.StateReceived, Now: secret.Created})
		if !won && err == nil {
			err = vault.ErrNoRecord
		}
		return err
	})
	return creates, claims
}

// drive calls a function with 0 to count-1, from several callers at once.
func drive(b testing.TB, callers, count int, do func(context.Context, int) error) (perSecond float64) {
	b.Helper()
	var next atomic.Int64
	var wait sync.WaitGroup
	start := time.Now()
	for range callers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := do(b.Context(), i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return float64(count) / time.Since(start).Seconds()
}

// newRecords makes records as large as those of the secrets of the benchmark, with ids that are spread like theirs.
func newRecords(i int) (vault.SecretRecord, vault.ReceiptRecord) {
	now := time.UnixMilli(1_767_312_000_000)
	secret := vault.SecretRecord{ID: spread(i, 's'), ReceiptID: spread(i, 'r'), Created: now, Expires: now.Add(time.Hour),
		Sealed: make([]byte, vault.SealedBlock)}
	return secret, vault.ReceiptRecord{ID: secret.ReceiptID, SecretID: secret.ID, State: onetime.StateNew, Created: now,
		Updated: now, SecretExpires: secret.Expires, Expires: now.Add(2 * time.Hour), Sealed: make([]byte, 100)}
}

// spread makes an id that is as random as a hash.
func spread(i int, kind byte) (id vault.ID) {
	sum := sha256.Sum256(fmt.Append(nil, i))
	copy(id[2:], sum[:])
	id[0], id[1], id[2] = sum[0], sum[1], kind
	return id
}
