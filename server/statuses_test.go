package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

// A cause brings about a status.
type cause struct {
	name string
	err  error                              // what the Service returns
	edit func(*http.Request)                // how the request goes wrong
	only func(route) bool                   // nil for every route
	form string                             // instead of the documented one
	more func(t *testing.T, answer message) // further checks
}

func postsOnly(r route) bool { return r.op.Method == http.MethodPost }

func strange(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }

func kind(want string) func(*testing.T, message) {
	return func(t *testing.T, m message) {
		t.Helper()
		if got := m.fields(t)["error"]; got != want {
			t.Errorf("error = %q, want %q", got, want)
		}
	}
}

// causes says how each status comes about.
var causes = map[int][]cause{
	http.StatusOK: {{name: "as documented"}},
	http.StatusBadRequest: {
		{name: "ErrInvalid", err: onetime.ErrInvalid, more: kind("BadRequest")},
		{name: "wrapped ErrInvalid", err: fmt.Errorf("burn: %w", onetime.ErrInvalid)},
		{name: "Refusal", err: &onetime.Refusal{Reason: onetime.ErrInvalid, Rule: "FormError", Message: "No", Field: "passphrase"},
			more: func(t *testing.T, m message) {
				if f := m.fields(t); f["error"] != "FormError" || f["message"] != "No" || f["field"] != "passphrase" {
					t.Errorf("the texts of the Refusal are lost: %s", m.Body)
				}
			}},
		{name: "Content-Type", edit: strange, form: "secret=hello", only: postsOnly},
		{name: "malformed form", form: "secret=%zz", only: postsOnly},
		{name: "not UTF-8", form: "secret=%ff", only: postsOnly},
	},
	http.StatusUnauthorized: {
		{name: "ErrUnauthorized", err: onetime.ErrUnauthorized},
		{name: "Refusal with a wait", err: &onetime.Refusal{Reason: onetime.ErrUnauthorized, RetryAfter: time.Second}},
		{name: "wrong password", edit: func(r *http.Request) { r.SetBasicAuth(username, "wrong") }, more: kind("Unauthorized")},
		{name: "no credentials", edit: func(r *http.Request) { r.Header.Del("Authorization") },
			only: func(r route) bool { return r.op.RequiresCredentials() }},
	},
	http.StatusForbidden: {
		{name: "ErrForbidden", err: onetime.ErrForbidden, more: kind("Forbidden")},
	},
	http.StatusNotFound: {
		{name: "ErrNotFound", err: onetime.ErrNotFound, more: kind("NotFound")},
		{name: "no key", edit: func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, receiptKey, "", 1) },
			only: func(r route) bool { return strings.Contains(r.op.Path, "{key}") }},
	},
	http.StatusUnprocessableEntity: {
		{name: "ErrRule", err: onetime.ErrRule},
		{name: "Refusal", err: &onetime.Refusal{Reason: onetime.ErrRule, Rule: "PassphraseTooShort", Message: "Longer, please"},
			more: kind("PassphraseTooShort")},
		{name: "too long", form: "secret=" + strings.Repeat("x", DefaultMaxBody), only: postsOnly, more: kind("BodyTooLarge")},
	},
	http.StatusTooManyRequests: {
		{name: "ErrRateLimited", err: onetime.ErrRateLimited, more: func(t *testing.T, m message) {
			if got, sent := m.Header["Retry-After"]; sent {
				t.Errorf("Retry-After = %q, though the wait is unknown", got)
			}
		}},
		{name: "Refusal", err: &onetime.Refusal{Reason: onetime.ErrRateLimited, RetryAfter: 1500 * time.Millisecond},
			more: func(t *testing.T, m message) {
				kind("RateLimited")(t, m)
				if got := m.Header.Get("Retry-After"); got != "2" {
					t.Errorf("Retry-After = %q, want 2, never too early", got)
				}
			}},
	},
	http.StatusInternalServerError: {
		{name: "error", err: errors.New("disk full"), more: kind("InternalServerError")},
		{name: "time-out", err: context.DeadlineExceeded},
		{name: "Refusal without a reason", err: &onetime.Refusal{}},
		{name: "nil in an interface", err: (*onetime.Refusal)(nil)},
		{name: "error that panics", err: panickingError{}},
	},
}

// A panickingError is a mistake that is often made: a method that does not expect its zero receiver.
type panickingError struct{ text *string }

func (e panickingError) Error() string { return *e.text }

// TestStatuses provokes every status that the contract documents, of every operation.
func TestStatuses(t *testing.T) {
	for _, r := range routes(t) {
		t.Run(r.op.ID, func(t *testing.T) {
			documented := 0
			for status := 100; status < 600; status++ {
				if !r.op.Documents(status) {
					continue
				}
				documented++
				if !provoke(t, r, status) {
					t.Errorf("%d is documented, but nothing here causes it", status)
				}
			}
			if documented < 5 {
				t.Errorf("%d statuses are documented, want at least 5", documented)
			}
		})
	}
}

// provoke tells whether there is a cause for the status.
func provoke(t *testing.T, r route, status int) bool {
	found := false
	for _, c := range causes[status] {
		if c.only != nil && !c.only(r) {
			continue
		}
		found = true
		t.Run(fmt.Sprintf("%d %s", status, c.name), func(t *testing.T) {
			service := newStub()
			service.err = c.err
			site := serve(t, service)
			if c.form != "" {
				r.form = c.form
			}
			edit := c.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			answer := r.send(t, site, edit)
			answer.want(t, status, "")
			if c.more != nil {
				c.more(t, answer)
			}
			if committed := service.committed(); (committed == 1) != (status == http.StatusOK && r.commits()) {
				t.Errorf("committed %d times", committed)
			}
			if status == http.StatusOK {
				checkSuccess(t, answer)
			}
		})
	}
	return found
}

// checkSuccess checks what clients rely on in every success.
func checkSuccess(t *testing.T, m message) {
	t.Helper()
	if strings.Contains(m.Body, `"message"`) {
		t.Error("a success with a message: clients take it for an error")
	}
	if m.Header.Get("X-Request-Id") == "" || m.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", m.Header)
	}
	if strings.Contains(m.Body, ".0,") || strings.Contains(m.Body, "e+") {
		t.Errorf("a number that is not written as an integer: %s", m.Body)
	}
}

// TestTexts pins what clients compare to the letter.
func TestTexts(t *testing.T) {
	tests := []struct {
		name, method, path, form string
		err                      error
		edit                     func(*http.Request)
		status                   int
		text                     string
	}{
		{"unknown secret", "POST", "/api/v1/secret/" + secretKey, "", onetime.ErrNotFound, nil, 404, "Unknown secret"},
		{"unknown receipt", "GET", "/api/v1/private/" + receiptKey, "", onetime.ErrNotFound, nil, 404, "Unknown secret"},
		{"second burn", "POST", "/api/v1/private/" + receiptKey + "/burn", "", onetime.ErrNotFound, nil, 404, "Unknown secret"},
		{"wrong credentials", "POST", "/api/v1/share", "secret=x", nil, func(r *http.Request) { r.SetBasicAuth("x", "y") }, 401, "Not authorized"},
		{"no credentials", "GET", "/api/v1/authcheck", "", nil, nil, 401, "Not authorized"},
		{"nothing to share", "POST", "/api/v1/share", "", nil, nil, 400, "You did not provide anything to share"},
		{"nothing but a lifetime", "POST", "/api/v1/create", "ttl=60", nil, nil, 400, "You did not provide anything to share"},
		{"an empty secret", "POST", "/api/v1/share", "secret=", nil, nil, 400, "You did not provide anything to share"},
		{"unknown route", "GET", "/api/v1/nothing", "", nil, nil, 404, "Not Found"},
		{"root", "GET", "/", "", nil, nil, 404, "Not Found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			service := newStub()
			service.err = test.err
			edit := test.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			serve(t, service).call(t, test.method, test.path, test.form, edit).want(t, test.status, test.text)
		})
	}
}

// TestErrorIDIsLogged finds the error_id of a 500 in the log, beside its cause.
func TestErrorIDIsLogged(t *testing.T) {
	elsewhere := &contract.Violation{Direction: contract.Response, Operation: "elsewhere", Rule: "type", Want: "must be a string"}
	upstream := fmt.Errorf("upstream: %w", elsewhere)
	for name, err := range map[string]error{"error": errors.New("disk full"), "contract of another server": upstream} {
		t.Run(name, func(t *testing.T) {
			service := newStub()
			service.err = err
			site := serve(t, service)
			answer := site.call(t, "GET", "/api/v1/status", "")
			answer.want(t, 500, "")
			for line := range strings.Lines(site.log.String()) {
				if strings.Contains(line, answer.Header.Get("X-Request-Id")) && strings.Contains(line, err.Error()) {
					return
				}
			}
			t.Errorf("no line has the id and the cause:\n%s", site.log)
		})
	}
}
