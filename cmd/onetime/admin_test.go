package main

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/onetime-go/onetime/server/sqlitestore"
)

// A result is what a command printed, and its exit code.
type result struct {
	stdout, stderr string
	code           int
}

// admin runs onetime with a data folder.
func admin(t *testing.T, data, apikey string, args ...string) result {
	t.Helper()
	cmd := exec.Command("onetime", append(args, "--data", data)...)
	cmd.Env = append(os.Environ(), "ONETIME_APIKEY="+apikey)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// want fails unless the command exited with a code, and what it printed matches.
func (r result) want(t *testing.T, code int, stdout, stderr string) result {
	t.Helper()
	if r.code != code || !regexp.MustCompile(`^(?:`+stdout+`)$`).MatchString(r.stdout) || !regexp.MustCompile(stderr).MatchString(r.stderr) {
		t.Fatalf("it exited with %d (want %d) and printed\n%s(want %s) and\n%s(want %s)", r.code, code, r.stdout, stdout, r.stderr, stderr)
	}
	return r
}

func (r result) line() string { return strings.TrimSuffix(r.stdout, "\n") }

// runOn starts a server on a data folder.
func runOn(t *testing.T, data string) *serving {
	t.Helper()
	s, err := start(exec.Command("onetime", "serve", "--listen", "127.0.0.1:0", "--data", data))
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log())
	}
	t.Cleanup(s.kill)
	return s
}

// status posts to a running server, as an account if token is not empty, and returns the status.
func (s *serving) status(t *testing.T, path, email, token string, form url.Values) int {
	t.Helper()
	r, err := http.NewRequest("POST", s.url+"/api/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		r.SetBasicAuth(email, token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// keyOf returns the key of a link.
func keyOf(link string) string {
	link = strings.TrimSpace(link)
	return link[strings.LastIndexByte(link, '/')+1:]
}

const (
	keyID   = `[0-9a-f]{16}`
	aToken  = `[0-9a-z]{40}\n`
	aTime   = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`
	email   = "ada@example.com"
	nothing = ``
)

func TestKeysCommands(t *testing.T) {
	data := t.TempDir()
	s := runOn(t, data)
	link := command(t, "s", s.url, "share")
	token := admin(t, data, "", "account", "add", email).want(t, 0, aToken, `^$`).line()
	first := admin(t, data, "", "keys", "list").
		want(t, 0, keyID+`\t`+aTime+`\tactive\t1\t1\t1\t`+aTime+`\n`, `^$`).stdout[:16]
	second := admin(t, data, "", "keys", "add").want(t, 0, keyID+`\n`, `not active.*keys activate `+keyID).line()
	admin(t, data, "", "keys", "list").want(t, 0,
		first+`\t`+aTime+`\tactive\t.*\n`+second+`\t`+aTime+`\t-\t0\t0\t0\t-\n`, `^$`)
	admin(t, data, "", "keys", "prune").want(t, 0, nothing, `^$`) // the new key waits
	admin(t, data, "", "keys", "prune", first).want(t, exitUsage, nothing, `active`)
	admin(t, data, "", "keys", "activate", second).want(t, 0, nothing, `^$`)
	admin(t, data, "", "keys", "activate", second).want(t, 0, nothing, `^$`)
	for _, args := range [][]string{{"prune", first}, {"prune"}} {
		r := admin(t, data, "", append([]string{"keys"}, args...)...)
		if len(args) == 1 {
			r.want(t, 0, nothing, `stays`)
		} else {
			r.want(t, exitOther, nothing, `stays`)
		}
		r.want(t, r.code, nothing, first+` stays: 1 secrets and 1 receipts need it until `+aTime+`; 1 accounts need it .*: `+email)
	}

	// A command that starts now seals with the new key, which the server meets before it has looked at the keyring.
	other := admin(t, data, "", "account", "add", "bob@example.com").want(t, 0, aToken, `^$`).line()
	if status := s.status(t, "share", "bob@example.com", other, url.Values{"secret": {"s"}}); status != 200 {
		t.Errorf("status %d for an account under the new key", status)
	}
	if status := s.status(t, "share", email, token, url.Values{"secret": {"s"}}); status != 200 { // rewraps
		t.Errorf("status %d for an account under the old key", status)
	}
	if status := s.status(t, "secret/"+keyOf(link), "", "", nil); status != 200 {
		t.Errorf("status %d for a secret under the old key", status)
	}
	admin(t, data, "", "keys", "prune", first).want(t, exitOther, nothing, `stays: 0 secrets and 1 receipts need it until `+aTime+`: `)
	third := admin(t, data, "", "keys", "add").want(t, 0, keyID+`\n`, ``).line()
	admin(t, data, "", "keys", "prune", third).want(t, 0, third+`\n`, `^$`)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestKeysPruneAll(t *testing.T) {
	data := t.TempDir()
	s := runOn(t, data)
	first := admin(t, data, "", "keys", "list").stdout[:16]
	second := admin(t, data, "", "keys", "add").line()
	admin(t, data, "", "keys", "activate", second).want(t, 0, nothing, `^$`)
	admin(t, data, "", "keys", "prune").want(t, 0, first+`\n`, `^$`)
	// The server has not read the keyring again. It stores nothing under the old key, and then has the new one.
	s.status(t, "share", "", "", url.Values{"secret": {"s"}})
	if status := s.status(t, "share", "", "", url.Values{"secret": {"s"}}); status != 200 {
		t.Errorf("status %d", status)
	}
	admin(t, data, "", "keys", "list").want(t, 0, second+`\t`+aTime+`\tactive\t[12]\t[12]\t0\t`+aTime+`\n`, `^$`)
	admin(t, data, "", "keys", "activate", first).want(t, exitUsage, nothing, `no such key`)
}

func TestKeysArguments(t *testing.T) {
	data := t.TempDir()
	runOn(t, data)
	for _, args := range [][]string{
		{"activate"}, {"activate", "x"}, {"activate", "0123456789abcdef"}, {"activate", "a", "b"},
		{"prune", "x"}, {"prune", "0123456789abcdef"}, {"prune", "a", "b"}, {"add", "x"}, {"list", "x"}, {"steal"},
	} {
		admin(t, data, "", append([]string{"keys"}, args...)...).want(t, exitUsage, nothing, `.`)
	}
}

// TestNoDatabase holds that commands about what is there make nothing.
func TestNoDatabase(t *testing.T) {
	data := filepath.Join(t.TempDir(), "missing")
	for _, args := range [][]string{
		{"keys", "list"}, {"keys", "add"}, {"keys", "activate", "0123456789abcdef"}, {"keys", "prune"},
		{"account", "list"}, {"account", "rotate", "--lost", email}, {"account", "remove", email},
		{"backup", filepath.Join(t.TempDir(), "b")},
	} {
		admin(t, data, "", args...).want(t, exitUsage, nothing, `no database`)
	}
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestAccountCommands(t *testing.T) {
	data := t.TempDir()
	s := runOn(t, data)
	login := func(token string, want int) {
		t.Helper()
		if status := s.status(t, "share", email, token, url.Values{"secret": {"s"}}); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}
	admin(t, data, "", "account", "list").want(t, 0, nothing, `^$`)
	first := admin(t, data, "", "account", "add", email).want(t, 0, aToken, `^$`).line()
	admin(t, data, "", "account", "add", "Bob@example.com").want(t, 0, aToken, `^$`)
	admin(t, data, "", "account", "list").want(t, 0, email+`\t`+aTime+`\nbob@example.com\t`+aTime+`\n`, `^$`)
	login(first, 200)

	admin(t, data, "", "account", "rotate", email).want(t, exitUsage, nothing, `ONETIME_APIKEY`)
	r := admin(t, data, "wrong-marker", "account", "rotate", email).want(t, exitRefused, nothing, `ONETIME_APIKEY`)
	if strings.Contains(r.stderr, "marker") {
		t.Errorf("it prints the token: %s", r.stderr)
	}
	second := admin(t, data, first, "account", "rotate", email).want(t, 0, aToken, `^$`).line()
	login(first, 401)
	login(second, 200)
	third := admin(t, data, "", "account", "rotate", "--lost", email).want(t, 0, aToken, `list of receipts is empty`).line()
	login(second, 401)
	login(third, 200)

	key := keyOf(commandAs(t, s, email, third, "share"))
	admin(t, data, "", "account", "remove", "--burn", email).want(t, 0, nothing, `4 unread secrets were burned`)
	login(third, 401)
	if status := s.status(t, "secret/"+key, "", "", nil); status != 404 {
		t.Errorf("status %d for what was burned", status)
	}
	admin(t, data, "", "account", "remove", "bob@example.com").want(t, 0, nothing, `^$`)
	admin(t, data, "", "account", "list").want(t, 0, nothing, `^$`)
	for _, args := range [][]string{{"rotate", "--lost"}, {"remove"}, {"remove", "--burn"}} {
		admin(t, data, "", append(append([]string{"account"}, args...), email)...).want(t, exitUsage, nothing, `no account`)
	}
	admin(t, data, third, "account", "rotate", email).want(t, exitRefused, nothing, `.`)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if log := s.log(); strings.Contains(log, first) || strings.Contains(log, third) {
		t.Error("the log holds a token")
	}
}

// commandAs runs onetime as an account, with a secret on standard input.
func commandAs(t *testing.T, s *serving, email, token string, args ...string) string {
	t.Helper()
	cmd := exec.Command("onetime", args...)
	cmd.Stdin = strings.NewReader("s")
	cmd.Env = append(os.Environ(), "ONETIME_HOST="+s.url, "ONETIME_CUSTID="+email, "ONETIME_APIKEY="+token)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestBackupAndRestore restores a backup beside the keyring, and reveals a second time what the long help says can be.
func TestBackupAndRestore(t *testing.T) {
	data, folder := t.TempDir(), t.TempDir()
	s := runOn(t, data)
	key := keyOf(command(t, "s", s.url, "share"))
	file := filepath.Join(folder, "onetime.db")
	admin(t, data, "", "backup", file).want(t, 0, nothing, `keyring is not in the backup(.|\n)*can be revealed again`)
	admin(t, data, "", "backup", file).want(t, exitUsage, nothing, `exists`)
	admin(t, data, "", "backup").want(t, exitUsage, nothing, `.`)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for _, want := range []int{200, 404} {
		if status := s.status(t, "secret/"+key, "", "", nil); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}

	bare := admin(t, folder, "", "account", "list") // without its keyring
	bare.want(t, exitOther, nothing, `restore the keyring`)
	keys, err := os.ReadFile(filepath.Join(data, keyringFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, keyringFile), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	restored := runOn(t, folder)
	if status := restored.status(t, "secret/"+key, "", "", nil); status != 200 {
		t.Errorf("status %d of the restored copy", status)
	}
	if err := restored.stop(); err != nil {
		t.Error(err)
	}
	if store, err := sqlitestore.Open(t.Context(), file); err != nil {
		t.Error(err)
	} else if err := store.Close(); err != nil {
		t.Error(err)
	}
}
