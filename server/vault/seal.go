package vault

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"

	"github.com/onetime-go/onetime"
)

// formatVersion is the version of everything sealed. The package comment describes it.
const formatVersion = 1

// The kinds of what is sealed: the info of HKDF, and part of the associated data.
const (
	kindValue      = "onetime/v1 value"
	kindPassphrase = "onetime/v1 passphrase"
	kindReceipt    = "onetime/v1 receipt"
	kindRecent     = "onetime/v1 recent"
	kindAccountKey = "onetime/v1 account key"
)

// ErrDamaged is returned when a record does not open: it was altered, or the server key is wrong. It is never returned
// for a wrong passphrase.
var ErrDamaged = errors.New("vault: a record is damaged, or the server key is not the one that sealed it")

// errWrongPassphrase is a second layer that does not open.
var errWrongPassphrase = errors.New("vault: wrong passphrase")

// facts are the plain columns that a seal vouches for.
type facts struct {
	keyID         KeyID
	id, other     ID
	created       time.Time
	expires       time.Time
	hasPassphrase bool
	account       AccountID
}

func factsOfSecret(r SecretRecord) facts {
	return facts{r.KeyID, r.ID, r.ReceiptID, r.Created, r.Expires, r.HasPassphrase, r.Account}
}

// factsOfReceipt needs no SecretExpires: it is half-way between Created and Expires.
func factsOfReceipt(r ReceiptRecord) facts {
	return facts{r.KeyID, r.ID, r.SecretID, r.Created, r.Expires, r.HasPassphrase, r.Account}
}

func factsOfRecent(r ReceiptRecord) facts { return factsOfReceipt(r) }

func factsOfAccount(r AccountRecord) facts {
	return facts{keyID: r.KeyID, id: emailID(r.Email), created: r.Created, account: r.ID}
}

// associated encodes facts without ambiguity: every part has a fixed length, or its length before it.
func (f facts) associated(kind string) []byte {
	b := make([]byte, 0, 160)
	b = append(b, formatVersion, byte(len(kind)))
	b = append(b, kind...)
	b = append(b, f.keyID[:]...)
	b = append(b, f.id[:]...)
	b = append(b, f.other[:]...)
	b = binary.BigEndian.AppendUint64(b, millis(f.created))
	b = binary.BigEndian.AppendUint64(b, millis(f.expires))
	if f.hasPassphrase {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return append(b, f.account[:]...)
}

// millis returns 0 for no time.
func millis(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixMilli())
}

// aead derives the key for one kind of seal from a bearer key and a server key.
func (v *Vault) aead(kind string, bearer []byte, id KeyID) (cipher.AEAD, error) {
	server, err := v.keys.Load().find(id)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, bearer, server.key(), kind, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("vault: derive a key: %w", err)
	}
	defer clear(key) // the cipher has a copy
	return chacha20poly1305.NewX(key)
}

// sealTo appends a random nonce and the sealed plaintext to dst.
func sealTo(dst []byte, random io.Reader, aead cipher.AEAD, plaintext, associated []byte) ([]byte, error) {
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("vault: draw a nonce: %w", err)
	}
	return aead.Seal(append(dst, nonce...), nonce, plaintext, associated), nil
}

// open returns the plaintext, or false.
func open(aead cipher.AEAD, sealed, associated []byte) ([]byte, bool) {
	if len(sealed) < aead.NonceSize() {
		return nil, false
	}
	nonce, ciphertext := sealed[:aead.NonceSize()], sealed[aead.NonceSize():]
	plaintext, err := aead.Open(nil, nonce, ciphertext, associated)
	return plaintext, err == nil
}

// seal seals under a bearer key and the server key that the facts name.
func (v *Vault) seal(kind string, bearer []byte, f facts, plaintext []byte) ([]byte, error) {
	aead, err := v.aead(kind, bearer, f.keyID)
	if err != nil {
		return nil, err
	}
	return sealTo(nil, v.random, aead, plaintext, f.associated(kind))
}

// unseal is the reverse of seal. It fails with ErrDamaged.
func (v *Vault) unseal(kind string, bearer []byte, f facts, sealed []byte) ([]byte, error) {
	aead, err := v.aead(kind, bearer, f.keyID)
	if err != nil {
		return nil, err
	}
	plaintext, ok := open(aead, sealed, f.associated(kind))
	if !ok {
		return nil, ErrDamaged
	}
	return plaintext, nil
}

const (
	valueHeader = 4 + 2 // the lengths of body and share domain
	overhead    = chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
)

// sealValue seals a secret's body and its share domain, padded so that it does not show how long they are.
func (v *Vault) sealValue(key onetime.Sensitive, f facts, body []byte, shareDomain string) ([]byte, error) {
	length := overhead + valueHeader + len(body) + len(shareDomain)
	blocks := (length + SealedBlock - 1) / SealedBlock
	plaintext := make([]byte, 0, blocks*SealedBlock-overhead)
	plaintext = binary.BigEndian.AppendUint32(plaintext, uint32(len(body)))
	plaintext = binary.BigEndian.AppendUint16(plaintext, uint16(len(shareDomain)))
	plaintext = append(plaintext, body...)
	plaintext = append(plaintext, shareDomain...)
	defer clear(plaintext)
	return v.seal(kindValue, []byte(key), f, plaintext[:cap(plaintext)])
}

func (v *Vault) unsealValue(key onetime.Sensitive, r SecretRecord) (body []byte, shareDomain string, err error) {
	plaintext, err := v.unseal(kindValue, []byte(key), factsOfSecret(r), r.Sealed)
	if err != nil {
		return nil, "", err
	}
	s := cryptobyte.String(plaintext)
	var bodyLength uint32
	var domainLength uint16
	var domain []byte
	if !s.ReadUint32(&bodyLength) || !s.ReadUint16(&domainLength) || uint64(bodyLength) > uint64(len(s)) ||
		!s.ReadBytes(&body, int(bodyLength)) || !s.ReadBytes(&domain, int(domainLength)) {
		return nil, "", ErrDamaged
	}
	return body, string(domain), nil
}

// passphraseAEAD runs Argon2id.
func (v *Vault) passphraseAEAD(passphrase onetime.Sensitive, header []byte) (cipher.AEAD, error) {
	key := v.argon.key(passphrase, header)
	defer clear(key) // the cipher has a copy
	return chacha20poly1305.NewX(key)
}

// lock adds the second layer, for which it runs Argon2id.
func (v *Vault) lock(passphrase onetime.Sensitive, f facts, value []byte) ([]byte, error) {
	header := make([]byte, saltSize, lockHeader)
	if _, err := io.ReadFull(v.random, header); err != nil {
		return nil, fmt.Errorf("vault: draw a salt: %w", err)
	}
	header = binary.BigEndian.AppendUint32(header, argonTime)
	header = binary.BigEndian.AppendUint32(header, argonMemory)
	header = append(header, argonThreads)
	aead, err := v.passphraseAEAD(passphrase, header)
	if err != nil {
		return nil, err
	}
	return sealTo(header, v.random, aead, value, f.associated(kindPassphrase))
}

// unlock opens the second layer, for which it runs Argon2id. It fails with errWrongPassphrase or ErrDamaged.
func (v *Vault) unlock(passphrase onetime.Sensitive, f facts, body []byte) ([]byte, error) {
	if len(body) < lockHeader || !saneArgon(body) {
		return nil, ErrDamaged
	}
	aead, err := v.passphraseAEAD(passphrase, body[:lockHeader])
	if err != nil {
		return nil, err
	}
	value, ok := open(aead, body[lockHeader:], f.associated(kindPassphrase))
	if !ok {
		return nil, errWrongPassphrase
	}
	return value, nil
}

// unlockNothing does the work of unlock for a secret that is not there, so that the two take the same time.
func (v *Vault) unlockNothing(passphrase onetime.Sensitive) {
	header := make([]byte, saltSize, lockHeader)
	_, _ = rand.Read(header) // it never fails
	header = binary.BigEndian.AppendUint32(header, argonTime)
	header = binary.BigEndian.AppendUint32(header, argonMemory)
	v.argon.key(passphrase, append(header, argonThreads))
}
