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
	if err := v.checkHeaders(response.Headers, header); err != nil {
		return err
	}
	if len(response.Content) == 0 || o.Method == http.MethodHead {
		return nil
	}
	contentType := header.Get("Content-Type")
	media := mediaFor(response.Content, contentType)
	if media == nil || contentType == "" {
		return v.as(RuleContentType, "must be "+typesOf(response.Content))
	}
	return v.checkMedia(media, header, body, openapi3.VisitAsResponse())
}

func (o *Operation) responseFor(status int) *openapi3.Response {
	ref := o.responses.Status(status)
	if ref == nil {
		ref = o.responses.Default()
	}
	if ref == nil {
		return nil
	}
	return ref.Value
}

func (v Violation) checkHeaders(documented openapi3.Headers, header http.Header) error {
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		ref := documented[name]
		if strings.EqualFold(name, "Content-Type") {
			continue // OpenAPI: it is documented by the content, and this entry ignored
		}
		v := v
		v.Parameter = "header " + name
		values := header.Values(name)
		if len(values) == 0 {
			if ref.Value.Required {
				return v.as("required", "is required")
			}
			continue
		}
		if ref.Value.Schema == nil {
			continue
		}
		schema := ref.Value.Schema.Value
		if err := v.check(schema, typedHeader(schema, values)); err != nil {
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
