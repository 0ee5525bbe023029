package contract

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrdersOperations(t *testing.T) {
	var got []string
	for _, op := range orders(t).Operations() {
		got = append(got, op.ID)
	}
	want := []string{"pay", "GET /shops/{shop}/orders", "createOrder", "printOrder", "ping"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOrdersParameters(t *testing.T) {
	tests := []struct {
		name, shop, query, trace, cookie string
		want                             string
	}{
		{"least", "1", "", "0123abcd", "", ""},
		{"everything", "7", "limit=5&state=open&state=paid&ids=1,2,3&exact=true&note=", "0123abcd", "5", ""},
		{"the path's parameter of the same name does not count", "1", "limit=100", "0123abcd", "", ""},
		{"unknown parameters pass", "1", "x=1&x=2", "0123abcd", "", ""},
		{"shop of letters", "abc", "", "0123abcd", "", "syntax path shop"},
		{"shop out of bounds", "0", "", "0123abcd", "", "minimum path shop"},
		{"shop missing", "", "", "0123abcd", "", "required path shop"},
		{"limit out of bounds", "1", "limit=101", "0123abcd", "", "maximum query limit"},
		{"limit of letters", "1", "limit=x", "0123abcd", "", "syntax query limit"},
		{"limit with fraction", "1", "limit=1.5", "0123abcd", "", "syntax query limit"},
		{"limit empty", "1", "limit=", "0123abcd", "", "allowEmptyValue query limit"},
		{"limit twice", "1", "limit=1&limit=2", "0123abcd", "", "duplicate query limit"},
		{"limit twice, once escaped", "1", "limit=1&l%69mit=2", "0123abcd", "", "duplicate query limit"},
		{"bad item", "1", "state=open&state=x", "0123abcd", "", "enum /1 query state"},
		{"too many items", "1", "ids=1,2,3,4", "0123abcd", "", "maxItems query ids"},
		{"item of the wrong type", "1", "ids=1,x", "0123abcd", "", "syntax query ids"},
		{"bad boolean", "1", "exact=perhaps", "0123abcd", "", "syntax query exact"},
		{"boolean in short: kin-openapi reads booleans as Go does", "1", "exact=t", "0123abcd", "", ""},
		{"text too long", "1", "note=123456", "0123abcd", "", "maxLength query note"},
		{"malformed escape", "1", "limit=%zz", "0123abcd", "", "syntax query"},
		{"malformed escape in an unknown name", "1", "%=1", "0123abcd", "", "syntax query"},
		{"semicolon: net/url drops the pair", "1", "limit=1000;", "0123abcd", "", "syntax query"},
		{"not UTF-8", "1", "note=%ff", "0123abcd", "", "utf8 query"},
		{"header missing", "1", "", "", "", "required header X-Trace"},
		{"header of the wrong form", "1", "", "xyz", "", "pattern header X-Trace"},
		{"cookie of the wrong type", "1", "", "0123abcd", "x", "syntax cookie session"},
	}
	op := operation(t, orders(t), "GET", "/shops/{shop}/orders")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/?"+tt.query, nil)
			if tt.trace != "" {
				r.Header.Set("X-Trace", tt.trace)
			}
			if tt.cookie != "" {
				r.AddCookie(&http.Cookie{Name: "session", Value: tt.cookie})
			}
			before := r.Clone(r.Context())
			_, err := op.CheckRequest(r, map[string]string{"shop": tt.shop}, nil)
			if got := verdict(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff(before.Header, r.Header); diff != "" || before.URL.String() != r.URL.String() {
				t.Errorf("the request has changed, as by a default: %s %s", r.URL, diff)
			}
		})
	}
}

func TestOrdersHeaderTwice(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["X-Trace"] = []string{"0123abcd", "4567abcd"}
	_, err := operation(t, orders(t), "GET", "/shops/{shop}/orders").CheckRequest(r, map[string]string{"shop": "1"}, nil)
	if got := verdict(t, err); got != "duplicate header X-Trace" {
		t.Errorf("got %q", got)
	}
}

func TestOrdersBodies(t *testing.T) {
	const create, pay, asJSON = "/shops/{shop}/orders", "/payments", "application/json"
	tests := []struct{ name, path, contentType, body, want string }{
		{"least", create, asJSON, `{"customer":"me"}`, ""},
		{"everything", create, asJSON + "; charset=utf-8", `{"customer":"me","quantity":2,"price":{"amount":1,"currency":"EUR"},"labels":{"a":1,"b":null},"pin":"0000"}`, ""},
		{"required, through allOf", create, asJSON, `{}`, "required /customer"},
		{"type, through allOf", create, asJSON, `{"customer":1}`, "type /customer"},
		{"minLength, through allOf", create, asJSON, `{"customer":"ä"}`, "minLength /customer"},
		{"maxLength counts characters", create, asJSON, `{"customer":"ääääääääää"}`, ""},
		{"additionalProperties", create, asJSON, `{"customer":"me","price":{"amount":1,"currency":"EUR","x":1}}`, "additionalProperties /price"},
		{"exclusiveMaximum", create, asJSON, `{"customer":"me","price":{"amount":100000,"currency":"EUR"}}`, "exclusiveMaximum /price/amount"},
		{"fraction, through allOf", create, asJSON, `{"customer":"me","price":{"amount":1.0,"currency":"EUR"}}`, "type /price/amount"},
		{"fraction under a name that is not documented", create, asJSON, `{"customer":"me","labels":{"x":1.0}}`, "type /labels/*"},
		{"name that is not documented", create, asJSON, `{"customer":"me","labels":{"x":"y"}}`, "type /labels/*"},
		{"number as name, no index", create, asJSON, `{"customer":"me","labels":{"4711":"y"}}`, "type /labels/*"},
		{"too many names", create, asJSON, `{"customer":"me","labels":{"a":1,"b":2,"c":3}}`, "maxProperties /labels"},
		{"name with slash and tilde", create, asJSON, `{"customer":"me","a/b~c":1}`, "type /a~1b~0c"},
		{"readOnly", create, asJSON, `{"customer":"me","id":"x"}`, "readOnly /id"},
		{"pattern", create, asJSON, `{"customer":"me","pin":"12345"}`, "pattern /pin"},
		{"list", create, asJSON, `[]`, "type"},
		{"syntax", create, asJSON, `{"customer":"me"`, "syntax"},
		{"twice", create, asJSON, `{"customer":"me","customer":"you"}`, "duplicate"},
		{"empty", create, asJSON, ``, "required"},
		{"nothing", create, "", ``, "required"},
		{"empty, of another type", create, "text/html", ``, "contentType"},
		{"another type", create, "text/html", `x`, "contentType"},
		{"no type", create, "", `{"customer":"me"}`, "contentType"},
		{"parameter of the type", create, "application/vnd.orders+json;version=2", `{"v2":1}`, ""},
		{"parameter of the type, and another", create, `application/vnd.orders+json; charset="utf-8"; VERSION=2`, `{}`, "required /v2"},
		{"wrong parameter of the type", create, "application/vnd.orders+json; version=3", `{"v2":1}`, "contentType"},
		{"parameter of the type is missing", create, "application/vnd.orders+json", `{"v2":1}`, "contentType"},
		{"CSV", create, "text/csv", "a,b\n1,2\n", ""},
		{"CSV with a quote left open", create, "text/csv", "a,\"b\n", "syntax"},

		{"oneOf, first", pay, asJSON, `{"card":"x"}`, ""},
		{"oneOf, second", pay, asJSON, `{"iban":"x","fast":true}`, ""},
		{"oneOf, both", pay, asJSON, `{"card":"x","iban":"x"}`, "oneOf"},
		{"oneOf, none", pay, asJSON, `{"iban":"x","fast":1}`, "oneOf"},
		{"the body is not required", pay, "", ``, "required /amount"}, // no bytes are the form without fields
		{"empty JSON where the body is not required", pay, asJSON, ``, ""},

		{"form", pay, form, `amount=1.5e0&tags=1&tags=2&gift=true&card={"name":"x"}`, ""},
		{"number", pay, form, `amount=x`, "type /amount"},
		{"minimum", pay, form, `amount=0.4`, "minimum /amount"},
		{"boolean", pay, form, `amount=1&gift=1`, "type /gift"},
		{"empty boolean is absent", pay, form, `amount=1&gift=`, ""},
		{"empty array item", pay, form, `amount=1&tags=`, "type /tags/0"},
		{"array item", pay, form, `amount=1&tags=1&tags=x`, "type /tags/1"},
		{"object is JSON", pay, form, `amount=1&card=x`, "type /card"},
		{"object lacks a field", pay, form, `amount=1&card={}`, "required /card/name"},
		{"empty object is absent", pay, form, `amount=1&card=`, ""},
		{"object with a name twice", pay, form, `amount=1&card={"name":"","name":""}`, "type /card"},
		{"other fields are arrays", pay, form, `amount=1&x=1&x=2`, ""},
		{"other fields are bounded", pay, form, `amount=1&x=1&x=2&x=3`, "maxItems /*"},
		{"readOnly field", pay, form, `amount=1&secret=x`, "readOnly /secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := operation(t, orders(t), "POST", tt.path).CheckRequest(post(tt.contentType), map[string]string{"shop": "1"}, []byte(tt.body))
			if got := verdict(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOrdersDefaultsAreNotWritten(t *testing.T) {
	got, err := operation(t, orders(t), "POST", "/payments").CheckRequest(post(form), nil, []byte("amount=1&gift="))
	if err != nil || got.Encode() != "amount=1" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOrdersResponses(t *testing.T) {
	const list, create, print, pay = "GET /shops/{shop}/orders", "POST /shops/{shop}/orders", "GET /shops/{shop}/orders/{id}.{format}", "POST /payments"
	const order, problem = `{"customer":"me","id":"a","parent":null}`, "application/problem+json"
	total := func(pairs ...string) http.Header {
		return header(append([]string{"Content-Type", "application/json"}, pairs...)...)
	}
	tests := []struct {
		name, operation string
		status          int
		header          http.Header
		body, want      string
	}{
		{"list", list, 200, total("X-Total", "1", "X-Shards", "1, 2", "X-Shards", "3"), "[" + order + "]", ""},
		{"required header missing", list, 200, total(), "[]", "required header X-Total"},
		{"header of the wrong type", list, 200, total("X-Total", "many"), "[]", "type header X-Total"},
		{"header out of bounds", list, 200, total("X-Total", "-1"), "[]", "minimum header X-Total"},
		{"bad item in a header", list, 200, total("X-Total", "1", "X-Shards", "1,x"), "[]", "type /1 header X-Shards"},
		{"empty list in a header", list, 200, total("X-Total", "1", "X-Shards", ""), "[]", ""},
		{"same item twice", list, 200, total("X-Total", "1"), "[" + order + "," + order + "]", "uniqueItems"},
		{"required, through two allOf", list, 200, total("X-Total", "1"), `[{"id":"a","parent":null}]`, "required /0/customer"},
		{"nullable allOf", list, 200, total("X-Total", "1"), `[{"customer":"me","id":"a"}]`, "required /0/parent"},
		{"schema that refers to itself", list, 200, total("X-Total", "1"), `[{"customer":"me","id":"a","parent":null,"children":[` + order + `,{}]}]`, "required /0/children/1/customer"},
		{"writeOnly", list, 200, total("X-Total", "1"), `[{"customer":"me","id":"a","parent":null,"pin":"1234"}]`, "writeOnly /0/pin"},
		{"4XX", list, 418, header("Content-Type", problem), `{"title":"tea"}`, ""},
		{"4XX, another name", list, 418, header("Content-Type", problem), `{"title":"tea","x":1}`, "additionalProperties"},
		{"4XX, another type", list, 418, header("Content-Type", "text/plain"), `tea`, "contentType"},
		{"a status of its own goes before 4XX", list, 404, header("Content-Type", "text/plain; charset=utf-8"), `no such shop`, ""},
		{"text too long", list, 404, header("Content-Type", "text/plain"), `there is no shop of this number`, "maxLength"},
		{"empty text", list, 404, header("Content-Type", "text/plain"), ``, ""},
		{"neither documented nor 4XX", list, 500, header("Content-Type", problem), `{"title":"x"}`, "status"},

		{"created", create, 201, total("Location", "/x"), order, ""},
		{"Location missing", create, 201, total(), order, "required header Location"},
		{"Location empty", create, 201, total("Location", ""), order, "minLength header Location"},
		{"default", create, 503, header("Content-Type", problem), `{"title":"x"}`, ""},
		{"default is strict, too", create, 200, header("Content-Type", problem), `{}`, "required /title"},

		{"text with its charset", print, 200, header("Content-Type", "text/plain;charset=UTF-8"), `x`, ""},
		{"text without the charset that is documented", print, 200, header("Content-Type", "text/plain"), `x`, "contentType"},
		{"text with another charset", print, 200, header("Content-Type", "text/plain; charset=latin1"), `x`, "contentType"},
		{"text too short", print, 200, header("Content-Type", "text/plain; charset=utf-8"), ``, "minLength"},
		{"image by range", print, 200, header("Content-Type", "image/png"), "\x89PNG\xff", ""},
		{"no range", print, 200, header("Content-Type", "video/mp4"), "x", "contentType"},
		{"type without schema", print, 200, header("Content-Type", "text/html"), "\xff", ""},

		{"204", pay, 204, header(), "", ""},
		{"302 needs its header", pay, 302, header(), "", "required header Location"},
		{"302", pay, 302, header("Location", "/"), "anything, since nothing is documented", ""},
		{"form", pay, 402, header("Content-Type", form), "code=5", ""},
		{"form field of the wrong type", pay, 402, header("Content-Type", form), "code=x", "type /code"},
		{"form field twice", pay, 402, header("Content-Type", form), "code=1&code=2", "duplicate /code"},
		{"empty form", pay, 402, header("Content-Type", form), "", "required /code"},

		{"HEAD has no body", "HEAD /ping", 200, header("X-Age", "0.5"), "", ""},
		{"HEAD has headers", "HEAD /ping", 200, header(), "", "required header X-Age"},
	}
	operations := map[string]*Operation{}
	for _, op := range orders(t).Operations() {
		operations[op.Method+" "+op.Path] = op
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := operations[tt.operation].CheckResponse(tt.status, tt.header, []byte(tt.body))
			if got := verdict(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
