package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// engineGrace is how much later than a sweep the engine deletes what has expired, for where no server runs.
const engineGrace = time.Hour

// listLength is how many receipts a list keeps.
const listLength = 500

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Create implements vault.Store. What a list and a quota need is written before the secret, as it is elsewhere in a
// Cluster; if the secret is not stored after all, that is taken back, or means nothing.
func (s *Store) Create(
	ctx context.Context, secret vault.SecretRecord, receipt vault.ReceiptRecord, recent *vault.RecentRecord, quota vault.Quota,
) error {
	return s.call(ctx, "create", func() error {
		if err := tags(secret.ID, receipt.ID); err != nil {
			return err
		}
		if len(secret.Sealed)%vault.SealedBlock != 0 {
			return fmt.Errorf("a sealed value of %d bytes is not a multiple of %d", len(secret.Sealed), vault.SealedBlock)
		}
		giveBack, err := s.takeRoom(ctx, secret, quota)
		if err != nil {
			return err
		}
		unlist, err := s.enlist(ctx, receipt, recent)
		if err == nil {
			err = s.create(ctx, secret, receipt, recent)
		}
		if err != nil && !inDoubt(err) {
			giveBack(ctx)
			unlist(ctx)
		}
		return err
	})
}

// create stores a secret and its receipt. Its error is ErrInDoubt if they may be there all the same.
func (s *Store) create(ctx context.Context, secret vault.SecretRecord, receipt vault.ReceiptRecord, recent *vault.RecentRecord) error {
	var list *vault.ListID
	if recent != nil {
		list = &recent.List
	}
	record, err := encodeReceipt(receipt, list)
	if err != nil {
		return err
	}
	p := s.partitionOf(secret.ID)
	receiptKey := p.receipt(hash(receipt.ID))
	result, err := s.write(ctx, step{createScript,
		[]string{p.secret(hash(secret.ID)), receiptKey, p.secrets(), p.receipts(), p.owned(), p.meta()},
		[]string{
			valkey.BinaryString(encodeSecret(secret)), valkey.BinaryString(record),
			millis(secret.Expires), millis(receipt.Expires),
			millis(secret.Expires.Add(engineGrace)), millis(receipt.Expires.Add(engineGrace)),
			secretEntry(secret), receiptEntry(receipt), ownedEntry(secret),
			string(secret.KeyID[:]), string(receipt.KeyID[:]), millis(later(secret.Created, receipt.Created)),
		}})
	if inDoubt(err) && !errors.Is(err, vault.ErrInDoubt) {
		begins, settleErr := s.settle(ctx, receiptKey, record)
		if settleErr == nil && begins == string(record) {
			return nil
		}
		return doubt(cmp.Or(settleErr, err))
	}
	if err != nil {
		return err
	}
	return createOutcome(result)
}

func createOutcome(result valkey.ValkeyResult) error {
	switch outcome, _ := result.ToString(); outcome {
	case "ok":
		return nil
	case "removed":
		return vault.ErrKeyRemoved
	case "taken":
		return errors.New("one of the ids is taken")
	}
	return errStrange
}

// nothing is what there is to take back where nothing was done.
func nothing(context.Context) {}

// takeRoom notes what a secret takes of its owner's quota.
func (s *Store) takeRoom(ctx context.Context, secret vault.SecretRecord, quota vault.Quota) (giveBack func(context.Context), err error) {
	if secret.Owner == (vault.OwnerID{}) {
		return nothing, nil
	}
	took, err := s.run(ctx, step{takeRoomScript, s.room(secret.Owner), []string{
		string(secret.ID[:]), strconv.Itoa(len(secret.Sealed)), millis(secret.Expires), millis(secret.Created),
		strconv.Itoa(quota.Secrets), strconv.FormatInt(quota.Bytes, 10), millis(secret.Expires.Add(engineGrace)),
	}}).AsInt64()
	if err != nil {
		return nil, err
	}
	if took == 0 {
		return nil, vault.ErrQuota
	}
	return func(ctx context.Context) { s.giveRoom(ctx, secret.Owner, secret.ID) }, nil
}

// giveRoom takes a secret from what its owner has. If that fails it counts until it expires.
func (s *Store) giveRoom(ctx context.Context, owner vault.OwnerID, secrets ...vault.ID) {
	for _, id := range secrets {
		_ = s.run(ctx, step{giveRoomScript, s.room(owner), []string{string(id[:])}})
	}
}

// enlist puts a receipt on a list.
func (s *Store) enlist(ctx context.Context, receipt vault.ReceiptRecord, recent *vault.RecentRecord) (unlist func(context.Context), err error) {
	if recent == nil {
		return nothing, nil
	}
	id := string(recent.Receipt.ID[:])
	result, err := s.write(ctx, step{listScript, s.list(recent.List), []string{
		id, valkey.BinaryString(recent.Sealed), millis(receipt.Expires.Add(engineGrace)), strconv.Itoa(listLength),
	}})
	if err != nil {
		return nothing, err
	}
	if added, err := result.AsInt64(); err != nil || added == 0 {
		return nothing, err
	}
	return func(ctx context.Context) { _ = s.run(ctx, step{unlistScript, s.list(recent.List), []string{id}}) }, nil
}

// Claim implements vault.Store. Of the time that it is given and the engine's, the later one decides. If the answer is
// lost it reads back whether the claim has won.
func (s *Store) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	var won bool
	err := s.call(ctx, "claim", func() (err error) {
		won, err = s.claim(ctx, claim)
		return err
	})
	return won && err == nil, err
}

func (s *Store) claim(ctx context.Context, claim vault.Claim) (bool, error) {
	if tags(claim.SecretID, claim.ReceiptID) != nil {
		return false, s.raise(ctx, claim.Now) // no such pair is stored
	}
	marks, err := encodeMarks(claim.State, claim.Now, claim.ID)
	if err != nil {
		return false, err
	}
	p := s.partitionOf(claim.SecretID)
	receiptKey := p.receipt(hash(claim.ReceiptID))
	result, err := s.write(ctx, step{claimScript,
		[]string{p.secret(hash(claim.SecretID)), receiptKey, p.secrets(), p.owned(), p.meta()},
		[]string{hash(claim.SecretID), string(claim.ReceiptID[:]), valkey.BinaryString(marks), millis(claim.Now)}})
	if inDoubt(err) && !errors.Is(err, vault.ErrInDoubt) {
		return s.settleClaim(ctx, receiptKey, marks, err)
	}
	if err != nil {
		return false, err
	}
	owner, err := result.ToString()
	if valkey.IsValkeyNil(err) {
		return false, nil
	}
	if err != nil || len(owner) != len(vault.OwnerID{}) {
		return true, nil // whoever owned it
	}
	if id := vault.OwnerID([]byte(owner)); id != (vault.OwnerID{}) {
		s.giveRoom(ctx, id, claim.SecretID)
	}
	return true, nil
}

// settleClaim reads back by the claim's id who has consumed a secret.
func (s *Store) settleClaim(ctx context.Context, receiptKey string, marks []byte, failure error) (bool, error) {
	want := append([]byte{recordVersion}, marks...)
	begins, err := s.settle(ctx, receiptKey, want)
	if err != nil || len(begins) != len(want) {
		return false, doubt(cmp.Or(err, failure))
	}
	if begins == string(want) {
		return true, nil
	}
	if strings.Trim(begins[len(want)-len(vault.ClaimID{}):], "\x00") != "" {
		return false, nil // somebody else has
	}
	return false, doubt(failure) // it may still arrive
}

// raise notes a time that was given to what concerns no secret.
func (s *Store) raise(ctx context.Context, at time.Time) error {
	_, err := s.write(ctx, step{raiseScript, []string{s.global().meta()}, []string{millis(at)}})
	return err
}

// BurnAccount implements vault.Store. Each secret is claimed in a step of its own, which is all that several slots allow.
func (s *Store) BurnAccount(
	ctx context.Context, account vault.AccountID, claim vault.ClaimID, now time.Time, limit int,
) (int, error) {
	burned := 0
	err := s.call(ctx, "burn account", func() error {
		if err := s.raise(ctx, now); err != nil {
			return err
		}
		if account == (vault.AccountID{}) {
			return nil
		}
		for some := range s.some() {
			pairs, err := s.secretsOf(ctx, account, some)
			for _, pair := range pairs {
				if err != nil || burned >= limit {
					return err
				}
				var won bool
				won, err = s.claim(ctx, vault.Claim{
					SecretID: pair.secret, ReceiptID: pair.receipt, ID: claim, State: onetime.StateBurned, Now: now,
				})
				if won {
					burned++
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return burned, err
}

// A pair is what identifies a secret and its receipt.
type pair struct{ secret, receipt vault.ID }

// secretsOf returns the secrets of an account in some partitions, expired ones included.
func (s *Store) secretsOf(ctx context.Context, account vault.AccountID, some []partition) ([]pair, error) {
	from, to := "["+string(account[:]), "["+string(account[:])+strings.Repeat("\xff", pairLength)
	var commands []valkey.Completed
	for _, p := range some {
		commands = append(commands, s.client.B().Zrange().Key(p.owned()).Min(from).Max(to).Bylex().Build())
	}
	var pairs []pair
	for i, result := range s.ask(ctx, commands...) {
		entries, err := result.AsStrSlice()
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if len(entry) != len(account)+pairLength {
				return nil, vault.ErrDamaged
			}
			hashes := entry[len(account):]
			pairs = append(pairs, pair{some[i].id(hashes[:hashLength]), some[i].id(hashes[hashLength:])})
		}
	}
	return pairs, nil
}
