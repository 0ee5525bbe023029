package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/onetime-go/onetime"
)

// How many passphrases may be tried for one record.
//
// The tally of all callers runs as long as its lock. Were its window shorter, whoever stays just below the limit would try
// more than whoever runs into it: 19 in 10 minutes are 114 an hour, and 20 with a lock of half an hour are 40. As it is no
// order of tries gives more than 40 an hour for long. That still makes 28,800 in the 30 days that a secret may live,
// enough for a PIN of four digits; so a record takes 100 wrong ones in all, which is what NIST SP 800-63B (5.2.2)
// allows an account, and is locked for the rest of its life then. The holder of its receipt can still burn it, and
// share it again. Whoever has the link and knows no passphrase can lock a secret with either limit; the last
// makes it take 100 tries, over two hours and from several networks, instead of 20 every half an hour.
var (
	guessesPerCaller = GuessLimit{Most: 5, Window: 10 * time.Minute, Lock: 30 * time.Minute}
	guessesInAll     = GuessLimit{Most: 20, Window: 30 * time.Minute, Lock: 30 * time.Minute}
	guessesInLife    = GuessLimit{Most: 100, Window: maxTTLAccount, Lock: maxTTLAccount}
)

// keptTallies bounds what guesses take in a store: some 50 MB in SQLite. A guess takes 3 at a record that was not guessed at
// before, so that the store forgets what was counted for one only after guesses at 87,000 others. Those take as many runs of
// Argon2id, about half an hour of two processors, and, with floodLimit for each, nearly 900 networks.
const keptTallies = 1 << 18

// floodLimit is how many wrong passphrases one network may try in floodWindow, whatever they are for. It keeps a flood for
// keys that do not exist from the store, and from pushing out what counts there. Each server counts for itself, in
// memory, and forgets it when it stops: what protects a passphrase is in the store.
const (
	floodLimit  = 100
	floodWindow = 30 * time.Minute
	maxFloods   = 1 << 16 // networks; beyond it the server forgets one of them, whichever it is
)

// guess tries a passphrase for a record. The guess is counted before it is made, and given back if it was right. A turn
// of Argon2id comes before that, so that nobody pays for a guess that was not made.
func (v *Vault) guess(ctx context.Context, caller onetime.Caller, id ID, try func() ([]byte, error)) ([]byte, error) {
	give, err := v.argon.take(ctx, caller.Network)
	if err != nil {
		return nil, err
	}
	defer give()
	now := v.now()
	guess := Guess{
		ID:        id,
		Caller:    v.callerID(caller.Network),
		Now:       now,
		PerCaller: guessesPerCaller,
		InAll:     guessesInAll,
		InLife:    guessesInLife,
		Keep:      keptTallies,
	}
	if err := v.reserve(ctx, caller.Network, guess); err != nil {
		return nil, err
	}
	value, err := try()
	if errors.Is(err, errWrongPassphrase) {
		v.observe(Event{Kind: EventWrongPassphrase})
		return nil, err
	}
	v.floods.refund(caller.Network, now)
	// A refund that fails leaves one guess too many counted, which is no reason to refuse the right passphrase. Nor is it one
	// for a guess to count that its client has left.
	_ = v.store.RefundGuess(context.WithoutCancel(ctx), guess)
	return value, err
}

// reserve counts a guess, or refuses it.
func (v *Vault) reserve(ctx context.Context, network netip.Prefix, guess Guess) error {
	locked := v.floods.reserve(network, guess.Now)
	if locked == 0 {
		var err error
		if locked, err = v.store.ReserveGuess(ctx, guess); err != nil {
			v.floods.refund(network, guess.Now)
			return fmt.Errorf("vault: count a guess: %w", err)
		}
		if locked > 0 {
			v.floods.refund(network, guess.Now)
		}
	}
	if locked == 0 {
		return nil
	}
	v.observe(Event{Kind: EventLocked})
	return &onetime.Refusal{
		Reason:     onetime.ErrRateLimited,
		Message:    "Too many wrong passphrases, try again later",
		RetryAfter: locked,
	}
}

// callerID is for tallies of guesses.
func (v *Vault) callerID(network netip.Prefix) CallerID {
	return CallerID(v.networkID("onetime/v1 caller id", network))
}

// ownerID is for quotas.
func (v *Vault) ownerID(network netip.Prefix) OwnerID {
	return OwnerID(v.networkID("onetime/v1 owner id", network))
}

// networkID hashes a network under the active server key, so that a database alone does not tell who used it. It is zero for
// no network.
func (v *Vault) networkID(kind string, network netip.Prefix) (id [16]byte) {
	if !network.IsValid() {
		return id
	}
	mac := hmac.New(sha256.New, v.keys.Load().active().key())
	mac.Write([]byte(kind + "\x00" + network.Masked().String()))
	copy(id[:], mac.Sum(nil))
	return id
}

// floods counts the wrong passphrases of each network. Callers of whom no network is known are not counted: one of them could
// lock out all.
type floods struct {
	mu       sync.Mutex
	networks map[netip.Prefix]*flood
}

// A flood lasts from its first guess until ends.
type flood struct {
	count int
	ends  time.Time
}

func newFloods() *floods { return &floods{networks: map[netip.Prefix]*flood{}} }

// reserve counts a guess, or returns how long the network has to wait.
func (f *floods) reserve(network netip.Prefix, now time.Time) (locked time.Duration) {
	if !network.IsValid() {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	mine := f.networks[network]
	if mine == nil || !now.Before(mine.ends) {
		f.makeRoom(network)
		mine = &flood{ends: now.Add(floodWindow)}
		f.networks[network] = mine
	}
	if mine.count >= floodLimit {
		return mine.ends.Sub(now)
	}
	mine.count++
	return 0
}

func (f *floods) makeRoom(network netip.Prefix) {
	if f.networks[network] != nil || len(f.networks) < maxFloods {
		return
	}
	for some := range f.networks {
		delete(f.networks, some)
		return
	}
}

// refund takes back a guess that was right, or was not made.
func (f *floods) refund(network netip.Prefix, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mine := f.networks[network]
	if mine == nil || !now.Before(mine.ends) {
		return
	}
	if mine.count--; mine.count <= 0 {
		delete(f.networks, network)
	}
}

// sweep forgets what is over.
func (f *floods) sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for network, flood := range f.networks {
		if !now.Before(flood.ends) {
			delete(f.networks, network)
		}
	}
}
