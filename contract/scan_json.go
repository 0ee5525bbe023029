package contract

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// This file reads JSON texts by rules; see rules.go for the invariant. What it reads, DecodeJSON reads, too: the grammar is
// that of RFC 8259, the text is UTF-8, no escape stands for half a character, no object has a name twice, and nothing is
// nested deeper than maxDepth.

// takesJSON tells whether a JSON text certainly conforms.
func (r *rules) takesJSON(text []byte) bool {
	s := jsonScanner{text: text}
	end := s.value(r, s.space(0), maxDepth)
	return end != unsure && s.space(end) == len(text) && (s.high == 0 || utf8.Valid(text))
}

// A jsonScanner reads one text. Its methods get the index at which something begins, and return the one after its end, or
// unsure.
type jsonScanner struct {
	text  []byte
	high  uint64 // what was met of bytes that are not ASCII: strings are the only place for them
	names []span // of the objects that are being read: the names that are not among the properties
}

// A span is where a part of a text is.
type span struct{ start, end int }

// maxNames is how many names are remembered at once. More are rare, and comparing each with each takes its time.
const maxNames = 32

const unsure = -1

// at returns the byte at an index, and 0, which no text of JSON has, beyond the end.
func (s *jsonScanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}

// space skips white space, of which there is hardly ever any.
func (s *jsonScanner) space(i int) int {
	if i < len(s.text) && s.text[i] > ' ' {
		return i
	}
	return s.skipSpace(i)
}

//go:noinline // it would make its many callers large and slow
func (s *jsonScanner) skipSpace(i int) int {
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\n' || s.text[i] == '\t' || s.text[i] == '\r') {
		i++
	}
	return i
}

func (s *jsonScanner) value(r *rules, i, depth int) int {
	if depth == 0 {
		return unsure
	}
	first := s.at(i)
	if first == '"' && r.anyText { // the most frequent of all
		if end := s.ordinary(i + 1); s.at(end) == '"' {
			return end + 1
		}
	}
	if r.uncompiled != nil {
		return s.uncompiled(r, i, depth)
	}
	if r.allOf != nil && !s.allOf(r, i, depth) {
		return unsure
	}
	if r.kinds&kindOf[first] == 0 {
		return unsure
	}
	switch first {
	case '"':
		return s.string(r, i)
	case '{':
		return s.object(r, i, depth)
	case '[':
		return s.array(r, i, depth)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	}
	n, end := scanNumber(s.text, i)
	if end == unsure || !r.takesNumber(n) {
		return unsure
	}
	return end
}

// kindOf has the type of a value by its first byte. What begins with a digit can be either sort of number.
var kindOf = [256]kinds{
	'"': kindString, '{': kindObject, '[': kindArray, 't': kindBoolean, 'f': kindBoolean, 'n': kindNull,
	'-': kindNumber | kindInteger,
	'0': kindNumber | kindInteger, '1': kindNumber | kindInteger, '2': kindNumber | kindInteger, '3': kindNumber | kindInteger,
	'4': kindNumber | kindInteger, '5': kindNumber | kindInteger, '6': kindNumber | kindInteger, '7': kindNumber | kindInteger,
	'8': kindNumber | kindInteger, '9': kindNumber | kindInteger,
}

func (s *jsonScanner) literal(i int, word string) int {
	if end := i + len(word); end <= len(s.text) && string(s.text[i:end]) == word {
		return end
	}
	return unsure
}

func (s *jsonScanner) string(r *rules, i int) int {
	i++
	end, plain := s.quote(i)
	if end == unsure {
		return unsure
	}
	raw := s.text[i:end]
	if !r.takesLength(func() int { return characters(raw) }) {
		return unsure
	}
	if (r.enum != nil || r.format != "") && !plain {
		return unsure // the text would have to be decoded
	}
	if r.enum != nil && !r.enum[string(raw)] || r.format != "" && !r.takesFormat(string(raw)) {
		return unsure
	}
	return end + 1
}

// characters counts those of a string between its quotes, in which every escape is one.
func characters(raw []byte) int {
	n := 0
	for i := bytes.IndexByte(raw, '\\'); i >= 0; i = bytes.IndexByte(raw, '\\') {
		n += utf8.RuneCount(raw[:i]) + 1
		if raw[i+1] == 'u' {
			i += len(`u0000`) - 1
		}
		raw = raw[i+2:]
	}
	return n + utf8.RuneCount(raw)
}

// quote returns the index of the quote that ends a string, whose text begins at i, and whether nothing in it is escaped.
func (s *jsonScanner) quote(i int) (end int, plain bool) {
	plain = true
	for {
		i = s.ordinary(i)
		switch c := s.at(i); {
		case c == '"':
			return i, plain
		case c == '\\':
			plain = false
			if i = s.escape(i); i == unsure {
				return unsure, false
			}
		default: // a control character, or no end
			return unsure, false
		}
	}
}

// ordinary skips the bytes of a string that stand for themselves.
func (s *jsonScanner) ordinary(i int) int {
	// Eight bytes at a time. Each of three terms has the high bit set of a byte that is, in turn, a quote, a backslash, or
	// less than a space; bits may be set above the first such byte, but none below it.
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	text, high := s.text, s.high
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i : i+8])
		quotes, backslashes := w^'"'*ones, w^'\\'*ones
		high |= w & highs
		if found := ((quotes-ones)&^quotes | (backslashes-ones)&^backslashes | (w-' '*ones)&^w) & highs; found != 0 {
			s.high = high
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text) && text[i] != '"' && text[i] != '\\' && text[i] >= ' '; i++ {
		high |= uint64(text[i]) & highs
	}
	s.high = high
	return i
}

// escape reads what a backslash begins. Of a character in two halves it is unsure.
func (s *jsonScanner) escape(i int) int {
	const length = len(`\u0000`)
	switch s.at(i + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if i+length > len(s.text) || slices.ContainsFunc(s.text[i+2:i+length], isNotHex) {
			return unsure
		}
		if first := s.text[i+2] | 0x20; first == 'd' && s.text[i+3] >= '8' { // d800 to dfff, and no digit sorts after a letter
			return unsure
		}
		return i + length
	}
	return unsure
}

func isNotHex(c byte) bool {
	return (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f')
}

func (s *jsonScanner) array(r *rules, i, depth int) int {
	i = s.space(i + 1)
	n := uint64(0)
	if s.at(i) != ']' {
		for {
			if i = s.value(r.items, i, depth-1); i == unsure {
				return unsure
			}
			n++
			if i = s.space(i); s.at(i) != ',' {
				break
			}
			i = s.space(i + 1)
		}
	}
	if s.at(i) != ']' || n < r.minItems || n > r.maxItems {
		return unsure
	}
	return i + 1
}

func (s *jsonScanner) object(r *rules, i, depth int) int {
	i = s.space(i + 1)
	var present set
	members, next, outer := 0, 0, len(s.names)
	if s.at(i) != '}' {
		for {
			member := r.others
			property, end := s.guess(r, i, next)
			if property == unsure {
				if property, end = s.name(r, i, outer); end == unsure {
					return unsure
				}
			}
			if property != unsure {
				if present.has(property) {
					return unsure
				}
				present.add(property)
				member, next = r.properties[property].rules, property+1
			}
			if i = s.space(end); s.at(i) != ':' || member == nil {
				return unsure
			}
			if i = s.value(member, s.space(i+1), depth-1); i == unsure {
				return unsure
			}
			members++
			if i = s.space(i); s.at(i) != ',' {
				break
			}
			i = s.space(i + 1)
		}
	}
	s.names = s.names[:outer]
	if s.at(i) != '}' || !r.takesMembers(&present, members) {
		return unsure
	}
	return i + 1
}

// guess looks for one of the next few properties: most writers keep to one order. It returns its index and the end of its
// name.
func (s *jsonScanner) guess(r *rules, i, next int) (property, end int) {
	const few = 4 // optional ones in a row that are left out
	text := s.text
	for p, candidate := range r.properties[next:] {
		quoted := candidate.quoted
		if end := i + len(quoted); end <= len(text) && text[end-1] == '"' && string(text[i:end]) == quoted {
			return next + p, end
		}
		if p == few {
			break
		}
	}
	return unsure, unsure
}

// name reads any name. It returns the index of the property, if it is that of one, and where it ends, if it is sure of the
// name.
func (s *jsonScanner) name(r *rules, i, outer int) (property, end int) {
	if s.at(i) != '"' {
		return unsure, unsure
	}
	i++
	end, plain := s.quote(i)
	if !plain {
		return unsure, unsure
	}
	property, known := r.index[string(s.text[i:end])]
	if known {
		return property, end + 1
	}
	if !s.isNew(r, span{i, end}, outer) {
		return unsure, unsure
	}
	return unsure, end + 1
}

// isNew remembers a name that is not among the properties, unless a reader could take it for one of them or for another such
// name: see fold. It knows about ASCII only.
func (s *jsonScanner) isNew(r *rules, name span, outer int) bool {
	var buffer [64]byte
	text := s.text[name.start:name.end]
	if len(text) > len(buffer) || len(s.names) == maxNames {
		return false
	}
	for i, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buffer[i] = c
	}
	if r.folded[string(buffer[:len(text)])] {
		return false
	}
	for _, other := range s.names[outer:] {
		if bytes.EqualFold(s.text[other.start:other.end], text) {
			return false
		}
	}
	s.names = append(s.names, name)
	return true
}

// allOf tells whether all parts take the value. Where kin-openapi has to be asked about one, what it says could depend on the
// others.
func (s *jsonScanner) allOf(r *rules, i, depth int) bool {
	for _, part := range r.allOf {
		if part.uncompiled != nil || s.value(part, i, depth) == unsure {
			return false
		}
	}
	return true
}

// uncompiled asks kin-openapi about one value within the text.
func (s *jsonScanner) uncompiled(r *rules, i, depth int) int {
	end := s.value(anything, i, depth)
	if end == unsure {
		return unsure
	}
	value, err := DecodeJSON(s.text[i:end])
	if err != nil || (Violation{}).check(r.uncompiled, value, r.visit) != nil {
		return unsure
	}
	return end
}

// A numeral is what the text of a number says. An integer is written without fraction and exponent.
type numeral struct {
	value   float64
	integer bool
}

// scanNumber reads a number of JSON, and returns the index after its end. Of an integer that floating point might not hold it is
// unsure.
func scanNumber[T string | []byte](text T, i int) (numeral, int) {
	const maxDigits = 15 // any integer of so many digits is less than 2^53
	start := i
	if i < len(text) && text[i] == '-' {
		i++
	}
	digits := i
	var whole int64
	for most := min(i+maxDigits, len(text)); i < most; i++ {
		digit := text[i] - '0'
		if digit > 9 {
			break
		}
		whole = whole*10 + int64(digit)
	}
	switch {
	case i == digits, text[digits] == '0' && i-digits > 1, i < len(text) && isDigit(text[i]):
		return numeral{}, unsure
	case i < len(text) && (text[i] == '.' || text[i]|0x20 == 'e'):
		return scanFraction(text, start, i)
	}
	if text[start] == '-' {
		whole = -whole
	}
	return numeral{float64(whole), true}, i
}

// scanFraction reads the rest of a number that is not an integer, from its point or its exponent on.
func scanFraction[T string | []byte](text T, start, i int) (numeral, int) {
	if text[i] == '.' {
		after := skipDigits(text, i+1)
		if after == i+1 {
			return numeral{}, unsure
		}
		i = after
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		after := skipDigits(text, i)
		if after == i {
			return numeral{}, unsure
		}
		i = after
	}
	value, err := strconv.ParseFloat(string(text[start:i]), 64)
	if err != nil {
		return numeral{}, unsure
	}
	return numeral{value, false}, i
}

func skipDigits[T string | []byte](text T, i int) int {
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
