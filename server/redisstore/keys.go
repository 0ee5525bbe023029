package redisstore

import (
	"encoding/base64"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/onetime-go/onetime/server/vault"
)

// base36 is what keys are made of. A partition is what the keys of one tag name: two such characters.
const (
	base36     = "0123456789abcdefghijklmnopqrstuvwxyz"
	tagLength  = 2
	partitions = len(base36) * len(base36)
)

var errTag = errors.New("the ids of a secret and its receipt do not begin with the same two letters or digits")

// tag returns the hash tag of a record: everything of one tag is in one slot of a Cluster.
func tag(id vault.ID) string { return string(id[:tagLength]) }

// tags checks that two records share a partition, and that it is one of those that are swept.
func tags(secret, receipt vault.ID) error {
	for _, c := range tag(secret) {
		if !strings.ContainsRune(base36, c) {
			return errTag
		}
	}
	if tag(secret) != tag(receipt) {
		return errTag
	}
	return nil
}

// A partition names the keys of one slot.
type partition struct{ prefix, tag string }

func (p partition) key(name string) string { return p.prefix + "{" + p.tag + "}:" + name }

func (p partition) secret(hash string) string  { return p.key("s:") + hash }
func (p partition) receipt(hash string) string { return p.key("r:") + hash }

// id makes an id of the hash in it.
func (p partition) id(hash string) vault.ID { return vault.ID([]byte(p.tag + hash)) }

// What is kept of a partition as a whole.
func (p partition) secrets() string  { return p.key("secrets") }  // by expiry; see secretEntry
func (p partition) receipts() string { return p.key("receipts") } // by expiry; see receiptEntry
func (p partition) owned() string    { return p.key("owned") }    // in the order of bytes; see ownedEntry
func (p partition) meta() string     { return p.key("meta") }

// tallies names the tallies of guesses, by when they are over, and by when they were counted in.
func (p partition) tallies() []string {
	return []string{p.key("tallies"), p.key("over"), p.key("counted")}
}

// global is the partition of what belongs to no secret: accounts and server keys.
func (s *Store) global() partition { return partition{s.prefix, "global"} }

func (s *Store) partitionOf(id vault.ID) partition { return partition{s.prefix, tag(id)} }

// all returns the partitions of secrets.
func (s *Store) all() []partition {
	all := make([]partition, 0, partitions)
	for _, a := range base36 {
		for _, b := range base36 {
			all = append(all, partition{s.prefix, string(a) + string(b)})
		}
	}
	return all
}

// some returns all of them, as many at a time as are asked together.
func (s *Store) some() iter.Seq[[]partition] {
	const together = 108 // a twelfth
	return slices.Chunk(s.all(), together)
}

// list names an account's list of receipts, and their sealed keys. Its tag is longer than those of secrets.
func (s *Store) list(id vault.ListID) []string {
	p := partition{s.prefix, base64.RawURLEncoding.EncodeToString(id[:])}
	return []string{p.key("recent"), p.key("sealed")}
}

// room names what an owner's secrets take: when they expire, and their sizes.
func (s *Store) room(id vault.OwnerID) []string {
	p := partition{s.prefix, base64.RawURLEncoding.EncodeToString(id[:])}
	return []string{p.key("expiries"), p.key("sizes")}
}

// hash is an id without its tag, which the names of keys have in front.
func hash(id vault.ID) string { return string(id[tagLength:]) }

const (
	keyIDLength = len(vault.KeyID{})
	hashLength  = len(vault.ID{}) - tagLength
	pairLength  = 2 * hashLength
)

// secretEntry is what stands in secrets: the server key, the hashes of both ids, and the account if there is one.
func secretEntry(r vault.SecretRecord) string {
	entry := string(r.KeyID[:]) + hash(r.ID) + hash(r.ReceiptID)
	if r.Account != (vault.AccountID{}) {
		entry += string(r.Account[:])
	}
	return entry
}

// pairOf returns the hashes in an entry of secrets.
func pairOf(entry string) (secret, receipt string) {
	pair := entry[keyIDLength : keyIDLength+pairLength]
	return pair[:hashLength], pair[hashLength:]
}

// receiptEntry is what stands in receipts: the server key and the hash.
func receiptEntry(r vault.ReceiptRecord) string { return string(r.KeyID[:]) + hash(r.ID) }

// ownedEntry is what stands in owned, or "" for a secret of no account: the account and the hashes of both ids.
func ownedEntry(r vault.SecretRecord) string {
	if r.Account == (vault.AccountID{}) {
		return ""
	}
	return string(r.Account[:]) + hash(r.ID) + hash(r.ReceiptID)
}
