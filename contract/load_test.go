package contract

import (
	"slices"
	"strings"
	"testing"
)

const smallDocument = `
openapi: 3.0.3
info: {title: small, version: v}
paths:
  /thing:
    get:
      responses: {'200': {description: fine}}
    put:
      operationId: putThing
      security: [{token: []}, {token: [], other: []}]
      responses: {'200': {description: fine}}
    post:
      operationId: postThing
      security: []
      responses: {'200': {description: fine}}
    delete:
      operationId: deleteThing
      security: [{token: []}, {}]
      responses: {'200': {description: fine}}
security: [{token: []}]
components:
  securitySchemes:
    token: {type: http, scheme: bearer}
    other: {type: http, scheme: basic}
`

func TestLoadRefuses(t *testing.T) {
	const noComponents = "openapi: 3.0.3\ninfo: {title: t, version: v}\n"
	tests := []struct{ name, document string }{
		{"nothing", ""},
		{"garbage", "\x00\x01{["},
		{"a list", "[1, 2]"},
		{"OpenAPI 3.1", strings.Replace(smallDocument, "3.0.3", "3.1.0", 1)},
		{"OpenAPI 3.2", strings.Replace(smallDocument, "3.0.3", "3.2.0", 1)},
		{"Swagger 2", strings.Replace(smallDocument, "openapi: 3.0.3", "swagger: '2.0'", 1)},
		{"no version", strings.Replace(smallDocument, "openapi: 3.0.3", "", 1)},
		{"no paths", noComponents},
		{"invalid", strings.Replace(smallDocument, "title: small, ", "", 1)},
		{"reference to a host", noComponents + "paths: {/a: {$ref: 'http://127.0.0.1:1/x.yaml'}}"},
		{"reference to a file", noComponents + "paths: {/a: {$ref: '/etc/passwd'}}"},
		{"schema in a file", noComponents + `
paths: {/a: {get: {responses: {'200': {description: x, content: {application/json: {schema: {$ref: 'testdata/orders.yaml#/components/schemas/Order'}}}}}}}}`},
		{"dangling reference", noComponents + `
paths: {/a: {get: {responses: {'200': {$ref: '#/components/responses/None'}}}}}`},
		{"undocumented path parameter", noComponents + "paths: {'/a/{b}': {get: {responses: {'200': {description: x}}}}}"},
		{"two templates for the same paths", noComponents + `
paths:
  /a/{b}: {get: {parameters: [{name: b, in: path, required: true, schema: {type: string}}], responses: {'200': {description: x}}}}
  /a/{c}: {get: {parameters: [{name: c, in: path, required: true, schema: {type: string}}], responses: {'200': {description: x}}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load([]byte(tt.document))
			if err == nil || c != nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "contract: ") {
				t.Errorf("the error does not say whose it is: %v", err)
			}
		})
	}
}

func TestLoadJSON(t *testing.T) {
	c, err := Load([]byte(`{"openapi":"3.0.0","info":{"title":"t","version":"v"},"paths":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Operations()); n != 0 {
		t.Errorf("%d operations, want none", n)
	}
	if op, _ := c.Match("GET", "/"); op != nil {
		t.Error("found an operation in a document without any")
	}
}

func TestOperationLookup(t *testing.T) {
	c, err := Load([]byte(smallDocument))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, method, template, want string
		credentials                  bool
	}{
		{"without operationId; security of the document", "GET", "/thing", "GET /thing", true},
		{"security of its own", "PUT", "/thing", "putThing", true},
		{"security switched off", "POST", "/thing", "postThing", false},
		{"anonymous is one of the ways", "DELETE", "/thing", "deleteThing", false},
		{"unknown method", "PATCH", "/thing", "", false},
		{"unknown path", "GET", "/things", "", false},
		{"no template", "GET", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op := c.Operation(tt.method, tt.template)
			if (op == nil) != (tt.want == "") {
				t.Fatalf("found: %v", op != nil)
			}
			if op != nil && (op.ID != tt.want || op.RequiresCredentials() != tt.credentials) {
				t.Errorf("got %q, credentials %v", op.ID, op.RequiresCredentials())
			}
		})
	}
}

func TestOperationsIsACopyInFixedOrder(t *testing.T) {
	first := V1().Operations()
	first[0] = nil
	if slices.Contains(V1().Operations(), nil) {
		t.Error("the caller can change the contract")
	}
	again, err := Load(mustMarshal(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, op := range again.Operations() {
		if want := V1().Operations()[i]; op.ID != want.ID {
			t.Errorf("operation %d is %s, want %s", i, op.ID, want.ID)
		}
	}
}

func mustMarshal(t *testing.T) []byte {
	t.Helper()
	data, err := V1().doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCheckSchema(t *testing.T) {
	small, err := Load([]byte("openapi: 3.0.3\ninfo: {title: t, version: v}\npaths: {}"))
	if err != nil {
		t.Fatal(err)
	}
	if small.CheckSchema("Error", []byte(`{}`)) == nil || V1().CheckSchema("None", []byte(`{}`)) == nil {
		t.Error("a schema that is not there is no error")
	}
	tests := []struct{ name, body, want string }{
		{"good", errorJSON, ""},
		{"unknown names pass", `{"message":"","x":{}}`, ""},
		{"required", `{"error":"x"}`, "required /message"},
		{"type", `{"message":1}`, "type /message"},
		{"null", `null`, "nullable"},
		{"not JSON", `Not Found`, "syntax"},
		{"empty", ``, "syntax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := verdict(t, V1().CheckSchema("Error", []byte(tt.body))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
