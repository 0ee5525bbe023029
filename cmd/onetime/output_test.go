package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/onetime-go/onetime"
)

// TestFieldsAreComplete holds that programs are told everything that a receipt has.
func TestFieldsAreComplete(t *testing.T) {
	receipt := onetime.Receipt{
		Custid: "ada@example.com", Key: "mk", SecretKey: "sk", State: onetime.StateNew, Created: time.Unix(1, 0), Updated: time.Unix(2, 0),
		Received: time.Unix(3, 0), TTL: 4 * time.Second, ReceiptTTL: 5 * time.Second, SecretTTL: 6 * time.Second, URL: "u", ShareDomain: "d",
		Recipients: []string{"r"}, HasPassphrase: true, Value: "v",
	}
	v := reflect.ValueOf(receipt)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("set %s here", v.Type().Field(i).Name)
		}
	}
	full := fieldsOf(receipt, "l")
	full.ShortKey = "s"
	fields := reflect.ValueOf(full)
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("%s is not set", fields.Type().Field(i).Name)
		}
	}
	for i := range v.NumField() { // each of them counts
		less := receipt
		reflect.ValueOf(&less).Elem().Field(i).SetZero()
		if got := fieldsOf(less, "l"); reflect.DeepEqual(got, fieldsOf(receipt, "l")) {
			t.Errorf("%s is told nowhere", v.Type().Field(i).Name)
		}
	}
}

// FuzzRender holds that programs read in each format what was written, and that a terminal finds nothing to obey.
func FuzzRender(f *testing.F) {
	for _, seed := range []string{"the cake is a lie\n", "- a: b", "null", "1e3", "~", "0x1f", "yes", "2026-01-01", "\x1b[2J", "\u009b\u007f\u0085\u2028\ufeff",
		" leading", "trailing ", "a\n\n b\n\tc", "\"'\\", "<&>", "😀", "'", "#", ": ", "%", "@", "`", "!!binary x", "&a", "*a", "|", "---", "<<", "="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) { // nothing else comes over the wire
			return
		}
		value := secretFields{text, "k", ""}
		asJSON, err := jsonFormat.render(value, "")
		if err != nil {
			t.Fatal(err)
		}
		var got secretFields
		if err := json.Unmarshal([]byte(asJSON), &got); err != nil || got != value {
			t.Fatalf("%q in JSON is %s, read as %q, %v", text, asJSON, got.Value, err)
		}
		asYAML, err := yamlFormat.render(value, "")
		if err != nil {
			t.Fatalf("%q in YAML: %v", text, err)
		}
		var fields map[string]any
		if err := yaml.Unmarshal([]byte(asYAML), &fields); err != nil || fields["value"] != text || fields["secret_key"] != "k" {
			t.Fatalf("%q in YAML is %s, read as %q, %v", text, asYAML, fields["value"], err)
		}
		for _, out := range []string{asJSON, asYAML, legible(text), withoutControl(text) + "\n"} {
			if i := strings.IndexFunc(out, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }); i >= 0 {
				t.Fatalf("%q is written as %q", text, out)
			}
		}
	})
}

// FuzzSaysOnly holds that an answer that was printed as a whole is not kept, and any other is.
func FuzzSaysOnly(f *testing.F) {
	for _, seed := range []string{`{"value":"v"}`, `{"VALUE":"v"}`, `{"value":"a","Value":"v"}`, `{"value":1}`, `{"value":"v"`, `[]`, ``, `{"a":{"value":"x"},"value":"v"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got struct {
			Value *string `json:"value"`
		}
		err := json.Unmarshal(body, &got)
		if err != nil || got.Value == nil {
			if saysOnly(body, "v") && err == nil {
				t.Fatalf("%q says v", body)
			}
			return
		}
		said := saysOnly(body, onetime.Sensitive(*got.Value))
		if twice := strings.Count(strings.ToLower(string(body)), `"value"`) > 1; !said && !twice && strings.Contains(string(body), `"value"`) {
			t.Fatalf("%q does not say %q", body, *got.Value)
		}
	})
}

func TestSaysOnly(t *testing.T) {
	for body, want := range map[string]bool{
		`{"value":"v"}`: true,
		`{"secret_key":"k","value":"v","other":1}`: true,
		`{"other":{"value":"w"},"value":"v"}`:      true,
		`{"value":"v","value":"v"}`:                false,
		`{"value":"w","value":"v"}`:                false,
		`{"value":"w","VALUE":"v"}`:                false,
		`{"value":"w"}`:                            false,
		`{"value":1}`:                              false,
		`{"value":"v"`:                             false,
		`{"value":"v",`:                            false,
		`"v"`:                                      false,
		``:                                         false,
	} {
		if got := saysOnly([]byte(body), "v"); got != want {
			t.Errorf("%s: %t, want %t", body, got, want)
		}
	}
}
