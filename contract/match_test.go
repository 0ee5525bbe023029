package contract

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatchV1(t *testing.T) {
	tests := []struct{ name, method, path, want, key string }{
		{"literal", "GET", "/api/v1/status", "v1_status", ""},
		{"literal before parameter", "GET", "/api/v1/receipt/recent", "v1_showReceiptRecent", ""},
		{"parameter", "GET", "/api/v1/receipt/" + key, "v1_showReceipt", key},
		{"the literal has no such method: it is a key", "POST", "/api/v1/private/recent", "v1_private_showReceipt_post", "recent"},
		{"the key recent can be burned", "POST", "/api/v1/metadata/recent/burn", "v1_metadata_burnSecret", "recent"},
		{"literal behind a parameter", "POST", "/api/v1/receipt/a/burn", "v1_receipt_burnSecret", "a"},
		{"unescaped", "POST", "/api/v1/secret/a%20%C3%A4%25", "v1_showSecret", "a ä%"},
		{"escaped slash is no separator", "POST", "/api/v1/secret/a%2Fburn", "v1_showSecret", "a/burn"},
		{"escaped literal is the literal", "GET", "/api/v1/receipt/%72ecent", "v1_showReceiptRecent", ""},
		{"empty key: CheckRequest refuses it", "GET", "/api/v1/receipt/", "v1_showReceipt", ""},
		{"wrong escape", "POST", "/api/v1/secret/a%2", "", ""},
		{"too short", "GET", "/api/v1", "", ""},
		{"too long", "GET", "/api/v1/status/x", "", ""},
		{"slash at the end", "GET", "/api/v1/status/", "", ""},
		{"slashes at the start", "GET", "//api/v1/status", "", ""},
		{"no slash at the start", "GET", "api/v1/status", "", ""},
		{"wrong method", "DELETE", "/api/v1/status", "", ""},
		{"method in lower case", "get", "/api/v1/status", "", ""},
		{"HEAD is not documented", "HEAD", "/api/v1/status", "", ""},
		{"wrong case", "GET", "/api/v1/Status", "", ""},
		{"empty path", "GET", "", "", ""},
		{"root", "GET", "/", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op, params := V1().Match(tt.method, tt.path)
			if op == nil {
				op = &Operation{}
			}
			if op.ID != tt.want || params["key"] != tt.key {
				t.Errorf("got %q with the key %q, want %q with %q", op.ID, params["key"], tt.want, tt.key)
			}
		})
	}
}

func TestMatchTemplates(t *testing.T) {
	c := loadPaths(t, "/", "/files/{name}", "/files/{name}.json", "/files/{name}.{extension}", "/files/index.json",
		"/x/{a}-{b}", "/x/{c}", "/x/-", "/v{version}/{rest}", "/jobs/{id}:cancel", "/jobs/{id}", "/caffè", "/a b/{c}", "/deep/{a}/b/{c}")
	type params = map[string]string
	tests := []struct {
		path, want string
		params     params
	}{
		{"/", "/", nil},
		{"", "/", nil},
		{"/files/index.json", "/files/index.json", nil},
		{"/files/a.json", "/files/{name}.json", params{"name": "a"}},
		{"/files/a.json.json", "/files/{name}.json", params{"name": "a.json"}},
		{"/files/a%2Ejson", "/files/{name}.json", params{"name": "a"}},
		{"/files/a.tar.gz", "/files/{name}.{extension}", params{"name": "a", "extension": "tar.gz"}},
		{"/files/a", "/files/{name}", params{"name": "a"}},
		{"/files/a%2Fb", "/files/{name}", params{"name": "a/b"}},
		{"/files/.json", "/files/{name}.json", params{"name": ""}},
		{"/x/1-2", "/x/{a}-{b}", params{"a": "1", "b": "2"}},
		{"/x/1-2-3", "/x/{a}-{b}", params{"a": "1", "b": "2-3"}},
		{"/x/-", "/x/-", nil},
		{"/x/1", "/x/{c}", params{"c": "1"}},
		{"/v2/y", "/v{version}/{rest}", params{"version": "2", "rest": "y"}},
		{"/w2/y", "", nil},
		{"/jobs/a:cancel", "/jobs/{id}:cancel", params{"id": "a"}},
		{"/jobs/a%3Ax:cancel", "/jobs/{id}:cancel", params{"id": "a:x"}},
		{"/jobs/cancel", "/jobs/{id}", params{"id": "cancel"}},
		{"/caff%C3%A8", "/caffè", nil},
		{"/caffè", "/caffè", nil},
		{"/a%20b/c", "/a b/{c}", params{"c": "c"}},
		{"/deep/1/b/2", "/deep/{a}/b/{c}", params{"a": "1", "c": "2"}},
		{"/deep/1/c/2", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			op, got := c.Match("GET", tt.path)
			if op == nil {
				op = &Operation{}
			}
			if op.Path != tt.want {
				t.Fatalf("got %q, want %q", op.Path, tt.want)
			}
			if diff := cmp.Diff(tt.params, got); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

// Two parameters side by side cannot be told apart: the first has it all.
func TestMatchSegmentWithoutSeparator(t *testing.T) {
	params := map[string]string{}
	if !parseSegment("{a}{b}").match("xy", params) || params["a"] != "xy" || params["b"] != "" {
		t.Errorf("got %v", params)
	}
}

// loadPaths loads a document with GET on each path.
func loadPaths(t *testing.T, paths ...string) *Contract {
	t.Helper()
	var b strings.Builder
	b.WriteString("openapi: 3.0.3\ninfo: {title: t, version: v}\npaths:\n")
	for _, path := range paths {
		fmt.Fprintf(&b, "  %q:\n    get:\n      responses: {'200': {description: ok}}\n", path)
		for i, part := range strings.Split(path, "{")[1:] {
			name, _, _ := strings.Cut(part, "}")
			if i == 0 {
				b.WriteString("      parameters:\n")
			}
			fmt.Fprintf(&b, "        - {name: %s, in: path, required: true, schema: {type: string}}\n", name)
		}
	}
	c, err := Load([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
