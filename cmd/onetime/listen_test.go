package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/vault"
)

// over returns a client that connects to a unix socket, whatever the URL says.
func over(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
}

// serveWith starts serve with exactly these arguments and a new data folder.
func serveWith(t *testing.T, args ...string) *serving {
	t.Helper()
	s, err := start(exec.Command("onetime", append([]string{"serve", "--data", t.TempDir()}, args...)...))
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log())
	}
	t.Cleanup(s.kill)
	return s
}

func fetch(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// TestUnixSocket serves on a socket, below a path, and replaces one that a server left which was killed.
func TestUnixSocket(t *testing.T) {
	folder, err := os.MkdirTemp("", "onetime") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "s")
	args := []string{"--listen", "unix:" + socket, "--socket-mode", "0600", "--base-url", "https://example.com/once", "--trusted-proxy", "127.0.0.1/32", "--rate-limit", "1/1h"}
	killed := serveWith(t, args...)
	killed.kill()
	if _, err := os.Stat(socket); err != nil {
		t.Fatal("the killed server has left no socket to replace")
	}
	s := serveWith(t, args...)
	if s.url != "unix:"+socket {
		t.Errorf("it serves %s", s.url)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	share := func(address string, want int) {
		t.Helper()
		r, err := http.NewRequest("POST", "http://unix/once/api/v1/share", strings.NewReader("secret=s"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", address)
		response, err := over(socket).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != want || want == 200 && !bytes.Contains(body, []byte(`"https://example.com/once/receipt/`)) {
			t.Errorf("%d: %s", response.StatusCode, body)
		}
	}
	share("192.0.2.1", 200)
	share("192.0.2.2", 200) // the proxy is believed
	share("192.0.2.1", 429)
	for path, want := range map[string]int{"/once/": 200, "/once/secret/k": 200, "/once/docs": 200, "/secret/k": 404, "/healthz": 200} {
		if status, _ := fetch(t, over(socket), "http://unix"+path); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	out, _ := exec.Command("onetime", append([]string{"serve", "--data", t.TempDir()}, args...)...).CombinedOutput()
	if !strings.Contains(string(out), "another program listens") {
		t.Errorf("a second one says %s", out)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("it leaves its socket behind")
	}
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = exec.Command("onetime", append([]string{"serve", "--data", t.TempDir()}, args...)...).CombinedOutput()
	if !strings.Contains(string(out), "is no socket") {
		t.Errorf("in the place of a file it says %s", out)
	}
}

// TestSystemd passes sockets as systemd does, and is told when the server is ready, and when it stops.
func TestSystemd(t *testing.T) {
	folder, err := os.MkdirTemp("", "onetime")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	notes, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(folder, "n"), Net: "unixgram"})
	if err != nil {
		t.Skip(err)
	}
	defer notes.Close()
	note := func() string {
		_ = notes.SetReadDeadline(time.Now().Add(time.Minute))
		buffer := make([]byte, 100)
		n, _ := notes.Read(buffer)
		return string(buffer[:n])
	}
	var files []*os.File
	var addresses []string
	for range 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		files, addresses = append(files, file), append(addresses, "http://"+listener.Addr().String())
		listener.Close()
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec onetime serve --listen systemd --private-listen systemd --data "$0"`, filepath.Join(folder, "d"))
	cmd.Env = append(os.Environ(), "LISTEN_FDS=3", "LISTEN_FDNAMES=onetime.socket:onetime.socket:private", "NOTIFY_SOCKET="+filepath.Join(folder, "n"))
	cmd.ExtraFiles = files
	s, err := start(cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log())
	}
	defer s.kill()
	for _, file := range files {
		file.Close()
	}
	if got := note(); got != "READY=1" {
		t.Errorf("systemd hears %q", got)
	}
	for _, address := range addresses[:2] {
		if status, body := fetch(t, http.DefaultClient, address+"/api/v1/status"); status != 200 {
			t.Errorf("%d: %s", status, body)
		}
		if status, _ := fetch(t, http.DefaultClient, address+"/debug/pprof/"); status != 404 {
			t.Errorf("profiles are public: %d", status)
		}
	}
	if status, body := fetch(t, http.DefaultClient, addresses[2]+"/readyz"); status != 200 {
		t.Errorf("%d: %s", status, body)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if got := note(); got != "STOPPING=1" {
		t.Errorf("systemd hears %q", got)
	}
	out, _ := exec.Command("onetime", "serve", "--listen", "systemd", "--data", filepath.Join(folder, "e")).CombinedOutput()
	if !strings.Contains(string(out), ".socket unit") {
		t.Errorf("without sockets it says %s", out)
	}
}

// newPair writes a new certificate for 127.0.0.1 and returns it.
func newPair(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []struct {
		path, kind string
		der        []byte
		mode       os.FileMode
	}{{certFile, "CERTIFICATE", der, 0o644}, {keyFile, "PRIVATE KEY", keyDER, 0o600}} {
		if file.path == "" {
			continue
		}
		if err := os.WriteFile(file.path, pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der}), file.mode); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(serial) * time.Second) // where a file system's clock is coarse
		if err := os.Chtimes(file.path, later, later); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// TestTLS serves https, and takes up a new certificate while it runs, but not half of one.
func TestTLS(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	roots := x509.NewCertPool()
	roots.AddCert(newPair(t, certFile, keyFile, 1))
	s := serveWith(t, "--listen", "127.0.0.1:0", "--tls-cert", certFile, "--tls-key", keyFile)
	serial := func() int64 {
		t.Helper()
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
		response, err := c.Get(s.url + "/api/v1/status")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != 200 || response.ProtoMajor != 2 {
			t.Errorf("%s %s", response.Proto, response.Status)
		}
		return response.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if !strings.HasPrefix(s.url, "https://") || serial() != 1 {
		t.Errorf("it serves %s", s.url)
	}
	newPair(t, certFile, "", 2) // its key never comes
	if got := serial(); got != 1 {
		t.Errorf("with half of a pair the certificate is number %d", got)
	}
	roots.AddCert(newPair(t, certFile, keyFile, 3))
	if got := serial(); got != 3 {
		t.Errorf("the certificate is number %d", got)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if log := s.log(); strings.Count(log, "cannot be used") != 1 || strings.Count(log, "was replaced") != 1 || strings.Contains(log, "PRIVATE") {
		t.Errorf("the log is %s", log)
	}

	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--tls-cert", certFile, "--tls-key", keyFile}, {"--tls-cert", certFile}, {"--tls-key", keyFile},
		{"--tls-cert", filepath.Join(folder, "missing"), "--tls-key", certFile}, {"--tls-cert", certFile, "--tls-key", certFile},
	} {
		cmd := exec.Command("onetime", append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, args...)...)
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), "--tls-key") {
			t.Errorf("%v: it exits with %d: %s", args, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// TestHealth asks on both addresses, and for what is private on the public one.
func TestHealth(t *testing.T) {
	private := takenAndGiven(t)
	s := run(t, "--private-listen", private)
	for _, base := range []string{s.url, "http://" + private} {
		for _, path := range []string{"/healthz", "/readyz"} {
			if status, body := fetch(t, http.DefaultClient, base+path); status != 200 || body != "ok\n" {
				t.Errorf("%s: %d %s", path, status, body)
			}
			response, err := http.Post(base+path, "text/plain", nil)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != 405 {
				t.Errorf("POST %s: %d", path, response.StatusCode)
			}
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		if status, _ := fetch(t, http.DefaultClient, s.url+path); status != 404 {
			t.Errorf("%s is public: %d", path, status)
		}
	}
	if status, _ := fetch(t, http.DefaultClient, "http://"+private+"/debug/pprof/heap"); status != 200 {
		t.Errorf("the profile is %d", status)
	}
	if status, _ := fetch(t, http.DefaultClient, "http://"+private+"/api/v1/status"); status != 404 {
		t.Errorf("the API is on the private address: %d", status)
	}
}

// takenAndGiven returns an address that was free just now.
func takenAndGiven(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestErrorLogHasNoAddresses lets net/http log what it does by itself, with where its client is.
func TestErrorLogHasNoAddresses(t *testing.T) {
	folder := t.TempDir()
	newPair(t, filepath.Join(folder, "c"), filepath.Join(folder, "k"), 1)
	s := serveWith(t, "--listen", "127.0.0.1:0", "--tls-cert", filepath.Join(folder, "c"), "--tls-key", filepath.Join(folder, "k"))
	conn := dial(t, strings.TrimPrefix(s.url, "https://"))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if log := s.log(); !strings.Contains(log, "TLS handshake error: client sent") || strings.Contains(log, conn.LocalAddr().String()) {
		t.Errorf("the log is\n%s", log)
	}
	for text, want := range map[string]string{
		"http: panic serving [2001:db8::1%eth0]:443: boom": "http: panic: boom",
		"http2: received GOAWAY":                           "http2: received GOAWAY",
		"http: TLS handshake error from 192.0.2.1:5: read tcp 192.0.2.2:443->192.0.2.1:5: read: connection reset by peer": "http: TLS handshake error: read tcp: read: connection reset by peer",
	} {
		if got := withoutPeers(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// TestServersHaveLimits holds that nobody takes a connection for ever, on either address.
func TestServersHaveLimits(t *testing.T) {
	o, err := newOperator(t.Context(), settings{maxConnections: 8, baseURL: "https://a.example", maxSecret: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	public, err := o.publicServer(new(vault.Vault))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*http.Server{public, o.privateServer()} {
		if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 || s.ErrorLog == nil {
			t.Errorf("a limit is missing of %+v", s)
		}
	}
	if public.HTTP2 == nil || public.HTTP2.MaxConcurrentStreams <= 0 || public.ConnState == nil || public.ConnContext == nil {
		t.Error("the public server does not bound streams or connections")
	}
}

// TestLongHeaders are refused.
func TestLongHeaders(t *testing.T) {
	s := run(t)
	r, err := http.NewRequest("GET", s.url+"/api/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 2*maxHeader))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%s", response.Status)
	}
}

// TestAdvice says what is unwise, and nothing of what is not.
func TestAdvice(t *testing.T) {
	tests := []struct {
		name    string
		args    []string
		address net.IP
		want    []string
	}{
		{"default", nil, net.IPv4(127, 0, 0, 1), nil},
		{"behind a proxy on this machine", []string{"--base-url=https://a.example"}, net.IPv4(127, 0, 0, 1), nil},
		{"open, plain", nil, net.IPv4zero, []string{"plain http"}},
		{"open, plain link", []string{"--base-url=http://a.example"}, net.IPv4(192, 0, 2, 1), []string{"plain http"}},
		{"open, behind no proxy", []string{"--base-url=https://a.example"}, net.IPv6zero, []string{"beside any proxy"}},
		{"open, behind a proxy", []string{"--base-url=https://a.example", "--trusted-proxy=10.0.0.0/8"}, net.IPv4zero, nil},
		{"open, TLS", []string{"--base-url=https://a.example", "--tls-cert=c", "--tls-key=k"}, net.IPv4zero, nil},
		{"TLS, plain link", []string{"--base-url=http://a.example", "--tls-cert=c", "--tls-key=k"}, net.IPv4zero, []string{"links will not work"}},
		{"no limit", []string{"--rate-limit=off"}, net.IPv4(127, 0, 0, 1), []string{"--rate-limit is off"}},
		{"everybody a proxy", []string{"--trusted-proxy=0.0.0.0/0,10.0.0.0/8"}, net.IPv4(127, 0, 0, 1), []string{"trusts everybody"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newProbe()
			if _, err := p.load(t, test.args, ""); err != nil {
				t.Fatal(err)
			}
			if p.baseURL == "" {
				p.baseURL = "http://localhost:1"
			}
			o := &operator{settings: p.settings}
			listeners := []net.Listener{listensOn{test.address}}
			got := o.advice(listeners, nil)
			if len(got) != len(test.want) {
				t.Fatalf("it says %q", got)
			}
			for i, want := range test.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("it says %q", got[i])
				}
			}
		})
	}
	if got := (&operator{settings: settings{rateLimit: server.DefaultRate}}).advice(nil, []net.Listener{listensOn{net.IPv4zero}}); len(got) != 1 || !strings.Contains(got[0], "--private-listen") {
		t.Errorf("of the private address it says %q", got)
	}
}

type listensOn struct{ ip net.IP }

func (l listensOn) Addr() net.Addr          { return &net.TCPAddr{IP: l.ip, Port: 1} }
func (listensOn) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (listensOn) Close() error              { return nil }
