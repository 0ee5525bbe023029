package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
)

func newReveal(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "reveal KEY|LINK|-",
		Aliases: []string{"secret", "get"},
		Short:   "Reveal a secret, once, and print it",
		Long: `Reveal a secret, once, and print it.

	onetime reveal https://eu.onetimesecret.com/secret/KEY | base64 -d | gunzip > dump.sql

A link is revealed on its own server, a key on the one of the settings. For "-" the first
line of standard input is the key or link: other users of this machine can see arguments.
Afterwards the secret is nowhere but where it was printed. If it cannot be printed, it is
kept in a temporary file that only you can read; so is an answer that cannot be understood.`,
		Args: exactly(1, "the key or link of a secret, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return r.reveal(cmd, args[0]) },
	}
	r.addFlags(cmd.Flags())
	r.addPassphraseFlags(cmd.Flags())
	return cmd
}

// secretFields is a revealed secret for programs, by the names of the API.
type secretFields struct {
	Value       string `json:"value"`
	SecretKey   string `json:"secret_key"`
	ShareDomain string `json:"share_domain"`
}

func (r *remote) reveal(cmd *cobra.Command, argument string) error {
	s, link, passphrase, err := r.opening(cmd, client.SecretPage, argument)
	if err != nil {
		return err
	}
	if err := leadsSomewhere(cmd.OutOrStdout()); err != nil {
		return err
	}
	secret, err := s.Reveal(s.ctx, onetime.RevealRequest{Key: link.Key, Passphrase: passphrase})
	if err != nil {
		return keepAnswer(s.verdict(err))
	}
	err = r.printRevealed(cmd, secret)
	if s.broken != nil && !saysOnly(s.broken.Body(), secret.Value) { // there may be more in it than was printed
		return errors.Join(err, keepAnswer(s.broken))
	}
	return s.verdict(err)
}

func (r *remote) printRevealed(cmd *cobra.Command, secret onetime.Secret) error {
	out, text := cmd.OutOrStdout(), secret.Value.Expose()
	if isTerminal(out) {
		text = legible(text) + "\n"
	}
	rendered, err := r.output.render(secretFields{secret.Value.Expose(), secret.Key.Expose(), secret.ShareDomain}, text)
	if err != nil { // the text can always be printed
		rendered = text
	}
	return printOnce(out, "the secret", secret.Value, rendered)
}

// opening is what a reveal and a burn need: a server, a key on it, and perhaps a passphrase.
func (r *remote) opening(cmd *cobra.Command, page, argument string) (*session, client.Link, onetime.Sensitive, error) {
	taken := ""
	if argument == "-" {
		taken = "the key or link"
	}
	if err := r.passphrase.check(cmd, taken); err != nil {
		return nil, client.Link{}, "", err
	}
	link, err := readLink(cmd, page, argument)
	if err != nil {
		return nil, link, "", err
	}
	s, err := r.session(cmd, link.BaseURL)
	if err != nil {
		return nil, link, "", err
	}
	passphrase, err := r.passphrase.read(cmd, false)
	return s, link, passphrase, err
}
