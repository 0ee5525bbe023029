package client_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

func TestRefusals(t *testing.T) {
	const body = `{"error":"SomeKind","message":"Some words","field":"secret","error_id":"id-1"}`
	for _, test := range []struct {
		status   int
		intended string
		want     error
		counts   int
	}{
		{400, "", onetime.ErrInvalid, 0},
		{401, "", onetime.ErrUnauthorized, 0},
		{403, "", onetime.ErrForbidden, 0},
		{404, "", onetime.ErrNotFound, 0},
		{422, "", onetime.ErrRule, 0},
		{429, "", onetime.ErrRateLimited, 0},
		{500, "", nil, 0},
		{404, "400", onetime.ErrInvalid, 400},
		{404, "401", onetime.ErrUnauthorized, 401},
		{404, "403", onetime.ErrForbidden, 403},
		{404, "404", onetime.ErrNotFound, 404},
		{404, "422", onetime.ErrRule, 422},
		{404, "429", onetime.ErrRateLimited, 429},
		{404, "500", nil, 500},
		{404, "teapot", onetime.ErrNotFound, 0},
		{404, "-400", onetime.ErrNotFound, 0},
		{404, "99999999999999999999", onetime.ErrNotFound, 0},
	} {
		t.Run(fmt.Sprint(test.status, " ", test.intended), func(t *testing.T) {
			header := http.Header{"Retry-After": {"90"}}
			if test.intended != "" {
				header.Set("X-OTS-Intended-Status", test.intended)
			}
			_, err := newClient(t, handle(t, answer(test.status, header, body))).Share(t.Context(), onetime.ShareRequest{Secret: "s3cret"})
			for _, reason := range []error{onetime.ErrInvalid, onetime.ErrUnauthorized, onetime.ErrForbidden,
				onetime.ErrNotFound, onetime.ErrRule, onetime.ErrRateLimited} {
				want := reason == test.want || reason == onetime.ErrInvalid && test.want == onetime.ErrRule
				if got := errors.Is(err, reason); got != want {
					t.Errorf("errors.Is(%v) is %v", reason, got)
				}
			}
			var refused *client.Error
			if !errors.As(err, &refused) {
				t.Fatalf("it is %v", err)
			}
			if refused.Status != test.status || refused.IntendedStatus != test.counts || refused.Kind != "SomeKind" ||
				refused.Message != "Some words" || refused.Field != "secret" || refused.ID != "id-1" || refused.RetryAfter != 90*time.Second {
				t.Errorf("it is %#v", refused)
			}
			if text := err.Error(); !strings.HasPrefix(text, "share: ") || !strings.Contains(text, "Some words") || !strings.Contains(text, "id-1") {
				t.Errorf("it says %q", text)
			}
			var broken *contract.Violation
			var network *client.NetworkError
			if errors.As(err, &broken) || errors.As(err, &network) {
				t.Error("it is of two kinds")
			}
		})
	}
}

func TestOddRetryAfter(t *testing.T) {
	for sent, want := range map[string]time.Duration{"": 0, "0": 0, "7": 7 * time.Second} {
		header := http.Header{}
		if sent != "" {
			header.Set("Retry-After", sent)
		}
		_, err := newClient(t, handle(t, answer(429, header, `{"message":"slow"}`))).Generate(t.Context(), onetime.GenerateRequest{})
		var refused *client.Error
		if !errors.As(err, &refused) || refused.RetryAfter != want {
			t.Errorf("%q: %v", sent, err)
		}
	}
	_, err := newClient(t, handle(t, answer(429, http.Header{"Retry-After": {"Wed, 21 Oct 2015 07:28:00 GMT"}}, `{"message":"slow"}`)),
		client.WithReport(func(*contract.Violation) {})).Generate(t.Context(), onetime.GenerateRequest{})
	if !errors.Is(err, onetime.ErrRateLimited) {
		t.Errorf("a date: %v", err)
	}
}

// TestProxies holds that what a proxy says in the place of a server, who knows of no contract, is of use to a caller, and that
// no other answer against the contract counts as a refusal.
func TestProxies(t *testing.T) {
	for _, test := range []struct {
		status   int
		intended string
		limited  bool
		refused  bool
	}{
		{429, "", true, true},
		{404, "429", true, true},
		{500, "", false, true},
		{502, "", false, true},
		{503, "", false, true},
		{404, "503", false, true},
		{404, "", false, false},
		{404, "404", false, false},
		{401, "", false, false},
		{200, "", false, false},
		{302, "", false, false},
	} {
		header := http.Header{"Content-Type": {"text/html"}, "Retry-After": {"90"}}
		if test.intended != "" {
			header.Set("X-OTS-Intended-Status", test.intended)
		}
		c := newClient(t, handle(t, answer(test.status, header, `{"message":"v4lue"}`)), client.WithRetries(0))
		for name, err := range map[string]error{
			"share":   second(c.Share(t.Context(), onetime.ShareRequest{Secret: "s"})),
			"reveal":  second(c.Reveal(t.Context(), onetime.RevealRequest{Key: "k"})),
			"receipt": second(c.Receipt(t.Context(), "k")),
			"status":  second(c.Status(t.Context())),
		} {
			var refused *client.Error
			is := errors.As(err, &refused)
			if is != test.refused || errors.Is(err, onetime.ErrRateLimited) != test.limited || errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("%s, %d %s: %v", name, test.status, test.intended, err)
			}
			if is && (refused.Status != test.status || refused.RetryAfter != 90*time.Second || refused.Message != "") {
				t.Errorf("%s, %d %s: %#v", name, test.status, test.intended, refused)
			}
			var broken *contract.Violation
			if !errors.As(err, &broken) || string(broken.Body()) != `{"message":"v4lue"}` {
				t.Errorf("%s, %d %s: the violation is lost: %v", name, test.status, test.intended, err)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, refused), "v4lue") {
				t.Errorf("%s, %d %s: it shows the body: %v", name, test.status, test.intended, err)
			}
		}
	}
}

// TestBadRequestsAreNotSent holds that a request that breaks the contract stays here.
func TestBadRequestsAreNotSent(t *testing.T) {
	requests := 0
	c := newClient(t, handle(t, func(w http.ResponseWriter, r *http.Request) { requests++ }))
	for name, err := range map[string]error{
		"no secret":            second(c.Share(t.Context(), onetime.ShareRequest{Passphrase: "p"})),
		"secret not UTF-8":     second(c.Share(t.Context(), onetime.ShareRequest{Secret: "\xff\xfe"})),
		"passphrase not UTF-8": second(c.Reveal(t.Context(), onetime.RevealRequest{Key: "k", Passphrase: "\xff"})),
		"reveal without a key": second(c.Reveal(t.Context(), onetime.RevealRequest{})),
		"receipt without key":  second(c.Receipt(t.Context(), "")),
		"burn without a key":   second(c.Burn(t.Context(), onetime.BurnRequest{})),
	} {
		var broken *contract.Violation
		if !errors.As(err, &broken) || broken.Direction != contract.Request || broken.Status != 0 || broken.Body() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if requests != 0 {
		t.Errorf("%d requests were sent", requests)
	}
}

func second[T any](_ T, err error) error { return err }

func TestBadAnswers(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}}
	for name, test := range map[string]struct {
		handler       http.HandlerFunc
		rule, pointer string
	}{
		"missing field":       {answer(200, nil, `{"value":"v4lue","secret_key":"k"}`), "required", "/share_domain"},
		"wrong type":          {answer(200, nil, `{"value":7,"secret_key":"k","share_domain":"v4lue"}`), "type", "/value"},
		"null":                {answer(200, nil, `{"value":"v4lue","secret_key":null,"share_domain":""}`), "nullable", "/secret_key"},
		"no JSON":             {answer(200, nil, `v4lue`), contract.RuleSyntax, ""},
		"two JSON texts":      {answer(200, nil, `{"value":"v4lue","secret_key":"","share_domain":""}{}`), contract.RuleSyntax, ""},
		"twice":               {answer(200, nil, `{"value":"v4lue","value":"","secret_key":"","share_domain":""}`), contract.RuleDuplicate, ""},
		"empty body":          {answer(200, nil, ``), contract.RuleSyntax, ""},
		"HTML":                {answer(200, html, `<p>v4lue`), contract.RuleContentType, ""},
		"undocumented status": {answer(201, nil, `{"value":"v4lue","secret_key":"k","share_domain":""}`), contract.RuleStatus, ""},
		"gateway":             {answer(502, html, `<p>v4lue`), contract.RuleStatus, ""},
		"HTML 404":            {answer(404, html, `<p>v4lue`), contract.RuleContentType, ""},
		"404 without message": {answer(404, nil, `{"error":"v4lue"}`), "required", "/message"},
		"redirect":            {answer(302, http.Header{"Location": {"/v4lue"}}, `v4lue`), contract.RuleStatus, ""},
		"empty value":         {answer(200, nil, `{"value":"","secret_key":"v4lue","share_domain":""}`), contract.RuleSchema, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, handle(t, test.handler)).Reveal(t.Context(), onetime.RevealRequest{Key: "k3y"})
			var broken *contract.Violation
			if !errors.As(err, &broken) {
				t.Fatalf("it is %v", err)
			}
			if broken.Direction != contract.Response || broken.Rule != test.rule || broken.Pointer != test.pointer {
				t.Errorf("it is %v", broken)
			}
			if text := fmt.Sprintf("%v %+v %#v %v %#v", err, err, err, broken, broken); strings.Contains(text, "v4lue") || strings.Contains(text, "k3y") {
				t.Errorf("it says %s", text)
			}
			if name != "empty value" && name != "empty body" && !strings.Contains(string(broken.Body()), "v4lue") {
				t.Errorf("its body is %q", broken.Body())
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	other := 0
	elsewhere := handle(t, func(w http.ResponseWriter, r *http.Request) { other++ })
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := handle(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, status) })
		h := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
		for _, opts := range [][]client.Option{
			{client.WithAccount(email, "t")},
			{client.WithAccount(email, "t"), client.WithHTTPClient(h)},
			{client.WithAccount(email, "t"), client.WithReport(func(*contract.Violation) {})},
		} {
			for _, m := range eight("s", "p", unknownKey) {
				if err := m.call(t.Context(), newClient(t, url, opts...)); err == nil {
					t.Errorf("%d: %s succeeds", status, m.name)
				}
			}
		}
	}
	if other != 0 {
		t.Errorf("%d redirects were followed", other)
	}
}

// TestReport works with answers of v0.23: none of the names of v0.24, and no share_domain in a reveal.
func TestReport(t *testing.T) {
	const old = `{"custid":"anon","metadata_key":"mk","secret_key":"sk","state":"new","created":1700000000,"updated":1700000000,
		"ttl":3600,"metadata_ttl":7200,"secret_ttl":3600,"metadata_url":"https://h/private/mk","share_domain":"","recipient":[],"passphrase_required":true}`
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/share", answer(200, nil, old))
	mux.HandleFunc("GET /api/v1/private/mk", answer(200, nil, old))
	mux.HandleFunc("GET /api/v1/private/recent", answer(200, nil, "["+old+"]"))
	mux.HandleFunc("POST /api/v1/private/mk/burn", answer(200, nil, `{"state":`+old+`,"secret_shortkey":"sk"}`))
	mux.HandleFunc("POST /api/v1/generate", answer(201, nil, strings.Replace(old, `"ttl":3600`, `"value":"v","ttl":"3600"`, 1)))
	mux.HandleFunc("POST /api/v1/secret/sk", answer(200, nil, `{"value":"v","secret_key":"sk"}`))
	mux.HandleFunc("POST /api/v1/secret/gone", answer(404, nil, `{"mesage":"Unknown secret"}`))
	mux.HandleFunc("POST /api/v1/secret/empty", answer(200, nil, `{}`))
	mux.HandleFunc("POST /api/v1/secret/odd", answer(200, nil, `{"message":"Unknown secret"}`))
	mux.HandleFunc("POST /api/v1/secret/html", answer(200, http.Header{"Content-Type": {"text/html"}}, `<p>`))
	url := handle(t, mux.ServeHTTP)
	reported := 0
	c := newClient(t, url, client.WithReport(func(v *contract.Violation) {
		reported++
		if v.Direction != contract.Response || len(v.Body()) == 0 {
			t.Errorf("reported: %v with %q", v, v.Body())
		}
	}))
	enforcing := newClient(t, url)

	shared, err := c.Share(t.Context(), onetime.ShareRequest{Secret: "s"})
	if err != nil || shared.Key != "mk" || shared.SecretKey != "sk" || !shared.HasPassphrase || shared.TTL != time.Hour || shared.ReceiptTTL != 2*time.Hour {
		t.Errorf("share: %+v, %v", shared, err)
	}
	if receipt, err := c.Receipt(t.Context(), "mk"); err != nil || receipt.Key != "mk" {
		t.Errorf("receipt: %+v, %v", receipt, err)
	}
	if recent, err := c.Recent(t.Context()); err != nil || len(recent) != 1 || recent[0].Key != "mk" {
		t.Errorf("recent: %+v, %v", recent, err)
	}
	if burned, err := c.Burn(t.Context(), onetime.BurnRequest{Key: "mk"}); err != nil || burned.Receipt.Key != "mk" || burned.ShortKey != "sk" {
		t.Errorf("burn: %+v, %v", burned, err)
	}
	if secret, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: "sk"}); err != nil || secret.Value != "v" {
		t.Errorf("reveal: %+v, %v", secret, err)
	}
	// An undocumented success, with a number as a text: the rest of it is there.
	if made, err := c.Generate(t.Context(), onetime.GenerateRequest{}); err != nil || made.Value != "v" || made.SecretKey != "sk" || made.TTL != 0 {
		t.Errorf("generate: %+v, %v", made, err)
	}
	if _, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: "gone"}); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("a 404 without a message: %v", err)
	}
	if reported != 7 {
		t.Errorf("%d violations were reported, want 7", reported)
	}
	for _, key := range []onetime.Sensitive{"empty", "odd", "html"} { // nothing can be made of these
		var broken *contract.Violation
		if secret, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: key}); !errors.As(err, &broken) {
			t.Errorf("%s: %+v, %v", key.Expose(), secret, err)
		}
	}
	for _, m := range eight("s", "", "mk")[:4] {
		var broken *contract.Violation
		if err := m.call(t.Context(), enforcing); m.name != "reveal" && !errors.As(err, &broken) {
			t.Errorf("enforced: %s: %v", m.name, err)
		}
	}
}

func TestReportSendsBadRequests(t *testing.T) {
	var reported *contract.Violation
	c := newClient(t, handle(t, answer(400, nil, `{"message":"no"}`)), client.WithReport(func(v *contract.Violation) { reported = v }))
	if _, err := c.Share(t.Context(), onetime.ShareRequest{}); !errors.Is(err, onetime.ErrInvalid) {
		t.Errorf("it is %v", err)
	}
	if reported == nil || reported.Direction != contract.Request {
		t.Errorf("reported: %v", reported)
	}
}

// What no error may show. The values have characters that change when they are written into a form, a path or JSON.
const (
	markSecret     = "mark secret/+&=%\"\n1"
	markPassphrase = "mark passphrase/+&=%\"2"
	markKey        = "markkey/+&%3"
	markToken      = "mark:token/+&%4"
)

func leaked(text string) []string {
	var found []string
	for _, mark := range []string{markSecret, markPassphrase, markKey, markToken} {
		quoted, _ := json.Marshal(mark)
		for _, form := range []string{mark, url.QueryEscape(mark), url.PathEscape(mark), strings.Trim(string(quoted), `"`),
			base64.StdEncoding.EncodeToString([]byte(email + ":" + mark))} {
			if strings.Contains(text, form) {
				found = append(found, form)
			}
		}
	}
	for _, word := range []string{"mark secret", "mark%20secret", "mark passphrase", "markkey", "mark:token"} {
		if strings.Contains(text, word) {
			found = append(found, word)
		}
	}
	return found
}

func checkSecrecy(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeds", name)
		return
	}
	text := fmt.Sprintf("%v|%+v|%#v|%s|%q", err, err, err, err, err)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Error("failed", "error", err)
	inJSON, _ := json.Marshal(err)
	text += string(inJSON)
	var refused *client.Error
	if errors.As(err, &refused) {
		inJSON, _ = json.Marshal(refused)
		text += string(inJSON)
		text += fmt.Sprintf("%v|%+v|%#v|%+v|%#v", refused, refused, refused, *refused, *refused)
	}
	var network *client.NetworkError
	if errors.As(err, &network) {
		inJSON, _ = json.Marshal(network)
		text += string(inJSON)
		text += fmt.Sprintf("%v|%+v|%#v|%v|%+v|%#v", network, network, network, network.Err, network.Err, network.Err)
	}
	var broken *contract.Violation
	if errors.As(err, &broken) {
		inJSON, _ = json.Marshal(broken)
		text += string(inJSON)
		text += fmt.Sprintf("%v|%+v|%#v", broken, broken, broken)
	}
	if found := leaked(text + log.String()); len(found) > 0 {
		t.Errorf("%s shows %q in %s", name, found, text)
	}
}

// echo makes of a request what a hostile server knows of it.
func echo(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	_, token, _ := r.BasicAuth()
	return strings.Join([]string{r.URL.Path, r.URL.EscapedPath(), string(body), form.Get("secret"), form.Get("passphrase"), token,
		strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")}, " ")
}

func TestErrorsShowNothingThatWasSent(t *testing.T) {
	methods := eight(markSecret, markPassphrase, markKey)
	servers := map[string]http.HandlerFunc{
		"refusal": func(w http.ResponseWriter, r *http.Request) {
			text := echo(r)
			body, _ := json.Marshal(map[string]string{"message": text, "error": text, "field": text, "error_id": text})
			answer(404, http.Header{"X-Ots-Intended-Status": {"401"}}, string(body))(w, r)
		},
		"one at a time": func(w http.ResponseWriter, r *http.Request) {
			parts := strings.Split(echo(r), " ")
			body, _ := json.Marshal(map[string]string{"message": "why " + parts[len(parts)-1], "error": r.URL.Path})
			answer(401, nil, string(body))(w, r)
		},
		"wrong type": func(w http.ResponseWriter, r *http.Request) {
			body, _ := json.Marshal([]string{echo(r)})
			answer(200, nil, string(body))(w, r)
		},
		"unknown names": func(w http.ResponseWriter, r *http.Request) {
			body, _ := json.Marshal(map[string]map[string]string{echo(r): {echo(r): ""}})
			answer(200, nil, string(body))(w, r)
		},
		"HTML": func(w http.ResponseWriter, r *http.Request) { answer(500, nil, "<p>"+echo(r))(w, r) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/"+url.PathEscape(echo(r)), http.StatusFound)
		},
	}
	for name, handler := range servers {
		u := handle(t, handler)
		for _, report := range []func(*contract.Violation){nil, func(*contract.Violation) {}} {
			c := newClient(t, u, client.WithRetries(0), client.WithAccount(email, markToken), client.WithReport(report))
			for _, m := range methods {
				checkSecrecy(t, name+": "+m.name, m.call(t.Context(), c))
			}
		}
	}
}

// TestMessageOfServer holds what of a server's message is kept for people to see.
func TestMessageOfServer(t *testing.T) {
	for sent, want := range map[string]string{
		"plain words":               "plain words",
		"\x1b[31mred\r\nline\u0085": " [31mred  line ",
		strings.Repeat("x", 2000):   strings.Repeat("x", 1000) + "...",
		"you sent s3cret":           "[redacted]",
	} {
		body, _ := json.Marshal(map[string]string{"message": sent})
		_, err := newClient(t, handle(t, answer(400, nil, string(body)))).Share(t.Context(), onetime.ShareRequest{Secret: "s3cret"})
		var refused *client.Error
		if !errors.As(err, &refused) || refused.Message != want {
			t.Errorf("%q becomes %v", sent, err)
		}
	}
}
