// Package onetime holds the words that the client, the server and the vault of this module share: what is asked
// (requests), what is answered (receipts, secrets), and the errors that mean the same everywhere.
//
// It does nothing by itself. A program that uses a server imports the client package; one that is a server imports
// the server package, and perhaps the vault and a store.
package onetime

import (
	"context"
	"net/netip"
	"time"
)

// A State says what became of a secret.
type State string

// The states of the contract. A server of this module never sets StateViewed, which older servers do.
const (
	StateNew      State = "new"      // waiting for its reader
	StateReceived State = "received" // revealed
	StateViewed   State = "viewed"   // its page was opened, but the secret not revealed
	StateBurned   State = "burned"   // deleted unread, on request
	StateExpired  State = "expired"  // deleted unread, past its lifetime
	StateOrphaned State = "orphaned" // gone, cause unknown
)

// Anonymous is the Custid of a receipt that belongs to no account.
const Anonymous = "anon"

// A Receipt is what the creator of a secret holds. It tells what became of the secret.
//
// Times have a resolution of a second on the wire. A zero time or duration means that the server sent none.
type Receipt struct {
	// Custid is the e-mail address of the account that shared the secret, or Anonymous.
	Custid string
	// Key is the key of this receipt. It burns the secret, and is not for its reader.
	Key Sensitive
	// SecretKey is the key to pass on. It is empty once the secret was received, and in lists.
	SecretKey Sensitive
	State     State
	Created   time.Time
	Updated   time.Time // of the last change of State
	Received  time.Time // zero unless State is StateReceived
	// TTL is the lifetime that the secret was granted, which may differ from what was asked for.
	TTL time.Duration
	// ReceiptTTL is what the receipt has left. It lives twice as long as its secret may.
	ReceiptTTL time.Duration
	// SecretTTL is what the secret has left, and zero when it is gone.
	SecretTTL time.Duration
	// URL is the page of the receipt. It holds Key. A Service may leave it empty: the server package fills it in.
	URL         Sensitive
	ShareDomain string
	// Recipients are e-mail addresses, obscured.
	Recipients    []string
	HasPassphrase bool
	// Value is the secret itself, in the answer to generate and nowhere else.
	Value Sensitive
}

// A Secret is what a reveal answers. When a program holds one, the server no longer does.
type Secret struct {
	Value       Sensitive
	Key         Sensitive
	ShareDomain string
}

// Burned is what a burn answers.
type Burned struct {
	Receipt Receipt
	// ShortKey is the start of the secret's key, for people to tell which secret it was.
	ShortKey Sensitive
}

// Status is what a server says of itself.
type Status struct {
	Status string // StatusNominal when it is up
	Locale string // language of its messages, such as "en"
}

// StatusNominal is the Status of a server that can take requests.
const StatusNominal = "nominal"

// A ShareRequest asks to store a secret. Everything but Secret may be left zero.
type ShareRequest struct {
	Secret Sensitive // UTF-8 text; a server takes at most 10,000 bytes unless configured otherwise
	// TTL is how long the secret may stay unread, in whole seconds. Zero asks for the server's default, 7 days.
	// Servers bring it into what they grant (at least a minute, at most 7 days, or 30 with an account).
	TTL         time.Duration
	Passphrase  Sensitive // empty for none
	Recipients  []string  // e-mail addresses; they need an account
	ShareDomain string    // custom domain for the link; empty for none
}

// A GenerateRequest asks to store a random secret. Its fields are those of ShareRequest.
type GenerateRequest struct {
	TTL         time.Duration
	Passphrase  Sensitive
	Recipients  []string
	ShareDomain string
}

// A RevealRequest asks for a secret by its key.
type RevealRequest struct {
	Key        Sensitive
	Passphrase Sensitive // empty where the secret has none
}

// A BurnRequest asks to delete a secret, by the key of its receipt.
type BurnRequest struct {
	Key        Sensitive
	Passphrase Sensitive // empty where the secret has none
}

// An Account is who a caller proved to be. A server's authentication makes it, and its Service gets the same value
// back, so that it can carry what that Service needs.
type Account interface {
	// Custid is the e-mail address of the account.
	Custid() string
}

// A Caller is who sends a request to a Service.
type Caller struct {
	Account Account // nil for an anonymous caller
	// Network is where the request comes from: the address for IPv4, the /64 for IPv6, which is what one
	// subscriber has. It is the zero Prefix where that is unknown.
	Network netip.Prefix
	// RequestID names the request in the server's log.
	RequestID string
}

// Pending is an answer whose effect is still to come: the secret is not stored, or not consumed, until Commit
// returns nil. The server package checks Answer against the contract first, so that nothing is lost for an answer
// that nobody can be given.
type Pending[T any] struct {
	Answer T
	// Commit does what cannot be undone, and is called at most once. An error says that it was not done, and takes
	// the place of the answer; where another caller was faster it is ErrNotFound. Its context does not end when
	// the client goes away. A nil Commit has nothing to do.
	Commit func(context.Context) error
}
