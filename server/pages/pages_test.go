package pages_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/server/pages"
)

const day = 24 * time.Hour

// api stands for the API where a test is about what reaches it: it answers every request alike.
func api(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"message":"from the API"}`)
	})
}

func handler(t testing.TB, status int, config pages.Config) http.Handler {
	t.Helper()
	h, err := pages.New(api(status), config)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	return send(h, http.MethodGet, path, header...)
}

// send sends a request, with headers in pairs.
func send(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestSamePageForEveryKey holds that a page says nothing of the key in its address: the bytes are those for any other.
func TestSamePageForEveryKey(t *testing.T) {
	h := handler(t, 200, pages.Config{BaseURL: "https://example.com"})
	for _, page := range []string{"/secret/", "/receipt/", "/private/", "/metadata/"} {
		first := get(h, page+strings.Repeat("0", 31))
		for _, key := range []string{"mark-key", "a", "%2e%2e", "recent", strings.Repeat("z", 5000), "%00", "%3Cscript%3E"} {
			other := get(h, page+key)
			if other.Code != 200 || other.Body.String() != first.Body.String() || !reflect.DeepEqual(other.Header(), first.Header()) {
				t.Errorf("%s%.20s is answered %d, %d bytes", page, key, other.Code, other.Body.Len())
			}
		}
	}
}

// TestHeaders holds what every page tells the browser.
func TestHeaders(t *testing.T) {
	h := handler(t, 404, pages.Config{BaseURL: "https://example.com"})
	for _, path := range []string{"/", "/secret/1", "/receipt/1", "/docs", "/nowhere"} {
		got := get(h, path, "Accept", "text/html").Header()
		for name, want := range map[string]string{
			"Cache-Control":                "no-store",
			"Content-Type":                 "text/html; charset=utf-8",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy":              "no-referrer",
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"X-Robots-Tag":                 "noindex, nofollow",
		} {
			if got.Get(name) != want {
				t.Errorf("%s has %s %q, want %q", path, name, got.Get(name), want)
			}
		}
		policy := got.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self';",
			"form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s has no %q in its policy %q", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
			t.Errorf("the policy of %s is %q", path, policy)
		}
	}
}

// TestNothingInline holds that no page has code or styles in it, whatever the policy says, and none of another origin.
func TestNothingInline(t *testing.T) {
	h := handler(t, 404, pages.Config{BaseURL: "https://example.com", Accounts: true})
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script[^>]*>[^<]`)
	foreign := regexp.MustCompile(`(?:src|href)="(?:[a-z]+:)?//`)
	for _, path := range []string{"/", "/secret/1", "/receipt/1", "/docs", "/nowhere"} {
		page := get(h, path, "Accept", "text/html").Body.String()
		if found := inline.FindString(page) + foreign.FindString(page); found != "" {
			t.Errorf("%s has %q", path, found)
		}
	}
}

// TestAssets holds that what pages name is there, with a type, and may be kept: its address changes when it does.
func TestAssets(t *testing.T) {
	h := handler(t, 404, pages.Config{BaseURL: "https://example.com/below"})
	named := regexp.MustCompile(`(?:src|href)="(/below/assets/[^"]+)"`)
	imported := regexp.MustCompile(`from "\./([^"]+)"`)
	seen := map[string]bool{}
	for _, path := range []string{"/below/", "/below/secret/1", "/below/receipt/1", "/below/docs"} {
		for _, name := range named.FindAllStringSubmatch(get(h, path).Body.String(), -1) {
			seen[name[1]] = true
		}
	}
	if len(seen) < 8 {
		t.Errorf("the pages name %v", seen)
	}
	for path := range seen {
		asset := get(h, path)
		header := asset.Header()
		if asset.Code != 200 || header.Get("Content-Type") == "" || !strings.Contains(header.Get("Cache-Control"), "immutable") ||
			header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s is answered %d, %v", path, asset.Code, header)
		}
		for _, module := range imported.FindAllStringSubmatch(asset.Body.String(), -1) {
			if got := get(h, path[:strings.LastIndexByte(path, '/')+1]+module[1]).Code; got != 200 {
				t.Errorf("%s imports %s, which is answered %d", path, module[1], got)
			}
		}
	}
}

// TestCompression holds that a client that takes gzip gets the same bytes, packed.
func TestCompression(t *testing.T) {
	s := serve(t, "", pages.Config{})
	plain := get(s.pages, "/docs")
	if plain.Header().Get("Content-Encoding") != "" {
		t.Error("it is packed unasked")
	}
	packed, err := http.Get(s.base + "/docs") // net/http asks for gzip, and unpacks
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Body.Close()
	body, err := io.ReadAll(packed.Body)
	if err != nil || !packed.Uncompressed || !bytes.Equal(body, plain.Body.Bytes()) {
		t.Errorf("packed: %v, %v, %d bytes of %d", packed.Uncompressed, err, len(body), plain.Body.Len())
	}
}

// TestRest holds that everything else is the API's, and that a browser gets a readable page where that has nothing.
func TestRest(t *testing.T) {
	const html = "text/html,application/xhtml+xml"
	for name, test := range map[string]struct {
		method, path, accept string
		status               int
		page                 bool
	}{
		"API":                        {"GET", "/below/api/v1/status", "", 200, false},
		"API in a browser":           {"GET", "/below/api/v1/status", html, 200, false},
		"unknown API in a browser":   {"GET", "/below/api/v1/nothing", html, 404, false},
		"POST to a page":             {"POST", "/below/secret/1", html, 404, false},
		"OPTIONS":                    {"OPTIONS", "/below/", html, 404, false},
		"unknown":                    {"GET", "/below/nothing", "", 404, false},
		"unknown, JSON":              {"GET", "/below/nothing", "application/json", 404, false},
		"unknown in a browser":       {"GET", "/below/nothing", html, 404, true},
		"unknown, HEAD":              {"HEAD", "/below/nothing", html, 404, true},
		"beside the base":            {"GET", "/", html, 404, true},
		"no key":                     {"GET", "/below/secret/", html, 404, true},
		"more than a key":            {"GET", "/below/secret/1/2", html, 404, true},
		"another thing of the API's": {"GET", "/healthz", html, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := handler(t, test.status, pages.Config{BaseURL: "https://example.com/below"})
			got := send(h, test.method, test.path, "Accept", test.accept)
			page := strings.Contains(got.Header().Get("Content-Type"), "text/html")
			if got.Code != test.status || page != test.page {
				t.Errorf("answered %d %s: %s", got.Code, got.Header().Get("Content-Type"), got.Body)
			}
			if page == strings.Contains(got.Body.String(), "from the API") {
				t.Errorf("answered %s", got.Body)
			}
		})
	}
}

// TestPattern holds that who logs gets to know the template of a page, and no key.
func TestPattern(t *testing.T) {
	h := handler(t, 404, pages.Config{BaseURL: "https://example.com/below"})
	for path, want := range map[string]string{
		"/below/secret/mark-key": "/below/secret/{key}", "/below": "/below/", "/below/": "/below/", "/below/nothing/mark-key": "",
	} {
		r := httptest.NewRequest("GET", path, nil)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if r.Pattern != want {
			t.Errorf("%s has the pattern %q", path, r.Pattern)
		}
	}
}

// TestDocument holds that what is served is the contract, in both forms, with this server in the first place.
func TestDocument(t *testing.T) {
	const base = "https://example.com/below"
	h := handler(t, 404, pages.Config{BaseURL: base})
	inYAML, inJSON := get(h, "/below/openapi.yaml"), get(h, "/below/openapi.json")
	var original, fromYAML, fromJSON map[string]any
	for text, into := range map[string]*map[string]any{
		string(onetime.OpenAPI()): &original, inYAML.Body.String(): &fromYAML, inJSON.Body.String(): &fromJSON,
	} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil { // JSON is YAML
			t.Fatal(err)
		}
	}
	original["servers"] = append([]any{map[string]any{"url": base, "description": "This server"}}, original["servers"].([]any)...)
	if !reflect.DeepEqual(fromYAML, original) {
		t.Error("openapi.yaml is not the contract")
	}
	if !reflect.DeepEqual(fromJSON, original) || !json.Valid(inJSON.Body.Bytes()) {
		t.Error("openapi.json is not the contract")
	}
	if !strings.Contains(inYAML.Body.String(), "# ") {
		t.Error("openapi.yaml has lost its comments")
	}
	if path, schema := strings.Index(inJSON.Body.String(), `"/api/v1/status"`), strings.Index(inJSON.Body.String(), `"/api/v1/metadata/{key}"`); path > schema {
		t.Error("openapi.json has lost its order")
	}
	for _, document := range []*httptest.ResponseRecorder{inYAML, inJSON} {
		loaded, err := contract.Load(document.Body.Bytes())
		if err != nil || len(loaded.Operations()) != len(contract.V1().Operations()) {
			t.Errorf("a client loads %v, %v", loaded, err)
		}
		doc, err := openapi3.NewLoader().LoadFromData(document.Body.Bytes())
		if err != nil || doc.Servers[0].URL != base {
			t.Errorf("the first server is %v, %v", doc.Servers[0], err)
		}
	}
}

// TestConfig holds that a wrong Config is refused, and what the page offers by a right one.
func TestConfig(t *testing.T) {
	for _, base := range []string{"", "example.com", "ftp://example.com", "https://", "https://example.com\x00", "/below"} {
		if _, err := pages.New(api(200), pages.Config{BaseURL: base}); err == nil {
			t.Errorf("BaseURL %q is taken", base)
		}
	}
	for name, config := range map[string]pages.Config{
		"MaxSecret": {MaxSecret: -1}, "TTLs": {TTLs: []time.Duration{time.Hour, 0}}, "AccountTTLs": {AccountTTLs: []time.Duration{-day}},
	} {
		config.BaseURL = "https://example.com"
		if _, err := pages.New(api(200), config); err == nil {
			t.Errorf("these %s are taken", name)
		}
	}
	if _, err := pages.New(nil, pages.Config{BaseURL: "https://example.com"}); err == nil {
		t.Error("no API is taken")
	}
	page := func(c pages.Config) string {
		c.BaseURL = "https://example.com/a\"><script>"
		return get(handler(t, 200, c), "/a%22%3E%3Cscript%3E/").Body.String()
	}
	for name, test := range map[string]struct {
		config   pages.Config
		has, not []string
	}{
		"default": {pages.Config{}, []string{`value="300">5 minutes`, `value="604800" selected>7 days`, "10,000 bytes"}, []string{"30 days", "API token", "<script>"}},
		"own": {pages.Config{MaxSecret: 1 << 20, TTLs: []time.Duration{90 * time.Second, time.Hour}},
			[]string{`value="90">90 seconds`, `value="3600" selected>1 hour`, "1,048,576 bytes"}, []string{"7 days"}},
		"accounts":      {pages.Config{Accounts: true}, []string{"30 days (with an account)", "data-account disabled", "API token"}, []string{" required"}},
		"accounts only": {pages.Config{AccountsOnly: true}, []string{">30 days<", "API token", " required", "needed on this server"}, []string{"data-account"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := page(test.config)
			for _, text := range test.has {
				if !strings.Contains(got, text) {
					t.Errorf("the page lacks %q", text)
				}
			}
			for _, text := range test.not {
				if strings.Contains(got, text) {
					t.Errorf("the page has %q", text)
				}
			}
		})
	}
}
