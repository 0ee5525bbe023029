package contract

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
)

// key is what keys look like: 31 characters of lower-case base 36.
const key = "hb3k9m2qx7c1v5n8z4l6j0p2r9t3w7y"

const receiptJSON = `{
	"custid": "anon", "metadata_key": "k1", "secret_key": "k2", "state": "new", "created": 1700000000,
	"updated": 1700000000, "ttl": 604800, "metadata_ttl": 1209600, "secret_ttl": 604800,
	"metadata_url": "https://example.com/receipt/k1", "share_domain": "", "recipient": [],
	"passphrase_required": false, "identifier": "k1", "secret_identifier": "k2", "has_passphrase": false,
	"recipients": [], "receipt_ttl": 1209600, "receipt_url": "https://example.com/receipt/k1"}`

const errorJSON = `{"error":"NotFound","message":"Unknown secret"}`

// with returns a JSON text with one part replaced, which must be in it.
func with(t testing.TB, text, old, new string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("the text has no %q", old)
	}
	return strings.Replace(text, old, new, 1)
}

func operation(t testing.TB, c *Contract, method, template string) *Operation {
	t.Helper()
	op := c.Operation(method, template)
	if op == nil {
		t.Fatalf("no operation %s %s", method, template)
	}
	return op
}

func orders(t testing.TB) *Contract {
	t.Helper()
	return load(t, "testdata/orders.yaml")
}

func load(t testing.TB, file string) *Contract {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// header makes a header of names and values in turn.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func jsonType() http.Header { return header("Content-Type", "application/json") }

// verdict puts what a test wants of a violation in one line: rule, pointer and parameter. No violation is "".
func verdict(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var v *Violation
	if !errors.As(err, &v) {
		t.Fatalf("the error is a %T, want a *Violation", err)
	}
	return strings.Join(strings.Fields(v.Rule+" "+v.Pointer+" "+v.Parameter), " ")
}
