package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime/client"
)

// wrongPage says what is wrong with a link to a page of the other kind.
var wrongPage = map[string]string{
	client.ReceiptPage: "that link is a receipt's, which is for the creator of the secret: onetime receipt and onetime burn take it",
	client.SecretPage:  "that link is the secret's: receipt and burn take the key or link of the receipt, which only its creator has",
}

// readLink takes the key or link of a page from an argument or, for "-", from the first line of standard input, which other
// users of the machine do not see.
func readLink(cmd *cobra.Command, page, argument string) (client.Link, error) {
	if argument == "-" {
		if isTerminal(cmd.InOrStdin()) {
			hint(cmd, "type or paste the key or link")
		}
		line, err := firstLine(cmd.Context(), cmd.InOrStdin())
		if err != nil {
			return client.Link{}, fmt.Errorf("read the key: %w", err)
		}
		if argument = strings.TrimSpace(line); argument == "" {
			return client.Link{}, usageError{errors.New("standard input has no key or link in its first line")}
		}
	}
	link, err := client.ParseLink(argument)
	switch {
	case err != nil:
		return client.Link{}, usageError{inOurWords(err)}
	case cmp.Or(link.Page, page) != page:
		return client.Link{}, usageError{errors.New(wrongPage[link.Page])}
	}
	return link, nil
}
