package vault_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

const vectorsFile = "testdata/vectors.json"

// hexBytes are written as hexadecimal digits.
type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// vectors show the format by example, so that another program can be tested for reading it.
type vectors struct {
	ServerKey   hexBytes   `json:"server_key"`
	ServerKeyID hexBytes   `json:"server_key_id"`
	IDs         []idVector `json:"ids"`
	Seals       []vector   `json:"seals"`
}

type idVector struct {
	Label string   `json:"label"`
	Key   string   `json:"key"`
	ID    hexBytes `json:"id"`
}

type vector struct {
	Name            string   `json:"name"`
	Kind            string   `json:"kind"`
	InputKey        hexBytes `json:"input_key"`
	Associated      hexBytes `json:"associated"`
	Sealed          hexBytes `json:"sealed"`
	Plaintext       hexBytes `json:"plaintext,omitempty"` // for a value, without its padding
	Passphrase      string   `json:"passphrase,omitempty"`
	InnerAssociated hexBytes `json:"inner_associated,omitempty"`
	Fields          []string `json:"fields"` // what is in it; for a value, the secret and the share domain
}

// capturing remembers what is stored.
type capturing struct {
	vault.Store
	secrets  []vault.SecretRecord
	receipts []vault.ReceiptRecord
	entries  []vault.RecentRecord
	accounts []vault.AccountRecord
}

func (c *capturing) Create(ctx context.Context, s vault.SecretRecord, r vault.ReceiptRecord, e *vault.RecentRecord, q vault.Quota) error {
	c.secrets, c.receipts = append(c.secrets, s), append(c.receipts, r)
	if e != nil {
		c.entries = append(c.entries, *e)
	}
	return c.Store.Create(ctx, s, r, e, q)
}

func (c *capturing) CreateAccount(ctx context.Context, a vault.AccountRecord) error {
	c.accounts = append(c.accounts, a)
	return c.Store.CreateAccount(ctx, a)
}

func shareOf(secret onetime.Sensitive) onetime.ShareRequest {
	return onetime.ShareRequest{Secret: secret, TTL: time.Hour}
}

// makeVectors has a vault with a fixed key, time and randomness seal one of each.
func makeVectors(t *testing.T) vectors {
	t.Helper()
	store := &capturing{Store: memory(t)}
	now := &clock{now: start}
	f := &fixture{Vault: mustNew(t, vault.Config{
		Store: store, Keys: markedKeyring(t), ShareDomains: []string{"secrets.example.com"}, Clock: now.Now,
		Random: rand.NewChaCha8([32]byte([]byte("deterministic, for vectors only!"))),
	})}
	ada, token := f.account(t, "ada@example.com")
	plain := f.share(t, nobody, shareOf("a secret, ünprotected"))
	ask := shareOf("a secret with all that one can have")
	ask.Passphrase, ask.Recipients, ask.ShareDomain = "open, sesame ☃", []string{"foo@example.com", "bob@example.org"}, "secrets.example.com"
	full := f.share(t, ada, ask)

	v := vectors{ServerKey: oneKey, ServerKeyID: docServerKeyID(oneKey)}
	a := store.accounts[0]
	v.IDs = append(v.IDs,
		idVector{docTokenID, token.Expose(), a.TokenID[:]},
		idVector{docEmailID, a.Email, docHash(docEmailID, a.Email)})
	accountKey := v.seal(t, vector{Name: "account key", Kind: docAccountKey, InputKey: hexBytes(token),
		Associated: docAssociated(docAccountKey, columnsOfAccount(a)), Sealed: a.Sealed})
	for i, shared := range []onetime.Receipt{plain, full} {
		name := []string{"plain", "full"}[i]
		s, r := store.secrets[i], store.receipts[i]
		v.IDs = append(v.IDs,
			idVector{docSecretID, shared.SecretKey.Expose(), s.ID[:]},
			idVector{docReceiptID, shared.Key.Expose(), r.ID[:]})
		value := vector{Name: name + " value", Kind: docValue, InputKey: hexBytes(shared.SecretKey),
			Associated: docAssociated(docValue, columnsOfSecret(s)), Sealed: s.Sealed}
		if s.HasPassphrase {
			value.Passphrase, value.InnerAssociated = ask.Passphrase.Expose(), docAssociated(docPassphrase, columnsOfSecret(s))
		}
		v.seal(t, value)
		v.seal(t, vector{Name: name + " receipt", Kind: docReceipt, InputKey: hexBytes(shared.Key),
			Associated: docAssociated(docReceipt, columnsOfReceipt(r)), Sealed: r.Sealed})
	}
	v.seal(t, vector{Name: "recent entry", Kind: docRecent, InputKey: accountKey,
		Associated: docAssociated(docRecent, columnsOfReceipt(store.receipts[1])), Sealed: store.entries[0].Sealed})
	return v
}

// seal adds a vector with what its seal holds, which it returns.
func (v *vectors) seal(t *testing.T, x vector) []byte {
	t.Helper()
	x.Plaintext, x.Fields = x.open(t, v.ServerKey)
	v.Seals = append(v.Seals, x)
	return x.Plaintext
}

// open opens a vector by the documented format.
func (x vector) open(t *testing.T, serverKey []byte) (plaintext []byte, fields []string) {
	t.Helper()
	plaintext, err := docOpen(x.Kind, serverKey, x.InputKey, x.Associated, x.Sealed)
	if err != nil {
		t.Fatalf("%s: %v", x.Name, err)
	}
	switch x.Kind {
	case docValue:
		body, shareDomain, err := docSplitValue(plaintext)
		must(t, err)
		plaintext = plaintext[:6+len(body)+len(shareDomain)]
		if x.InnerAssociated != nil {
			if body, err = docOpenInner(x.Passphrase, x.InnerAssociated, body); err != nil {
				t.Fatalf("%s, inner layer: %v", x.Name, err)
			}
		}
		return plaintext, []string{string(body), shareDomain}
	case docReceipt:
		return plaintext, docFields(plaintext)
	case docAccountKey:
		return plaintext, []string{hex.EncodeToString(plaintext)}
	}
	return plaintext, []string{string(plaintext)}
}

// TestVectors holds that the vault makes what was committed, to the byte, and that the documented format opens it.
func TestVectors(t *testing.T) {
	made := makeVectors(t)
	if *update {
		text, err := json.MarshalIndent(made, "", "  ")
		must(t, err)
		must(t, os.WriteFile(vectorsFile, append(text, '\n'), 0o644))
	}
	text, err := os.ReadFile(vectorsFile)
	must(t, err)
	var want vectors
	must(t, json.Unmarshal(text, &want))
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("what is sealed has changed: a new format needs a new version (-committed +now):\n%s", diff)
	}

	if !bytes.Equal(want.ServerKeyID, docServerKeyID(want.ServerKey)) {
		t.Error("the id of the server key is not the documented one")
	}
	for _, id := range want.IDs {
		got := docHash(id.Label, id.Key)
		if id.Label == docSecretID || id.Label == docReceiptID {
			got = docID(id.Label, id.Key)
		}
		if !bytes.Equal(got, id.ID) {
			t.Errorf("%s of %q is %x", id.Label, id.Key, got)
		}
	}
	contents := map[string][]string{}
	for _, x := range want.Seals {
		plaintext, fields := x.open(t, want.ServerKey)
		if !bytes.Equal(plaintext, x.Plaintext) || !cmp.Equal(fields, x.Fields) {
			t.Errorf("%s holds %q", x.Name, fields)
		}
		contents[x.Name] = fields
	}
	keys := want.IDs[2:] // secret, receipt, secret, receipt
	if diff := cmp.Diff(map[string][]string{
		"account key":   contents["account key"],
		"plain value":   {"a secret, ünprotected", ""},
		"plain receipt": {keys[0].Key, "anon", ""},
		"full value":    {"a secret with all that one can have", "secrets.example.com"},
		"full receipt":  {keys[2].Key, "ada@example.com", "secrets.example.com", "fo*****@e*****.com", "bo*****@e*****.org"},
		"recent entry":  {keys[3].Key},
	}, contents); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

// TestSealedLengthsHideLengths is about values; what a receipt holds is not padded.
func TestSealedLengthsHideLengths(t *testing.T) {
	store := &capturing{Store: memory(t)}
	f := &fixture{Vault: mustNew(t, vault.Config{Store: store, Keys: vault.NewKeyring()})}
	lengths := map[int]bool{}
	for length := 1; length <= 450; length += 7 {
		f.share(t, nobody, shareOf(onetime.Sensitive(bytes.Repeat([]byte("x"), length))))
		lengths[len(store.secrets[len(store.secrets)-1].Sealed)] = true
	}
	if len(lengths) != 1 || !lengths[vault.SealedBlock] {
		t.Errorf("lengths %v", lengths)
	}
	for _, test := range []struct{ length, blocks int }{{466, 1}, {467, 2}, {978, 2}, {979, 3}, {10_000, 20}} {
		f.share(t, nobody, shareOf(onetime.Sensitive(bytes.Repeat([]byte("x"), test.length))))
		if got := len(store.secrets[len(store.secrets)-1].Sealed); got != test.blocks*vault.SealedBlock {
			t.Errorf("%d bytes: sealed length %d, want %d blocks", test.length, got, test.blocks)
		}
	}
}
