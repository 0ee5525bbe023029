package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

const marker = "MARKER-must-not-be-seen"

// TestServiceIsWrong lets a Service make mistakes. Each is the documented 500, and nothing is committed.
func TestServiceIsWrong(t *testing.T) {
	paths := map[string]string{
		"Status": "GET /api/v1/status", "Share": "POST /api/v1/share", "Generate": "POST /api/v1/generate",
		"Reveal": "POST /api/v1/secret/" + secretKey, "Burn": "POST /api/v1/receipt/" + receiptKey + "/burn",
		"Receipt": "GET /api/v1/receipt/" + receiptKey, "Recent": "GET /api/v1/receipt/recent",
	}
	panics := func(value any) func(*stub) {
		return func(s *stub) { s.hook = func(context.Context) { panic(value) } }
	}
	returns := func(err error) func(*stub) { return func(s *stub) { s.err = err } }
	tests := []struct {
		name, method string
		mistake      func(*stub)
	}{
		{"unknown state", "Share", func(s *stub) { s.receipt.State = marker }},
		{"unknown state", "Receipt", func(s *stub) { s.receipt.State = marker }},
		{"unknown state", "Burn", func(s *stub) { s.burned.Receipt.State = marker }},
		{"unknown state in a list", "Recent", func(s *stub) { s.recent[1].State = marker }},
		{"no state", "Generate", func(s *stub) { s.made.State = "" }},
		{"value not UTF-8", "Generate", func(s *stub) { s.made.Value = marker + "\xff" }},
		{"value not UTF-8", "Reveal", func(s *stub) { s.secret.Value = marker + "\xff" }},
		{"key not UTF-8", "Share", func(s *stub) { s.receipt.SecretKey = marker + "\xff" }},
		{"receipt's key not UTF-8", "Share", func(s *stub) { s.receipt.Key = marker + "\xff" }},
		{"key not UTF-8", "Reveal", func(s *stub) { s.secret.Key = marker + "\xff" }},
		{"short key not UTF-8", "Burn", func(s *stub) { s.burned.ShortKey = marker + "\xff" }},
		{"recipient not UTF-8", "Recent", func(s *stub) { s.recent[0].Recipients = []string{marker + "\xff"} }},
		{"time beyond a JSON integer", "Receipt", func(s *stub) { s.receipt.Created = time.Unix(1<<60, 0) }},
		{"HTTPError 418", "Reveal", returns(echo.NewHTTPError(418, marker))},
		{"HTTPError 404", "Reveal", returns(echo.NewHTTPError(404, marker))},
		{"HTTPError 404", "Receipt", returns(echo.ErrNotFound)},
		{"HTTPError 200", "Status", returns(echo.NewHTTPError(200, marker))},
		{"contract of another server", "Share", returns(fmt.Errorf("%w", &contract.Violation{Direction: contract.Request}))},
		{"422 on a GET", "Receipt", returns(&onetime.Refusal{Reason: onetime.ErrRule, Message: marker})},
		{"400 on a GET", "Recent", returns(&onetime.Refusal{Reason: onetime.ErrInvalid, Message: marker})},
		{"422 on a GET, for another server's contract", "Receipt",
			returns(errors.Join(onetime.ErrRule, &contract.Violation{Direction: contract.Request}))},
		{"429 on a burn", "Burn", returns(onetime.ErrRateLimited)},
		{"panic with an error", "Reveal", panics(errors.New(marker))},
		{"panic with a text", "Share", panics(marker)},
		{"panic with nil", "Burn", panics(nil)},
		{"runtime error", "Reveal", func(s *stub) { s.hook = func(context.Context) { _ = []int{}[len(s.seen())] } }},
		{"write to a nil map", "Generate", func(s *stub) { s.hook = func(context.Context) { nothing()[marker] = 1 } }},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.name, func(t *testing.T) {
			service := newStub()
			test.mistake(service)
			site := serve(t, service)
			method, path, _ := strings.Cut(paths[test.method], " ")
			form := ""
			if test.method == "Share" {
				form = "secret=hello"
			}
			answer := site.call(t, method, path, form, withAccount)
			answer.want(t, 500, internalError.message)
			if n := service.committed(); n != 0 {
				t.Errorf("committed %d times", n)
			}
			if strings.Contains(answer.Body, marker) {
				t.Errorf("the answer holds what was wrong: %s", answer.Body)
			}
			if !strings.Contains(site.log.String(), answer.Header.Get("X-Request-Id")) || !strings.Contains(site.log.String(), "ERROR") {
				t.Errorf("the log does not say what happened:\n%s", site.log)
			}
			service.hook = nil
			if again := site.call(t, "GET", "/api/v1/nothing", ""); again.Status != 404 {
				t.Error("the server does not go on")
			}
		})
	}
}

func nothing() map[string]int { return nil }

// TestContractOverService pins what the scaffold sees to where a Service says more than the contract lets it.
func TestContractOverService(t *testing.T) {
	service := newStub()
	service.receipt.Value, service.burned.Receipt.Value = marker, marker
	service.recent[0].Value, service.recent[1].Value = marker, marker
	service.receipt.TTL = math.MaxInt64
	site := serve(t, service)
	for _, r := range routes(t) {
		answer := r.send(t, site)
		answer.want(t, 200, "")
		if strings.Contains(answer.Body, marker) {
			t.Errorf("%s: a value in an answer that is not to generate", r.op.ID)
		}
		if strings.Contains(answer.Body, `"ttl":-`) {
			t.Errorf("%s: a negative lifetime", r.op.ID)
		}
	}
}

// A refusal as Echo has it, for handlers below Check.
func jsonError(err error, c echo.Context) {
	status, he := 500, (*echo.HTTPError)(nil)
	if errors.As(err, &he) {
		status = he.Code
	}
	_ = c.JSON(status, map[string]string{"message": http.StatusText(status)})
}

// checked serves one handler below Check on an Echo of its own.
func checked(t *testing.T, method, path string, handler echo.HandlerFunc, onError echo.HTTPErrorHandler, reports *[]*contract.Violation) *site {
	t.Helper()
	e := echo.New()
	e.HTTPErrorHandler = onError
	e.Use(Check(contract.V1(), CheckOptions{Report: func(_ echo.Context, v *contract.Violation) { *reports = append(*reports, v) }}))
	e.Add(method, path, handler)
	return listen(t, e, &logBuffer{})
}

// TestHandlerIsWrong lets handlers on an Echo of one's own make mistakes.
func TestHandlerIsWrong(t *testing.T) {
	nonsense := func(err error, c echo.Context) { _ = c.String(200, marker) }
	good := `{"status":"` + marker + `","locale":"en"}`
	blob := func(status int, contentType, body string) echo.HandlerFunc {
		return func(c echo.Context) error { return c.Blob(status, contentType, []byte(body)) }
	}
	tests := []struct {
		name    string
		handler echo.HandlerFunc
		onError echo.HTTPErrorHandler // nil for one that conforms
		rule    string                // of the first violation that is reported
		body    string                // that is sent; empty for the 500 of jsonError
	}{
		{"missing field", blob(200, "application/json", `{"status":"`+marker+`"}`), nil, "required", ""},
		{"wrong type", blob(200, "application/json", `{"status":"`+marker+`","locale":7}`), nil, "type", ""},
		{"null", blob(200, "application/json", `{"status":"`+marker+`","locale":null}`), nil, "nullable", ""},
		{"array", blob(200, "application/json", `[`+good+`]`), nil, "type", ""},
		{"a name twice", blob(200, "application/json", `{"locale":1,"status":"`+marker+`","locale":"en"}`), nil, "duplicate", ""},
		{"cut off", blob(200, "application/json", good[:len(good)-1]), nil, "syntax", ""},
		{"two texts", blob(200, "application/json", good+good), nil, "syntax", ""},
		{"not UTF-8", blob(200, "application/json", strings.Replace(good, "en", "\xff", 1)), nil, "utf8", ""},
		{"undocumented status", blob(201, "application/json", good), nil, "status", ""},
		{"undocumented error", blob(418, "application/json", `{"message":"`+marker+`"}`), nil, "status", ""},
		{"redirect", func(c echo.Context) error { return c.Redirect(302, "/"+marker) }, nil, "status", ""},
		{"wrong Content-Type", blob(200, "text/html", good), nil, "contentType", ""},
		{"no Content-Type", blob(200, "", good), nil, "contentType", ""},
		{"no body", func(c echo.Context) error { return c.NoContent(200) }, nil, "contentType", ""},
		{"nothing at all", func(echo.Context) error { return nil }, nil, "contentType", ""},
		{"empty body", blob(200, "application/json", ""), nil, "syntax", ""},
		{"error without a message", blob(404, "application/json", `{"error":"`+marker+`"}`), nil, "required", ""},
		{"error after writing", func(c echo.Context) error {
			_ = c.Blob(200, "application/json", []byte(good))
			return errors.New(marker)
		}, nil, "", ""},
		{"panic after writing", func(c echo.Context) error {
			_ = c.Blob(200, "application/json", []byte(good))
			panic(marker)
		}, nil, "", ""},
		{"flush", func(c echo.Context) error {
			_, _ = c.Response().Write([]byte(marker))
			c.Response().Flush() // sends nothing
			return nil
		}, nil, "contentType", ""},
		{"undocumented HTTPError", func(c echo.Context) error { return echo.NewHTTPError(418, marker) }, nil, "status", ""},
		{"HTTPError for the contract of another server", func(c echo.Context) error {
			return &echo.HTTPError{Code: 418, Message: marker, Internal: &contract.Violation{Direction: contract.Request}}
		}, nil, "status", ""},
		{"error handler writes nonsense", func(echo.Context) error { return errors.New(marker) }, nonsense, "contentType", "bare"},
		{"error handler writes nothing", func(echo.Context) error { return errors.New(marker) },
			func(error, echo.Context) {}, "contentType", "bare"},
		{"error handler panics", func(echo.Context) error { return errors.New(marker) },
			func(error, echo.Context) { panic(marker) }, "", "bare"},
		{"error handler goes wrong at an undocumented status", func(c echo.Context) error { return echo.NewHTTPError(418) }, nonsense, "contentType", "bare"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onError := test.onError
			if onError == nil {
				onError = jsonError
			}
			var reports []*contract.Violation
			committed := false
			site := checked(t, "GET", "/api/v1/status", func(c echo.Context) error {
				Defer(c.Request().Context(), func(context.Context) error { committed = true; return nil })
				return test.handler(c)
			}, onError, &reports)
			response, err := site.Client().Get(site.URL + "/api/v1/status")
			if err != nil {
				t.Fatal(err)
			}
			body := read(t, response)
			want := "{\"message\":\"Internal Server Error\"}\n"
			if test.body == "bare" {
				want = ""
			}
			if response.StatusCode != 500 || body != want {
				t.Errorf("%d %q, want 500 %q", response.StatusCode, body, want)
			}
			if strings.Contains(fmt.Sprint(response.Header), marker) {
				t.Errorf("a header of the wrong answer is left: %v", response.Header)
			}
			if committed {
				t.Error("committed")
			}
			switch {
			case test.rule == "" && len(reports) != 0:
				t.Errorf("reports %v, want none", reports)
			case test.rule != "" && (len(reports) == 0 || reports[0].Rule != test.rule):
				t.Errorf("reports %v, want the rule %q", reports, test.rule)
			}
			if strings.Contains(fmt.Sprintf("%+v %#v", reports, reports), marker) {
				t.Error("a report holds a value")
			}
		})
	}
}

func read(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestHandlerIsRight shows that Check changes nothing of what conforms.
func TestHandlerIsRight(t *testing.T) {
	const good = ` {"locale":"en", "status":"nominal", "more":1} `
	tests := []struct {
		name    string
		handler echo.HandlerFunc
		status  int
		body    string
	}{
		{"200", func(c echo.Context) error { return c.Blob(200, "application/json; charset=utf-8", []byte(good)) }, 200, good},
		{"written in pieces", func(c echo.Context) error {
			c.Response().Header().Set("Content-Type", "application/json")
			for _, b := range []byte(good) {
				_, _ = c.Response().Write([]byte{b})
			}
			return nil
		}, 200, good},
		{"flushed in between", func(c echo.Context) error {
			c.Response().Header().Set("Content-Type", "application/json")
			_, _ = c.Response().Write([]byte(good[:5]))
			c.Response().Flush()
			_, _ = c.Response().Write([]byte(good[5:]))
			return nil
		}, 200, good},
		{"wrong Content-Length", func(c echo.Context) error {
			c.Response().Header().Set("Content-Length", "5")
			return c.Blob(200, "application/json", []byte(good))
		}, 200, good},
		{"documented error", func(echo.Context) error { return echo.ErrNotFound }, 404, "{\"message\":\"Not Found\"}\n"},
		{"error that it writes itself", func(c echo.Context) error {
			return c.JSON(403, map[string]string{"message": "no"})
		}, 403, "{\"message\":\"no\"}\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var reports []*contract.Violation
			site := checked(t, "GET", "/api/v1/status", func(c echo.Context) error {
				c.Response().Header().Set("X-Mine", "kept")
				return test.handler(c)
			}, jsonError, &reports)
			response, err := site.Client().Get(site.URL + "/api/v1/status")
			if err != nil {
				t.Fatal(err)
			}
			if body := read(t, response); response.StatusCode != test.status || body != test.body {
				t.Errorf("%d %q, want %d %q", response.StatusCode, body, test.status, test.body)
			}
			if test.status != 404 && response.Header.Get("X-Mine") != "kept" {
				t.Error("a header of the handler is lost")
			}
			if len(reports) != 0 {
				t.Errorf("reports %v", reports)
			}
		})
	}
}

// TestHandlerAborts keeps http.ErrAbortHandler what it is: the end of the connection.
func TestHandlerAborts(t *testing.T) {
	var reports []*contract.Violation
	site := checked(t, "GET", "/api/v1/status", func(echo.Context) error { panic(http.ErrAbortHandler) }, jsonError, &reports)
	response, err := site.Client().Get(site.URL + "/api/v1/status")
	if err == nil {
		t.Errorf("%d, want no answer", response.StatusCode)
	}
}

// TestRoutesOfOthers leaves alone what the contract does not have.
func TestRoutesOfOthers(t *testing.T) {
	var reports []*contract.Violation
	site := checked(t, "GET", "/metrics", func(c echo.Context) error {
		_ = c.String(299, "up 1")
		c.Response().Flush()
		return nil
	}, jsonError, &reports)
	response, err := site.Client().Get(site.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, response); response.StatusCode != 299 || body != "up 1" || len(reports) != 0 {
		t.Errorf("%d %q, reports %v", response.StatusCode, body, reports)
	}
}

// TestCheckRefusesRequests shows the errors that Check gives the HTTPErrorHandler for requests.
func TestCheckRefusesRequests(t *testing.T) {
	tests := []struct {
		name, form, contentType string
		status                  int
	}{
		{"good", "secret=x", "application/x-www-form-urlencoded", 200},
		{"no secret", "", "application/x-www-form-urlencoded", 400},
		{"JSON", `{"secret":"x"}`, "application/json", 400},
		{"too long", "secret=" + strings.Repeat("x", DefaultMaxBody), "application/x-www-form-urlencoded", 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			called := false
			var seen *echo.HTTPError
			var reports []*contract.Violation
			site := checked(t, "POST", "/api/v1/share", func(c echo.Context) error {
				called = true
				form, err := c.FormParams()
				if err != nil || form.Get("secret") != "x" || len(form) != 1 {
					t.Errorf("the handler sees %v, %v", form, err)
				}
				return echo.NewHTTPError(404)
			}, func(err error, c echo.Context) {
				errors.As(err, &seen)
				jsonError(err, c)
			}, &reports)
			response, err := site.Client().Post(site.URL+"/api/v1/share?secret=y", test.contentType, strings.NewReader(test.form))
			if err != nil {
				t.Fatal(err)
			}
			body := read(t, response)
			if called != (test.status == 200) {
				t.Errorf("handler called: %v", called)
			}
			if called {
				return
			}
			if response.StatusCode != test.status || seen == nil || seen.Code != test.status || len(reports) != 0 {
				t.Errorf("%d %s, error %v, reports %v; want %d", response.StatusCode, body, seen, reports, test.status)
			}
			if v := (*contract.Violation)(nil); test.status == 400 && !(errors.As(seen, &v) && v.Direction == contract.Request) {
				t.Errorf("the error %v does not wrap the violation", seen)
			}
		})
	}
}
