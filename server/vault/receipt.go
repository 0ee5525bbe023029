package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onetime-go/onetime"
)

// recentLimit is how many receipts a list has at most.
const recentLimit = 100

// Receipt shows what became of a secret. It consumes nothing.
func (v *Vault) Receipt(ctx context.Context, _ onetime.Caller, key onetime.Sensitive) (onetime.Receipt, error) {
	now := v.now()
	r, c, err := v.receipt(ctx, key, now)
	if err != nil {
		return onetime.Receipt{}, err
	}
	return showReceipt(key, r, c, now), nil
}

// receipt reads and opens a receipt that has not expired.
func (v *Vault) receipt(ctx context.Context, key onetime.Sensitive, now time.Time) (ReceiptRecord, receiptContent, error) {
	if !isKey(key) {
		return ReceiptRecord{}, receiptContent{}, onetime.ErrNotFound
	}
	r, err := v.store.Receipt(ctx, receiptID(key))
	if errors.Is(err, ErrNoRecord) || err == nil && !now.Before(r.Expires) {
		return r, receiptContent{}, onetime.ErrNotFound
	}
	if err != nil {
		return r, receiptContent{}, v.alarm(receiptID(key), fmt.Errorf("vault: read a receipt: %w", err))
	}
	v.meet(ctx, r.KeyID)
	c, err := v.unsealReceipt(key, r)
	return r, c, v.alarm(r.ID, err)
}

// Recent lists the receipts of the caller's account, the newest 100.
func (v *Vault) Recent(ctx context.Context, caller onetime.Caller) ([]onetime.Receipt, error) {
	account, err := accountOf(caller)
	if err != nil {
		return nil, err
	}
	now := v.now()
	entries, err := v.store.Recent(ctx, account.list(), recentLimit)
	if err != nil {
		return nil, fmt.Errorf("vault: read the recent receipts: %w", err)
	}
	var receipts []onetime.Receipt
	for _, entry := range entries {
		if !now.Before(entry.Receipt.Expires) {
			continue
		}
		v.meet(ctx, entry.Receipt.KeyID)
		receipt, err := v.openEntry(account, entry, now)
		if err != nil {
			return nil, v.alarm(entry.Receipt.ID, err)
		}
		receipts = append(receipts, receipt)
	}
	return receipts, nil
}

func (v *Vault) openEntry(account *Account, entry RecentRecord, now time.Time) (onetime.Receipt, error) {
	sealed, err := v.unseal(kindRecent, account.key(), factsOfRecent(entry.Receipt), entry.Sealed)
	if err != nil {
		return onetime.Receipt{}, err
	}
	key := onetime.Sensitive(sealed)
	if !isKey(key) {
		return onetime.Receipt{}, ErrDamaged
	}
	c, err := v.unsealReceipt(key, entry.Receipt)
	if err != nil {
		return onetime.Receipt{}, err
	}
	receipt := showReceipt(key, entry.Receipt, c, now)
	receipt.SecretKey = "" // never in a list
	return receipt, nil
}

// showReceipt makes of a record what its holder sees.
func showReceipt(key onetime.Sensitive, r ReceiptRecord, c receiptContent, now time.Time) onetime.Receipt {
	receipt := onetime.Receipt{
		Custid:        c.custid,
		Key:           key,
		State:         r.State,
		Created:       r.Created,
		Updated:       r.Updated,
		TTL:           r.SecretExpires.Sub(r.Created),
		ReceiptTTL:    r.Expires.Sub(now),
		ShareDomain:   c.shareDomain,
		Recipients:    c.recipients,
		HasPassphrase: r.HasPassphrase,
	}
	switch {
	case r.State == onetime.StateNew && !now.Before(r.SecretExpires): // not swept yet
		receipt.State, receipt.Updated = onetime.StateExpired, r.SecretExpires
	case r.State == onetime.StateNew && !r.SecretStands:
		receipt.State = onetime.StateOrphaned
	case r.State == onetime.StateNew:
		receipt.SecretTTL = r.SecretExpires.Sub(now)
	case r.State == onetime.StateReceived:
		receipt.Received = r.Updated
		return receipt
	}
	receipt.SecretKey = c.SecretKey
	return receipt
}
