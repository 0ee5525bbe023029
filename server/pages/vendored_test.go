package pages_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVendored holds that what others have written is what they have published: SHA256SUMS has the sums of the files of the
// package of that version.
func TestVendored(t *testing.T) {
	for _, folder := range []string{"assets/swagger-ui", "testdata/axe-core"} {
		sums, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		listed := map[string]bool{"SHA256SUMS": true, "README.md": true} // ours
		for line := range strings.Lines(string(sums)) {
			want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			listed[name] = true
			content, err := os.ReadFile(filepath.Join(folder, name))
			if sum := sha256.Sum256(content); err != nil || hex.EncodeToString(sum[:]) != want {
				t.Errorf("%s/%s is not as it was published, %v", folder, name, err)
			}
		}
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !listed[file.Name()] {
				t.Errorf("%s/%s has no sum", folder, file.Name())
			}
		}
	}
}
