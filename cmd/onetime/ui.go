package main

// The rules for input and output, all in one place.
//
// A secret comes from standard input and goes to standard output, byte for byte: no newline is added or taken away, but
// for one after a revealed secret on a terminal, and one at the end of a secret that is typed on a terminal. It is text:
// what is empty, not UTF-8 or longer than any server takes is refused before anything is sent. Everything else that is
// printed to standard output is for scripts, too: one line, such as a link or a token, a line for each entry of a list, or
// JSON or YAML (--output). Hints, warnings and errors go to standard error.
//
// What has no other copy, a revealed or generated secret, the link of a shared one, a new token, is kept in a file of mode
// 0600 if it cannot be written, and the error names the file. It is not even asked for if standard output leads nowhere.
// What a server sends against the contract is printed all the same, as far as it can be read, with a warning and an exit
// code of its own; where a part of it may be lost, the whole answer is kept in such a file.
//
// A secret, a passphrase or a token never comes from an argument, where other users of the machine and the shell's
// history would see it: -p and -k, which the official command has, are refused, and their value is neither used nor
// repeated. A passphrase comes from a prompt (--ask-passphrase), a file (--passphrase-file) or ONETIME_PASSPHRASE, a token
// from ONETIME_APIKEY or the configuration file, which only its owner and its group may be able to read then. A key or a
// link may be an argument, or come from standard input for "-". The token goes to the server of the settings only, the
// passphrase to the server of the link, whose secret it opens.
//
// Questions are asked on the terminal that the command was started on, even if standard input is none, and only if asked
// for: nothing waits for an answer in a script, and a reveal that finds nothing does not ask for a passphrase by itself. There
// may never have been one, and what is typed would go to whatever server the link names. What is typed for a passphrase is
// not shown. Colours are for terminals, and NO_COLOR switches them off. On a terminal the control characters of a secret
// are shown, not obeyed.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

// rulesForPeople is what the help says of them.
const rulesForPeople = `A secret comes from standard input and goes to standard output, byte for byte.
Hints and errors go to standard error.

No secret is an argument, where others would see it; a key or link may be one, or
come from standard input for "-". A passphrase comes from the terminal
(--ask-passphrase), from a file (--passphrase-file) or from ONETIME_PASSPHRASE.

The server comes from --host or ONETIME_HOST, the credentials from ONETIME_CUSTID
(e-mail address) and ONETIME_APIKEY (API token). NO_COLOR switches colours off.

Without a command, and with something on standard input, onetime shares that.

Exit codes:

    0    done
    1    something else went wrong
    2    wrong usage: flags, arguments, settings, input
    3    not found: unknown key, secret gone, wrong or no passphrase
    4    the server refused, or cannot serve at the moment (429, 5xx)
    5    the server broke the contract; what could be read was printed
    6    the network failed
    130  interrupted`

const (
	exitOther       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitContract    = 5
	exitNetwork     = 6
	exitInterrupted = 130
)

// A usageError is about how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// reportError prints an error of a command, with what to do about it, and returns the exit code.
func reportError(cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	w := cmd.ErrOrStderr()
	fmt.Fprintf(w, "%s %s\n", paint(w, red, "onetime:"), oneLine(err))
	code, next := judge(cmd, err)
	if next != "" {
		fmt.Fprintf(w, "onetime: %s %s\n", paint(w, cyan, "hint:"), next)
	}
	return code
}

// oneLine writes an error, which may be several, and hold what a server or a file name says, without what a terminal
// would obey.
func oneLine(err error) string {
	return withoutControl(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// judge returns the exit code of an error, and what to do about it.
func judge(cmd *cobra.Command, err error) (code int, next string) {
	var refused *client.Error
	var broken *contract.Violation
	var network *client.NetworkError
	switch {
	case errors.As(err, new(usageError)):
		return exitUsage, "see " + cmd.CommandPath() + " --help"
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted, ""
	case errors.As(err, &broken) && broken.Direction == contract.Request: // nothing was sent
		return exitUsage, "nothing was sent; see " + cmd.CommandPath() + " --help"
	case errors.As(err, &refused) && isTrouble(refused): // even if what a proxy says of it is against the contract
		return exitRefused, refusedHint(refused)
	case errors.As(err, &broken):
		return exitContract, "is that a server of this API? An older one may do with --check report; nothing was repeated"
	case errors.Is(err, onetime.ErrNotFound):
		return exitNotFound, notFoundHint(cmd)
	case errors.As(err, &refused):
		return exitRefused, refusedHint(refused)
	case errors.Is(err, onetime.ErrUnauthorized): // by the data folder, not by a server
		return exitRefused, "check ONETIME_APIKEY"
	case errors.As(err, &network):
		return exitNetwork, "is that the right server? --host or ONETIME_HOST names it, such as eu or https://secrets.example.com"
	}
	return exitOther, ""
}

func notFoundHint(cmd *cobra.Command) string {
	if cmd.Flags().Lookup("ask-passphrase") == nil {
		return "the key is unknown there, or it is too long ago"
	}
	return "the key is unknown there, the secret is gone, or it needs a passphrase, or another one (--ask-passphrase)"
}

// isTrouble tells whether a server, or a proxy in front of it, cannot serve anybody, or this caller, at the moment.
func isTrouble(e *client.Error) bool {
	return errors.Is(e, onetime.ErrRateLimited) || cmp.Or(e.IntendedStatus, e.Status) >= http.StatusInternalServerError
}

func refusedHint(e *client.Error) string {
	switch {
	case errors.Is(e, onetime.ErrUnauthorized):
		return "check ONETIME_CUSTID and ONETIME_APIKEY"
	case errors.Is(e, onetime.ErrRateLimited):
		return "try again " + cmp.Or(after(e), "later")
	case e.Field == "secret":
		return "share less text at once"
	case e.Field == "recipient":
		return "recipients need an account: set ONETIME_CUSTID and ONETIME_APIKEY"
	case e.Field == "passphrase", strings.Contains(strings.ToLower(e.Message), "passphrase"):
		return "give the passphrase with --ask-passphrase, --passphrase-file or ONETIME_PASSPHRASE"
	case e.ID != "":
		return "whoever runs the server finds the error_id in its log"
	case isTrouble(e):
		return "the server, or a proxy in front of it, has trouble, and may have done what was asked for all the same"
	}
	return ""
}

func after(e *client.Error) string {
	if e.RetryAfter == 0 {
		return ""
	}
	return "in " + lifetimeText(e.RetryAfter)
}

// hint prints what people may want to know, and programs not.
func hint(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), "onetime: %s\n", withoutControl(fmt.Sprintf(format, args...)))
}
