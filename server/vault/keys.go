package vault

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/onetime-go/onetime"
)

const (
	base36 = "0123456789abcdefghijklmnopqrstuvwxyz"

	keyLength   = 31 // clients in use refuse any other
	tagLength   = 2
	tokenLength = 40

	// legible has no characters that are mistaken for each other.
	legible         = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	generatedLength = 24
)

// newKeys draws a secret's key and its receipt's.
func newKeys(random io.Reader) (secret, receipt onetime.Sensitive, err error) {
	secret, err = randomText(random, base36, keyLength)
	if err != nil {
		return "", "", err
	}
	rest, err := randomText(random, base36, keyLength-tagLength)
	if err != nil {
		return "", "", err
	}
	return secret, secret[:tagLength] + rest, nil
}

// isKey tells whether a text can be a key of this vault. Any other is an unknown key.
func isKey(key onetime.Sensitive) bool {
	return len(key) == keyLength && strings.Trim(key.Expose(), base36) == ""
}

// shortKey is the part of a secret's key that tells people which secret is meant.
func shortKey(key onetime.Sensitive) onetime.Sensitive { return key[:8] }

// randomText draws each character with equal probability.
func randomText(random io.Reader, alphabet string, length int) (onetime.Sensitive, error) {
	fair := 256 - 256%len(alphabet) // bytes from here on would favour the first characters
	text := make([]byte, 0, length)
	buffer := make([]byte, length)
	for {
		if _, err := io.ReadFull(random, buffer); err != nil {
			return "", fmt.Errorf("vault: draw random bytes: %w", err)
		}
		for _, b := range buffer {
			if int(b) >= fair {
				continue
			}
			if text = append(text, alphabet[int(b)%len(alphabet)]); len(text) == length {
				return onetime.Sensitive(text), nil
			}
		}
	}
}

func secretID(key onetime.Sensitive) ID  { return idOf("onetime/v1 secret id", key) }
func receiptID(key onetime.Sensitive) ID { return idOf("onetime/v1 receipt id", key) }

func idOf(kind string, key onetime.Sensitive) ID {
	var id ID
	copy(id[:], key[:tagLength])
	sum := hash(kind, key)
	copy(id[tagLength:], sum[:])
	return id
}

func hash(kind string, key onetime.Sensitive) [sha256.Size]byte {
	return sha256.Sum256([]byte(kind + "\x00" + key.Expose()))
}
