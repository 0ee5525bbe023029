package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/settings.md")

const settingsFile = "../../docs/settings.md"

// TestSettingsTable holds that docs/settings.md has every setting, as the table declares it.
func TestSettingsTable(t *testing.T) {
	kept, err := os.ReadFile(settingsFile)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- settings: made by go test ./cmd/onetime -run TestSettingsTable -update -->\n", "<!-- end of settings -->\n"
	before, rest, found := strings.Cut(string(kept), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", settingsFile)
	}
	want := before + begin + markdown(new(settings).table()) + end + after
	if string(kept) == want {
		return
	}
	if !*update {
		t.Fatalf("%s is not what settings.go declares: run go test ./cmd/onetime -run TestSettingsTable -update", settingsFile)
	}
	if err := os.WriteFile(settingsFile, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func markdown(t table) string {
	var b strings.Builder
	group := ""
	for _, s := range t {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n## %s\n\n| flag, key | environment | default | what it is |\n|---|---|---|---|\n", group)
		}
		byDefault := ""
		if s.value.text != "" {
			byDefault = "`" + s.value.text + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.name, s.environmentName(), byDefault, s.usage)
	}
	return b.String() + "\n"
}

// probe is a table, and what reads it.
type probe struct {
	settings
	table
}

func newProbe() *probe {
	p := &probe{}
	p.table = p.settings.table()
	return p
}

func (p *probe) load(t *testing.T, args []string, file string, environment ...string) (strangers, error) {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	p.addFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return p.table.load(flags, file, environment)
}

func writeConfig(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "onetime.yaml")
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSources sets one thing in several places.
func TestSources(t *testing.T) {
	const file = "# a comment\nlisten: 1.1.1.1:1\nmax-secret: 11\nstrict: true\nlog-level:\n"
	p := newProbe()
	other, err := p.load(t, []string{"--listen", "3.3.3.3:3", "--trusted-proxy=10.0.0.0/8", "--trusted-proxy", "192.0.2.0/24,2001:db8::/32"},
		writeConfig(t, file, 0o644),
		"ONETIME_LISTEN=2.2.2.2:2", "ONETIME_MAX_SECRET=22", "ONETIME_LOG=", "ONETIME_TRUSTED_PROXY=198.51.100.0/24",
		"ONETIME_HOST=http://example.com", "ONETIME_APIKEY=k", "HOME=/", "ONETIME_LISTN=mark", "ONETIME_=x")
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(other) != "{[ONETIME_ ONETIME_LISTN] []}" {
		t.Errorf("unknown are %v", other)
	}
	if p.listen != "3.3.3.3:3" || p.maxSecret != 22 || !p.strict || p.logFormat != "text" || len(p.trustedProxies) != 3 {
		t.Errorf("the settings are %+v", p.settings)
	}
	var shown bytes.Buffer
	if err := p.print(&shown); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"listen: 3.3.3.3:3 # --listen\n", "max-secret: 22 # ONETIME_MAX_SECRET\n", "log: text # default\n", "strict: true # /",
		"onetime.yaml:4\n", "trusted-proxy: 10.0.0.0/8,192.0.2.0/24,2001:db8::/32 # --trusted-proxy\n",
	} {
		if !strings.Contains(shown.String(), line) {
			t.Errorf("it shows no %q but\n%s", line, shown.String())
		}
	}
	again := newProbe()
	if _, err := again.load(t, nil, writeConfig(t, shown.String(), 0o644)); err != nil || again.listen != p.listen || again.maxSecret != p.maxSecret || !again.strict {
		t.Errorf("what is shown is no configuration file: %v, %+v", err, again.settings)
	}
}

// TestListInFile writes a list as YAML does.
func TestListInFile(t *testing.T) {
	p := newProbe()
	if _, err := p.load(t, nil, writeConfig(t, "trusted-proxy:\n  - 10.0.0.0/8\n  - 192.0.2.0/24\n", 0o644)); err != nil || len(p.trustedProxies) != 2 {
		t.Errorf("%v, %v", p.trustedProxies, err)
	}
}

// TestWrongValues are refused wherever they stand, with what would be right, and never repeated.
func TestWrongValues(t *testing.T) {
	tests := []struct {
		name, file  string
		environment []string
		want        []string
	}{
		{"number in the file", "max-secret: mark\n", nil, []string{"onetime.yaml:1: max-secret is a number of bytes between 1 and 1048576"}},
		{"number in the environment", "", []string{"ONETIME_MAX_SECRET=mark"}, []string{"ONETIME_MAX_SECRET: max-secret is a number"}},
		{"both", "strict: mark\n", []string{"ONETIME_LOG=mark"}, []string{"strict is true or false", "log is text or json"}},
		{"shadowed", "log: mark\n", []string{"ONETIME_LOG=json"}, []string{"log is text or json"}},
		{"unknown keys", "\nlistn: mark\nmax_secret: mark\n", nil, []string{`onetime.yaml:2: there is no setting "listn"`, `onetime.yaml:3: there is no setting "max_secret"`}},
		{"twice", "log: text\nlog: json\n", nil, []string{"onetime.yaml:2: log stands there twice"}},
		{"a mapping", "listen:\n  port: mark\n", nil, []string{"onetime.yaml:1: listen is an address such as 127.0.0.1:3000"}},
		{"a list of lists", "trusted-proxy: [[mark]]\n", nil, []string{"trusted-proxy is a list of networks, such as 10.0.0.0/8"}},
		{"no mapping", "- mark\n", nil, []string{"onetime.yaml:1: the file has to be"}},
		{"no YAML", "log: text\nstore: *mark\n", nil, []string{"onetime.yaml", "this is not YAML"}},
		{"no YAML either", "log: \"mark\n", nil, []string{"this is not YAML"}},
		{"base URL", "base-url: https://u:mark@example.com\n", nil, []string{"base-url is the http or https URL of this server, such as"}},
		{"port", "listen: localhost:mark\n", nil, []string{"listen is an address such as"}},
		{"socket", "listen: 'unix:'\n", nil, []string{"listen is an address such as"}},
		{"mode", "socket-mode: 1777\n", nil, []string{"socket-mode is the mode of a file, such as 0660"}},
		{"rate", "rate-limit: 10/mark\n", nil, []string{"rate-limit is a number and a time, such as 1000/20m, or off"}},
		{"rate of nothing", "rate-limit: 0/20m\n", nil, []string{"rate-limit is a number"}},
		{"level", "log-level: INFO+mark\n", nil, []string{"log-level is debug, info, warn or error"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := newProbe().load(t, nil, writeConfig(t, test.file, 0o600), test.environment...)
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it says %q, not %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "mark") {
				t.Errorf("it repeats the value: %v", err)
			}
		})
	}
	if _, err := newProbe().load(t, nil, "missing.yaml"); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := newProbe().load(t, nil, writeConfig(t, "# nothing\n", 0o600)); err != nil {
		t.Errorf("a file without settings: %v", err)
	}
}

// TestPasswords are not shown, not taken from arguments, and not from files that others can read.
func TestPasswords(t *testing.T) {
	const url = "redis://user:mark-word@example.com:6379/1"
	show := func(args []string, file string, environment ...string) (string, error) {
		p := newProbe()
		_, err := p.load(t, args, file, environment...)
		var shown bytes.Buffer
		if err := p.print(&shown); err != nil {
			t.Fatal(err)
		}
		if p.store != url {
			t.Errorf("the store is %q", p.store)
		}
		if text := fmt.Sprint(shown.String(), err); strings.Contains(text, "mark-word") || !strings.Contains(text, "redis://user:xxxxx@example.com") {
			t.Errorf("it shows %s", text)
		}
		return shown.String(), err
	}
	if _, err := show(nil, "", "ONETIME_STORE="+url); err != nil {
		t.Error(err)
	}
	if _, err := show(nil, writeConfig(t, "store: "+url, 0o640)); err != nil {
		t.Error(err)
	}
	if _, err := show(nil, writeConfig(t, "store: "+url, 0o644)); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a file that others can read: %v", err)
	}
	if _, err := show([]string{"--store", url}, ""); err == nil || !strings.Contains(err.Error(), "ONETIME_STORE") {
		t.Errorf("an argument: %v", err)
	}
}

// FuzzConfig reads files that are none.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"", "listen: 127.0.0.1:1\n", "trusted-proxy: [10.0.0.0/8]\n", "a: &a [*a]\n", "- b\n", "log: \"", "? {}\n: x\n", "<<: {log: json}\n", "\x00", "log: !!binary eA==\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		wrong := &configError{}
		new(settings).table().readFile(writeConfig(t, content, 0o600), wrong)
		if text := oneLine(errors.New(wrong.Error())); strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("it says %q", text)
		}
	})
}
