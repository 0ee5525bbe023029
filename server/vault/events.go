package vault

import (
	"encoding/hex"
	"errors"

	"github.com/onetime-go/onetime"
)

// An EventKind says what has happened.
type EventKind int

// What Config.Observe is told.
const (
	EventCreated         EventKind = iota + 1 // a secret was stored
	EventRevealed                             // a secret was consumed by its reader
	EventBurned                               // Count secrets were deleted unread, on request
	EventExpired                              // Count secrets were deleted unread by a sweep
	EventWrongPassphrase                      // a wrong passphrase was tried, for a secret that exists or one that does not
	EventLocked                               // a passphrase was not tried, after too many wrong ones
	// EventDamaged is an alarm: a record does not open. It was altered, the disk has lost something, or the keyring lacks
	// its server key. Whoever asked for it was answered with a failure, and nothing was consumed.
	EventDamaged
	// EventClock is an alarm: the clock has jumped, or is behind the time that was stored, by more than a minute. See "Time" in
	// the package documentation for what follows.
	EventClock
)

// String returns the kind in words.
func (k EventKind) String() string {
	switch k {
	case EventCreated:
		return "created"
	case EventRevealed:
		return "revealed"
	case EventBurned:
		return "burned"
	case EventExpired:
		return "expired"
	case EventWrongPassphrase:
		return "wrong passphrase"
	case EventLocked:
		return "locked"
	case EventDamaged:
		return "damaged"
	case EventClock:
		return "clock"
	}
	return "unknown"
}

// An Event is something that has happened. It holds no key, no value and nothing of the caller.
type Event struct {
	Kind EventKind
	// Count is how many secrets it is about: 1 for one, and 0 for an event that is about none.
	Count int
	// Record is the record that is damaged, and empty for other events: the hash in its id, in hexadecimal digits, by which an
	// operator finds its row. It opens nothing, and nobody can tell a key by it. The two characters of the id that come
	// from the key are left out. Accounts are named by the same hash of their e-mail address as in their seal.
	Record string
}

// String returns the hash in the id, without the two characters that come from a key, in hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[tagLength:]) }

// observe tells of an event.
func (v *Vault) observe(e Event) {
	if v.observer != nil {
		v.observer(e)
	}
}

// alarm is told how opening a record went, and passes it on.
func (v *Vault) alarm(id ID, err error) error {
	if errors.Is(err, ErrDamaged) {
		v.observe(Event{Kind: EventDamaged, Record: id.String()})
	}
	return err
}

// consumed tells what has become of a secret.
func consumed(state onetime.State) Event {
	if state == onetime.StateBurned {
		return Event{Kind: EventBurned, Count: 1}
	}
	return Event{Kind: EventRevealed, Count: 1}
}
