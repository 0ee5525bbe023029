package proof

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// load has callers act at random until stop is called, or the server answers no more.
func (j *journal) load(a api, seed uint64) (stop func()) {
	const callers = 8
	stopping := make(chan struct{})
	var wg sync.WaitGroup
	for caller := range callers {
		random := rand.New(rand.NewPCG(seed, uint64(caller)))
		wg.Go(func() {
			for {
				select {
				case <-stopping:
					return
				default:
					if j.act(a, random) != nil {
						return
					}
				}
			}
		})
	}
	return func() {
		close(stopping)
		wg.Wait()
	}
}

// killRounds kills servers of one folder under load, and looks afterwards whether what was acknowledged holds.
func killRounds(t testing.TB, command func(testing.TB, string) *exec.Cmd, rounds int) *journal {
	t.Helper()
	const longest = 400 * time.Millisecond
	folder := t.TempDir()
	j := &journal{}
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for round := range rounds {
		if round%3 == 2 { // once more, while it starts
			p, _ := launch(t, command(t, folder))
			time.Sleep(rand.N(longest / 4))
			p.kill()
		}
		p := start(t, command(t, folder))
		from := max(len(j.entries)-recent, 0)
		stop := j.load(p.api, random.Uint64())
		time.Sleep(rand.N(longest))
		p.kill()
		stop()
		if round == rounds-1 {
			from = 0
		}
		p = start(t, command(t, folder))
		if err := j.settle(p.api, from); err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, p.logged())
		}
		p.kill()
		if len(j.problems) > 0 {
			break
		}
	}
	return j
}

func (j *journal) wantHeld(t testing.TB) {
	t.Helper()
	for _, problem := range j.problems[:min(len(j.problems), 10)] {
		t.Error(problem)
	}
	var revealed, burned, lost int
	for _, e := range j.entries {
		revealed += e.revealed
		burned += e.burned
		if e.revealLost || e.burnLost {
			lost++
		}
	}
	t.Logf("%d secrets shared, %d revealed, %d burned; of %d the reply was lost", len(j.entries), revealed, burned, lost)
}

func TestKill(t *testing.T) {
	killRounds(t, real, scale(10, 200)).wantHeld(t)
}

func TestKillFindsPlantedBugs(t *testing.T) {
	for _, plant := range []string{plantShares, plantClaims} {
		t.Run(plant, func(t *testing.T) {
			j := killRounds(t, planted(plant), 20)
			if len(j.problems) == 0 {
				t.Fatal("it was not found")
			}
			t.Log(j.problems[0])
		})
	}
}

// TestKillFirstStart kills servers while they make their folder. The next one makes up for it, and a keyring that was
// there stays.
func TestKillFirstStart(t *testing.T) {
	build(t)
	began := time.Now()
	start(t, real(t, t.TempDir())).kill()
	usual := time.Since(began) // scales the pauses, and decides nothing
	for n := range scale(15, 200) {
		folder := filepath.Join(t.TempDir(), "data")
		var before []byte
		for range 1 + n%3 {
			p, _ := launch(t, real(t, folder))
			time.Sleep(rand.N(usual))
			p.kill()
			keyring, err := os.ReadFile(filepath.Join(folder, keyringFile))
			if before != nil && !bytes.Equal(keyring, before) {
				t.Fatalf("the keyring has changed (%v)", err)
			}
			before = keyring
		}
		p := start(t, real(t, folder))
		info, err := os.Stat(filepath.Join(folder, keyringFile))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("the keyring: %v, %v", info, err)
		}
		if after, _ := os.ReadFile(filepath.Join(folder, keyringFile)); before != nil && !bytes.Equal(before, after) {
			t.Fatal("the keyring has changed")
		}
		shared := must(t, 200)(p.share("the value", ""))
		p.kill()
		p = start(t, real(t, folder))
		if r := must(t, 200)(p.reveal(shared.SecretKey, "")); r.Value != "the value" {
			t.Error("another value came")
		}
		p.kill()
	}
}

// A held is a request of which the server has begun to read the body.
type held struct {
	begun, release chan struct{}
	once           sync.Once
	body           io.Reader
}

// Read is called when the server has said that it wants the body.
func (h *held) Read(p []byte) (int, error) {
	h.once.Do(func() {
		close(h.begun)
		<-h.release
	})
	return h.body.Read(p)
}

// terminate sends SIGTERM to a server under load, with requests that are half sent, and returns what became of them.
func terminate(t testing.TB, command func(testing.TB, string) *exec.Cmd) (j *journal, statuses []string, end error) {
	t.Helper()
	folder := t.TempDir()
	p := start(t, command(t, folder))
	patient := &http.Client{Timeout: patience, Transport: &http.Transport{ExpectContinueTimeout: patience, DisableKeepAlives: true}}
	release := make(chan struct{})
	answers := make(chan string)
	var requests int
	hold := func(path, body string) {
		h := &held{begun: make(chan struct{}), release: release, body: strings.NewReader(body)}
		request, err := http.NewRequest(http.MethodPost, p.url+"/api/v1/"+path, h)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Expect", "100-continue")
		requests++
		go func() {
			response, err := patient.Do(request)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer response.Body.Close()
			_, err = io.Copy(io.Discard, response.Body)
			answers <- fmt.Sprint(response.StatusCode, " ", err)
		}()
		<-h.begun
	}
	for range 4 {
		hold("share", "secret=the+value")
		hold("secret/"+must(t, 200)(p.share("the value", "")).SecretKey, "passphrase=none")
		hold("receipt/"+must(t, 200)(p.share("the value", "")).Key+"/burn", "passphrase=none")
	}
	j = &journal{}
	stop := j.load(p.api, 1)
	time.Sleep(100 * time.Millisecond) // so that there is some load
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select { // it says that it stops, or is gone
	case <-p.ended:
	case <-p.said("stopping"):
	}
	close(release)
	for range requests {
		statuses = append(statuses, <-answers)
	}
	stop()
	<-p.ended
	if strings.Contains(p.logged(), "cut off") {
		t.Error("it did not wait for them")
	}
	end = p.err
	p = start(t, command(t, folder))
	if err := j.settle(p.api, 0); err != nil {
		t.Fatal(err)
	}
	p.kill()
	return j, statuses, end
}

// said returns a channel that is closed when a message is in the log, or the process has ended.
func (p *process) said(message string) <-chan struct{} {
	said := make(chan struct{})
	go func() {
		defer close(said)
		for !strings.Contains(p.logged(), message) {
			select {
			case <-p.ended:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return said
}

func TestTerminate(t *testing.T) {
	for range scale(2, 20) {
		j, statuses, end := terminate(t, real)
		if end != nil {
			t.Errorf("it ended with %v", end)
		}
		for _, status := range statuses {
			if status != "200 <nil>" {
				t.Errorf("a request that was under way: %s", status)
			}
		}
		j.wantHeld(t)
	}
}

func TestTerminateFindsPlantedBug(t *testing.T) {
	_, statuses, end := terminate(t, planted(plantNone))
	if end == nil || statuses[0] == "200 <nil>" {
		t.Errorf("it was not found: %v, %v", end, statuses)
	}
}
