package client_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

// FuzzAnswer holds of any answer, in each way of checking: it is a secret, or an error of one kind, which shows nothing of what
// was sent and nothing that a terminal would obey.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "", "", "", "application/json", `{"value":"v","secret_key":"k","share_domain":""}`)
	f.Add(200, "", "", "", "text/html", `<p>`)
	f.Add(404, "401", "", "", "application/json", `{"message":"Not authorized","error":"E","field":"f","error_id":"i"}`)
	f.Add(429, "", "7", "", "application/json; charset=utf-8", `{"message":7,"error":null}`)
	f.Add(503, "", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:27:00 GMT", "", "")
	f.Add(302, "99999999999999999999", "-1", "x", "application/json", "{\"message\":\"\x1b[31mmark passphrase/+&=%\\\"2\"}")
	f.Fuzz(func(t *testing.T, status int, intended, retryAfter, date, contentType, body string) {
		answer := func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Header: http.Header{
				"X-Ots-Intended-Status": {intended}, "Retry-After": {retryAfter}, "Date": {date}, "Content-Type": {contentType},
			}}, nil
		}
		for _, option := range []client.Option{client.WithReport(nil), client.WithReport(func(*contract.Violation) {}), client.WithoutChecks()} {
			h := &http.Client{Transport: &script{answers: []any{answer}}}
			c := newClient(t, client.EU, client.WithHTTPClient(h), client.WithAccount(email, markToken), option)
			secret, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: markKey, Passphrase: markPassphrase})
			if err == nil {
				if secret.Value == "" {
					t.Error("nothing is revealed")
				}
				continue
			}
			checkSecrecy(t, "reveal", err)
			checkOneKind(t, err)
		}
	})
}

func checkOneKind(t *testing.T, err error) {
	t.Helper()
	var refused *client.Error
	var broken *contract.Violation
	var network *client.NetworkError
	kinds := 0
	for _, is := range []bool{errors.As(err, &refused), errors.As(err, &broken), errors.As(err, &network)} {
		if is {
			kinds++
		}
	}
	if refused != nil && broken != nil && (errors.Is(err, onetime.ErrRateLimited) || max(refused.Status, refused.IntendedStatus) >= 500) {
		kinds-- // as proxies send it: see Error
	}
	if kinds != 1 {
		t.Errorf("it is of %d kinds: %v", kinds, err)
	}
	if refused == nil {
		return
	}
	if refused.RetryAfter < 0 || refused.IntendedStatus != 0 && (refused.IntendedStatus < 400 || refused.IntendedStatus > 599) {
		t.Errorf("it is %#v", refused)
	}
	for _, text := range []string{refused.Kind, refused.Message, refused.Field, refused.ID} {
		if len(text) > 1003 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("a text of it is %q", text)
		}
	}
}

// FuzzNew holds that a base URL is taken apart as it is used: it leads to one host, over https or on this machine.
func FuzzNew(f *testing.F) {
	for _, seed := range []string{client.EU, "http://localhost:1/api", "http://[::1]", "https://h/a%2Fb/../c//", "https://h\\@evil", "http://127.0.0.1.evil", "HTTPS://é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, base string) {
		c, err := client.New(base)
		if err != nil {
			return
		}
		u, err := url.Parse(c.SecretURL("k").Expose())
		if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.EscapedPath(), "/secret/k") {
			t.Fatalf("its links are like %v, %v", u, err)
		}
		ip := net.ParseIP(u.Hostname())
		if u.Scheme != "https" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			t.Fatalf("it goes to %s", u)
		}
	})
}
