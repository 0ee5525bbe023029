package contract

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// CheckResponse checks an answer of the operation. Its status must be documented, its Content-Type must be one that
// the status has, and headers and body must match. The error is a *Violation.
func (o *Operation) CheckResponse(status int, header http.Header, body []byte) error {
	v := Violation{Direction: Response, Operation: o.ID, Status: status}
	response := o.responseFor(status)
	if response == nil {
		return v.as(RuleStatus, "is not one that the operation documents")
	}
	if err := v.checkHeaders(response.headers, header); err != nil {
		return err
	}
	if len(response.contents.all) == 0 || o.Method == http.MethodHead || !bodyAllowed(status) {
		return nil
	}
	contentType := header.Get("Content-Type")
	media := response.contents.of(contentType)
	if media == nil || contentType == "" {
		return v.as(RuleContentType, "must be "+typesOf(response.contents.all))
	}
	return v.checkMedia(media, header, body, openapi3.VisitAsResponse())
}

// bodyAllowed tells whether HTTP knows a body with a status. Whatever the document says, there is none to check.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// A response is what an operation documents for a status.
type response struct {
	headers  []responseHeader // by name
	contents *contents
}

// A responseHeader is one that a response may have.
type responseHeader struct {
	name     string
	required bool
	schema   *openapi3.Schema // nil: any value
	rules    *rules
}

// compileResponses reads what is documented for each status that HTTP has, itself or by its range, and for the rest.
func (o *Operation) compileResponses(documented *openapi3.Responses, c *compiler) {
	o.responses = map[int]*response{}
	ranges := map[*openapi3.ResponseRef]*response{}
	of := func(ref *openapi3.ResponseRef) *response {
		if ref != nil && ranges[ref] == nil {
			ranges[ref] = newResponse(ref.Value, c)
		}
		return ranges[ref]
	}
	for status := 100; status <= 599; status++ {
		if ref := documented.Status(status); ref != nil {
			o.responses[status] = of(ref)
		}
	}
	o.otherwise = of(documented.Default())
}

func (o *Operation) responseFor(status int) *response {
	if r := o.responses[status]; r != nil {
		return r
	}
	return o.otherwise
}

func newResponse(documented *openapi3.Response, c *compiler) *response {
	r := &response{contents: newContents(documented.Content, c)}
	for _, name := range slices.Sorted(maps.Keys(documented.Headers)) {
		if strings.EqualFold(name, "Content-Type") {
			continue // OpenAPI: it is documented by the content, and this entry ignored
		}
		h := documented.Headers[name].Value
		header := responseHeader{name: name, required: h.Required}
		if h.Schema != nil {
			header.schema, header.rules = h.Schema.Value, c.compile(h.Schema)
		}
		r.headers = append(r.headers, header)
	}
	return r
}

func (v Violation) checkHeaders(documented []responseHeader, header http.Header) error {
	for _, h := range documented {
		v := v
		v.Parameter = "header " + h.name
		values := header.Values(h.name)
		if len(values) == 0 {
			if h.required {
				return v.as("required", "is required")
			}
			continue
		}
		if h.schema == nil || len(values) == 1 && h.rules != nil && h.rules.takesText(values[0]) {
			continue
		}
		if err := v.check(h.schema, typedHeader(h.schema, values)); err != nil {
			return err
		}
	}
	return nil
}

// typedHeader gives a header its type. Several lines of one header are one list.
func typedHeader(schema *openapi3.Schema, lines []string) any {
	line := strings.Join(lines, ",")
	if !isArray(schema) {
		return typedText(schema, line)
	}
	if line == "" {
		return []any{}
	}
	items := strings.Split(line, ",")
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
	}
	return typed(schema, items)
}
