package vault

import (
	"context"
	"errors"
	"time"

	"github.com/onetime-go/onetime"
)

// SealedBlock is the unit, in bytes, of a sealed value's length. A store may keep values in rows of this size.
const SealedBlock = 512

// An ID names a record without being able to open it: the two characters that the keys of a secret and its receipt
// share, then a hash of the whole key. The first two bytes are equal for both, so that a partitioned store can keep
// the two together.
type ID [34]byte

// An AccountID names an account. The zero value stands for no account.
type AccountID [16]byte

// An OwnerID stands for the network of an anonymous caller in the secrets that came from there, for a Quota. It is a hash
// under the server key, and does not tell which network it is. The zero value stands for no owner.
type OwnerID [16]byte

// A CallerID stands for the network of a caller who tries a passphrase. It is a hash under the server key, and does not
// tell which network it is. The zero value stands for all callers of whom no network is known.
type CallerID [16]byte

// A ListID names a list of recent receipts. An account whose key is replaced gets another list.
type ListID [16]byte

// A KeyID names a server key. See Keyring.
type KeyID [8]byte

// A ClaimID is drawn at random for each try to consume a secret, and tells afterwards which of them did.
type ClaimID [16]byte

// A SecretRecord is a secret as it is stored: sealed.
type SecretRecord struct {
	ID            ID
	ReceiptID     ID
	Account       AccountID
	Owner         OwnerID   // for a Quota; nothing else looks at it
	Created       time.Time // times are kept to the millisecond
	Expires       time.Time
	HasPassphrase bool
	KeyID         KeyID  // the server key that seals it
	Sealed        []byte // a multiple of SealedBlock
}

// A ReceiptRecord is a receipt as it is stored.
type ReceiptRecord struct {
	ID            ID
	SecretID      ID
	Account       AccountID
	State         onetime.State // new until a claim or a sweep changes it
	Created       time.Time
	Updated       time.Time // of the last change of State
	SecretExpires time.Time
	Expires       time.Time
	HasPassphrase bool
	KeyID         KeyID
	Claim         ClaimID // of the claim that consumed the secret; zero before
	Sealed        []byte

	// SecretStands tells whether the secret's record is there. Reads set it; writes ignore it.
	SecretStands bool
}

// A RecentRecord lists a receipt for the account that made it.
type RecentRecord struct {
	List   ListID
	Sealed []byte // the receipt's key, sealed
	// Receipt is the receipt as it stands. Reads set it; writes use its ID only.
	Receipt ReceiptRecord
}

// An AccountRecord is an account as it is stored. Its token is not in it.
type AccountRecord struct {
	ID      AccountID
	Email   string // unique, as Vault normalises it
	Created time.Time
	TokenID [32]byte // hash of the token
	KeyID   KeyID
	Sealed  []byte // the account's key, sealed under the token
}

// A Claim consumes a secret.
type Claim struct {
	SecretID  ID
	ReceiptID ID // of the secret's receipt, as the secret's record names it
	ID        ClaimID
	State     onetime.State // what the receipt is to say: received or burned
	Now       time.Time
}

// A Quota bounds what the secrets of one owner take. Those count that stand and have not expired. A zero field sets no
// limit.
type Quota struct {
	Secrets int
	Bytes   int64 // of Sealed
}

// A Guess is a passphrase that is to be tried. It is counted in three tallies, all of them of the record with its ID: that
// of its Caller, and two of all callers together.
type Guess struct {
	// ID is of the secret for a reveal, of the receipt for a burn. There need not be such a record, and it makes no
	// difference whether there is.
	ID     ID
	Caller CallerID
	Now    time.Time

	PerCaller, InAll, InLife GuessLimit
	// Keep is how many tallies the store keeps; see Store.ReserveGuess.
	Keep int
}

// A GuessLimit says when a tally is full, and when it is over. A tally that is over counts for nothing, as if it had never
// been.
type GuessLimit struct {
	// Most is how many guesses fill the tally. The one that fills it is let through.
	Most int
	// Window is how long after its first guess a tally is over that is not full.
	Window time.Duration
	// Lock is how long after the guess that filled it a full tally is over. Until then no guess is let through.
	Lock time.Duration
}

// Swept is how many records of each kind a Sweep has deleted.
type Swept struct{ Secrets, Receipts, Tallies int }

// A KeyUse tells what was sealed with a server key.
type KeyUse struct {
	ID                          KeyID
	Secrets, Receipts, Accounts int
	// Until is the latest Expires of those secrets and receipts, and zero if there are none. Accounts do not expire.
	Until time.Time
}

// Errors of a Store, beside ErrDamaged for a record that it cannot put together. It wraps every other error so that its
// driver's types do not show.
var (
	// ErrNoRecord is returned by reads that find nothing.
	ErrNoRecord = errors.New("vault: no such record")
	// ErrExists is returned by CreateAccount for an e-mail address that has an account.
	ErrExists = errors.New("vault: the account exists")
	// ErrQuota is returned by Create for a secret that is one too many, or too large, for its owner's Quota.
	ErrQuota = errors.New("vault: the owner has no room for another secret")
	// ErrInDoubt is returned by writes that may have happened, where the store has looked in vain for what became of them,
	// or of which it knows that they are not durable yet.
	ErrInDoubt = errors.New("vault: the write is in doubt")
	// ErrKeyInUse is returned by RemoveServerKey for a key that a record was sealed with.
	ErrKeyInUse = errors.New("vault: the server key is in use")
	// ErrKeyRemoved is returned by writes of what was sealed with a server key that RemoveServerKey has removed.
	ErrKeyRemoved = errors.New("vault: the server key was removed")
)

// A Store keeps records. It decides nothing: what the records mean is the Vault's business. All methods may be
// called concurrently, by several processes too. A write that returned nil is durable. A write that returned an
// error may or may not have happened; nothing of it happened in part. Once ctx has ended, a call that has not begun
// does nothing, and returns an error that is (errors.Is) the one of ctx.
//
// Package storetest tests all that is said here.
type Store interface {
	// Create stores a secret and its receipt and, if recent is not nil, lists it, in one step. It fails if one of the
	// ids is taken, and with ErrKeyRemoved if the KeyID of one was removed.
	//
	// If the secret has an Owner it fails with ErrQuota, in the same step, where the secrets of that owner that stand and
	// expire after its Created, itself included, would be more than quota.Secrets, or their Sealed more than quota.Bytes
	// together. What was claimed or swept before counts no more. A store whose records lie in parts may count a secret
	// that was not stored after all, or is gone, until it expires; it never lets one too many in.
	Create(ctx context.Context, secret SecretRecord, receipt ReceiptRecord, recent *RecentRecord, quota Quota) error

	// Secret returns a secret without changing anything, or ErrNoRecord. It returns expired ones too.
	Secret(ctx context.Context, id ID) (SecretRecord, error)

	// Receipt returns a receipt, or ErrNoRecord. It returns expired ones too.
	Receipt(ctx context.Context, id ID) (ReceiptRecord, error)

	// Claim, in one step, deletes the secret, sets State, Updated and Claim of its receipt, and returns true. It
	// returns false, and changes nothing, if there is no such secret or it expires at Now or before. Of any
	// number of claims on a secret, one returns true. A store that has a clock of its own goes by the later time.
	Claim(ctx context.Context, claim Claim) (bool, error)

	// BurnAccount claims at most limit secrets of an account, each in one step: of each it does, with State burned, what
	// Claim does. It leaves those alone that expire at now or before. It returns how many it claimed; fewer than limit
	// means that there were no more. For no account it does nothing.
	BurnAccount(ctx context.Context, account AccountID, claim ClaimID, now time.Time, limit int) (int, error)

	// Recent returns what is on a list, what was created last first, at most limit entries. Entries whose receipt is
	// gone are left out.
	Recent(ctx context.Context, list ListID, limit int) ([]RecentRecord, error)

	// ReserveGuess, in one step, counts a guess in its three tallies and returns 0; or, if at least one of them is full,
	// counts it in none and returns how long it is, from guess.Now, until none of them is: always more than 0. Of any
	// number of guesses that come together, no more are let through than would be one after the other.
	//
	// A tally that is over at guess.Now begins anew, with this guess as its first. When the tally's count reaches Most it is
	// full, and over at guess.Now+Lock; before that it is over at Window after its first guess. A store keeps with
	// a tally its count and the time at which it is over, and takes the limits from each guess.
	//
	// A guess is durable before it is let through, as all writes are: locks survive a restart, and are those of all
	// servers together. One that is not let through need not write anything.
	//
	// The number of tallies is bounded: where there would be more than guess.Keep, the store forgets those that were
	// counted in least recently. A store whose records lie in parts may keep so many in each. Sweep deletes those that are over.
	ReserveGuess(ctx context.Context, guess Guess) (locked time.Duration, err error)

	// RefundGuess takes back a guess that was right, or was not made after all: in one step it takes 1 from each of its
	// three tallies, but from those that are over at guess.Now, or not there. A tally that was full is full no more, and
	// over at guess.Now+Window. One that comes to 0 is deleted.
	RefundGuess(ctx context.Context, guess Guess) error

	// Sweep deletes what expired at now or before, at most limit of each kind: secrets, whose receipts turn from new to
	// expired, with the secret's Expires as Updated; receipts, with their list entries; and tallies of guesses that are
	// over at now. It returns how many of each it deleted. A kind of which it deleted fewer than limit has no more. It need
	// not be one step; each record goes in one.
	Sweep(ctx context.Context, now time.Time, limit int) (Swept, error)

	// Live returns how many secrets stand, expired ones that were not swept included. It takes no longer the more there
	// are, and may be a few seconds behind.
	Live(ctx context.Context) (int64, error)

	// Ping returns nil if the store took a write just now, that changes nothing that shows. It returns when ctx ends, also
	// where the disk or the network does not answer.
	Ping(ctx context.Context) error

	// HighWater returns the latest time that a write was given, as Created, Now or now, whether or not the write
	// found anything to change, so that time never goes back. It is the zero Time before the first write. Guesses do not
	// count, and a Create that failed need not.
	HighWater(ctx context.Context) (time.Time, error)

	// CreateAccount stores an account, or returns ErrExists, or ErrKeyRemoved if its KeyID was removed.
	CreateAccount(ctx context.Context, account AccountRecord) error

	// Account returns the account with an e-mail address, or ErrNoRecord.
	Account(ctx context.Context, email string) (AccountRecord, error)

	// Accounts returns all accounts, in the order of their e-mail addresses, byte by byte.
	Accounts(ctx context.Context) ([]AccountRecord, error)

	// UpdateAccount, in one step, gives the account with the ID of was the TokenID, KeyID and Sealed of is, and returns
	// true. It returns false, and changes nothing, if there is no such account or its TokenID or KeyID is not that of
	// was; and ErrKeyRemoved if the KeyID of is was removed. Of any number of updates of what was, one returns true.
	UpdateAccount(ctx context.Context, was, is AccountRecord) (bool, error)

	// RemoveAccount deletes an account, or returns ErrNoRecord. What was made with it stays.
	RemoveAccount(ctx context.Context, id AccountID) error

	// ServerKeys returns the ids that AddServerKey stored, in that order, but those that were removed.
	ServerKeys(ctx context.Context) ([]KeyID, error)

	// AddServerKey stores the id of a server key before the first record is sealed with it. Adding one twice is
	// no error and changes nothing. It returns ErrKeyRemoved for one that was removed.
	AddServerKey(ctx context.Context, id KeyID) error

	// KeysInUse tells of every server key that a secret, a receipt or an account was sealed with what they are, in no
	// order. It may look through all records, and holds up no write.
	KeysInUse(ctx context.Context) ([]KeyUse, error)

	// RemoveServerKey, in one step, takes an id from ServerKeys for good, and bars it: from then on nothing that was
	// sealed with it is stored. It returns ErrKeyInUse, and changes nothing, if a secret, a receipt or an account
	// was sealed with it. Removing one twice is no error, nor is removing one that was never added.
	RemoveServerKey(ctx context.Context, id KeyID) error

	// Close waits for what is under way and closes the store. Calls after it return an error.
	Close() error
}
