package contract

import (
	"net/url"
	"strings"
)

// takeForm reads an urlencoded form by rules; see rules.go for the invariant. It returns the form as decodeForm does, if
// it certainly conforms.
func (r *rules) takeForm(body []byte) (form url.Values, ok bool) {
	if r.kinds&kindObject == 0 || r.allOf != nil || hasManyFields(body) {
		return nil, false
	}
	form = url.Values{}
	var given, present set
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair == "" {
			continue
		}
		name, value, err := decodePair(pair)
		if err != nil {
			return nil, false
		}
		field := r.others
		found, known := r.index[name]
		if known {
			field = r.properties[found].rules
		}
		if field == nil || known && given.has(found) || !known && form.Has(name) {
			return nil, false
		}
		if known {
			given.add(found)
		}
		if value == "" && field.hasNoEmptyValue() {
			continue // as good as absent
		}
		if !field.takesText(value) {
			return nil, false
		}
		if known {
			present.add(found)
		}
		form[name] = []string{value}
	}
	return form, r.takesMembers(&present, len(form))
}

// hasNoEmptyValue is the opposite of hasEmptyValue, for what takesText takes.
func (r *rules) hasNoEmptyValue() bool {
	return r.uncompiled == nil && r.kinds&(kindString|kindArray|kindObject) == 0
}
