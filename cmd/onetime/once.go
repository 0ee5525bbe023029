package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

// What has no other copy: a revealed or generated secret, the link of a shared one, a new token.

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
	err := writeDown(out, text)
	if err == nil {
		return nil
	}
	name, saveErr := save(value)
	if saveErr != nil {
		return fmt.Errorf("%s was neither printed (%w) nor kept (%w), and is lost", what, err, saveErr)
	}
	return fmt.Errorf("%s could not be printed and is kept in %s: %w", what, name, err)
}

// writeDown writes, and sees to it that what goes to a file is on its disk: a full one may say so late.
func writeDown(out io.Writer, text string) error {
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	f, ok := out.(interface {
		Stat() (os.FileInfo, error)
		Sync() error
	})
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return f.Sync()
}

// save writes a value to a new file that only its owner can read, in the folder for temporary files, or at home if that is
// full.
func save(value onetime.Sensitive) (name string, err error) {
	home, _ := os.UserHomeDir()
	var failed []error
	for _, folder := range []string{"", home} {
		name, err := saveIn(folder, value)
		if err == nil {
			return name, nil
		}
		failed = append(failed, err)
	}
	return "", errors.Join(failed...)
}

func saveIn(folder string, value onetime.Sensitive) (name string, err error) {
	f, err := os.CreateTemp(folder, "onetime-*") // of mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(value.Expose())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// keepAnswer keeps what came with a failed call in a file: the server may have no other copy any more.
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

// saysOnly tells whether the body of an answer has a value once, under the name that the contract gives it.
func saysOnly(body []byte, value onetime.Sensitive) bool {
	var found []string
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return false
	}
	for decoder.More() {
		name, err := decoder.Token()
		var member json.RawMessage
		if err != nil || decoder.Decode(&member) != nil {
			return false
		}
		if text, _ := name.(string); strings.EqualFold(text, "value") {
			var s string
			if json.Unmarshal(member, &s) != nil {
				return false
			}
			found = append(found, s)
		}
	}
	_, err := decoder.Token() // the end, if the body is whole
	return err == nil && len(found) == 1 && found[0] == value.Expose()
}
