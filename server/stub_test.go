package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

const (
	receiptKey = "k7q2m4x9c1v8b3n6a5s0d7f2g4h1j9z"
	secretKey  = "k7p0o9i8u7y6t5r4e3w2q1a2s3d4f5g"
	username   = "ada@example.com"
	token      = "the-token-of-ada"
)

var (
	made     = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	received = time.Date(2026, 1, 3, 4, 5, 6, 0, time.UTC)
)

// A stub is a Service that answers what its fields say and remembers what it was asked.
type stub struct {
	err     error // what every method returns
	status  onetime.Status
	receipt onetime.Receipt // of share and of receipt
	made    onetime.Receipt // of generate
	secret  onetime.Secret
	burned  onetime.Burned
	recent  []onetime.Receipt
	hook    func(context.Context)       // runs in every method
	commit  func(context.Context) error // nil commits

	mu      sync.Mutex
	calls   []call
	commits int
}

// A call is what a Service was asked.
type call struct {
	Method  string
	Caller  onetime.Caller
	Request any
}

func newReceipt() onetime.Receipt {
	return onetime.Receipt{
		Custid:        onetime.Anonymous,
		Key:           receiptKey,
		SecretKey:     secretKey,
		State:         onetime.StateNew,
		Created:       made,
		Updated:       made,
		TTL:           time.Hour,
		ReceiptTTL:    2*time.Hour - time.Millisecond,
		SecretTTL:     time.Hour - time.Millisecond,
		Recipients:    []string{"fo*****@e*****.com"},
		HasPassphrase: true,
	}
}

func receivedReceipt() onetime.Receipt {
	r := newReceipt()
	r.State, r.Updated, r.Received = onetime.StateReceived, received, received
	return r
}

func burnedReceipt() onetime.Receipt {
	r := newReceipt()
	r.State, r.Updated, r.SecretTTL = onetime.StateBurned, received, 0
	return r
}

func newStub() *stub {
	generated := newReceipt()
	generated.Value = "a generated value"
	return &stub{
		status:  onetime.Status{Status: onetime.StatusNominal, Locale: "en"},
		receipt: newReceipt(),
		made:    generated,
		secret:  onetime.Secret{Value: "the <secret> & \"more\"\n", Key: secretKey},
		burned:  onetime.Burned{Receipt: burnedReceipt(), ShortKey: "k7p0o9i8"},
		recent:  []onetime.Receipt{newReceipt(), receivedReceipt()},
	}
}

func (s *stub) asked(ctx context.Context, method string, caller onetime.Caller, request any) error {
	s.mu.Lock()
	s.calls = append(s.calls, call{method, caller, request})
	s.mu.Unlock()
	if s.hook != nil {
		s.hook(ctx)
	}
	return s.err
}

// seen returns the calls so far, and forgets them.
func (s *stub) seen() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func (s *stub) committed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}

func (s *stub) doCommit(ctx context.Context) error {
	s.mu.Lock()
	s.commits++
	s.mu.Unlock()
	if s.commit == nil {
		return nil
	}
	return s.commit(ctx)
}

func (s *stub) Status(ctx context.Context, c onetime.Caller) (onetime.Status, error) {
	return s.status, s.asked(ctx, "Status", c, nil)
}

func (s *stub) AuthCheck(ctx context.Context, c onetime.Caller) (onetime.Status, error) {
	return s.status, s.asked(ctx, "AuthCheck", c, nil)
}

func (s *stub) Share(ctx context.Context, c onetime.Caller, r onetime.ShareRequest) (onetime.Pending[onetime.Receipt], error) {
	return onetime.Pending[onetime.Receipt]{Answer: s.receipt, Commit: s.doCommit}, s.asked(ctx, "Share", c, r)
}

func (s *stub) Generate(ctx context.Context, c onetime.Caller, r onetime.GenerateRequest) (onetime.Pending[onetime.Receipt], error) {
	return onetime.Pending[onetime.Receipt]{Answer: s.made, Commit: s.doCommit}, s.asked(ctx, "Generate", c, r)
}

func (s *stub) Reveal(ctx context.Context, c onetime.Caller, r onetime.RevealRequest) (onetime.Pending[onetime.Secret], error) {
	return onetime.Pending[onetime.Secret]{Answer: s.secret, Commit: s.doCommit}, s.asked(ctx, "Reveal", c, r)
}

func (s *stub) Burn(ctx context.Context, c onetime.Caller, r onetime.BurnRequest) (onetime.Pending[onetime.Burned], error) {
	return onetime.Pending[onetime.Burned]{Answer: s.burned, Commit: s.doCommit}, s.asked(ctx, "Burn", c, r)
}

func (s *stub) Receipt(ctx context.Context, c onetime.Caller, key onetime.Sensitive) (onetime.Receipt, error) {
	return s.receipt, s.asked(ctx, "Receipt", c, key)
}

func (s *stub) Recent(ctx context.Context, c onetime.Caller) ([]onetime.Receipt, error) {
	return s.recent, s.asked(ctx, "Recent", c, nil)
}

type account string

func (a account) Custid() string { return string(a) }

func authenticate(_ context.Context, name, password string) (onetime.Account, error) {
	if name != username || password != token {
		return nil, onetime.ErrUnauthorized
	}
	return account(name), nil
}

// A site is a served Service, with what it logs.
type site struct {
	*httptest.Server
	base string // path of the BaseURL
	log  *logBuffer
}

// A logBuffer may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

// serve serves a Service to accounts and others. Functions may change the Config.
func serve(t testing.TB, service Service, change ...func(*Config)) *site {
	t.Helper()
	log := &logBuffer{}
	config := Config{
		BaseURL:      "https://secrets.example.com",
		Authenticate: authenticate,
		Logger:       slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.Level(-100)})),
	}
	for _, f := range change {
		f(&config)
	}
	handler, err := New(service, config)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	_, base, _ := strings.Cut(strings.TrimPrefix(config.BaseURL, "https://"), "/")
	if base != "" {
		base = "/" + base
	}
	s := listen(t, handler, log)
	s.base = base
	return s
}

// listen serves a handler. What net/http logs, such as a panic, goes where the handler logs.
func listen(t testing.TB, handler http.Handler, log *logBuffer) *site {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(log, nil), slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	return &site{Server: server, log: log}
}

func normalizing(c *Config) { c.Normalize = true }

// A message is a response with its body.
type message struct {
	Status int
	Header http.Header
	Body   string
}

// fields returns the members of a JSON object.
func (m message) fields(t testing.TB) map[string]any {
	t.Helper()
	var fields map[string]any
	dec := json.NewDecoder(strings.NewReader(m.Body))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		t.Fatalf("body %q: %v", m.Body, err)
	}
	return fields
}

// request makes a request as the contract documents it. An edit may change it.
func (s *site) request(t testing.TB, method, path, form string, edit ...func(*http.Request)) *http.Request {
	t.Helper()
	var body io.Reader
	if form != "" {
		body = strings.NewReader(form)
	}
	r, err := http.NewRequest(method, s.URL+s.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, f := range edit {
		f(r)
	}
	return r
}

func withAccount(r *http.Request) { r.SetBasicAuth(username, token) }

func withHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// do sends a request and checks what comes back against the contract, whatever it is.
func (s *site) do(t testing.TB, r *http.Request) message {
	t.Helper()
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return s.check(t, r.Method, r.URL.EscapedPath(), response)
}

// call is do with request.
func (s *site) call(t testing.TB, method, path, form string, edit ...func(*http.Request)) message {
	t.Helper()
	return s.do(t, s.request(t, method, path, form, edit...))
}

// raw sends bytes as they are, in a connection of its own.
func (s *site) raw(t testing.TB, method, path, bytes string) message {
	t.Helper()
	conn := s.dial(t, bytes)
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: no answer: %v", method, path, err)
	}
	return s.check(t, method, path, response)
}

// dial opens a connection and sends bytes through it.
func (s *site) dial(t testing.TB, bytes string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = io.WriteString(conn, bytes) }()
	return conn
}

// check reads a response and holds it to what is true of every answer.
func (s *site) check(t testing.TB, method, escapedPath string, response *http.Response) message {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	m := message{response.StatusCode, response.Header, string(body)}
	op, _ := contract.V1().Match(method, strings.TrimPrefix(escapedPath, s.base))
	switch {
	case op != nil:
		if err := op.CheckResponse(m.Status, m.Header, body); err != nil {
			t.Errorf("%v\n%s", err, body)
		}
	case method != http.MethodHead && m.Status >= 400:
		if err := contract.V1().CheckSchema("Error", body); err != nil {
			t.Errorf("%v\n%s", err, body)
		}
	}
	if method != http.MethodHead && m.Status >= 400 {
		checkError(t, m)
	}
	return m
}

// checkError checks what clients rely on in every error.
func checkError(t testing.TB, m message) {
	t.Helper()
	if got := m.Header.Get("Content-Type"); !strings.Contains(got, "application/json") {
		t.Errorf("Content-Type = %q", got)
	}
	fields := m.fields(t)
	id, _ := fields["error_id"].(string)
	if id == "" || id != m.Header.Get("X-Request-Id") {
		t.Errorf("error_id = %q, X-Request-Id = %q, want the same", id, m.Header.Get("X-Request-Id"))
	}
	if text, _ := fields["message"].(string); text == "" {
		t.Error("an error without a message")
	}
	if got := m.Header.Get("WWW-Authenticate"); (got != "") != (m.Status == http.StatusUnauthorized) {
		t.Errorf("%d with WWW-Authenticate %q", m.Status, got)
	}
}

// want compares a status and, if it is not empty, an error's message.
func (m message) want(t testing.TB, status int, text string) {
	t.Helper()
	if m.Status != status {
		t.Errorf("status = %d, want %d; body %.300s", m.Status, status, m.Body)
		return
	}
	if text == "" {
		return
	}
	if got := m.fields(t)["message"]; got != text {
		t.Errorf("message = %q, want %q", got, text)
	}
}

// A route is an operation with a documented request for it.
type route struct {
	op     *contract.Operation
	path   string // with a key
	form   string
	method string // of the Service
	edit   []func(*http.Request)
}

// routes returns every operation of the contract, so that a new one is in every table at once.
func routes(t testing.TB) []route {
	t.Helper()
	var all []route
	for _, op := range contract.V1().Operations() {
		r := route{op: op, path: strings.ReplaceAll(op.Path, "{key}", receiptKey)}
		if op.RequiresCredentials() {
			r.edit = append(r.edit, withAccount)
		}
		switch name := op.Path[strings.LastIndex(op.Path, "/")+1:]; {
		case name == "share", name == "create":
			r.method, r.form = "Share", "secret=hello"
		case name == "generate":
			r.method = "Generate"
		case name == "status":
			r.method = "Status"
		case name == "authcheck":
			r.method = "AuthCheck"
		case name == "burn":
			r.method = "Burn"
		case name == "recent":
			r.method = "Recent"
		case strings.Contains(op.Path, "/secret/"):
			r.method = "Reveal"
		case name == "{key}":
			r.method = "Receipt"
		default:
			t.Fatalf("no request for %s", op.ID)
		}
		all = append(all, r)
	}
	return all
}

// commits tells whether the route's effect is a step of its own.
func (r route) commits() bool {
	return r.method == "Share" || r.method == "Generate" || r.method == "Reveal" || r.method == "Burn"
}

func (r route) send(t testing.TB, s *site, edit ...func(*http.Request)) message {
	t.Helper()
	return s.call(t, r.op.Method, r.path, r.form, append(append([]func(*http.Request){}, r.edit...), edit...)...)
}
