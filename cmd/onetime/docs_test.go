package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/onetime-go/onetime/server"
)

var (
	commandInDocs  = regexp.MustCompile(`(?m)^ +\$ (?:sudo -u onetime )?(?:[A-Z_]+=\S+ )*onetime (.*)$`)
	settingInDocs  = regexp.MustCompile("`(--)?([a-z]+(?:-[a-z]+)+)`")
	linkInDocs     = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	variableInDocs = regexp.MustCompile(`ONETIME_[A-Z]+(?:_[A-Z]+)*`)
)

// TestDocs holds that what docs/ tells people to type exists: commands with their flags and numbers of arguments, variables of
// the environment, files. Scripts run the commands.
func TestDocs(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	commands := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		for _, m := range commandInDocs.FindAllStringSubmatch(text, -1) {
			commands++
			checkCommand(t, file, m[1])
		}
		for _, m := range linkInDocs.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s leads to %s: %v", file, m[1], err)
			}
		}
		for _, name := range variableInDocs.FindAllString(text, -1) {
			if !isElsewhere(settingName(name)) && !strings.Contains(strings.Join(notSettings, " "), name) {
				t.Errorf("%s sets %s, which is no setting", file, name)
			}
		}
	}
	if commands < 8 {
		t.Errorf("docs/ has %d commands", commands)
	}
}

// checkCommand parses what stands after "onetime", and does not run it.
func checkCommand(t *testing.T, file, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " #")
	line, _, _ = strings.Cut(line, " &")
	line, _, _ = strings.Cut(line, " <")
	line, _, _ = strings.Cut(line, " >")
	cmd, args, err := newCommand().Find(strings.Fields(strings.ReplaceAll(line, "'", "")))
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil || !cmd.Runnable() || cmd.Name() == "onetime" {
		t.Errorf("%s: onetime %s: %v", file, line, err)
	}
}

// TestProductionNamesSettings holds that what docs/production.md calls by the name of a setting is one.
func TestProductionNamesSettings(t *testing.T) {
	content, err := os.ReadFile("../../docs/production.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range settingInDocs.FindAllStringSubmatch(string(content), -1) {
		found++
		if new(settings).table().find(m[2]) == nil {
			t.Errorf("%s is no setting", m[0])
		}
	}
	if found < 10 {
		t.Errorf("it names %d settings", found)
	}
}

// TestBoundsInDocs holds that docs/production.md says the bounds that no setting says.
func TestBoundsInDocs(t *testing.T) {
	content, err := os.ReadFile("../../docs/production.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("| %.0f s for headers, %.0f s for a request, %.0f s for its answer, %.0f min between requests |",
			headerTimeout.Seconds(), readTimeout.Seconds(), writeTimeout.Seconds(), idleTimeout.Minutes()),
		fmt.Sprintf("one of HTTP/2, %d at most,", maxStreams),
		fmt.Sprintf("| %d KiB of headers; a body of %d KiB and 6 times `max-secret` |", maxHeader>>10, server.DefaultMaxBody>>10),
		fmt.Sprintf("| %d; others wait for up to", server.DefaultCreates),
		fmt.Sprintf("below %d MB resident", mostMemory>>20),
		fmt.Sprintf("finish for %.0f seconds", drainTime.Seconds()),
	} {
		if !strings.Contains(string(content), want) {
			t.Errorf("it does not say: %s", want)
		}
	}
}
