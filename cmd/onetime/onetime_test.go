package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this test binary be the command onetime, for the scripts and for start.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"onetime": main})
}

// Commands of the scripts, beside those of testscript:
//
//	serve NAME ARG...     start "onetime serve --listen 127.0.0.1:0 ARG..." and set $NAME to its URL
//	stop NAME             end it with SIGTERM; fails unless it exits with 0 within 10 seconds
//	exits CODE ARG...     run onetime ARG..., which must exit with CODE; stdin is as "stdin" has set it
//	mode PERM FILE...     fail unless the files have this mode
//	answering NAME FILE [STATUS [HEADER VALUE]]
//	                      start a server that answers everything with the file, as JSON, and set $NAME to its URL
//	recording NAME FILE   start a server that writes requests to a file and answers them with {}, and set $NAME to its URL
//	line NAME FILE        set $NAME to the only line of a file
//	field NAME FIELD FILE set $NAME to a field of a JSON object in a file
//	standin NAME KIND URL start a server in front of the one at $URL that answers as others do: public, as the public
//	                      service; v0.23, as its older software; restarting, as a proxy whose server is not there for
//	                      the first request; and set $NAME to its URL
//	terminal [-in FILE] [-out FILE] DIALOG CODE ARG...
//	                      run onetime ARG... on a terminal, on which somebody does what the file DIALOG says (see
//	                      terminal.hold); it must exit with CODE. The file terminal is then what was shown
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command takes a second longer under the race detector
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "tmp"))
			env.Values["servers"] = map[string]*serving{}
			return errors.Join(os.MkdirAll(filepath.Join(env.WorkDir, "home"), 0o700), os.MkdirAll(filepath.Join(env.WorkDir, "tmp"), 0o700))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": cmdServe, "stop": cmdStop, "exits": cmdExits, "mode": cmdMode, "answering": cmdAnswering, "recording": cmdRecording, "line": cmdLine,
			"field": cmdField, "standin": cmdStandin, "terminal": cmdTerminal,
		},
	})
}

func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command("onetime", append([]string{"serve", "--listen", "127.0.0.1:0"}, args[1:]...)...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environment(ts)
	s, err := start(cmd)
	if err != nil {
		ts.Fatalf("serve: %v\n%s", err, s.log())
	}
	ts.Defer(s.kill)
	ts.Value("servers").(map[string]*serving)[args[0]] = s
	ts.Setenv(args[0], s.url)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".log"), nil, 0o600))
}

func cmdStop(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("servers").(map[string]*serving)[args[0]]
	err := s.stop()
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".log"), []byte(s.log()), 0o600))
	if err != nil {
		ts.Fatalf("stop: %v\n%s", err, s.log())
	}
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("onetime", args[1:]...)
	code := "0"
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exitCode(exit)
	} else if err != nil {
		ts.Fatalf("exits: %v", err)
	}
	if (code == args[0]) == neg {
		ts.Fatalf("it exits with %s", code)
	}
}

func exitCode(exit *exec.ExitError) string {
	return regexp.MustCompile(`\d+$`).FindString(exit.Error())
}

func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args[1:] {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if got := info.Mode().Perm().String(); got != args[0] {
			ts.Fatalf("%s has mode %s", name, got)
		}
	}
}

func cmdAnswering(ts *testscript.TestScript, neg bool, args []string) {
	body, status := ts.ReadFile(args[1]), http.StatusOK
	if len(args) > 2 {
		var err error
		status, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if len(args) > 4 {
			w.Header().Set(args[3], args[4])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

func cmdRecording(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, _ := httputil.DumpRequest(r, true)
		_, _ = f.Write(append(request, '\n'))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}))
	ts.Defer(func() { s.Close(); f.Close() })
	ts.Setenv(args[0], s.URL)
}

func cmdLine(ts *testscript.TestScript, neg bool, args []string) {
	line, ok := strings.CutSuffix(ts.ReadFile(args[1]), "\n")
	if !ok || line == "" || strings.Contains(line, "\n") {
		ts.Fatalf("%s is not one line: %q", args[1], line)
	}
	ts.Setenv(args[0], line)
}

func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	var fields map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[2])), &fields))
	text, ok := fields[args[1]].(string)
	if !ok {
		ts.Fatalf("%s has no text %s", args[2], args[1])
	}
	ts.Setenv(args[0], text)
}

// commandEnvironment is what a command finds that is run by a script, as exec has it.
func commandEnvironment(ts *testscript.TestScript) (all []string) {
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GORACE", "GOCOVERDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NO_COLOR", "ONETIME_HOST",
		"ONETIME_CUSTID", "ONETIME_APIKEY", "ONETIME_PASSPHRASE", "ONETIME_CONFIG"} {
		if value := ts.Getenv(name); value != "" {
			all = append(all, name+"="+value)
		}
	}
	return all
}

func environment(ts *testscript.TestScript) []string {
	return []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "TMPDIR=" + ts.Getenv("TMPDIR"), "XDG_DATA_HOME=" + ts.Getenv("XDG_DATA_HOME")}
}

// serving is a server that runs as a process of its own.
type serving struct {
	cmd    *exec.Cmd
	url    string
	stderr *bytes.Buffer // complete when ended is closed
	ended  chan struct{}
	err    error
}

var urlInLog = regexp.MustCompile(`msg=serving url=(\S+)|"msg":"serving","url":"([^"]+)"`)

// start starts a server and waits until it listens.
func start(cmd *exec.Cmd) (*serving, error) {
	s := &serving{cmd: cmd, stderr: &bytes.Buffer{}, ended: make(chan struct{})}
	pipe, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		close(s.ended)
		return s, err
	}
	listening := make(chan string, 1)
	go func() {
		defer close(s.ended)
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			s.stderr.WriteString(lines.Text() + "\n")
			if m := urlInLog.FindStringSubmatch(lines.Text()); m != nil {
				listening <- m[1] + m[2]
			}
		}
		s.err = cmd.Wait()
	}()
	select {
	case s.url = <-listening:
		return s, nil
	case <-s.ended:
		return s, errors.New("it ended")
	case <-time.After(time.Minute):
		s.kill()
		return s, errors.New("it does not listen after a minute")
	}
}

// stop ends a server with SIGTERM, as a service manager does.
func (s *serving) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.ended:
		return s.err
	case <-time.After(10 * time.Second):
		return errors.New("it still runs after 10 seconds")
	}
}

func (s *serving) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

func (s *serving) log() string {
	<-s.ended
	return s.stderr.String()
}

// run starts a server on a new data folder, in a Go test.
func run(t *testing.T, args ...string) *serving {
	t.Helper()
	s, err := start(exec.Command("onetime", append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, args...)...))
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log())
	}
	t.Cleanup(s.kill)
	return s
}

// command runs onetime, and returns what it printed.
func command(t *testing.T, stdin, host string, args ...string) (stdout string) {
	t.Helper()
	cmd := exec.Command("onetime", args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "ONETIME_HOST="+host)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("onetime %s: %v", args[0], err)
	}
	return string(out)
}

// takenAddress returns an address on which something listens until the test ends.
func takenAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}
