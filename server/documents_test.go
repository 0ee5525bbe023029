package server

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// Two documents of other APIs are held on both sides: by a Transport that only reports, in front of the middleware, so that
// the two have to find the same.

func document(t *testing.T, name string) *contract.Contract {
	t.Helper()
	data, err := os.ReadFile("../contract/testdata/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const fleetList, fleetAdd = "GET /depots/AKL/vehicles", "POST /depots/AKL/vehicles"

// TestOtherDocumentsRequests sends requests. Headers follow the target, one a line.
func TestOtherDocumentsRequests(t *testing.T) {
	const tenant, asJSON, asV2 = "\nX-Tenant: nz", "\nContent-Type: application/json", "\nContent-Type: application/vnd.library.book+json; version=2"
	const asForm, asText = "\nContent-Type: application/x-www-form-urlencoded", "\nContent-Type: text/plain; charset=utf-8"
	tests := []struct{ document, request, body, want string }{
		{"fleet", fleetList + tenant, "", ""},
		{"fleet", fleetList + "?kind=car&kind=van&ids=1|2&limit=50&since=2026-01-02T03:04:05Z&near[lat]=1.5&near[lon]=2" + tenant, "", ""},
		{"fleet", fleetList + "?ids=1%7C2%7C3%7C4" + tenant, "", "maxItems query ids"},
		{"fleet", fleetList + "?tags=a%20longer" + tenant, "", "maxLength /1 query tags"},
		{"fleet", fleetList + "?kind=car&kind=ship" + tenant, "", "enum /1 query kind"},
		{"fleet", fleetList + "?near[lon]=2" + tenant, "", "required /lat query near"},
		{"fleet", fleetList + "?limit=51" + tenant, "", "maximum query limit"},
		{"fleet", fleetList + "?since=yesterday" + tenant, "", "format query since"},
		{"fleet", fleetList, "", "required header X-Tenant"},
		{"fleet", "GET /depots/akl/vehicles" + tenant, "", "pattern path depot"},
		{"fleet", fleetAdd + asJSON, `{"kind":"car","name":"Kea","doors":5,"bought":null,"owner":{"company":"c"}}`, ""},
		{"fleet", fleetAdd + asJSON, `{"kind":"bike","name":"Weka","gears":3,"owner":"person:1"}`, ""},
		{"fleet", fleetAdd + asJSON, `{"kind":"ship","name":"Kiwi"}`, "discriminator"},
		{"fleet", fleetAdd + asJSON, `{"name":"Kiwi"}`, "discriminator"},
		{"fleet", fleetAdd + asJSON, `{"kind":"car","name":"Kea","doors":4}`, "oneOf"},
		{"fleet", fleetAdd + asJSON, `{"kind":"bike","name":"Weka","owner":"me"}`, "oneOf"},
		{"fleet", fleetAdd + asJSON, `{"kind":"bike","name":"Weka","id":7}`, "oneOf"}, // it is readOnly
		{"fleet", "PATCH /vehicles/7\nContent-Type: application/merge-patch+json", `{"name":null,"range":1.5}`, ""},
		{"fleet", "PATCH /vehicles/7\nContent-Type: application/merge-patch+json", `{"range":1.25}`, "multipleOf /range"},
		{"fleet", "PATCH /vehicles/7\nContent-Type: application/merge-patch+json", `{}`, "minProperties"},
		{"fleet", "PATCH /vehicles/7\nContent-Type: application/merge-patch+json", `{"colour":"red"}`, "additionalProperties"},
		{"fleet", "PATCH /vehicles/7", "", ""},
		{"fleet", "GET /vehicles/0", "", "minimum path id"},
		{"fleet", "GET /vehicles/9223372036854775808", "", "syntax path id"},

		{"library", "POST /books" + asJSON, `{"title":"Pounamu","pageCount":300,"isbn":null,"titles":{"en":"Jade"},"counts":{"a":{"b":1}}}`, ""},
		{"library", "POST /books?dryRun=true" + asJSON, `{"title":"Pounamu"}`, ""},
		{"library", "POST /books?dryRun=2" + asJSON, `{"title":"Pounamu"}`, "syntax query dryRun"},
		{"library", "POST /books?dryRun=" + asJSON, `{"title":"Pounamu"}`, ""},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","pagecount":3}`, "additionalProperties"},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","pageCount":2147483648}`, "format /pageCount"},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","pageCount":1e2}`, "type /pageCount"},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","isbn":"1"}`, "pattern /isbn"},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","lentUntil":"2026-02-30"}`, "format /lentUntil"},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","titles":{"en":""}}`, "minLength /titles/*"},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","counts":{"a":{"b":"c"}}}`, "type /counts/*/*"},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","titles":{"en":"a","EN":"b"}}`, "duplicate"},
		{"library", "POST /books" + asJSON, `{"title":"Pounamu","shelf":"A"}`, "readOnly /shelf"},
		{"library", "POST /books" + asV2, `{"work":{"title":"Pounamu"},"copies":[1,2],"more":[]}`, ""},
		{"library", "POST /books" + asV2, `{"work":{"title":"Pounamu"},"copies":[1,1]}`, "uniqueItems /copies"},
		{"library", "POST /books\nContent-Type: application/vnd.library.book+json", `{"work":{"title":"x"}}`, "contentType"},
		{"library", "POST /books" + asForm, "title=Pounamu&pageCount=&inPrint=true&authors=a&authors=b", ""},
		{"library", "POST /books" + asForm, "title=Pounamu&isbn=1", "additionalProperties"},
		{"library", "POST /books" + asForm, "title=Pounamu&inPrint=yes", "type /inPrint"},
		{"library", "POST /books" + asForm, "title=" + strings.Repeat("x", 21), "maxLength /title"},
		{"library", "POST /books" + asText, "Pounamu", ""},
		{"library", "POST /books" + asText, "P", "minLength"},
		{"library", "POST /books" + asJSON + "\nContent-Encoding: gzip", "\x1f\x8b", "contentEncoding"},
		{"library", "GET /shelves/a/tree.json?depth=1", "", ""},
		{"library", "GET /shelves/a/tree.xml?depth=1", "", "enum path format"},
		{"library", "GET /shelves/a/tree.json", "", "required query depth"},
	}
	for _, test := range tests {
		t.Run(test.document+" "+test.request+" "+test.body, func(t *testing.T) {
			c := document(t, test.document)
			var found *contract.Violation
			e := echo.New()
			e.HTTPErrorHandler = func(err error, c echo.Context) {
				errors.As(err, &found)
				_ = c.NoContent(http.StatusBadRequest)
			}
			streams := func(*contract.Operation) bool { return true } // the answers are not the point
			e.Use(Check(c, CheckOptions{BasePath: "/api", Streams: streams}))
			e.Any("/api/*", func(c echo.Context) error {
				body, err := io.ReadAll(c.Request().Body)
				if err != nil || string(body) != test.body {
					t.Errorf("the handler reads %q, %v", body, err)
				}
				return c.NoContent(http.StatusNoContent)
			})
			site := listen(t, e, &logBuffer{})

			head, headers, _ := strings.Cut(test.request, "\n")
			method, target, _ := strings.Cut(head, " ")
			r, err := http.NewRequest(method, site.URL+"/api"+target, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(headers) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				r.Header.Set(name, value)
			}
			var sent *contract.Violation
			transport := &contract.Transport{Contract: c, BasePath: "/api", Report: func(v *contract.Violation) { sent = cmp.Or(sent, v) }}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			read(t, response)
			if got := said(found); got != test.want {
				t.Errorf("the middleware says %q, want %q", got, test.want)
			}
			if sent != nil && sent.Direction == contract.Response {
				sent = nil
			}
			if got := said(sent); got != test.want {
				t.Errorf("the transport says %q, want %q", got, test.want)
			}
		})
	}
}

// said puts a violation in one line.
func said(v *contract.Violation) string {
	if v == nil {
		return ""
	}
	return strings.Join(strings.Fields(v.Rule+" "+v.Pointer+" "+v.Parameter), " ")
}

// TestOtherDocumentsAnswers has handlers answer.
func TestOtherDocumentsAnswers(t *testing.T) {
	const car = `{"id":7,"kind":"car","name":"Kea","doors":5}`
	const problem, v2 = "application/problem+json", "application/vnd.library.book+json; version=2"
	tests := []struct {
		document, target string
		status           int
		header, body     string // a line of the header
		want             string
	}{
		{"fleet", fleetList, 200, "X-Total: 1", "[" + car + "]", ""},
		{"fleet", fleetList, 200, "X-Total: 1", `[{"kind":"car","name":"Kea"}]`, "oneOf /0"},
		{"fleet", fleetList, 200, "", "[]", "required header X-Total"},
		{"fleet", fleetList, 200, "X-Total: 2147483648", "[]", "format header X-Total"},
		{"fleet", fleetList, 418, "Content-Type: " + problem, `{"title":"teapot"}`, ""},
		{"fleet", fleetList, 500, "Content-Type: " + problem, `{"status":500}`, "required /title"},
		{"fleet", fleetList, 500, "", `{"title":"as plain JSON"}`, "contentType"},
		{"fleet", "GET /vehicles/7", 200, "Etag: x", car, ""},
		{"fleet", "GET /vehicles/7", 304, "Etag: x", "", ""},
		{"fleet", "HEAD /vehicles/7", 200, "Content-Length: 44", "", ""},
		{"fleet", "PATCH /vehicles/7", 204, "", "", ""},
		{"library", "POST /books", 202, "", "", ""},
		{"library", "POST /books", 201, "", `{"title":"Pounamu","shelf":"A1"}`, ""},
		{"library", "POST /books", 201, "Content-Type: " + v2, `{"work":{"title":"Pounamu"}}`, ""},
		{"library", "POST /books", 201, "Content-Type: " + v2, `{"title":"Pounamu"}`, "required /work"},
		{"library", "POST /books", 201, "Content-Encoding: gzip", "\x1f\x8b", "contentEncoding"},
		{"library", "POST /books", 201, "Content-Encoding: identity", `{"title":"Pounamu"}`, ""},
		{"library", "GET /shelves/a/tree.json?depth=1", 200, "Content-Type: application/json; charset=utf-8", `{"name":"a","children":[{"name":"b","children":[]}]}`, ""},
		{"library", "GET /shelves/a/tree.json?depth=1", 200, "Content-Type: application/json; charset=utf-8", `{"name":"a","children":[{"name":"b","children":[{}]}]}`, "required /children/0/children/0/name"},
		{"library", "GET /shelves/a/tree.json?depth=1", 200, "Content-Type: application/json", `{"name":"a"}`, "contentType"},
	}
	for _, test := range tests {
		t.Run(test.document+" "+test.target+" "+test.body, func(t *testing.T) {
			c := document(t, test.document)
			handler := func(c echo.Context) error {
				c.Response().Header().Set("Content-Type", "application/json")
				if name, value, ok := strings.Cut(test.header, ": "); ok {
					c.Response().Header().Set(name, value)
				}
				c.Response().WriteHeader(test.status)
				if test.body == "" {
					return nil
				}
				_, err := c.Response().Write([]byte(test.body))
				return err
			}
			ask := func() *http.Request {
				method, target, _ := strings.Cut(test.target, " ")
				body := ""
				if method == http.MethodPost {
					body = `{"title":"Pounamu"}`
				}
				r := httptest.NewRequest(method, "http://library.example"+target, strings.NewReader(body))
				r.Header = http.Header{"X-Tenant": {"nz"}}
				if body != "" {
					r.Header.Set("Content-Type", "application/json")
				}
				return r
			}

			var found *contract.Violation
			e := echo.New()
			e.Use(Check(c, CheckOptions{Report: func(_ echo.Context, v *contract.Violation) { found = cmp.Or(found, v) }}))
			e.Any("/*", handler)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, ask())
			if got := said(found); got != test.want {
				t.Errorf("the middleware says %q, want %q", got, test.want)
			}
			if test.want == "" && (w.Code != test.status || w.Body.String() != test.body) {
				t.Errorf("%d %q is sent", w.Code, w.Body)
			}
			if test.want == "" && test.header != "" && !strings.Contains(headerText(w.Header()), test.header) {
				t.Errorf("the header %q is lost: %q", test.header, headerText(w.Header()))
			}

			bare := echo.New()
			bare.Any("/*", handler)
			base := roundTripper(func(r *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				bare.ServeHTTP(w, r)
				return w.Result(), nil
			})
			var received *contract.Violation
			response, err := (&contract.Transport{Contract: c, Base: base}).RoundTrip(ask())
			if err != nil && !errors.As(err, &received) {
				t.Fatal(err)
			}
			if err == nil {
				if body := read(t, response); body != test.body {
					t.Errorf("the transport passes on %q", body)
				}
			}
			if got := said(received); got != test.want {
				t.Errorf("the transport says %q, want %q", got, test.want)
			}
		})
	}
}

func headerText(h http.Header) string {
	var b bytes.Buffer
	_ = h.Write(&b) // a buffer takes all
	return b.String()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
