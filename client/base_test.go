package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

func TestBaseURL(t *testing.T) {
	for base, want := range map[string]string{
		"":          "/api/v1/status",
		"/":         "/api/v1/status",
		"//":        "/api/v1/status",
		"/api":      "/api/v1/status",
		"/api/":     "/api/v1/status",
		"/api//":    "/api/v1/status",
		"/sub":      "/sub/api/v1/status",
		"/sub/":     "/sub/api/v1/status",
		"/sub/api/": "/sub/api/v1/status",
		"/a%20b/ü":  "/a%20b/%C3%BC/api/v1/status",
		"/a%2Fb":    "/a%2Fb/api/v1/status",
		"/a/../b":   "/b/api/v1/status",
		"/apis":     "/apis/api/v1/status",
		"/api/api":  "/api/api/v1/status",
	} {
		var path string
		url := handle(t, func(w http.ResponseWriter, r *http.Request) {
			path = r.URL.EscapedPath()
			answer(200, nil, `{"status":"nominal","locale":"en"}`)(w, r)
		})
		if _, err := newClient(t, url+base).Status(t.Context()); err != nil {
			t.Errorf("%q: %v", base, err)
		}
		if path != want {
			t.Errorf("%q goes to %s, want %s", base, path, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	account := client.WithAccount(email, "hidden-token")
	for name, test := range map[string]struct {
		base string
		opts []client.Option
	}{
		"nothing":                {"", nil},
		"no scheme":              {"eu.onetimesecret.com", nil},
		"host and port":          {"localhost:3000", nil},
		"other scheme":           {"ftp://h.example", nil},
		"no host":                {"https://", nil},
		"port without host":      {"https://:3000", nil},
		"opaque":                 {"https:h.example", nil},
		"user info":              {"https://hidden-token@h.example", nil},
		"user and password":      {"https://u:hidden-token@h.example", nil},
		"query":                  {"https://h.example?hidden-token", nil},
		"empty query":            {"https://h.example/?", nil},
		"fragment":               {"https://h.example#hidden-token", nil},
		"empty fragment":         {"https://h.example#", nil},
		"control character":      {"https://hidden-token\x01/", nil},
		"plain http":             {"http://h.example", nil},
		"plain http, in capital": {"HTTP://h.example", nil},
		"plain http, address":    {"http://192.0.2.1", nil},
		"like localhost":         {"http://localhost.example", nil},
		"like loopback":          {"http://127.0.0.1.example", nil},
		"no token":               {client.EU, []client.Option{client.WithAccount(email, "")}},
		"no e-mail":              {client.EU, []client.Option{client.WithAccount("", "hidden-token")}},
		"colon":                  {client.EU, []client.Option{client.WithAccount("a:b", "hidden-token")}},
	} {
		c, err := client.New(test.base, append(test.opts, account)[:max(1, len(test.opts))]...)
		if err == nil {
			t.Errorf("%s is taken: %v", name, c)
			continue
		}
		if strings.Contains(err.Error(), "hidden-token") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, test := range map[string]struct {
		base string
		opts []client.Option
	}{
		"loopback":          {"http://127.0.0.1:1", nil},
		"loopback, another": {"http://127.9.9.9", nil},
		"loopback, IPv6":    {"http://[::1]:1", nil},
		"localhost":         {"http://localhost:1", nil},
		"allowed":           {"http://h.example", []client.Option{client.WithPlainHTTP()}},
		"nothing given":     {client.NZ, []client.Option{client.WithHTTPClient(nil), client.WithReport(nil)}},
	} {
		if _, err := client.New(test.base, test.opts...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWithHTTPClient(t *testing.T) {
	calls := 0
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		calls++
		w := httptest.NewRecorder()
		answer(200, nil, `{"status":"nominal","locale":"en"}`)(w, r.Clone(r.Context()))
		return w.Result(), nil
	})
	redirect := func(*http.Request, []*http.Request) error { return errors.New("mine") }
	h := &http.Client{Transport: transport, CheckRedirect: redirect, Timeout: time.Minute}
	c := newClient(t, "https://h.example", client.WithHTTPClient(h))
	if _, err := c.Share(t.Context(), onetime.ShareRequest{Secret: "s"}); err == nil {
		t.Error("a status is taken for a receipt")
	}
	if _, err := c.Status(t.Context()); err != nil || calls != 2 {
		t.Errorf("after %d calls of the transport: %v", calls, err)
	}
	if _, ok := h.Transport.(roundTripper); !ok || h.CheckRedirect(nil, nil).Error() != "mine" || h.Timeout != time.Minute {
		t.Error("the given client was changed")
	}
}

// TestTimeout runs on a clock of its own.
func TestTimeout(t *testing.T) {
	for name, test := range map[string]struct {
		timeout, context, took time.Duration
	}{
		"of an http.Client":         {time.Minute, 0, time.Minute},
		"of the context":            {0, time.Hour, time.Hour},
		"of the context, earlier":   {time.Minute, time.Second, time.Second},
		"of the context, but later": {time.Minute, time.Hour, time.Minute},
	} {
		for _, m := range eight("s", "p", unknownKey) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.context > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.context)
					defer cancel()
				}
				h := &http.Client{Transport: &script{answers: []any{waits}}, Timeout: test.timeout}
				started := time.Now()
				err := m.call(ctx, newClient(t, client.EU, client.WithHTTPClient(h)))
				checkNetworkError(t, m.name, err, true)
				if took := time.Since(started); took != test.took || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s, %s: after %v: %v", name, m.name, took, err)
				}
			})
		}
	}
}

// TestClientShowsNothing holds that a client does not print its token, nor does what it was made with.
func TestClientShowsNothing(t *testing.T) {
	c := newClient(t, client.EU, client.WithAccount(email, markToken))
	option := client.WithAccount(email, markToken)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("client", "client", c, "option", fmt.Sprint(option))
	text := fmt.Sprintf("%v|%+v|%#v|%v|%+v|%#v|%v|%s", c, c, c, *c, *c, *c, option, log.String())
	if found := leaked(text); len(found) > 0 {
		t.Errorf("it shows %q in %s", found, text)
	}
}

// TestRaw holds that the generated client sends through the same checks, with the same credentials.
func TestRaw(t *testing.T) {
	url, token := newServer(t)
	c := newClient(t, url, client.WithAccount(email, token))
	response, err := c.Raw().V1PrivateShowReceiptRecent(t.Context())
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", response, err)
	}
	response.Body.Close()
	_, err = c.Raw().V1ShareWithBody(t.Context(), "text/plain", strings.NewReader("secret=s"))
	var broken *contract.Violation
	if !errors.As(err, &broken) || broken.Rule != contract.RuleContentType {
		t.Errorf("a wrong Content-Type: %v", err)
	}
	h := &http.Client{Transport: &script{answers: []any{errNetwork}}}
	_, err = newClient(t, client.EU, client.WithHTTPClient(h)).Raw().V1PrivateShowReceipt(t.Context(), markKey)
	if !errors.Is(err, errNetwork) || len(leaked(err.Error())) > 0 {
		t.Errorf("a failure of the network: %v", err)
	}
}
