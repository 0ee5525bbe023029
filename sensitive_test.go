package onetime_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
)

const marker = "hunter2-marker"

// forms are the ways in which a marker could show.
var forms = []string{marker, fmt.Sprintf("%x", marker), fmt.Sprintf("%X", marker), fmt.Sprint([]byte(marker))}

func shows(text string) bool {
	for _, form := range forms {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func TestSensitiveIsNotPrinted(t *testing.T) {
	s := onetime.Sensitive(marker)
	holders := map[string]any{
		"value":   s,
		"pointer": &s,
		"struct":  onetime.ShareRequest{Secret: s, Passphrase: s},
		"pointer to struct": &onetime.Burned{
			Receipt:  onetime.Receipt{Key: s, SecretKey: s, URL: s, Value: s},
			ShortKey: s,
		},
		"list": []onetime.Sensitive{s},
		"map":  map[onetime.Sensitive]onetime.Sensitive{s: s},
		"any":  struct{ Any any }{s},
	}
	for name, holder := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%c", "%U", "%T %v", "%100v", "%-8.3s"} {
			if text := fmt.Sprintf(verb, holder, holder); shows(text) {
				t.Errorf("%s with %s prints %s", name, verb, text)
			}
		}
		if text := fmt.Sprint(holder) + fmt.Sprintln(holder); shows(text) {
			t.Errorf("%s prints %s", name, text)
		}
	}
	if got := fmt.Sprintf("%v %q %d", s, s, s); got != "[redacted] [redacted] [redacted]" {
		t.Errorf("a value prints %q", got)
	}
}

func TestSensitiveIsNotMarshaled(t *testing.T) {
	s := onetime.Sensitive(marker)
	for name, value := range map[string]any{
		"value":  s,
		"struct": onetime.Secret{Value: s, Key: s},
		"map":    map[string]onetime.Sensitive{"s": s},
		"list":   []*onetime.Sensitive{&s},
	} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if shows(string(text)) || !strings.Contains(string(text), "[redacted]") {
			t.Errorf("%s is marshaled as %s", name, text)
		}
	}
}

// TestSensitiveAsMapKey holds what the type cannot do: encoding/json takes a map's keys of a string kind as they are. No type
// of this module has such a map.
func TestSensitiveAsMapKey(t *testing.T) {
	text, err := json.Marshal(map[onetime.Sensitive]int{marker: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !shows(string(text)) {
		t.Error("encoding/json does not show keys any more: say so in the comment of Sensitive")
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[onetime.Receipt](), reflect.TypeFor[onetime.Secret](), reflect.TypeFor[onetime.Burned](),
		reflect.TypeFor[onetime.ShareRequest](), reflect.TypeFor[onetime.GenerateRequest](),
		reflect.TypeFor[onetime.RevealRequest](), reflect.TypeFor[onetime.BurnRequest](),
	} {
		for i := range typ.NumField() {
			if typ.Field(i).Type.Kind() == reflect.Map {
				t.Errorf("%s.%s is a map", typ, typ.Field(i).Name)
			}
		}
	}
}

// TestSensitiveInUnexportedField holds the other thing that the type cannot do.
func TestSensitiveInUnexportedField(t *testing.T) {
	type holder struct{ s onetime.Sensitive }
	if !shows(fmt.Sprintf("%+v", holder{marker})) {
		t.Error("fmt does not show unexported fields any more: say so in the comment of Sensitive")
	}
	behind := struct{ s func() onetime.Sensitive }{func() onetime.Sensitive { return marker }}
	if text := fmt.Sprintf("%v %+v %#v", behind, behind, behind); shows(text) {
		t.Errorf("behind a function it prints %s", text)
	}
}

func TestSensitiveIsNotLogged(t *testing.T) {
	s := onetime.Sensitive(marker)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).With("with", s).Info("message", "value", s, "pointer", &s,
			"struct", onetime.RevealRequest{Key: s, Passphrase: s}, "list", []onetime.Sensitive{s},
			slog.Group("group", "value", s), "error", fmt.Errorf("wrapped %v %s", s, s))
		if shows(b.String()) || strings.Count(b.String(), "[redacted]") < 6 {
			t.Errorf("the %s handler logs %s", name, b.String())
		}
	}
}

func TestSensitiveIsNotInErrors(t *testing.T) {
	s := onetime.Sensitive(marker)
	err := fmt.Errorf("outer: %w", fmt.Errorf("inner %v %s %q %x", s, s, s, s))
	if text := fmt.Sprintf("%v %+v %#v", err, err, err); shows(text) {
		t.Errorf("the error prints %s", text)
	}
}

func TestSensitiveConverts(t *testing.T) {
	const constant = "text"
	r := onetime.ShareRequest{Secret: constant, Passphrase: "literal"} // it compiles
	if r.Secret.Expose() != "text" || r.Passphrase.Expose() != "literal" {
		t.Errorf("Expose gives %q and %q", r.Secret.Expose(), r.Passphrase.Expose())
	}
}

func TestEmptySensitivePrintsNothing(t *testing.T) {
	var s onetime.Sensitive
	if got := fmt.Sprintf("%v%s%q%#v", s, s, s, s); got != "" {
		t.Errorf("it prints %q", got)
	}
	if got, err := json.Marshal(s); err != nil || string(got) != `""` {
		t.Errorf("it is marshaled as %s, %v", got, err)
	}
	if got := s.LogValue().String(); got != "" {
		t.Errorf("it is logged as %q", got)
	}
}
