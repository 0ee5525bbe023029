package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// A decodeError says why a body cannot be decoded, without any part of it.
type decodeError struct{ pointer, rule, want string }

func (e *decodeError) Error() string { return e.want }

var (
	errUTF8      = &decodeError{rule: RuleUTF8, want: "is not UTF-8"}
	errJSON      = &decodeError{rule: RuleSyntax, want: "is not a JSON text"}
	errJSONTwice = &decodeError{rule: RuleDuplicate, want: "has a name twice in one object"}
	errJSONHalf  = &decodeError{rule: RuleUTF8, want: "has an escape that stands for half a character"}
	errJSONDeep  = &decodeError{rule: RuleSyntax, want: "is nested too deeply"}
	errFields    = &decodeError{rule: RuleSize, want: fmt.Sprintf("has more than %d fields", maxFields)}
	errForm      = &decodeError{rule: RuleSyntax, want: "is not an urlencoded form: a % must be followed by two hexadecimal digits"}
)

// maxDepth bounds the nesting of a JSON text. No message of an API comes near it.
const maxDepth = 100

// maxFields bounds the fields of a form or a query, each of which takes many times the memory of what was sent. net/url takes
// ten times as many.
const maxFields = 1000

// DecodeJSON decodes one JSON text. It is stricter than encoding/json: nothing may follow the text, it must be UTF-8,
// and no object may hold a name twice, not in upper and lower case either, since two readers of it could see two different
// values. Numbers come as json.Number, so that none loses digits. An error holds no part of the text.
func DecodeJSON(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, errUTF8
	}
	if hasLoneSurrogate(body) {
		return nil, errJSONHalf
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	value, err := decodeJSONValue(dec, maxDepth)
	if err != nil {
		if d := (*decodeError)(nil); errors.As(err, &d) {
			return nil, d
		}
		return nil, errJSON
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errJSON
	}
	return value, nil
}

func decodeJSONValue(dec *json.Decoder, depth int) (any, error) {
	if depth == 0 {
		return nil, errJSONDeep
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return decodeJSONObject(dec, depth)
	case json.Delim('['):
		return decodeJSONArray(dec, depth)
	}
	return token, nil
}

func decodeJSONObject(dec *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	var others map[string]bool // the folded forms of names that are not folded: there are hardly ever any
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string)
		value, err := decodeJSONValue(dec, depth-1)
		if err != nil {
			return nil, err
		}
		folded := fold(name)
		if _, twice := object[folded]; twice || others[folded] {
			return nil, errJSONTwice
		}
		if folded != name {
			if others == nil {
				others = map[string]bool{}
			}
			others[folded] = true
		}
		object[name] = value
	}
	_, err := dec.Token() // the closing brace
	return object, err
}

// fold makes names equal that encoding/json takes for each other, which a reader of what was checked may use: it reads
// "Value" into the field for "value", too. Names as APIs write them, in lower case, are folded already.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if 'A' <= least && least <= 'Z' {
			return least + 'a' - 'A'
		}
		return least
	}, name)
}

// hasLoneSurrogate tells whether a JSON text has an escape that stands for half a character. Readers put another character
// in its place, so that a secret would arrive changed.
func hasLoneSurrogate(body []byte) bool {
	for {
		i := bytes.IndexByte(body, '\\')
		if i < 0 || i+1 == len(body) {
			return false
		}
		first, rest := escaped(body[i:])
		body = rest
		if utf16.IsSurrogate(first) {
			var second rune
			second, body = escaped(rest)
			if utf16.DecodeRune(first, second) == unicode.ReplacementChar {
				return true
			}
		}
	}
}

// escaped reads the escape with which a part of a JSON text begins: its character, if it is a \u escape, and what follows.
func escaped(text []byte) (rune, []byte) {
	const length = len(`\u0000`)
	if len(text) < 2 || text[0] != '\\' {
		return 0, text
	}
	if text[1] != 'u' || len(text) < length {
		return 0, text[2:]
	}
	code, err := strconv.ParseUint(string(text[2:length]), 16, 16)
	if err != nil {
		return 0, text[2:]
	}
	return rune(code), text[length:]
}

func decodeJSONArray(dec *json.Decoder, depth int) (any, error) {
	array := []any{}
	for dec.More() {
		value, err := decodeJSONValue(dec, depth-1)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := dec.Token() // the closing bracket
	return array, err
}

// decodeForm decodes an urlencoded form for a schema, strictly: what is not UTF-8, is malformed, or stands there twice
// (in a field that is no array) is refused. An empty body is the form without fields. A field that is empty, of a type
// that has no empty value, is as good as absent: "ttl=" sends no number.
//
// It returns the form as it was read, less what is as good as absent, and the typed object that the schema is about.
func decodeForm(body []byte, schema *openapi3.Schema) (url.Values, map[string]any, error) {
	if hasManyFields(body) {
		return nil, nil, errFields
	}
	form, object, seen := url.Values{}, map[string]any{}, map[string]bool{}
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair == "" {
			continue
		}
		name, value, err := decodePair(pair)
		if err != nil {
			return nil, nil, err
		}
		property := formProperty(schema, name)
		if seen[name] && !isArray(property) {
			return nil, nil, &decodeError{pointerOf(schema, []string{name}), RuleDuplicate, "is given twice"}
		}
		seen[name] = true
		if value == "" && !hasEmptyValue(property) {
			continue
		}
		form[name] = append(form[name], value)
	}
	for name, values := range form {
		object[name] = typed(formProperty(schema, name), values)
	}
	return form, object, nil
}

func hasManyFields(form []byte) bool { return bytes.Count(form, []byte("&")) >= maxFields }

func decodePair(pair string) (name, value string, err error) {
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err != nil {
		return "", "", errForm // the error of net/url holds a part of the body
	}
	if value, err = url.QueryUnescape(value); err != nil {
		return "", "", errForm
	}
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return "", "", errUTF8
	}
	return name, value, nil
}

// formProperty returns the schema of a field, which may be the one of all fields that have no name in the document.
func formProperty(schema *openapi3.Schema, name string) *openapi3.Schema {
	if p := propertyOf(schema, name); p != nil {
		return p
	}
	if ref := schema.AdditionalProperties.Schema; ref != nil {
		return ref.Value
	}
	return nil
}

func isArray(schema *openapi3.Schema) bool {
	return schema != nil && schema.Type.Is(openapi3.TypeArray)
}

func hasEmptyValue(schema *openapi3.Schema) bool {
	if schema == nil || schema.Type == nil || schema.Type.Includes(openapi3.TypeString) || isArray(schema) {
		return true
	}
	return false
}

// typed gives texts the type that the schema asks for. A text that has no such type stays a text, for the schema to
// refuse.
func typed(schema *openapi3.Schema, values []string) any {
	if !isArray(schema) {
		return typedText(schema, values[0])
	}
	array := make([]any, len(values))
	for i, value := range values {
		array[i] = typedText(schema.Items.Value, value)
	}
	return array
}

func typedText(schema *openapi3.Schema, text string) any {
	if schema == nil || schema.Type == nil {
		return text
	}
	switch {
	case schema.Type.Is(openapi3.TypeInteger), schema.Type.Is(openapi3.TypeNumber):
		if isNumber(text) {
			return json.Number(text)
		}
	case schema.Type.Is(openapi3.TypeBoolean):
		if text == "true" || text == "false" {
			return text == "true"
		}
	case schema.Type.Is(openapi3.TypeObject): // OpenAPI 3.0: an object in a form is a JSON text
		if value, err := DecodeJSON([]byte(text)); err == nil {
			return value
		}
	}
	return text
}

// isNumber tells whether a text is a number as JSON writes it: "0x10", "+1", "1_000", "1 " and "Inf" are none.
func isNumber(text string) bool {
	return strings.Trim(text, "+-.0123456789eE") == "" && json.Valid([]byte(text))
}

// isInteger tells whether a text is a number without fraction and exponent, as OpenAPI 3.0 defines an integer: "1.0" and
// "1e3" are none, and few decoders would take them for one.
func isInteger(text string) bool {
	return !strings.ContainsAny(text, ".eE") && isNumber(text)
}

// notInteger finds a number that the schema wants to be an integer and that is not written as one. kin-openapi reads
// numbers as floating point, where 1.0, 1e3 and even 9007199254740990.7 are integers. Alternatives (oneOf, anyOf) are not
// looked into: which of them is meant is kin-openapi's to say.
func notInteger(schema *openapi3.Schema, value any, depth int) (path []string, found bool) {
	if depth == 0 {
		return nil, false
	}
	if len(schema.AllOf) > 0 {
		for _, part := range allOf(schema, nil) {
			if path, found := notIntegerBy(part, value, depth); found {
				return path, true
			}
		}
		return nil, false
	}
	return notIntegerBy(schema, value, depth)
}

// allOf adds a schema and the parts that all apply with it to a list that has each of them once.
func allOf(schema *openapi3.Schema, parts []*openapi3.Schema) []*openapi3.Schema {
	if slices.Contains(parts, schema) {
		return parts
	}
	parts = append(parts, schema)
	for _, part := range schema.AllOf {
		parts = allOf(part.Value, parts)
	}
	return parts
}

// notIntegerBy is notInteger for a schema without its parts.
func notIntegerBy(schema *openapi3.Schema, value any, depth int) (path []string, found bool) {
	switch value := value.(type) {
	case json.Number:
		return nil, schema.Type.Is(openapi3.TypeInteger) && !isInteger(value.String())
	case []any:
		if schema.Items == nil {
			return nil, false
		}
		for i, item := range value {
			if path, found := notInteger(schema.Items.Value, item, depth-1); found {
				return append([]string{strconv.Itoa(i)}, path...), true
			}
		}
	case map[string]any:
		return notIntegerIn(schema, value, depth)
	}
	return nil, false
}

// notIntegerIn is notInteger for an object. Of several it takes the first by name, so that it always finds the same.
func notIntegerIn(schema *openapi3.Schema, object map[string]any, depth int) (path []string, found bool) {
	for name, member := range object {
		var property *openapi3.Schema
		if ref := schema.Properties[name]; ref != nil {
			property = ref.Value
		} else if ref := schema.AdditionalProperties.Schema; ref != nil {
			property = ref.Value
		}
		if property == nil || found && path[0] < name {
			continue
		}
		if rest, here := notInteger(property, member, depth-1); here {
			path, found = append([]string{name}, rest...), true
		}
	}
	return path, found
}
