package server

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
)

// TestPaths sends odd paths as they are. What the key is must be what the client escaped.
func TestPaths(t *testing.T) {
	long := strings.Repeat("k", 10_000)
	tests := []struct {
		target string
		status int
		text   string
		asked  string // what the Service was asked; empty for nothing
	}{
		{"POST /api/v1/secret/abc", 200, "", `Reveal "abc" ""`},
		{"POST /api/v1/secret/%61bc", 200, "", `Reveal "abc" ""`},
		{"POST /api/v1/secret/%2541", 200, "", `Reveal "%41" ""`},
		{"POST /api/v1/secret/%25zz", 200, "", `Reveal "%zz" ""`},
		{"POST /api/v1/secret/a%2Fb", 200, "", `Reveal "a/b" ""`},
		{"POST /api/v1/secret/a%2Fb%252F%25", 200, "", `Reveal "a/b%2F%" ""`},
		{"POST /api/v1/secret/a%2Fburn", 200, "", `Reveal "a/burn" ""`},
		{"POST /api/v1/secret/a+b", 200, "", `Reveal "a+b" ""`},
		{"POST /api/v1/secret/%20", 200, "", `Reveal " " ""`},
		{"POST /api/v1/secret/..", 200, "", `Reveal ".." ""`},
		{"POST /api/v1/secret/:key", 200, "", `Reveal ":key" ""`},
		{"POST /api/v1/secret/{key}", 200, "", `Reveal "{key}" ""`},
		{"POST /api/v1/secret/%00", 200, "", `Reveal "\x00" ""`},
		{"POST /api/v1/secret/%F0%9F%98%80", 200, "", `Reveal "😀" ""`},
		{"POST /api/v1/secret/a;b=c,d", 200, "", `Reveal "a;b=c,d" ""`},
		{"POST /api/v1/secret/" + long, 200, "", fmt.Sprintf("Reveal %q %q", long, "")},
		{"POST /api/v1/receipt/recent/burn", 200, "", `Burn "recent" ""`},
		{"POST /api/v1/secret/", 404, "Unknown secret", ""},
		{"POST /api/v1/secret", 404, "Not Found", ""},
		{"POST /api/v1/secret//", 404, "Not Found", ""},
		{"POST /api/v1/secret/a/", 404, "Not Found", ""},
		{"POST /api/v1/secret/a/b", 404, "Not Found", ""},
		{"POST /api/v1/receipt//burn", 404, "Unknown secret", ""},
		{"POST //api/v1/share", 404, "Not Found", ""},
		{"POST /api/v1//share", 404, "Not Found", ""},
		{"POST /api/v1/share/", 404, "Not Found", ""},
		{"POST /API/v1/share", 404, "Not Found", ""},
		{"POST /api/v1/x/../share", 404, "Not Found", ""},
		{"POST /api/v2/share", 404, "Not Found", ""},
		{"GET /api/v1/status/", 404, "Not Found", ""},
		{"GET /api/v1/status?%zz&;", 200, "", "Status"},
		{"GET /api/v1/status#x", 404, "Not Found", ""},
		{"GET http://elsewhere.example/api/v1/status", 200, "", "Status"},
		{"GET /", 404, "Not Found", ""},
		{"GET /api/v1/secret/abc", 405, "Method Not Allowed", ""},
		{"PUT /api/v1/share", 405, "Method Not Allowed", ""},
		{"DELETE /api/v1/receipt/abc", 405, "Method Not Allowed", ""},
		{"GET /api/v1/receipt/abc/burn", 405, "Method Not Allowed", ""},
		{"QUERY /api/v1/status", 405, "Method Not Allowed", ""},
		{"share /api/v1/share", 405, "Method Not Allowed", ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%.60s", test.target), func(t *testing.T) {
			service := newStub()
			site := serve(t, service)
			method, path, _ := strings.Cut(test.target, " ")
			path, _, _ = strings.Cut(path, "?")
			answer := site.raw(t, method, path, written(test.target, "", "", false))
			answer.want(t, test.status, test.text)
			want := []string(nil)
			if test.asked != "" {
				want = []string{test.asked}
			}
			if d := cmp.Diff(want, requests(service.seen())); d != "" {
				t.Errorf("the Service was asked (-want +got):\n%s", d)
			}
			if allow := answer.Header.Get("Allow"); (allow != "") != (test.status == 405) {
				t.Errorf("%d with Allow %q", test.status, allow)
			}
		})
	}
}

// TestMalformedTargets are refused before they reach the handler. They must not end it.
func TestMalformedTargets(t *testing.T) {
	site := serve(t, newStub())
	for _, target := range []string{"POST /api/v1/secret/%zz", "POST /api/v1/secret/a b", "GET", "\x00\x01 / x", "POST share"} {
		answer := make([]byte, len("HTTP/1.1 400"))
		if _, err := io.ReadFull(site.dial(t, written(target, "", "", false)), answer); err != nil || string(answer) != "HTTP/1.1 400" {
			t.Errorf("%q: %q, %v", target, answer, err)
		}
	}
	site.call(t, "GET", "/api/v1/status", "").want(t, 200, "")
}

// TestHeadAndOptions consume nothing, on any route.
func TestHeadAndOptions(t *testing.T) {
	for _, r := range routes(t) {
		for _, method := range []string{"HEAD", "OPTIONS", "GET", "TRACE", "PATCH"} {
			if method == r.op.Method {
				continue
			}
			service := newStub()
			answer := serve(t, service).call(t, method, r.path, "", r.edit...)
			if n := service.committed(); n != 0 {
				t.Errorf("%s %s committed", method, r.op.Path)
			}
			for _, c := range service.seen() {
				if c.Method != "Receipt" && c.Method != "Recent" {
					t.Errorf("%s %s asked for %s", method, r.op.Path, c.Method)
				}
			}
			if answer.Status >= 500 || (method == "HEAD" && answer.Body != "") {
				t.Errorf("%s %s: %d %q", method, r.op.Path, answer.Status, answer.Body)
			}
			if answer.Status >= 204 && answer.Header.Get("Allow") == "" {
				t.Errorf("%s %s: %d without Allow", method, r.op.Path, answer.Status)
			}
		}
	}
}

// TestLongBody sends more than is taken, to every operation. The client gets to read the answer.
func TestLongBody(t *testing.T) {
	const size = 10 << 20
	for _, r := range routes(t) {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s chunked=%v", r.op.ID, chunked), func(t *testing.T) {
				service := newStub()
				answer := r.send(t, serve(t, service), func(q *http.Request) {
					q.Body = io.NopCloser(io.LimitReader(endless{}, size))
					q.ContentLength = size
					if chunked {
						q.ContentLength = -1
					}
				})
				if r.op.Method == http.MethodGet { // its body means nothing
					answer.want(t, 200, "")
					return
				}
				answer.want(t, 422, "")
				kind("BodyTooLarge")(t, answer)
				if calls := service.seen(); len(calls) != 0 {
					t.Errorf("the Service was asked %v", calls)
				}
			})
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestLongBodyIsTakenIn serves a client that sends all before it reads: it must not find the connection closed.
func TestLongBodyIsTakenIn(t *testing.T) {
	const size = 20 << 20
	site := serve(t, newStub())
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", share, formType, size)
	conn := site.dial(t, "")
	if _, err := io.Copy(conn, io.MultiReader(strings.NewReader(head), io.LimitReader(endless{}, size))); err != nil {
		t.Fatalf("sending: %v", err)
	}
	answer := make([]byte, len("HTTP/1.1 422"))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 422" {
		t.Errorf("%q, %v", answer, err)
	}
}

// TestMaxBody counts to the byte.
func TestMaxBody(t *testing.T) {
	site := serve(t, newStub(), func(c *Config) { c.MaxBody = 100 })
	for size, status := range map[int]int{99: 200, 100: 200, 101: 422} {
		site.call(t, "POST", share, "secret="+strings.Repeat("x", size-len("secret="))).want(t, status, "")
	}
}

// TestBodyCutOff tells a body that did not come whole from a shorter one.
func TestBodyCutOff(t *testing.T) {
	tests := []struct {
		name, target, request string
		status                int
	}{
		{"malformed chunk", "POST " + share, "Transfer-Encoding: chunked\r\n\r\nzz\r\nsecret=a\r\n0\r\n\r\n", 400},
		{"malformed second chunk", "POST " + share, "Transfer-Encoding: chunked\r\n\r\n8\r\nsecret=a\r\nq\r\n", 400},
		{"malformed chunk of a GET", "GET /api/v1/status", "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			service := newStub()
			head := test.target + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + formType + "\r\n"
			method, path, _ := strings.Cut(test.target, " ")
			serve(t, service).raw(t, method, path, head+test.request).want(t, test.status, "")
			if n := service.committed(); n != 0 {
				t.Error("committed")
			}
		})
	}
}

// TestCredentials sends wrong ones of every kind to every operation: 401, also where none are needed.
func TestCredentials(t *testing.T) {
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	right := basic(username + ":" + token)
	tests := map[string][]string{
		"empty":              {""},
		"Bearer":             {"Bearer " + token},
		"scheme alone":       {"Basic"},
		"scheme and space":   {"Basic "},
		"no colon":           {basic(username)},
		"not base64":         {"Basic ***"},
		"unpadded garbage":   {"Basic a"},
		"empty user":         {basic(":" + token)},
		"empty password":     {basic(username + ":")},
		"both empty":         {basic(":")},
		"unknown user":       {basic("eve@example.com:" + token)},
		"wrong password":     {basic(username + ":" + token + " ")},
		"twice":              {right, right},
		"right, then empty":  {right, ""},
		"empty, then right":  {"", right},
		"right in a list":    {right + ", " + right},
		"not UTF-8":          {basic("\xff:\xff")},
		"a megabyte, nearly": {basic(strings.Repeat("u", 300_000) + ":" + token)},
	}
	for name, headers := range tests {
		t.Run(name, func(t *testing.T) {
			service := newStub()
			site := serve(t, service)
			for _, r := range routes(t) {
				answer := r.send(t, site, func(q *http.Request) { q.Header["Authorization"] = headers })
				answer.want(t, 401, "Not authorized")
			}
			if calls := service.seen(); len(calls) != 0 {
				t.Errorf("the Service was asked %v", calls)
			}
		})
	}
	t.Run("nobody has an account", func(t *testing.T) {
		site := serve(t, newStub(), func(c *Config) { c.Authenticate = nil })
		for _, r := range routes(t) {
			r.send(t, site, withAccount).want(t, 401, "Not authorized")
		}
	})
	t.Run("scheme in another case", func(t *testing.T) {
		serve(t, newStub()).call(t, "GET", "/api/v1/authcheck", "", withHeader("Authorization", "bAsIc "+right[6:])).want(t, 200, "")
	})
	t.Run("before the request is judged", func(t *testing.T) {
		site := serve(t, newStub())
		site.call(t, "POST", share, "secret=%zz", withHeader("Authorization", "x")).want(t, 401, "")
		site.call(t, "POST", share, "{", withHeader("Authorization", "x"), withHeader("Content-Type", jsonType)).want(t, 401, "")
	})
}

// TestAbsurdHeaders change nothing.
func TestAbsurdHeaders(t *testing.T) {
	for name, lines := range map[string]string{
		"many":                strings.Repeat("X-A: b\r\n", 1000),
		"long":                "X-A: " + strings.Repeat("b", 100_000) + "\r\n",
		"request id":          "X-Request-Id: mine\r\n",
		"method override":     "X-HTTP-Method-Override: DELETE\r\n",
		"forwarded":           "Forwarded: for=1.2.3.4;host=evil\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: gopher\r\n",
		"Accept nothing":      "Accept: image/png\r\nAccept-Encoding: gzip\r\n",
		"Content-Type, twice": "Content-Type: " + formType + "\r\nContent-Type: text/plain\r\n",
		"Expect":              "Expect: 100-continue\r\n",
		"Cookie":              "Cookie: a=b; onetime=c\r\n",
		"range":               "Range: bytes=0-3\r\nIf-None-Match: *\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			site := serve(t, newStub())
			answer := site.raw(t, "POST", reveal, "POST "+reveal+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+lines+"\r\n")
			answer.want(t, 200, "")
			if answer.Header.Get("X-Request-Id") == "mine" {
				t.Error("a client chose the request id")
			}
			if strings.Contains(answer.Body+fmt.Sprint(answer.Header), "evil") {
				t.Error("a forwarded host was believed")
			}
		})
	}
}

// TestHostHeader never decides what links say.
func TestHostHeader(t *testing.T) {
	site := serve(t, newStub())
	answer := site.call(t, "GET", "/api/v1/receipt/"+receiptKey, "", func(r *http.Request) { r.Host = "evil.example" })
	if got := answer.fields(t)["metadata_url"]; got != "https://secrets.example.com/receipt/"+receiptKey {
		t.Errorf("metadata_url = %v", got)
	}
}

// TestAnswersDiffer only in their id: a wrong passphrase, an unknown key and a text that is no key.
func TestAnswersDiffer(t *testing.T) {
	service := newStub()
	service.err = onetime.ErrNotFound
	site := serve(t, service)
	var first map[string]any
	for _, path := range []string{reveal, "/api/v1/secret/x", "/api/v1/secret/%2F", "/api/v1/secret/%F0%9F%98%80"} {
		answer := site.call(t, "POST", path, "passphrase=wrong").fields(t)
		delete(answer, "error_id")
		if first == nil {
			first = answer
		}
		if d := cmp.Diff(first, answer); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
}
