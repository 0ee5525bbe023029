package redisstore

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// Records are strings of bytes: fields of fixed lengths, then what is sealed. Times are Unix milliseconds, 8 bytes,
// big-endian. The scripts know where these fields are:
//
//	secret   version 1, receipt's id 34, account 16, owner 16, server key 8, flags 1, created 8, expires 8, sealed
//	receipt  version 1, state 1, updated 8, claim 16, secret's id 34, account 16, server key 8, flags 1, created 8,
//	         secret expires 8, expires 8, listed 1, list 16, sealed
//	account  version 1, server key 8, token 32, id 16, created 8, sealed
//
// State, updated and claim of a receipt are its marks, the only thing of a record that changes.
const recordVersion = 1

const (
	flagPassphrase = 1

	secretHead  = 92
	receiptHead = 126
	marksEnd    = 26
	accountHead = 65
)

var stateLetters = map[onetime.State]byte{
	onetime.StateNew:      'n',
	onetime.StateViewed:   'v',
	onetime.StateReceived: 'r',
	onetime.StateBurned:   'b',
	onetime.StateExpired:  'e',
	onetime.StateOrphaned: 'o',
}

func stateOf(letter byte) (onetime.State, bool) {
	for state, l := range stateLetters {
		if l == letter {
			return state, true
		}
	}
	return "", false
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli()))
}

func appendFlags(b []byte, hasPassphrase bool) []byte {
	if hasPassphrase {
		return append(b, flagPassphrase)
	}
	return append(b, 0)
}

func encodeSecret(r vault.SecretRecord) []byte {
	b := make([]byte, 0, secretHead+len(r.Sealed))
	b = append(b, recordVersion)
	b = append(b, r.ReceiptID[:]...)
	b = append(b, r.Account[:]...)
	b = append(b, r.Owner[:]...)
	b = append(b, r.KeyID[:]...)
	b = appendFlags(b, r.HasPassphrase)
	b = appendTime(b, r.Created)
	b = appendTime(b, r.Expires)
	return append(b, r.Sealed...)
}

// encodeMarks fails for a state that no receipt has.
func encodeMarks(state onetime.State, updated time.Time, claim vault.ClaimID) ([]byte, error) {
	letter, known := stateLetters[state]
	if !known {
		return nil, fmt.Errorf("a receipt has no state %q", state)
	}
	b := append(make([]byte, 0, marksEnd-1), letter)
	b = appendTime(b, updated)
	return append(b, claim[:]...), nil
}

func encodeReceipt(r vault.ReceiptRecord, list *vault.ListID) ([]byte, error) {
	marks, err := encodeMarks(r.State, r.Updated, r.Claim)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, receiptHead+len(r.Sealed))
	b = append(b, recordVersion)
	b = append(b, marks...)
	b = append(b, r.SecretID[:]...)
	b = append(b, r.Account[:]...)
	b = append(b, r.KeyID[:]...)
	b = appendFlags(b, r.HasPassphrase)
	b = appendTime(b, r.Created)
	b = appendTime(b, r.SecretExpires)
	b = appendTime(b, r.Expires)
	if list == nil {
		b = append(b, make([]byte, 1+len(vault.ListID{}))...)
	} else {
		b = append(append(b, 1), list[:]...)
	}
	return append(b, r.Sealed...), nil
}

func encodeAccount(r vault.AccountRecord) []byte {
	b := append([]byte{recordVersion}, r.KeyID[:]...)
	b = append(b, r.TokenID[:]...)
	b = append(b, r.ID[:]...)
	b = appendTime(b, r.Created)
	return append(b, r.Sealed...)
}

// fields takes a record apart, from its beginning.
type fields []byte

func (f *fields) take(n int) []byte {
	taken := (*f)[:n]
	*f = (*f)[n:]
	return taken
}

func (f *fields) time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(f.take(8)))).UTC()
}

func (f *fields) flag() bool { return f.take(1)[0] != 0 }

// open returns the fields after the version, or false for what is no record with a head of this length.
func open(b []byte, head int) (fields, bool) {
	if len(b) < head || b[0] != recordVersion {
		return nil, false
	}
	return fields(b[1:]), true
}

func decodeSecret(id vault.ID, b []byte) (vault.SecretRecord, error) {
	f, ok := open(b, secretHead)
	if !ok || (len(b)-secretHead)%vault.SealedBlock != 0 {
		return vault.SecretRecord{}, vault.ErrDamaged
	}
	return vault.SecretRecord{
		ID:            id,
		ReceiptID:     vault.ID(f.take(34)),
		Account:       vault.AccountID(f.take(16)),
		Owner:         vault.OwnerID(f.take(16)),
		KeyID:         vault.KeyID(f.take(8)),
		HasPassphrase: f.flag(),
		Created:       f.time(),
		Expires:       f.time(),
		Sealed:        f,
	}, nil
}

// decodeReceipt leaves SecretStands to the caller.
func decodeReceipt(id vault.ID, b []byte) (vault.ReceiptRecord, error) {
	f, ok := open(b, receiptHead)
	if !ok {
		return vault.ReceiptRecord{}, vault.ErrDamaged
	}
	state, known := stateOf(f.take(1)[0])
	if !known {
		return vault.ReceiptRecord{}, vault.ErrDamaged
	}
	r := vault.ReceiptRecord{
		ID:            id,
		State:         state,
		Updated:       f.time(),
		Claim:         vault.ClaimID(f.take(16)),
		SecretID:      vault.ID(f.take(34)),
		Account:       vault.AccountID(f.take(16)),
		KeyID:         vault.KeyID(f.take(8)),
		HasPassphrase: f.flag(),
		Created:       f.time(),
		SecretExpires: f.time(),
		Expires:       f.time(),
	}
	f.take(1 + len(vault.ListID{}))
	r.Sealed = f
	return r, nil
}

func decodeAccount(email string, b []byte) (vault.AccountRecord, error) {
	f, ok := open(b, accountHead)
	if !ok {
		return vault.AccountRecord{}, vault.ErrDamaged
	}
	return vault.AccountRecord{
		Email:   email,
		KeyID:   vault.KeyID(f.take(8)),
		TokenID: [32]byte(f.take(32)),
		ID:      vault.AccountID(f.take(16)),
		Created: f.time(),
		Sealed:  f,
	}, nil
}
