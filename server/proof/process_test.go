package proof

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// plantEnv makes of the test program a server with a planted bug, for the tests of the tests.
const plantEnv = "ONETIME_PROOF_PLANT"

func TestMain(m *testing.M) {
	if plant := os.Getenv(plantEnv); plant != "" {
		fmt.Fprintln(os.Stderr, servePlanted(plant, os.Args[len(os.Args)-1]))
		os.Exit(1)
	}
	if os.Getenv(closeEnv) != "" {
		if err := serveAndClose(os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	_ = os.RemoveAll(filepath.Dir(program.name))
	os.Exit(code)
}

// program is the real one, which is built once.
var program struct {
	once sync.Once
	name string
	err  error
}

func build(t testing.TB) string {
	t.Helper()
	program.once.Do(func() {
		folder, err := os.MkdirTemp("", "onetime-proof-")
		if err != nil {
			program.err = err
			return
		}
		program.name = filepath.Join(folder, "onetime")
		out, err := exec.Command("go", "build", "-o", program.name, "github.com/onetime-go/onetime/cmd/onetime").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.name
}

// A process is a server in a process of its own.
type process struct {
	api
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has, and err is set
	err   error

	mu  sync.Mutex
	log []string // messages
}

// real is a command for the real server, and planted one for a server with a bug.
func real(t testing.TB, folder string) *exec.Cmd {
	return exec.Command(build(t), "serve", "--listen", "127.0.0.1:0", "--log", "json", "--rate-limit", "off", "--anonymous-secrets", "0", "--anonymous-bytes", "0", "--data", folder)
}

func planted(plant string) func(testing.TB, string) *exec.Cmd {
	return func(t testing.TB, folder string) *exec.Cmd {
		cmd := exec.Command(os.Args[0], folder)
		cmd.Env = append(os.Environ(), plantEnv+"="+plant)
		return cmd
	}
}

// launch starts a server, and does not wait until it serves.
func launch(t testing.TB, cmd *exec.Cmd) (p *process, serving <-chan string) {
	t.Helper()
	p = &process{cmd: cmd, ended: make(chan struct{})}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url := make(chan string, 1)
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			var line struct{ Msg, URL string }
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				line.Msg = lines.Text()
			}
			if line.Msg != "request" {
				p.mu.Lock()
				p.log = append(p.log, lines.Text())
				p.mu.Unlock()
			}
			if line.Msg == "serving" {
				url <- line.URL
			}
		}
		p.err = cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p, url
}

// start starts a server and waits until it serves.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p, serving := launch(t, cmd)
	select {
	case url := <-serving:
		p.api = newAPI(url)
	case <-p.ended:
		t.Fatalf("the server ended: %v\n%s", p.err, p.logged())
	case <-time.After(patience):
		t.Fatalf("the server does not serve:\n%s", p.logged())
	}
	return p
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// kill ends the process with SIGKILL, and waits for that.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
	if p.client != nil {
		p.client.CloseIdleConnections()
	}
}

// servePlanted serves a folder with a bug. SIGTERM ends it at once, which is one, too.
func servePlanted(plant, folder string) error {
	if plant == plantUnsynced {
		sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, _ string) error {
			_, err := conn.ExecContext(context.Background(), "PRAGMA synchronous = OFF", nil)
			return err
		})
	}
	if _, _, err := serveFolder(folder, func(s vault.Store) vault.Store { return &early{Store: s, plant: plant} }); err != nil {
		return err
	}
	select {}
}

// serveFolder serves a folder over a store that may be put before that of the folder, and says where.
func serveFolder(folder string, over func(vault.Store) vault.Store) (*sqlitestore.Store, *httptest.Server, error) {
	ctx := context.Background()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, err
	}
	store, err := sqlitestore.Open(ctx, filepath.Join(folder, databaseFile))
	if err != nil {
		return nil, nil, err
	}
	keys, err := vault.LoadKeyring(ctx, filepath.Join(folder, keyringFile), store)
	if err != nil {
		return nil, nil, err
	}
	v, err := vault.New(ctx, vault.Config{Store: over(store), Keys: keys})
	if err != nil {
		return nil, nil, err
	}
	handler, err := server.New(v, server.Config{BaseURL: "https://example.com"})
	if err != nil {
		return nil, nil, err
	}
	s := httptest.NewServer(handler)
	fmt.Fprintf(os.Stderr, `{"msg": "serving", "url": %q}`+"\n", s.URL)
	return store, s, nil
}

// The bugs of early.
const (
	plantShares = "shares are answered before they are stored"
	plantClaims = "claims are answered before they are stored"
	plantNone   = "nothing but that SIGTERM is not heard"

	plantUnsynced = "the database is not synced"
)

// early is a store that answers before it has stored. While the process lives nobody can tell.
type early struct {
	vault.Store
	plant    string
	secrets  sync.Map // those to be stored
	receipts sync.Map
	claimed  sync.Map
}

const earlyPause = 50 * time.Millisecond

func (e *early) Create(ctx context.Context, s vault.SecretRecord, r vault.ReceiptRecord, recent *vault.RecentRecord, q vault.Quota) error {
	if e.plant != plantShares {
		return e.Store.Create(ctx, s, r, recent, q)
	}
	r.SecretStands = true
	e.secrets.Store(s.ID, s)
	e.receipts.Store(r.ID, r)
	time.AfterFunc(earlyPause, func() {
		_ = e.Store.Create(context.Background(), s, r, recent, q)
		e.secrets.Delete(s.ID)
		e.receipts.Delete(r.ID)
	})
	return nil
}

func (e *early) Secret(ctx context.Context, id vault.ID) (vault.SecretRecord, error) {
	if s, ok := e.secrets.Load(id); ok {
		return s.(vault.SecretRecord), nil
	}
	if _, ok := e.claimed.Load(id); ok {
		return vault.SecretRecord{}, vault.ErrNoRecord
	}
	return e.Store.Secret(ctx, id)
}

func (e *early) Receipt(ctx context.Context, id vault.ID) (vault.ReceiptRecord, error) {
	if r, ok := e.receipts.Load(id); ok {
		return r.(vault.ReceiptRecord), nil
	}
	r, err := e.Store.Receipt(ctx, id)
	if c, ok := e.claimed.Load(r.SecretID); ok {
		claim := c.(vault.Claim)
		r.State, r.Updated, r.Claim, r.SecretStands = claim.State, claim.Now, claim.ID, false
	}
	return r, err
}

func (e *early) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	for { // what is to be stored cannot be claimed yet
		if _, ok := e.secrets.Load(claim.SecretID); !ok {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if e.plant != plantClaims {
		return e.Store.Claim(ctx, claim)
	}
	if _, err := e.Store.Secret(ctx, claim.SecretID); err != nil {
		if errors.Is(err, vault.ErrNoRecord) {
			err = nil
		}
		return false, err
	}
	if _, taken := e.claimed.LoadOrStore(claim.SecretID, claim); taken {
		return false, nil
	}
	time.AfterFunc(earlyPause, func() { _, _ = e.Store.Claim(context.Background(), claim) })
	return true, nil
}
