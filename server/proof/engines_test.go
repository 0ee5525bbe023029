package proof

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime/internal/redistest"
)

// An engine is what several servers keep their records in.
type engine interface{ URL() string }

// A fleet makes servers on one engine, with one keyring.
type fleet struct {
	url, keyring string
	args         []string
}

// newFleet makes the keyring.
func newFleet(t testing.TB, e engine, args ...string) *fleet {
	t.Helper()
	f := &fleet{url: e.URL(), keyring: filepath.Join(t.TempDir(), keyringFile), args: args}
	if len(args) == 0 {
		f.args = []string{"--store-durability", "primary"}
	}
	f.run(t, "keys", "init")
	return f
}

// place is where the servers' records are, for a command line.
func (f *fleet) place() []string {
	return append([]string{"--store", f.url, "--keyring", f.keyring}, f.args...)
}

// run runs a command on the fleet's store, and returns what it prints.
func (f *fleet) run(t testing.TB, words ...string) string {
	t.Helper()
	cmd := exec.Command(build(t), append(words, f.place()...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("onetime %v: %v\n%s", words, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// command is a server. Several of them run on equal terms.
func (f *fleet) command(t testing.TB) *exec.Cmd {
	return exec.Command(build(t), append([]string{"serve", "--listen", "127.0.0.1:0", "--log", "json", "--rate-limit", "off",
		"--anonymous-secrets", "0", "--anonymous-bytes", "0"}, f.place()...)...)
}

// start starts servers.
func (f *fleet) start(t testing.TB, count int) []*process {
	t.Helper()
	var all []*process
	for range count {
		all = append(all, start(t, f.command(t)))
	}
	return all
}

// engines are those that a test runs on: one, and with ONETIME_ENGINES=all or ONETIME_SOAK=1 those that are several.
func engines(t *testing.T, test func(*testing.T, engine, []string)) {
	primary := []string{"--store-durability", "primary"}
	t.Run("one engine", func(t *testing.T) { test(t, redistest.Start(t), primary) })
	if !redistest.All() {
		return
	}
	t.Run("one that syncs", func(t *testing.T) {
		test(t, redistest.Start(t, redistest.Durable...), []string{"--store-durability", "fsync"})
	})
	t.Run("Sentinel", func(t *testing.T) { test(t, redistest.StartSentinel(t), append(primary, "--store-replicas", "1")) })
	t.Run("Cluster", func(t *testing.T) { test(t, redistest.StartCluster(t), primary) })
}

// TestManyServers has two and three servers reveal one secret at the same moment, shared by any of them.
func TestManyServers(t *testing.T) {
	engines(t, func(t *testing.T, e engine, args []string) {
		servers := newFleet(t, e, args...).start(t, 3)
		for n := range scale(20, 2000) {
			count := 2 + n%2
			value, passphrase := fmt.Sprintf("the value of link %d.", n), ""
			if n%20 == 0 {
				passphrase = "open sesame"
			}
			shared := must(t, 200)(servers[n%count].share(value, passphrase))
			const each = 8
			outcomes := make([]outcome, count)
			var wg sync.WaitGroup
			for i, server := range servers[:count] {
				wg.Go(func() { outcomes[i] = contest(server.api, shared.SecretKey, passphrase, value, each) })
			}
			wg.Wait()
			all := outcome{statuses: map[int]int{}}
			for _, o := range outcomes {
				all.add(o)
			}
			if err := all.check(count*each, passphrase != ""); err != nil {
				t.Errorf("link %d: %v", n, err)
			}
			for _, server := range servers {
				if r := must(t, 200)(server.receipt(shared.Key)); r.state() != "received" {
					t.Errorf("link %d: a receipt says %s", n, r.state())
				}
			}
		}
	})
}

// add puts another contest for the same secret to an outcome.
func (o *outcome) add(other outcome) {
	o.winners += other.winners
	o.leaks += other.leaks
	o.errs = append(o.errs, other.errs...)
	for status, count := range other.statuses {
		o.statuses[status] += count
	}
}

// TestOneServerDies has the others go on: what they share they reveal, and what the dead one has shared, too.
func TestOneServerDies(t *testing.T) {
	f := newFleet(t, redistest.Start(t))
	servers := f.start(t, 3)
	shared := must(t, 200)(servers[0].share("the value", ""))
	j := &journal{}
	stop := j.load(servers[1].api, 1)
	stopOther := j.load(servers[2].api, 2)
	servers[0].kill()
	if r := must(t, 200)(servers[1].reveal(shared.SecretKey, "")); r.Value != "the value" {
		t.Error("another value came")
	}
	must(t, 404)(servers[2].reveal(shared.SecretKey, ""))
	stop()
	stopOther()
	if err := j.settle(servers[2].api, 0); err != nil {
		t.Fatal(err)
	}
	j.wantHeld(t)
}

// TestGuessesOfAllServers holds that a lock is that of all servers.
func TestGuessesOfAllServers(t *testing.T) {
	servers := newFleet(t, redistest.Start(t)).start(t, 2)
	shared := must(t, 200)(servers[0].share("the value", "open sesame"))
	refused := 0
	for n := range 6 {
		if r, err := servers[n%2].reveal(shared.SecretKey, "wrong"); err == nil && r.status == 429 {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d of 6 guesses were refused, want the last one", refused)
	}
	must(t, 429)(servers[0].reveal(shared.SecretKey, "open sesame"))
}

// TestRotationOfAllServers replaces the server key of running servers: distribute, then activate.
func TestRotationOfAllServers(t *testing.T) {
	f := newFleet(t, redistest.Start(t))
	other := *f // another machine, with a copy of the keyring
	other.keyring = filepath.Join(t.TempDir(), keyringFile)
	copyFile(t, f.keyring, other.keyring)
	running := other.start(t, 1)[0]
	before := must(t, 200)(running.share("sealed with the old key", ""))

	key := f.run(t, "keys", "add")
	copyFile(t, f.keyring, other.keyring)
	f.run(t, "keys", "activate", key)
	activated := f.start(t, 1)[0] // while the other machine has a keyring in which the key is not active
	after := must(t, 200)(activated.share("sealed with the new key", ""))
	if sealed := sealedWith(f.run(t, "keys", "list"), key); sealed != 1 {
		t.Errorf("the new key has sealed %d secrets, want 1", sealed)
	}
	if r := must(t, 200)(running.reveal(after.SecretKey, "")); r.Value != "sealed with the new key" {
		t.Errorf("%q came", r.Value)
	}
	if r := must(t, 200)(activated.reveal(before.SecretKey, "")); r.Value != "sealed with the old key" {
		t.Errorf("%q came", r.Value)
	}
	if !redistest.All() {
		return // the rest waits until a server looks at its keyring
	}
	copyFile(t, f.keyring, other.keyring)
	waitFor(t, "the other machine seals with the new key", func() bool {
		was := sealedWith(f.run(t, "keys", "list"), key)
		must(t, 200)(running.share("the value", ""))
		return sealedWith(f.run(t, "keys", "list"), key) > was
	})
}

// sealedWith reads from the list of keys how many secrets one has sealed.
func sealedWith(list, key string) (secrets int) {
	for line := range strings.Lines(list) {
		if columns := strings.Split(line, "\t"); columns[0] == key {
			_, _ = fmt.Sscan(columns[3], &secrets)
		}
	}
	return secrets
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	temporary := to + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, to); err != nil {
		t.Fatal(err)
	}
}

// waitFor returns when something has come about that takes a while.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestWrongKeyring holds that a server with a keyring of another store does not start.
func TestWrongKeyring(t *testing.T) {
	e := redistest.Start(t)
	right := newFleet(t, e)
	must(t, 200)(right.start(t, 1)[0].share("the value", ""))
	wrong := newFleet(t, redistest.Start(t))
	wrong.url = right.url
	out, err := wrong.command(t).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "give the keyring that belongs to this store") {
		t.Errorf("it ended with %v:\n%s", err, out)
	}
}
