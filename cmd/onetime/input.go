package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// readSecret reads all there is on standard input, up to what any server takes. What is typed on a terminal ends with a
// line: its newline is not meant to be a part of the secret.
func readSecret(cmd *cobra.Command) (onetime.Sensitive, error) {
	in := cmd.InOrStdin()
	typed := isTerminal(in)
	if typed {
		hint(cmd, "type or paste the secret; end with control-D on a line of its own")
	}
	data, err := awaited(cmd.Context(), func() ([]byte, error) { return io.ReadAll(io.LimitReader(in, vault.MostMaxSecret+1)) })
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	text := string(data)
	if typed {
		text = strings.TrimSuffix(text, "\n")
	}
	switch {
	case text == "":
		return "", usageError{errors.New("standard input is empty: there is nothing to share")}
	case len(text) > vault.MostMaxSecret:
		return "", usageError{errors.New("standard input is longer than a secret can be, 1 MiB: share a link to it, or the key that opens it")}
	case !utf8.ValidString(text):
		return "", usageError{errors.New("standard input is not text (UTF-8): encode it, as with | base64, and have it decoded, as with | base64 -d")}
	}
	return onetime.Sensitive(text), nil
}

// firstLine returns the first line of a stream, without its end.
func firstLine(ctx context.Context, in io.Reader) (string, error) {
	const most = 4096
	line, err := awaited(ctx, func() (string, error) {
		return bufio.NewReader(io.LimitReader(in, most+2)).ReadString('\n')
	})
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	switch {
	case err != nil && !errors.Is(err, io.EOF): // the last line may lack its end
		return "", err
	case len(line) > most:
		return "", usageError{fmt.Errorf("the first line is longer than %d bytes", most)}
	}
	return line, nil
}

// A passphrase comes from one of three places.
type passphraseSource struct {
	file string
	ask  bool
}

// check refuses what cannot be, before anything is read. stdinTaken says what standard input is already, if it is.
func (p passphraseSource) check(cmd *cobra.Command, stdinTaken string) error {
	switch {
	case p.ask && p.file != "":
		return usageError{errors.New("give --ask-passphrase or --passphrase-file, not both")}
	case stdinTaken != "" && (p.file == "-" || isFile(cmd.InOrStdin(), p.file)):
		return usageError{fmt.Errorf("standard input is %s already: the passphrase has to come from elsewhere", stdinTaken)}
	}
	return nil
}

// isFile tells whether a stream is the file of a name, such as /dev/stdin.
func isFile(stream any, name string) bool {
	f, ok := stream.(*os.File)
	if !ok || name == "" {
		return false
	}
	here, err := f.Stat()
	there, otherErr := os.Stat(name)
	return err == nil && otherErr == nil && os.SameFile(here, there)
}

// read returns the passphrase, or none. One for a new secret is asked for twice.
func (p passphraseSource) read(cmd *cobra.Command, forNew bool) (onetime.Sensitive, error) {
	text, err := p.text(cmd, forNew)
	if err == nil && !utf8.ValidString(text.Expose()) {
		err = usageError{errors.New("the passphrase is not text (UTF-8)")}
	}
	return text, err
}

func (p passphraseSource) text(cmd *cobra.Command, forNew bool) (onetime.Sensitive, error) {
	switch {
	case p.ask, p.file == "-" && isTerminal(cmd.InOrStdin()): // where it would be shown
		return askPassphrase(cmd.Context(), forNew)
	case p.file != "":
		return passphraseFrom(cmd, p.file)
	}
	return onetime.Sensitive(os.Getenv("ONETIME_PASSPHRASE")), nil
}

// passphraseFrom reads the first line of a file, which may be a pipe, or of standard input.
func passphraseFrom(cmd *cobra.Command, file string) (onetime.Sensitive, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", usageError{fmt.Errorf("open the file of --passphrase-file: %w", withoutPath(err))}
		}
		defer f.Close()
		in = f
	}
	line, err := firstLine(cmd.Context(), in)
	switch {
	case err != nil:
		return "", fmt.Errorf("read the passphrase: %w", err)
	case line == "":
		return "", usageError{errors.New("the passphrase, which is the first line of the file, is empty")}
	}
	return onetime.Sensitive(line), nil
}

// withoutPath drops the name of a file from an error: it may be the passphrase, given in the wrong place.
func withoutPath(err error) error {
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		return inner.Err
	}
	return err
}
