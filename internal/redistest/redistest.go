// Package redistest starts Redis for tests: alone, as a primary with replicas under Sentinel, or as a Cluster, on free ports
// of the loopback address, in folders that are removed. It is for tests; nothing else should import it.
//
//	engine := redistest.Start(t)
//	store, err := redisstore.Open(ctx, engine.Config())
//
// A test is skipped where there is no redis-server, or valkey-server, to start. In CI (CI=true) it fails instead.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/redisstore"
)

// patience is how long a test waits for what takes little time, before it gives up.
const patience = time.Minute

// pause is how long it waits before it looks again.
const pause = 10 * time.Millisecond

// program returns the engine's, or skips the test.
func program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "there is no redis-server to start: install it (apt-get install redis-server)"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// All tells whether those tests run that take several engines, or long: with ONETIME_ENGINES=all, which CI sets, or
// ONETIME_SOAK=1, which make soak does.
func All() bool { return os.Getenv("ONETIME_ENGINES") == "all" || os.Getenv("ONETIME_SOAK") != "" }

// An Engine is one redis-server.
type Engine struct {
	Address string

	folder   string
	args     []string
	password string
	mu       sync.Mutex
	cmd      *exec.Cmd
	ended    chan struct{}
	output   *bytes.Buffer
}

// Durable are the settings of an engine that has each write on its disk before it answers.
var Durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

// Start starts an engine with an append-only file, and with more settings, which are given as on its command line. The
// last of equal ones counts. It is killed when the test ends.
func Start(t testing.TB, settings ...string) *Engine {
	t.Helper()
	e := newEngine(t, append([]string{"--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"}, settings...))
	e.Start(t)
	return e
}

func newEngine(t testing.TB, settings []string) *Engine {
	t.Helper()
	e := &Engine{Address: freeAddress(t), folder: t.TempDir()}
	_, port, _ := net.SplitHostPort(e.Address)
	e.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", e.folder, "--save", "", "--loglevel", "notice",
		"--repl-diskless-sync-delay", "0"}, settings...)
	for i, setting := range settings {
		if setting == "--requirepass" {
			e.password = settings[i+1]
		}
	}
	t.Cleanup(e.Kill)
	return e
}

// WithTLS returns settings for an engine that has an encrypted port beside its own, and the address of that. It wants clients
// to show a certificate of the same authority.
func WithTLS(t testing.TB, certificate, key string) (address string, settings []string) {
	t.Helper()
	address = freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	return address, []string{"--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate}
}

// freeAddress returns an address that nobody listens on, nor on the port 10,000 above it, which a Cluster needs.
func freeAddress(t testing.TB) string {
	t.Helper()
	const least, most = 1024, 55000
	for range 1000 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		_ = listener.Close()
		port = least + (port*7919)%(most-least) // of all ports, those that the system gives out are the high ones
		if free(port) && free(port+10000) && taken(port) {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		}
	}
	t.Fatal("there is no free port")
	return ""
}

func free(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}

// ports are those that this process has given out.
var ports sync.Map

func taken(port int) bool {
	_, loaded := ports.LoadOrStore(port, true)
	return !loaded
}

// Start starts the engine, again if it was killed, and waits until it answers.
func (e *Engine) Start(t testing.TB) {
	t.Helper()
	e.start(t, program(t), e.args)
	e.wait(t, func(c valkey.Client) error {
		return c.Do(t.Context(), c.B().Ping().Build()).Error()
	})
}

func (e *Engine) start(t testing.TB, name string, args []string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	cmd := exec.Command(name, args...)
	cmd.Dir = e.folder
	output, ended := &bytes.Buffer{}, make(chan struct{})
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.cmd, e.ended, e.output = cmd, ended, output
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
}

// wait returns when an engine does what is asked for.
func (e *Engine) wait(t testing.TB, do func(valkey.Client) error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		client, err := e.client()
		if err == nil {
			err = do(client)
			client.Close()
		}
		if err == nil {
			return
		}
		select {
		case <-e.ended:
			t.Fatalf("%s has ended:\n%s", e.cmd.Path, e.output)
		case <-time.After(pause):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s at %s: %v", e.cmd.Path, e.Address, err)
		}
	}
}

func (e *Engine) client() (valkey.Client, error) {
	return valkey.NewClient(valkey.ClientOption{
		InitAddress: []string{e.Address}, Password: e.password, ForceSingleClient: true, DisableCache: true, DisableRetry: true,
	})
}

// Kill ends the engine with SIGKILL, and waits for that.
func (e *Engine) Kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Kill()
	<-e.ended
}

// Signal sends a signal to the engine, such as SIGSTOP, which makes it one that does not answer.
func (e *Engine) Signal(t testing.TB, signal os.Signal) {
	t.Helper()
	if err := e.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Do sends a command to the engine, and returns what it answers. Not to reach it is an error of the result.
func (e *Engine) Do(t testing.TB, words ...string) valkey.ValkeyResult {
	t.Helper()
	client, err := e.client()
	if err != nil {
		return valkey.NewErrorResult(err)
	}
	defer client.Close()
	return client.Do(context.WithoutCancel(t.Context()), client.B().Arbitrary(words...).Build())
}

// must is for commands that have to be answered.
func (e *Engine) must(t testing.TB, words ...string) {
	t.Helper()
	if err := e.Do(t, words...).Error(); err != nil {
		t.Fatalf("%v: %v", words, err)
	}
}

// PID is the engine's process.
func (e *Engine) PID() int { return e.cmd.Process.Pid }

// UsedMemory is what the engine's records take, in bytes.
func (e *Engine) UsedMemory(t testing.TB) int64 {
	t.Helper()
	info, err := e.Do(t, "INFO", "memory").ToString()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			used, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return used
		}
	}
	t.Fatal("the engine does not tell what it uses")
	return 0
}

// Config is how to reach the engine, which has no need to sync every write.
func (e *Engine) Config() redisstore.Config {
	return redisstore.Config{Addresses: []string{e.Address}, Password: onetime.Sensitive(e.password), Durability: redisstore.Primary, Timeout: patience}
}

// URL is the same for a command line.
func (e *Engine) URL() string { return "redis://" + e.Address }

// Empty deletes everything.
func (e *Engine) Empty(t testing.TB) { e.must(t, "FLUSHALL") }

// A Trio is a primary and two replicas, each with a Sentinel beside it.
type Trio struct {
	Engines   [3]*Engine // the first one is the primary at first
	sentinels [3]*Engine
}

const master = "onetime"

// StartSentinel starts a Trio. The settings are those of the engines.
func StartSentinel(t testing.TB, settings ...string) *Trio {
	t.Helper()
	trio := &Trio{}
	for i := range trio.Engines {
		if i == 0 {
			trio.Engines[i] = Start(t, settings...)
		} else {
			trio.Engines[i] = StartReplica(t, trio.Engines[0], settings...)
		}
	}
	for i := range trio.sentinels {
		trio.sentinels[i] = startSentinel(t, trio.Engines[0])
	}
	trio.waitForSentinels(t)
	return trio
}

// StartReplica starts an engine that follows another one, and waits until it does.
func StartReplica(t testing.TB, primary *Engine, settings ...string) *Engine {
	t.Helper()
	replica := Start(t, settings...)
	host, port, _ := net.SplitHostPort(primary.Address)
	replica.must(t, "REPLICAOF", host, port)
	replica.waitForLink(t)
	return replica
}

func startSentinel(t testing.TB, primary *Engine) *Engine {
	t.Helper()
	s := newEngine(t, nil)
	host, port, _ := net.SplitHostPort(primary.Address)
	_, own, _ := net.SplitHostPort(s.Address)
	file := filepath.Join(s.folder, "sentinel.conf")
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s 1000\n"+
		"sentinel failover-timeout %s 3000\n", own, s.folder, master, host, port, master, master)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t, program(t), []string{file, "--sentinel"})
	s.wait(t, func(c valkey.Client) error { return c.Do(t.Context(), c.B().Ping().Build()).Error() })
	return s
}

// waitForLink returns when a replica follows.
func (e *Engine) waitForLink(t testing.TB) {
	t.Helper()
	e.wait(t, func(c valkey.Client) error {
		role, err := c.Do(t.Context(), c.B().Role().Build()).ToArray()
		if err != nil {
			return err
		}
		if len(role) < 4 {
			return errors.New("it is no replica")
		}
		if link, _ := role[3].ToString(); link != "connected" {
			return fmt.Errorf("the replica is in state %s", link)
		}
		return nil
	})
}

// waitForSentinels returns when each knows the replicas and the others.
func (trio *Trio) waitForSentinels(t testing.TB) {
	t.Helper()
	for _, s := range trio.sentinels {
		s.wait(t, func(c valkey.Client) error {
			known, err := c.Do(t.Context(), c.B().Arbitrary("SENTINEL", "MASTER", master).Build()).AsStrMap()
			if err == nil && (known["num-slaves"] != "2" || known["num-other-sentinels"] != "2") {
				err = errors.New("the Sentinels do not know each other yet")
			}
			return err
		})
	}
}

// Rejoin starts an engine that was killed, as a replica of the primary, and waits until both replicas follow and the Sentinels
// see them. They would bring that about by themselves, and take their time.
func (trio *Trio) Rejoin(t testing.TB, killed *Engine) {
	t.Helper()
	killed.Start(t)
	trio.Settle(t)
}

// AwaitElection returns when a Sentinel was elected to replace a primary that was killed, and has begun to, or has done so.
func (trio *Trio) AwaitElection(t testing.TB, killed *Engine) {
	t.Helper()
	_, port, _ := net.SplitHostPort(killed.Address)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause) {
		for _, s := range trio.sentinels {
			known, err := s.Do(t, "SENTINEL", "MASTER", master).AsStrMap()
			if err != nil {
				continue
			}
			switch state := known["failover-state"]; {
			case known["port"] != port:
				return
			case state != "" && state != "none" && state != "wait_start":
				return
			}
		}
	}
	t.Fatal("the Sentinels do not replace the primary")
}

// Settle waits until both replicas follow the primary and the Sentinels see them.
func (trio *Trio) Settle(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(patience); !trio.stands(t); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatal("the replicas do not follow the primary")
		}
	}
}

// stands tells whether both replicas follow the primary and all Sentinels see them. An engine that takes itself for a primary
// is told to follow.
func (trio *Trio) stands(t testing.TB) bool {
	t.Helper()
	primary := trio.Primary(t)
	host, port, _ := net.SplitHostPort(primary.Address)
	for _, e := range trio.Engines {
		if e == primary {
			continue
		}
		if e.isPrimary(t) {
			e.Do(t, "REPLICAOF", host, port) // which may cut off who asks for it
		}
		if info, err := e.Do(t, "INFO", "replication").ToString(); err != nil ||
			!strings.Contains(info, "master_link_status:up") || !strings.Contains(info, "master_port:"+port+"\r\n") {
			return false
		}
	}
	for _, s := range trio.sentinels {
		replicas, err := s.Do(t, "SENTINEL", "REPLICAS", master).ToArray()
		if err != nil || len(replicas) != 2 {
			return false
		}
		for _, r := range replicas {
			if known, err := r.AsStrMap(); err != nil || known["flags"] != "slave" {
				return false
			}
		}
	}
	return true
}

// Primary returns the engine that the Sentinels take for the primary, when they agree on it.
func (trio *Trio) Primary(t testing.TB) *Engine { return trio.primaryBut(t, nil) }

// Failover waits until the Sentinels have made another engine the primary.
func (trio *Trio) Failover(t testing.TB, from *Engine) *Engine { return trio.primaryBut(t, from) }

// primaryBut returns the primary when all Sentinels name the same engine, another than from, and it is one.
func (trio *Trio) primaryBut(t testing.TB, from *Engine) *Engine {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause) {
		named := map[string]bool{}
		for _, s := range trio.sentinels {
			if address, err := s.Do(t, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", master).AsStrSlice(); err == nil && len(address) == 2 {
				named[net.JoinHostPort(address[0], address[1])] = true
			} else {
				named[""] = true
			}
		}
		for _, e := range trio.Engines {
			if named[e.Address] && len(named) == 1 && e != from && (from == nil || e.isPrimary(t)) {
				return e
			}
		}
	}
	t.Fatal("the Sentinels do not agree on a primary")
	return nil
}

func (e *Engine) isPrimary(t testing.TB) bool {
	t.Helper()
	role, err := e.Do(t, "ROLE").ToArray()
	if err != nil || len(role) == 0 {
		return false
	}
	name, err := role[0].ToString()
	return err == nil && name == "master"
}

// Config is how to reach whichever engine is the primary.
func (trio *Trio) Config() redisstore.Config {
	c := redisstore.Config{Topology: redisstore.Sentinel, Master: master, Durability: redisstore.Primary, Timeout: patience}
	for _, s := range trio.sentinels {
		c.Addresses = append(c.Addresses, s.Address)
	}
	return c
}

// URL is the same for a command line.
func (trio *Trio) URL() string {
	return fmt.Sprintf("redis+sentinel://%s,%s,%s/%s", trio.sentinels[0].Address, trio.sentinels[1].Address, trio.sentinels[2].Address, master)
}

// Empty deletes everything.
func (trio *Trio) Empty(t testing.TB) { trio.Primary(t).Empty(t) }

// A Nodes is a Cluster of three primaries.
type Nodes struct{ Engines [3]*Engine }

// clusterSettings are those of its engines.
var clusterSettings = []string{"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000"}

// StartCluster starts a Cluster. The settings are those of its engines.
func StartCluster(t testing.TB, settings ...string) *Nodes {
	t.Helper()
	const slots = 16384
	nodes := &Nodes{}
	for i := range nodes.Engines {
		e := Start(t, append(slices.Clone(clusterSettings), settings...)...)
		nodes.Engines[i] = e
		from, to := i*slots/len(nodes.Engines), (i+1)*slots/len(nodes.Engines)-1
		e.must(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(from), strconv.Itoa(to))
		e.must(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		nodes.meet(t, e)
	}
	for _, e := range nodes.Engines {
		e.waitForNodes(t, len(nodes.Engines))
	}
	return nodes
}

func (n *Nodes) meet(t testing.TB, e *Engine) {
	t.Helper()
	host, port, _ := net.SplitHostPort(n.Engines[0].Address)
	e.must(t, "CLUSTER", "MEET", host, port)
}

func (e *Engine) waitForNodes(t testing.TB, count int) {
	t.Helper()
	e.wait(t, func(c valkey.Client) error {
		info, err := c.Do(t.Context(), c.B().ClusterInfo().Build()).ToString()
		if err == nil && !(strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r\n", count))) {
			err = errors.New("the Cluster does not stand yet")
		}
		return err
	})
}

// AddReplicas gives each primary a replica.
func (n *Nodes) AddReplicas(t testing.TB, settings ...string) {
	t.Helper()
	for i, primary := range n.Engines {
		id, err := primary.Do(t, "CLUSTER", "MYID").ToString()
		if err != nil {
			t.Fatal(err)
		}
		replica := Start(t, append(slices.Clone(clusterSettings), settings...)...)
		n.meet(t, replica)
		for _, e := range append(n.Engines[:], replica) {
			e.waitForNodes(t, len(n.Engines)+i+1)
		}
		replica.must(t, "CLUSTER", "REPLICATE", id)
		replica.waitForLink(t)
	}
}

// Config is how to reach the Cluster.
func (n *Nodes) Config() redisstore.Config {
	c := redisstore.Config{Topology: redisstore.Cluster, Durability: redisstore.Primary, Timeout: patience}
	for _, e := range n.Engines {
		c.Addresses = append(c.Addresses, e.Address)
	}
	return c
}

// URL is the same for a command line.
func (n *Nodes) URL() string {
	return fmt.Sprintf("redis+cluster://%s,%s,%s", n.Engines[0].Address, n.Engines[1].Address, n.Engines[2].Address)
}

// Empty deletes everything.
func (n *Nodes) Empty(t testing.TB) {
	for _, e := range n.Engines {
		e.Empty(t)
	}
}

// MoveSlot moves the slot of a hash tag from the node that has it to the next one, key by key.
func (n *Nodes) MoveSlot(t testing.TB, tag string) {
	t.Helper()
	slot, err := n.Engines[0].Do(t, "CLUSTER", "KEYSLOT", tag).AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	number := strconv.FormatInt(slot, 10)
	from := 0
	for i, e := range n.Engines {
		if e.Do(t, "EXISTS", tag).Error() == nil { // the others say MOVED
			from = i
		}
	}
	source, target := n.Engines[from], n.Engines[(from+1)%len(n.Engines)]
	id := func(e *Engine) string {
		id, err := e.Do(t, "CLUSTER", "MYID").ToString()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	target.must(t, "CLUSTER", "SETSLOT", number, "IMPORTING", id(source))
	source.must(t, "CLUSTER", "SETSLOT", number, "MIGRATING", id(target))
	host, port, _ := net.SplitHostPort(target.Address)
	for {
		keys, err := source.Do(t, "CLUSTER", "GETKEYSINSLOT", number, "10").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		source.must(t, append([]string{"MIGRATE", host, port, "", "0", "5000", "KEYS"}, keys...)...)
	}
	for _, e := range []*Engine{target, source, n.Engines[(from+2)%len(n.Engines)]} {
		e.must(t, "CLUSTER", "SETSLOT", number, "NODE", id(target))
	}
}
