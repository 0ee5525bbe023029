package onetime

import (
	"errors"
	"fmt"
	"time"
)

// The reasons for which a request is refused. The client package returns errors that match them, and a Service
// returns them to say how a call is to be answered. Test with errors.Is.
var (
	// ErrNotFound is an unknown key, a secret that is gone, or a reveal with a wrong or missing passphrase: they
	// are not to be told apart.
	ErrNotFound = errors.New("unknown secret")
	// ErrUnauthorized is missing or wrong credentials.
	ErrUnauthorized = errors.New("not authorized")
	// ErrForbidden is something that this caller may not do.
	ErrForbidden = errors.New("not allowed")
	// ErrInvalid is a request that the server cannot take as it stands.
	ErrInvalid = errors.New("invalid request")
	// ErrRule is a request that is well formed but breaks a rule of the server. It is an ErrInvalid too.
	ErrRule = fmt.Errorf("%w: it breaks a rule", ErrInvalid)
	// ErrRateLimited is one request too many. It can be sent again later.
	ErrRateLimited = errors.New("too many requests")
)

// A Refusal is one of the reasons above, with what a caller needs to do better. None of its texts may hold a
// secret, a passphrase or a key.
type Refusal struct {
	// Reason is one of the Err variables of this package.
	Reason error
	// Rule names the rule that was broken, in one word, such as "SecretTooLarge". It may be empty.
	Rule string
	// Message says what is wrong and what to do.
	Message string
	// Field is the field of the request that is at fault, empty if it is none in particular.
	Field string
	// RetryAfter is how long to wait before the next try, zero if that is unknown.
	RetryAfter time.Duration
}

// Error returns the message or, without one, what the reason says.
func (r *Refusal) Error() string {
	switch {
	case r == nil || r.Message == "" && r.Reason == nil:
		return "refused"
	case r.Message == "":
		return r.Reason.Error()
	}
	return r.Message
}

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error {
	if r == nil {
		return nil
	}
	return r.Reason
}
