package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
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
	host      string
	custid    string
	plainHTTP bool
	check     checkMode

	passphrase passphraseSource
	output     format
	terms      terms
}

// terms are the flags of share and generate.
type terms struct {
	ttl         lifetime
	recipients  []string
	shareDomain string
}

func (r *remote) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&r.host, "host", "H", "", "`URL` of the server, or a region of the public service: "+strings.Join(regionNames(), ", "))
	flags.StringVarP(&r.custid, "custid", "c", "", "`EMAIL` address of the account, whose token is in ONETIME_APIKEY")
	flags.BoolVar(&r.plainHTTP, "plain-http", false, "allow http:// to another machine, which shows secrets to whoever is on the way")
	r.check = enforce
	flags.Var(&r.check, "check", "`HOW` to judge answers by the contract: enforce, report (warn only) or off")
	r.output.addFlags(flags)
	addRefused(flags, "apikey", "k", "a token is never an argument, where others would see it: set ONETIME_APIKEY, or write apikey into the configuration file")
}

func (r *remote) addPassphraseFlags(flags *pflag.FlagSet) {
	flags.BoolVarP(&r.passphrase.ask, "ask-passphrase", "P", false, "ask for the passphrase on the terminal")
	flags.StringVar(&r.passphrase.file, "passphrase-file", "", "`FILE` whose first line is the passphrase, or - for standard input")
	addRefused(flags, "passphrase", "p", "a passphrase is never an argument, where others would see it: leave -p out, and give --ask-passphrase (-P), --passphrase-file or ONETIME_PASSPHRASE")
}

func (r *remote) addShareFlags(flags *pflag.FlagSet) {
	flags.VarP(&r.terms.ttl, "ttl", "t", "`TIME` that the secret may stay unread, such as 90m, 12h, 7d or 2w, or a number of seconds")
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

// Set, String and Type make it a pflag.Value.

func (m *checkMode) Set(text string) error {
	switch mode := checkMode(text); mode {
	case enforce, report, off:
		*m = mode
		return nil
	}
	return errors.ErrUnsupported
}

func (m *checkMode) String() string { return string(*m) }
func (*checkMode) Type() string     { return "HOW" }
func (*checkMode) mistake() error   { return errors.New("is enforce, report or off") }

// A session is what one command has to do with a server.
type session struct {
	*client.Client
	cmd   *cobra.Command
	ctx   context.Context // ends when a request breaks the contract: it is not sent then
	stop  context.CancelFunc
	check checkMode

	host    string // URL of the server
	account string // empty for an anonymous caller
	broken  *contract.Violation
}

// session returns one with the server of a link, or of the settings if base is empty. The caller closes it.
func (r *remote) session(cmd *cobra.Command, base string) (*session, error) {
	host := hostURL(cmp.Or(r.host, os.Getenv("ONETIME_HOST"), defaultHost))
	custid, apikey := cmp.Or(r.custid, os.Getenv("ONETIME_CUSTID")), onetime.Sensitive(os.Getenv("ONETIME_APIKEY"))
	if base != "" && !sameServer(base, host) { // a link may lead anywhere
		host, custid, apikey = base, "", ""
	}
	s := &session{cmd: cmd, check: r.check, host: host, account: custid}
	options := []client.Option{client.WithReport(s.note)}
	if custid != "" || apikey != "" {
		options = append(options, client.WithAccount(custid, apikey))
	}
	if r.plainHTTP {
		options = append(options, client.WithPlainHTTP())
	}
	c, err := client.New(host, options...)
	if err != nil {
		return nil, usageError{err}
	}
	s.Client = c
	s.ctx, s.stop = context.WithCancel(cmd.Context())
	return s, nil
}

// note is told of what breaks the contract.
func (s *session) note(v *contract.Violation) {
	if s.broken == nil {
		s.broken = v
	}
	if v.Direction == contract.Request {
		s.stop()
	}
}

// verdict returns what there is to say of a call and of the printing of its answer.
func (s *session) verdict(err error) error {
	s.stop()
	unreadable := (*contract.Violation)(nil) // which says less than the first violation
	switch {
	case s.broken == nil:
		return err
	case s.broken.Direction == contract.Request: // the rest comes of its not being sent
		return s.broken
	case s.check == enforce && (err == nil || errors.As(err, &unreadable)):
		return s.broken
	case s.check == enforce:
		return errors.Join(err, s.broken)
	case s.check == report:
		hint(s.cmd, "warning: %v", s.broken)
	}
	return err
}

// regions are those of the public service, by name.
var regions = map[string]string{"ca": client.CA, "eu": client.EU, "nz": client.NZ, "uk": client.UK, "us": client.US}

func regionNames() []string { return []string{"ca", "eu", "nz", "uk", "us"} }

// hostURL returns the URL of a server that is named by its region, its host or its URL.
func hostURL(name string) string {
	if url, known := regions[strings.ToLower(name)]; known {
		return url
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
