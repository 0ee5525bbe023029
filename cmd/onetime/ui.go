package main

// The rules for input and output, all in one place.
//
// A secret comes from standard input and goes to standard output, byte for byte: no newline is added or taken away, but
// for one after a revealed secret on a terminal. Everything else that is printed there is for scripts, too: one line, such as
// a link or a token, or a line for each entry of a list; hints and errors go to standard error. What has no other copy, a
// revealed secret or a new token, is not asked for if standard output leads nowhere, and is kept in a file of mode 0600 if
// it cannot be written.
//
// A secret, a passphrase or a token never comes from an argument, where other users of the machine and the shell's
// history would see it. A passphrase comes from a file (--passphrase-file) or from ONETIME_PASSPHRASE, a token from
// ONETIME_APIKEY. A key or a link may be an argument, or come from standard input for "-". The token goes to the server of
// the settings only, the passphrase to the server of the link, whose secret it opens.
//
// On a terminal the control characters of a secret are shown, not obeyed.

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

// rulesForPeople is what the help says of them.
const rulesForPeople = `A secret comes from standard input and goes to standard output, byte for byte.
Hints and errors go to standard error.

No secret is an argument, where others would see it; a key or link may be one, or
come from standard input for "-". A passphrase comes from
a file (--passphrase-file) or from ONETIME_PASSPHRASE, the credentials from
ONETIME_CUSTID (e-mail address) and ONETIME_APIKEY (API token), the server
from --host or ONETIME_HOST.

Exit codes:
  0  done
  1  something else went wrong
  2  wrong usage: flags, arguments, settings, input
  3  not found: unknown key, secret gone, passphrase wrong or missing
  4  the server refused
  5  the server broke the contract
  6  the network failed`

const (
	exitOther    = 1
	exitUsage    = 2
	exitNotFound = 3
	exitRefused  = 4
	exitContract = 5
	exitNetwork  = 6
)

// A usageError is about how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// report prints an error, with what to do about it, and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(w, "onetime: %s\n", oneLine(err))
	code, hint := judge(err)
	if hint != "" {
		fmt.Fprintf(w, "onetime: hint: %s\n", hint)
	}
	return code
}

// oneLine writes an error, which may be several, and hold what a server or a file name says, without what a terminal
// would obey.
func oneLine(err error) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ReplaceAll(err.Error(), "\n", "; "))
}

func judge(err error) (code int, hint string) {
	var refused *client.Error
	var broken *contract.Violation
	var network *client.NetworkError
	switch {
	case errors.As(err, new(usageError)):
		return exitUsage, "see onetime --help"
	case errors.Is(err, onetime.ErrNotFound):
		return exitNotFound, "the key is unknown, the secret is gone, or it needs a passphrase (--passphrase-file)"
	case errors.Is(err, onetime.ErrUnauthorized):
		return exitRefused, "check ONETIME_CUSTID and ONETIME_APIKEY"
	case errors.As(err, &refused):
		return exitRefused, ""
	case errors.As(err, &broken) && broken.Direction == contract.Request: // nothing was sent
		return exitUsage, ""
	case errors.As(err, &broken):
		return exitContract, "the server may be another version; nothing was repeated"
	case errors.As(err, &network):
		return exitNetwork, "is ONETIME_HOST the right server?"
	}
	return exitOther, ""
}

// hint prints what people may want to know, and programs not.
func hint(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), "onetime: "+format+"\n", args...)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// printTable aligns columns for people, and separates them by tabs for programs.
func printTable(out io.Writer, heading []string, rows [][]string) error {
	var w io.Writer = out
	flush := func() error { return nil }
	if isTerminal(out) {
		aligned := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		w, flush = aligned, aligned.Flush
		rows = slices.Insert(rows, 0, heading)
	}
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return flush()
}
