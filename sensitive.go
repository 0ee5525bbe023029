package onetime

import (
	"fmt"
	"io"
	"log/slog"
)

// Sensitive is text that must not be shown by accident: a secret, a passphrase, a key or a token. It prints, logs
// and marshals as "[redacted]", whatever the verb or the handler. Two things it cannot do: as the key of a map it is written to
// JSON as it is, and a struct that has it in an unexported field, printed with %v or logged as text, shows it, for fmt looks
// into such fields without asking. Keep it in exported fields, or behind a function. Expose gives the text.
//
// Constants and string literals convert by themselves; a string variable is converted with Sensitive(s).
type Sensitive string

const redacted = "[redacted]"

// Expose returns the text itself.
func (s Sensitive) Expose() string { return string(s) }

// String returns "[redacted]", or nothing for the empty text.
func (s Sensitive) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format writes what String returns, for every verb.
func (s Sensitive) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns what String returns, so that JSON and the like hold no secret by accident.
func (s Sensitive) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns what String returns.
func (s Sensitive) LogValue() slog.Value { return slog.StringValue(s.String()) }
