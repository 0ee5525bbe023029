package contract

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// hides fails if the input carries the marker and a text of the error does, too.
func hides(t *testing.T, err error, input ...string) {
	if err == nil || !strings.Contains(strings.Join(input, "\x00"), marker) {
		return
	}
	for _, text := range texts(t, err) {
		if leaks(text) {
			t.Fatalf("the marker is in %q", text)
		}
	}
}

func formSeeds(f *testing.F) {
	for _, seed := range []string{
		"", "&&", "secret=a+b&ttl=60", "secret=x&ttl=", "secret=x&ttl=1e3", "secret=x&secret=y", "secret=%ff", "%zz", "=", "a;b=c",
		"secret=x&ttl=" + marker, marker + "=1&" + marker + "=2", marker + "%", "secret=" + marker + "%ff",
		"amount=1&tags=1&tags=2&gift=true&card={\"name\":\"" + marker + "\"}&" + marker + "=1",
	} {
		f.Add([]byte(seed))
	}
}

// What the strict decoder accepts, net/url reads alike, but for empty fields that are left out, and for semicolons, which
// net/url refuses.
func FuzzForm(f *testing.F) {
	formSeeds(f)
	schemas := []*Operation{operation(f, V1(), "POST", "/api/v1/share"), operation(f, orders(f), "POST", "/payments")}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range schemas {
			got, object, err := decodeForm(body, op.formSchema())
			if err != nil {
				hides(t, Violation{}.syntax(err), string(body))
				continue
			}
			if len(object) != len(got) {
				t.Fatalf("%d fields as texts, %d with types", len(got), len(object))
			}
			if strings.Count(string(body), "&") > 1000 {
				continue // net/url has a limit
			}
			want, err := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B"))
			if err != nil {
				t.Fatalf("net/url refuses %q: %v", body, err)
			}
			for name, values := range want {
				values = slices.DeleteFunc(values, func(s string) bool { return s == "" && !got.Has(name) })
				if !slices.Equal(values, got[name]) {
					t.Fatalf("%q is %q, net/url reads %q", name, got[name], values)
				}
			}
			for name := range got {
				if !want.Has(name) {
					t.Fatalf("net/url does not know %q", name)
				}
			}
		}
	})
}

func jsonSeeds(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "[]", "null", "1 2", "[1,]", `{"a":1,}`, `{"a" 1}`, `{1:2}`, "]", "}", `{"a":1,"a":2}`, `"\ud800"`, "1e400", "-0", "\ufeff{}",
		receiptJSON, errorJSON, "[" + receiptJSON + "]", good200["BurnSecret"], `{"` + marker + `":`, `{"message":{"` + marker + `":1}}`,
		`{"state":"` + marker + `"}`, `{"card":"` + marker + `","iban":1}`, `{"customer":"me","labels":{"` + marker + `":"x"}}`,
	} {
		f.Add([]byte(seed))
	}
}

func FuzzJSON(f *testing.F) {
	jsonSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		value, err := DecodeJSON(body)
		if err != nil {
			hides(t, err, string(body))
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted, but not valid: %q", body)
		}
		again, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeJSON(again); err != nil {
			t.Fatalf("what was decoded cannot be decoded again: %q", again)
		}
	})
}

func everyOperation(f *testing.F) []*Operation {
	return append(V1().Operations(), orders(f).Operations()...)
}

func FuzzCheckRequest(f *testing.F) {
	all := everyOperation(f)
	for i := range all {
		f.Add(i, form, "limit=1&state=open&ids=1,2&note="+marker, "0123abcd", "1", []byte("secret=x&ttl="+marker))
		f.Add(i, "application/json", "limit=%zz"+marker, marker, marker, []byte(`{"customer":"me","labels":{"`+marker+`":"x"}}`))
		f.Add(i, "text/csv", "x;"+marker, "", "", []byte("a,\""+marker))
	}
	f.Fuzz(func(t *testing.T, i int, contentType, query, traceAndCookie, parameter string, body []byte) {
		op := all[uint(i)%uint(len(all))]
		r := httptest.NewRequest("POST", "/", nil)
		r.URL.RawQuery = query
		r.Header = http.Header{"Content-Type": {contentType}, "X-Trace": {traceAndCookie}, "Cookie": {"session=" + traceAndCookie}}
		params := map[string]string{"key": parameter, "shop": parameter, "id": parameter, "format": parameter}
		_, err := op.CheckRequest(r, params, body)
		hides(t, err, contentType, query, traceAndCookie, parameter, string(body))
		if matched, _ := V1().Match(r.Method, "/api/v1/secret/"+parameter); matched == nil && !strings.ContainsAny(parameter, "/%") {
			t.Fatalf("no operation for the key %q", parameter)
		}
	})
}

func FuzzCheckResponse(f *testing.F) {
	all := everyOperation(f)
	for i := range all {
		f.Add(i, 200, "application/json", "1", []byte(receiptJSON))
		f.Add(i, 429, "application/json; charset=utf-8", marker, []byte(errorJSON))
		f.Add(i, 404, marker+"/json", "", []byte(`{"message":["`+marker+`"]}`))
		f.Add(i, 402, form, "1,x", []byte("code="+marker))
		f.Add(i, 200, "image/png", "", []byte(marker))
	}
	f.Fuzz(func(t *testing.T, i, status int, contentType, value string, body []byte) {
		op := all[uint(i)%uint(len(all))]
		h := http.Header{"Content-Type": {contentType}}
		for _, name := range []string{"Retry-After", "X-Total", "X-Shards", "Location", "X-Age"} {
			h[name] = []string{value, value}[:1+len(value)%2]
		}
		err := op.CheckResponse(status, h, body)
		hides(t, err, contentType, value, string(body))
		if err == nil && !op.Documents(status) {
			t.Fatalf("status %d passes", status)
		}
	})
}
