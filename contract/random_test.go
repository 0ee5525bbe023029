package contract

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// choices make random schemas and messages. They are read from bytes, so that a fuzzer can change one and leave the others
// as they are.
type choices struct{ data []byte }

func randomChoices(r *rand.Rand) *choices {
	data := make([]byte, 50+r.IntN(400))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return &choices{data}
}

// below returns a number from 0 to n-1, and 0 when nothing is left to choose.
func (c *choices) below(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	chosen := int(c.data[0]) % n
	c.data = c.data[1:]
	return chosen
}

// oneIn is true once in n times, and never when nothing is left.
func (c *choices) oneIn(n int) bool { return c.below(n) == n-1 }

func pick[T any](c *choices, from []T) T { return from[c.below(len(from))] }

// The names include some that readers take for each other, and the texts some that no reader should take, or only a careful
// one. Both are as they stand in JSON.
var (
	someNames   = []string{"id", "name", "tag", "Kind", "a b"}
	someAliases = []string{"x", "y", "NAME", "kind", `n\u0061me`, "\u212aind", "é", "\\", strings.Repeat("long", 20)}
	someTexts   = []string{"", "a", "ab", "aaaa", "new", "é", "日本語", `\u0061`, `\ud83d\ude00`, `\ud83d`, `\udE00`, `\n`, `\"`, `\\`, `\q`, `\u00g0`, "\xff",
		"\t", "\x7f", "2020-02-30", "2020-02-29", "null", "12345678", "1234567é", `1234567\t`, `1234567"`, "12345678\x1f"}
	someNumbers = []string{"0", "1", "2", "-1", "10", "-0", "1.5", "1.0", "1e1", "1E+2", "2e-3", "01", "1.", "-", "+1", ".5", "1e", "0x1",
		"2147483647", "2147483648", "999999999999999", "1000000000000000", "9007199254740991", "9007199254740993", "12345678901234567890", "1e400", "-1.5"}
	someLiterals = []string{"true", "false", "null", "nul", "True", "{}", "[]"}
)

const deepest = 4

// schema makes a schema. Among those around it are some for it to refer to.
func (c *choices) schema(around []*openapi3.Schema) *openapi3.SchemaRef {
	if len(around) > 0 && c.oneIn(12) {
		return openapi3.NewSchemaRef("#/components/schemas/Around", pick(c, around)) // the name of a circle is asked for in errors
	}
	s := openapi3.NewSchema()
	around = append(around, s)
	kind := pick(c, []string{"object", "object", "array", "string", "integer", "number", "boolean", ""})
	if len(around) > deepest {
		kind = pick(c, []string{"string", "integer", "number", "boolean", ""})
	}
	if kind != "" {
		s.Type = &openapi3.Types{kind}
	}
	s.Nullable = c.oneIn(5)
	s.ReadOnly, s.WriteOnly = c.oneIn(12), c.oneIn(12)
	c.rulesOfStrings(s, kind)
	c.rulesOfNumbers(s, kind)
	if len(around) > deepest {
		return openapi3.NewSchemaRef("", s)
	}
	c.rulesOfArrays(s, kind, around)
	c.rulesOfObjects(s, kind, around)
	c.compositions(s, around)
	return openapi3.NewSchemaRef("", s)
}

// has tells whether a schema is to have keywords for a type: hardly ever for another than its own.
func (c *choices) has(kind string, types ...string) bool {
	for _, t := range types {
		if kind == t {
			return true
		}
	}
	return kind == "" && c.oneIn(3) || c.oneIn(20)
}

func (c *choices) rulesOfStrings(s *openapi3.Schema, kind string) {
	if !c.has(kind, "string") {
		return
	}
	if c.oneIn(4) {
		s.MinLength = uint64(c.below(9))
	}
	if c.oneIn(4) {
		s.WithMaxLength(int64(c.below(9)))
	}
	if c.oneIn(5) {
		s.Enum = pick(c, [][]any{{"a"}, {"a", "new"}, {"é", "", nil}, {1.0, "a"}, {true}})
	}
	if c.oneIn(8) {
		s.Pattern = pick(c, []string{"^a", "^[a-z]*$"})
	}
	if c.oneIn(6) {
		s.Format = pick(c, []string{"date", "byte", "nobody-knows"})
	}
}

func (c *choices) rulesOfNumbers(s *openapi3.Schema, kind string) {
	if !c.has(kind, "integer", "number") {
		return
	}
	bounds := []float64{0, 1, 1.5, -1, 10}
	if c.oneIn(3) {
		s.WithMin(pick(c, bounds))
	}
	if c.oneIn(3) {
		s.WithMax(pick(c, bounds))
	}
	if c.oneIn(4) {
		s.WithExclusiveMin(true)
	}
	if c.oneIn(4) {
		s.WithExclusiveMax(true)
	}
	if c.oneIn(8) {
		multiple := 2.0
		s.MultipleOf = &multiple
	}
	if c.oneIn(5) {
		s.Format = pick(c, []string{"int32", "int64", "float"})
	}
}

func (c *choices) rulesOfArrays(s *openapi3.Schema, kind string, around []*openapi3.Schema) {
	if !c.has(kind, "array") {
		return
	}
	if kind == "array" || c.oneIn(2) {
		s.Items = c.schema(around)
	}
	if c.oneIn(4) {
		s.MinItems = uint64(c.below(3))
	}
	if c.oneIn(4) {
		s.WithMaxItems(int64(c.below(4)))
	}
	s.UniqueItems = c.oneIn(9)
}

func (c *choices) rulesOfObjects(s *openapi3.Schema, kind string, around []*openapi3.Schema) {
	if !c.has(kind, "object") {
		return
	}
	for _, name := range someNames {
		if c.oneIn(2) {
			s.WithPropertyRef(name, c.schema(around))
		}
		if c.oneIn(4) {
			s.Required = append(s.Required, name)
		}
	}
	switch c.below(4) {
	case 1:
		s.WithoutAdditionalProperties()
	case 2:
		s.AdditionalProperties.Schema = c.schema(around)
	}
	if c.oneIn(6) {
		s.MinProps = uint64(c.below(4))
	}
	if c.oneIn(6) {
		s.WithMaxProperties(int64(c.below(4)))
	}
}

func (c *choices) compositions(s *openapi3.Schema, around []*openapi3.Schema) {
	if !c.oneIn(5) {
		return
	}
	parts := openapi3.SchemaRefs{c.schema(around), c.schema(around)}
	switch c.below(6) {
	case 0, 1, 2:
		s.AllOf = parts
	case 3:
		s.AnyOf = parts
	case 4:
		s.OneOf = parts
	case 5:
		s.Not = parts[0]
	}
}

// message makes a JSON text that a schema takes with some luck.
func (c *choices) message(schema *openapi3.Schema) []byte {
	var b strings.Builder
	c.value(&b, schema, 0)
	if c.oneIn(30) {
		b.WriteString(pick(c, []string{" ", "\n", ",", "}", "0"}))
	}
	return []byte(b.String())
}

func (c *choices) value(b *strings.Builder, schema *openapi3.Schema, depth int) {
	if c.oneIn(20) {
		b.WriteString(pick(c, []string{" ", "\n\t", "\r", "\v"}))
	}
	kind := pick(c, []string{"object", "array", "string", "number", "literal"})
	if schema != nil && schema.Type != nil && !c.oneIn(15) {
		kind = (*schema.Type)[0]
	}
	if schema != nil && schema.Nullable && c.oneIn(5) {
		kind = "null"
	}
	switch {
	case depth > deepest+2:
		b.WriteString("1")
	case kind == "object":
		c.object(b, schema, depth)
	case kind == "array":
		c.array(b, schema, depth)
	case kind == "string":
		fmt.Fprintf(b, `"%s"`, pick(c, someTexts[:4+c.below(len(someTexts)-3)]))
	case kind == "integer", kind == "number":
		b.WriteString(pick(c, someNumbers[:4+c.below(len(someNumbers)-3)]))
	case kind == "boolean":
		b.WriteString(pick(c, someLiterals[:2]))
	case kind == "null":
		b.WriteString("null")
	default:
		b.WriteString(pick(c, someLiterals))
	}
}

func (c *choices) array(b *strings.Builder, schema *openapi3.Schema, depth int) {
	var items *openapi3.Schema
	if schema != nil && schema.Items != nil {
		items = schema.Items.Value
	}
	b.WriteByte('[')
	for i := range c.below(4) {
		if i > 0 {
			b.WriteByte(',')
		}
		c.value(b, items, depth+1)
	}
	b.WriteByte(']')
}

func (c *choices) object(b *strings.Builder, schema *openapi3.Schema, depth int) {
	b.WriteByte('{')
	separator := ""
	member := func(name string, schema *openapi3.Schema) {
		fmt.Fprintf(b, `%s"%s":`, separator, name)
		c.value(b, schema, depth+1)
		separator = ","
	}
	if schema == nil {
		schema = openapi3.NewSchema()
	}
	for _, name := range namesOf(schema) {
		ref := schema.Properties[name]
		switch {
		case ref != nil && !c.oneIn(5):
			member(name, ref.Value)
		case ref == nil && c.oneIn(3):
			member(name, nil)
		}
	}
	for c.oneIn(5) {
		member(pick(c, append(someAliases, someNames...)), nil)
	}
	b.WriteByte('}')
}

// form makes an urlencoded form that a schema takes with some luck.
func (c *choices) form(schema *openapi3.Schema) []byte {
	var pairs []string
	for _, name := range namesOf(schema) {
		for c.oneIn(2) {
			value := pick(c, []string{pick(c, someTexts), pick(c, someNumbers), pick(c, someLiterals), ""})
			pairs = append(pairs, url.QueryEscape(name)+"="+pick(c, []string{url.QueryEscape(value), value}))
			if c.below(8) > 0 {
				break
			}
		}
	}
	for c.oneIn(4) {
		pairs = append(pairs, pick(c, []string{"", "x", "=", "x=1", "name", "%zz", "a+b=c", "id=%ff", "n%61me=1"}))
	}
	return []byte(strings.Join(pairs, "&"))
}

// namesOf returns the names that an object of a schema may have, and some that it may not know.
func namesOf(schema *openapi3.Schema) []string {
	all := append(slices.Collect(maps.Keys(schema.Properties)), someNames...)
	slices.Sort(all)
	return slices.Compact(all)
}
