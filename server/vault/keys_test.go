package vault

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
)

func TestNewKeys(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	seen := map[onetime.Sensitive]bool{}
	for range 1000 {
		secret, receipt, err := newKeys(random)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []onetime.Sensitive{secret, receipt} {
			if !isKey(key) || len(key) != 31 {
				t.Fatalf("%q is not a key", key.Expose())
			}
			if seen[key] {
				t.Fatal("a key came twice")
			}
			seen[key] = true
		}
		if secret[:2] != receipt[:2] || secret[2:] == receipt[2:] {
			t.Fatalf("%q and %q are not a pair", secret.Expose(), receipt.Expose())
		}
		if s, r := secretID(secret), receiptID(receipt); [2]byte(s[:2]) != [2]byte(r[:2]) || string(s[:2]) != secret[:2].Expose() {
			t.Fatal("the ids do not start with what the keys share")
		}
	}
}

// TestRandomTextIsFair counts characters, of which the chi-square is what it would be in all but one of a million runs.
func TestRandomTextIsFair(t *testing.T) {
	for name, test := range map[string]struct {
		alphabet string
		most     float64
	}{
		"base 36": {base36, 98},
		"legible": {legible, 128},
		"one":     {"x", 0},
		"two":     {"01", 24},
	} {
		t.Run(name, func(t *testing.T) {
			const draws = 360_000
			text, err := randomText(rand.NewChaCha8([32]byte{2}), test.alphabet, draws)
			if err != nil {
				t.Fatal(err)
			}
			if len(text) != draws {
				t.Fatalf("%d characters", len(text))
			}
			expected := float64(draws) / float64(len(test.alphabet))
			var sum float64
			for _, c := range test.alphabet {
				off := float64(strings.Count(text.Expose(), string(c))) - expected
				sum += off * off / expected
			}
			if sum > test.most {
				t.Errorf("chi-square %.1f, at most %.0f", sum, test.most)
			}
		})
	}
}

func TestRandomTextRejects(t *testing.T) {
	text, err := randomText(strings.NewReader("\xfc\xff\xfb\x00\x24\x01"), base36, 3)
	if err != nil || text != "z00" {
		t.Errorf("%q, %v: 252 and above favour the first characters", text.Expose(), err)
	}
}

func TestIsKey(t *testing.T) {
	for name, test := range map[string]struct {
		key  onetime.Sensitive
		want bool
	}{
		"letters and digits":  {"abcdefghijklmnopqrstuvwxyz01234", true},
		"digits":              {"0123456789012345678901234567890", true},
		"empty":               {"", false},
		"30":                  {"012345678901234567890123456789", false},
		"32":                  {"01234567890123456789012345678901", false},
		"upper case":          {"Abcdefghijklmnopqrstuvwxyz01234", false},
		"space at the end":    {"abcdefghijklmnopqrstuvwxyz0123 ", false},
		"slash in the middle": {"abcdefghijklmno/qrstuvwxyz01234", false},
		"NUL":                 {"abcdefghijklmno\x00qrstuvwxyz01234", false},
		"31 bytes, not ASCII": {"äbcdefghijklmnopqrstuvwxyz0123", false},
		"31 letters, not ASCII": {
			"äbcdefghijklmnopqrstuvwxyz01234", false},
		"not UTF-8": {"\xffbcdefghijklmnopqrstuvwxyz01234", false},
	} {
		if got := isKey(test.key); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestIDsAreApart(t *testing.T) {
	const key = "abcdefghijklmnopqrstuvwxyz01234"
	ids := map[string]bool{}
	secret, receipt, token, email := secretID(key), receiptID(key), tokenID(key), emailID(key)
	for _, id := range [][]byte{secret[tagLength:], receipt[tagLength:], token[:], email[tagLength:]} {
		ids[string(id)] = true
	}
	if len(ids) != 4 {
		t.Error("the same text has the same id in two uses")
	}
}

func TestObscure(t *testing.T) {
	for address, want := range map[string]string{
		"foo@example.com":        "fo*****@e*****.com",
		"fo@example.com":         "f*****@e*****.com",
		"f@example.com":          "f*****@e*****.com",
		"foo@mail.example.co.uk": "fo*****@m*****.uk",
		"foo@localhost":          "fo*****@l*****",
		"foo@[127.0.0.1]":        "fo*****@[*****.1]",
		"öäü@exämple.com":        "öä*****@e*****.com",
		"ü@ü.com":                "ü*****@ü*****.com",
		"foo.bar+baz@a.b":        "fo*****@a*****.b",
	} {
		if !isAddress(address) {
			t.Errorf("%s is not taken for an address", address)
		}
		if got := obscure(address); got != want {
			t.Errorf("%s became %s, not %s", address, got, want)
		}
	}
}

func TestNoAddress(t *testing.T) {
	for _, text := range []string{"", "@", "a@", "@b", "a", `"a b"@example.com`, `""@example.com`, `"a@b"@example.com`,
		"a@[]", "a@[x@y]", "a@b@c", "<a@example.com>", "A <a@example.com>", "a@example.com ", "g:a@example.com;",
		"a@b\r\n", "a@example.com (c)", "\xff@example.com", "a@\xff.com", strings.Repeat("a", 254) + "@b"} {
		if isAddress(text) {
			t.Errorf("%q is taken for an address", text)
		}
	}
}
