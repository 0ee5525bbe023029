package client

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/gen"
)

// An Error is a refusal by the server. errors.Is compares it with the Err variables of package onetime, by the status that
// the server meant. After a status of 500 and more the request may have been processed nevertheless: a proxy answers 502 or
// 504 when it has lost the server, or waits no longer.
//
// Proxies know of no contract. Where it is enforced, a 429 or 5xx that breaks it, such as a page of HTML, is an Error and a
// *contract.Violation. With any other status what breaks the contract is a Violation alone: a 404 of some other server does
// not say that a secret is gone.
type Error struct {
	// Status is the status of the answer.
	Status int
	// IntendedStatus is what the public service says that it meant: it answers most errors of this API with 404. It is 0
	// where the server says nothing of the kind.
	IntendedStatus int
	Kind           string        // of error, such as "NotFound", or the name of a rule
	Message        string        // of the server, for people; "[redacted]" if it repeats what is not to be shown
	Field          string        // of the request that is at fault, if one is
	ID             string        // names the answer in the server's log
	RetryAfter     time.Duration // how long to wait before the next try; 0 if the server does not say
}

// Error says the status and what the server said.
func (e *Error) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("the server answers %d %s", e.meant(), http.StatusText(e.meant())))
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.ID != "" {
		text += " (error_id " + e.ID + ")"
	}
	return text
}

// meant is the status that counts.
func (e *Error) meant() int { return meant(e.Status, e.IntendedStatus) }

func meant(status, intended int) int {
	if intended != 0 {
		return intended
	}
	return status
}

// Unwrap returns the reason, one of the Err variables of package onetime, or nil if the status stands for none.
func (e *Error) Unwrap() error {
	switch e.meant() {
	case http.StatusBadRequest:
		return onetime.ErrInvalid
	case http.StatusUnauthorized:
		return onetime.ErrUnauthorized
	case http.StatusForbidden:
		return onetime.ErrForbidden
	case http.StatusNotFound:
		return onetime.ErrNotFound
	case http.StatusUnprocessableEntity:
		return onetime.ErrRule
	case http.StatusTooManyRequests:
		return onetime.ErrRateLimited
	}
	return nil
}

// maxMessage bounds the texts of a server that are kept, in bytes.
const maxMessage = 1000

// refusal reads an answer that is no success.
func refusal(a answered, body []byte, h hidden) *Error {
	var wire gen.Error
	// A member of the wrong type, where violations are not enforced, leaves the others readable.
	_ = json.Unmarshal(body, &wire)
	return &Error{
		Status:         a.status,
		IntendedStatus: a.intended,
		Kind:           h.clean(value(wire.Error)),
		Message:        h.clean(wire.Message),
		Field:          h.clean(value(wire.Field)),
		ID:             h.clean(value(wire.ErrorID)),
		RetryAfter:     a.retryAfter,
	}
}

// intended returns the status that the public service meant, and 0 if it says none that is an error.
func intended(header http.Header) int {
	text := header.Get("X-OTS-Intended-Status")
	if text == "" {
		return 0
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 400 && n <= 599 {
		return n
	}
	return 0
}

// longestWait bounds what a server can ask for, so that it can be added to.
const longestWait = 1 << 30 * time.Second // 34 years

// retryAfter returns how long a server asks to wait, in seconds or until a date of its clock, and 0 if it does not.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 30); err == nil {
		return time.Duration(n) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(0, until.Sub(now)), longestWait)
}

// A NetworkError is a call that got no answer, or not the whole of it.
type NetworkError struct {
	// Sent tells whether the server can have processed the request. If it is false nothing was done, and the call can be
	// made again without fear: no connection came about, or one that was kept turned out to be closed, before a byte of
	// the request was written. Where that cannot be known - over HTTP/2, or with some Transports of one's own - it is
	// true.
	Sent bool
	Err  error // what the network said
}

// Body returns what came of an answer that broke off, and nil if nothing did. After a reveal it may hold a part of the secret, or
// all of it. It is never part of the error's text.
func (e *NetworkError) Body() []byte {
	if incomplete := (*contract.IncompleteError)(nil); errors.As(e.Err, &incomplete) {
		return incomplete.Body()
	}
	return nil
}

// Error says what the network said, and whether the request was sent.
func (e *NetworkError) Error() string {
	if e.Sent {
		return fmt.Sprintf("no answer, and the server may have processed the request: %v", e.Err)
	}
	return fmt.Sprintf("the request was not sent: %v", e.Err)
}

// Unwrap returns Err.
func (e *NetworkError) Unwrap() error { return e.Err }

// GoString says what Error says.
func (e *NetworkError) GoString() string { return fmt.Sprintf("&client.NetworkError{%q}", e.Error()) }

// failure sorts what an http.Client returns.
func failure(err error, p *progress, h hidden) error {
	var v *contract.Violation
	switch {
	case !errors.As(err, &v):
		return &NetworkError{Sent: p.sent(), Err: quiet(err, h)}
	case v.Status/100 == 3:
		return fmt.Errorf("the server redirects, which is not followed: %w", v)
	case v.Direction == contract.Response && p.answer().notNow(): // what proxies say, who know of no contract
		return fmt.Errorf("%w, against the contract: %w", refusal(p.answer(), nil, h), v) // of whose body nothing is shown
	}
	return v
}

// withoutURL drops every *url.Error, whose text has the URL.
func withoutURL(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); u = nil {
		err = u.Err
	}
	return err
}

// A quietError is an error whose own text may hold what is not to be shown.
type quietError struct {
	text string
	err  error
}

func (e *quietError) Error() string    { return e.text }
func (e *quietError) Unwrap() error    { return e.err }
func (e *quietError) GoString() string { return fmt.Sprintf("&client.quietError{%q}", e.text) }

// quoted is how net/http shows what it cannot read in an answer, which may be a secret.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// quiet returns an error with the text of err, less what it may hold of the request or of the answer.
func quiet(err error, h hidden) error {
	text := err.Error()
	if p := textproto.ProtocolError(""); errors.As(err, &p) {
		text = "the answer has a malformed header"
	}
	text = h.clean(quoted.ReplaceAllString(text, `"..."`))
	if text == err.Error() {
		return err
	}
	return &quietError{text, err}
}

// hidden returns what a request holds that no error may show, in each form in which it is sent.
type hidden func() []string

// hide returns what is hidden in a call: its own values, and the credentials.
func (c *Client) hide(values ...onetime.Sensitive) hidden {
	return func() (all []string) {
		email, token := c.credentials()
		for _, v := range append(values, token) {
			if v != "" {
				all = append(all, v.Expose(), url.QueryEscape(v.Expose()), url.PathEscape(v.Expose()))
			}
		}
		if token != "" {
			all = append(all, base64.StdEncoding.EncodeToString([]byte(email+":"+token.Expose())))
		}
		return all
	}
}

// clean returns a text of the other side as it can be shown: without control characters, not too long, and nothing of it
// at all if it repeats what is hidden. To leave out only that would tell what it is, where the rest is known.
func (h hidden) clean(text string) string {
	if text == "" {
		return ""
	}
	for _, value := range h() {
		if strings.Contains(text, value) {
			return "[redacted]"
		}
	}
	if len(text) > maxMessage {
		text = text[:maxMessage] + "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}
