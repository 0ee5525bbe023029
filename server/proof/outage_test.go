package proof

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onetime-go/onetime/internal/redistest"
	"github.com/onetime-go/onetime/server/vault"
)

// withPrivate has a server tell whether it is ready, on a socket, and returns what asks it.
func withPrivate(t *testing.T, f *fleet) (asks func() int) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "private.sock")
	f.args = append(f.args, "--private-listen", "unix:"+socket)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	return func() int {
		response, err := client.Get("http://private/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
}

// TestEngineLost kills the engine of a server that runs on. Calls fail, consume nothing, and readiness says so; when the
// engine is back everything is as before.
func TestEngineLost(t *testing.T) {
	e := redistest.Start(t)
	f := newFleet(t, e)
	keyring := *f
	ready := withPrivate(t, f)
	p := start(t, f.command(t))
	f.args = keyring.args
	const secrets = 20
	var shared [secrets]reply
	for n := range shared {
		shared[n] = must(t, 200)(p.share("the value", ""))
	}
	if status := ready(); status != 200 {
		t.Errorf("ready is answered %d", status)
	}
	for round := range scale(2, 20) {
		e.Kill()
		waitFor(t, "the server is not ready", func() bool { return ready() == 503 })
		for n := range shared {
			must(t, 500)(p.reveal(shared[n].SecretKey, ""))
			must(t, 500)(p.burn(shared[n].Key))
			must(t, 500)(p.receipt(shared[n].Key))
			must(t, 500)(p.share("the value", ""))
		}
		e.Start(t)
		waitFor(t, "the server is ready again", func() bool { return ready() == 200 })
		if r := must(t, 200)(p.reveal(shared[round].SecretKey, "")); r.Value != "the value" {
			t.Error("another value came")
		}
		must(t, 404)(p.reveal(shared[round].SecretKey, ""))
		for _, left := range shared[round+1:] {
			if r := must(t, 200)(p.receipt(left.Key)); r.state() != "new" {
				t.Errorf("a receipt says %s", r.state())
			}
		}
		shared[round] = must(t, 200)(p.share("the value", ""))
	}
	if strings.Contains(p.logged(), shared[1].SecretKey) {
		t.Error("the log has a key")
	}
}

// TestEngineHangs has an engine not answer. All callers come back, no more wait for it than may, and nothing stays behind
// when it goes on.
func TestEngineHangs(t *testing.T) {
	e := redistest.Start(t)
	keys := vault.NewKeyring()
	patient := serveStore(t, openEngine(t, e.Config()), keys)
	shared := must(t, 200)(patient.share("the value", ""))
	config := e.Config()
	config.Timeout = hasty
	store := openEngine(t, config)
	a := serveStore(t, store, keys)
	must(t, 200)(a.receipt(shared.Key))

	before := runtime.NumGoroutine()
	e.Signal(t, syscall.SIGSTOP)
	const callers = 2000
	var most, errs int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			_, err := store.Secret(context.Background(), vault.ID{'0', '0'})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs++
			}
			most = max(most, runtime.NumGoroutine())
		})
	}
	wg.Wait()
	must(t, 500)(a.reveal(shared.SecretKey, ""))
	must(t, 500)(a.share("the value", ""))
	if errs != callers {
		t.Errorf("%d of %d calls failed, want all", errs, callers)
	}
	const allowed = 3*512 + 200 // for each call that is let in, one that waits for its answer, and one that gave up waiting
	if most > before+callers+allowed {
		t.Errorf("there were %d goroutines for %d callers", most-before, callers)
	}
	e.Signal(t, syscall.SIGCONT)
	waitFor(t, "the engine is used again", func() bool { return store.Ping(context.Background()) == nil })
	if r := must(t, 200)(a.reveal(shared.SecretKey, "")); r.Value != "the value" {
		t.Error("another value came")
	}
	a.client.CloseIdleConnections()
	patient.client.CloseIdleConnections()
	const connections = 40 // of the engine and of HTTP
	waitFor(t, "nothing stays behind", func() bool { return runtime.NumGoroutine() <= before+connections })
}

// TestEngineIsSlow delays every answer, and leaves nothing undone that was answered.
func TestEngineIsSlow(t *testing.T) {
	e := redistest.Start(t)
	a := serveStore(t, openEngine(t, e.Config()), vault.NewKeyring())
	for range scale(5, 50) {
		shared := must(t, 200)(a.share("the value", ""))
		e.Signal(t, syscall.SIGSTOP)
		time.AfterFunc(50*time.Millisecond, func() { e.Signal(t, syscall.SIGCONT) })
		if err := contest(a, shared.SecretKey, "", "the value", 16).check(16, false); err != nil {
			t.Error(err)
		}
	}
}
