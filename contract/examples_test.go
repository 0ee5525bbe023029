package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// An example is one of a document's, as it goes over the wire.
type example struct {
	op     *Operation
	status int // 0 for a request
	name   string
	value  any
	body   []byte
}

func (e example) String() string {
	if e.status == 0 {
		return e.op.ID + "/request/" + e.name
	}
	return fmt.Sprintf("%s/%d/%s", e.op.ID, e.status, e.name)
}

// examples returns the examples of every request and every answer of a document.
func examples(t testing.TB, c *Contract) []example {
	t.Helper()
	var all []example
	for _, op := range c.Operations() {
		if op.body != nil {
			all = append(all, examplesIn(t, example{op: op}, op.body.Content)...)
		}
		for status := range 600 {
			if status > 0 && op.Documents(status) {
				all = append(all, examplesIn(t, example{op: op, status: status}, op.responseFor(status).contents.all)...)
			}
		}
	}
	return all
}

func examplesIn(t testing.TB, of example, content openapi3.Content) []example {
	t.Helper()
	var all []example
	for mediaType, media := range content {
		for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
			e := of
			e.name, e.value = name, media.Examples[name].Value.Value
			if e.body = encode(t, e.value); mediaType == formType {
				e.body = encodeForm(t, e.value)
			}
			all = append(all, e)
		}
	}
	return all
}

func encode(t testing.TB, value any) []byte {
	t.Helper()
	body, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func encodeForm(t testing.TB, value any) []byte {
	t.Helper()
	form := url.Values{}
	for name, field := range value.(map[string]any) {
		if number, ok := field.(float64); ok {
			field = int64(number)
		}
		form.Set(name, fmt.Sprint(field))
	}
	return []byte(form.Encode())
}

// TestExamplesConform holds every example to the contract, as a message.
func TestExamplesConform(t *testing.T) {
	for _, e := range examples(t, V1()) {
		t.Run(e.String(), func(t *testing.T) {
			if err := e.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func (e example) check() error {
	if e.status > 0 {
		return e.op.CheckResponse(e.status, jsonType(), e.body)
	}
	r := httptest.NewRequest(e.op.Method, "/", nil)
	r.Header.Set("Content-Type", formType)
	_, err := e.op.CheckRequest(r, map[string]string{"key": key}, e.body)
	return err
}

// TestExamplesAreChecked breaks each example in each field that must be there, and wants a violation.
func TestExamplesAreChecked(t *testing.T) {
	for _, e := range examples(t, V1()) {
		object, _ := e.value.(map[string]any)
		for _, field := range requiredFields(e) {
			broken := e
			without := maps.Clone(object)
			delete(without, field)
			if broken.body = encode(t, without); e.status == 0 {
				broken.body = encodeForm(t, without)
			}
			if broken.check() == nil {
				t.Errorf("%s conforms without %s", e, field)
			}
		}
	}
}

func requiredFields(e example) []string {
	if e.status == 0 {
		return e.op.formSchema().Required
	}
	schema := e.op.responseFor(e.status).contents.all["application/json"].Schema.Value
	if schema.Items != nil {
		return nil
	}
	return schema.Required
}

// twins are the v0.24 names of the older fields of a receipt.
var twins = map[string]string{
	"identifier": "metadata_key", "secret_identifier": "secret_key", "has_passphrase": "passphrase_required",
	"recipients": "recipient", "receipt_ttl": "metadata_ttl", "receipt_url": "metadata_url", "secret_value": "value",
}

// TestExampleReceiptsAgree holds what the schema cannot say of a receipt: which fields a state has, and that all of them
// are about the same secret.
func TestExampleReceiptsAgree(t *testing.T) {
	states := map[string]bool{}
	for _, e := range examples(t, V1()) {
		for _, r := range receiptsIn(e.value) {
			states[r["state"].(string)] = true
			if faults := receiptFaults(r, e); len(faults) > 0 {
				t.Errorf("%s: %s", e, strings.Join(faults, "; "))
			}
		}
	}
	if got, want := len(states), len(V1().doc.Components.Schemas["State"].Value.Enum); got != want {
		t.Errorf("the examples have %d states of %d: %v", got, want, slices.Sorted(maps.Keys(states)))
	}
}

// receiptsIn returns the receipts of an example: it, what it lists, or what it holds.
func receiptsIn(value any) []map[string]any {
	if list, ok := value.([]any); ok {
		var all []map[string]any
		for _, item := range list {
			all = append(all, receiptsIn(item)...)
		}
		return all
	}
	object, _ := value.(map[string]any)
	if inner, ok := object["state"].(map[string]any); ok {
		return []map[string]any{inner}
	}
	if _, ok := object["metadata_key"]; ok {
		return []map[string]any{object}
	}
	return nil
}

func receiptFaults(r map[string]any, e example) []string {
	var faults []string
	want := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, fault)
		}
	}
	has := func(field string) bool { _, ok := r[field]; return ok }
	number := func(field string) float64 { n, _ := r[field].(float64); return n }
	_, listed := e.value.([]any)
	received, unread := r["state"] == "received", r["state"] == "new" || r["state"] == "viewed"

	for newer, older := range twins {
		want(has(newer) == has(older) && fmt.Sprint(r[newer]) == fmt.Sprint(r[older]), newer+" is not "+older)
	}
	want(isKey(r["metadata_key"]), "metadata_key is no key")
	want(has("secret_key") == (!received && !listed), "secret_key stands in the wrong place, or is missing")
	if has("secret_key") {
		want(isKey(r["secret_key"]), "secret_key is no key")
		want(r["secret_key"].(string)[:2] == r["metadata_key"].(string)[:2], "the keys are no pair")
	}
	want(strings.HasSuffix(fmt.Sprint(r["metadata_url"]), "/receipt/"+r["metadata_key"].(string)), "metadata_url does not lead to the receipt")
	want(has("value") == strings.Contains(e.op.ID, "generate"), "value stands in the wrong place, or is missing")

	age := 2*number("ttl") - number("metadata_ttl") // of the receipt, which lives twice as long
	want(age >= 0 && number("metadata_ttl") > 0, "metadata_ttl is not within twice the ttl")
	want(number("created") <= number("updated") && number("updated") <= number("created")+age, "updated is not between created and now")
	want(has("received") == received && (!received || r["received"] == r["updated"]), "received is not when it was revealed")
	want(has("secret_ttl") == !received, "secret_ttl stands in the wrong place, or is missing")
	if unread {
		want(number("secret_ttl") == number("ttl")-age && number("secret_ttl") > 0, "secret_ttl is not what is left of ttl")
	} else {
		want(r["secret_ttl"] == nil, "the secret is gone and has time left")
	}
	return faults
}

func isKey(value any) bool {
	text, _ := value.(string)
	return regexp.MustCompile(`^[0-9a-z]{31}$`).MatchString(text)
}

// TestExamplesTellOneStory holds that the keys of the other answers and of the parameter are those of the receipts.
func TestExamplesTellOneStory(t *testing.T) {
	keys := map[string]bool{}
	for _, e := range examples(t, V1()) {
		for _, r := range receiptsIn(e.value) {
			keys[fmt.Sprint(r["secret_key"])], keys[fmt.Sprint(r["metadata_key"])] = true, true
		}
	}
	for _, e := range examples(t, V1()) {
		object, _ := e.value.(map[string]any)
		if revealed, ok := object["secret_key"]; ok && !keys[fmt.Sprint(revealed)] {
			t.Errorf("%s: the secret key is of no receipt", e)
		}
		if short, ok := object["secret_shortkey"].(string); ok {
			if whole := receiptsIn(e.value)[0]["secret_key"].(string); short != whole[:8] {
				t.Errorf("%s: secret_shortkey is not the start of secret_key", e)
			}
		}
	}
	for name, ref := range V1().doc.Components.Parameters["Key"].Value.Examples {
		if !isKey(ref.Value.Value) || !keys[fmt.Sprint(ref.Value.Value)] {
			t.Errorf("the parameter's example %s is of no receipt", name)
		}
	}
}

// TestExamplesAreEverywhere holds that each request and each answer has an example, and that each example is used.
func TestExamplesAreEverywhere(t *testing.T) {
	doc := V1().doc
	has := map[string]bool{}
	for _, e := range examples(t, V1()) {
		has[strings.TrimSuffix(e.String(), "/"+e.name)] = true
	}
	for _, op := range V1().Operations() {
		if op.body != nil && !has[op.ID+"/request"] {
			t.Errorf("%s: the request has no example", op.ID)
		}
		for status := range op.route.Operation.Responses.Map() {
			if !has[op.ID+"/"+status] {
				t.Errorf("%s: the answer %s has no example", op.ID, status)
			}
		}
	}
	text := string(mustJSON(t, doc))
	for name := range doc.Components.Examples {
		if !strings.Contains(text, `"#/components/examples/`+name+`"`) {
			t.Errorf("the example %s is used nowhere", name)
		}
	}
}

func mustJSON(t testing.TB, doc *openapi3.T) []byte {
	t.Helper()
	text, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
