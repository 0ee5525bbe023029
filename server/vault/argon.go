package vault

import (
	"context"
	"encoding/binary"
	"runtime"
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

// argonKey makes a key of a passphrase with the salt and the parameters that a record's header holds.
func argonKey(passphrase onetime.Sensitive, header []byte) []byte {
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

// argon bounds how many runs of Argon2id go on at once: each takes a processor and 19 MiB for some 20 ms.
type argon struct{ turns chan struct{} }

func newArgon() argon { return argon{make(chan struct{}, runtime.GOMAXPROCS(0))} }

// errBusy is the refusal of who found no turn.
var errBusy = &onetime.Refusal{
	Reason:     onetime.ErrRateLimited,
	Message:    "Too many passphrases are being checked, try again later",
	RetryAfter: argonWait,
}

// take waits for a turn and returns the function that gives it back. If there is none for a while it returns
// errBusy.
func (a argon) take(ctx context.Context) (give func(), err error) {
	timer := time.NewTimer(argonWait)
	defer timer.Stop()
	select {
	case a.turns <- struct{}{}:
		return func() { <-a.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, errBusy
	}
}
