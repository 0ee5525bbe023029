package contract

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const form = "application/x-www-form-urlencoded"

func post(contentType string) *http.Request {
	r := httptest.NewRequest("POST", "/", nil)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func TestCheckRequestForms(t *testing.T) {
	share, reveal, empty := "/api/v1/share", "/api/v1/secret/{key}", "/api/v1/metadata/{key}"
	tests := []struct {
		name, path, contentType, body string
		want                          string // the verdict
		form                          string // encoded, if the request is good
	}{
		{"all fields", share, form, "secret=a+b&ttl=60&passphrase=p&recipient=a%40b.c&share_domain=d", "", "passphrase=p&recipient=a%40b.c&secret=a+b&share_domain=d&ttl=60"},
		{"secret alone", share, form, "secret=%C3%A4%0A", "", "secret=%C3%A4%0A"},
		{"no Content-Type, no body", reveal, "", "", "", ""},
		{"Content-Type, no body", reveal, form, "", "", ""},
		{"form without fields", empty, form, "", "", ""},
		{"only separators", empty, form, "&&&", "", ""},
		{"charset", empty, form + "; charset=UTF-8", "a=b", "", "a=b"},
		{"Content-Type in capitals", empty, "Application/X-WWW-Form-URLencoded", "a=b", "", "a=b"},
		{"unknown fields pass", share, form, "secret=x&SECRET_KEY=y&&", "", "SECRET_KEY=y&secret=x"},
		{"name without value", reveal, form, "continue", "", "continue="},
		{"value without name", reveal, form, "=x", "", "=x"},
		{"value with equals signs", share, form, "secret=a==", "", "secret=a%3D%3D"},
		{"NUL in a text", share, form, "secret=%00", "", "secret=%00"},
		{"a plus that is escaped", share, form, "secret=1%2B1", "", "secret=1%2B1"},
		{"semicolon is a character, as the URL standard has it", share, form, "secret=a;b=c", "", "secret=a%3Bb%3Dc"},
		{"secret of 20,000 characters: a rule of the server, not of the contract", share, form, "secret=" + strings.Repeat("x", 20000), "", "secret=" + strings.Repeat("x", 20000)},

		{"missing secret", share, form, "ttl=60", "required /secret", ""},
		{"no fields at all", share, form, "", "required /secret", ""},
		{"nothing at all", share, "", "", "required /secret", ""},
		{"empty secret", share, form, "secret=", "minLength /secret", ""},
		{"names are exact", share, form, "Secret=x", "required /secret", ""},

		{"empty passphrase is sent on", share, form, "secret=x&passphrase=&recipient=", "", "passphrase=&recipient=&secret=x"},
		{"empty ttl is absent", share, form, "secret=x&ttl=", "", "secret=x"},
		{"ttl without equals sign is absent", share, form, "secret=x&ttl", "", "secret=x"},
		{"ttl 0", share, form, "secret=x&ttl=0", "", "secret=x&ttl=0"},
		{"negative ttl", share, form, "secret=x&ttl=-5", "", "secret=x&ttl=-5"},
		{"greatest ttl", share, form, "secret=x&ttl=9007199254740991", "", "secret=x&ttl=9007199254740991"},
		{"ttl past 2^53", share, form, "secret=x&ttl=9007199254740992", "maximum /ttl", ""},
		{"ttl that rounds to the bound", share, form, "secret=x&ttl=9007199254740991.2", "type /ttl", ""},
		{"ttl below -2^53", share, form, "secret=x&ttl=-9007199254740992", "minimum /ttl", ""},
		{"ttl of letters", share, form, "secret=x&ttl=abc", "type /ttl", ""},
		{"ttl with fraction", share, form, "secret=x&ttl=1.5", "type /ttl", ""},
		{"ttl with a fraction of zero is no integer literal", share, form, "secret=x&ttl=60.0", "type /ttl", ""},
		{"ttl with exponent is no integer literal", share, form, "secret=x&ttl=1e3", "type /ttl", ""},
		{"hexadecimal ttl", share, form, "secret=x&ttl=0x10", "type /ttl", ""},
		{"ttl with underscore", share, form, "secret=x&ttl=1_000", "type /ttl", ""},
		{"ttl with a plus", share, form, "secret=x&ttl=%2B60", "type /ttl", ""},
		{"ttl with leading zero", share, form, "secret=x&ttl=060", "type /ttl", ""},
		{"ttl with a space before", share, form, "secret=x&ttl=+60", "type /ttl", ""},
		{"ttl with a space after", share, form, "secret=x&ttl=60+", "type /ttl", ""},
		{"ttl with a line feed after", share, form, "secret=x&ttl=60%0A", "type /ttl", ""},
		{"infinite ttl", share, form, "secret=x&ttl=Infinity", "type /ttl", ""},
		{"ttl past any number", share, form, "secret=x&ttl=1" + strings.Repeat("0", 400), "type /ttl", ""},
		{"ttl null", share, form, "secret=x&ttl=null", "type /ttl", ""},

		{"twice", share, form, "secret=a&secret=b", "duplicate /secret", ""},
		{"twice, the same", share, form, "secret=a&secret=a", "duplicate /secret", ""},
		{"twice, the first empty", share, form, "secret=x&ttl=&ttl=60", "duplicate /ttl", ""},
		{"twice, both empty", share, form, "secret=x&ttl=&ttl=", "duplicate /ttl", ""},
		{"twice, once escaped", share, form, "secret=a&s%65cret=b", "duplicate /secret", ""},
		{"twice, an unknown name", empty, form, "x=1&x=2", "duplicate /*", ""},
		{"no name, twice", empty, form, "=1&=2", "duplicate /*", ""},
		{"value not UTF-8", share, form, "secret=%FF", "utf8", ""},
		{"value not UTF-8, not escaped", share, form, "secret=\xff", "utf8", ""},
		{"name not UTF-8", empty, form, "%FF=x", "utf8", ""},
		{"surrogate", share, form, "secret=%ED%A0%80", "utf8", ""},
		{"cut escape", share, form, "secret=%4", "syntax", ""},
		{"escape of letters", share, form, "secret=%zz", "syntax", ""},
		{"lone percent", share, form, "secret=100%", "syntax", ""},
		{"malformed name", empty, form, "%=x", "syntax", ""},

		{"JSON", share, "application/json", `{"secret":"x"}`, "contentType", ""},
		{"JSON type without body", reveal, "application/json", "", "contentType", ""},
		{"text", share, "text/plain", "secret=x", "contentType", ""},
		{"multipart", share, "multipart/form-data; boundary=x", "--x--", "contentType", ""},
		{"no Content-Type but a body", share, "", "secret=x", "contentType", ""},
		{"malformed Content-Type", share, form + "; charset", "secret=x", "contentType", ""},
		{"nonsense as Content-Type", share, "form", "secret=x", "contentType", ""},
		{"two types in one", share, form + ", " + form, "secret=x", "contentType", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op := operation(t, V1(), "POST", tt.path)
			values, err := op.CheckRequest(post(tt.contentType), map[string]string{"key": key}, []byte(tt.body))
			if got := verdict(t, err); got != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			if err == nil && (values == nil || values.Encode() != tt.form) {
				t.Errorf("form %q, want %q", values.Encode(), tt.form)
			}
			if err != nil && values != nil {
				t.Error("a form that breaks the contract is returned")
			}
		})
	}
}

func TestCheckRequestWithoutBody(t *testing.T) {
	op := operation(t, V1(), "GET", "/api/v1/receipt/{key}")
	tests := []struct{ name, key, contentType, body, want string }{
		{"plain", key, "", "", ""},
		{"a body that is not documented is ignored", key, "", "x", ""},
		{"so is its type", key, "application/json", "", ""},
		{"a key can be anything", "no key/äöü %\x00", "", "", ""},
		{"but not nothing", "", "", "", "required path key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/?ignored=1&ignored=2;%zz", nil)
			r.Header.Set("Content-Type", tt.contentType)
			values, err := op.CheckRequest(r, map[string]string{"key": tt.key}, []byte(tt.body))
			if got := verdict(t, err); got != tt.want || values != nil {
				t.Errorf("got %q and the form %v, want %q", got, values, tt.want)
			}
		})
	}
}

func TestCheckRequestNeedsPathParams(t *testing.T) {
	for _, op := range V1().Operations() {
		if !strings.Contains(op.Path, "{key}") {
			continue
		}
		_, err := op.CheckRequest(post(form), nil, nil)
		if got := verdict(t, err); got != "required path key" {
			t.Errorf("%s: got %q", op.ID, got)
		}
	}
}

func TestCheckRequestLeavesTheRequestAlone(t *testing.T) {
	r := httptest.NewRequest("POST", "/?a=b", strings.NewReader("secret=x"))
	r.Header.Set("Content-Type", form)
	before := r.Clone(r.Context())
	if _, err := operation(t, V1(), "POST", "/api/v1/share").CheckRequest(r, nil, []byte("secret=x")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.Header, r.Header); diff != "" || r.URL.String() != before.URL.String() || r.Form != nil {
		t.Errorf("the request has changed: %s %s", r.URL, diff)
	}
	if rest := make([]byte, 8); true {
		if n, _ := r.Body.Read(rest); n != 8 {
			t.Error("the body was read")
		}
	}
}

func TestFormFields(t *testing.T) {
	share, status := operation(t, V1(), "POST", "/api/v1/share"), operation(t, V1(), "GET", "/api/v1/status")
	if !share.HasFormField("ttl") || share.HasFormField("continue") || share.HasFormField("") || status.HasFormField("ttl") {
		t.Error("HasFormField does not say what is documented")
	}
}

func TestViolationMessages(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"type", "secret=x&ttl=abc", "ttl must be an integer"},
		{"required", "", "secret is required"},
		{"minLength", "secret=", "secret must not be empty"},
		{"maximum", "secret=x&ttl=9007199254740992", "ttl must be at most 9007199254740991"},
		{"duplicate", "secret=x&secret=x", "secret is given twice"},
		{"unknown duplicate", "x=1&x=2", "a name that the contract does not have is given twice"},
		{"UTF-8", "secret=%ff", "the body is not UTF-8"},
		{"syntax", "%", "the body is not an urlencoded form: a % must be followed by two hexadecimal digits"},
	}
	op := operation(t, V1(), "POST", "/api/v1/share")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := op.CheckRequest(post(form), nil, []byte(tt.body))
			v, ok := err.(*Violation)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if v.Message() != tt.want {
				t.Errorf("got %q, want %q", v.Message(), tt.want)
			}
			if want := "contract: v1_share request: " + tt.want + " (" + v.Rule + ")"; v.Error() != want {
				t.Errorf("got %q, want %q", v.Error(), want)
			}
			if v.Direction != Request || v.Operation != "v1_share" || v.Status != 0 || v.Body() != nil {
				t.Errorf("got %#v", v)
			}
		})
	}
}

func TestReturnedFormIsWhatWasSent(t *testing.T) {
	body := url.Values{"secret": {"ünï &=;+%\n\x00"}, "passphrase": {""}, "other": {"x"}}
	got, err := operation(t, V1(), "POST", "/api/v1/share").CheckRequest(post(form), nil, []byte(body.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(body, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
