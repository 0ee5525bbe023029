package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/server/vault"
)

func newShare() *cobra.Command {
	var r remote
	var ttl string
	cmd := &cobra.Command{
		Use:   "share",
		Short: "Share what comes from standard input, and print its link",
		Long: `Share what comes from standard input, and print its link.

	pg_dump db | gzip | base64 | onetime share --ttl 90m

What is shared is text. Encode other data, with base64 for example.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return share(cmd, r, ttl) },
	}
	r.addFlags(cmd)
	cmd.Flags().StringVar(&ttl, "ttl", "", "how long the secret may stay unread, such as 90m, 12h or 7d (default: the server's)")
	return cmd
}

func share(cmd *cobra.Command, r remote, ttl string) error {
	lifetime, err := parseTTL(ttl)
	if err != nil {
		return err
	}
	passphrase, err := r.passphrase()
	if err != nil {
		return err
	}
	secret, err := readSecret(cmd.InOrStdin())
	if err != nil {
		return err
	}
	c, err := r.client("")
	if err != nil {
		return err
	}
	receipt, err := c.Share(cmd.Context(), onetime.ShareRequest{Secret: secret, TTL: lifetime, Passphrase: passphrase})
	if err != nil {
		return err
	}
	if receipt.SecretKey == "" { // which the contract does not forbid
		return &contract.Violation{Direction: contract.Response, Operation: "v1_share", Status: http.StatusOK,
			Pointer: "/secret_key", Rule: "required", Want: "is required"}
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), c.SecretURL(receipt.SecretKey).Expose())
	return err
}

// readSecret reads all there is, up to what any server takes.
func readSecret(in io.Reader) (onetime.Sensitive, error) {
	data, err := io.ReadAll(io.LimitReader(in, vault.MostMaxSecret+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read the secret: %w", err)
	case len(data) == 0:
		return "", usageError{errors.New("standard input is empty: there is nothing to share")}
	case len(data) > vault.MostMaxSecret:
		return "", usageError{errors.New("standard input is longer than a secret can be, 1 MiB")}
	case !utf8.Valid(data):
		return "", usageError{errors.New("standard input is not text (UTF-8): encode it, with base64 for example")}
	}
	return onetime.Sensitive(data), nil
}

// parseTTL reads durations as time.ParseDuration does, and days: 7d.
func parseTTL(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16) // 179 years
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return 0, usageError{errors.New("--ttl is a time such as 90m, 12h or 7d")}
	}
	return d, nil
}
