package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

// defaultHost is the server on this machine: a secret goes to no other without being asked.
const defaultHost = "http://127.0.0.1:3000"

// remote is what the commands that call a server have in common. They share one, since the official command takes most
// flags in front of its verbs too.
type remote struct {
	caller
	table  table // of what the connection is, and the output
	config string
	output format

	passphrase passphraseSource
	terms      terms
}

// A caller is what the settings say of the server and of who calls it.
type caller struct {
	host      string
	custid    string
	apikey    string
	plainHTTP bool
	check     checkMode
}

// terms are the flags of share and generate.
type terms struct {
	ttl         lifetime
	recipients  []string
	shareDomain string
}

func newRemote() *remote {
	r := new(remote)
	r.table = table{
		{name: "host", value: textValue(&r.host, "", "URL"),
			usage: "URL of the server, or a region of the public service: " + strings.Join(slices.Sorted(maps.Keys(regions)), ", ") + " (default: " + defaultHost + ")"},
		{name: "custid", value: textValue(&r.custid, "", "EMAIL"), usage: "e-mail address of your account"},
		{name: "apikey", value: textValue(&r.apikey, "", "TOKEN"), mask: func(text string) string { return onetime.Sensitive(text).String() }},
		{name: "plain-http", value: switchValue(&r.plainHTTP, false),
			usage: "allow http:// to another machine, which shows secrets to whoever is on the way"},
		{name: "check", value: newValue(&r.check, string(enforce), "HOW", "enforce, report or off", parseCheckMode),
			usage: "what an answer against the contract is: an error (enforce), a warning (report), nothing (off)"},
		{name: "output", value: newValue(&r.output, string(textFormat), "FORMAT", "text, json or yaml", parseFormat),
			usage: "format of standard output: text, json or yaml"},
	}
	return r
}

// shorthands are the letters that flags have, most of them in the official command too.
var shorthands = map[string]string{"host": "H", "custid": "c", "output": "o"}

func (r *remote) addFlags(flags *pflag.FlagSet) {
	for _, name := range []string{"host", "custid", "plain-http", "check"} {
		r.addFlag(flags, name)
	}
	addRefused(flags, "apikey", "k", "a token is never an argument, where others would see it: set ONETIME_APIKEY, or write apikey into the configuration file")
	r.addOutputFlags(flags)
}

func (r *remote) addFlag(flags *pflag.FlagSet, name string) {
	s := r.table.find(name)
	flag := flags.VarPF(s.value, s.name, shorthands[s.name], s.usage)
	if s.value.isSwitch {
		flag.NoOptDefVal = "true"
	}
}

// addOutputFlags adds those of a command that prints what programs may want to read.
func (r *remote) addOutputFlags(flags *pflag.FlagSet) {
	r.addFlag(flags, "output")
	flags.BoolFuncP("json", "j", "the same as --output json", func(string) error { return flags.Set("output", "json") })
	flags.BoolFuncP("yaml", "y", "the same as --output yaml", func(string) error { return flags.Set("output", "yaml") })
	flags.FuncP("format", "f", "the same as --output", func(text string) error { return flags.Set("output", text) })
	_ = flags.MarkHidden("format")
	addConfigFlag(flags, &r.config)
}

func (r *remote) addPassphraseFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&r.passphrase.ask, "ask-passphrase", "P", false, "ask for the passphrase on the terminal")
	flags.StringVar(&r.passphrase.file, "passphrase-file", "", "`FILE` whose first line is the passphrase, or - for standard input")
	addRefused(flags, "passphrase", "p", "a passphrase is never an argument, where others would see it: leave -p out, and give --ask-passphrase (-P), --passphrase-file or ONETIME_PASSPHRASE")
}

func (r *remote) addShareFlags(flags *pflag.FlagSet) {
	flags.VarP(&r.terms.ttl, "ttl", "t", "how long the secret may stay unread: 90m, 12h, 7d, 2w, or a number of seconds (default: the server's)")
	flags.StringSliceVarP(&r.terms.recipients, "recipient", "r", nil, "`EMAIL` addresses to send the link to, which takes an account")
	flags.StringVar(&r.terms.shareDomain, "share-domain", "", "custom `DOMAIN` of the link")
}

// A refused flag is one that would have a secret on the command line. Its value is not looked at.
type refused string

func addRefused(flags *pflag.FlagSet, name, shorthand, why string) {
	value := refused(why)
	flags.VarP(&value, name, shorthand, why)
	_ = flags.MarkHidden(name)
}

// Set, String and Type make it a pflag.Value.

func (*refused) Set(string) error { return errors.ErrUnsupported }
func (*refused) String() string   { return "" }
func (*refused) Type() string     { return "VALUE" }
func (r *refused) mistake() error { return errors.New("is refused: " + string(*r)) }

// A checkMode is the value of --check.
type checkMode string

const (
	enforce checkMode = "enforce" // what breaks the contract is an error, after all that can be read of it was printed
	report  checkMode = "report"  // it is a warning
	off     checkMode = "off"     // it is nothing
)

func parseCheckMode(text string) (checkMode, error) {
	switch mode := checkMode(text); mode {
	case enforce, report, off:
		return mode, nil
	}
	return "", errors.ErrUnsupported
}

// settle takes the settings from the environment and the configuration file, where no flag has them.
func (r *remote) settle(cmd *cobra.Command) error {
	file := configFile(r.config)
	if _, err := r.table.load(cmd.Flags(), file, os.Environ()); err != nil {
		return err
	}
	r.host = hostURL(cmp.Or(r.host, defaultHost))
	if file == "" || !strings.HasPrefix(r.table.find("apikey").from, file) {
		return nil
	}
	// The token of the file is for the server of the file, wherever another setting leads.
	inFile := newRemote()
	inFile.table.readFile(file, new(configError))
	if !sameServer(hostURL(cmp.Or(inFile.host, defaultHost)), r.host) {
		hint(cmd, "the account of the configuration file is for another server, and is left out")
		r.custid, r.apikey = "", ""
	}
	return nil
}

// A session is what one command has to do with a server.
type session struct {
	*client.Client
	cmd   *cobra.Command
	ctx   context.Context // ends when a request breaks the contract: it is not sent then
	stop  context.CancelFunc
	check checkMode

	host    string              // URL of the server
	account string              // e-mail address, empty for an anonymous caller
	options []client.Option     // but for the account
	broken  *contract.Violation // the last one
}

// session returns one with the server of a link, or of the settings if base is empty. The caller closes it.
func (r *remote) session(cmd *cobra.Command, base string, options ...client.Option) (*session, error) {
	if err := r.settle(cmd); err != nil {
		return nil, err
	}
	host, custid, apikey := r.host, r.custid, onetime.Sensitive(r.apikey)
	if base != "" && !sameServer(base, host) { // a link may lead anywhere
		host, custid, apikey = base, "", ""
	}
	s := &session{cmd: cmd, check: r.check, host: host, account: custid}
	s.options = append(options, client.WithReport(s.note))
	if r.plainHTTP {
		s.options = append(s.options, client.WithPlainHTTP())
	}
	var account []client.Option
	if custid != "" || apikey != "" {
		account = append(account, client.WithAccount(custid, apikey))
	}
	var err error
	if s.Client, err = client.New(host, slices.Concat(s.options, account)...); err != nil {
		return nil, usageError{inOurWords(err)}
	}
	s.ctx, s.stop = context.WithCancel(cmd.Context())
	return s, nil
}

// inOurWords says what the client package says to programs as this command's users know it.
func inOurWords(err error) error {
	return errors.New(strings.NewReplacer("client: ", "", "WithPlainHTTP", "--plain-http", "WithAccount", "ONETIME_CUSTID and ONETIME_APIKEY").Replace(err.Error()))
}

// note is told of what breaks the contract.
func (s *session) note(v *contract.Violation) {
	s.broken = v
	if v.Direction == contract.Request {
		s.stop()
	}
}

// violation returns what is wrong with the answer that an error stands for, or nil. What was wrong with an answer after
// which the client has asked again does not matter any more.
func (s *session) violation(err error) *contract.Violation {
	var refused *client.Error
	switch v := s.broken; {
	case v == nil, v.Direction == contract.Request:
		return v
	case err == nil && v.Status/100 != 2, errors.As(err, &refused) && refused.Status != v.Status:
		return nil
	default:
		return v
	}
}

// verdict returns what there is to say of a call and of the printing of its answer.
func (s *session) verdict(err error) error {
	s.stop()
	broken := s.violation(err)
	unreadable := (*contract.Violation)(nil) // which says less than the other
	switch {
	case broken == nil:
		return err
	case broken.Direction == contract.Request: // the rest comes of its not being sent
		return broken
	case s.check == enforce && err == nil:
		return fmt.Errorf("%w; what could be read was printed", broken)
	case s.check == enforce && errors.As(err, &unreadable):
		return broken
	case s.check == enforce:
		return errors.Join(err, broken)
	case s.check == report:
		hint(s.cmd, "warning: %v", broken)
	}
	return err
}

// regions are those of the public service, by name.
var regions = map[string]string{"ca": client.CA, "eu": client.EU, "nz": client.NZ, "uk": client.UK, "us": client.US}

// hostURL returns the URL of a server that is named by its region, its host or its URL.
func hostURL(name string) string {
	if region, known := regions[strings.ToLower(name)]; known {
		return region
	}
	if !strings.Contains(name, "://") {
		return "https://" + name
	}
	return name
}

// lacks is the violation of an answer that keeps to the contract and has nothing of what was asked for.
func lacks(operation, field string) error {
	return &contract.Violation{Direction: contract.Response, Operation: operation, Status: http.StatusOK,
		Pointer: "/" + field, Rule: "required", Want: "is required"}
}

// print writes an answer of which the server has a copy.
func (r *remote) print(cmd *cobra.Command, value any, text string) error {
	text, err := r.output.render(value, text)
	if err != nil {
		return err
	}
	if err := writeDown(cmd.OutOrStdout(), text); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// sameServer tells whether two base URLs lead to the same server.
func sameServer(a, b string) bool {
	one, err := url.Parse(a)
	other, otherErr := url.Parse(b)
	return err == nil && otherErr == nil && one.Scheme == other.Scheme && address(one) == address(other) && basePath(one) == basePath(other)
}

func address(u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// basePath is the path below which a server has its API and its pages.
func basePath(u *url.URL) string {
	path := strings.TrimRight(u.EscapedPath(), "/")
	return strings.TrimRight(strings.TrimSuffix(path, "/api"), "/")
}
