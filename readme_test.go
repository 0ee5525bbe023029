package onetime_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeComesFromExamples holds that the Go code of the README stands in the examples, which run. There a server of
// the test stands in the place of the public one.
func TestReadmeComesFromExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var examples strings.Builder
	for _, pattern := range []string{"*/example*_test.go", "*/*/example*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			examples.WriteString(squeeze(string(code)) + "\n")
		}
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Fatal("the README has no Go code")
	}
	for _, block := range blocks {
		code := strings.ReplaceAll(squeeze(block[1]), "client.New(client.EU)", "client.New(baseURL()) // such as client.EU")
		if !strings.Contains(examples.String(), code) {
			t.Errorf("this code of the README stands in no example:\n%s", block[1])
		}
	}
}

// squeeze drops indentation.
func squeeze(code string) string {
	lines := strings.Split(strings.TrimSpace(code), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// TestReadmeNamesDependencies holds that each direct dependency has its reason there.
func TestReadmeNamesDependencies(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(modules), "\n") {
		module, _, required := strings.Cut(strings.TrimSpace(line), " v")
		if required && !strings.Contains(line, "// indirect") && !strings.Contains(string(readme), "`"+module+"`") {
			t.Errorf("the README does not say why %s is needed", module)
		}
	}
}
