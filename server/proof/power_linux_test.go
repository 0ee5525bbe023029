package proof

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// A fate is what a trace says of a secret: the lines on which something was asked for and answered, never for what was not.
type fate struct {
	*entry
	shared                                   int
	revealAsked, revealed, burnAsked, burned int
}

// fates looks for a journal's secrets in what was read from and written to connections.
func (j *journal) fates(calls []*call) []*fate {
	var all []*fate
	for _, e := range j.entries {
		all = append(all, &fate{e, never, never, never, never, never})
	}
	for _, c := range calls {
		if !c.isSocket() {
			continue
		}
		said := c.text(1)
		for _, f := range all {
			switch {
			case c.name == "read" && strings.Contains(said, "/secret/"+f.key):
				f.revealAsked = min(f.revealAsked, c.end)
			case c.name == "read" && strings.Contains(said, f.receiptKey+"/burn"):
				f.burnAsked = min(f.burnAsked, c.end)
			case c.name == "write" && strings.Contains(said, f.value[:valueTag]):
				f.revealed = min(f.revealed, c.start)
			case c.name == "write" && strings.Contains(said, f.receiptKey):
				f.shared = min(f.shared, c.start)
				if f.burnAsked < c.start && strings.Contains(said, `"burned"`) {
					f.burned = min(f.burned, c.start)
				}
			}
		}
	}
	return all
}

// valueTag is the length of what begins a value of a journal, and no other.
const valueTag = 24

// check compares what a folder holds after the power was cut with what was asked for and answered by a line of the trace.
func checkAfterCut(t testing.TB, folder string, fates []*fate, cut int) (problems []string) {
	t.Helper()
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	store, err := sqlitestore.Open(ctx, filepath.Join(folder, databaseFile))
	if err != nil {
		return []string{err.Error()}
	}
	defer store.Close()
	keys, err := vault.LoadKeyring(ctx, filepath.Join(folder, keyringFile), store)
	if err != nil {
		return []string{err.Error()}
	}
	v, err := vault.New(ctx, vault.Config{Store: store, Keys: keys})
	if err != nil {
		return []string{err.Error()}
	}
	for _, f := range fates {
		if f.shared > cut {
			continue
		}
		receipt, err := v.Receipt(ctx, onetime.Caller{}, onetime.Sensitive(f.receiptKey))
		if err != nil {
			problem("secret %d was shared, and its receipt is lost: %v", f.number, err)
			continue
		}
		pending, err := v.Reveal(ctx, onetime.Caller{}, onetime.RevealRequest{Key: onetime.Sensitive(f.key)})
		stands := err == nil
		if err != nil && !errors.Is(err, onetime.ErrNotFound) {
			problem("secret %d: %v", f.number, err)
		}
		if stands != (receipt.State == onetime.StateNew) {
			problem("secret %d stands (%t), and its receipt says %s", f.number, stands, receipt.State)
		}
		switch {
		case f.revealed <= cut && receipt.State != onetime.StateReceived:
			problem("secret %d was revealed, and its receipt says %s", f.number, receipt.State)
		case f.burned <= cut && receipt.State != onetime.StateBurned:
			problem("secret %d was burned, and its receipt says %s", f.number, receipt.State)
		case receipt.State == onetime.StateReceived && f.revealAsked > cut, receipt.State == onetime.StateBurned && f.burnAsked > cut:
			problem("secret %d is %s, and nobody asked for that", f.number, receipt.State)
		case receipt.State != onetime.StateNew && receipt.State != onetime.StateReceived && receipt.State != onetime.StateBurned:
			problem("secret %d is %s", f.number, receipt.State)
		case stands && pending.Answer.Value.Expose() != f.value:
			problem("secret %d has another value", f.number)
		}
	}
	return problems
}

// A recording is what servers of one folder did and said.
type recording struct {
	root  string
	calls []*call
	fates []*fate
}

// recordRun has a server make its folder, and kills it under load; replaces the server key; and has another server go on, which
// ends in order.
func recordRun(t *testing.T, command func(testing.TB, string) *exec.Cmd, requests int) recording {
	t.Helper()
	root := t.TempDir()
	folder := filepath.Join(root, "a", "data")
	traces := t.TempDir()
	var files []string
	trace := func(cmd *exec.Cmd) *exec.Cmd {
		files = append(files, filepath.Join(traces, fmt.Sprint(len(files))))
		return traced(t, cmd, recordTo(files[len(files)-1])...)
	}
	j := &journal{longest: 2000} // an answer is one write
	run := func(end func(*process)) {
		p := start(t, trace(command(t, folder)))
		var callers sync.WaitGroup
		for range 4 {
			random := rand.New(rand.NewPCG(rand.Uint64(), 0))
			callers.Go(func() {
				for range requests / 4 {
					if err := j.act(p.api, random); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		callers.Wait()
		end(p)
	}
	run(func(p *process) {
		stop := j.load(p.api, rand.Uint64())
		time.Sleep(20 * time.Millisecond) // so that something is under way
		p.kill()
		stop()
	})
	for _, args := range [][]string{{"keys", "add"}, {"keys", "activate"}} {
		cmd := exec.Command(build(t), append(args, "--data", folder)...)
		if args[1] == "activate" {
			cmd.Args = append(cmd.Args, newestKey(t, folder))
		}
		if out, err := trace(cmd).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	run(func(p *process) {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-p.ended
	})
	if len(j.problems) > 0 {
		t.Fatal(j.problems)
	}
	calls := readTrace(t, files...)
	return recording{root, calls, j.fates(calls)}
}

// replay cuts the power just before every sync returns, when the most was answered of what was not synced. Each time it looks
// at a disk that has lost all that was not synced, and at some that have lost a part of it.
// It stops when it has found enough problems.
func (r recording) replay(t testing.TB, ignore func(string) bool, torn, enough int) (cuts int, problems []string) {
	t.Helper()
	d := newDisk(r.root)
	d.ignore = ignore
	cut := func(line int) {
		cuts++
		for n := range 1 + torn {
			folder, err := os.MkdirTemp("", "onetime-power-")
			if err != nil {
				t.Fatal(err)
			}
			var random *rand.Rand
			if n > 0 {
				random = rand.New(rand.NewPCG(uint64(cuts), uint64(n)))
			}
			d.restart(t, folder, random)
			for _, problem := range checkAfterCut(t, filepath.Join(folder, "a", "data"), r.fates, line) {
				problems = append(problems, fmt.Sprintf("cut %d, disk %d: %s", cuts, n, problem))
			}
			if err := os.RemoveAll(folder); err != nil {
				t.Fatal(err)
			}
		}
	}
	var syncs []*call
	for _, c := range r.calls {
		if c.name == "fsync" || c.name == "fdatasync" {
			syncs = append(syncs, c)
		}
	}
	slices.SortStableFunc(syncs, func(a, b *call) int { return cmp.Compare(a.end, b.end) })
	next := 0
	for _, c := range r.calls {
		for next < len(syncs) && syncs[next].end < c.start { // what began before it returned is known
			cut(syncs[next].end - 1)
			d.sync(syncs[next])
			next++
			if len(problems) >= enough {
				return cuts, problems
			}
		}
		if c.name != "fsync" && c.name != "fdatasync" {
			if err := d.do(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	cut(never - 1)
	return cuts, problems
}

// newestKey returns the id of the server key that was made last.
func newestKey(t testing.TB, folder string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, keyringFile))
	if err != nil {
		t.Fatal(err)
	}
	var keyring struct{ Keys []struct{ ID string } }
	if err := json.Unmarshal(data, &keyring); err != nil {
		t.Fatal(err)
	}
	return keyring.Keys[len(keyring.Keys)-1].ID
}

// TestPowerLoss cuts the power at every sync of a first start, of servers under load, of one that was killed, and of a server key
// that is replaced. All that was acknowledged holds. Without one of the kinds of sync something of it is lost, and that
// is found.
func TestPowerLoss(t *testing.T) {
	r := recordRun(t, real, scale(24, 600))
	t.Run("all syncs", func(t *testing.T) {
		cuts, problems := r.replay(t, nil, scale(1, 8), 20)
		for _, problem := range problems {
			t.Error(problem)
		}
		t.Logf("%d cuts, %d secrets", cuts, len(r.fates))
	})
	for name, ignore := range map[string]func(string) bool{
		"of the log": func(path string) bool { return strings.HasSuffix(path, "-wal") },
		"of the keyring": func(path string) bool {
			return strings.Contains(path, ".keyring-") || strings.HasSuffix(path, keyringFile)
		},
		"of names": func(path string) bool { return strings.HasSuffix(path, "/data") },
		"of the folder's name": func(path string) bool {
			return path == r.root || strings.HasSuffix(path, "/a")
		},
	} {
		t.Run("without those "+name, func(t *testing.T) {
			_, problems := r.replay(t, ignore, 0, 1)
			if len(problems) == 0 {
				t.Fatal("it was not found")
			}
			t.Log(problems[0])
		})
	}
}

// TestPowerLossFindsPlantedBug has a server that does not sync, which nobody notices who kills it.
func TestPowerLossFindsPlantedBug(t *testing.T) {
	killRounds(t, planted(plantUnsynced), 1).wantHeld(t)
	_, problems := recordRun(t, planted(plantUnsynced), 12).replay(t, nil, 0, 1)
	if len(problems) == 0 {
		t.Fatal("it was not found")
	}
	t.Log(problems[0])
}
