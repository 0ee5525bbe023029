package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/onetime-go/onetime"
)

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// errInterrupted is returned by what waits for input when a signal ends the command.
var errInterrupted = errors.New("interrupted")

// awaited does what cannot be interrupted, such as reading from a terminal, for as long as ctx lasts.
func awaited[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}

// askPassphrase asks on the terminal, which need not be standard input: that may be the secret. Nothing that is typed is
// shown. A passphrase for a new secret is asked for twice, since nobody could open the secret if it were misspelt.
func askPassphrase(ctx context.Context, twice bool) (onetime.Sensitive, error) {
	in, out, err := openTerminal()
	if err != nil {
		return "", usageError{errors.New("there is no terminal to ask for the passphrase on: give --passphrase-file, or set ONETIME_PASSPHRASE")}
	}
	defer in.Close()
	defer out.Close()
	passphrase, err := askHidden(ctx, in, out, "Passphrase: ")
	if err != nil {
		return "", err
	}
	if passphrase == "" {
		return "", usageError{errors.New("the passphrase is empty; nothing was done")}
	}
	if !twice {
		return passphrase, nil
	}
	again, err := askHidden(ctx, in, out, "The same again: ")
	if err == nil && again != passphrase {
		err = usageError{errors.New("that was not the same passphrase; nothing was done")}
	}
	return passphrase, err
}

// openTerminal opens the terminal that the command was started on.
func openTerminal() (in, out *os.File, err error) {
	inName, outName := "/dev/tty", "/dev/tty"
	if runtime.GOOS == "windows" {
		inName, outName = "CONIN$", "CONOUT$"
	}
	if in, err = os.OpenFile(inName, os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if out, err = os.OpenFile(outName, os.O_WRONLY, 0); err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	return in, out, nil
}

// askHidden asks for a line that is not shown. The terminal is then as it was, even if a signal ends the command.
func askHidden(ctx context.Context, in, out *os.File, prompt string) (onetime.Sensitive, error) {
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for the passphrase: %w", err)
	}
	if _, err := io.WriteString(out, prompt); err != nil {
		return "", fmt.Errorf("ask for the passphrase: %w", err)
	}
	line, err := awaited(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	_, _ = io.WriteString(out, "\n") // the one that was typed is not shown
	switch {
	case errors.Is(err, errInterrupted):
		return "", errors.Join(err, term.Restore(fd, before))
	case err != nil:
		return "", fmt.Errorf("ask for the passphrase: %w", err)
	}
	return onetime.Sensitive(line), nil
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

// Colours of a terminal, by the numbers that ECMA-48 gives them.
const (
	red  = "31"
	cyan = "36"
)

// paint colours a text where it will be read on a terminal, unless the user wants none (see no-color.org).
func paint(w io.Writer, colour, text string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || runtime.GOOS == "windows" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
