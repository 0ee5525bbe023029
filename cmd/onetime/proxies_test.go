package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A proxy is one of docs/production.md, run with the configuration that stands there.
type proxy struct {
	program, config string
	args            []string
}

// fromDocs returns the block of docs/production.md that begins with some text, fitted to this machine: each pair is what stands
// there and what takes its place.
func fromDocs(t *testing.T, begin string, pairs ...string) string {
	t.Helper()
	content, err := os.ReadFile("../../docs/production.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(content), begin)
	if !found {
		t.Fatalf("docs/production.md has no %s", begin)
	}
	block, _, _ = strings.Cut(block, "```")
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(block, pairs[i]) {
			t.Fatalf("docs/production.md does not say %q", pairs[i])
		}
		block = strings.ReplaceAll(block, pairs[i], pairs[i+1])
	}
	return block
}

const docsSocket = "/run/onetime/public.sock"

func nginx(t *testing.T, folder, address, socket string) proxy {
	site := fromDocs(t, "```nginx\n", "443 ssl", address+" ssl", "/etc/ssl/secrets.pem", folder+"/cert", "/etc/ssl/secrets.key", folder+"/key",
		"/var/log/nginx/", folder+"/", docsSocket, socket,
		"    location / {", "    error_log "+folder+"/files.warn warn; # beside the one of the docs\n    location / {")
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	var places strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&places, "%s_temp_path %s/%s;\n", name, folder, name)
	}
	return proxy{"nginx", fmt.Sprintf("daemon off; %s pid %s/pid; events {} http {\n%s\n%s\n}", user, folder, places.String(), site), []string{"-e", folder + "/start.log", "-c"}}
}

func caddy(t *testing.T, folder, address, socket string) proxy {
	return proxy{"caddy", fromDocs(t, "```caddy\n", "{\n    log", "{\n    admin off\n    auto_https disable_redirects\n    log",
		"secrets.example.com {", fmt.Sprintf("https://%s {\n    tls %s/cert %s/key", address, folder, folder), docsSocket, socket), []string{"run", "--adapter", "caddyfile", "--config"}}
}

// TestProxies shares and reveals through the proxies that docs/production.md configures: callers are who they are, whatever
// header they forge, links lead below the path, and no proxy writes a key or a secret to the disk, not even one that is too
// large for its memory, nor when the server is not there.
func TestProxies(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("callers need addresses of their own, which 127.0.0.0/8 are on Linux")
	}
	for name, configure := range map[string]func(t *testing.T, folder, address, socket string) proxy{"nginx": nginx, "caddy": caddy} {
		t.Run(name, func(t *testing.T) {
			program, err := exec.LookPath(name)
			if err != nil {
				if os.Getenv("CI") != "" {
					t.Fatal(err)
				}
				t.Skip(name + " is not installed")
			}
			folder, err := os.MkdirTemp("", "onetime") // the path of a socket is short
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(folder)
			trusted := x509.NewCertPool()
			trusted.AddCert(newPair(t, folder+"/cert", folder+"/key", 1))
			address := takenAndGiven(t)
			base := "https://" + address + "/once"
			s := serveWith(t, "--listen", "unix:"+folder+"/s", "--base-url", base, "--trusted-proxy", "127.0.0.1/32", "--rate-limit", "2/1h")
			p := configure(t, folder, address, folder+"/s")
			if err := os.WriteFile(folder+"/config", []byte(p.config), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, append(p.args, folder+"/config")...)
			cmd.Env = append(os.Environ(), "HOME="+folder)
			output, err := os.Create(folder + "/output.log")
			if err != nil {
				t.Fatal(err)
			}
			defer output.Close()
			cmd.Stdout, cmd.Stderr = output, output
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cmd.Process.Signal(syscall.SIGTERM)
			ask := func(from, method, path string, form url.Values) (int, string, error) {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trusted},
					DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext}}
				r, _ := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", time.Now().UnixNano()%250)) // forged
				response, err := client.Do(r)
				if err != nil {
					return 0, "", err
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				return response.StatusCode, string(body), err
			}
			want := func(status int, from, method, path string, form url.Values) string {
				t.Helper()
				got, body, err := ask(from, method, path, form)
				if err != nil || got != status {
					t.Fatalf("%s %s is answered %d: %v", method, path, got, err)
				}
				return body
			}
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				if _, _, err := ask("127.0.0.2", "GET", "/", nil); err == nil {
					break
				} else if time.Now().After(deadline) {
					text, _ := os.ReadFile(folder + "/output.log")
					t.Fatalf("it does not listen: %v\n%s", err, text)
				}
			}

			secret := strings.Repeat("\x01", 10_000)
			receipt := want(200, "127.0.0.2", "POST", "/api/v1/share", url.Values{"secret": {secret}})
			want(200, "127.0.0.2", "POST", "/api/v1/share", url.Values{"secret": {"s"}})
			want(429, "127.0.0.2", "POST", "/api/v1/share", url.Values{"secret": {"s"}})
			want(200, "127.0.0.3", "POST", "/api/v1/share", url.Values{"secret": {"s"}})
			if !strings.Contains(receipt, `"`+base+`/receipt/`) {
				t.Error("the receipt's page is elsewhere")
			}
			key := regexp.MustCompile(`"secret_key":"([0-9a-z]{31})"`).FindStringSubmatch(receipt)[1]
			want(200, "127.0.0.3", "GET", "/secret/"+key, nil)
			if body := want(200, "127.0.0.3", "POST", "/api/v1/secret/"+key, nil); strings.Count(body, `\u0001`) != len(secret) {
				t.Error("the secret is not what was shared")
			}
			want(404, "127.0.0.3", "POST", "/api/v1/secret/"+key, nil)
			if err := s.stop(); err != nil {
				t.Error(err)
			}
			want(502, "127.0.0.3", "GET", "/secret/"+key, nil)
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait()
			checkTraces(t, folder, key)
		})
	}
}

// checkTraces fails for a file that names a key, or that says that a message was written to another.
func checkTraces(t *testing.T, folder, key string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), "temporary file") {
			t.Errorf("a message was written to a file: %s", content)
		}
		if strings.Contains(string(content), key) && filepath.Ext(path) != ".warn" {
			t.Errorf("%s has the key: %s", filepath.Base(path), content)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
