package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// petDocument is of another API: a path parameter with a rule, JSON both ways, and an operation that documents no error.
const petDocument = `
openapi: 3.0.3
info: {title: Pets, version: '1'}
paths:
  /pets/{name}:
    parameters:
      - {name: name, in: path, required: true, schema: {type: string, maxLength: 3}}
    get:
      responses:
        '200': {description: A pet., content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
        default: {description: An error., content: {application/json: {schema: {$ref: '#/components/schemas/Error'}}}}
  /pets:
    post:
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}
      responses:
        '201': {description: A pet., content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
        '204': {description: Nothing.}
components:
  schemas:
    Pet: {type: object, required: [name], properties: {name: {type: string}}}
    Error: {type: object, required: [message], properties: {message: {type: string}}}
`

// TestCheckOfAnotherDocument holds a server below a path to a document that is not the embedded one.
func TestCheckOfAnotherDocument(t *testing.T) {
	pets, err := contract.Load([]byte(petDocument))
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = jsonError
	e.Use(Check(pets, CheckOptions{BasePath: "/v2/", MaxBody: 40}))
	e.GET("/v2/pets/:name", func(c echo.Context) error { return c.JSON(200, map[string]string{"name": c.Param("name")}) })
	e.POST("/v2/pets", func(c echo.Context) error {
		var pet struct{ Name string }
		if err := c.Bind(&pet); err != nil {
			return err
		}
		switch pet.Name {
		case "none":
			return c.NoContent(204)
		case "error":
			return echo.NewHTTPError(409)
		}
		return c.JSON(201, map[string]string{"name": pet.Name})
	})
	site := listen(t, e, &logBuffer{})
	tests := []struct {
		target, body string
		want         string
	}{
		{"GET /v2/pets/rex", "", `200 {"name":"rex"}`},
		{"GET /v2/pets/a%2Fb", "", `200 {"name":"a%2Fb"}`}, // Echo's Param, which is escaped here
		{"GET /v2/pets/a%2Fbc", "", `400 {"message":"Bad Request"}`},
		{"GET /v2/pets/a/b", "", `404 {"message":"Not Found"}`},
		{"POST /v2/pets", `{"name":"rex"}`, `201 {"name":"rex"}`},
		{"POST /v2/pets", `{"name":"none"}`, `204 `},
		{"POST /v2/pets", `{"name":7}`, `400 {"message":"Bad Request"}`}, // not documented, but the request's fault
		{"POST /v2/pets", ``, `400 {"message":"Bad Request"}`},
		{"POST /v2/pets", `{"name":"` + strings.Repeat("x", 40) + `"}`, `413 {"message":"Request Entity Too Large"}`},
		{"POST /v2/pets", `{"name":"error"}`, `500 `}, // the handler's fault, and even a 500 is not documented
	}
	for _, test := range tests {
		t.Run(test.target+" "+test.body, func(t *testing.T) {
			method, path, _ := strings.Cut(test.target, " ")
			r, err := http.NewRequest(method, site.URL+path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			response, err := site.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body := strings.TrimSpace(read(t, response))
			if got := fmt.Sprintf("%d %s", response.StatusCode, body); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
