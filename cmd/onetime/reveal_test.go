package main

import "testing"

// TestLegible holds that a terminal obeys nothing of a secret.
func TestLegible(t *testing.T) {
	for text, want := range map[string]string{
		"two\nlines\tand é":     "two\nlines\tand é",
		"\x1b]0;title\a\x1b[2J": `\x1b]0;title\x07\x1b[2J`,
		"\r\b\x7f\u009b1m":      `\x0d\x08\x7f\x9b1m`,
	} {
		if got := legible(text); got != want {
			t.Errorf("legible(%q) = %q, want %q", text, got, want)
		}
	}
}
