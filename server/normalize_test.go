package server

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

// multipartForm writes a form as curl -F does. Pairs are names and texts; a name that begins with "@" is a file.
func multipartForm(pairs ...string) (contentType, body string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("----------a-boundary")
	for i := 0; i < len(pairs); i += 2 {
		name, file := strings.CutPrefix(pairs[i], "@")
		if !file {
			_ = w.WriteField(name, pairs[i+1])
			continue
		}
		part, _ := w.CreateFormFile(name, "notes.txt")
		_, _ = part.Write([]byte(pairs[i+1]))
	}
	_ = w.Close()
	return w.FormDataContentType(), b.String()
}

// written writes a request as it goes over the wire, with these headers only.
func written(target, contentType, body string, chunked bool) string {
	head := target + " HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n"
	if contentType != "" {
		head += "Content-Type: " + contentType + "\r\n"
	}
	switch {
	case chunked:
		return head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	case body != "":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return head + "\r\n" + body
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
	share    = "/api/v1/share"
	reveal   = "/api/v1/secret/" + secretKey
	burn     = "/api/v1/private/" + receiptKey + "/burn"
)

// TestClientsInUse replays what clients in use send. Each request must mean to the Service what its documented form
// means. Without the option those that are outside the contract are refused.
func TestClientsInUse(t *testing.T) {
	multi := func(pairs ...string) [2]string { t, b := multipartForm(pairs...); return [2]string{t, b} }
	tests := []struct {
		name        string
		path        string
		typeAndBody [2]string
		form        string // that it stands for
		outside     bool   // of the contract
	}{
		{"documented", share, [2]string{formType, "secret=a+b%26c&ttl=60"}, "secret=a+b%26c&ttl=60", false},
		{"documented, with a charset", share, [2]string{formType + "; charset=UTF-8", "secret=a"}, "secret=a", false},
		{"no Content-Type, no body", reveal, [2]string{"", ""}, "", false},
		{"no Content-Type, no body", burn, [2]string{"", ""}, "", false},
		{"no Content-Type, no body", "/api/v1/generate", [2]string{"", ""}, "", false},
		{"no Content-Type, no body", "/api/v1/metadata/" + receiptKey, [2]string{"", ""}, "", false},
		{"no Content-Type, a body", share, [2]string{"", "secret=a&ttl=60"}, "secret=a&ttl=60", true},
		{"all in the query", share + "?secret=a%20b&ttl=60&recipient=a%40b.example", [2]string{"", ""}, "secret=a+b&ttl=60&recipient=a@b.example", true},
		{"all in the query, as a form", share + "?secret=a", [2]string{formType, ""}, "secret=a", true},
		{"all in the query, as JSON", share + "?secret=a", [2]string{jsonType, ""}, "secret=a", true},
		{"passphrase in the query", reveal + "?passphrase=p", [2]string{"", ""}, "passphrase=p", true},
		{"list in the query", "/api/v1/generate?recipient[]=a@b.example", [2]string{"", ""}, "recipient=a@b.example", true},
		{"foreign query", reveal + "?utm_source=mail", [2]string{"", ""}, "", false},
		{"foreign query beside a body", share + "?utm=1", [2]string{formType, "secret=a"}, "secret=a", false},
		{"query beside a body", share + "?ttl=3600&passphrase=p", [2]string{formType, "secret=a"}, "secret=a", true},
		{"JSON type, no body", reveal, [2]string{jsonType, ""}, "", true},
		{"JSON type, no body", burn, [2]string{jsonType, ""}, "", true},
		{"empty object", reveal, [2]string{jsonType, "{}"}, "", true},
		{"JSON", share, [2]string{jsonType + "; charset=utf-8", `{"secret":"a & b=c + d\n\u00e4","ttl":"60"}`}, "secret=a+%26+b%3Dc+%2B+d%0A%C3%A4&ttl=60", true},
		{"JSON number", share, [2]string{jsonType, `{"secret":"a","ttl":3600}`}, "secret=a&ttl=3600", true},
		{"JSON number as a secret", share, [2]string{jsonType, `{"secret":12345678901234567890.10}`}, "secret=12345678901234567890.10", true},
		{"JSON boolean", reveal, [2]string{jsonType, `{"continue":true,"passphrase":"p"}`}, "continue=true&passphrase=p", true},
		{"JSON null", share, [2]string{jsonType, `{"secret":"a","passphrase":null,"ttl":null,"recipient":null}`}, "secret=a", true},
		{"JSON list", share, [2]string{jsonType, `{"secret":"a","recipient":["a@b.example",null,"c@d.example"]}`}, "secret=a&recipient=a@b.example,c@d.example", true},
		{"JSON empty list", share, [2]string{jsonType, `{"secret":"a","recipient":[]}`}, "secret=a", true},
		{"JSON list notation", share, [2]string{jsonType, `{"secret":"a","recipient[]":["a@b.example"]}`}, "secret=a&recipient=a@b.example", true},
		{"multipart", share, multi("secret", "a\r\nb", "ttl", "60"), "secret=a%0D%0Ab&ttl=60", true},
		{"multipart with a file", share, multi("@secret", "a file & more"), "secret=a+file+%26+more", true},
		{"multipart with a list", share, multi("secret", "a", "recipient[]", "a@b.example", "recipient[]", "c@d.example"), "secret=a&recipient=a@b.example,c@d.example", true},
		{"multipart without parts", reveal, multi(), "", true},
		{"list", share, [2]string{formType, "secret=a&recipient[]=a@b.example"}, "secret=a&recipient=a@b.example", false},
		{"list, escaped", share, [2]string{formType, "secret=a&recipient%5B%5D=a%40b.example"}, "secret=a&recipient=a@b.example", false},
		{"list, escaped small", share, [2]string{formType, "recipient%5b%5d=a%40b.example&secret=a"}, "secret=a&recipient=a@b.example", false},
		{"list, half escaped", share, [2]string{formType, "recipient[%5D=a@b.example&recipient%5B]=c@d.example&secret=a"}, "secret=a&recipient=a@b.example,c@d.example", false},
		{"list of several", share, [2]string{formType, "recipient[]=a@b.example&secret=a&recipient[]=c@d.example"}, "secret=a&recipient=a@b.example,c@d.example", false},
		{"list of none", share, [2]string{formType, "secret=a&recipient[]="}, "secret=a", false},
		{"list with a gap", share, [2]string{formType, "secret=a&recipient[]=&recipient[]=c@d.example"}, "secret=a&recipient=c@d.example", false},
		{"list of no recipients", reveal, [2]string{formType, "recipient[]=a&passphrase=p"}, "passphrase=p", false},
		{"list beside a text", share, [2]string{formType, "secret=a&recipient=a@b.example&recipient[]=c@d.example"}, "secret=a&recipient=a@b.example,c@d.example", false},
		{"list beside an empty text", share, [2]string{formType, "secret=a&recipient=&recipient[]=c@d.example"}, "secret=a&recipient=c@d.example", false},
		{"brackets in a secret", share, [2]string{formType, "secret=recipient[]%3D1"}, "secret=recipient%5B%5D%3D1", false},
		{"unknown fields", "/api/v1/generate", [2]string{formType, "secret=a&SECRET_KEY=b"}, "", false},
		{"unknown list", reveal, [2]string{formType, "other[]=a&passphrase=p"}, "passphrase=p", false},
		{"continue", reveal, [2]string{formType, "continue=true"}, "continue=true", false},
		{"continue", burn, [2]string{formType, "continue=true&passphrase=p"}, "passphrase=p", false},
		{"nothing where something could be", share, [2]string{formType, "secret=a&ttl=&passphrase=&recipient=&share_domain="}, "secret=a", false},
		{"lifetime of nought", share, [2]string{formType, "secret=a&ttl=0"}, "secret=a", false},
	}
	for _, test := range tests {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s%s chunked=%v", test.path, test.name, chunked), func(t *testing.T) {
				contentType, body := test.typeAndBody[0], test.typeAndBody[1]
				if chunked && body == "" {
					t.Skip("the same as not chunked, but for the last chunk")
				}
				path, _, _ := strings.Cut(test.path, "?")
				raw := written("POST "+test.path, contentType, body, chunked)

				service := newStub()
				lenient := serve(t, service, normalizing)
				lenient.call(t, "POST", path, test.form).want(t, 200, "")
				want := requests(service.seen())
				lenient.raw(t, "POST", path, raw).want(t, 200, "")
				if d := cmp.Diff(want, requests(service.seen())); d != "" || len(want) != 1 {
					t.Errorf("the Service was asked something else (-want +got):\n%s", d)
				}

				strict := serve(t, service)
				answer := strict.raw(t, "POST", path, raw)
				if test.outside {
					answer.want(t, 400, "")
					if calls := service.seen(); len(calls) != 0 {
						t.Errorf("the Service was asked %v", calls)
					}
					return
				}
				answer.want(t, 200, "")
				if d := cmp.Diff(want, requests(service.seen())); d != "" {
					t.Errorf("without the option, the Service was asked something else (-want +got):\n%s", d)
				}
			})
		}
	}
}

// requests returns what was asked, readable for a comparison: Sensitive texts would print as "[redacted]".
func requests(calls []call) []string {
	var all []string
	for _, c := range calls {
		switch r := c.Request.(type) {
		case onetime.ShareRequest:
			all = append(all, fmt.Sprintf("%s %q %v %q %q %q", c.Method, r.Secret.Expose(), r.TTL, r.Passphrase.Expose(), r.Recipients, r.ShareDomain))
		case onetime.GenerateRequest:
			all = append(all, fmt.Sprintf("%s %v %q %q %q", c.Method, r.TTL, r.Passphrase.Expose(), r.Recipients, r.ShareDomain))
		case onetime.RevealRequest:
			all = append(all, fmt.Sprintf("%s %q %q", c.Method, r.Key.Expose(), r.Passphrase.Expose()))
		case onetime.BurnRequest:
			all = append(all, fmt.Sprintf("%s %q %q", c.Method, r.Key.Expose(), r.Passphrase.Expose()))
		case onetime.Sensitive:
			all = append(all, fmt.Sprintf("%s %q", c.Method, r.Expose()))
		default:
			all = append(all, c.Method)
		}
	}
	return all
}

// TestFieldsArrive pins what each field means to the Service.
func TestFieldsArrive(t *testing.T) {
	tests := []struct{ path, form, want string }{
		{share, "secret=s&ttl=90&passphrase=p&recipient=a@b.example,+c@d.example,&share_domain=d.example",
			`Share "s" 1m30s "p" ["a@b.example" "c@d.example"] "d.example"`},
		{"/api/v1/create", "secret=+%00%F0%9F%98%80+", `Share " \x00😀 " 0s "" [] ""`},
		{share, "secret=s&ttl=-5", `Share "s" -5s "" [] ""`},
		{share, "secret=s&ttl=9007199254740991", `Share "s" 2562047h47m16s "" [] ""`},
		{share, "secret=s&ttl=-9007199254740991", `Share "s" -2562047h47m16s "" [] ""`},
		{"/api/v1/generate", "ttl=90&passphrase=p&recipient=a@b.example&share_domain=d", `Generate 1m30s "p" ["a@b.example"] "d"`},
		{reveal, "passphrase=+p+", `Reveal "` + secretKey + `" " p "`},
		{burn, "passphrase=p", `Burn "` + receiptKey + `" "p"`},
		{"/api/v1/metadata/" + receiptKey, "", `Receipt "` + receiptKey + `"`},
	}
	for _, test := range tests {
		service := newStub()
		serve(t, service).call(t, "POST", test.path, test.form).want(t, 200, "")
		if d := cmp.Diff([]string{test.want}, requests(service.seen())); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.path, test.form, d)
		}
	}
}

// TestNotForms are bodies that no rewriting makes a form of. They are 400 with the option and without it.
func TestNotForms(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	multiType, multiBody := multipartForm("secret", "a", "secret", "b")
	_, whole := multipartForm("secret", "a")
	tests := []struct{ name, contentType, body string }{
		{"nested object", jsonType, `{"secret":"a","passphrase":{"a":1}}`},
		{"object in a list", jsonType, `{"secret":"a","recipient":[{"a":1}]}`},
		{"list in a list", jsonType, `{"secret":"a","recipient":[["a"]]}`},
		{"deep", jsonType, `{"secret":` + deep + `}`},
		{"a name twice", jsonType, `{"secret":"a","secret":"b"}`},
		{"array", jsonType, `["a"]`},
		{"text", jsonType, `"secret=a"`},
		{"null", jsonType, `null`},
		{"number as a lifetime", jsonType, `{"secret":"a","ttl":1.5}`},
		{"fraction of nought", jsonType, `{"secret":"a","ttl":60.0}`},
		{"exponent", jsonType, `{"secret":"a","ttl":6e1}`},
		{"exponent", formType, "secret=a&ttl=6e1"},
		{"exponent, escaped", formType, "secret=a&%74tl=6%65%31"},
		{"fraction of nought", formType, "ttl=60.0&secret=a"},
		{"text as a lifetime", formType, "secret=a&ttl=abc"},
		{"sign", formType, "secret=a&ttl=%2B60"},
		{"white space around a lifetime", formType, "secret=a&ttl=+60"},
		{"lifetime beyond a JSON integer", formType, "secret=a&ttl=9007199254740992"},
		{"lifetime beyond an int64", formType, "secret=a&ttl=9223372036854775808"},
		{"lifetime twice", formType, "secret=a&ttl=60&ttl=60"},
		{"boolean as a lifetime", jsonType, `{"secret":"a","ttl":true}`},
		{"null as a secret", jsonType, `{"secret":null}`},
		{"empty list as a secret", jsonType, `{"secret":[]}`},
		{"not UTF-8", jsonType, "{\"secret\":\"\xff\"}"},
		{"cut off", jsonType, `{"secret":"a"`},
		{"more behind it", jsonType, `{"secret":"a"}x`},
		{"white space", jsonType, " \n"},
		{"form as JSON", jsonType, `secret=a`},
		{"JSON as a form", formType, `{"secret":"a"}`},
		{"a field twice", formType, "secret=a&secret=b"},
		{"a field twice, once escaped", formType, "secret=a&%73ecret=b"},
		{"a field twice, and in list notation", formType, "secret=a&secret=b&secret[]="},
		{"a field in list notation", formType, "secret[]=a&secret[]=b"},
		{"a passphrase twice, and in list notation", formType, "secret=a&passphrase=b&passphrase[]=c&passphrase=d"},
		{"list as a secret", jsonType, `{"secret":["a","b"]}`},
		{"names that differ in case", jsonType, `{"secret":"a","Secret":"b"}`},
		{"half a character", jsonType, `{"secret":"\ud800x"}`},
		{"list and a text, malformed", formType, "secret=a&recipient[]=%zz&recipient=b"},
		{"multipart field twice", multiType, multiBody},
		{"multipart, no boundary", "multipart/form-data", whole},
		{"multipart, another boundary", "multipart/form-data; boundary=other", whole},
		{"multipart, cut off", multiType, whole[:len(whole)-10]},
		{"multipart, not UTF-8", multiType, strings.Replace(whole, "\r\n\r\na", "\r\n\r\n\xff", 1)},
		{"multipart of another kind", "multipart/mixed; boundary=----------a-boundary", whole},
		{"text/plain", "text/plain", "secret=a"},
		{"text/json", "text/json", `{"secret":"a"}`},
		{"no type at all", ";;;", "secret=a"},
		{"XML", "application/xml", "<secret>a</secret>"},
	}
	for _, test := range tests {
		for _, normalize := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s normalize=%v", test.name, normalize), func(t *testing.T) {
				service := newStub()
				site := serve(t, service, func(c *Config) { c.Normalize = normalize })
				site.raw(t, "POST", share, written("POST "+share, test.contentType, test.body, false)).want(t, 400, "")
				if calls := service.seen(); len(calls) != 0 {
					t.Errorf("the Service was asked %v", calls)
				}
			})
		}
	}
}

// TestMalformedQuery is read like a form where the body is empty.
func TestMalformedQuery(t *testing.T) {
	for query, status := range map[string]int{"secret=%25zz": 200, "secret=%zz": 400, "secret=%ff": 400, "secret=a&secret=b": 400, "": 400, "&&": 400} {
		site := serve(t, newStub(), normalizing)
		site.raw(t, "POST", share, written("POST "+share+"?"+query, "", "", false)).want(t, status, "")
	}
}

// TestPostRecent is a look-up of the key "recent", as one client in use does it, and no 405.
func TestPostRecent(t *testing.T) {
	for _, name := range []string{"receipt", "private", "metadata"} {
		service := newStub()
		service.err = onetime.ErrNotFound
		path := "/api/v1/" + name + "/recent"
		serve(t, service).call(t, "POST", path, "").want(t, 404, "Unknown secret")
		if d := cmp.Diff([]string{`Receipt "recent"`}, requests(service.seen())); d != "" {
			t.Error(d)
		}
	}
}

// TestAnonymousLookup of a receipt that an account made shows the secret's key.
func TestAnonymousLookup(t *testing.T) {
	service := newStub()
	service.receipt.Custid = username
	answer := serve(t, service).call(t, "GET", "/api/v1/private/"+receiptKey, "", withHeader("Content-Type", jsonType))
	answer.want(t, 200, "")
	if got := answer.fields(t)["secret_key"]; got != secretKey {
		t.Errorf("secret_key = %v", got)
	}
}

// FuzzRewrite sends bodies of any kind through the rewriting: it does not panic, and what the contract takes as it is
// means the same afterwards.
func FuzzRewrite(f *testing.F) {
	multiType, multiBody := multipartForm("secret", "a", "@recipient[]", "b")
	for _, seed := range [][3]string{
		{formType, "secret=a&ttl=60&recipient[]=b&recipient=", "ttl=1"}, {jsonType, `{"secret":["a",1,null,true]}`, ""},
		{multiType, multiBody, ""}, {"", "", "secret=a"}, {formType, "secret=%zz&%5B%5D=&=&&a[]", "%"}, {"multipart/form-data", "", "a"},
	} {
		f.Add(seed[0], []byte(seed[1]), seed[2], false)
		f.Add(seed[0], []byte(seed[1]), seed[2], true)
	}
	op := contract.V1().Operation("POST", share)
	f.Fuzz(func(t *testing.T, contentType string, body []byte, query string, strict bool) {
		r := httptest.NewRequest("POST", share, http.NoBody)
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		documented, refusal := op.CheckRequest(r, nil, body)
		before := bytes.Clone(body)
		rewritten, err := rewrite(r, op, body, strict)
		if !bytes.Equal(before, body) {
			t.Fatal("the body that was given is changed")
		}
		if err != nil {
			if refusal == nil && !strict {
				t.Fatalf("what is documented is refused: %v", err)
			}
			return
		}
		after, err := op.CheckRequest(r, nil, rewritten)
		if refusal != nil {
			return
		}
		if err != nil {
			t.Fatalf("%q is documented, but %q is not: %v", body, rewritten, err)
		}
		for name, values := range documented {
			if !op.HasFormField(name) || documented.Has(name+"[]") {
				continue // nobody reads it, or it becomes one with its list
			}
			if d := cmp.Diff(values, after[name]); d != "" {
				t.Errorf("%s of %q became another in %q (-want +got):\n%s", name, body, rewritten, d)
			}
		}
	})
}

// FuzzForm sends any form to a server: it answers 200 or what is documented for requests, never 500.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"secret=a", "ttl=1e3", "ttl=60.0", "ttl=-0", "ttl=00", "ttl=1E400", "ttl[a]=1", "secret[0]=a", "ttl=9223372036854775808"} {
		f.Add(seed, formType)
		f.Add("secret=x&"+seed, formType)
		f.Add(`{"secret":"x","ttl":1e3}`, jsonType)
	}
	handler, err := New(newStub(), Config{BaseURL: "https://secrets.example.com", Normalize: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body, contentType string) {
		r := httptest.NewRequest("POST", share, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		start := time.Now()
		handler.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 && w.Code != 422 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%d bytes took %v", len(body), d)
		}
	})
}
