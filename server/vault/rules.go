package vault

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/onetime-go/onetime"
)

const day = 24 * time.Hour

// Lifetimes of a secret. A receipt lives twice as long as its secret.
const (
	defaultTTL      = 7 * day
	minTTL          = time.Minute
	maxTTLAnonymous = 7 * day
	maxTTLAccount   = 30 * day
)

const (
	maxRecipients = 10
	maxPassphrase = 1024 // bytes
)

// rules say what may be shared.
type rules struct {
	maxSecret     int
	minPassphrase int
	shareDomains  []string
}

// maxDomain is the longest host name (RFC 1035).
const maxDomain = 253

// check tells whether the rules can be kept.
func (r rules) check() error {
	if r.maxSecret < 1 || r.maxSecret > MostMaxSecret {
		return fmt.Errorf("vault: MaxSecret must be between 1 and %d bytes", MostMaxSecret)
	}
	if r.minPassphrase < 0 || r.minPassphrase > maxPassphrase {
		return fmt.Errorf("vault: MinPassphrase must be between 0 and %d characters", maxPassphrase)
	}
	for _, domain := range r.shareDomains {
		if len(domain) > maxDomain {
			return errors.New("vault: one of ShareDomains is too long for a host name")
		}
	}
	return nil
}

func (r rules) checkSecret(secret onetime.Sensitive) error {
	switch {
	case secret == "":
		return &onetime.Refusal{Reason: onetime.ErrInvalid, Rule: "FormError", Field: "secret",
			Message: "You did not provide anything to share"}
	case len(secret) > r.maxSecret:
		return broken("SecretTooLarge", "secret", fmt.Sprintf("The secret is longer than %d bytes; share less text at once", r.maxSecret))
	case !utf8.ValidString(secret.Expose()):
		return &onetime.Refusal{Reason: onetime.ErrInvalid, Rule: "FormError", Field: "secret",
			Message: "The secret is not UTF-8; encode it as text, as base64 for example"}
	}
	return nil
}

func (r rules) checkTerms(t terms) error {
	switch {
	case t.Passphrase != "" && utf8.RuneCountInString(t.Passphrase.Expose()) < r.minPassphrase:
		return broken("PassphraseTooShort", "passphrase", fmt.Sprintf("The passphrase has fewer than %d characters", r.minPassphrase))
	case len(t.Passphrase) > maxPassphrase:
		return broken("PassphraseTooLong", "passphrase", fmt.Sprintf("The passphrase is longer than %d bytes", maxPassphrase))
	case t.shareDomain != "" && !slices.Contains(r.shareDomains, t.shareDomain):
		return broken("ShareDomainNotAllowed", "share_domain", "This server has no such share domain; leave it out")
	case len(t.recipients) > 0 && t.account == nil:
		return broken("RecipientNotAllowed", "recipient", "Recipients need an account; leave them out, or send credentials")
	case len(t.recipients) > maxRecipients:
		return broken("TooManyRecipients", "recipient", fmt.Sprintf("There are more than %d recipients", maxRecipients))
	}
	for _, address := range t.recipients {
		if !isAddress(address) {
			return broken("RecipientUndeliverable", "recipient", "A recipient is not an e-mail address")
		}
	}
	return nil
}

func broken(rule, field, message string) error {
	return &onetime.Refusal{Reason: onetime.ErrRule, Rule: rule, Field: field, Message: message}
}

// grant returns the lifetime of a secret for which one was asked: the default for none, and never a refusal.
func grant(asked time.Duration, account *Account) time.Duration {
	if asked == 0 {
		return defaultTTL
	}
	most := maxTTLAnonymous
	if account != nil {
		most = maxTTLAccount
	}
	return min(max(asked.Truncate(time.Second), minTTL), most)
}

const maxAddress = 254 // RFC 5321

// isAddress tells whether a text is a bare e-mail address.
func isAddress(text string) bool {
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text && parsed.Name == "" && len(text) <= maxAddress
}

// obscure writes an e-mail address so that its owner knows it and nobody else learns it: fo*****@e*****.com.
func obscure(address string) string {
	at := strings.LastIndexByte(address, '@')
	local, domain := []rune(address[:at]), []rune(address[at+1:])
	top := ""
	if dot := strings.LastIndexByte(address[at:], '.'); dot >= 0 {
		top = address[at+dot:]
	}
	shown := 1
	if len(local) > 2 {
		shown = 2
	}
	return string(local[:shown]) + "*****@" + string(domain[:1]) + "*****" + top
}
