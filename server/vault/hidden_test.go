package vault

import (
	"fmt"
	"strings"
	"testing"
)

// TestNothingShowsWhatItKeeps holds that printing what a call keeps meanwhile shows no passphrase and no key.
func TestNothingShowsWhatItKeeps(t *testing.T) {
	const hidden = "open sesame"
	for _, kept := range []any{
		terms{Passphrase: hidden},
		receiptContent{SecretKey: hidden},
		Account{key: hide([keySize]byte([]byte(strings.Repeat(hidden, 3))))},
	} {
		shown := fmt.Sprintf("%v %+v %#v %+v", kept, kept, kept, []any{kept})
		if strings.Contains(shown, hidden) {
			t.Errorf("it shows: %s", shown)
		}
	}
}
