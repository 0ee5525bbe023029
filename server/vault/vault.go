// Package vault is the reference Service of the Onetime Secret API: it seals secrets, reveals each to exactly one caller
// or to nobody, and forgets them. It knows no HTTP and no database: package server puts it on the network, and a Store,
// such as the one of package sqlitestore, keeps its records.
//
// # What it promises
//
// No key that opens a secret is stored. To open one takes the server key (see Keyring) and one bearer key: the secret's
// key, which is in the link, its receipt's key, or the API token of the account that made it; and the passphrase, if it
// has one. The database opens nothing, even together with the server key.
//
// A secret is consumed by one atomic step of the Store, after its answer was made and checked. Of any number of callers,
// on any number of servers, one wins; the others get the error that an unknown key gets. An answer that is lost on
// the way to the client is lost: the promise is once or not at all.
//
// The tests that hold these promises, in this package and, over HTTP, on real files and in the real program that is killed,
// cut off and made to fail, in package proof. Those with "planted" in their names or their subtests show that the others
// find what they are for. make soak runs the long versions.
//
//	Sealed     the database and the server key open nothing          TestStolenDisk, TestDocumentedFormatNeedsAllItsKeys
//	           the format is the one below                           TestVectors
//	           lengths do not show                                   TestSealedLengthsHideLengths
//	           an altered record gives no wrong value, costs no      TestAlteredDatabase, TestAlteredSecrets, TestFlippedBytes,
//	           guess, is answered 500, and raises an alarm           TestSwappedRecords, TestDamageRaisesAnAlarm
//	           a keyring is never lost unseen, nor replaced          TestLoadKeyringRefusesALostOne, TestWrongKeyring,
//	                                                                 TestRotationUnderLoad, TestPrune
//	           what a closed server knew is in no file; and in no    TestNoMarkerInFiles, TestMemoryAfterClose
//	           memory, where Go overwrites what it frees
//	Once       one of all callers gets the secret                    TestOneLink, TestManyLinks, TestManyServers
//	           one thing after another explains all answers          TestHistories (Porcupine), for each store;
//	                                                                 TestServedHistories, of several servers
//	           an answer that is not in order consumes nothing       TestBrokenAnswers
//	           what is in doubt nobody else gets                     TestClaimInDoubt, TestFaults, TestCutReveal
//	Durable    what was acknowledged outlasts kill -9                TestKill
//	           and a power cut                                       TestPowerLoss
//	           on an engine, what its durability says, no more       TestKillEngine, TestPrimaryComesBack,
//	                                                                 TestReplicasMissing, TestCutShare
//	           a first start may be killed, cut off, or fail         TestKillFirstStart, TestPowerLoss, TestFaultsOfAFirstStart
//	           a write or sync that fails is answered 500, gives     TestFaults, TestDiskFull, TestReadOnly, TestWritesFail
//	           nothing away, and the server heals by itself          TestEngineLost, TestEngineHangs
//	           SIGTERM answers what is under way                     TestTerminate
//	           a backup is whole, and says what it brings back       TestBackupUnderLoad, TestRestore
//	Time       what expired is not served, swept or not              TestExpiry, TestCommitAfterExpiry
//	           a clock that jumps revives nothing                    TestClockJumpsAnHour, TestClockGoesBack
//	           and poisons nothing                                   TestClockJumpsFar, TestTimeDoesNotStandStill
//	Erased     a minute after its end no byte of a sealed value      TestErasure, TestErasureUnderLoad, TestErasureInAMinute,
//	           is in the database or its log                         TestOneChunkToAPage
//	           a reader or a backup puts that off until a sweep      TestErasureBesideReader, TestErasureBesideBackups
//	           after its end
//	           a burned account leaves nothing, nor do shares        TestBurnAccount, TestShareDuringBurnAccount
//	           that are under way
//	Guesses    no more are tried than the limits say, also at        TestGuessesThatComeTogether, TestLockOfReveals,
//	           once, patiently, over a restart, on all servers       TestPatientGuesses, TestLocksSurviveARestart,
//	                                                                 TestGuessesOfAllServers
//	           a known key costs what an unknown one costs           TestSameWorkForKnownAndUnknown
//	           who knows the passphrase pays nothing                 TestRightPassphrasesCostNothing, TestClientThatLeaves
//	           a flood is bounded in memory and in the store         TestFloods, TestFloodsTakeBoundedMemory
//	           one network does not take all turns of Argon2id       TestArgonSharesTurns
//
// Not promised:
//
//   - that an answer arrives: who loses it has lost the secret, and its receipt says received;
//   - that the file system, the disk (a flash disk keeps old copies), a backup, a page file or a core dump forget what
//     was overwritten or removed in the files that the vault knows;
//   - that strings are gone from the memory of a server that runs (see Memory);
//   - that an engine which fails over has what only its old primary had: docs/stores.md has what was lost, and what came back;
//   - that disks sync what they say they have synced; where one lies, a power cut undoes what was acknowledged;
//   - that a secret outlasts a clock that is wrong when the server starts (see Time);
//   - that a database which somebody can write to says the truth of what has become of a secret (State, Updated, Claim, Owner),
//     keeps it, or does not bring back an older copy of all of itself: it gives no value to anybody without the keys;
//   - that the holder of a link cannot keep others from it: whoever tries wrong passphrases locks it for all, with 100 of them for the
//     rest of its life (see Guesses);
//   - that callers do not learn how many guesses are left, or an operator from which hash of a network they came.
//
// # Guesses
//
// A passphrase is tried after it was counted, in the store: for the caller's network and the record, for the record, and
// for the record in its life, known or unknown. Of one network 5 are tried in 10 minutes, of all 20 in half an hour, and
// then none for half an hour; and 100 in the life of a record. Burns are counted by receipt, apart from reveals by secret, so
// that the holder of a link locks out readers, and not who shared it. A right one is given back, unless the store
// fails meanwhile; a missing one is none. One
// network may try 100 wrong ones in half an hour, whatever they are for, at each server. The store keeps some 260,000
// counts, and forgets those of records that were tried least recently; the reasons stand in guesses.go.
//
// # Time
//
// The vault's time never goes back, also over a restart: the store keeps the latest time of a write, and a sweep is one, every
// half a minute. It follows the clock, and compares that with the time that has passed by a clock that nobody can set. A
// clock that jumps ahead by up to an hour is followed at once: secrets expire early, and stay expired when it jumps back. What
// it jumps further the time follows at 60 times the speed of time. Until it is there, secrets that have expired by the clock
// are not served, and neither swept nor said to be expired: if the clock was wrong they are there again. While the clock
// is behind, time runs on, slower by a tenth, until the two meet. So no secret is served later than a tenth of its lifetime
// after its end, nor by more than the clock was set back. At a start there is nothing to compare the clock with but the time of
// the last write: a clock that is ahead then is believed. Jumps of more than a minute are told to Config.Observe.
//
// # Memory
//
// The vault overwrites the buffers in which it had a value or a key. It does not reach what the HTTP server, the decoder of the
// form and the encoder of the answer have of it, nor strings, which Go has no way to overwrite: of these, copies stay in
// memory that is free, until something else comes to lie there. With GODEBUG=clobberfree=1 in the environment of the
// process, Go overwrites whatever its garbage collection frees, which it does at least every two minutes; then
// nothing of a value, a passphrase or a key is left in memory when the server is closed. Page files and core
// dumps are to be turned off where the machine is set up.
//
// # Keys
//
// A bearer key is 31 characters of base 36, lower case. A secret's key and its receipt's share their first two, so that a
// partitioned store can keep their records together; 149 bits remain independent. An API token is 40 such characters.
// The id of a record is those two characters, then
//
//	SHA-256("onetime/v1 secret id" or "onetime/v1 receipt id", one zero byte, the key)
//
// The id of a token is SHA-256("onetime/v1 token id", one zero byte, the token). The id of an account's list of receipts
// is the first 16 bytes of SHA-256("onetime/v1 list id", one zero byte, the account key). The id of a server key is HKDF-SHA256 of
// the key, without salt, with the info "onetime/v1 server key id", 8 bytes long.
//
// # Format, version 1
//
// Everything sealed is XChaCha20-Poly1305: a random nonce of 24 bytes, then the ciphertext with its tag. The key is
// HKDF-SHA256 with the server key (32 bytes) as salt, 32 bytes long:
//
//	what is sealed   input key      info                       plaintext
//	value            secret's key   onetime/v1 value           lengths, body, share domain, zeros: see below
//	receipt          receipt's key  onetime/v1 receipt         secret's key, custid, share domain, recipients
//	recent entry     account key    onetime/v1 recent          receipt's key
//	account key      API token      onetime/v1 account key     32 random bytes
//
// The plaintext of a value is the lengths of its body (4 bytes, big-endian) and of its share domain (2 bytes), the body,
// the share domain, and zeros up to where the sealed value is a multiple of SealedBlock bytes, which hides how long the
// secret is. The body is the secret or, with a passphrase, a second layer: salt (16 bytes), time, memory in KiB (4 bytes
// each, big-endian) and threads (1 byte) of Argon2id, then XChaCha20-Poly1305 as above, under the 32 bytes that Argon2id
// makes of the passphrase. If the outer layer does not open, the record is damaged or the server key wrong; if the inner
// does not, the passphrase is. Fields of a receipt are each preceded by their length (2 bytes, big-endian).
//
// The associated data of every seal is, in this order: the version (1 byte), the kind (its info, "onetime/v1 passphrase" for
// the inner layer, preceded by its length in 1 byte), the server key's id (8 bytes), the record's id and the id of the
// other record of the pair (34 bytes each, zeros if there is none), created and expires in Unix milliseconds (8 bytes
// each, big-endian; the record's own expiry), the flags (1 byte, 1 for a passphrase), and the account's id (16 bytes,
// zeros for none). Both layers of a value vouch for the secret's columns, and a recent entry for its receipt's. An
// account key vouches for its account's; in the place of a record's id it has two zero bytes, then
//
//	SHA-256("onetime/v1 account e-mail", one zero byte, the e-mail address)
//
// A record does not open if one of these columns was altered, or SecretExpires of a receipt, which is half-way between
// created and expires. Nothing vouches for what changes without a bearer key at hand: State, Updated and Claim. Nor does
// anything for Owner, by which nothing but a quota goes: that is the first 16 bytes of HMAC-SHA256 under the server key of
// "onetime/v1 owner id", one zero byte, and the network. A count of guesses is kept under "onetime/v1 caller id" likewise.
package vault

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onetime-go/onetime"
)

// DefaultMaxSecret is the longest secret, in bytes, unless configured otherwise.
const DefaultMaxSecret = 10_000

// MostMaxSecret is the largest MaxSecret: 1 MiB.
const MostMaxSecret = 1 << 20

// Config is what a Vault is made of. Store and Keys are required.
type Config struct {
	Store Store
	Keys  *Keyring
	// MaxSecret is the longest secret, in bytes, at most MostMaxSecret; 0 stands for DefaultMaxSecret.
	MaxSecret int
	// MinPassphrase is the shortest passphrase, in characters, at most 1024; 0 sets no minimum.
	MinPassphrase int
	// ShareDomains are the custom domains that a caller may ask for. If there are none, asking for one is refused.
	ShareDomains []string
	// RefuseAnonymous refuses to store secrets of callers without an account, with ErrForbidden. Links work for everybody.
	RefuseAnonymous bool
	// AnonymousQuota bounds the secrets of each network that anonymous callers come from, as long as they wait for their
	// readers: one more is refused with ErrRateLimited. The zero Quota sets no bound, and nothing of the network is stored
	// then. Else a secret's record holds a hash of its network under the server key, which whoever has the key and the
	// database can find by trying all networks. Activating another server key lets every network begin anew.
	AnonymousQuota Quota
	// Observe, if not nil, is told what happens, such as for metrics. It is called concurrently, before the caller is
	// answered, and must return at once. No event holds a key, a value or anything of the caller.
	Observe func(Event)
	// Clock tells the time; nil stands for time.Now. A clock that goes back is not followed. It is called concurrently.
	Clock func() time.Time
	// Elapsed returns how much time has passed since some moment, by a clock that nobody can set. If it is nil, and Clock
	// too, it is Go's monotonic clock. If only Elapsed is nil, Clock is believed however far ahead it jumps, and time
	// stands still while it is behind. It is called concurrently.
	Elapsed func() time.Duration
	// Random makes keys, nonces and salts; nil stands for crypto/rand.Reader. It is read concurrently.
	Random io.Reader
}

// A Vault is a server.Service. Its methods may be called concurrently.
type Vault struct {
	store   Store
	keys    atomic.Pointer[Keyring]
	setting sync.Mutex // held while keys is replaced, so that an older keyring does not replace a newer one
	rules   rules
	random  io.Reader
	time    *timekeeper
	floods  *floods
	argon   *argon

	refuseAnonymous bool
	anonymousQuota  Quota
	observer        func(Event)
}

// New returns a Vault over a Store. It refuses a keyring that lacks a server key with which the Store's records were
// sealed, and then has changed nothing.
func New(ctx context.Context, config Config) (*Vault, error) {
	v := &Vault{
		store:  config.Store,
		random: config.Random,
		time:   newTimekeeper(config.Clock, config.Elapsed),
		floods: newFloods(),
		argon:  newArgon(runtime.GOMAXPROCS(0)),

		refuseAnonymous: config.RefuseAnonymous,
		anonymousQuota:  config.AnonymousQuota,
		observer:        config.Observe,
		rules: rules{
			maxSecret:     cmp.Or(config.MaxSecret, DefaultMaxSecret),
			minPassphrase: config.MinPassphrase,
			shareDomains:  slices.Clone(config.ShareDomains),
		},
	}
	if v.store == nil || config.Keys == nil || len(config.Keys.keys) == 0 {
		return nil, errors.New("vault: Config needs a Store and a Keyring")
	}
	if err := v.rules.check(); err != nil {
		return nil, err
	}
	if v.anonymousQuota.Secrets < 0 || v.anonymousQuota.Bytes < 0 {
		return nil, errors.New("vault: AnonymousQuota must not be negative; 0 sets no limit")
	}
	if v.random == nil {
		v.random = rand.Reader
	}
	if err := v.SetKeys(ctx, config.Keys); err != nil {
		return nil, err
	}
	highest, err := v.store.HighWater(ctx)
	if err != nil {
		return nil, fmt.Errorf("vault: read the time of the last change: %w", err)
	}
	if odd := v.time.begin(highest); odd {
		v.observe(Event{Kind: EventClock})
	}
	return v, nil
}

// checkKeys compares a keyring with what the store was sealed with, and notes the active key there.
func (v *Vault) checkKeys(ctx context.Context, keys *Keyring) error {
	used, err := v.store.ServerKeys(ctx)
	if err != nil {
		return fmt.Errorf("vault: read the ids of the server keys: %w", err)
	}
	for _, id := range used {
		if _, err := keys.find(id); err != nil {
			return fmt.Errorf("the store has records that were sealed with server key %s, which the keyring lacks: "+
				"give the keyring that belongs to this store", id)
		}
	}
	err = v.store.AddServerKey(ctx, keys.active().id)
	if errors.Is(err, ErrKeyRemoved) {
		return fmt.Errorf("the keyring is an old one: its active server key %s was pruned; give the keyring that belongs "+
			"to this store: %w", keys.active().id, ErrKeyRemoved)
	}
	if err != nil {
		return fmt.Errorf("vault: note the id of the server key: %w", err)
	}
	return nil
}

// now returns the time, which never goes back, to the millisecond.
func (v *Vault) now() time.Time {
	now, _ := v.times()
	return now
}

// times returns the time and, where that is later, what the clock shows.
func (v *Vault) times() (now, latest time.Time) {
	now, latest, odd := v.time.now()
	if odd {
		v.observe(Event{Kind: EventClock})
	}
	return now, latest
}

// Status says that the vault is up.
func (v *Vault) Status(context.Context, onetime.Caller) (onetime.Status, error) {
	return onetime.Status{Status: onetime.StatusNominal, Locale: "en"}, nil
}

// AuthCheck says that the caller has an account.
func (v *Vault) AuthCheck(ctx context.Context, caller onetime.Caller) (onetime.Status, error) {
	if _, err := accountOf(caller); err != nil {
		return onetime.Status{}, err
	}
	return v.Status(ctx, caller)
}

const (
	sweepPause = 30 * time.Second
	sweepStep  = 500 // records of each kind at a time, so that callers get their turn
)

// Run deletes what has expired, a little at a time, and takes up a keyring file that has changed, every half minute until
// ctx ends. What has expired is never served, whether Run runs or not. It reports failures and goes on.
func (v *Vault) Run(ctx context.Context, report func(error)) {
	ticker := time.NewTicker(sweepPause)
	defer ticker.Stop()
	for {
		for _, do := range []func(context.Context) error{v.ReloadKeys, v.Sweep} {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sweep deletes all that has expired by now.
func (v *Vault) Sweep(ctx context.Context) error {
	now := v.now()
	v.floods.sweep(now)
	for {
		swept, err := v.store.Sweep(ctx, now, sweepStep)
		if err != nil {
			return fmt.Errorf("vault: sweep: %w", err)
		}
		if swept.Secrets > 0 {
			v.observe(Event{Kind: EventExpired, Count: swept.Secrets})
		}
		if max(swept.Secrets, swept.Receipts, swept.Tallies) < sweepStep {
			return nil
		}
	}
}
