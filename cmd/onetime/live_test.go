package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestReferencePage sends what the reference page's own sample sends: the form's Content-Type, and no bytes.
func TestReferencePage(t *testing.T) {
	data := t.TempDir()
	account := exec.Command("onetime", "account", "add", "--data", data, "ada@example.com")
	token, err := account.Output()
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(exec.Command("onetime", "serve", "--listen", "127.0.0.1:0", "--data", data))
	if err != nil {
		t.Fatal(err)
	}
	defer s.kill()
	shared, err := http.PostForm(s.url+"/api/v1/share", map[string][]string{"secret": {"s"}})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Body.Close()
	var receipt struct {
		Key string `json:"metadata_key"`
	}
	if err := json.NewDecoder(shared.Body).Decode(&receipt); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		path, user, password string
		status               int
	}{
		"anonymous":       {"metadata", "", "", 200},
		"with an account": {"metadata", "ada@example.com", strings.TrimSpace(string(token)), 200},
		"wrong account":   {"metadata", "username", "password", 401},
		"private":         {"private", "", "", 200},
		"receipt":         {"receipt", "", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest("POST", s.url+"/api/v1/"+test.path+"/"+receipt.Key, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if test.user != "" {
				r.SetBasicAuth(test.user, test.password)
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != test.status || response.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s, %s", response.Status, response.Header.Get("Content-Type"))
			}
			if test.status != 200 {
				return
			}
			var fields map[string]any
			if err := json.NewDecoder(response.Body).Decode(&fields); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"custid", "metadata_key", "state", "created", "updated", "ttl", "metadata_ttl",
				"share_domain", "recipient", "identifier", "recipients", "receipt_ttl"} {
				if fields[name] == nil {
					t.Errorf("%s is %v", name, fields[name])
				}
			}
			if fields["state"] != "new" || fields["metadata_key"] != receipt.Key || fields["custid"] != "anon" {
				t.Errorf("the receipt is %v", fields)
			}
		})
	}
}

// TestRevealIntoNothing holds that a revealed secret that cannot be printed is kept, and that none is revealed if it is
// known before.
func TestRevealIntoNothing(t *testing.T) {
	s := run(t)
	const secret = "kept\nsecret"
	key := func() string {
		link := strings.TrimSpace(command(t, secret, s.url, "share"))
		return link[strings.LastIndexByte(link, '/')+1:]
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	broken, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	broken.Close()
	defer end.Close()
	for name, out := range map[string]*os.File{"full disk": full, "broken pipe": end} {
		t.Run(name, func(t *testing.T) {
			temporary := t.TempDir()
			cmd := exec.Command("onetime", "reveal", key())
			cmd.Env = append(os.Environ(), "ONETIME_HOST="+s.url, "TMPDIR="+temporary)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = out, &stderr
			if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != exitOther {
				t.Errorf("it ends with %v", err)
			}
			file := regexp.MustCompile(regexp.QuoteMeta(temporary) + `/onetime-\d+`).FindString(stderr.String())
			kept, err := os.ReadFile(file)
			if err != nil || string(kept) != secret {
				t.Errorf("%q is kept: %v; it says %s", kept, err, stderr.String())
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the file is %v, %v", info, err)
			}
			if strings.Contains(stderr.String(), "secret\n") || strings.Contains(stderr.String(), "kept\n") {
				t.Errorf("it says %s", stderr.String())
			}
		})
	}
	for name, script := range map[string]string{"closed": `exec onetime reveal "$0" >&-`, "null device": `exec onetime reveal "$0" >/dev/null`} {
		t.Run(name, func(t *testing.T) {
			k := key()
			cmd := exec.Command("sh", "-c", script, k)
			cmd.Env = append(os.Environ(), "ONETIME_HOST="+s.url)
			if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != exitUsage {
				t.Errorf("it ends with %v: %s", err, out)
			}
			if got := command(t, "", s.url, "reveal", k); got != secret {
				t.Errorf("then the secret is %q", got)
			}
		})
	}
}

// TestSecretIsNoArgument holds that other users of the machine see nothing of what is shared.
func TestSecretIsNoArgument(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip(err)
	}
	s := run(t)
	passphrase := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(passphrase, []byte("mark-passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("onetime", "share", "--passphrase-file", passphrase)
	cmd.Env = append(os.Environ(), "ONETIME_HOST="+s.url)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(in, "mark-secret") // and it waits for more
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
	if err != nil || bytes.Contains(line, []byte("mark-")) {
		t.Errorf("its command line is %q, %v", line, err)
	}
	in.Close()
	if link, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.Contains(link, "mark-") {
		t.Errorf("the link is %q, %v", link, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestLogHasNoSecrets uses a server in every way, also wrongly, and looks through its log.
func TestLogHasNoSecrets(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		s := run(t, "--log", format)
		link := strings.TrimSpace(command(t, "mark-secret", s.url, "share"))
		key := link[strings.LastIndexByte(link, '/')+1:]
		for _, request := range []struct{ method, path, body string }{
			{"POST", "/api/v1/secret/" + key, "passphrase=mark-passphrase"},
			{"POST", "/api/v1/secret/mark-key", "passphrase=mark-passphrase"},
			{"POST", "/api/v1/secret/mark-key?passphrase=mark-query", ""},
			{"GET", "/mark-path/mark-key", ""},
			{"POST", "/api/v1/share", "secret=mark-secret&secret=mark-secret"},
			{"POST", "/api/v1/share", "secret=mark-secret%zz"},
			{"POST", "/api/v1/share", "secret=mark-secret&ttl=mark-ttl"},
			{"MARK-METHOD", "/api/v1/share", ""},
		} {
			r, err := http.NewRequest(request.method, s.url+request.path, strings.NewReader(request.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("User-Agent", "mark-agent")
			r.Header.Set("X-Request-Id", "mark-id")
			if strings.Contains(request.body, "ttl") {
				r.SetBasicAuth("mark-user", "mark-token")
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "mark-noise\r\nmark-noise\r\n\r\n")
		_, _ = io.ReadAll(conn)
		conn.Close()
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		log := s.log()
		if strings.Contains(strings.ToLower(log), "mark-") || strings.Contains(log, key) || !strings.Contains(log, "/api/v1/secret/:key") {
			t.Errorf("the log is %s", log)
		}
	}
}

// TestStopWithOpenConnections holds that neither an idle connection nor one with half a request keeps the server.
func TestStopWithOpenConnections(t *testing.T) {
	s := run(t)
	for _, text := range []string{"", "POST /api/v1/share HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nsec"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, text)
	}
	started := time.Now()
	if err := s.stop(); err != nil {
		t.Fatalf("%v after %v\n%s", err, time.Since(started), s.log())
	}
}

func TestListenAddressTaken(t *testing.T) {
	cmd := exec.Command("onetime", "serve", "--data", t.TempDir(), "--listen", takenAddress(t))
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), "--listen") || strings.Count(string(out), "\n") > 2 {
		t.Errorf("it exits with %d and says %s", cmd.ProcessState.ExitCode(), out)
	}
}
