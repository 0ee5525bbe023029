package main

import (
	"net/url"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
)

func newShare(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "share",
		Short: "Share what comes from standard input, and print its link",
		Long: `Share what comes from standard input, and print its link.

	pg_dump db | gzip | base64 | onetime share --ttl 90m

What is shared is text. Encode other data, with base64 for example.

The key of the receipt, with which you see whether the secret was read, and burn it unread,
is shown on a terminal, and is metadata_key in the other formats. Keep it to yourself.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.share(cmd) },
	}
	r.addFlags(cmd.Flags())
	r.addPassphraseFlags(cmd.Flags())
	r.addShareFlags(cmd.Flags())
	return cmd
}

func (r *remote) share(cmd *cobra.Command) error {
	s, passphrase, err := r.creating(cmd, "the secret")
	if err != nil {
		return err
	}
	secret, err := readSecret(cmd)
	if err != nil {
		return err
	}
	receipt, err := s.Share(s.ctx, onetime.ShareRequest{
		Secret:      secret,
		TTL:         time.Duration(r.terms.ttl),
		Passphrase:  passphrase,
		Recipients:  r.terms.recipients,
		ShareDomain: r.terms.shareDomain,
	})
	if err == nil && receipt.SecretKey == "" {
		err = lacks("v1_share", "secret_key")
	}
	if err != nil {
		return keepAnswer(s.verdict(err))
	}
	return s.verdict(r.printNew(s, receipt, "the link"))
}

// creating is what share and generate need: a server, perhaps a passphrase, and a place for the link. stdin is what standard
// input is taken for, empty for nothing.
func (r *remote) creating(cmd *cobra.Command, stdin string) (*session, onetime.Sensitive, error) {
	if err := r.passphrase.check(cmd, stdin); err != nil {
		return nil, "", err
	}
	s, err := r.session(cmd, "")
	if err != nil {
		return nil, "", err
	}
	passphrase, err := r.passphrase.read(cmd, true)
	if err != nil {
		return nil, "", err
	}
	return s, passphrase, r.linkLeadsSomewhere(cmd)
}

// linkLeadsSomewhere is leadsSomewhere, unless the server sends the link to somebody.
func (r *remote) linkLeadsSomewhere(cmd *cobra.Command) error {
	if len(r.terms.recipients) > 0 {
		return nil
	}
	return leadsSomewhere(cmd.OutOrStdout())
}

func newGenerate(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Have the server make a random secret, and print it and its link",
		Long: `Have the server make a random secret, and print it and its link: the secret in the first
line, the link in the second.

	{ read -r password; read -r link; } < <(onetime generate)

The server knows the secret until it is revealed. If it cannot be printed, it is kept in a
temporary file that only you can read.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.generate(cmd) },
	}
	r.addFlags(cmd.Flags())
	r.addPassphraseFlags(cmd.Flags())
	r.addShareFlags(cmd.Flags())
	return cmd
}

func (r *remote) generate(cmd *cobra.Command) error {
	s, passphrase, err := r.creating(cmd, "")
	if err != nil {
		return err
	}
	receipt, err := s.Generate(s.ctx, onetime.GenerateRequest{
		TTL:         time.Duration(r.terms.ttl),
		Passphrase:  passphrase,
		Recipients:  r.terms.recipients,
		ShareDomain: r.terms.shareDomain,
	})
	switch {
	case err != nil:
		return keepAnswer(s.verdict(err))
	case receipt.SecretKey == "":
		return keepAnswer(s.verdict(lacks("v1_generate", "secret_key")))
	case receipt.Value == "":
		return keepAnswer(s.verdict(lacks("v1_generate", "value")))
	}
	return s.verdict(r.printNew(s, receipt, "the secret"))
}

// printNew prints what is known of a new secret only now.
func (r *remote) printNew(s *session, receipt onetime.Receipt, what string) error {
	out := s.cmd.OutOrStdout()
	link := s.link(receipt)
	text := link.Expose() + "\n"
	if receipt.Value != "" {
		value := receipt.Value.Expose()
		if isTerminal(out) {
			value = legible(value)
		}
		text = value + "\n" + text
	}
	rendered, err := r.output.render(fieldsOf(receipt, link), text)
	if err != nil {
		return err
	}
	if err := printOnce(out, what, onetime.Sensitive(rendered), rendered); err != nil {
		return err
	}
	if asked := time.Duration(r.terms.ttl); receipt.TTL > 0 && receipt.TTL < asked {
		hint(s.cmd, "the server keeps it for %s, not for %s", lifetimeText(receipt.TTL), lifetimeText(asked))
	}
	if isTerminal(s.cmd.ErrOrStderr()) && r.output == textFormat {
		hint(s.cmd, "the key of its receipt, for onetime receipt and onetime burn: %s", receipt.Key.Expose())
	}
	return nil
}

// link returns the link of a secret, on the custom domain that the server has granted it. What is no domain would lead
// elsewhere, or have a terminal obey it, and is left out.
func (s *session) link(receipt onetime.Receipt) onetime.Sensitive {
	switch {
	case receipt.SecretKey == "":
		return ""
	case isDomain(receipt.ShareDomain):
		return onetime.Sensitive("https://" + receipt.ShareDomain + "/secret/" + url.PathEscape(receipt.SecretKey.Expose()))
	}
	return s.SecretURL(receipt.SecretKey)
}

// domainForm has room for a port, and for a domain in letters of any language.
var domainForm = regexp.MustCompile(`^[\pL\pM\pN_-]+(\.[\pL\pM\pN_-]+)*(:\d+)?$`)

func isDomain(text string) bool { return domainForm.MatchString(text) }
