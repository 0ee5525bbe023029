package contract

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A service answers every request alike and keeps what it got.
type service struct {
	url      string
	requests atomic.Int32
	body     string
	length   int64
	path     string
}

func serve(t *testing.T, status int, contentType, answer string) *service {
	t.Helper()
	s := &service{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		s.requests.Add(1)
		s.body, s.length, s.path = string(data), r.ContentLength, r.URL.EscapedPath()
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// send posts a form, or gets if there is none, and returns the answer's body.
func send(t *testing.T, transport http.RoundTripper, url, body string) (string, error) {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", form)
	}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), nil
}

func TestTransportEnforces(t *testing.T) {
	const status, recent, share = "/api/v1/status", "/api/v1/receipt/recent", "/api/v1/share"
	const up = `{"status":"nominal","locale":"en"}`
	tests := []struct {
		name, path, body string
		status           int
		answer, want     string
		sent             int32
		kept             string // what Body gives
	}{
		{"good", status, "", 200, up, "", 1, ""},
		{"good form", share, "secret=x", 200, receiptJSON, "", 1, ""},
		{"documented error is no violation", share, "secret=x", 422, errorJSON, "", 1, ""},
		{"bad request", share, "secret=x&ttl=soon", 200, receiptJSON, "type /ttl", 0, ""},
		{"unknown operation", "/api/v2/status", "", 200, up, "operation", 0, ""},
		{"method of another operation", status, "a=b", 200, up, "operation", 0, ""},
		{"bad answer", status, "", 200, `{"status":"nominal"}`, "required /locale", 1, `{"status":"nominal"}`},
		{"undocumented status", recent, "", 429, errorJSON, "status", 1, errorJSON},
		{"nothing to follow", status, "", 302, "", "status", 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.status, "application/json", tt.answer)
			got, err := send(t, &Transport{}, s.url+tt.path, tt.body)
			if v := verdict(t, err); v != tt.want {
				t.Errorf("got %q, want %q", v, tt.want)
			}
			if n := s.requests.Load(); n != tt.sent || n > 0 && s.body != tt.body {
				t.Errorf("sent %d times with %q, want %d", n, s.body, tt.sent)
			}
			if err == nil && got != tt.answer {
				t.Errorf("the answer is %q, want %q", got, tt.answer)
			}
			var v *Violation
			if errors.As(err, &v) && string(v.Body()) != tt.kept {
				t.Errorf("the violation keeps %q, want %q", v.Body(), tt.kept)
			}
		})
	}
}

func TestTransportReports(t *testing.T) {
	const status, share = "/api/v1/status", "/api/v1/share"
	tests := []struct {
		name, path, body string
		maxBody          int64
		answer           string
		want             []string
	}{
		{"nothing to report", share, "secret=x", 0, receiptJSON, nil},
		{"bad request", share, "secret=x&ttl=soon", 0, receiptJSON, []string{"type /ttl"}},
		{"both bad", share, "ttl=soon", 0, "{", []string{"type /ttl", "syntax"}},
		{"unknown operation, whose answer is not checked", "/x", "", 0, "<", []string{"operation"}},
		{"unknown operation with a long body", "/x", "secret=123456789", 10, "long<<<<<<<<", []string{"operation"}},
		{"long request", share, "secret=123456789", 10, receiptJSON[:9], []string{"size", "syntax"}},
		{"long answer", status, "", 10, `{"status":"nominal","locale":"en"}`, []string{"size"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, 200, "application/json", tt.answer)
			var reported []string
			transport := &Transport{MaxBody: tt.maxBody, Report: func(v *Violation) { reported = append(reported, verdict(t, v)) }}
			got, err := send(t, transport, s.url+tt.path, tt.body)
			if err != nil || got != tt.answer {
				t.Errorf("got %q, %v", got, err)
			}
			if s.requests.Load() != 1 || s.body != tt.body {
				t.Errorf("sent %d times with %q", s.requests.Load(), s.body)
			}
			if diff := cmp.Diff(tt.want, reported); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTransportOff holds that nothing is checked, and that all the rest is done.
func TestTransportOff(t *testing.T) {
	for name, test := range map[string]struct{ path, body, answer string }{
		"good":              {"/api/v1/share", "secret=x", receiptJSON},
		"bad request":       {"/api/v1/share", "ttl=soon", receiptJSON},
		"bad answer":        {"/api/v1/status", "", "<"},
		"unknown operation": {"/x", "a=b", "<"},
		"long":              {"/api/v1/share", "secret=123456789", receiptJSON},
	} {
		s := serve(t, 200, "application/json", test.answer)
		report := func(v *Violation) { t.Errorf("%s: reported: %v", name, v) }
		got, err := send(t, &Transport{Off: true, Report: report, MaxBody: 10}, s.url+test.path, test.body)
		if err != nil || got != test.answer || s.body != test.body || s.requests.Load() != 1 {
			t.Errorf("%s: got %q, %v; sent %d times with %q", name, got, err, s.requests.Load(), s.body)
		}
	}
	var sent *http.Request
	base := roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r
		return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader("part"), brokenReader{}))}, nil
	})
	r, err := http.NewRequest(http.MethodPost, "http://h/api/v1/share", strings.NewReader("secret=x"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&Transport{Off: true, Base: base}).RoundTrip(r)
	var incomplete *IncompleteError
	if !errors.As(err, &incomplete) || string(incomplete.Body()) != "part" {
		t.Errorf("an answer that breaks off: %v", err)
	}
	if sent.GetBody != nil || r.GetBody == nil {
		t.Error("net/http could send the request again, or the request given was changed")
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestTransportBasePath(t *testing.T) {
	tests := []struct{ name, base, path, want string }{
		{"none", "", "/api/v1/status", ""},
		{"one", "/ots", "/ots/api/v1/status", ""},
		{"slash at its end", "/ots/", "/ots/api/v1/status", ""},
		{"only a slash", "/", "/api/v1/status", ""},
		{"escaped", "/a%20b", "/a%20b/api/v1/status", ""},
		{"not below it", "/ots", "/api/v1/status", "operation"},
		{"begins like it", "/ots", "/otsapi/v1/status", "operation"},
		{"part of the document's path", "/ap", "/api/v1/status", "operation"},
		{"there twice", "/ots", "/ots/ots/api/v1/status", "operation"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, 200, "application/json", `{"status":"nominal","locale":"en"}`)
			_, err := send(t, &Transport{BasePath: tt.base}, s.url+tt.path, "")
			if got := verdict(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err == nil && s.path != tt.path {
				t.Errorf("sent to %q", s.path)
			}
		})
	}
}

func TestTransportMaxBody(t *testing.T) {
	const answer = `{"status":"nominal","locale":"en"}`
	tests := []struct {
		name      string
		limit     int64
		body      string
		want      string
		wantsKept string
	}{
		{"answer at the limit", int64(len(answer)), "", "", ""},
		{"answer past it", int64(len(answer)) - 1, "", "size", answer},
		{"request at the limit", 8, "secret=x", "size", receiptJSON[:9]}, // the answer is not
		{"request past it", 7, "secret=x", "size", ""},
		{"no limit to speak of", math.MaxInt64, "", "", ""},
		{"negative stands for the default", -1, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, out := "/api/v1/status", answer
			if tt.body != "" {
				path, out = "/api/v1/share", receiptJSON
			}
			s := serve(t, 200, "application/json", out)
			_, err := send(t, &Transport{MaxBody: tt.limit}, s.url+path, tt.body)
			if got := verdict(t, err); got != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			var v *Violation
			if errors.As(err, &v) && string(v.Body()) != tt.wantsKept {
				t.Errorf("keeps %q, want %q", v.Body(), tt.wantsKept)
			}
		})
	}
	if (&Transport{}).maxBody() != DefaultMaxBody {
		t.Error("the zero Transport has another limit")
	}
}

func TestTransportLeavesTheCallersRequestAlone(t *testing.T) {
	s := serve(t, 200, "application/json", receiptJSON)
	body := &closeCounter{Reader: strings.NewReader("secret=x")}
	r, err := http.NewRequest("POST", s.url+"/api/v1/share", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form)
	before := r.Clone(context.Background())
	response, err := (&Transport{}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if diff := cmp.Diff(before.Header, r.Header); diff != "" || r.Body != body || r.ContentLength != 0 || r.URL.String() != before.URL.String() {
		t.Errorf("the request has changed: %s", diff)
	}
	if s.body != "secret=x" || s.length != 8 {
		t.Errorf("sent %q with the length %d", s.body, s.length)
	}
	if body.closed != 1 {
		t.Errorf("the body was closed %d times", body.closed)
	}
}

// A body without bytes is sent as no body, not as an empty one in chunks.
func TestTransportSendsNoBodyAsNone(t *testing.T) {
	for name, body := range map[string]io.Reader{"nil": nil, "NoBody": http.NoBody, "empty": strings.NewReader(""), "empty, of unknown length": &closeCounter{Reader: strings.NewReader("")}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, 200, "application/json", receiptJSON)
			r, err := http.NewRequest("POST", s.url+"/api/v1/receipt/"+key, body)
			if err != nil {
				t.Fatal(err)
			}
			response, err := (&Transport{}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if s.length != 0 || s.path != "/api/v1/receipt/"+key {
				t.Errorf("length %d, path %s", s.length, s.path)
			}
		})
	}
}

func TestTransportClosesBodies(t *testing.T) {
	failing := errors.New("broken")
	tests := []struct {
		name, path  string
		maxBody     int64
		report      bool
		request     io.Reader
		answer      io.Reader
		want        error
		answerComes bool
	}{
		{"good", "/api/v1/share", 0, false, strings.NewReader("secret=x"), strings.NewReader(receiptJSON), nil, true},
		{"bad request", "/api/v1/share", 0, false, strings.NewReader("ttl=x"), strings.NewReader(receiptJSON), nil, false},
		{"unknown operation", "/x", 0, false, strings.NewReader("x"), nil, nil, false},
		{"long request", "/api/v1/share", 5, false, strings.NewReader("secret=x"), nil, nil, false},
		{"long answer", "/api/v1/share", 9, false, strings.NewReader("secret=x"), strings.NewReader(receiptJSON), nil, true},
		{"long, reported", "/api/v1/share", 5, true, strings.NewReader("secret=x"), strings.NewReader(receiptJSON), nil, true},
		{"broken request", "/api/v1/share", 0, false, errorReader{failing}, nil, failing, false},
		{"broken request, reported", "/api/v1/share", 0, true, errorReader{failing}, nil, failing, false},
		{"broken answer", "/api/v1/share", 0, false, strings.NewReader("secret=x"), errorReader{failing}, failing, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request, answer := &closeCounter{Reader: tt.request}, &closeCounter{Reader: tt.answer}
			sent := 0
			transport := &Transport{MaxBody: tt.maxBody, Base: roundTrip(func(r *http.Request) (*http.Response, error) {
				sent++
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				return &http.Response{StatusCode: 200, Header: jsonType(), Body: answer, ContentLength: -1}, nil
			})}
			if tt.report {
				transport.Report = func(*Violation) {}
			}
			r, err := http.NewRequest("POST", "http://example.com"+tt.path, request)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", form)
			response, err := transport.RoundTrip(r)
			if err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
			if request.closed != 1 || tt.answerComes && (answer.closed != 1 || sent != 1) || !tt.answerComes && sent != 0 {
				t.Errorf("request closed %d times, sent %d times, answer closed %d times", request.closed, sent, answer.closed)
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// With GetBody net/http would send a request again after some resets of HTTP/2, processed or not.
func TestTransportKeepsBodiesFromBeingSentAgain(t *testing.T) {
	sent := 0
	transport := &Transport{Base: roundTrip(func(r *http.Request) (*http.Response, error) {
		sent++
		if r.GetBody != nil {
			t.Error("the body can be had again")
		}
		return nil, errors.New("reset")
	})}
	if _, err := send(t, transport, "http://example.com/api/v1/share", "secret=x"); err == nil || sent != 1 {
		t.Errorf("sent %d times, %v", sent, err)
	}
}

func TestTransportTakesNoMethodForGet(t *testing.T) {
	r, _ := http.NewRequest("GET", serve(t, 200, "application/json", good200["Status"]).url+"/api/v1/status", nil)
	r.Method = ""
	response, err := (&Transport{}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

func TestTransportPassesFailuresThrough(t *testing.T) {
	failing := errors.New("no route")
	transport := &Transport{Base: roundTrip(func(*http.Request) (*http.Response, error) { return nil, failing })}
	_, err := send(t, transport, "http://example.com/api/v1/status", "")
	if v := (*Violation)(nil); !errors.Is(err, failing) || errors.As(err, &v) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", serve(t, 200, "application/json", "{}").url+"/api/v1/status", nil)
	if _, err := (&Transport{}).RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Errorf("the context of the request does not count: %v", err)
	}
}

func TestTransportWithAnotherContract(t *testing.T) {
	transport := &Transport{Contract: orders(t), Base: roundTrip(func(r *http.Request) (*http.Response, error) {
		if _, ok := r.Header["X-Age"]; r.Method != "HEAD" || ok {
			t.Errorf("sent %s %v", r.Method, r.Header)
		}
		return &http.Response{StatusCode: 200, Header: header("X-Age", "1"), Body: http.NoBody, ContentLength: 40}, nil
	})}
	r, _ := http.NewRequest("HEAD", "http://example.com/ping", nil)
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if response.ContentLength != 40 {
		t.Errorf("the length that HEAD asked for is now %d", response.ContentLength)
	}
}

type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// TestTransportReadsNoConnection holds that what stands for the connection after a 101, which no context ends, is closed and
// not read: a server could have a caller wait for ever.
func TestTransportReadsNoConnection(t *testing.T) {
	for name, transport := range map[string]*Transport{"enforced": {}, "reported": {Report: func(*Violation) {}}, "off": {Off: true}} {
		body := &closeCounter{Reader: errorReader{errors.New("it is read")}}
		transport.Base = roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: http.Header{}, Body: body, ContentLength: -1}, nil
		})
		r := httptest.NewRequest(http.MethodGet, "http://h.example/api/v1/status", nil)
		response, err := transport.RoundTrip(r)
		if body.closed != 1 {
			t.Errorf("%s: it is closed %d times", name, body.closed)
		}
		if name == "enforced" {
			if v := (*Violation)(nil); !errors.As(err, &v) || v.Rule != RuleStatus {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := io.ReadAll(response.Body); err != nil || len(got) > 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
