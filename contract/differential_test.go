package contract

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The compiled rules may take nothing that the strict decoders and kin-openapi refuse. It is shown on random schemas and
// messages, on messages of every operation that were damaged at random, and by planting a fault in each of the rules,
// which has to be found.

// visits are what kin-openapi is told of a direction.
var visits = map[Direction]openapi3.SchemaValidationOption{
	Request: openapi3.VisitAsRequest(), Response: openapi3.VisitAsResponse(),
}

// A trial is a schema with its rules, and messages.
type trial struct {
	schema    *openapi3.Schema
	direction Direction
	rules     *rules
	messages  [][]byte
	forms     [][]byte
	text      string
}

func newTrial(c *choices) trial {
	t := trial{direction: pick(c, []Direction{Request, Response})}
	t.schema = c.schema(nil).Value
	t.rules = newCompiler(t.direction).rulesOf(t.schema)
	for range 4 {
		t.messages = append(t.messages, c.message(t.schema))
		t.forms = append(t.forms, c.form(t.schema))
	}
	t.text = pick(c, [][]string{someTexts, someNumbers, someLiterals})[c.below(7)]
	return t
}

// outcome counts, of what the trial's rules were asked, how much they took.
type outcome struct{ asked, taken int }

// run returns what the rules take and should not, or "".
func (t trial) run(o *outcome) string {
	for _, message := range t.messages {
		o.asked++
		if !t.rules.takesJSON(message) {
			continue
		}
		o.taken++
		value, err := DecodeJSON(message)
		if err == nil {
			err = Violation{}.check(t.schema, value, visits[t.direction])
		}
		if err != nil {
			return fmt.Sprintf("JSON %q: %v", message, err)
		}
	}
	for _, form := range t.forms {
		if wrong := t.runForm(form, o); wrong != "" {
			return wrong
		}
	}
	if t.rules.takesText(t.text) && (Violation{}).check(t.schema, typedText(t.schema, t.text), visits[t.direction]) != nil {
		return fmt.Sprintf("text %q", t.text)
	}
	return ""
}

func (t trial) runForm(form []byte, o *outcome) string {
	o.asked++
	taken, ok := t.rules.takeForm(form)
	if !ok {
		return ""
	}
	o.taken++
	values, object, err := decodeForm(form, t.schema)
	if err == nil {
		err = Violation{}.check(t.schema, object, visits[t.direction])
	}
	switch {
	case err != nil:
		return fmt.Sprintf("form %q: %v", form, err)
	case !maps.EqualFunc(taken, values, slices.Equal):
		return fmt.Sprintf("form %q: read as %q, want %q", form, taken, values)
	}
	return ""
}

func (t trial) fail(tb testing.TB, wrong string) {
	tb.Helper()
	text, _ := t.schema.MarshalJSON()
	tb.Fatalf("a %s is taken, %s\nby %s", t.direction, wrong, text)
}

// trials is how many are made in one test.
func trials() int {
	if os.Getenv("ONETIME_SOAK") != "" {
		return 2_000_000
	}
	return 20_000
}

func TestRulesTakeNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	var o outcome
	for range trials() {
		trial := newTrial(randomChoices(r))
		if wrong := trial.run(&o); wrong != "" {
			trial.fail(t, wrong)
		}
	}
	if o.taken*20 < o.asked { // else it says nothing
		t.Errorf("of %d messages %d were taken", o.asked, o.taken)
	}
}

func FuzzRules(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 2))
	for range 100 {
		f.Add(randomChoices(r).data, []byte(receiptJSON))
	}
	f.Fuzz(func(t *testing.T, data, message []byte) {
		trial := newTrial(&choices{data})
		trial.messages = append(trial.messages, message)
		trial.forms = append(trial.forms, message)
		trial.text = string(message)
		if wrong := trial.run(&outcome{}); wrong != "" {
			trial.fail(t, wrong)
		}
	})
}

// faults are one for each field of the rules: what a compiler would do that forgets a keyword, or misreads it.
var faults = map[string]func(*rules){
	"kinds":        func(r *rules) { r.kinds = anyKind },
	"kinds/null":   func(r *rules) { r.kinds |= kindNull },
	"kinds/number": func(r *rules) { r.kinds |= kindNumber & (r.kinds << 1) },
	"minLength":    func(r *rules) { r.minLength = 0 },
	"maxLength":    func(r *rules) { r.maxLength = unbounded },
	"enum":         func(r *rules) { r.enum = nil },
	"format":       func(r *rules) { r.format = "" },
	"anyText":      func(r *rules) { r.anyText = true },
	"min":          func(r *rules) { r.min = -1e9 },
	"max":          func(r *rules) { r.max = 1e9 },
	"exclusiveMin": func(r *rules) { r.exclusiveMin = false },
	"exclusiveMax": func(r *rules) { r.exclusiveMax = false },
	"items":        func(r *rules) { r.items = anything },
	"minItems":     func(r *rules) { r.minItems = 0 },
	"maxItems":     func(r *rules) { r.maxItems = unbounded },
	"properties": func(r *rules) { // readOnly and writeOnly, too
		for i := range r.properties {
			r.properties[i].rules = anything
		}
	},
	"index":      func(r *rules) { clear(r.index) },
	"folded":     func(r *rules) { clear(r.folded) },
	"required":   func(r *rules) { r.required = set{} },
	"others":     func(r *rules) { r.others = anything },
	"minProps":   func(r *rules) { r.minProps = 0 },
	"maxProps":   func(r *rules) { r.maxProps = unbounded },
	"allOf":      func(r *rules) { r.allOf = nil },
	"uncompiled": func(r *rules) { *r = *anything },
	"visit":      func(r *rules) { r.visit = openapi3.DisableReadOnlyValidation() },
}

// TestPlantedFaults shows that the trials find a fault in each of the rules.
func TestPlantedFaults(t *testing.T) {
	for field := range reflect.TypeFor[rules]().Fields() {
		if faults[field.Name] == nil {
			t.Errorf("no fault is planted in %s", field.Name)
		}
	}
	for name, plant := range faults {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 3))
			for n := range 200_000 {
				trial := newTrial(randomChoices(r))
				trial.rules.walk(map[*rules]bool{anything: true}, plant)
				if wrong := trial.run(&outcome{}); wrong != "" {
					t.Logf("found by trial %d: %s", n+1, wrong)
					return
				}
			}
			t.Error("the fault is not found")
		})
	}
}

// walk visits rules and all that they refer to, once each.
func (r *rules) walk(done map[*rules]bool, visit func(*rules)) {
	if r == nil || done[r] {
		return
	}
	done[r] = true
	next := append([]*rules{r.items, r.others}, r.allOf...)
	for _, p := range r.properties {
		next = append(next, p.rules)
	}
	visit(r)
	for _, other := range next {
		other.walk(done, visit)
	}
}

// uncompiled returns a contract that leaves every message to the decoders and kin-openapi.
func uncompiled(c *Contract) *Contract {
	bare := *c
	bare.operations, bare.byTemplate, bare.schemas = nil, map[string]*Operation{}, nil
	none := func(cs *contents) *contents {
		left := *cs
		left.compiled, left.usual = map[*openapi3.MediaType]*media{}, nil
		for documented := range cs.compiled {
			left.compiled[documented] = &media{MediaType: documented}
		}
		return &left
	}
	noneOf := func(r *response) *response {
		if r == nil {
			return nil
		}
		left := &response{headers: slices.Clone(r.headers), contents: none(r.contents)}
		for i := range left.headers {
			left.headers[i].rules = nil
		}
		return left
	}
	for _, op := range c.operations {
		left := *op
		left.parameters = slices.Clone(op.parameters)
		for i := range left.parameters {
			left.parameters[i].rules = nil
		}
		if op.contents != nil {
			left.contents = none(op.contents)
		}
		left.responses, left.otherwise = map[int]*response{}, noneOf(op.otherwise)
		for status, r := range op.responses {
			left.responses[status] = noneOf(r)
		}
		bare.add(&left)
	}
	return &bare
}

// damage changes a message at random, or leaves it as it is.
func (c *choices) damage(message []byte, with []string) []byte {
	damaged := slices.Clone(message)
	for c.oneIn(2) {
		start := c.below(256) * (len(damaged) + 1) / 256
		end := min(start+c.below(8), len(damaged))
		damaged = slices.Replace(damaged, start, end, []byte(pick(c, with))...)
	}
	return damaged
}

// A message is one of an operation, with all that is checked of it.
type message struct {
	op          *Operation
	status      int // 0 for a request
	contentType string
	query, text string // text stands for every parameter and header
	body        []byte
}

// verdict is what a contract says of a message, in one line.
func (m message) verdict(t testing.TB, c *Contract) string {
	op := c.Operation(m.op.Method, m.op.Path)
	header := http.Header{"Content-Type": {m.contentType}}
	for _, p := range op.parameters {
		if p.In == openapi3.ParameterInHeader {
			header.Set(p.Name, m.text)
		}
	}
	if m.status != 0 {
		if r := op.responseFor(m.status); r != nil {
			for _, h := range r.headers {
				header.Set(h.name, m.text)
			}
		}
		return verdict(t, op.CheckResponse(m.status, header, m.body))
	}
	header.Set("Cookie", "session="+m.text)
	r := &http.Request{Method: op.Method, URL: &url.URL{Path: "/", RawQuery: m.query}, Header: header}
	params := map[string]string{}
	for _, p := range op.parameters {
		params[p.Name] = m.text
	}
	form, err := op.CheckRequest(r, params, m.body)
	return verdict(t, err) + form.Encode()
}

// messages makes one for each body of a contract: an example that was damaged, or one by the schema.
func (c *choices) messages(contract *Contract, all []example) []message {
	var made []message
	add := func(op *Operation, status int, content openapi3.Content) {
		for contentType, media := range content {
			m := message{op: op, status: status, contentType: contentType, text: pick(c, append(someTexts, someNumbers...))}
			m.query = string(c.damage([]byte("limit=10&state=open&ids=1,2&note=a"), []string{"&", "=", "%41", ";", "0", "x"}))
			if media.Schema != nil {
				m.body = c.body(contentType, media.Schema.Value)
			}
			if c.oneIn(8) {
				m.contentType = pick(c, []string{mimeJSON, formType, "", "application/json; charset=UTF-8", "Application/JSON", "text/csv", "application/x+json"})
			}
			made = append(made, m)
		}
	}
	for _, op := range contract.operations {
		if op.body != nil {
			add(op, 0, op.body.Content)
		}
		for status := range op.responses {
			add(op, status, op.responseFor(status).contents.all)
		}
	}
	for _, e := range all {
		m := message{op: e.op, status: e.status, contentType: mimeJSON}
		if e.status == 0 {
			m.contentType = formType
		}
		m.body = c.damage(e.body, slices.Concat(someTexts, someNumbers, someLiterals, []string{"&", "=", "%41", "+", "{", "}", ",", `"`, `"ttl":1`}))
		made = append(made, m)
	}
	return made
}

func (c *choices) body(contentType string, schema *openapi3.Schema) []byte {
	if contentType == formType {
		return c.form(schema)
	}
	return c.message(schema)
}

// documents are that of this module, and others that use what it does not.
func documents(t testing.TB) []*Contract {
	return []*Contract{V1(), orders(t), load(t, "testdata/fleet.yaml"), load(t, "testdata/library.yaml")}
}

// TestOperationsAgree shows that the rules change no verdict on a message of an operation, and no form.
func TestOperationsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 4))
	for _, c := range documents(t) {
		bare, all := uncompiled(c), examples(t, c)
		for range trials() / 800 {
			for _, m := range randomChoices(r).messages(c, all) {
				if got, want := m.verdict(t, c), m.verdict(t, bare); got != want {
					t.Fatalf("%s %d %q: %q, without rules %q", m.op.ID, m.status, m.body, got, want)
				}
			}
		}
	}
}

func FuzzOperations(f *testing.F) {
	contracts := documents(f)
	for i, c := range contracts {
		for n, m := range (&choices{}).messages(c, examples(f, c)) {
			f.Add(i, n, m.status, m.contentType, m.query, m.text, m.body)
		}
	}
	var bare []*Contract
	for _, c := range contracts {
		bare = append(bare, uncompiled(c))
	}
	f.Fuzz(func(t *testing.T, i, n, status int, contentType, query, text string, body []byte) {
		i = int(uint(i) % uint(len(contracts)))
		ops := contracts[i].operations
		m := message{ops[uint(n)%uint(len(ops))], status, contentType, query, text, body}
		if got, want := m.verdict(t, contracts[i]), m.verdict(t, bare[i]); got != want {
			t.Fatalf("%s %d: %q, without rules %q", m.op.ID, m.status, got, want)
		}
	})
}

// TestNoRulesTakeWhatIsNoJSON is about what the strict decoder refuses, whatever the schema.
func TestNoRulesTakeWhatIsNoJSON(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	taken := []string{"1", ` {"a" : [ 1 , -0.5e+3 , "x\n\u0041é" ] }` + "\n", `{"a":1,"b":1}`, deep(maxDepth), `{"a":{"a":{"a":1}}}`, `"12345678"`}
	refused := []string{
		"", " ", "1 2", "1,", "{}}", "[1,]", `{"a":1,}`, `{"a":1 "b":2}`, `{"a" 1}`, `{a:1}`, `{"a":}`, "[", "{", `{"a"`, `{"a":`, `"`, `"\`, `"\u00`, `"a`, "[1", "]", "}",
		"01", "-", "1.", ".1", "1e", "1e+", "+1", "--1", "0x1", "1_0", "NaN", "Infinity", "1e999", "1234567890123456",
		"tru", "truE", "nul", "falsee",
		"\"\n\"", "\"\x00\"", "\"1234567\x1f\"", `"\x"`, `"\u00g0"`, `"\U0041"`,
		"\"\xff\"", "\"12345678\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "[\xff]", "\ufeff{}", "\u00a01", "\v1",
		`"\ud800"`, `"\uDFFF"`, `"\ud83d\ude00"`, // the last is one character, and not worth the trouble
		`{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"A":1,"a":2}`, `{"k":1,"\u212a":2}`, `{"k":1,"K":2}`, `{"s":1,"ſ":2}`, `{"\u0061":1}`, `[{"a":{"b":1,"b":1}}]`,
		deep(maxDepth + 1), strings.Repeat("[", maxDepth) + "1" + strings.Repeat("]", maxDepth), deep(100_000), strings.Repeat(`{"a":`, 100_000),
	}
	for _, text := range taken {
		if !anything.takesJSON([]byte(text)) {
			t.Errorf("not taken: %.60q", text)
		}
	}
	for _, text := range refused {
		if anything.takesJSON([]byte(text)) {
			t.Errorf("taken: %.60q", text)
		}
	}
}
