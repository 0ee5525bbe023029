package server

import (
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

const toolDocument = `
openapi: 3.0.3
info: {title: Tools, version: "1"}
paths:
  /tools/{name}:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    get: {responses: {'200': {description: A tool., content: {application/json: {schema: {type: object}}}}}}
  /tools/{name}.json:
    parameters: [{name: name, in: path, required: true, schema: {type: string}}]
    get: {responses: {'200': {description: A tool., content: {application/json: {schema: {type: object}}}}}}
  /tools:batch:
    get: {responses: {'200': {description: Tools., content: {application/json: {schema: {type: object}}}}}}
  /jobs/{id}:cancel:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {responses: {'200': {description: A job., content: {application/json: {schema: {type: object}}}}}}
`

// TestEveryRouteIsChecked holds that no route of the document passes unchecked, however Echo writes it.
func TestEveryRouteIsChecked(t *testing.T) {
	tools, err := contract.Load([]byte(toolDocument))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ route, path string }{
		{"/tools/:name", "/tools/saw"},
		{"/tools/:another", "/tools/saw"},
		{"/tools/:name", "/tools/saw.json"},
		{"/tools/*", "/tools/saw"},
		{`/tools\:batch`, "/tools:batch"},
		{"/jobs/:id", "/jobs/7:cancel"},
		{"/*", "/tools/saw"},
		{"/tools/saw", "/tools/saw"},
	} {
		t.Run(test.route+" "+test.path, func(t *testing.T) {
			e := echo.New()
			e.Use(Check(tools, CheckOptions{}))
			e.GET(test.route, func(c echo.Context) error { return c.String(200, "no JSON") })
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest("GET", test.path, nil))
			if w.Code != 500 || strings.Contains(w.Body.String(), "no JSON") {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
		})
	}
}

// TestMaxBodyOfAnySize holds that no setting makes a body vanish.
func TestMaxBodyOfAnySize(t *testing.T) {
	for _, limit := range []int64{-1, 0, math.MaxInt64} {
		service := newStub()
		site := serve(t, service, func(c *Config) { c.MaxBody = limit })
		site.call(t, "POST", "/api/v1/share", "secret=a").want(t, 200, "")
	}
}

// TestCredentialsComeFirst holds that nothing is read for a caller whose credentials are wrong.
func TestCredentialsComeFirst(t *testing.T) {
	site := serve(t, newStub())
	long := "secret=" + strings.Repeat("a", DefaultMaxBody)
	r := site.request(t, "POST", "/api/v1/share", long)
	r.SetBasicAuth("nobody@example.com", "wrong")
	site.do(t, r).want(t, 401, "")
}
