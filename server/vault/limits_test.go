package vault_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func TestGrantedLifetime(t *testing.T) {
	const day = 24 * time.Hour
	f := newVault(t)
	ada, _ := f.account(t, "ada@example.com")
	for _, test := range []struct {
		name             string
		asked            time.Duration
		anonymous, owned time.Duration
	}{
		{"none", 0, 7 * day, 7 * day},
		{"negative", -time.Second, time.Minute, time.Minute},
		{"most negative", math.MinInt64, time.Minute, time.Minute},
		{"a nanosecond", 1, time.Minute, time.Minute},
		{"a second", time.Second, time.Minute, time.Minute},
		{"a minute", time.Minute, time.Minute, time.Minute},
		{"90 seconds", 90 * time.Second, 90 * time.Second, 90 * time.Second},
		{"not whole seconds", 90*time.Second + 999*time.Millisecond, 90 * time.Second, 90 * time.Second},
		{"7 days", 7 * day, 7 * day, 7 * day},
		{"8 days", 8 * day, 7 * day, 8 * day},
		{"30 days", 30 * day, 7 * day, 30 * day},
		{"31 days", 31 * day, 7 * day, 30 * day},
		{"longest", math.MaxInt64, 7 * day, 30 * day},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, as := range []struct {
				caller onetime.Caller
				want   time.Duration
			}{{nobody, test.anonymous}, {ada, test.owned}} {
				shared := f.share(t, as.caller, onetime.ShareRequest{TTL: test.asked})
				if shared.TTL != as.want || shared.SecretTTL != as.want || shared.ReceiptTTL != 2*as.want {
					t.Errorf("granted %s, %s left, receipt %s; want %s", shared.TTL, shared.SecretTTL, shared.ReceiptTTL, as.want)
				}
				if diff := cmp.Diff(shared, f.receipt(t, shared.Key)); diff != "" {
					t.Errorf("the receipt says otherwise:\n%s", diff)
				}
			}
		})
	}
}

func TestRules(t *testing.T) {
	f := newVault(t, func(c *vault.Config) {
		c.MaxSecret, c.MinPassphrase, c.ShareDomains = 20, 3, []string{"secrets.example.com"}
	})
	ada, _ := f.account(t, "ada@example.com")
	text := func(length int) onetime.Sensitive { return onetime.Sensitive(strings.Repeat("x", length)) }
	people := func(count int) []string { return slices.Repeat([]string{"bob@example.com"}, count) }
	for _, test := range []struct {
		name   string
		caller onetime.Caller
		ask    onetime.ShareRequest
		reason error // nil if it is accepted
		rule   string
		field  string
	}{
		{name: "empty", reason: onetime.ErrInvalid, rule: "FormError", field: "secret"},
		{name: "longest", ask: onetime.ShareRequest{Secret: text(20)}},
		{name: "longest, in bytes", ask: onetime.ShareRequest{Secret: "ää" + text(16)}},
		{name: "too long", ask: onetime.ShareRequest{Secret: text(21)}, reason: onetime.ErrRule, rule: "SecretTooLarge", field: "secret"},
		{name: "too long, in bytes", ask: onetime.ShareRequest{Secret: "ä" + text(19)}, reason: onetime.ErrRule, rule: "SecretTooLarge", field: "secret"},
		{name: "not UTF-8", ask: onetime.ShareRequest{Secret: "marker\xff"}, reason: onetime.ErrInvalid, rule: "FormError", field: "secret"},
		{name: "half a surrogate pair", ask: onetime.ShareRequest{Secret: "\xed\xa0\x80"}, reason: onetime.ErrInvalid, rule: "FormError", field: "secret"},
		{name: "NUL and line breaks", ask: onetime.ShareRequest{Secret: "\x00\r\n\ufeff"}},

		{name: "shortest passphrase", ask: onetime.ShareRequest{Secret: "s", Passphrase: "äöü"}},
		{name: "short passphrase", ask: onetime.ShareRequest{Secret: "s", Passphrase: "äö"}, reason: onetime.ErrRule, rule: "PassphraseTooShort", field: "passphrase"},
		{name: "longest passphrase", ask: onetime.ShareRequest{Secret: "s", Passphrase: text(1024)}},
		{name: "long passphrase", ask: onetime.ShareRequest{Secret: "s", Passphrase: text(1025)}, reason: onetime.ErrRule, rule: "PassphraseTooLong", field: "passphrase"},

		{name: "recipient, anonymous", ask: onetime.ShareRequest{Secret: "s", Recipients: people(1)}, reason: onetime.ErrRule, rule: "RecipientNotAllowed", field: "recipient"},
		{name: "recipients", caller: ada, ask: onetime.ShareRequest{Secret: "s", Recipients: people(10)}},
		{name: "too many recipients", caller: ada, ask: onetime.ShareRequest{Secret: "s", Recipients: people(11)}, reason: onetime.ErrRule, rule: "TooManyRecipients", field: "recipient"},
		{name: "no address", caller: ada, ask: onetime.ShareRequest{Secret: "s", Recipients: []string{"marker"}}, reason: onetime.ErrRule, rule: "RecipientUndeliverable", field: "recipient"},
		{name: "empty address", caller: ada, ask: onetime.ShareRequest{Secret: "s", Recipients: []string{""}}, reason: onetime.ErrRule, rule: "RecipientUndeliverable", field: "recipient"},
		{name: "address and header", caller: ada, ask: onetime.ShareRequest{Secret: "s", Recipients: []string{"a@example.com\r\nBcc: b@example.com"}}, reason: onetime.ErrRule, rule: "RecipientUndeliverable", field: "recipient"},

		{name: "share domain", ask: onetime.ShareRequest{Secret: "s", ShareDomain: "secrets.example.com"}},
		{name: "other share domain", ask: onetime.ShareRequest{Secret: "s", ShareDomain: "marker.example.com"}, reason: onetime.ErrRule, rule: "ShareDomainNotAllowed", field: "share_domain"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := f.Share(t.Context(), test.caller, test.ask)
			if test.reason == nil {
				must(t, err)
				return
			}
			var refusal *onetime.Refusal
			if !errors.As(err, &refusal) || !errors.Is(err, test.reason) {
				t.Fatalf("refused by %v", err)
			}
			if refusal.Rule != test.rule || refusal.Field != test.field || errors.Is(err, onetime.ErrRule) != (test.reason == onetime.ErrRule) {
				t.Errorf("rule %q, field %q", refusal.Rule, refusal.Field)
			}
			if strings.Contains(refusal.Message, "marker") {
				t.Errorf("the message holds what was sent: %s", refusal.Message)
			}
		})
	}
	t.Run("generate keeps them too", func(t *testing.T) {
		_, err := f.Generate(t.Context(), nobody, onetime.GenerateRequest{Passphrase: "ab"})
		if !errors.Is(err, onetime.ErrRule) {
			t.Errorf("short passphrase: %v", err)
		}
	})
}

func TestDefaultLimits(t *testing.T) {
	f := newVault(t)
	f.share(t, nobody, onetime.ShareRequest{Secret: onetime.Sensitive(strings.Repeat("x", vault.DefaultMaxSecret)), Passphrase: "p"})
	_, err := f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: onetime.Sensitive(strings.Repeat("x", vault.DefaultMaxSecret+1))})
	if !errors.Is(err, onetime.ErrRule) {
		t.Errorf("a byte too many: %v", err)
	}
	_, err = f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s", ShareDomain: "example.com"})
	if !errors.Is(err, onetime.ErrRule) {
		t.Errorf("share domain: %v", err)
	}
}

func TestShareDomainAndRecipientsAreKept(t *testing.T) {
	f := newVault(t, func(c *vault.Config) { c.ShareDomains = []string{"a.example", "b.example"} })
	ada, _ := f.account(t, "ada@example.com")
	shared := f.share(t, ada, onetime.ShareRequest{Recipients: []string{"foo@example.com", "b@c.org"}, ShareDomain: "b.example"})
	for name, receipt := range map[string]onetime.Receipt{"shared": shared, "receipt": f.receipt(t, shared.Key)} {
		if diff := cmp.Diff([]string{"fo*****@e*****.com", "b*****@c*****.org"}, receipt.Recipients); diff != "" {
			t.Errorf("%s: recipients (-want +got):\n%s", name, diff)
		}
		if receipt.ShareDomain != "b.example" || receipt.Custid != "ada@example.com" {
			t.Errorf("%s: share domain %q, custid %q", name, receipt.ShareDomain, receipt.Custid)
		}
	}
	secret, err := f.reveal(nobody, shared.SecretKey, "")
	must(t, err)
	if secret.ShareDomain != "b.example" {
		t.Errorf("revealed with share domain %q", secret.ShareDomain)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		wrong func(*vault.Config)
	}{
		{"no store", func(c *vault.Config) { c.Store = nil }},
		{"no keyring", func(c *vault.Config) { c.Keys = nil }},
		{"empty keyring", func(c *vault.Config) { c.Keys = &vault.Keyring{} }},
		{"negative MaxSecret", func(c *vault.Config) { c.MaxSecret = -1 }},
		{"large MaxSecret", func(c *vault.Config) { c.MaxSecret = vault.MostMaxSecret + 1 }},
		{"negative MinPassphrase", func(c *vault.Config) { c.MinPassphrase = -1 }},
		{"MinPassphrase that none has", func(c *vault.Config) { c.MinPassphrase = 1025 }},
		{"long share domain", func(c *vault.Config) { c.ShareDomains = []string{strings.Repeat("x", 70_000)} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := memory(t)
			config := vault.Config{Store: store, Keys: vault.NewKeyring()}
			test.wrong(&config)
			if _, err := vault.New(t.Context(), config); err == nil {
				t.Error("accepted")
			}
			if used, err := store.ServerKeys(t.Context()); err != nil || len(used) != 0 {
				t.Errorf("the store was changed: %v, %v", used, err)
			}
		})
	}
	t.Run("largest MaxSecret is accepted", func(t *testing.T) {
		f := newVault(t, func(c *vault.Config) { c.MaxSecret = vault.MostMaxSecret })
		value := onetime.Sensitive(strings.Repeat("x", vault.MostMaxSecret))
		shared := f.share(t, nobody, onetime.ShareRequest{Secret: value})
		secret, err := f.reveal(nobody, shared.SecretKey, "")
		must(t, err)
		if secret.Value != value {
			t.Error("the value came back changed")
		}
	})
}

// TestConfigIsCopied holds that a slice that its owner goes on to use changes no rule.
func TestConfigIsCopied(t *testing.T) {
	domains := []string{"a.example"}
	f := newVault(t, func(c *vault.Config) { c.ShareDomains = domains })
	domains[0] = "b.example"
	if _, err := f.Share(t.Context(), nobody, onetime.ShareRequest{Secret: "s", ShareDomain: "b.example"}); err == nil {
		t.Error("a domain was added from outside")
	}
}
