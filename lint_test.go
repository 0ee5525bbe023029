package onetime_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestDocument lints openapi.yaml: what a reader, the generator and the checks rely on, and a schema of OpenAPI lets go
// missing. A finding says where and what.
func TestDocument(t *testing.T) {
	for _, finding := range lint(document(t)) {
		t.Errorf("openapi.yaml: %s", finding)
	}
}

func document(t *testing.T) *openapi3.T {
	t.Helper()
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// lint returns what is wrong with a document, sorted.
func lint(doc *openapi3.T) []string {
	l := &linter{doc: doc, ids: map[string]string{}}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			l.operation(method+" "+path, item, op)
		}
	}
	for name, schema := range doc.Components.Schemas {
		l.schema("schema "+name, schema.Value)
	}
	l.components()
	l.olderNames()
	slices.Sort(l.findings)
	return l.findings
}

type linter struct {
	doc      *openapi3.T
	ids      map[string]string // operationId to operation
	findings []string
}

// want reports a finding unless ok.
func (l *linter) want(ok bool, where, what string, args ...any) {
	if !ok {
		l.findings = append(l.findings, where+": "+fmt.Sprintf(what, args...))
	}
}

func (l *linter) operation(where string, item *openapi3.PathItem, op *openapi3.Operation) {
	l.want(strings.HasPrefix(op.OperationID, "v1_"), where, "operationId %q does not begin with v1_", op.OperationID)
	l.want(l.ids[op.OperationID] == "", where, "operationId %s is also that of %s", op.OperationID, l.ids[op.OperationID])
	l.ids[op.OperationID] = where
	l.want(op.Summary != "" && op.Description != "", where, "has no summary, or no description")
	l.want(len(op.Tags) == 1 && l.doc.Tags.Get(op.Tags[0]) != nil, where, "has not one tag, of those that the document lists")
	l.security(where, op)
	for _, ref := range append(slices.Clone(item.Parameters), op.Parameters...) {
		p := ref.Value
		where := where + ": parameter " + p.Name
		l.want(p.In != openapi3.ParameterInPath || isMarked(p.Extensions), where, "is in the path, which holds keys, and is not marked x-sensitive")
		l.want(p.Description != "", where, "has no description")
		l.want(p.Example != nil || len(p.Examples) > 0, where, "has no example")
	}
	if op.RequestBody != nil {
		l.content(where+": request", op.RequestBody.Value.Content, "application/x-www-form-urlencoded")
	}
	for status, ref := range op.Responses.Map() {
		l.content(where+": answer "+status, ref.Value.Content, "application/json")
	}
	l.errors(where, op)
}

// security wants each operation to say who may call it: anybody, or an account.
func (l *linter) security(where string, op *openapi3.Operation) {
	l.want(op.Security != nil && len(*op.Security) > 0, where, "says nothing of security; anybody is [basicAuth, {}]")
	if op.Security == nil {
		return
	}
	for _, schemes := range *op.Security {
		for name := range schemes {
			l.want(l.doc.Components.SecuritySchemes[name] != nil, where, "wants the security scheme %s, which does not exist", name)
		}
	}
}

// content wants one content type, the one that all messages of its direction have, with examples.
func (l *linter) content(where string, content openapi3.Content, mediaType string) {
	media := content[mediaType]
	l.want(media != nil && len(content) == 1, where, "is not %s and nothing else", mediaType)
	if media == nil {
		return
	}
	l.want(media.Schema != nil && media.Schema.Ref != "", where, "has no schema of the components, and so no name in Go")
	l.want(len(media.Examples) > 0, where, "has no examples")
	for name, example := range media.Examples {
		l.example(where+": example "+name, media.Schema, example)
	}
}

func (l *linter) example(where string, schema *openapi3.SchemaRef, example *openapi3.ExampleRef) {
	l.want(example.Value.Summary != "", where, "has no summary")
	if schema != nil && schema.Value.VisitJSON(example.Value.Value) != nil {
		l.want(false, where, "does not match its schema")
	}
}

// errors wants the errors that every operation, and each with a body, can answer with, and that they are all alike.
func (l *linter) errors(where string, op *openapi3.Operation) {
	documented := []string{"401", "403", "404", "500"}
	if op.RequestBody != nil {
		documented = append(documented, "400", "422")
	}
	for _, status := range documented {
		l.want(op.Responses.Value(status) != nil, where, "does not document the error %s", status)
	}
	l.want(op.Responses.Default() == nil, where, "has a default answer; say which statuses there are")
	for status, ref := range op.Responses.Map() {
		media := ref.Value.Content["application/json"]
		if media == nil || media.Schema == nil {
			continue // reported
		}
		isError := media.Schema.Ref == "#/components/schemas/Error"
		l.want(isError == (status >= "400"), where+": answer "+status, "errors, and nothing else, are of the schema Error")
		l.want(status != "429" || ref.Value.Headers["Retry-After"] != nil, where+": answer 429", "does not document Retry-After")
	}
}

// sensitiveNames are the fields that hold, or lead to, what only one reader may know.
var sensitiveNames = regexp.MustCompile(`(?i)secret$|passphrase$|password|token|value$|key$|identifier$|_url$`)

func (l *linter) schema(where string, schema *openapi3.Schema) {
	l.want(schema.AdditionalProperties.Has == nil || *schema.AdditionalProperties.Has, where, "is closed: a new field would break every client")
	for name, ref := range schema.Properties {
		where := where + "." + name
		property := ref.Value
		l.want(property.Description != "" || ref.Ref != "", where, "has no description")
		// A yes or no of that name, has_passphrase, tells no secret.
		names := sensitiveNames.MatchString(name) && !property.Type.Is(openapi3.TypeBoolean)
		l.want(!names || isMarked(property.Extensions), where, "is not marked x-sensitive, and by its name it is")
		l.schema(where, property)
	}
	if schema.Items != nil {
		l.schema(where+" items", schema.Items.Value)
	}
	if schema.Type.Is(openapi3.TypeInteger) {
		l.want(isWithin(schema.Min) && isWithin(schema.Max), where, "is an integer without bounds that JavaScript can hold, ±(2^53-1)")
	}
	for _, name := range schema.Required {
		l.want(schema.Properties[name] != nil, where, "requires %s, which it does not describe", name)
	}
}

func isMarked(extensions map[string]any) bool { return extensions["x-sensitive"] == true }

func isWithin(bound *float64) bool {
	const most = 1<<53 - 1
	return bound != nil && -most <= *bound && *bound <= most
}

// components wants every component to be used: what is not was forgotten.
func (l *linter) components() {
	text, err := json.Marshal(l.doc)
	l.want(err == nil, "components", "cannot be written as JSON")
	c := l.doc.Components
	names := map[string][]string{
		"schemas": slices.Collect(maps.Keys(c.Schemas)), "responses": slices.Collect(maps.Keys(c.Responses)),
		"requestBodies": slices.Collect(maps.Keys(c.RequestBodies)), "parameters": slices.Collect(maps.Keys(c.Parameters)),
		"examples": slices.Collect(maps.Keys(c.Examples)),
	}
	for kind, all := range names {
		for _, name := range all {
			used := strings.Contains(string(text), fmt.Sprintf(`"#/components/%s/%s"`, kind, name))
			l.want(used, "components/"+kind+"/"+name, "is used nowhere")
		}
	}
}

// olderNames wants /private and /metadata to be deprecated, and to be what /receipt is.
func (l *linter) olderNames() {
	for path, item := range l.doc.Paths.Map() {
		for _, name := range []string{"/private/", "/metadata/"} {
			current := l.doc.Paths.Value(strings.Replace(path, name, "/receipt/", 1))
			if !strings.Contains(path, name) {
				continue
			}
			for method, op := range item.Operations() {
				where := method + " " + path
				l.want(op.Deprecated, where, "is an older name and not deprecated")
				if current == nil || current.GetOperation(method) == nil {
					l.want(false, where, "has no /receipt operation that it is the older name of")
					continue
				}
				l.want(sameButNames(op, current.GetOperation(method)), where, "differs from what /receipt does")
			}
		}
	}
}

// sameButNames compares what two operations take and answer.
func sameButNames(a, b *openapi3.Operation) bool {
	var texts [2]string
	for i, op := range []*openapi3.Operation{a, b} {
		bare := *op
		bare.OperationID, bare.Summary, bare.Deprecated = "", "", false
		text, err := json.Marshal(&bare)
		if err != nil {
			return false
		}
		texts[i] = string(text)
	}
	return texts[0] == texts[1]
}

// TestLintFinds plants each fault that lint is there to find.
func TestLintFinds(t *testing.T) {
	tests := []struct{ old, new, want string }{
		{"operationId: v1_status\n", "operationId: status\n", `GET /api/v1/status: operationId "status" does not begin with v1_`},
		{"operationId: v1_status\n", "operationId: v1_share\n", "operationId v1_share is also that of"},
		{"summary: Tell whether the service is up\n", "summary: ''\n", "GET /api/v1/status: has no summary, or no description"},
		{"tags: [service]", "tags: [servants]", "GET /api/v1/status: has not one tag, of those that the document lists"},
		{"security:\n        - basicAuth: []\n        - {}\n", "", "GET /api/v1/status: says nothing of security; anybody is [basicAuth, {}]"},
		{"- basicAuth: []", "- otherAuth: []", "GET /api/v1/status: wants the security scheme otherAuth, which does not exist"},
		{"required: true\n      x-sensitive: true\n", "required: true\n", "POST /api/v1/secret/{key}: parameter key: is in the path, which holds keys, and is not marked x-sensitive"},
		{"      description: >-\n        The key of a secret (to reveal)", "      x-said: >-\n        The key of a secret (to reveal)", "POST /api/v1/secret/{key}: parameter key: has no description"},
		{"      examples:\n        secret:\n", "      x-examples:\n        secret:\n", "POST /api/v1/secret/{key}: parameter key: has no example"},
		{"application/x-www-form-urlencoded:\n", "application/json:\n", "POST /api/v1/share: request: is not application/x-www-form-urlencoded and nothing else"},
		{"application/json:\n          schema:\n            $ref: '#/components/schemas/Status'\n", "text/json:\n          schema:\n            $ref: '#/components/schemas/Status'\n", "GET /api/v1/status: answer 200: is not application/json and nothing else"},
		{"            $ref: '#/components/schemas/Status'\n", "            type: object\n", "GET /api/v1/status: answer 200: has no schema of the components, and so no name in Go"},
		{"          examples:\n            nominal:\n              $ref: '#/components/examples/StatusNominal'\n", "", "GET /api/v1/status: answer 200: has no examples"},
		{"          examples:\n            nominal:\n              $ref: '#/components/examples/StatusNominal'\n", "", "components/examples/StatusNominal: is used nowhere"},
		{"summary: The service is up\n", "description: It is up\n", "GET /api/v1/status: answer 200: example nominal: has no summary"},
		{"        locale: en\n", "", "GET /api/v1/status: answer 200: example nominal: does not match its schema"},
		{"        '403':\n          $ref: '#/components/responses/Forbidden'\n", "", "GET /api/v1/status: does not document the error 403"},
		{"        '400':\n          $ref: '#/components/responses/BadRequest'\n", "", "POST /api/v1/share: does not document the error 400"},
		{"        '403':\n          $ref", "        default:\n          $ref", "GET /api/v1/status: has a default answer; say which statuses there are"},
		{"responses/Unauthorized'", "responses/Status'", "GET /api/v1/status: answer 401: errors, and nothing else, are of the schema Error"},
		{"        Retry-After:", "        Try-Again:", "POST /api/v1/share: answer 429: does not document Retry-After"},
		{"required: [status, locale]\n", "required: [status, locale]\n      additionalProperties: false\n", "schema Status: is closed: a new field would break every client"},
		{"          description: Language of messages, such as `en`.\n", "", "schema Status.locale: has no description"},
		{"        locale:\n          type: string\n", "        api_token:\n          type: string\n", "schema Status.api_token: is not marked x-sensitive, and by its name it is"},
		{"          minLength: 1\n          x-sensitive: true\n", "          minLength: 1\n", "schema ShareRequest.secret: is not marked x-sensitive, and by its name it is"},
		{"          maximum: 9007199254740991\n", "", "is an integer without bounds that JavaScript can hold, ±(2^53-1)"},
		{"          maximum: 9007199254740991\n", "          maximum: 9007199254740992\n", "is an integer without bounds that JavaScript can hold, ±(2^53-1)"},
		{"required: [status, locale]", "required: [status, locale, uptime]", "schema Status: requires uptime, which it does not describe"},
		{"    Empty:\n      type: object\n", "    Unused:\n      type: string\n    Empty:\n      type: object\n", "components/schemas/Unused: is used nowhere"},
		{"      deprecated: true\n", "", "GET /api/v1/private/recent: is an older name and not deprecated"},
		{"/api/v1/private/recent:", "/api/v1/private/latest:", "GET /api/v1/private/latest: has no /receipt operation that it is the older name of"},
		{"      deprecated: true\n      security:\n        - basicAuth: []\n      responses", "      deprecated: true\n      security:\n        - basicAuth: []\n        - {}\n      responses", "GET /api/v1/private/recent: differs from what /receipt does"},
	}
	data, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	start := strings.Index(text, "  /api/v1/status:") // of the operation that most of them are planted in
	head, rest := text[:start], text[start:]
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			changed := head + strings.Replace(rest, test.old, test.new, 1)
			if changed == text {
				t.Fatalf("the document has no %q", test.old)
			}
			doc, err := openapi3.NewLoader().LoadFromData([]byte(changed))
			if err != nil {
				t.Fatal(err)
			}
			findings := lint(doc)
			if !slices.ContainsFunc(findings, func(f string) bool { return strings.Contains(f, test.want) }) {
				t.Errorf("lint found %q, and not %q", findings, test.want)
			}
		})
	}
}
