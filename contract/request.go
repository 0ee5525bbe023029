package contract

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// CheckRequest checks a request's parameters and its body, which the caller has read; it does not read r.Body. The path
// parameters are unescaped. Where the document has parameters in the query, the query is read as strictly as a form.
// Credentials are not checked.
//
// For an urlencoded body it returns the form, which is what the strict decoder made of it: fields that are empty and
// have no empty value, such as "ttl=", are left out. An error is a *Violation.
func (o *Operation) CheckRequest(r *http.Request, pathParams map[string]string, body []byte) (url.Values, error) {
	if err := o.checkParameters(r, pathParams); err != nil {
		return nil, err
	}
	if o.body == nil {
		return nil, nil
	}
	return o.checkRequestBody(r, body)
}

func (o *Operation) checkParameters(r *http.Request, pathParams map[string]string) error {
	if len(o.parameters) == 0 {
		return nil
	}
	query, err := o.query(r)
	if err != nil {
		return err
	}
	for _, p := range o.parameters {
		if p.takes(r, pathParams, query) {
			continue
		}
		v := Violation{Direction: Request, Operation: o.ID, Parameter: p.In + " " + p.Name}
		if p.In == openapi3.ParameterInPath && pathParams[p.Name] == "" {
			return v.as("required", "is required")
		}
		if isPrimitive(schemaOf(p.Parameter)) && (p.In == openapi3.ParameterInQuery && len(query[p.Name]) > 1 ||
			p.In == openapi3.ParameterInHeader && len(r.Header.Values(p.Name)) > 1) {
			return v.as(RuleDuplicate, "is given twice")
		}
		input := &openapi3filter.RequestValidationInput{
			Request:     r,
			PathParams:  pathParams,
			QueryParams: query,
			Route:       o.route,
			Options:     &openapi3filter.Options{SkipSettingDefaults: true},
		}
		if err := openapi3filter.ValidateParameter(r.Context(), input, p.Parameter); err != nil {
			return v.fromKin(schemaOf(p.Parameter), err)
		}
	}
	return nil
}

// query reads the query, if the operation documents parameters there, as strictly as a form. A semicolon is refused,
// since net/url leaves out what has one: the handler would not see what was checked.
func (o *Operation) query(r *http.Request) (url.Values, error) {
	if !o.readsQuery {
		return nil, nil
	}
	values := url.Values{}
	v := Violation{Direction: Request, Operation: o.ID, Parameter: "query"}
	if strings.Count(r.URL.RawQuery, "&") >= maxFields {
		return nil, v.syntax(errFields)
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		if strings.Contains(pair, ";") {
			return nil, v.as(RuleSyntax, "has a semicolon that is not escaped")
		}
		name, value, err := decodePair(pair)
		if err != nil {
			return nil, v.syntax(err)
		}
		values[name] = append(values[name], value)
	}
	return values, nil
}

// A parameter is one that an operation documents, with rules for its text where it has one as it is.
type parameter struct {
	*openapi3.Parameter
	rules *rules
}

func newParameter(p *openapi3.Parameter, c *compiler) parameter {
	style, err := p.SerializationMethod()
	plain := err == nil && p.Content == nil && p.Schema != nil && isPrimitive(p.Schema.Value) &&
		(p.In == openapi3.ParameterInPath && style.Style == openapi3.SerializationSimple ||
			p.In == openapi3.ParameterInHeader && style.Style == openapi3.SerializationSimple ||
			p.In == openapi3.ParameterInQuery && style.Style == openapi3.SerializationForm)
	if !plain {
		return parameter{p, nil}
	}
	return parameter{p, c.compile(p.Schema)}
}

// takes tells whether the parameter certainly conforms; see rules.go.
func (p parameter) takes(r *http.Request, pathParams map[string]string, query url.Values) bool {
	if p.rules == nil {
		return false
	}
	switch p.In {
	case openapi3.ParameterInPath:
		text := pathParams[p.Name]
		return text != "" && p.rules.takesText(text)
	case openapi3.ParameterInQuery:
		return p.takesOnly(query[p.Name])
	}
	return p.takesOnly(r.Header[http.CanonicalHeaderKey(p.Name)])
}

func (p parameter) takesOnly(values []string) bool {
	switch len(values) {
	case 0:
		return !p.Required
	case 1:
		return values[0] != "" && p.rules.takesText(values[0])
	}
	return false
}

func isPrimitive(schema *openapi3.Schema) bool {
	return schema != nil && schema.Type != nil && !isArray(schema) && !schema.Type.Is(openapi3.TypeObject)
}

func schemaOf(p *openapi3.Parameter) *openapi3.Schema {
	if p.Schema == nil {
		return nil
	}
	return p.Schema.Value
}

func (o *Operation) checkRequestBody(r *http.Request, body []byte) (url.Values, error) {
	v := Violation{Direction: Request, Operation: o.ID}
	contentType := r.Header.Get("Content-Type")
	if m := o.formMedia(); m != nil && isForm(contentType, body) && !isEncoded(r.Header) {
		if m.rules != nil {
			if values, ok := m.rules.takeForm(body); ok {
				return values, nil
			}
		}
		form := m.Schema.Value
		values, object, err := decodeForm(body, form)
		if err != nil {
			return nil, v.syntax(err)
		}
		if err := v.check(form, object, openapi3.VisitAsRequest()); err != nil {
			return nil, err
		}
		return values, nil
	}
	media := o.contents.of(contentType)
	switch {
	case len(body) == 0 && !o.body.Required:
		return nil, nil
	case len(o.body.Content) > 0 && media == nil && (len(body) > 0 || contentType != ""):
		return nil, v.as(RuleContentType, "must be "+typesOf(o.body.Content))
	case len(body) == 0:
		return nil, v.as("required", "is required")
	}
	return nil, v.checkMedia(media, r.Header, body, openapi3.VisitAsRequest())
}
