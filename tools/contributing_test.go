// Package tools_test holds CONTRIBUTING.md to what the tools say. It stands here, and not in the module that it is about, so
// that it runs with the checks: it builds that module several times.
package tools_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContributing walks through CONTRIBUTING.md in a copy of the module: it applies each diff, runs each command, and
// compares what that prints with what is quoted.
func TestContributing(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(diff|console)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatal("there is nothing to walk through")
	}
	dir := copyModule(t)
	shell(t, dir, "", "git init -q && git add -A && git -c user.name=t -c user.email=t@example.com commit -qm base")
	for _, block := range blocks {
		if block[1] == "diff" {
			if out, ok := shell(t, dir, block[2], "git apply --recount -"); !ok {
				t.Fatalf("this diff does not apply:\n%s\n%s", block[2], out)
			}
			continue
		}
		for _, command := range strings.Split("\n"+block[2], "\n$ ")[1:] {
			line, quoted, _ := strings.Cut(command, "\n")
			out, _ := shell(t, dir, "", line) // whether it fails is in what it prints
			if !pattern(quoted).MatchString(trimLines(out)) {
				t.Fatalf("$ %s\n%s\nCONTRIBUTING.md quotes:\n%s", line, out, quoted)
			}
		}
	}
}

// copyModule copies the module to a new folder, without what lies in it for other reasons.
func copyModule(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "onetime")
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == ".git":
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(dir, path), 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func shell(t *testing.T, dir, input, command string) (out string, ok bool) {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "MAKEFLAGS=--no-print-directory", "MAKELEVEL=0", "LC_ALL=C")
	text, err := cmd.CombinedOutput()
	return string(text), err == nil
}

// pattern matches what is quoted. A "…" stands for anything within a line, and one on a line of its own for any lines.
func pattern(quoted string) *regexp.Regexp {
	var b strings.Builder
	for line := range strings.Lines(trimLines(quoted)) {
		if line == "…\n" {
			b.WriteString(`(?:.*\n)*`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	return regexp.MustCompile(`^` + b.String() + `$`)
}

// spaces are what cmp.Diff indents with, which differs from run to run.
var spaces = regexp.MustCompile("[\u00a0\t ]+")

// trimLines makes one space of several, ends every line where its text ends, and the last one with a newline. Empty lines
// are dropped.
func trimLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(spaces.ReplaceAllString(line, " "), " \n"); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
