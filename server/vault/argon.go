package vault

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/onetime-go/onetime"
)

// The parameters of Argon2id for new records, from OWASP's password storage recommendations. Records keep theirs, so they
// can be raised at any time.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1

	saltSize   = 16
	lockHeader = saltSize + 4 + 4 + 1
)

// key makes a key of a passphrase with the salt and the parameters that a record's header holds.
func (a *argon) key(passphrase onetime.Sensitive, header []byte) []byte {
	a.runs.Add(1)
	time := binary.BigEndian.Uint32(header[saltSize:])
	memory := binary.BigEndian.Uint32(header[saltSize+4:])
	threads := header[saltSize+8]
	return argon2.IDKey([]byte(passphrase), header[:saltSize], time, memory, threads, chacha20poly1305.KeySize)
}

// The most that a record may ask of Argon2id. More would be a way to stop the server.
const (
	mostArgonTime   = 64
	mostArgonMemory = 1 << 20 // KiB
)

// saneArgon tells whether a record's header asks for what Argon2id can do and a server should.
func saneArgon(header []byte) bool {
	time := binary.BigEndian.Uint32(header[saltSize:])
	memory := binary.BigEndian.Uint32(header[saltSize+4:])
	threads := header[saltSize+8]
	return time >= 1 && time <= mostArgonTime && memory <= mostArgonMemory && threads >= 1
}

// argonWait is how long a caller waits for a turn.
const argonWait = 2 * time.Second

// argon bounds how many runs of Argon2id go on at once: each takes a processor and 19 MiB for some 20 ms. One network gets
// half of the turns at most, so that whoever sends passphrases for keys that do not exist, to which no limit of guesses
// applies, does not keep everybody else waiting.
type argon struct {
	turns    chan struct{}
	runs     atomic.Int64 // so far
	mu       sync.Mutex
	networks map[netip.Prefix]*queue // of those who wait or have a turn
}

// A queue is what one network has of the turns.
type queue struct {
	turns   chan struct{}
	members int
}

func newArgon(turns int) *argon {
	return &argon{
		turns:    make(chan struct{}, turns),
		networks: map[netip.Prefix]*queue{},
	}
}

// errBusy is the refusal of who found no turn.
var errBusy = &onetime.Refusal{
	Reason:     onetime.ErrRateLimited,
	Message:    "Too many passphrases are being checked, try again later",
	RetryAfter: argonWait,
}

// take waits for a turn, first among the callers of a network, then among all, and returns the function that gives it back.
// If there is none for a while it returns errBusy.
func (a *argon) take(ctx context.Context, network netip.Prefix) (give func(), err error) {
	timer := time.NewTimer(argonWait)
	defer timer.Stop()
	mine := a.join(network)
	if err := enter(ctx, mine.turns, timer); err != nil {
		a.leave(network)
		return nil, err
	}
	if err := enter(ctx, a.turns, timer); err != nil {
		<-mine.turns
		a.leave(network)
		return nil, err
	}
	return func() {
		<-a.turns
		<-mine.turns
		a.leave(network)
	}, nil
}

func enter(ctx context.Context, turns chan struct{}, timer *time.Timer) error {
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errBusy
	}
}

func (a *argon) join(network netip.Prefix) *queue {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.networks[network]
	if q == nil {
		q = &queue{turns: make(chan struct{}, max(1, cap(a.turns)/2))}
		a.networks[network] = q
	}
	q.members++
	return q
}

// leave forgets a network whose last caller has left.
func (a *argon) leave(network netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.networks[network]
	if q.members--; q.members == 0 {
		delete(a.networks, network)
	}
}
