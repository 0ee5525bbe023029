package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
)

// defaultHost is the server on this machine: a secret goes to no other without being asked.
const defaultHost = "http://127.0.0.1:3000"

// remote is what the commands that call a server have in common.
type remote struct {
	host           string
	passphraseFile string
	plainHTTP      bool
}

func (r *remote) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.host, "host", "", "URL of the server (default: ONETIME_HOST, or "+defaultHost+")")
	cmd.Flags().BoolVar(&r.plainHTTP, "plain-http", false, "allow http:// to another machine, which shows secrets to whoever is on the way")
	cmd.Flags().StringVar(&r.passphraseFile, "passphrase-file", "", "file whose first line is the passphrase (default: ONETIME_PASSPHRASE)")
}

// client returns a client for the server of a link, or of the settings if link is empty.
func (r *remote) client(linkHost string) (*client.Client, error) {
	host := linkHost
	for _, next := range []string{r.host, os.Getenv("ONETIME_HOST"), defaultHost} {
		if host == "" {
			host = next
		}
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	var options []client.Option
	email, token := os.Getenv("ONETIME_CUSTID"), os.Getenv("ONETIME_APIKEY")
	if linkHost == "" && (email != "" || token != "") { // a link may lead anywhere
		options = append(options, client.WithAccount(email, onetime.Sensitive(token)))
	}
	if r.plainHTTP {
		options = append(options, client.WithPlainHTTP())
	}
	c, err := client.New(host, options...)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// passphrase returns the passphrase from where the settings have it, or none.
func (r *remote) passphrase() (onetime.Sensitive, error) {
	if r.passphraseFile == "" {
		return onetime.Sensitive(os.Getenv("ONETIME_PASSPHRASE")), nil
	}
	data, err := os.ReadFile(r.passphraseFile)
	if err != nil {
		return "", usageError{fmt.Errorf("read the passphrase: %w", err)}
	}
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", usageError{errors.New("the first line of the passphrase file is empty")}
	}
	return onetime.Sensitive(line), nil
}

// parseTarget takes a key, or a link to a page of a secret, apart. For a key the host is empty.
func parseTarget(text string) (key onetime.Sensitive, host string, err error) {
	if !strings.Contains(text, "/") {
		return onetime.Sensitive(text), "", nil
	}
	link, err := url.Parse(text)
	if err != nil || link.Host == "" {
		return "", "", usageError{errors.New("that is neither a key nor a link")}
	}
	before, after, found := strings.Cut(link.Path, "/secret/")
	after = strings.TrimRight(after, "/")
	if !found || after == "" || strings.Contains(after, "/") {
		return "", "", usageError{errors.New("the link leads to no secret: it has no /secret/KEY")}
	}
	return onetime.Sensitive(after), link.Scheme + "://" + link.Host + before, nil
}
