package contract

import "testing"

func TestNamesThatReadersTakeForEachOther(t *testing.T) {
	for text, twice := range map[string]bool{
		`{"value":1,"Value":2}`:           true,
		`{"VALUE":1,"value":2}`:           true,
		`{"Value":1,"VALUE":2}`:           true,
		`{"key":1,"\u212aey":2}`:          true, // the sign for kelvin
		`{"\u017ftate":1,"state":2}`:      true, // a long s
		`{"Value":1,"values":2}`:          false,
		`{"i":1,"\u0130":2}`:              false, // encoding/json tells these apart
		`[{"value":1},{"Value":2}]`:       false,
		`{"value":{"Value":1},"other":2}`: false,
	} {
		if _, err := DecodeJSON([]byte(text)); (err == errJSONTwice) != twice {
			t.Errorf("%s: %v", text, err)
		}
	}
}
