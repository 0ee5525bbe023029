package vault_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/onetime-go/onetime/server/vault"
)

// This file opens what is sealed by the words of the package comment alone. It shares no code with the vault, so that
// neither can leave the documented format without the other.

// Labels of the format.
const (
	docValue      = "onetime/v1 value"
	docPassphrase = "onetime/v1 passphrase"
	docReceipt    = "onetime/v1 receipt"
	docRecent     = "onetime/v1 recent"
	docAccountKey = "onetime/v1 account key"

	docSecretID  = "onetime/v1 secret id"
	docReceiptID = "onetime/v1 receipt id"
	docTokenID   = "onetime/v1 token id"
	docEmailID   = "onetime/v1 account e-mail"
)

func docHash(label, text string) []byte {
	sum := sha256.Sum256(append(append([]byte(label), 0), text...))
	return sum[:]
}

// docID is the id of a record.
func docID(label, key string) []byte { return append([]byte(key[:2]), docHash(label, key)...) }

func docServerKeyID(key []byte) []byte { return docHKDF(key, nil, "onetime/v1 server key id", 8) }

func docHKDF(secret, salt []byte, info string, length int) []byte {
	key, err := hkdf.Key(sha256.New, secret, salt, info, length)
	if err != nil {
		panic(err)
	}
	return key
}

// docColumns are what associated data is made of.
type docColumns struct {
	keyID, id, other, account []byte
	created, expires          int64 // Unix milliseconds
	flags                     byte
}

func docAssociated(kind string, c docColumns) []byte {
	b := []byte{1}
	b = append(b, byte(len(kind)))
	b = append(b, kind...)
	b = append(b, c.keyID...)
	b = append(b, c.id...)
	b = append(b, c.other...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.created))
	b = binary.BigEndian.AppendUint64(b, uint64(c.expires))
	b = append(b, c.flags)
	return append(b, c.account...)
}

func docOpenWith(key, associated, sealed []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < 24 {
		return nil, errors.New("short")
	}
	return aead.Open(nil, sealed[:24], sealed[24:], associated)
}

func docOpen(kind string, serverKey, bearer, associated, sealed []byte) ([]byte, error) {
	return docOpenWith(docHKDF(bearer, serverKey, kind, 32), associated, sealed)
}

// docOpenInner opens the layer of a passphrase.
func docOpenInner(passphrase string, associated, body []byte) ([]byte, error) {
	salt, iterations := body[:16], binary.BigEndian.Uint32(body[16:])
	memory, threads := binary.BigEndian.Uint32(body[20:]), body[24]
	key := argon2.IDKey([]byte(passphrase), salt, iterations, memory, threads, 32)
	return docOpenWith(key, associated, body[25:])
}

// docSplitValue takes the plaintext of a value apart, and refuses one whose padding is not zeros.
func docSplitValue(plaintext []byte) (body []byte, shareDomain string, err error) {
	length, domain := int(binary.BigEndian.Uint32(plaintext)), int(binary.BigEndian.Uint16(plaintext[4:]))
	rest := plaintext[6:]
	if len(bytes.Trim(rest[length+domain:], "\x00")) > 0 {
		return nil, "", errors.New("padding that is not zeros")
	}
	return rest[:length], string(rest[length : length+domain]), nil
}

// docFields are those of a receipt.
func docFields(plaintext []byte) []string {
	var fields []string
	for len(plaintext) > 0 {
		length := int(binary.BigEndian.Uint16(plaintext))
		fields = append(fields, string(plaintext[2:2+length]))
		plaintext = plaintext[2+length:]
	}
	return fields
}

func flagsOf(hasPassphrase bool) byte {
	if hasPassphrase {
		return 1
	}
	return 0
}

func columnsOfSecret(r vault.SecretRecord) docColumns {
	return docColumns{keyID: r.KeyID[:], id: r.ID[:], other: r.ReceiptID[:], account: r.Account[:],
		created: r.Created.UnixMilli(), expires: r.Expires.UnixMilli(), flags: flagsOf(r.HasPassphrase)}
}

func columnsOfReceipt(r vault.ReceiptRecord) docColumns {
	return docColumns{keyID: r.KeyID[:], id: r.ID[:], other: r.SecretID[:], account: r.Account[:],
		created: r.Created.UnixMilli(), expires: r.Expires.UnixMilli(), flags: flagsOf(r.HasPassphrase)}
}

func columnsOfAccount(r vault.AccountRecord) docColumns {
	return docColumns{keyID: r.KeyID[:], id: append(make([]byte, 2), docHash(docEmailID, r.Email)...),
		other: make([]byte, 34), account: r.ID[:], created: r.Created.UnixMilli()}
}

// TestDocumentedFormatNeedsAllItsKeys holds that each of the inputs counts.
func TestDocumentedFormatNeedsAllItsKeys(t *testing.T) {
	f := newVault(t, func(c *vault.Config) { c.Keys = markedKeyring(t) })
	capture := &capturing{Store: f.config.Store}
	f.config.Store = capture
	f.Vault = mustNew(t, f.config)
	shared := f.share(t, nobody, shareOf("the secret"))
	sealed := capture.secrets[0]
	key, columns := []byte(shared.SecretKey), columnsOfSecret(sealed)
	open := func(server, bearer []byte, c docColumns) error {
		_, err := docOpen(docValue, server, bearer, docAssociated(docValue, c), sealed.Sealed)
		return err
	}
	must(t, open(oneKey, key, columns))
	later := columns
	later.expires += time.Millisecond.Milliseconds()
	for name, err := range map[string]error{
		"another server key":     open(otherKey, key, columns),
		"the receipt's key":      open(oneKey, []byte(shared.Key), columns),
		"no bearer key":          open(oneKey, nil, columns),
		"no server key":          open(nil, key, columns),
		"another expiry":         open(oneKey, key, later),
		"the id as a bearer key": open(oneKey, sealed.ID[:], columns),
	} {
		if err == nil {
			t.Errorf("opens with %s", name)
		}
	}
}
