package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// TestGolden pins the bytes of every success. A change of these files is a change for every client.
func TestGolden(t *testing.T) {
	for _, r := range routes(t) {
		t.Run(r.op.ID, func(t *testing.T) {
			answer := r.send(t, serve(t, newStub()))
			answer.want(t, 200, "")
			golden(t, r.op.ID, answer.Body)
		})
	}
}

// TestGoldenStates pins what a receipt looks like in the course of its life.
func TestGoldenStates(t *testing.T) {
	orphan := burnedReceipt()
	orphan.State, orphan.Custid, orphan.Recipients, orphan.HasPassphrase = onetime.StateOrphaned, username, nil, false
	expired := burnedReceipt()
	expired.State, expired.ReceiptTTL = onetime.StateExpired, 0
	viewed := newReceipt()
	viewed.State, viewed.ShareDomain, viewed.URL = onetime.StateViewed, "example.org", "https://example.org/receipt/1"
	tests := map[string]onetime.Receipt{
		"receipt_new": newReceipt(), "receipt_received": receivedReceipt(), "receipt_burned": burnedReceipt(),
		"receipt_expired": expired, "receipt_orphaned": orphan, "receipt_viewed": viewed,
		"receipt_bare": {Key: receiptKey, State: onetime.StateOrphaned},
	}
	for name, receipt := range tests {
		t.Run(name, func(t *testing.T) {
			service := newStub()
			service.receipt = receipt
			answer := serve(t, service).call(t, "GET", "/api/v1/receipt/"+receiptKey, "")
			answer.want(t, 200, "")
			golden(t, name, answer.Body)
		})
	}
	t.Run("recent_empty", func(t *testing.T) {
		service := newStub()
		service.recent = nil
		answer := serve(t, service).call(t, "GET", "/api/v1/receipt/recent", "", withAccount)
		golden(t, "recent_empty", answer.Body)
	})
}

// golden compares with a file. The files are indented for people; apart from that they are the bytes.
func golden(t *testing.T, name, body string) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(strings.TrimSpace(body)), "", "  "); err != nil {
		t.Fatalf("not JSON: %q", body)
	}
	indented.WriteByte('\n')
	file := filepath.Join("testdata", "golden", name+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, indented.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), indented.String()); d != "" {
		t.Errorf("the answer differs from %s (-want +got):\n%s", file, d)
	}
}

// TestGoldenFilesAreUsed finds files that no test compares any more, and wrong ones: what a file must not hold is
// said here once more, lest -update hide it.
func TestGoldenFilesAreUsed(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) != len(routes(t))+8 {
		t.Fatalf("%d files, want %d (%v)", len(files), len(routes(t))+8, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text, name := string(data), filepath.Base(file)
		recent := strings.Contains(strings.ToLower(name), "recent")
		for what, wrong := range map[string]bool{
			"a secret_key in a list":       recent && strings.Contains(text, secretKey),
			"a list that is none":          recent && !strings.HasPrefix(text, "["),
			"a recipient that is no array": strings.Count(text, `"recipient": [`) != strings.Count(text, `"recipient":`),
			"a value outside generate":     name != "v1_generate.json" && strings.Contains(text, "a generated value"),
			"a generate without a value":   name == "v1_generate.json" && strings.Count(text, "a generated value") != 2,
			"a secret_key once received":   name == "receipt_received.json" && strings.Contains(text, secretKey),
			"a secret_ttl once received":   name == "receipt_received.json" && strings.Contains(text, "secret_ttl"),
			"no received once received":    name == "receipt_received.json" && !strings.Contains(text, `"received": 1767413106`),
			"a lifetime of a burned one":   name == "receipt_burned.json" && !strings.Contains(text, `"secret_ttl": null`),
			"an unread one without a key":  name == "receipt_new.json" && strings.Count(text, secretKey) != 2,
		} {
			if wrong {
				t.Errorf("%s has %s", name, what)
			}
		}
	}
}
