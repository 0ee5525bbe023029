package main

// How serve is configured. A setting is declared once, in the table of settings.go: its flag, its environment variable, its
// key in the configuration file, its line of --check-config and its line in docs/settings.md come from there.
//
// A flag wins over the environment, the environment over the file, the file over the default. A value that is wrong is
// refused wherever it stands, even where another one wins. No message repeats a value: it may be a password that stands in
// the wrong place.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// A setting is one line of the table.
type setting struct {
	group string // the heading under which it stands in docs/settings.md
	name  string // of the flag, and of the key in the file
	value *value
	usage string
	// mask hides what is secret of a value, such as the password of a URL. It is nil where nothing can be.
	mask func(text string) string

	from string // what has set it: see origin
}

// environmentName is the name of a setting in the environment: ONETIME_BASE_URL for base-url.
func (s *setting) environmentName() string { return environmentName(s.name) }

const environmentPrefix = "ONETIME_"

func environmentName(name string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// settingName is the setting whose environment variable has a name.
func settingName(variable string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, environmentPrefix), "_", "-"))
}

// shown is the value as it may be shown to everybody.
func (s *setting) shown() string {
	if s.mask == nil {
		return s.value.text
	}
	return s.mask(s.value.text)
}

// isSecret tells whether the value holds what nobody else may see.
func (s *setting) isSecret() bool { return s.shown() != s.value.text }

// origin says what has set a setting.
func (s *setting) origin() string {
	if s.from == "" {
		return "default"
	}
	return s.from
}

// A table has all settings, in the order in which they are shown.
type table []*setting

func (t table) find(name string) *setting {
	for _, s := range t {
		if s.name == name {
			return s
		}
	}
	return nil
}

// addFlags adds a flag for each setting.
func (t table) addFlags(flags *pflag.FlagSet) {
	for _, s := range t {
		flag := flags.VarPF(s.value, s.name, "", s.usage)
		if s.value.isSwitch {
			flag.NoOptDefVal = "true"
		}
	}
}

// A configError is about one setting, or about none that is known.
type configError struct{ problems []string }

func (e *configError) Error() string { return strings.Join(e.problems, "\n") }

func (e *configError) add(format string, args ...any) {
	e.problems = append(e.problems, fmt.Sprintf(format, args...))
}

func (e *configError) orNil() error {
	if len(e.problems) == 0 {
		return nil
	}
	return usageError{e}
}

// load takes values from a file, if one is named, then from the environment, then the flags once more, which are parsed
// already. The error names everything that is wrong.
func (t table) load(flags *pflag.FlagSet, file string, environment []string) (other strangers, err error) {
	flagged := map[string]string{}
	for _, s := range t {
		if flags.Changed(s.name) {
			flagged[s.name] = s.value.text
		}
	}
	wrong := &configError{}
	if file != "" {
		other.keys = t.readFile(file, wrong)
	}
	other.variables = t.readEnvironment(environment, wrong)
	for name, text := range flagged {
		s := t.find(name)
		s.set(text, "--"+name, wrong)
		if s.isSecret() {
			wrong.add("--%s holds a password, which every user of the machine can see in the list of processes; "+
				"give it in %s or in the configuration file", name, s.environmentName())
		}
	}
	return other, wrong.orNil()
}

// strangers are what is set and in no table, or in that of other commands.
type strangers struct {
	variables []string // no setting has such a name; they may belong to another program
	keys      []string // of the file, with the line, that are settings of other commands
}

func (s *setting) set(text, from string, wrong *configError) {
	if err := s.value.replace(text); err != nil {
		wrong.add("%s: %s %v", from, s.name, err)
		return
	}
	s.from = from
}

// notSettings are variables that are in no table.
var notSettings = []string{"ONETIME_PASSPHRASE", "ONETIME_CONFIG", "ONETIME_SOAK", "ONETIME_ENGINES"}

// isElsewhere tells whether a name is in the table of other commands, which may have the same file and environment.
func isElsewhere(name string) bool {
	return newRemote().table.find(name) != nil || new(settings).table().find(name) != nil
}

// readEnvironment takes what the environment sets. An empty variable sets nothing.
func (t table) readEnvironment(environment []string, wrong *configError) (unknown []string) {
	for _, variable := range environment {
		name, text, _ := strings.Cut(variable, "=")
		if text == "" || !strings.HasPrefix(name, environmentPrefix) || slices.Contains(notSettings, name) {
			continue
		}
		i := slices.IndexFunc(t, func(s *setting) bool { return s.environmentName() == name })
		switch {
		case i < 0 && !isElsewhere(settingName(name)):
			unknown = append(unknown, name)
		case i < 0:
		default:
			t[i].set(text, name, wrong)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// readFile takes what a YAML file sets: one mapping of names to values, or to lists of values. It returns the keys that are for
// other commands.
func (t table) readFile(path string, wrong *configError) (elsewhere []string) {
	content, err := os.ReadFile(path)
	if err != nil {
		wrong.add("read the configuration file: %v", err)
		return nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		wrong.add("%s%s: this is not YAML", path, lineOf(err))
		return nil
	}
	if len(document.Content) == 0 { // nothing but comments
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		wrong.add("%s:%d: the file has to be a list of settings, such as listen: 127.0.0.1:3000", path, root.Line)
		return nil
	}
	seen := map[string]bool{}
	for i := 0; i < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		at := fmt.Sprintf("%s:%d", path, key.Line)
		s := t.find(key.Value)
		text, ok := textOf(node)
		switch {
		case s == nil && isElsewhere(key.Value):
			elsewhere = append(elsewhere, at+": "+key.Value)
		case s == nil:
			wrong.add("%s: there is no setting %q", at, legible(key.Value))
		case seen[key.Value]:
			wrong.add("%s: %s stands there twice", at, s.name)
		case node.Tag == "!!null": // a key without a value sets nothing
		case !ok:
			wrong.add("%s: %s %v", at, s.name, s.value.mistake())
		default:
			s.set(text, at, wrong)
			if s.isSecret() {
				checkPrivate(path, s.name, wrong)
			}
		}
		seen[key.Value] = true
	}
	return elsewhere
}

// textOf returns what stands in the file as it would stand in a flag.
func textOf(node *yaml.Node) (string, bool) {
	switch node.Kind {
	case yaml.ScalarNode:
		return node.Value, true
	case yaml.SequenceNode:
		var parts []string
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return "", false
			}
			parts = append(parts, item.Value)
		}
		return strings.Join(parts, ","), true
	}
	return "", false
}

// lineOf keeps the line of what is wrong with a file, and drops the rest, which may hold a value.
func lineOf(err error) string {
	if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error()); m != nil {
		return ":" + m[1]
	}
	return ""
}

// checkPrivate refuses a file that holds a secret and that others can read.
func checkPrivate(path, name string, wrong *configError) {
	if othersCanRead(path) {
		wrong.add("%s: others can read this file, which holds the password of %s: chmod 0600 (or 0640, with a group of its own)", path, name)
	}
}

func othersCanRead(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0
}

// print writes the settings as they count, as a configuration file, with what has set each. Nothing secret is in it.
func (t table) print(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range t {
		root.Content = append(root.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Value: s.name},
			&yaml.Node{Kind: yaml.ScalarNode, Value: s.shown(), Tag: s.value.tag(), LineComment: s.origin()})
	}
	encoder := yaml.NewEncoder(w)
	defer encoder.Close()
	return encoder.Encode(root)
}

// A value is the text of a setting and what takes it in. It is the pflag.Value of its flag.
type value struct {
	text string
	want string // what it has to be, for people: "is a number of bytes between 1 and 1048576"
	noun string // what it is, in the usage
	take func(text string) error

	isSwitch, isList bool
	flagged          bool // a flag of a list was met, and the next one adds to it
}

// newValue returns a value that stands at its default, which has to be right.
func newValue[T any](to *T, text, noun, want string, parse func(string) (T, error)) *value {
	v := &value{noun: noun, want: want}
	v.take = func(text string) error {
		parsed, err := parse(text)
		if err == nil {
			*to = parsed
		}
		return err
	}
	if err := v.replace(text); err != nil {
		panic("the default " + text + " " + err.Error())
	}
	return v
}

// mistake says what the value would have to be.
func (v *value) mistake() error { return errors.New("is " + v.want) }

// replace sets the whole value.
func (v *value) replace(text string) error {
	if err := v.take(text); err != nil {
		return v.mistake()
	}
	v.text = text
	return nil
}

// Set, String and Type are those of pflag.Value.

// Set takes the text of a flag. Those of a list add up.
func (v *value) Set(text string) error {
	if v.isList && v.flagged {
		text = v.text + "," + text
	}
	v.flagged = true
	return v.replace(text)
}

func (v *value) String() string { return v.text }

// Type is the noun, or what pflag calls a flag that needs no value.
func (v *value) Type() string {
	if v.isSwitch {
		return "bool"
	}
	return v.noun
}

// tag is the type of the value in YAML, where a switch and a number need no quotes.
func (v *value) tag() string {
	switch _, err := strconv.ParseInt(v.text, 10, 64); {
	case v.isSwitch:
		return "!!bool"
	case err == nil:
		return "!!int"
	}
	return "!!str"
}
