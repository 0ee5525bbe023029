package vault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func TestAuthenticate(t *testing.T) {
	f := newVault(t)
	token, err := f.AddAccount(t.Context(), " Ada@Example.com ")
	must(t, err)
	if len(token) != 40 {
		t.Errorf("the token has %d characters", len(token))
	}
	_, other := f.account(t, "bob@example.com")
	for _, test := range []struct {
		name  string
		email string
		token onetime.Sensitive
		ok    bool
	}{
		{"right", "ada@example.com", token, true},
		{"other case", "ADA@eXample.com", token, true},
		{"spaces around", " ada@example.com\t", token, true},
		{"token of another", "ada@example.com", other, false},
		{"token in upper case", "ada@example.com", onetime.Sensitive(strings.ToUpper(token.Expose())), false},
		{"start of the token", "ada@example.com", token[:39], false},
		{"no token", "ada@example.com", "", false},
		{"unknown e-mail", "eve@example.com", token, false},
		{"no e-mail", "", token, false},
		{"nothing", "", "", false},
		{"not UTF-8", "\xff", "\xff", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			account, err := f.Authenticate(t.Context(), test.email, test.token.Expose())
			if test.ok {
				must(t, err)
				if account.Custid() != "ada@example.com" {
					t.Errorf("custid %q", account.Custid())
				}
				return
			}
			if !errors.Is(err, onetime.ErrUnauthorized) || account != nil {
				t.Errorf("account %v, error %v", account, err)
			}
		})
	}
}

func TestAddAccount(t *testing.T) {
	f := newVault(t)
	_, err := f.AddAccount(t.Context(), "ada@example.com")
	must(t, err)
	for _, email := range []string{"ada@example.com", "ADA@example.COM", " ada@example.com"} {
		if _, err := f.AddAccount(t.Context(), email); !errors.Is(err, vault.ErrExists) {
			t.Errorf("%q: %v", email, err)
		}
	}
	for name, email := range map[string]string{
		"empty":     "",
		"no domain": "ada",
		"a name":    "Ada <ada@example.com>",
		"two":       "a@example.com,b@example.com",
		"too long":  strings.Repeat("a", 250) + "@example.com",
		"a break":   "a@example.com\nb",
	} {
		if _, err := f.AddAccount(t.Context(), email); err == nil || errors.Is(err, vault.ErrExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecent(t *testing.T) {
	f := newVault(t)
	ada, _ := f.account(t, "ada@example.com")
	bob, _ := f.account(t, "bob@example.com")
	var want []onetime.Receipt
	for i := range 103 {
		f.clock.add(time.Second)
		receipt := f.share(t, ada, onetime.ShareRequest{TTL: time.Duration(i+1) * time.Hour})
		receipt.SecretKey = ""
		want = append(want, receipt)
	}
	f.share(t, nobody, onetime.ShareRequest{})
	bobs := f.share(t, bob, onetime.ShareRequest{})
	slices.Reverse(want)
	want = want[:100]
	for i := range want {
		age := f.clock.Now().Sub(want[i].Created)
		want[i].SecretTTL -= age
		want[i].ReceiptTTL -= age
	}
	got, err := f.Recent(t.Context(), ada)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recent (-want +got):\n%s", diff)
	}
	if got, err := f.Recent(t.Context(), bob); err != nil || len(got) != 1 || got[0].Key != bobs.Key {
		t.Errorf("recent of another: %d entries, %v", len(got), err)
	}
	if _, err := f.Recent(t.Context(), nobody); !errors.Is(err, onetime.ErrUnauthorized) {
		t.Errorf("recent of nobody: %v", err)
	}

	f.clock.add(10 * time.Hour) // two of them are past twice their lifetime, and not swept yet
	got, err = f.Recent(t.Context(), ada)
	must(t, err)
	if len(got) != 98 {
		t.Errorf("%d entries when two have expired", len(got))
	}
}

func TestRecentIsEmpty(t *testing.T) {
	f := newVault(t)
	ada, _ := f.account(t, "ada@example.com")
	got, err := f.Recent(t.Context(), ada)
	must(t, err)
	if len(got) != 0 {
		t.Errorf("%d entries", len(got))
	}
}

// TestRecentTellsWhatBecame holds that a list is as fresh as its receipts.
func TestRecentTellsWhatBecame(t *testing.T) {
	f := newVault(t)
	ada, _ := f.account(t, "ada@example.com")
	read := f.share(t, ada, onetime.ShareRequest{})
	burned := f.share(t, ada, onetime.ShareRequest{})
	_, err := f.reveal(nobody, read.SecretKey, "")
	must(t, err)
	_, err = f.burn(nobody, burned.Key, "")
	must(t, err)
	got, err := f.Recent(t.Context(), ada)
	must(t, err)
	if len(got) != 2 || got[0].State != onetime.StateBurned || got[1].State != onetime.StateReceived || got[1].Received != start {
		t.Errorf("%+v", got)
	}
}

// stranger is an account that is none of the vault's.
type stranger struct{}

func (stranger) Custid() string { return "eve@example.com" }

func TestForeignAccounts(t *testing.T) {
	f := newVault(t)
	for name, account := range map[string]onetime.Account{
		"of another service": stranger{},
		"nil":                (*vault.Account)(nil),
		"zero":               &vault.Account{},
	} {
		t.Run(name, func(t *testing.T) {
			caller := onetime.Caller{Account: account}
			_, err := f.Share(t.Context(), caller, onetime.ShareRequest{Secret: "s"})
			if !errors.Is(err, onetime.ErrUnauthorized) {
				t.Errorf("share: %v", err)
			}
			if _, err := f.Generate(t.Context(), caller, onetime.GenerateRequest{}); !errors.Is(err, onetime.ErrUnauthorized) {
				t.Errorf("generate: %v", err)
			}
			if _, err := f.Recent(t.Context(), caller); !errors.Is(err, onetime.ErrUnauthorized) {
				t.Errorf("recent: %v", err)
			}
		})
	}
}

// markedKeys gives the marker where 32 bytes are drawn, which is what an account's key has.
type markedKeys struct{ io.Reader }

func (m markedKeys) Read(p []byte) (int, error) {
	if len(p) == len(oneKey) {
		return copy(p, oneKey), nil
	}
	return m.Reader.Read(p)
}

// prints writes a value in every way that a log or an error might.
func prints(t *testing.T, value any) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "% X", "%p", "%t"} {
		fmt.Fprintf(&b, verb+"\n", value)
		fmt.Fprintf(&b, verb+"\n", struct{ hidden any }{value})
		fmt.Fprintf(&b, verb+"\n", []any{value})
	}
	text, err := json.Marshal(value)
	must(t, err)
	b.Write(text)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "value", value)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "value", value)
	return b.String()
}

// TestNothingPrintsAKey knows a key by its bytes as fmt would write them.
func TestNothingPrintsAKey(t *testing.T) {
	f := newVault(t, func(c *vault.Config) { c.Random, c.Keys = markedKeys{rand.NewChaCha8([32]byte{})}, markedKeyring(t) })
	ada, token := f.account(t, "ada@example.com")
	account, ok := ada.Account.(*vault.Account)
	if !ok {
		t.Fatalf("account is a %T", ada.Account)
	}
	for name, value := range map[string]any{
		"account": account, "account by value": *account, "caller": ada, "keyring": f.config.Keys,
		"keyring by value": *f.config.Keys, "vault": mustNew(t, vault.Config{Store: f.store, Keys: f.config.Keys}),
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ToLower(prints(t, value))
			for _, trace := range []string{"167 201 227", "a7c9e3", "a7 c9 e3", "0xa7, 0xc9", "167,201,227", "p8njt", token.Expose()} {
				if strings.Contains(text, trace) {
					t.Errorf("a key was printed (as %s)", trace)
				}
			}
		})
	}
}
