package contract

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// good200 has an answer for some schemas of a 200.
var good200 = map[string]string{
	"Status":     `{"status":"nominal","locale":"en"}`,
	"BurnSecret": `{"state":` + receiptJSON + `,"secret_shortkey":"hb3k9m2q"}`,
}

// TestCheckResponseAcceptsWhatIsDocumented holds that an answer passes with the statuses that have examples, and with no
// other.
func TestCheckResponseAcceptsWhatIsDocumented(t *testing.T) {
	documented := map[string][]byte{}
	for _, e := range examples(t, V1()) {
		if e.status > 0 {
			documented[fmt.Sprint(e.op.ID, e.status)] = e.body
		}
	}
	for _, op := range V1().Operations() {
		for status := range 600 {
			body, want := documented[fmt.Sprint(op.ID, status)], ""
			if body == nil {
				body, want = []byte(errorJSON), "status"
			}
			for _, contentType := range []string{"application/json", "application/json; charset=utf-8"} {
				err := op.CheckResponse(status, header("Content-Type", contentType), body)
				if got := verdict(t, err); got != want {
					t.Errorf("%s %d %s: got %q, want %q", op.ID, status, contentType, got, want)
				}
			}
		}
	}
}

func TestCheckResponseReceipt(t *testing.T) {
	big := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	tests := []struct{ name, old, new, want string }{
		{"as it is", `{`, `{`, ""},
		{"names that are not documented", `{`, `{"x":{"y":[null]},`, ""},
		{"secret_ttl null", `"secret_ttl": 604800`, `"secret_ttl": null`, ""},
		{"secret_ttl absent", `"secret_ttl": 604800,`, ``, ""},
		{"received present", `{`, `{"received":1700000001,`, ""},
		{"nullable integer", `"created": 1700000000`, `"created": null`, ""},
		{"nullable text", `"metadata_url": "https://example.com/receipt/k1"`, `"metadata_url": null`, ""},
		{"negative integer", `"ttl": 604800`, `"ttl": -1`, ""},
		{"greatest integer", `"ttl": 604800`, `"ttl": 9007199254740991`, ""},
		{"minus zero", `"ttl": 604800`, `"ttl": -0`, ""},
		{"recipients", `"recipient": []`, `"recipient": ["fo*****@e*****.com"]`, ""},

		{"required missing", `"custid": "anon",`, ``, "required /custid"},
		{"its v0.24 name missing", `"recipients": [],`, ``, "required /recipients"},
		{"wrong type", `"custid": "anon"`, `"custid": 1`, "type /custid"},
		{"not nullable", `"custid": "anon"`, `"custid": null`, "nullable /custid"},
		{"not nullable, not required", `{`, `{"received":null,`, "nullable /received"},
		{"absent key is not null", `"secret_key": "k2"`, `"secret_key": null`, "nullable /secret_key"},
		{"fraction", `"ttl": 604800`, `"ttl": 1.5`, "type /ttl"},
		{"fraction of zero", `"ttl": 604800`, `"ttl": 604800.0`, "type /ttl"},
		{"exponent", `"ttl": 604800`, `"ttl": 6e5`, "type /ttl"},
		{"fraction that rounds away", `"ttl": 604800`, `"ttl": 9007199254740990.7`, "type /ttl"},
		{"integer as text", `"ttl": 604800`, `"ttl": "604800"`, "type /ttl"},
		{"past 2^53", `"ttl": 604800`, `"ttl": 9007199254740992`, "maximum /ttl"},
		{"past 2^53, rounds to it", `"ttl": 604800`, `"ttl": 9007199254740993`, "maximum /ttl"},
		{"below -2^53", `"ttl": 604800`, `"ttl": -9007199254740992`, "minimum /ttl"},
		{"past any float", `"ttl": 604800`, `"ttl": 1e400`, "type /ttl"},
		{"bad enum", `"state": "new"`, `"state": "New"`, "enum /state"},
		{"enum of another type", `"state": "new"`, `"state": 1`, "enum /state"},
		{"boolean as text", `"has_passphrase": false`, `"has_passphrase": "false"`, "type /has_passphrase"},
		{"boolean as number", `"has_passphrase": false`, `"has_passphrase": 0`, "type /has_passphrase"},
		{"text for array", `"recipient": []`, `"recipient": ""`, "type /recipient"},
		{"null for array", `"recipient": []`, `"recipient": null`, "nullable /recipient"},
		{"item of the wrong type", `"recipient": []`, `"recipient": ["x", 1]`, "type /recipient/1"},
		{"item null", `"recipient": []`, `"recipient": [null]`, "nullable /recipient/0"},

		{"trailing text", `k1"}`, `k1"} x`, "syntax"},
		{"second value", `k1"}`, `k1"}{}`, "syntax"},
		{"spaces around", `k1"}`, "k1\"} \r\n\t", ""},
		{"byte order mark", `{`, "\ufeff{", "syntax"},
		{"cut off", `k1"}`, `k1"`, "syntax"},
		{"comma at the end", `k1"}`, `k1",}`, "syntax"},
		{"single quotes", `"anon"`, `'anon'`, "syntax"},
		{"name twice", `{`, `{"state":"new",`, "duplicate"},
		{"name twice, once escaped", `{`, `{"st\u0061te":"new",`, "duplicate"},
		{"name twice, where nothing is documented", `{`, `{"x":{"y":1,"y":2},`, "duplicate"},
		{"not UTF-8", `"anon"`, "\"\xff\"", "utf8"},
		{"name not UTF-8", `{`, "{\"\xc3\":1,", "utf8"},
		{"nested too deeply", `{`, `{"x":` + big + `,`, "syntax"},
		{"leading zero", `"ttl": 604800`, `"ttl": 0604800`, "syntax"},
		{"NaN", `"ttl": 604800`, `"ttl": NaN`, "syntax"},
	}
	op := operation(t, V1(), "GET", "/api/v1/receipt/{key}")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := op.CheckResponse(200, jsonType(), []byte(with(t, receiptJSON, tt.old, tt.new)))
			if got := verdict(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err != nil {
				if v := err.(*Violation); v.Status != 200 || v.Direction != Response || v.Operation != op.ID {
					t.Errorf("got %+v", v)
				}
			}
		})
	}
}

// Every required field is missed, every field that is not nullable may not be null, and says which it is.
func TestCheckResponseEveryReceiptField(t *testing.T) {
	op := operation(t, V1(), "GET", "/api/v1/receipt/{key}")
	schema := V1().doc.Components.Schemas["Receipt"].Value
	for name, ref := range schema.Properties {
		want := ""
		if !ref.Value.Nullable {
			want = "nullable /" + name
		}
		if slices.Contains([]string{"state"}, name) {
			want = "enum /" + name // an enum comes before null
		}
		err := op.CheckResponse(200, jsonType(), []byte(setField(t, name, "null")))
		if got := verdict(t, err); got != want {
			t.Errorf("%s null: got %q, want %q", name, got, want)
		}
		want = ""
		if slices.Contains(schema.Required, name) {
			want = "required /" + name
		}
		err = op.CheckResponse(200, jsonType(), []byte(setField(t, name, "")))
		if got := verdict(t, err); got != want {
			t.Errorf("%s absent: got %q, want %q", name, got, want)
		}
	}
}

// setField returns a receipt in which a field has another value; "" takes it away.
func setField(t *testing.T, name, value string) string {
	t.Helper()
	var lines []string
	inner := strings.TrimSuffix(strings.TrimPrefix(receiptJSON, "{"), "}")
	for field := range strings.SplitSeq(inner, ",") {
		if !strings.HasPrefix(strings.TrimSpace(field), `"`+name+`":`) {
			lines = append(lines, field)
		}
	}
	if value != "" {
		lines = append(lines, `"`+name+`":`+value)
	}
	return "{" + strings.Join(lines, ",") + "}"
}

func TestCheckResponseNested(t *testing.T) {
	broken := with(t, receiptJSON, `"ttl": 604800`, `"ttl": true`)
	tests := []struct{ name, method, path, body, want string }{
		{"in a list", "GET", "/api/v1/metadata/recent", `[` + receiptJSON + `,` + broken + `]`, "type /1/ttl"},
		{"empty list", "GET", "/api/v1/private/recent", `[]`, ""},
		{"object for a list", "GET", "/api/v1/receipt/recent", `{}`, "type"},
		{"null for a list", "GET", "/api/v1/receipt/recent", `null`, "nullable"},
		{"inner receipt", "POST", "/api/v1/receipt/{key}/burn", `{"secret_shortkey":"x","state":` + broken + `}`, "type /state/ttl"},
		{"text for the inner receipt", "POST", "/api/v1/receipt/{key}/burn", `{"secret_shortkey":"x","state":"burned"}`, "type /state"},
		{"fraction in a list", "GET", "/api/v1/receipt/recent", `[` + with(t, receiptJSON, `"ttl": 604800`, `"ttl": 1.0`) + `]`, "type /0/ttl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := operation(t, V1(), tt.method, tt.path).CheckResponse(200, jsonType(), []byte(tt.body))
			if got := verdict(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCheckResponseEnvelope(t *testing.T) {
	retry := func(value string) http.Header {
		return header("Content-Type", "application/json", "Retry-After", value)
	}
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		want   string
	}{
		{"good", 404, jsonType(), errorJSON, ""},
		{"error without message", 404, jsonType(), `{"error":"x"}`, "required /message"},
		{"receipt as an error", 404, jsonType(), receiptJSON, "required /message"},
		{"undocumented status", 201, jsonType(), receiptJSON, "status"},
		{"undocumented error", 503, jsonType(), errorJSON, "status"},
		{"no status", 0, jsonType(), errorJSON, "status"},
		{"negative status", -1, jsonType(), errorJSON, "status"},
		{"no Content-Type", 404, header(), errorJSON, "contentType"},
		{"no header at all", 404, nil, errorJSON, "contentType"},
		{"empty Content-Type", 404, header("Content-Type", ""), errorJSON, "contentType"},
		{"HTML", 404, header("Content-Type", "text/html"), errorJSON, "contentType"},
		{"another JSON type", 404, header("Content-Type", "application/problem+json"), errorJSON, "contentType"},
		{"Content-Type in capitals", 404, header("Content-Type", "Application/JSON"), errorJSON, ""},
		{"malformed Content-Type", 404, header("Content-Type", "application/json; ="), errorJSON, "contentType"},
		{"parameter without value", 404, header("Content-Type", "application/json; charset"), errorJSON, "contentType"},
		{"two types", 404, header("Content-Type", "application/json, text/html"), errorJSON, "contentType"},
		{"empty body", 404, jsonType(), "", "syntax"},
		{"spaces", 404, jsonType(), "  ", "syntax"},
		{"HTML that says it is JSON", 404, jsonType(), "<html>", "syntax"},
		{"Retry-After absent", 429, jsonType(), errorJSON, ""},
		{"Retry-After in seconds", 429, retry("30"), errorJSON, ""},
		{"Retry-After 0", 429, retry("0"), errorJSON, ""},
		{"Retry-After in words", 429, retry("soon"), errorJSON, "type header Retry-After"},
		{"Retry-After as a date: not documented", 429, retry("Wed, 21 Oct 2015 07:28:00 GMT"), errorJSON, "type header Retry-After"},
		{"Retry-After negative", 429, retry("-1"), errorJSON, "minimum header Retry-After"},
		{"Retry-After with fraction", 429, retry("1.0"), errorJSON, "type header Retry-After"},
		{"Retry-After empty", 429, retry(""), errorJSON, "type header Retry-After"},
		{"Retry-After twice", 429, http.Header{"Content-Type": {"application/json"}, "Retry-After": {"1", "2"}}, errorJSON, "type header Retry-After"},
		{"Retry-After where it is not documented", 404, retry("soon"), errorJSON, ""},
	}
	op := operation(t, V1(), "POST", "/api/v1/share")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := op.CheckResponse(tt.status, tt.header, []byte(tt.body))
			if got := verdict(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDecodeJSONDepth(t *testing.T) {
	nested := func(depth int) []byte {
		return []byte(strings.Repeat(`{"a":[`, depth/2) + strings.Repeat(`]}`, depth/2))
	}
	if _, err := DecodeJSON(nested(98)); err != nil {
		t.Error("98 levels:", err)
	}
	if _, err := DecodeJSON(nested(102)); err == nil {
		t.Error("102 levels are accepted")
	}
	if _, err := DecodeJSON([]byte(strings.Repeat("[", 1<<20))); err == nil {
		t.Error("a million levels are accepted")
	}
}
