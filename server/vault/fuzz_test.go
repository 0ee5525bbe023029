package vault

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
)

func FuzzIsKey(f *testing.F) {
	f.Add("abcdefghijklmnopqrstuvwxyz01234")
	f.Add("")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, text string) {
		want := len(text) == 31
		for _, b := range []byte(text) {
			want = want && (b >= '0' && b <= '9' || b >= 'a' && b <= 'z')
		}
		if isKey(onetime.Sensitive(text)) != want {
			t.Errorf("%q: want %t", text, want)
		}
	})
}

func FuzzObscure(f *testing.F) {
	for _, text := range []string{"foo@example.com", "a@[127.0.0.1]", `"a@b"@c`, "ü@ü", "@"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !isAddress(text) {
			return
		}
		local, _, _ := strings.Cut(text, "@")
		if hidden := obscure(text); len(local) > 8 && strings.Contains(hidden, local) {
			t.Errorf("%q became %q", text, hidden)
		}
	})
}

// FuzzKeyring holds that a keyring that is read is a good one, and that errors hold nothing of it.
func FuzzKeyring(f *testing.F) {
	good := `{"version":1,"keys":[{"id":"` + idOfKey([keySize]byte{}).String() + `","key":"` +
		strings.Repeat("A", 43) + `=","created":"2026-03-04T05:06:07Z","active":true}]}`
	for _, text := range []string{good, strings.Replace(good, "1", "2", 1), good + good, "", "{}", "null", "[]", `{"version":1}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeyring(data)
		if err != nil {
			if len(err.Error()) > 80 {
				t.Errorf("a long error: %v", err)
			}
			return
		}
		active := 0
		for _, key := range keys.keys {
			if key.active {
				active++
			}
			if found, err := keys.find(key.id); err != nil || !bytes.Equal(found.key(), key.key()) {
				t.Errorf("find: %v", err)
			}
		}
		if active != 1 || !keys.active().active {
			t.Errorf("%d active keys", active)
		}
	})
}

// FuzzUnseal takes bytes for what is sealed, and for what was in it.
func FuzzUnseal(f *testing.F) {
	const key = "abcdefghijklmnopqrstuvwxyz01234"
	keys := NewKeyring()
	v := &Vault{random: rand.Reader}
	v.keys.Store(keys) // which is all that seals need
	now := time.Unix(1_700_000_000, 0)
	secret := SecretRecord{ID: secretID(key), KeyID: keys.active().id, Created: now, Expires: now.Add(time.Hour)}
	receipt := ReceiptRecord{ID: receiptID(key), KeyID: keys.active().id, Created: now, SecretExpires: now.Add(time.Hour), Expires: now.Add(2 * time.Hour)}
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 1, 0, 1, 'a', 'b'})
	f.Add([]byte{255, 255, 255, 255, 255, 255, 0})
	f.Add([]byte("\x00\x1f" + key + "\x00\x04anon\x00\x00\x00\x02ab"))
	f.Add(make([]byte, lockHeader+overhead))
	f.Fuzz(func(t *testing.T, data []byte) {
		wantDamaged := func(err error) {
			t.Helper()
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("opened with %v", err)
			}
		}
		secret, receipt := secret, receipt
		secret.Sealed, receipt.Sealed = data, data
		_, _, err := v.unsealValue(key, secret)
		wantDamaged(err)
		_, err = v.unsealReceipt(key, receipt)
		wantDamaged(err)

		if secret.Sealed, err = v.seal(kindValue, []byte(key), factsOfSecret(secret), data); err != nil {
			t.Fatal(err)
		}
		if _, _, err := v.unsealValue(key, secret); err != nil {
			wantDamaged(err)
		}
		if receipt.Sealed, err = v.seal(kindReceipt, []byte(key), factsOfReceipt(receipt), data); err != nil {
			t.Fatal(err)
		}
		if _, err := v.unsealReceipt(key, receipt); err != nil {
			wantDamaged(err)
		}
		if len(data) >= lockHeader && saneArgon(data) {
			return // it takes long
		}
		_, err = v.unlock("passphrase", factsOfSecret(secret), data)
		wantDamaged(err)
	})
}
