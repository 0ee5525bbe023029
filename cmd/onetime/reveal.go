package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

func newReveal() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "reveal KEY|LINK|-",
		Short: "Reveal a secret, once, and print it",
		Long: `Reveal a secret, once, and print it.

A link is revealed on its own server, a key on the one of the settings. For "-" the first
line of standard input is the key or link: other users of this machine can see arguments.
Afterwards the secret is nowhere but where it was printed. If it cannot be printed, or the
answer breaks the contract, what came is kept in a temporary file that only you can read.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return reveal(cmd, r, args[0]) },
	}
	r.addFlags(cmd)
	return cmd
}

func reveal(cmd *cobra.Command, r remote, target string) error {
	target, err := argumentOrLine(target, cmd.InOrStdin())
	if err != nil {
		return err
	}
	key, host, err := parseTarget(target)
	if err != nil {
		return err
	}
	passphrase, err := r.passphrase()
	if err != nil {
		return err
	}
	c, err := r.client(host)
	if err != nil {
		return err
	}
	if err := leadsSomewhere(cmd.OutOrStdout()); err != nil {
		return err
	}
	secret, err := c.Reveal(cmd.Context(), onetime.RevealRequest{Key: key, Passphrase: passphrase})
	if err != nil {
		return keepAnswer(err)
	}
	text := secret.Value.Expose()
	if isTerminal(cmd.OutOrStdout()) {
		text = legible(text) + "\n"
	}
	return printOnce(cmd.OutOrStdout(), "the secret", secret.Value, text)
}

// keepAnswer keeps what came with a failed reveal in a file: the server may have no other copy any more.
func keepAnswer(err error) error {
	var body []byte
	var broken *contract.Violation
	var network *client.NetworkError
	switch {
	case errors.As(err, &broken) && broken.Status/100 == 2:
		body = broken.Body()
	case errors.As(err, &network):
		body = network.Body()
	}
	if len(body) == 0 {
		return err
	}
	name, saveErr := save(onetime.Sensitive(body))
	if saveErr != nil {
		return fmt.Errorf("%w; what came could not be kept either (%w), and is lost", err, saveErr)
	}
	return fmt.Errorf("%w; what came is kept in %s", err, name)
}

// legible writes a text so that a terminal shows it and obeys none of it.
func legible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			fmt.Fprintf(&b, "\\x%02x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// argumentOrLine returns an argument or, for "-", the first line of standard input, which other users of the machine do not
// see.
func argumentOrLine(argument string, in io.Reader) (string, error) {
	if argument != "-" {
		return argument, nil
	}
	const most = 4096
	data, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return "", fmt.Errorf("read the link: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", usageError{errors.New("standard input has no key or link in its first line")}
	}
	return line, nil
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// leadsSomewhere refuses the null device, before it gets what has no copy. It is what a program finds in the place of a
// standard output that was closed.
func leadsSomewhere(out io.Writer) error {
	f, ok := out.(*os.File)
	if !ok {
		return nil
	}
	here, err := f.Stat()
	if err != nil {
		return usageError{errors.New("standard output is closed; nothing was done")}
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(here, null) {
		return usageError{fmt.Errorf("standard output is closed, or %s; nothing was done", os.DevNull)}
	}
	return nil
}

// printOnce prints the text of a value of which there is no copy. If that fails it keeps the value in a file.
func printOnce(out io.Writer, what string, value onetime.Sensitive, text string) error {
	_, err := io.WriteString(out, text)
	if err == nil {
		return nil
	}
	name, saveErr := save(value)
	if saveErr != nil {
		return fmt.Errorf("%s was neither printed (%w) nor kept (%w), and is lost", what, err, saveErr)
	}
	return fmt.Errorf("%s could not be printed and is kept in %s: %w", what, name, err)
}

// save writes a value to a new file that only its owner can read.
func save(value onetime.Sensitive) (name string, err error) {
	f, err := os.CreateTemp("", "onetime-*") // of mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(value.Expose())
	return f.Name(), errors.Join(err, f.Sync(), f.Close())
}
