package contract

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// unbounded is the upper bound of a length or a count that has none.
const unbounded = math.MaxUint64

// A compiler makes rules of the schemas of a document, for one direction: a request may lack what is readOnly, a response what
// is writeOnly.
type compiler struct {
	direction Direction
	visit     openapi3.SchemaValidationOption
	done      map[*openapi3.Schema]*rules
}

func newCompiler(direction Direction) *compiler {
	c := &compiler{direction: direction, visit: openapi3.VisitAsRequest(), done: map[*openapi3.Schema]*rules{}}
	if direction == Response {
		c.visit = openapi3.VisitAsResponse()
	}
	return c
}

// compile returns the rules of a schema, and nil for none, or where all of it is left to kin-openapi.
func (c *compiler) compile(ref *openapi3.SchemaRef) *rules {
	if ref == nil || ref.Value == nil {
		return nil
	}
	if r := c.rulesOf(ref.Value); r.uncompiled == nil {
		return r
	}
	return nil
}

// rulesOf returns the rules of a schema, which are not complete yet if it is met within itself.
func (c *compiler) rulesOf(schema *openapi3.Schema) *rules {
	if r := c.done[schema]; r != nil {
		return r
	}
	r := unlimited(kindsOf(schema))
	c.done[schema] = r
	if !isCompiled(schema) || !r.setTexts(schema) || !c.setParts(r, schema) || !c.setMembers(r, schema) {
		*r = rules{uncompiled: schema, visit: c.visit}
		return r
	}
	r.setNumbers(schema)
	r.minItems, r.maxItems = schema.MinItems, orUnbounded(schema.MaxItems)
	if r.items = anything; schema.Items != nil {
		r.items = c.rulesOf(schema.Items.Value)
	}
	return r
}

func unlimited(k kinds) *rules {
	return &rules{kinds: k, maxLength: unbounded, maxItems: unbounded, maxProps: unbounded, min: math.Inf(-1), max: math.Inf(1)}
}

func orUnbounded(limit *uint64) uint64 {
	if limit == nil {
		return unbounded
	}
	return *limit
}

// isCompiled tells whether a schema has no keywords but those that are compiled here, and those that ask for nothing.
// It clears what it knows, so that a keyword of a later kin-openapi is one that it does not.
func isCompiled(schema *openapi3.Schema) bool {
	if schema.Type != nil && kindsOf(schema)&^kindNull == 0 {
		return false // a type of OpenAPI 3.1, or several
	}
	rest := *schema
	// What asks for nothing.
	rest.Extensions, rest.Origin, rest.Title, rest.Description = nil, nil, "", ""
	rest.Default, rest.Example, rest.ExternalDocs, rest.XML = nil, nil, nil, nil
	rest.Deprecated, rest.AllowEmptyValue = false, false
	rest.Discriminator = nil // of oneOf and anyOf, which are not compiled
	// What is compiled.
	rest.Type, rest.Nullable, rest.Enum, rest.Format, rest.AllOf = nil, false, nil, "", nil
	rest.MinLength, rest.MaxLength = 0, nil
	rest.Min, rest.Max, rest.ExclusiveMin.Bool, rest.ExclusiveMax.Bool = nil, nil, nil, nil
	rest.Items, rest.MinItems, rest.MaxItems = nil, 0, nil
	rest.Properties, rest.Required, rest.MinProps, rest.MaxProps = nil, nil, 0, nil
	rest.AdditionalProperties = openapi3.AdditionalProperties{}
	rest.ReadOnly, rest.WriteOnly = false, false // of the object that has the property
	return reflect.ValueOf(rest).IsZero()
}

// kindsOf returns the types that a schema takes: without a type all, null only if it says so.
func kindsOf(schema *openapi3.Schema) kinds {
	var k kinds
	switch {
	case schema.Type == nil:
		k = anyKind &^ kindNull
	case schema.Type.Is(openapi3.TypeBoolean):
		k = kindBoolean
	case schema.Type.Is(openapi3.TypeInteger):
		k = kindInteger
	case schema.Type.Is(openapi3.TypeNumber):
		k = kindInteger | kindNumber
	case schema.Type.Is(openapi3.TypeString):
		k = kindString
	case schema.Type.Is(openapi3.TypeArray):
		k = kindArray
	case schema.Type.Is(openapi3.TypeObject):
		k = kindObject
	}
	if schema.Nullable {
		k |= kindNull
	}
	return k
}

// setTexts sets the rules of strings. It gives up on an enum of anything but texts.
func (r *rules) setTexts(schema *openapi3.Schema) bool {
	r.minLength, r.maxLength, r.format = schema.MinLength, orUnbounded(schema.MaxLength), schema.Format
	if len(schema.Enum) == 0 {
		r.anyText = r.kinds&kindString != 0 && len(schema.AllOf) == 0 &&
			r.minLength == 0 && r.maxLength == unbounded && r.format == ""
		return true
	}
	r.kinds &= kindString | kindNull
	r.enum = map[string]bool{}
	for _, value := range schema.Enum {
		switch value := value.(type) {
		case string:
			r.enum[value] = true
		case nil: // says nothing: null is taken where it is nullable, and nowhere else
		default:
			return false
		}
	}
	return true
}

func (r *rules) setNumbers(schema *openapi3.Schema) {
	if schema.Min != nil {
		r.min = *schema.Min
		r.exclusiveMin = schema.ExclusiveMin.IsTrue()
	}
	if schema.Max != nil {
		r.max = *schema.Max
		r.exclusiveMax = schema.ExclusiveMax.IsTrue()
	}
}

// setParts sets the rules of allOf. It gives up where kin-openapi has to be asked about a part: what it says of one
// can depend on the others. A schema that is a part of itself is such a case.
func (c *compiler) setParts(r *rules, schema *openapi3.Schema) bool {
	for _, part := range schema.AllOf {
		if part.Value == nil || slices.Contains(partsOf(part.Value, nil), schema) {
			return false
		}
		rules := c.rulesOf(part.Value)
		if rules.uncompiled != nil {
			return false
		}
		r.allOf = append(r.allOf, rules)
	}
	return true
}

// setMembers sets the rules of objects. It gives up on names that JSON would escape, on those of which a reader takes one for
// another, and on very many.
func (c *compiler) setMembers(r *rules, schema *openapi3.Schema) bool {
	r.minProps, r.maxProps = schema.MinProps, orUnbounded(schema.MaxProps)
	r.others = c.othersOf(schema)
	names := slices.Collect(maps.Keys(schema.Properties))
	for _, name := range schema.Required {
		if schema.Properties[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxProperties {
		return false
	}
	r.index, r.folded = make(map[string]int, len(names)), make(map[string]bool, len(names))
	for i, name := range names {
		folded := fold(name)
		if !isPlainName(name) || r.folded[folded] {
			return false
		}
		r.index[name], r.folded[folded] = i, true
		rules, mayLack := c.propertyOf(r, schema, name)
		r.properties = append(r.properties, property{`"` + name + `"`, rules})
		if slices.Contains(schema.Required, name) && !mayLack {
			r.required.add(i)
		}
	}
	return true
}

// propertyOf returns the rules of a property, and whether this direction may lack it although it is required.
func (c *compiler) propertyOf(r *rules, schema *openapi3.Schema, name string) (_ *rules, mayLack bool) {
	ref := schema.Properties[name]
	if ref == nil {
		return r.others, false
	}
	if ref.Value.ReadOnly && c.direction == Request || ref.Value.WriteOnly && c.direction == Response {
		return nil, true
	}
	return c.rulesOf(ref.Value), false
}

func (c *compiler) othersOf(schema *openapi3.Schema) *rules {
	others := schema.AdditionalProperties
	switch {
	case others.Has != nil && !*others.Has:
		return nil
	case others.Schema != nil:
		return c.rulesOf(others.Schema.Value)
	}
	return anything
}

// isPlainName tells whether a name stands in JSON as it is.
func isPlainName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}
