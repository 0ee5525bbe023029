package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
)

// TestSecrecy plants a marker wherever a request has room for one, and lets calls fail and succeed in many ways. It must be in no
// log line and in no error.
func TestSecrecy(t *testing.T) {
	outcomes := map[string]func(*stub){
		"succeeds":     func(*stub) {},
		"unknown":      func(s *stub) { s.err = onetime.ErrNotFound },
		"fails":        func(s *stub) { s.err = errors.New("disk full") },
		"wrong status": func(s *stub) { s.err = onetime.ErrRateLimited },
		"wrong answer": func(s *stub) {
			s.receipt.State, s.burned.Receipt.State, s.made.State = marker, marker, marker
			s.secret.Value = marker + "\xff"
		},
		"panics":        func(s *stub) { s.hook = func(context.Context) { panic(marker) } },
		"error panics":  func(s *stub) { s.hook = func(context.Context) { panic(fmt.Errorf("%s", marker)) } },
		"struct panics": func(s *stub) { s.hook = func(context.Context) { panic(struct{ secret string }{marker}) } },
		"map panics":    func(s *stub) { s.hook = func(context.Context) { nothing()[marker] = 1 } },
		"cast panics":   func(s *stub) { s.hook = func(context.Context) { _ = any(onetime.Sensitive(marker)).(int) } },
		"text panics":   func(s *stub) { s.err = panickingError{} },
		"commit fails":  func(s *stub) { s.commit = func(context.Context) error { return errors.New("disk full") } },
		"commit panics": func(s *stub) { s.commit = func(context.Context) error { panic(marker) } },
	}
	multiType, multiBody := multipartForm("secret", marker, marker, marker, "@passphrase", marker)
	form := func(body string) func(*http.Request) {
		return func(r *http.Request) { setBody(r, formType, body) }
	}
	requests := map[string]func(*http.Request){
		"form":               form("secret=" + marker + "&passphrase=" + marker + "&" + marker + "=" + marker),
		"lifetime":           form("secret=a&ttl=" + marker),
		"lifetime, fraction": form("secret=a&ttl=1.5" + marker),
		"twice":              form("secret=" + marker + "&secret=" + marker),
		"unknown twice":      form(marker + "=1&" + marker + "=1&secret=a"),
		"malformed":          form("secret=" + marker + "%zz"),
		"not UTF-8":          form("secret=" + marker + "%ff"),
		"recipient":          form("secret=a&recipient=" + marker + "&share_domain=" + marker),
		"nothing":            form(marker + "=" + marker),
		"too long":           form("secret=" + marker + strings.Repeat("x", DefaultMaxBody)),
		"JSON":               func(r *http.Request) { setBody(r, jsonType, `{"secret":"`+marker+`","passphrase":"`+marker+`"}`) },
		"JSON, nested":       func(r *http.Request) { setBody(r, jsonType, `{"secret":{"`+marker+`":"`+marker+`"}}`) },
		"JSON, twice":        func(r *http.Request) { setBody(r, jsonType, `{"`+marker+`":1,"`+marker+`":2}`) },
		"JSON, cut off":      func(r *http.Request) { setBody(r, jsonType, `{"secret":"`+marker) },
		"multipart":          func(r *http.Request) { setBody(r, multiType, multiBody) },
		"multipart, cut off": func(r *http.Request) { setBody(r, multiType, multiBody[:len(multiBody)-20]) },
		"Content-Type":       func(r *http.Request) { setBody(r, "text/"+marker, marker) },
		"query":              func(r *http.Request) { r.URL.RawQuery = "secret=" + marker + "&" + marker + "=" + marker },
		"query, malformed":   func(r *http.Request) { r.URL.RawQuery = "secret=" + marker + "%zz" },
		"key":                func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, receiptKey, marker, 1) },
		"key, escaped":       func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, receiptKey, marker+"/%\xff", 1) },
		"unknown route":      func(r *http.Request) { r.URL.Path += "/" + marker + "/" + marker },
		"another route":      func(r *http.Request) { r.URL.Path = "/" + marker },
		"method":             func(r *http.Request) { r.Method = marker },
		"wrong token":        func(r *http.Request) { r.SetBasicAuth(marker, marker) },
		"no colon": func(r *http.Request) {
			r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(marker)))
		},
		"Bearer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+marker) },
		"headers": func(r *http.Request) {
			for _, name := range []string{"X-Forwarded-For", "X-Request-Id", "Cookie", "Referer", "User-Agent", "Origin", "Accept", marker} {
				r.Header.Set(name, marker)
			}
			r.Host = marker
		},
	}
	for outcome, happens := range outcomes {
		for name, edit := range requests {
			t.Run(outcome+", "+name, func(t *testing.T) {
				t.Parallel()
				service := newStub()
				happens(service)
				for _, normalize := range []bool{true, false} {
					if !normalize && outcome != "succeeds" {
						continue // what is refused without the option does not get that far
					}
					site := serve(t, service, func(c *Config) { c.Normalize = normalize })
					for _, r := range routes(t) {
						request := site.request(t, r.op.Method, r.path, r.form, r.edit...)
						edit(request)
						response, err := site.Client().Do(request)
						if err != nil {
							t.Fatal(err)
						}
						body := read(t, response)
						if response.StatusCode >= 400 && holdsMarker(body+fmt.Sprint(response.Header)) {
							t.Errorf("%s: the error holds it: %s", r.op.ID, body)
						}
					}
					if holdsMarker(site.log.String()) {
						t.Errorf("the log holds it:\n%s", linesWithMarker(site.log.String()))
					}
					if strings.Contains(site.log.String(), token) || strings.Contains(site.log.String(), receiptKey) {
						t.Error("the log holds a token or a key")
					}
				}
			})
		}
	}
}

func setBody(r *http.Request, contentType, body string) {
	fresh, _ := http.NewRequest(http.MethodPost, "http://x", strings.NewReader(body))
	r.Body, r.ContentLength, r.GetBody = fresh.Body, fresh.ContentLength, fresh.GetBody
	r.Header.Set("Content-Type", contentType)
}

// holdsMarker finds it also encoded, or the better part of it.
func holdsMarker(text string) bool {
	for _, form := range []string{marker, strings.ToLower(marker), marker[:14], url.QueryEscape(marker), base64.StdEncoding.EncodeToString([]byte(marker))} {
		if strings.Contains(text, form) || strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			return true
		}
	}
	return false
}

func linesWithMarker(text string) string {
	var found []string
	for line := range strings.Lines(text) {
		if holdsMarker(line) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// TestMarkerIsPlanted makes sure that the test above could find it.
func TestMarkerIsPlanted(t *testing.T) {
	service := newStub()
	site := serve(t, service, normalizing)
	site.call(t, "POST", share, "secret="+marker+"&passphrase="+marker).want(t, 200, "")
	if !strings.Contains(fmt.Sprint(requests(service.seen())), marker) {
		t.Error("the marker does not reach the Service")
	}
	if site.log.String() == "" {
		t.Error("nothing is logged")
	}
	service.err = fmt.Errorf("a text of the Service: %s", marker)
	site.call(t, "POST", share, "secret=a").want(t, 500, "")
	if !holdsMarker(site.log.String()) {
		t.Error("the text of a Service's error is not logged, so the log is not what is looked at")
	}
}
