package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

var update = flag.Bool("update", false, "write testdata/vectors.jsonl anew, from the examples of openapi.yaml")

const vectorsFile = "testdata/vectors.jsonl"

// A vector is a message and what has to be said of it. Both sides run all of them: the Transport here, the middleware in
// package server. Each is one line of the file, so that others can use them, too.
type vector struct {
	Operations  []string `json:"operations"` // of which it is true
	Name        string   `json:"name"`
	Status      int      `json:"status,omitempty"` // of a response; absent for a request
	ContentType string   `json:"content_type,omitempty"`
	RetryAfter  string   `json:"retry_after,omitempty"`
	Body        []byte   `json:"-"`
	Text        string   `json:"body,omitempty"`
	Base64      []byte   `json:"body_base64,omitempty"` // of a body that is not UTF-8
	// What it breaks; all absent for a message that conforms.
	Rule      string `json:"rule,omitempty"`
	Pointer   string `json:"pointer,omitempty"`
	Parameter string `json:"parameter,omitempty"`
}

func (v vector) verdict() string {
	return strings.Join(strings.Fields(v.Rule+" "+v.Pointer+" "+v.Parameter), " ")
}

func (v vector) String() string { return fmt.Sprintf("%s/%d/%s", v.Operations[0], v.Status, v.Name) }

// breaks returns a vector that differs in name, verdict and body.
func (v vector) breaks(name, rule, pointer string, body []byte) vector {
	v.Name, v.Rule, v.Pointer, v.Body = name, rule, pointer, body
	return v
}

func (v vector) with(change func(*vector)) vector {
	change(&v)
	return v
}

// derived makes the vectors of a contract. What they have to say follows from how each was made, not from what is checked.
func derived(t testing.TB, c *Contract) []vector {
	var all []vector
	broken := map[string]bool{}
	for _, e := range examples(t, c) {
		v := vector{Operations: []string{e.op.ID}, Name: e.name, Status: e.status, ContentType: mimeJSON, Body: e.body}
		if e.status == 0 {
			v.ContentType = formType
		}
		all = append(all, v)
		if place := fmt.Sprint(e.op.ID, e.status); !broken[place] && string(e.body) != "[]" { // one example is enough
			broken[place] = true
			all = append(all, brokenVectors(t, v, e)...)
		}
	}
	return all
}

func brokenVectors(t testing.TB, v vector, e example) []vector {
	if e.status == 0 {
		return brokenForms(t, v, e)
	}
	schema := e.op.responseFor(e.status).contents.all[mimeJSON].Schema.Value
	all := []vector{
		v.breaks("no body", RuleSyntax, "", nil),
		v.breaks("cut off", RuleSyntax, "", e.body[:len(e.body)-1]),
		v.breaks("two texts", RuleSyntax, "", append(slices.Clone(e.body), e.body...)),
		v.breaks("not UTF-8", RuleUTF8, "", append(slices.Clone(e.body), 0xff)),
		v.breaks("another type", "type", "", []byte(`"text"`)),
		v.breaks("null", "nullable", "", []byte("null")),
		v.breaks("another Content-Type", RuleContentType, "", e.body).with(func(v *vector) { v.ContentType = "text/html" }),
		v.breaks("undocumented status", RuleStatus, "", e.body).with(func(v *vector) { v.Status = http.StatusTeapot }),
	}
	if e.status == http.StatusTooManyRequests {
		all = append(all, v.breaks("Retry-After is no number", "type", "", e.body).with(func(v *vector) {
			v.RetryAfter, v.Parameter = "soon", "header Retry-After"
		}), v.breaks("Retry-After is negative", "minimum", "", e.body).with(func(v *vector) {
			v.RetryAfter, v.Parameter = "-1", "header Retry-After"
		}))
	}
	if list, ok := e.value.([]any); ok {
		return append(all, brokenObjects(t, v, schema.Items.Value, list[0].(map[string]any), "/0", func(o any) any { return []any{o} })...)
	}
	return append(all, brokenObjects(t, v, schema, e.value.(map[string]any), "", func(o any) any { return o })...)
}

// brokenObjects breaks an object in each of its properties.
func brokenObjects(t testing.TB, v vector, schema *openapi3.Schema, object map[string]any, at string, around func(any) any) []vector {
	var all []vector
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		value, ok := object[name]
		if !ok {
			continue
		}
		pointer, property := at+"/"+name, schema.Properties[name].Value
		set := func(value any) []byte {
			changed := maps.Clone(object)
			changed[name] = value
			return encode(t, around(changed))
		}
		if slices.Contains(schema.Required, name) {
			without := maps.Clone(object)
			delete(without, name)
			all = append(all, v.breaks(name+" missing", "required", pointer, encode(t, around(without))))
		}
		switch {
		case property.Nullable:
			all = append(all, v.breaks(name+" null", "", "", set(nil)))
		case property.Enum == nil:
			all = append(all, v.breaks(name+" null", "nullable", pointer, set(nil)))
		}
		switch {
		case property.Enum != nil:
			all = append(all, v.breaks(name+" unknown", "enum", pointer, set("unknown")), v.breaks(name+" null", "enum", pointer, set(nil)))
		case property.Type.Is("string"):
			all = append(all, v.breaks(name+" a number", "type", pointer, set(1)))
		case property.Type.Is("integer"):
			all = append(all, v.breaks(name+" a text", "type", pointer, set("1")),
				v.breaks(name+" with a fraction", "type", pointer, set(json.Number("1.0"))),
				v.breaks(name+" 2^53", "maximum", pointer, set(json.Number("9007199254740992"))))
		case property.Type.Is("boolean"):
			all = append(all, v.breaks(name+" a text", "type", pointer, set("true")))
		case property.Type.Is("array"):
			all = append(all, v.breaks(name+" of numbers", "type", pointer+"/0", set([]int{1})))
		case property.Type.Is("object"):
			all = append(all, v.breaks(name+" empty", "required", pointer+"/"+property.Required[0], set(map[string]any{})))
		}
		if text, ok := value.(string); ok {
			twice := bytes.Replace(encode(t, around(object)), []byte("{"), []byte(`{"`+name+`":"`+text+`",`), 1)
			other := bytes.Replace(twice, []byte(name), []byte(strings.ToUpper(name)), 1)
			all = append(all, v.breaks(name+" twice", RuleDuplicate, "", twice), v.breaks(name+" in upper case, too", RuleDuplicate, "", other))
		}
	}
	more := maps.Clone(object)
	more["x_unknown"] = []any{1.5, "é\n", nil}
	return append(all, v.breaks("an unknown name", "", "", encode(t, around(more))))
}

func brokenForms(t testing.TB, v vector, e example) []vector {
	schema, form := e.op.formSchema(), e.value.(map[string]any)
	all := []vector{
		v.breaks("an unknown field", "", "", append(slices.Clone(e.body), "&x_unknown=1"...)),
		v.breaks("an unknown field twice", RuleDuplicate, "/*", append(slices.Clone(e.body), "&x=1&x=1"...)),
		v.breaks("broken escape", RuleSyntax, "", append(slices.Clone(e.body), "&x=%zz"...)),
		v.breaks("not UTF-8", RuleUTF8, "", append(slices.Clone(e.body), "&x=%ff"...)),
		v.breaks("JSON", RuleContentType, "", []byte("{}")).with(func(v *vector) { v.ContentType = mimeJSON }),
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		set := func(values ...string) []byte {
			changed := url.Values{}
			for name, value := range form {
				changed.Set(name, fmt.Sprint(value))
			}
			changed[name] = values
			return []byte(changed.Encode())
		}
		pointer, property := "/"+name, schema.Properties[name].Value
		all = append(all, v.breaks(name+" twice", RuleDuplicate, pointer, set("1", "1")))
		if slices.Contains(schema.Required, name) {
			all = append(all, v.breaks(name+" missing", "required", pointer, set()))
		}
		switch {
		case property.MinLength > 0:
			all = append(all, v.breaks(name+" empty", "minLength", pointer, set("")))
		case property.Type.Is("integer"):
			all = append(all, v.breaks(name+" empty", "", "", set("")),
				v.breaks(name+" a text", "type", pointer, set("soon")),
				v.breaks(name+" with an exponent", "type", pointer, set("1e3")),
				v.breaks(name+" 2^53", "maximum", pointer, set("9007199254740992")),
				v.breaks(name+" -2^53", "minimum", pointer, set("-9007199254740992")))
		default:
			all = append(all, v.breaks(name+" empty", "", "", set("")))
		}
	}
	return all
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for line := range bytes.Lines(data) {
		var v vector
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		v.Body = append([]byte(v.Text), v.Base64...)
		all = append(all, v)
	}
	return all
}

// TestVectorsAreDerived holds the file to the examples. With -update it writes it.
func TestVectorsAreDerived(t *testing.T) {
	var lines []*vector
	same, covered := map[string]*vector{}, map[string]bool{}
	for _, v := range derived(t, V1()) {
		covered[fmt.Sprint(v.Operations[0], v.Status == 0, v.Rule == "")] = true
		if v.Text = string(v.Body); strings.ToValidUTF8(v.Text, "") != v.Text {
			v.Text, v.Base64 = "", v.Body
		}
		id := v
		id.Operations = nil
		if known := same[string(encode(t, id))]; known != nil {
			known.Operations = append(known.Operations, v.Operations...)
			continue
		}
		same[string(encode(t, id))] = &v
		lines = append(lines, &v)
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	for _, v := range lines {
		if err := encoder.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, op := range V1().Operations() {
		for _, conforms := range []bool{true, false} {
			if !covered[fmt.Sprint(op.ID, false, conforms)] || op.body != nil && !covered[fmt.Sprint(op.ID, true, conforms)] {
				t.Errorf("%s: no vector for which conforms is %v", op.ID, conforms)
			}
		}
	}
	if *update {
		if err := os.WriteFile(vectorsFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(vectorsFile); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the examples of openapi.yaml make (%v): run go test ./contract -run TestVectorsAreDerived -update", vectorsFile, err)
	}
}

// TestVectors runs all of them through a Transport, as a client does.
func TestVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.String(), func(t *testing.T) {
			for _, op := range V1().Operations() {
				if !slices.Contains(v.Operations, op.ID) {
					continue
				}
				if got := verdict(t, v.send(op)); got != v.verdict() {
					t.Errorf("%s: %q is %q, want %q", op.ID, v.Body, got, v.verdict())
				}
			}
		})
	}
}

// send sends a request of an operation with the vector's body, or gets a response with it.
func (v vector) send(op *Operation) error {
	path, body := strings.ReplaceAll(op.Path, "{key}", key), v.Body
	if v.Status != 0 {
		body = []byte("secret=x") // conforms everywhere
	}
	r := httptest.NewRequest(op.Method, path, bytes.NewReader(body))
	if r.Header.Set("Content-Type", formType); v.Status == 0 {
		r.Header.Set("Content-Type", v.ContentType)
	}
	t := Transport{Base: roundTripper(func(*http.Request) (*http.Response, error) {
		if v.Status == 0 {
			return nil, errSent
		}
		answer := header("Content-Type", v.ContentType)
		if v.RetryAfter != "" {
			answer.Set("Retry-After", v.RetryAfter)
		}
		return &http.Response{StatusCode: v.Status, Header: answer, Body: io.NopCloser(bytes.NewReader(v.Body))}, nil
	})}
	if _, err := t.RoundTrip(r); !errors.Is(err, errSent) {
		return err
	}
	return nil
}

var errSent = errors.New("it was sent")

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
