package proof

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryPromiseHasItsTest holds that the tests exist which the documentation of the vault names.
func TestEveryPromiseHasItsTest(t *testing.T) {
	document, err := os.ReadFile("../vault/vault.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(document), "\npackage vault")
	promised := regexp.MustCompile(`\bTest\w+`).FindAllString(comment, -1)
	if len(promised) < 40 {
		t.Errorf("the documentation names %d tests", len(promised))
	}
	there := map[string]bool{}
	err = filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			there[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range promised {
		if !there[name] {
			t.Errorf("%s holds a promise, and is nowhere", name)
		}
	}
}
