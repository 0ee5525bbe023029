package contract

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// A Direction tells which message of an exchange is meant.
type Direction string

// The two directions.
const (
	Request  Direction = "request"
	Response Direction = "response"
)

// The rules that are not keywords of a schema. Violation.Rule is one of them or the keyword, such as "required",
// "type" or "maxLength".
const (
	RuleOperation   = "operation"       // the document has no such operation
	RuleStatus      = "status"          // the operation does not document this status
	RuleContentType = "contentType"     // the Content-Type is none of those that are documented
	RuleEncoding    = "contentEncoding" // the body is compressed, and can be checked only as it is
	RuleSyntax      = "syntax"          // the body, or a parameter, cannot be decoded
	RuleUTF8        = "utf8"            // the body is not UTF-8
	RuleDuplicate   = "duplicate"       // a name stands there twice
	RuleSize        = "size"            // the body is longer than the checker takes
	RuleSchema      = "schema"          // the schema does not match, and kin-openapi names no keyword
)

// A Violation says where a message leaves the contract. It is built from the document alone and never holds a value
// of the message, so it can be logged and shown.
type Violation struct {
	Direction Direction
	Operation string // the operationId, or method and path template where there is none
	Status    int    // of the response; 0 for a request
	// Pointer is the JSON pointer of the value that is wrong, in the body; "" is the body as a whole. Names that
	// are not in the document are written "*": who sent them may have sent a secret.
	Pointer string
	// Parameter is where outside the body the value is: "path key", "query limit", "header Retry-After". It is
	// empty for the body.
	Parameter string
	// Rule is what was broken: a keyword of the schema, or one of the Rule constants.
	Rule string
	// Want says what the document asks for, for people: "must be an integer".
	Want string

	body func() []byte // see Body; a function, since no verb of fmt prints more of one than its address
}

// Error says all that the Violation knows, in one line.
func (v *Violation) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "contract: %s %s", v.Operation, v.Direction)
	if v.Status != 0 {
		fmt.Fprintf(&b, " %d", v.Status)
	}
	fmt.Fprintf(&b, ": %s (%s)", v.Message(), v.Rule)
	return b.String()
}

// Message says what is wrong with the message, without naming the operation: "ttl must be an integer".
func (v *Violation) Message() string { return v.Where() + " " + v.Want }

// Where names the place that is wrong, for people: a field, a parameter, or the body.
func (v *Violation) Where() string {
	switch {
	case v.Parameter != "":
		return v.Parameter
	case v.Pointer == "/*":
		return "a name that the contract does not have"
	case v.Pointer != "":
		return strings.ReplaceAll(v.Pointer[1:], "/", ".")
	case v.Rule == RuleOperation:
		return "the request"
	case v.Rule == RuleStatus:
		return "the status"
	case v.Rule == RuleContentType:
		return "Content-Type"
	}
	return "the body"
}

// Body returns the body of a response that a Transport refused or reported, and nil for any other Violation. When a reveal's answer
// leaves the contract the secret is gone from the server, and this is the only place that still has it. It is never
// part of any text of the Violation.
func (v *Violation) Body() []byte {
	if v.body == nil {
		return nil
	}
	return v.body()
}

// WithBody returns a copy that keeps a body, for a reader of answers that finds out more than the check.
func (v Violation) WithBody(body []byte) *Violation {
	v.body = func() []byte { return body }
	return &v
}

// GoString keeps the body out of %#v.
func (v *Violation) GoString() string { return "&contract.Violation{" + strconv.Quote(v.Error()) + "}" }

func (v Violation) as(rule, want string) *Violation {
	v.Rule, v.Want = rule, want
	return &v
}

// syntax says that the body cannot be decoded. Its argument comes from the decoders of this package, and may be
// another decoder's error, which is dropped: it may hold a part of the body.
func (v Violation) syntax(err error) *Violation {
	if d := (*decodeError)(nil); errors.As(err, &d) {
		v.Pointer = d.pointer
		return v.as(d.rule, d.want)
	}
	return v.as(RuleSyntax, "cannot be read in its Content-Type")
}

// check validates a decoded value. The result is nil, as an error, or a *Violation.
func (v Violation) check(schema *openapi3.Schema, value any, opts ...openapi3.SchemaValidationOption) error {
	if err := schema.VisitJSON(value, opts...); err != nil {
		return v.fromKin(schema, err)
	}
	if path, found := notInteger(schema, value, maxDepth); found {
		v.Pointer += pointerOf(schema, path)
		return v.as("type", "must be an integer")
	}
	return nil
}

// fromKin keeps of an error of kin-openapi what comes from the document: its texts hold values.
func (v Violation) fromKin(schema *openapi3.Schema, err error) *Violation {
	var se *openapi3.SchemaError
	var parse *openapi3filter.ParseError
	switch {
	case errors.As(err, &se):
		se = innermost(se)
		v.Pointer += pointerOf(schema, se.JSONPointer())
		return v.as(ruleOf(se), wantOf(se))
	case errors.Is(err, openapi3filter.ErrInvalidRequired):
		return v.as("required", "is required")
	case errors.Is(err, openapi3filter.ErrInvalidEmptyValue):
		return v.as("allowEmptyValue", "must not be empty")
	case errors.As(err, &parse):
		return v.as(RuleSyntax, "cannot be read as what the contract documents")
	}
	return v.as(RuleSchema, "does not match its schema")
}

// innermost returns the first error that made an allOf fail: each of its parts has to match, so what one lacks is what
// is wrong. The error has its whole path.
func innermost(se *openapi3.SchemaError) *openapi3.SchemaError {
	for se.SchemaField == "allOf" {
		var inner *openapi3.SchemaError
		if !errors.As(se.Origin, &inner) {
			break
		}
		se = inner
	}
	return se
}

// pointerOf writes a JSON pointer in which only names that the schema knows stand as they are.
func pointerOf(schema *openapi3.Schema, path []string) string {
	var b strings.Builder
	for _, token := range path {
		name, next := step(partsOf(schema, nil), token)
		b.WriteString("/" + name)
		schema = next
	}
	return b.String()
}

// step returns how one token of a path is written, and the schema below it, if one is known.
func step(parts []*openapi3.Schema, token string) (string, *openapi3.Schema) {
	for _, part := range parts {
		if ref := part.Properties[token]; ref != nil {
			return escapeToken(token), ref.Value
		}
	}
	for _, part := range parts {
		if isArray(part) && part.Items != nil && isIndex(token) {
			return token, part.Items.Value
		}
	}
	for _, part := range parts {
		if slices.Contains(part.Required, token) {
			return escapeToken(token), nil
		}
	}
	for _, part := range parts {
		if ref := part.AdditionalProperties.Schema; ref != nil {
			return "*", ref.Value
		}
	}
	return "*", nil
}

// partsOf adds a schema and those that it is composed of to a list that has each of them once.
func partsOf(schema *openapi3.Schema, parts []*openapi3.Schema) []*openapi3.Schema {
	if schema == nil || slices.Contains(parts, schema) { // schemas can refer to themselves
		return parts
	}
	parts = append(parts, schema)
	for _, group := range []openapi3.SchemaRefs{schema.AllOf, schema.AnyOf, schema.OneOf} {
		for _, ref := range group {
			parts = partsOf(ref.Value, parts)
		}
	}
	return parts
}

func escapeToken(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

func isIndex(token string) bool {
	_, err := strconv.ParseUint(token, 10, 31)
	return err == nil
}

// propertyOf finds a property that a schema names itself or through the schemas that it is composed of.
func propertyOf(schema *openapi3.Schema, name string) *openapi3.Schema {
	if ref := schema.Properties[name]; ref != nil {
		return ref.Value
	}
	if len(schema.AllOf)+len(schema.AnyOf)+len(schema.OneOf) == 0 {
		return nil
	}
	for _, part := range partsOf(schema, nil) {
		if ref := part.Properties[name]; ref != nil {
			return ref.Value
		}
	}
	return nil
}

func ruleOf(se *openapi3.SchemaError) string {
	switch se.SchemaField {
	case "":
		return RuleSchema
	case "properties": // what kin-openapi says of a name that is not among the properties
		return "additionalProperties"
	}
	return se.SchemaField
}

// wantOf says in words what a keyword of the document asks for.
func wantOf(se *openapi3.SchemaError) string {
	s := se.Schema
	switch ruleOf(se) {
	case "required":
		return "is required"
	case "type":
		if s.Type != nil {
			return "must be " + article(strings.Join(s.Type.Slice(), " or "))
		}
	case "nullable":
		return "must not be null"
	case "enum":
		return "must be one of " + listOf(s.Enum)
	case "minLength":
		if s.MinLength == 1 {
			return "must not be empty"
		}
		return fmt.Sprintf("must have at least %d characters", s.MinLength)
	case "maxLength":
		if s.MaxLength != nil {
			return fmt.Sprintf("must have at most %d characters", *s.MaxLength)
		}
	case "minimum", "exclusiveMinimum":
		if s.Min != nil {
			return "must be " + bound("at least", "more than", se.SchemaField) + " " + number(*s.Min)
		}
	case "maximum", "exclusiveMaximum":
		if s.Max != nil {
			return "must be " + bound("at most", "less than", se.SchemaField) + " " + number(*s.Max)
		}
	case "format":
		return "must be in the format " + s.Format
	case "pattern":
		return "must match " + s.Pattern
	case "additionalProperties":
		return "has a name that the contract does not know"
	}
	return "breaks the contract's rule " + ruleOf(se)
}

func bound(inclusive, exclusive, field string) string {
	if strings.HasPrefix(field, "exclusive") {
		return exclusive
	}
	return inclusive
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func article(noun string) string {
	if noun != "" && strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func listOf(values []any) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = fmt.Sprint(value)
	}
	return strings.Join(texts, ", ")
}
