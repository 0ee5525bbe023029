package pages_test

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onetime-go/onetime/client"
)

// command is onetime as people run it, built once. TestMain removes it.
var command struct {
	once sync.Once
	path string
	err  error
}

func theCommand(t testing.TB) string {
	t.Helper()
	command.once.Do(func() {
		folder, err := os.MkdirTemp("", "onetime-command-")
		if err != nil {
			command.err = err
			return
		}
		command.path = filepath.Join(folder, "onetime")
		out, err := exec.Command("go", "build", "-o", command.path, "github.com/onetime-go/onetime/cmd/onetime").CombinedOutput()
		if err != nil {
			command.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if command.err != nil {
		t.Fatal(command.err)
	}
	return command.path
}

// A process is "onetime serve".
type process struct {
	site
	cmd    *exec.Cmd
	stderr bytes.Buffer // complete when ended is closed
	ended  chan struct{}
	err    error
}

var urlInLog = regexp.MustCompile(`msg=serving url=(\S+)`)

// startProcess starts a server on a new data folder.
func startProcess(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.Command(theCommand(t), append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, args...)...)
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	listening := make(chan string, 1)
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			p.stderr.WriteString(lines.Text() + "\n")
			if m := urlInLog.FindStringSubmatch(lines.Text()); m != nil {
				listening <- m[1]
			}
		}
		p.err = p.cmd.Wait()
	}()
	select {
	case p.url = <-listening:
	case <-p.ended:
		t.Fatalf("it ended: %s", p.stderr.String())
	case <-time.After(patience):
		t.Fatal("it does not listen")
	}
	p.base = p.url
	p.api, err = client.New(p.base)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// stop ends it as a service manager does, and returns its log.
func (p *process) stop(t testing.TB) string {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if p.err != nil {
		t.Errorf("it ends with %v", p.err)
	}
	return cmp.Or(p.stderr.String(), "nothing")
}

// TestOff holds that --pages=false leaves the API alone.
func TestOff(t *testing.T) {
	p := startProcess(t, "--pages=false")
	for _, path := range []string{"/", "/secret/0", "/docs", "/openapi.yaml"} {
		r, err := http.NewRequest(http.MethodGet, p.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 404 || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s is answered %d, %s", path, response.StatusCode, response.Header.Get("Content-Type"))
		}
	}
	if status, err := p.api.Status(t.Context()); err != nil || status.Status != "nominal" {
		t.Errorf("the API answers %v, %v", status, err)
	}
}
