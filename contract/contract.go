// Package contract checks HTTP messages against an OpenAPI 3.0 document: requests and responses, on a server and in
// a client. The document of this module is embedded (see V1); Load takes any other.
//
// An Operation checks one message and answers with nil or a *Violation, which says where the message leaves the
// contract and never holds a value of it, so that it can be logged and shown. kin-openapi decides what conforms;
// this package adds strict decoders for urlencoded forms and JSON, takes for integers only what is written as one, and
// forgets the values that kin-openapi's errors hold.
//
// Most messages conform, and finding that out costs little: the schemas are compiled, when a document is loaded, into
// rules that read the bytes of a message. They take it only if the strict decoders and kin-openapi certainly take it,
// too; every other message goes to those, which decide. Formats that are registered with kin-openapi are asked for as
// they are registered at the time.
//
// What is refused whatever the schema says, with the rule that a Violation then has:
//
//   - JSON that is cut off, followed by more, or nested deeper than 100 (syntax);
//   - a name twice in one object, also in upper and lower case (duplicate), a form's or a query's field twice, unless it is an
//     array (duplicate), and more than 1000 fields (size);
//   - bytes that are not UTF-8, and escapes of JSON that stand for half a character (utf8);
//   - a broken % in a form or a query, and a semicolon in a query (syntax);
//   - an integer that is written with a fraction or an exponent, such as 1.0 or 1e3 (type);
//   - a number that is too large for floating point (type). Numbers are compared as floating point otherwise: beyond 2^53 a
//     bound is as exact as that;
//   - a body that is compressed, if a schema is to be held to it (contentEncoding).
//
// An answer to HEAD has no body to check, nor has one with the status 204 or 304.
//
// In a client, put a Transport under the http.Client. For a server on Echo, package server has the middleware. For a
// server on something else, call CheckRequest and CheckResponse where its handlers are called.
//
// The package does not authenticate: it tells what the document asks for, with RequiresCredentials.
package contract

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"github.com/onetime-go/onetime/gen"
)

// A Contract is an OpenAPI 3.0 document, validated and ready to check messages. It does not change, and may be used
// concurrently.
type Contract struct {
	doc        *openapi3.T
	operations []*Operation // sorted so that the first match of a path is the right one
	byTemplate map[string]*Operation
	schemas    map[string]*rules // of the components, for responses
}

// V1 returns the contract of the Onetime Secret API, version 1, which stands in openapi.yaml.
func V1() *Contract { return v1() }

var v1 = sync.OnceValue(func() *Contract {
	data, err := gen.GetSpecJSON()
	if err != nil {
		panic(err) // the generated package is damaged: every build of it fails its tests
	}
	c, err := Load(data)
	if err != nil {
		panic(err)
	}
	return c
})

// Load reads an OpenAPI document, JSON or YAML, and validates it. It refuses OpenAPI 3.1 and references to other
// files or hosts.
func Load(document []byte) (*Contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("contract: read document: %w", err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.0.") {
		return nil, fmt.Errorf("contract: document is OpenAPI %s, want 3.0", doc.OpenAPI)
	}
	// Examples decide nothing: a wrong one is no reason to leave messages unchecked.
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("contract: validate document: %w", err)
	}
	c := &Contract{doc: doc, byTemplate: map[string]*Operation{}, schemas: map[string]*rules{}}
	requests, responses := newCompiler(Request), newCompiler(Response)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := newOperation(doc, path, item, method, op)
			o.compile(item, requests, responses)
			c.add(o)
		}
	}
	if doc.Components != nil {
		for name, ref := range doc.Components.Schemas {
			c.schemas[name] = responses.compile(ref)
		}
	}
	slices.SortFunc(c.operations, func(a, b *Operation) int {
		if d := compareTemplates(a.segments, b.segments); d != 0 {
			return d
		}
		return strings.Compare(a.Method, b.Method)
	})
	return c, nil
}

func (c *Contract) add(op *Operation) {
	c.operations = append(c.operations, op)
	c.byTemplate[op.Method+" "+op.Path] = op
}

func newOperation(doc *openapi3.T, path string, item *openapi3.PathItem, method string, op *openapi3.Operation) *Operation {
	o := &Operation{
		ID:         op.OperationID,
		Method:     method,
		Path:       path,
		Deprecated: op.Deprecated,
		segments:   parseTemplate(path),
		route:      &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
	}
	if o.ID == "" {
		o.ID = method + " " + path
	}
	if op.RequestBody != nil {
		o.body = op.RequestBody.Value
	}
	security := doc.Security
	if op.Security != nil {
		security = *op.Security
	}
	o.requiresCredentials = requiresCredentials(security)
	return o
}

// compile makes rules of what the operation documents.
func (o *Operation) compile(item *openapi3.PathItem, requests, responses *compiler) {
	for _, p := range parametersOf(item, o.route.Operation) {
		o.parameters = append(o.parameters, newParameter(p, requests))
		o.readsQuery = o.readsQuery || p.In == openapi3.ParameterInQuery
	}
	if o.body != nil {
		o.contents = newContents(o.body.Content, requests)
	}
	o.compileResponses(o.route.Operation.Responses, responses)
}

// parametersOf returns the parameters of an operation: its own, and those of its path that it does not replace. OpenAPI
// has the headers that it describes elsewhere ignored here.
func parametersOf(item *openapi3.PathItem, op *openapi3.Operation) []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, ref := range op.Parameters {
		all = append(all, ref.Value)
	}
	for _, ref := range item.Parameters {
		if op.Parameters.GetByInAndName(ref.Value.In, ref.Value.Name) == nil {
			all = append(all, ref.Value)
		}
	}
	return slices.DeleteFunc(all, func(p *openapi3.Parameter) bool {
		return p.In == openapi3.ParameterInHeader &&
			slices.Contains([]string{"Accept", "Content-Type", "Authorization"}, http.CanonicalHeaderKey(p.Name))
	})
}

func requiresCredentials(alternatives openapi3.SecurityRequirements) bool {
	for _, schemes := range alternatives {
		if len(schemes) == 0 {
			return false
		}
	}
	return len(alternatives) > 0
}

// Operations returns every operation of the document, in a fixed order.
func (c *Contract) Operations() []*Operation { return slices.Clone(c.operations) }

// Operation returns the operation with this method and path template, such as "POST" and "/api/v1/secret/{key}", or
// nil if the document has none.
func (c *Contract) Operation(method, template string) *Operation {
	return c.byTemplate[method+" "+template]
}

// Match returns the operation for a method and the escaped path of a request, with the path's parameters, unescaped.
// It returns nil if the document has none. A path without parameters goes before one with.
//
// A server that has routed the request already knows its template, and calls Operation.
func (c *Contract) Match(method, escapedPath string) (*Operation, map[string]string) {
	given, ok := splitPath(escapedPath)
	if !ok {
		return nil, nil
	}
	for _, op := range c.operations {
		if op.Method != method || len(op.segments) != len(given) {
			continue
		}
		if params, ok := matchTemplate(op.segments, given); ok {
			return op, params
		}
	}
	return nil, nil
}

// CheckSchema checks a JSON text against a schema of the document's components, outside any operation. It is for
// answers that no operation documents, such as the 404 for an unknown route. The error is a *Violation.
func (c *Contract) CheckSchema(name string, body []byte) error {
	if c.doc.Components == nil || c.doc.Components.Schemas[name] == nil {
		return fmt.Errorf("contract: the document has no schema %q", name)
	}
	if rules := c.schemas[name]; rules != nil && rules.takesJSON(body) {
		return nil
	}
	v := Violation{Direction: Response, Operation: name}
	return v.checkJSON(c.doc.Components.Schemas[name].Value, body, openapi3.VisitAsResponse())
}
