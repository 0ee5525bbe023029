package onetime_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
)

var reasons = map[string]error{
	"ErrNotFound":     onetime.ErrNotFound,
	"ErrUnauthorized": onetime.ErrUnauthorized,
	"ErrForbidden":    onetime.ErrForbidden,
	"ErrInvalid":      onetime.ErrInvalid,
	"ErrRule":         onetime.ErrRule,
	"ErrRateLimited":  onetime.ErrRateLimited,
}

// TestReasonsDiffer holds that a broken rule is an invalid request too, and that no other reason is another.
func TestReasonsDiffer(t *testing.T) {
	for name, reason := range reasons {
		for other, target := range reasons {
			want := name == other || name == "ErrRule" && other == "ErrInvalid"
			if got := errors.Is(reason, target); got != want {
				t.Errorf("errors.Is(%s, %s) is %v", name, other, got)
			}
		}
	}
}

func TestRefusal(t *testing.T) {
	for name, reason := range reasons {
		bare := &onetime.Refusal{Reason: reason}
		if bare.Error() != reason.Error() {
			t.Errorf("%s: a Refusal without a message says %q", name, bare.Error())
		}
		full := &onetime.Refusal{Reason: reason, Rule: "R", Message: "do better", Field: "f", RetryAfter: time.Second}
		if full.Error() != "do better" {
			t.Errorf("%s: a Refusal with a message says %q", name, full.Error())
		}
		wrapped := fmt.Errorf("wrapped: %w", full)
		if !errors.Is(wrapped, reason) {
			t.Errorf("%s: a Refusal is not its reason", name)
		}
		var got *onetime.Refusal
		if !errors.As(wrapped, &got) || got != full {
			t.Errorf("%s: errors.As finds %v", name, got)
		}
	}
}
