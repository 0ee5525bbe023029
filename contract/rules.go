package contract

import (
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// Most messages keep to the contract, and to find that out should cost little. So the schemas are compiled, when a document
// is loaded, into rules that read the bytes of a message (scan_json.go, scan_form.go), without decoding it.
//
// The invariant of all of it: rules take a message only if the strict decoders and kin-openapi certainly take it, too.
// Whatever they do not take is unsure, not wrong: it goes to those, which decide and say what is wrong and where. So
// the rules can be wrong in one direction only, which is slower. Where this code has the choice it gives up.

// rules say what values a schema takes. They are read by many goroutines at once and never change after compile.
type rules struct {
	kinds kinds // the types that a value may have

	// Of a string. Lengths are in characters.
	minLength, maxLength uint64
	enum                 map[string]bool // nil: any text

	// Of a number.
	min, max                   float64
	exclusiveMin, exclusiveMax bool

	format string // of a string or a number

	anyText bool // it takes every string, and nothing else is asked of one

	// Of an array.
	items              *rules
	minItems, maxItems uint64

	// Of an object.
	properties         []property // sorted by name
	index              map[string]int
	folded             map[string]bool // the folded names of the properties
	required           set
	others             *rules // for names that are not among the properties; nil: there may be none
	minProps, maxProps uint64

	allOf []*rules // apply as well, to the same value

	// If it is set nothing above counts: the schema has a keyword that is not compiled, and kin-openapi is asked about
	// the value.
	uncompiled *openapi3.Schema
	visit      openapi3.SchemaValidationOption
}

// A property is a name that an object may have.
type property struct {
	quoted string // the name as it stands in JSON
	rules  *rules // nil: never sure
}

// kinds is a set of JSON types. An integer is also a number.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBoolean
	kindInteger
	kindNumber
	kindString
	kindArray
	kindObject

	anyKind = kindNull | kindBoolean | kindInteger | kindNumber | kindString | kindArray | kindObject
)

// anything takes every value that the strict decoders take.
var anything = newAnything()

func newAnything() *rules {
	r := unlimited(anyKind)
	r.anyText = true
	r.items, r.others = r, r
	return r
}

// maxProperties is the most properties of an object that are compiled.
const maxProperties = 256

// A set holds indexes of properties.
type set [maxProperties / 64]uint64

func (b *set) add(i int)      { b[uint(i)/64] |= 1 << (uint(i) % 64) }
func (b *set) has(i int) bool { return b[uint(i)/64]&(1<<(uint(i)%64)) != 0 }

// contains tells whether all of the others are in it.
func (b *set) contains(others *set) bool {
	for i := range b {
		if others[i]&^b[i] != 0 {
			return false
		}
	}
	return true
}

// takesText tells whether a text conforms: a form's field, a parameter or a header, which has the type that its schema
// asks for, see typedText.
func (r *rules) takesText(text string) bool {
	switch {
	case r.uncompiled != nil, r.allOf != nil:
		return false
	case r.kinds&kindString != 0:
		return r.takesLength(func() int { return utf8.RuneCountInString(text) }) &&
			(r.enum == nil || r.enum[text]) && (r.format == "" || r.takesFormat(text))
	case r.kinds&(kindInteger|kindNumber) != 0:
		number, end := scanNumber(text, 0)
		return end == len(text) && r.takesNumber(number)
	case r.kinds&kindBoolean != 0:
		return text == "true" || text == "false"
	}
	return false
}

// takesLength is told how to count a string's characters, which is not done if nobody asks.
func (r *rules) takesLength(count func() int) bool {
	if r.minLength == 0 && r.maxLength == unbounded {
		return true
	}
	length := uint64(count())
	return r.minLength <= length && length <= r.maxLength
}

// takesFormat asks the formats that are registered with kin-openapi at this time.
func (r *rules) takesFormat(text string) bool {
	format, known := openapi3.SchemaStringFormats[r.format]
	return !known || format.Validate(text) == nil
}

func (r *rules) takesNumber(n numeral) bool {
	switch {
	case r.kinds&kindNumber == 0 && (r.kinds&kindInteger == 0 || !n.integer),
		n.value < r.min, n.value == r.min && r.exclusiveMin,
		n.value > r.max, n.value == r.max && r.exclusiveMax:
		return false
	case r.format == "":
		return true
	case r.kinds&kindNumber == 0:
		format, known := openapi3.SchemaIntegerFormats[r.format]
		return !known || format.Validate(int64(n.value)) == nil
	}
	format, known := openapi3.SchemaNumberFormats[r.format]
	return !known || format.Validate(n.value) == nil
}

// takesMembers tells whether an object is complete that has these of the properties, and so many members in all.
func (r *rules) takesMembers(present *set, members int) bool {
	return present.contains(&r.required) && r.minProps <= uint64(members) && uint64(members) <= r.maxProps
}
