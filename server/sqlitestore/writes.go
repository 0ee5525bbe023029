package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// write has the writer do a change.
func (s *Store) write(ctx context.Context, operation string, c change) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return opaque(operation, errClosed)
	}
	return opaque(operation, s.writer.submit(ctx, &c))
}

// Create implements vault.Store. It fails, and stores nothing, if one of the ids is taken.
func (s *Store) Create(
	ctx context.Context, secret vault.SecretRecord, receipt vault.ReceiptRecord, recent *vault.RecentRecord,
	quota vault.Quota,
) error {
	if len(secret.Sealed)%vault.SealedBlock != 0 {
		return opaque("create", fmt.Errorf("a sealed value of %d bytes is not a multiple of %d",
			len(secret.Sealed), vault.SealedBlock))
	}
	at := secret.Created
	if receipt.Created.After(at) {
		at = receipt.Created
	}
	var room bool
	err := s.write(ctx, "create", change{at: at, chunks: len(secret.Sealed) / vault.SealedBlock, do: func(tx session) (err error) {
		if room, err = hasRoom(tx, secret, quota); err != nil || !room {
			return err
		}
		if err := notRemoved(tx, secret.KeyID, receipt.KeyID); err != nil {
			return err
		}
		if err := createSecret(tx, secret); err != nil {
			return err
		}
		if err := createReceipt(tx, receipt); err != nil {
			return err
		}
		if recent == nil {
			return nil
		}
		return tx.exec(insertRecent, recent.List[:], recent.Receipt.ID[:], blob(recent.Sealed))
	}})
	if err == nil && !room {
		return opaque("create", vault.ErrQuota)
	}
	return err
}

// hasRoom tells whether a quota lets a secret in.
func hasRoom(tx session, secret vault.SecretRecord, quota vault.Quota) (bool, error) {
	if secret.Owner == (vault.OwnerID{}) || quota == (vault.Quota{}) {
		return true, nil
	}
	var count, chunks int64
	if err := tx.row(ownersSecrets, secret.Owner[:], secret.Created.UnixMilli()).Scan(&count, &chunks); err != nil &&
		!errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	count, bytes := count+1, chunks*vault.SealedBlock+int64(len(secret.Sealed))
	return (quota.Secrets == 0 || count <= int64(quota.Secrets)) && (quota.Bytes == 0 || bytes <= quota.Bytes), nil
}

// notRemoved fails with ErrKeyRemoved for a key that was removed. It may cost the batch a second run, once for each key.
func notRemoved(tx session, ids ...vault.KeyID) error {
	for _, id := range ids {
		if tx.standing[id] {
			continue
		}
		removed, err := tx.is(keyIsRemoved, id[:])
		if err != nil {
			return err
		}
		if removed {
			return vault.ErrKeyRemoved
		}
		tx.standing[id] = true
	}
	return nil
}

func createSecret(tx session, secret vault.SecretRecord) error {
	first, err := createChunks(tx, secret.Sealed)
	if err != nil {
		return err
	}
	return tx.exec(insertSecret, secret.ID[:], secret.ReceiptID[:], secret.Account[:], secret.Owner[:],
		secret.Created.UnixMilli(), secret.Expires.UnixMilli(), secret.HasPassphrase, secret.KeyID[:], first, len(secret.Sealed)/vault.SealedBlock)
}

// createChunks returns the number of the first. The others follow it: within a transaction nobody else inserts.
func createChunks(tx session, sealed []byte) (first int64, err error) {
	for data := range slices.Chunk(sealed, vault.SealedBlock) {
		result, err := tx.prepared[insertChunk].Exec(data)
		if err != nil {
			return 0, err
		}
		if first != 0 {
			continue
		}
		if first, err = result.LastInsertId(); err != nil {
			return 0, err
		}
	}
	return first, nil
}

func createReceipt(tx session, r vault.ReceiptRecord) error {
	return tx.exec(insertReceipt, r.ID[:], r.SecretID[:], r.Account[:], string(r.State), r.Created.UnixMilli(),
		r.Updated.UnixMilli(), r.SecretExpires.UnixMilli(), r.Expires.UnixMilli(), r.HasPassphrase, r.KeyID[:],
		r.Claim[:], blob(r.Sealed))
}

// Claim implements vault.Store.
func (s *Store) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	var won bool
	err := s.write(ctx, "claim", change{at: claim.Now, do: func(tx session) (err error) {
		won, err = consume(tx, claim)
		return err
	}})
	return won && err == nil, err
}

func consume(tx session, claim vault.Claim) (bool, error) {
	var receiptID vault.ID
	var first, chunks int64
	now := claim.Now.UnixMilli()
	err := tx.row(takeSecret, claim.SecretID[:], now).Scan(fixed(receiptID[:]), &first, &chunks)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := tx.exec(deleteChunks, first, chunks); err != nil {
		return false, err
	}
	return true, tx.exec(markReceipt, string(claim.State), now, claim.ID[:], receiptID[:])
}

// BurnAccount implements vault.Store. Large secrets it burns in several transactions, between which others come.
func (s *Store) BurnAccount(
	ctx context.Context, account vault.AccountID, claim vault.ClaimID, now time.Time, limit int,
) (int, error) {
	limit = max(limit, 0) // SQLite takes a negative one for none
	burned := 0
	for more := true; more; {
		var some int
		err := s.write(ctx, "burn account", change{at: now, do: func(tx session) (err error) {
			some, more, err = burnSome(tx, account, claim, now, limit-burned)
			return err
		}})
		if err != nil {
			return burned, err
		}
		burned += some
	}
	return burned, nil
}

// An owned is a secret of an account.
type owned struct {
	id     vault.ID
	chunks int64
}

// burnSome tells, too, whether it has left some to the next transaction.
func burnSome(
	tx session, account vault.AccountID, claim vault.ClaimID, now time.Time, limit int,
) (burned int, more bool, err error) {
	rows, err := tx.rows(secretsOfAccount, account[:], now.UnixMilli(), limit)
	if err != nil {
		return 0, false, err
	}
	secrets, err := collect(rows, func(o *owned) []any { return []any{fixed(o.id[:]), &o.chunks} })
	if err != nil {
		return 0, false, err
	}
	var chunks int64
	for i, o := range secrets {
		if _, err := consume(tx, vault.Claim{SecretID: o.id, ID: claim, State: onetime.StateBurned, Now: now}); err != nil {
			return 0, false, err
		}
		if chunks += o.chunks; chunks >= maxChunks {
			return i + 1, i+1 < len(secrets), nil
		}
	}
	return len(secrets), false, nil
}

// Sweep implements vault.Store. It also empties the write-ahead log, as the package comment describes. Large secrets it deletes
// in several transactions, between which others come.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (vault.Swept, error) {
	limit = max(limit, 0) // SQLite takes a negative one for none
	var swept vault.Swept
	for more := true; more; {
		var secrets int
		err := s.write(ctx, "sweep", change{at: now, do: func(tx session) (err error) {
			secrets, more, err = sweepSecrets(tx, now, limit-swept.Secrets)
			return err
		}})
		if err != nil {
			return vault.Swept{}, err
		}
		swept.Secrets += secrets
	}
	err := s.write(ctx, "sweep", change{at: now, erase: true, do: func(tx session) (err error) {
		if swept.Receipts, err = sweepReceipts(tx, now, limit); err != nil {
			return err
		}
		swept.Tallies, err = tx.changed(expiredTallies, now.UnixMilli(), limit)
		return err
	}})
	if err != nil {
		return vault.Swept{}, err
	}
	return swept, nil
}

// An expired is what it takes to delete a secret.
type expired struct {
	id, receiptID vault.ID
	expires       int64
	first, chunks int64
}

// sweepSecrets tells, too, whether it has left some to the next transaction.
func sweepSecrets(tx session, now time.Time, limit int) (swept int, more bool, err error) {
	rows, err := tx.rows(expiredSecrets, now.UnixMilli(), limit)
	if err != nil {
		return 0, false, err
	}
	secrets, err := collect(rows, func(e *expired) []any {
		return []any{fixed(e.id[:]), fixed(e.receiptID[:]), &e.expires, &e.first, &e.chunks}
	})
	if err != nil {
		return 0, false, err
	}
	var chunks int64
	for i, e := range secrets {
		if err := sweepSecret(tx, e); err != nil {
			return 0, false, err
		}
		if chunks += e.chunks; chunks >= maxChunks {
			return i + 1, i+1 < len(secrets), nil
		}
	}
	return len(secrets), false, nil
}

func sweepSecret(tx session, e expired) error {
	if err := tx.exec(deleteChunks, e.first, e.chunks); err != nil {
		return err
	}
	if err := tx.exec(deleteSecret, e.id[:]); err != nil {
		return err
	}
	return tx.exec(expireReceipt, string(onetime.StateExpired), e.expires, e.receiptID[:], string(onetime.StateNew))
}

func sweepReceipts(tx session, now time.Time, limit int) (int, error) {
	rows, err := tx.rows(expiredReceipts, now.UnixMilli(), limit)
	if err != nil {
		return 0, err
	}
	ids, err := collect(rows, func(id *vault.ID) []any { return []any{fixed(id[:])} })
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := tx.exec(deleteRecent, id[:]); err != nil {
			return 0, err
		}
		if err := tx.exec(deleteReceipt, id[:]); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// Ping implements vault.Store. It syncs the disk, together with what others write at that time.
func (s *Store) Ping(ctx context.Context) error {
	return s.write(ctx, "ping", change{loose: true, do: func(tx session) error { return tx.exec(ping) }})
}
