package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

// The whole API, written out. Basic means that credentials are required.
const documentedOperations = `
GET  /api/v1/status               v1_status                       anon  -          Status       401 403 404 500
GET  /api/v1/authcheck            v1_authcheck                    basic -          Status       401 403 404 500
POST /api/v1/share                v1_share                        anon  -          Receipt      400 401 403 404 422 429 500
POST /api/v1/generate             v1_generate                     anon  -          Receipt      400 401 403 404 422 429 500
POST /api/v1/create               v1_create                       anon  -          Receipt      400 401 403 404 422 429 500
POST /api/v1/secret/{key}         v1_showSecret                   anon  -          SecretReveal 400 401 403 404 422 429 500
GET  /api/v1/receipt/recent       v1_showReceiptRecent            basic -          Receipts     401 403 404 500
POST /api/v1/receipt/{key}/burn   v1_receipt_burnSecret           anon  -          BurnSecret   400 401 403 404 422 500
GET  /api/v1/receipt/{key}        v1_showReceipt                  anon  -          Receipt      401 403 404 500
POST /api/v1/receipt/{key}        v1_showReceipt_post             anon  -          Receipt      400 401 403 404 422 500
GET  /api/v1/private/recent       v1_private_showReceiptRecent    basic deprecated Receipts     401 403 404 500
POST /api/v1/private/{key}/burn   v1_private_burnSecret           anon  deprecated BurnSecret   400 401 403 404 422 500
GET  /api/v1/private/{key}        v1_private_showReceipt          anon  deprecated Receipt      401 403 404 500
POST /api/v1/private/{key}        v1_private_showReceipt_post     anon  deprecated Receipt      400 401 403 404 422 500
GET  /api/v1/metadata/recent      v1_metadata_showReceiptRecent   basic deprecated Receipts     401 403 404 500
POST /api/v1/metadata/{key}/burn  v1_metadata_burnSecret          anon  deprecated BurnSecret   400 401 403 404 422 500
GET  /api/v1/metadata/{key}       v1_metadata_showReceipt         anon  deprecated Receipt      401 403 404 500
POST /api/v1/metadata/{key}       v1_metadata_showReceipt_post    anon  deprecated Receipt      400 401 403 404 422 500
`

func TestV1Operations(t *testing.T) {
	var want, got []string
	for line := range strings.Lines(strings.TrimSpace(documentedOperations)) {
		want = append(want, strings.Join(strings.Fields(line), " "))
	}
	for _, op := range V1().Operations() {
		got = append(got, describe(op))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func describe(op *Operation) string {
	words := []string{op.Method, op.Path, op.ID, "anon", "-", ""}
	if op.RequiresCredentials() {
		words[3] = "basic"
	}
	if op.Deprecated {
		words[4] = "deprecated"
	}
	for status := range 1000 {
		if !op.Documents(status) {
			continue
		}
		schema := jsonSchemaOf(op.responseFor(status))
		switch {
		case status == 200:
			words[5] = schema
		case schema != "Error":
			words = append(words, fmt.Sprintf("%d:%s", status, schema))
		default:
			words = append(words, fmt.Sprint(status))
		}
	}
	return strings.Join(words, " ")
}

func jsonSchemaOf(r *response) string {
	media := r.contents.all["application/json"]
	if media == nil || len(r.contents.all) != 1 {
		return "?"
	}
	return strings.TrimPrefix(media.Schema.Ref, "#/components/schemas/")
}

func TestV1RequestBodies(t *testing.T) {
	creation := "passphrase recipient share_domain ttl"
	tests := map[string]string{
		"v1_share": "passphrase recipient secret* share_domain ttl", "v1_create": "passphrase recipient secret* share_domain ttl",
		"v1_generate": creation, "v1_showSecret": "continue passphrase",
		"v1_receipt_burnSecret": "continue passphrase", "v1_private_burnSecret": "continue passphrase",
		"v1_metadata_burnSecret": "continue passphrase",
		"v1_showReceipt_post":    "", "v1_private_showReceipt_post": "", "v1_metadata_showReceipt_post": "",
	}
	for _, op := range V1().Operations() {
		want, takes := tests[op.ID]
		if op.TakesForm() != takes || takes != (op.Method == "POST") {
			t.Errorf("%s: takes a form: %v, want %v", op.ID, op.TakesForm(), takes)
		}
		if !takes {
			continue
		}
		if got := strings.Join(fieldsOf(op.formSchema()), " "); got != want {
			t.Errorf("%s: fields %q, want %q", op.ID, got, want)
		}
		if !op.body.Required || len(op.body.Content) != 1 {
			t.Errorf("%s: the body is not required, or is more than a form", op.ID)
		}
	}
}

func fieldsOf(schema *openapi3.Schema) []string {
	fields := slices.Sorted(maps.Keys(schema.Properties))
	for i, name := range fields {
		if slices.Contains(schema.Required, name) {
			fields[i] += "*"
		}
	}
	return fields
}

// The fields as the reference page lists them; "|null" is nullable, "!" is required. Every integer has the bounds.
const (
	receiptFields = `
		custid string!               metadata_key string!        secret_key string
		state string! new,received,viewed,burned,expired,orphaned
		created integer|null!        updated integer|null!       received integer
		ttl integer|null!            metadata_ttl integer|null!  secret_ttl integer|null
		metadata_url string|null     share_domain string!        recipient array[string]!
		passphrase_required boolean  value string                identifier string!
		secret_identifier string     has_passphrase boolean      recipients array[string]!
		receipt_ttl integer|null!    receipt_url string|null     secret_value string`
	errorFields  = `error string  message string!  field string  error_id string`
	revealFields = `value string!  secret_key string!  share_domain string!`
	statusFields = `status string!  locale string!`
)

func TestV1Schemas(t *testing.T) {
	tests := map[string]string{
		"Receipt": receiptFields, "Error": errorFields, "SecretReveal": revealFields, "Status": statusFields,
		"BurnSecret": "state #Receipt! secret_shortkey string!",
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			schema := V1().doc.Components.Schemas[name].Value
			if diff := cmp.Diff(sortedFields(want), sortedFields(describeSchema(schema))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !schema.Type.Is("object") || schema.AdditionalProperties.Has != nil {
				t.Error("not an open object")
			}
		})
	}
}

// sortedFields gives one line to each field: its name and type, and the values that it may have.
func sortedFields(text string) []string {
	var fields []string
	words := strings.Fields(text)
	for i := 0; i < len(words); i += 2 {
		field := words[i] + " " + words[i+1]
		if i+2 < len(words) && strings.Contains(words[i+2], ",") {
			field += " " + words[i+2]
			i++
		}
		fields = append(fields, field)
	}
	slices.Sort(fields)
	return fields
}

func describeSchema(schema *openapi3.Schema) string {
	var b strings.Builder
	for name, ref := range schema.Properties {
		b.WriteString(" " + name + " " + describeType(ref))
		if slices.Contains(schema.Required, name) {
			b.WriteString("!")
		}
		if len(ref.Value.Enum) > 0 {
			b.WriteString(" " + strings.ReplaceAll(listOf(ref.Value.Enum), ", ", ","))
		}
	}
	return b.String()
}

func describeType(ref *openapi3.SchemaRef) string {
	s := ref.Value
	name := strings.Join(s.Type.Slice(), "+")
	switch {
	case name == "object":
		return "#" + strings.TrimPrefix(ref.Ref, "#/components/schemas/")
	case name == "array":
		name += "[" + strings.Join(s.Items.Value.Type.Slice(), "+") + "]"
	case name == "integer" && !hasSafeBounds(s):
		name += "(unbounded)"
	}
	if s.Nullable {
		name += "|null"
	}
	return name
}

func hasSafeBounds(s *openapi3.Schema) bool {
	return s.Min != nil && *s.Min == -9007199254740991 && s.Max != nil && *s.Max == 9007199254740991 &&
		!s.ExclusiveMin.IsSet() && !s.ExclusiveMax.IsSet()
}

func TestV1SensitiveFieldsAreMarked(t *testing.T) {
	sensitive := []string{
		"secret_key", "metadata_key", "identifier", "secret_identifier", "metadata_url", "receipt_url", "value",
		"secret_value", "secret", "passphrase", "secret_shortkey",
	}
	for name, ref := range V1().doc.Components.Schemas {
		for field, property := range ref.Value.Properties {
			if got, want := property.Value.Extensions["x-sensitive"] == true, slices.Contains(sensitive, field); got != want {
				t.Errorf("%s.%s: x-sensitive is %v, want %v", name, field, got, want)
			}
		}
	}
	for _, op := range V1().Operations() {
		for _, p := range op.parameters {
			if p.Name != "key" || p.Extensions["x-sensitive"] != true {
				t.Errorf("%s: the parameter %q is not the key, or not marked", op.ID, p.Name)
			}
		}
		if got, want := len(op.parameters) == 1, strings.Contains(op.Path, "{key}"); got != want {
			t.Errorf("%s: has the parameter key: %v, want %v", op.ID, got, want)
		}
	}
}

func TestV1Servers(t *testing.T) {
	var got []string
	for _, server := range V1().doc.Servers {
		got = append(got, server.URL)
	}
	want := []string{
		"https://nz.onetimesecret.com", "https://ca.onetimesecret.com", "https://eu.onetimesecret.com",
		"https://uk.onetimesecret.com", "https://us.onetimesecret.com", "http://localhost:3000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
