package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// A collector stands in for one of OpenTelemetry. It keeps what comes.
type collector struct {
	*httptest.Server
	mu   sync.Mutex
	came bytes.Buffer
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		fmt.Fprintln(&c.came, r.URL, r.Header.Get("Authorization"))
		_, _ = io.Copy(&c.came, r.Body)
	}))
	t.Cleanup(c.Close)
	return c
}

// all returns what has come.
func (c *collector) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.came.String()
}

// TestOperatorsSeeNoSecrets uses a server in every way, also wrongly, and looks through all that it tells of itself: log,
// metrics, traces, profiles, and --check-config.
func TestOperatorsSeeNoSecrets(t *testing.T) {
	traces := newCollector(t)
	private := takenAndGiven(t)
	data := t.TempDir()
	token := admin(t, data, "", "account", "add", email).line()
	config := filepath.Join(t.TempDir(), "onetime.yaml")
	if err := os.WriteFile(config, []byte("trusted-proxy: 127.0.0.0/8\n# mark-comment\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--private-listen", private, "--log-level", "debug", "--config", config}
	environment := append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+traces.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=collectors-own",
		"ONETIME_APIKEY=mark-apikey", "ONETIME_PASSPHRASE=mark-passphrase", "ONETIME_UNKNOWN=mark-unknown")
	cmd := exec.Command("onetime", args...)
	cmd.Env = environment
	s, err := start(cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log())
	}
	defer s.kill()

	send := func(method, path, body string, edit ...func(*http.Request)) string {
		t.Helper()
		r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, name := range []string{"User-Agent", "Referer", "Cookie", "X-Request-Id", "X-Forwarded-For", "Tracestate", "Baggage", "Accept"} {
			r.Header.Set(name, "mark=mark-header")
		}
		r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		for _, f := range edit {
			f(r)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, _ := io.ReadAll(response.Body)
		return string(answer)
	}
	account := func(r *http.Request) { r.SetBasicAuth(email, token) }
	page := func(r *http.Request) { r.Header.Set("Accept", "text/html") }
	keys := []string{token}
	share := func(form string, edit ...func(*http.Request)) (secret, receipt string) {
		answer := send("POST", "/api/v1/share", form, edit...)
		secret = regexp.MustCompile(`"secret_key":"(\w+)"`).FindStringSubmatch(answer)[1]
		receipt = regexp.MustCompile(`"metadata_key":"(\w+)"`).FindStringSubmatch(answer)[1]
		keys = append(keys, secret, receipt)
		return secret, receipt
	}
	revealed, seen := share("secret=mark-secret&recipient=mark@example.com", account)
	locked, burned := share("secret=mark-secret&passphrase=mark-passphrase")
	for _, r := range []struct{ method, path, body string }{
		{"GET", "/secret/" + revealed, ""}, {"GET", "/receipt/" + seen, ""}, {"HEAD", "/secret/" + revealed, ""},
		{"GET", "/mark-path/mark-key", ""}, {"MARK-METHOD", "/api/v1/share", ""},
	} {
		send(r.method, r.path, r.body, page)
		send(r.method, r.path, r.body)
	}
	send("GET", "/api/v1/receipt/recent", "", account)
	for range 7 {
		send("POST", "/api/v1/secret/"+locked, "passphrase=mark-wrong")
	}
	send("POST", "/api/v1/secret/mark-key?passphrase=mark-query", "")
	send("POST", "/api/v1/secret/"+revealed, "continue=true")
	send("POST", "/api/v1/receipt/"+burned+"/burn", "passphrase=mark-passphrase")
	send("POST", "/api/v1/share", "secret=mark-secret&ttl=mark-ttl")
	send("POST", "/api/v1/share", "secret=mark-secret&mark-name=1&mark-name=2")
	send("POST", "/api/v1/share", "secret=mark-secret%zz")
	send("GET", "/api/v1/status", "", func(r *http.Request) { r.SetBasicAuth("mark-user", "mark-token") })

	told := map[string]string{}
	_, told["metrics"] = fetch(t, http.DefaultClient, "http://"+private+"/metrics")
	for _, profile := range []string{"goroutine?debug=2", "heap?debug=1", "cmdline"} {
		_, told[profile] = fetch(t, http.DefaultClient, "http://"+private+"/debug/pprof/"+profile)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	told["log"], told["traces"] = s.log(), traces.all()
	check := exec.Command("onetime", append(args, "--check-config")...)
	check.Env = environment
	out, err := check.CombinedOutput()
	if check.ProcessState.ExitCode() != exitUsage || !bytes.Contains(out, []byte("ONETIME_UNKNOWN")) {
		t.Errorf("--check-config: %v, %s", err, out)
	}
	told["--check-config"] = string(out)

	for name, want := range map[string]string{
		"metrics":        `onetime_http_requests_total{operation="v1_showSecret",status="200"} 1`,
		"log":            "route=/secret/{key}",
		"traces":         "GET /secret/{key}",
		"--check-config": "private-listen: " + private,
	} {
		if !strings.Contains(told[name], want) {
			t.Errorf("%s does not have %q:\n%.2000s", name, want, told[name])
		}
	}
	if !strings.Contains(told["traces"], "collectors-own") || !strings.Contains(told["log"], "trace_id=") || !strings.Contains(told["log"], "error_id=") {
		t.Error("traces are not sent as they are to be, or the log does not lead to them")
	}
	for name, text := range told {
		for _, secret := range append(keys, "mark-", "mark=", "mark@") {
			if strings.Contains(strings.ToLower(text), secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
	if strings.Contains(told["log"], "collectors-own") || strings.Contains(told["--check-config"], "collectors-own") {
		t.Error("what the collector is told in confidence is shown")
	}
}

// TestWrongTraceSettings are refused at start, without being repeated.
func TestWrongTraceSettings(t *testing.T) {
	for _, variable := range []string{"OTEL_TRACES_EXPORTER=mark", "OTEL_EXPORTER_OTLP_PROTOCOL=mark", "OTEL_EXPORTER_OTLP_HEADERS=mark", "OTEL_RESOURCE_ATTRIBUTES=mark"} {
		cmd := exec.Command("onetime", "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "d"))
		cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", variable)
		out, _ := cmd.CombinedOutput()
		name, _, _ := strings.Cut(variable, "=")
		if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), name) || strings.Contains(string(out), "mark") {
			t.Errorf("%s: it exits with %d: %s", name, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// TestClientsInUse sends what published clients send to a server with its default settings: each form once, and then as much
// as the busiest of them, 110 creations from one address in one go.
func TestClientsInUse(t *testing.T) {
	s := run(t)
	send := func(method, path, contentType, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, s.url+"/api/v1/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, _ := io.ReadAll(response.Body)
		if !strings.Contains(response.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s answers %s", path, response.Header.Get("Content-Type"))
		}
		return response.StatusCode, string(answer)
	}
	const form, json = "application/x-www-form-urlencoded", "application/json"
	const multipart = "multipart/form-data; boundary=b"
	fresh := func() (secret, receipt string) {
		_, answer := send("POST", "share", form, "secret=s")
		return regexp.MustCompile(`"secret_key":"(\w+)"`).FindStringSubmatch(answer)[1],
			regexp.MustCompile(`"metadata_key":"(\w+)"`).FindStringSubmatch(answer)[1]
	}
	for _, test := range []struct {
		name, method, path, contentType, body string
		status                                int
		holds                                 string
	}{
		{"no Content-Type, no body", "POST", "secret/SECRET", "", "", 200, `"value":"s"`},
		{"no Content-Type, a form", "POST", "share", "", "secret=s&ttl=300", 200, `"ttl":300`},
		{"query", "POST", "share?secret=s&ttl=300", "", "", 200, `"ttl":300`},
		{"JSON without a body", "POST", "generate", json, "", 200, `"value":"`},
		{"JSON on GET", "GET", "status", json, "", 200, `nominal`},
		{"JSON", "POST", "share", json, `{"secret":"s","ttl":300}`, 200, `"ttl":300`},
		{"multipart", "POST", "share", multipart, "--b\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\ns\r\n--b--\r\n", 200, `"state":"new"`},
		{"empty list", "POST", "share", form, "secret=s&recipient[]=", 200, `"recipient":[]`},
		{"unknown fields", "POST", "generate", form, "SECRET_KEY=x&secret=y", 200, `"value":"`},
		{"continue", "POST", "secret/SECRET", form, "continue=true", 200, `"value":"s"`},
		{"burn", "POST", "private/RECEIPT/burn", form, "continue=true", 200, `"state":"burned"`},
		{"recent without an account", "POST", "private/recent", "", "", 404, `"message":"Unknown secret"`},
		{"look-up", "POST", "private/RECEIPT", "", "", 200, `"secret_key":"`},
		{"reference page", "POST", "metadata/RECEIPT", form, "", 200, `"state":"new"`},
		{"nothing", "POST", "share", form, "", 400, "You did not provide anything to share"},
	} {
		secret, receipt := fresh()
		path := strings.NewReplacer("SECRET", secret, "RECEIPT", receipt).Replace(test.path)
		if status, answer := send(test.method, path, test.contentType, test.body); status != test.status || !strings.Contains(answer, test.holds) {
			t.Errorf("%s: %d %s", test.name, status, answer)
		}
	}
	for i := range 110 {
		if status, answer := send("POST", "share", form, "secret=s"); status != 200 {
			t.Fatalf("creation %d: %d %s", i, status, answer)
		}
	}
}
