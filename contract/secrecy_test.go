package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// marker is what no text of a violation may hold, nor any half of it.
const marker = "Xq7Kd2Wm9Rz4Tb8Np1Vc"

// texts returns every text that can be made of an error without asking for its body.
func texts(t testing.TB, err error) []string {
	t.Helper()
	all := []string{err.Error(), fmt.Sprintf("%v|%+v|%#v|%s|%q|%x", err, err, err, err, err, err)}
	var v *Violation
	if errors.As(err, &v) {
		all = append(all, v.Error(), v.Message(), v.Where(), v.Pointer, v.Parameter, v.Rule, v.Want, v.Operation)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
			all = append(all, fmt.Sprintf(verb, any(v)), fmt.Sprintf(verb, any(*v)))
		}
	}
	var b bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("x", "error", err)
		if v != nil {
			slog.New(handler).Info("x", "violation", *v)
		}
	}
	if v != nil {
		data, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		all = append(all, string(data))
	}
	return append(all, b.String())
}

// leaks tells whether a text holds the marker, in clear, in hexadecimal, or as the numbers of its bytes.
func leaks(text string) bool {
	half := marker[:len(marker)/2]
	numbers := strings.Trim(fmt.Sprint([]byte(half)), "[]")
	return strings.Contains(text, half) || strings.Contains(text, marker[len(half):]) ||
		strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", half)) || strings.Contains(text, numbers)
}

// mustHide fails if a check passes, since then it proves nothing, or if a text of its error holds the marker.
func mustHide(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no violation")
	}
	for _, text := range texts(t, err) {
		if leaks(text) {
			t.Errorf("the marker is in %q", text)
		}
	}
}

func TestLeaksFindsMarkers(t *testing.T) {
	for _, text := range []string{"a" + marker, fmt.Sprint([]byte(marker)), fmt.Sprintf("%X", marker), marker[10:]} {
		if !leaks(text) {
			t.Errorf("overlooked in %q", text)
		}
	}
}

func TestRequestViolationsHideValues(t *testing.T) {
	forms := map[string]string{
		"value of the wrong type": "secret=x&ttl=" + marker, "duplicate value": "secret=" + marker + "&secret=" + marker,
		"duplicate name": marker + "=1&" + marker + "=2", "broken escape": "secret=" + marker + "%zz", "broken name": marker + "%zz=1",
		"not UTF-8": "secret=" + marker + "%ff", "name not UTF-8": marker + "%ff=", "missing": marker + "=" + marker,
	}
	for name, body := range forms {
		t.Run(name, func(t *testing.T) {
			_, err := operation(t, V1(), "POST", "/api/v1/share").CheckRequest(post(form), nil, []byte(body))
			mustHide(t, err)
		})
	}
	for _, contentType := range []string{marker, "text/" + marker, marker + "/json", form + "; " + marker, form + "; a=\"" + marker, "application/json; x=" + marker} {
		t.Run("Content-Type "+contentType, func(t *testing.T) {
			_, err := operation(t, V1(), "POST", "/api/v1/share").CheckRequest(post(contentType), nil, []byte("secret="+marker))
			mustHide(t, err)
		})
	}
}

func TestOrdersViolationsHideValues(t *testing.T) {
	const m = marker
	bodies := map[string]string{
		"text": `{"customer":"` + m + `"}`, "name": `{"` + m + `":1}`, "name below": `{"customer":"me","price":{"` + m + `":1}}`,
		"name in a map": `{"customer":"me","labels":{"` + m + `":"` + m + `"}}`, "pattern": `{"customer":"me","pin":"` + m + `"}`,
		"enum": `{"customer":"me","price":{"amount":1,"currency":"` + m + `"}}`, "readOnly": `{"customer":"me","id":"` + m + `"}`,
		"syntax": `{"customer":` + m, "twice": `{"` + m + `":1,"` + m + `":2}`, "not an object": `"` + m + `"`, "trailing": `{} ` + m,
		"not UTF-8": `"` + m + "\xff\"",
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			_, err := operation(t, orders(t), "POST", "/shops/{shop}/orders").CheckRequest(post("application/json"), map[string]string{"shop": "1"}, []byte(body))
			mustHide(t, err)
		})
	}
	for name, body := range map[string]string{"oneOf": `{"card":"` + m + `","iban":"` + m + `"}`, "oneOf, none": `{"` + m + `":"` + m + `"}`} {
		t.Run(name, func(t *testing.T) {
			_, err := operation(t, orders(t), "POST", "/payments").CheckRequest(post("application/json"), nil, []byte(body))
			mustHide(t, err)
		})
	}
	for name, body := range map[string]string{"array": "amount=1&tags=" + m, "object": "amount=1&card=" + m, "other": "amount=1&" + m + "=1&" + m + "=2&" + m + "=3", "bad CSV": m + ",\"" + m} {
		t.Run(name, func(t *testing.T) {
			path, contentType := "/payments", form
			if name == "bad CSV" {
				path, contentType = "/shops/{shop}/orders", "text/csv"
			}
			_, err := operation(t, orders(t), "POST", path).CheckRequest(post(contentType), map[string]string{"shop": "1"}, []byte(body))
			mustHide(t, err)
		})
	}
}

func TestParameterViolationsHideValues(t *testing.T) {
	tests := []struct{ name, shop, query, trace, cookie string }{
		{"path", marker, "", "0123abcd", ""},
		{"query", "1", "limit=" + marker, "0123abcd", ""},
		{"array in the query", "1", "state=" + marker, "0123abcd", ""},
		{"list in the query", "1", "ids=1," + marker, "0123abcd", ""},
		{"text in the query", "1", "note=" + marker, "0123abcd", ""},
		{"query twice", "1", "note=" + marker + "&note=" + marker, "0123abcd", ""},
		{"broken query", "1", marker + "=%zz" + marker, "0123abcd", ""},
		{"semicolon", "1", marker + ";" + marker, "0123abcd", ""},
		{"header", "1", "", marker, ""},
		{"cookie", "1", "", "0123abcd", marker},
	}
	op := operation(t, orders(t), "GET", "/shops/{shop}/orders")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.URL.RawQuery = tt.query
			r.Header.Set("X-Trace", tt.trace)
			if tt.cookie != "" {
				r.Header.Set("Cookie", "session="+tt.cookie)
			}
			_, err := op.CheckRequest(r, map[string]string{"shop": tt.shop, marker: marker}, nil)
			mustHide(t, err)
		})
	}
}

func TestResponseViolationsHideValues(t *testing.T) {
	for name, ref := range V1().doc.Components.Schemas["Receipt"].Value.Properties {
		for _, value := range []string{`"` + marker + `"`, `["` + marker + `"]`, `{"` + marker + `":"` + marker + `"}`} {
			body := setField(t, name, value)
			err := operation(t, V1(), "GET", "/api/v1/receipt/{key}").CheckResponse(200, jsonType(), []byte(body))
			if ref.Value.Type.Is("string") && value[0] == '"' && len(ref.Value.Enum) == 0 || ref.Value.Type.Is("array") && value[0] == '[' {
				continue // it is right
			}
			mustHide(t, err)
		}
	}
	op := operation(t, V1(), "POST", "/api/v1/share")
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
	}{
		{"header", 429, header("Content-Type", "application/json", "Retry-After", marker), errorJSON},
		{"Content-Type", 404, header("Content-Type", marker+"/"+marker), errorJSON},
		{"body", 404, jsonType(), marker},
		{"status", 999, jsonType(), marker},
		{"number", 404, jsonType(), `{"message":1` + strings.Repeat("0", 400) + `,"` + marker + `":"` + marker + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { mustHide(t, op.CheckResponse(tt.status, tt.header, []byte(tt.body))) })
	}
	t.Run("schema", func(t *testing.T) { mustHide(t, V1().CheckSchema("Error", []byte(`{"message":{"`+marker+`":1}}`))) })
	t.Run("decoder", func(t *testing.T) {
		_, err := DecodeJSON([]byte(`{"` + marker + `":` + marker))
		mustHide(t, err)
	})
}

func TestTransportViolationsHideValues(t *testing.T) {
	answer := func(status int, contentType, body string) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.WriteString(body)
			return w.Result(), nil
		})
	}
	tests := []struct {
		name, method, path, body string
		transport                *Transport
	}{
		{"path", "GET", "/" + marker, "", &Transport{}},
		{"method", marker, "/api/v1/status", "", &Transport{}},
		{"query", "GET", "/x?" + marker, "", &Transport{}},
		{"form", "POST", "/api/v1/share", "secret=x&ttl=" + marker, &Transport{}},
		{"long request", "POST", "/api/v1/share", "secret=" + marker, &Transport{MaxBody: 10}},
		{"long response", "GET", "/api/v1/status", "", &Transport{MaxBody: 10, Base: answer(200, "application/json", marker+marker)}},
		{"status", "GET", "/api/v1/status", "", &Transport{Base: answer(500, "text/html", marker)}},
		{"body", "GET", "/api/v1/status", "", &Transport{Base: answer(200, "application/json", `{"status":"`+marker+`"}`)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequest(tt.method, "https://user:"+marker+"@example.com"+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", form)
			response, err := tt.transport.RoundTrip(r)
			if err == nil {
				response.Body.Close()
			}
			mustHide(t, err)
		})
	}
}

func TestPointersNameOnlyWhatTheDocumentNames(t *testing.T) {
	number, text := openapi3.NewInt64Schema().NewRef(), openapi3.NewStringSchema().NewRef()
	list := openapi3.NewArraySchema().WithItems(openapi3.NewObjectSchema().WithProperty("a", openapi3.NewInt64Schema())).NewRef()
	tests := []struct {
		name   string
		schema *openapi3.Schema
		path   []string
		want   string
	}{
		{"nothing", openapi3.NewObjectSchema(), nil, ""},
		{"no schema", nil, []string{marker, "0"}, "/*/*"},
		{"property", &openapi3.Schema{Properties: openapi3.Schemas{"a": number}}, []string{"a"}, "/a"},
		{"unknown property", &openapi3.Schema{Properties: openapi3.Schemas{"a": number}}, []string{marker, "a"}, "/*/*"},
		{"required alone names it", &openapi3.Schema{Required: []string{"b"}}, []string{"b"}, "/b"},
		{"index", list.Value, []string{"3", "a"}, "/3/a"},
		{"index through allOf", &openapi3.Schema{Nullable: true, AllOf: openapi3.SchemaRefs{list}}, []string{"3", "a"}, "/3/a"},
		{"digits where there may be an object", &openapi3.Schema{Items: text, AdditionalProperties: openapi3.AdditionalProperties{Schema: number}}, []string{"4711"}, "/*"},
		{"name below any name", &openapi3.Schema{AdditionalProperties: openapi3.AdditionalProperties{Schema: list}}, []string{"4711", "0", "a"}, "/*/0/a"},
		{"escaped", &openapi3.Schema{Properties: openapi3.Schemas{"~/": number}}, []string{"~/"}, "/~0~1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := pointerOf(tt.schema, tt.path); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A name that another operation documents is not one of this operation.
func TestNamesOfOtherOperationsAreNotNamed(t *testing.T) {
	body := url.Values{"secret": {"x"}, "ttl": {"1", "2"}}.Encode()
	_, err := operation(t, V1(), "POST", "/api/v1/secret/{key}").CheckRequest(post(form), map[string]string{"key": key}, []byte(body))
	if got := verdict(t, err); got != "duplicate /*" {
		t.Errorf("a reveal documents no ttl, but got %q", got)
	}
}
