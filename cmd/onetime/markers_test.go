package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// What no output may hold but the one that is meant to.
const (
	markSecret     = "hush-secret"
	markPassphrase = "hush-passphrase"
	markToken      = "hush-token"
	markKey        = "hushkey0123456789abcdefghijklmn"
)

// An attempt is one use of the command.
type attempt struct {
	args  []string
	stdin string
}

// attempts are all that call a server, with every mark that they can have.
func attempts(host string) []attempt {
	return []attempt{
		{[]string{"share", "--ttl", "1h"}, markSecret},
		{[]string{}, markSecret},
		{[]string{"generate"}, ""},
		{[]string{"reveal", "-"}, markKey},
		{[]string{"reveal", markKey}, ""},
		{[]string{"reveal", host + "/secret/" + markKey}, ""},
		{[]string{"receipt", "-"}, host + "/receipt/" + markKey},
		{[]string{"burn", markKey}, ""},
		{[]string{"recent"}, ""},
		{[]string{"status"}, ""},
	}
}

// use runs the command with every mark in its environment.
func (a attempt) use(t *testing.T, host, token string, args ...string) result {
	t.Helper()
	cmd := exec.Command("onetime", append(a.args, args...)...)
	cmd.Stdin = strings.NewReader(a.stdin)
	cmd.Env = append(os.Environ(), "ONETIME_HOST="+host, "ONETIME_CUSTID="+email, "ONETIME_APIKEY="+token, "ONETIME_PASSPHRASE="+markPassphrase,
		"TMPDIR="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestMarksInErrors has servers refuse, break the contract and break off, with all that they were sent in their answers.
func TestMarksInErrors(t *testing.T) {
	servers := map[string]http.HandlerFunc{
		"refuses": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			text := everythingOf(r)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": text, "error": text, "field": text, "error_id": text})
		},
		"refuses as it should not": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("X-Everything", strings.ReplaceAll(everythingOf(r), "\n", " "))
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, everythingOf(r))
		},
		"answers nonsense": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			text := everythingOf(r)
			_ = json.NewEncoder(w).Encode(map[string]any{"message": text, text: text, "state": text, "value": []string{text}})
		},
		"breaks off": func(w http.ResponseWriter, r *http.Request) {
			text := everythingOf(r)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(text)+100))
			_, _ = io.WriteString(w, text)
		},
	}
	for name, answer := range servers {
		for _, format := range []string{"text", "json"} {
			t.Run(name+" "+format, func(t *testing.T) {
				t.Parallel()
				s := httptest.NewServer(answer)
				defer s.Close()
				for _, a := range attempts(s.URL) {
					r := a.use(t, s.URL, markToken, "--output", format)
					if r.code == 0 || r.stdout != "" || strings.Contains(strings.ToLower(r.stderr), "hush") {
						t.Errorf("%v exits with %d and prints\n%s\n%s", a.args, r.code, r.stdout, r.stderr)
					}
				}
			})
		}
	}
}

// everythingOf is what a server can repeat of a request.
func everythingOf(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	email, token, _ := r.BasicAuth()
	return r.URL.Path + "\n" + string(body) + "\n" + email + "\n" + token + "\n" + r.Header.Get("Authorization")
}

// TestMarksInOutput uses a real server, and holds that each output has what it is for, and standard error nothing.
func TestMarksInOutput(t *testing.T) {
	data := t.TempDir()
	s := runOn(t, data)
	token := admin(t, data, "", "account", "add", email).line()
	var keys []string
	quiet := func(r result, only ...string) {
		t.Helper()
		for _, mark := range append([]string{markSecret, markPassphrase, token}, keys...) {
			meant := false
			for _, allowed := range only {
				meant = meant || allowed == mark
			}
			if strings.Contains(r.stderr, mark) || !meant && strings.Contains(r.stdout, mark) {
				t.Errorf("it prints a mark:\n%s\n%s", r.stdout, r.stderr)
			}
		}
	}
	for _, format := range []string{"text", "json", "yaml"} {
		var shared receiptFields
		r := attempt{[]string{"share", "-j", "--recipient", "bob@example.com"}, markSecret}.use(t, s.url, token)
		if err := json.Unmarshal([]byte(r.stdout), &shared); err != nil || r.code != 0 || r.stderr != "" {
			t.Fatalf("share: %d %s %v", r.code, r.stderr, err)
		}
		quiet(r)
		keys = append(keys, shared.MetadataKey, shared.SecretKey)
		for _, test := range []struct {
			a    attempt
			code int
			only []string
		}{
			{attempt{[]string{"receipt", shared.MetadataKey}, ""}, 0, []string{shared.MetadataKey, shared.SecretKey}},
			{attempt{[]string{"recent"}, ""}, 0, keys},
			{attempt{[]string{"status"}, ""}, 0, nil},
			{attempt{[]string{"reveal", shared.MetadataKey}, ""}, exitNotFound, nil},
			{attempt{[]string{"receipt", shared.SecretKey}, ""}, exitNotFound, nil},
			{attempt{[]string{"burn", shared.SecretKey}, ""}, exitNotFound, nil},
			{attempt{[]string{"reveal", "-"}, shared.Link}, 0, []string{markSecret, shared.SecretKey}},
			{attempt{[]string{"reveal", shared.Link}, ""}, exitNotFound, nil},
			{attempt{[]string{"burn", shared.MetadataKey}, ""}, exitNotFound, nil},
		} {
			r := test.a.use(t, s.url, token, "--output", format)
			if r.code != test.code {
				t.Errorf("%v exits with %d: %s", test.a.args, r.code, r.stderr)
			}
			quiet(r, test.only...)
			if format == "text" && test.a.args[0] == "receipt" {
				quiet(r) // whose text has no key at all
			}
		}
	}
}

// TestProcess holds that a command has the arguments that it was given and no others, and starts no other process, which
// would have its environment.
func TestProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip(err)
	}
	arrived, leave := make(chan bool), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- true
		<-leave
	}))
	defer s.Close()
	defer close(leave)
	for _, a := range attempts(s.URL) {
		cmd := exec.Command("onetime", a.args...)
		cmd.Stdin = strings.NewReader(a.stdin)
		cmd.Stdout = io.Discard // a pipe: the null device is refused
		cmd.Env = append(os.Environ(), "ONETIME_HOST="+s.URL, "ONETIME_CUSTID="+email, "ONETIME_APIKEY="+markToken, "ONETIME_PASSPHRASE="+markPassphrase)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-arrived
		proc := "/proc/" + strconv.Itoa(cmd.Process.Pid)
		line, err := os.ReadFile(proc + "/cmdline")
		if want := strings.Join(append([]string{"onetime"}, a.args...), "\x00") + "\x00"; err != nil || string(line) != want {
			t.Errorf("%v: its command line is %q, %v", a.args, line, err)
		}
		tasks, err := os.ReadDir(proc + "/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			if children, err := os.ReadFile(proc + "/task/" + task.Name() + "/children"); err == nil && len(children) > 0 {
				t.Errorf("%v has the children %s", a.args, children)
			}
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
			t.Errorf("%v, interrupted, exits with %d", a.args, cmd.ProcessState.ExitCode())
		}
	}
}
