package vault_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// A hooked store fails, or alters what is read, behind the vault's back. A nil hook does nothing.
type hooked struct {
	vault.Store
	before func(method string) error // an error is returned in place of the call
	after  func(method string) error // an error is returned after the call was done

	// What reads return, to be altered.
	secret  func(*vault.SecretRecord)
	receipt func(*vault.ReceiptRecord)
	recent  func(*vault.RecentRecord)
	account func(*vault.AccountRecord)

	creates, claims atomic.Int64
}

// call runs a method of the store between the hooks.
func call[T any](h *hooked, method string, do func() (T, error)) (T, error) {
	var none T
	if h.before != nil {
		if err := h.before(method); err != nil {
			return none, err
		}
	}
	answer, err := do()
	if h.after != nil {
		if err := h.after(method); err != nil {
			return none, err
		}
	}
	return answer, err
}

// change runs a method that returns nothing but an error.
func change(h *hooked, method string, do func() error) error {
	_, err := call(h, method, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// alter applies a hook to what was read.
func alter[T any](record T, err error, hook func(*T)) (T, error) {
	if err == nil && hook != nil {
		hook(&record)
	}
	return record, err
}

func (h *hooked) Create(ctx context.Context, s vault.SecretRecord, r vault.ReceiptRecord, e *vault.RecentRecord, q vault.Quota) error {
	h.creates.Add(1)
	return change(h, "Create", func() error { return h.Store.Create(ctx, s, r, e, q) })
}

func (h *hooked) ReserveGuess(ctx context.Context, guess vault.Guess) (time.Duration, error) {
	return call(h, "ReserveGuess", func() (time.Duration, error) { return h.Store.ReserveGuess(ctx, guess) })
}

func (h *hooked) RefundGuess(ctx context.Context, guess vault.Guess) error {
	return change(h, "RefundGuess", func() error { return h.Store.RefundGuess(ctx, guess) })
}

func (h *hooked) Live(ctx context.Context) (int64, error) {
	return call(h, "Live", func() (int64, error) { return h.Store.Live(ctx) })
}

func (h *hooked) Ping(ctx context.Context) error {
	return change(h, "Ping", func() error { return h.Store.Ping(ctx) })
}

func (h *hooked) Secret(ctx context.Context, id vault.ID) (vault.SecretRecord, error) {
	r, err := call(h, "Secret", func() (vault.SecretRecord, error) { return h.Store.Secret(ctx, id) })
	return alter(r, err, h.secret)
}

func (h *hooked) Receipt(ctx context.Context, id vault.ID) (vault.ReceiptRecord, error) {
	r, err := call(h, "Receipt", func() (vault.ReceiptRecord, error) { return h.Store.Receipt(ctx, id) })
	return alter(r, err, h.receipt)
}

func (h *hooked) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	h.claims.Add(1)
	return call(h, "Claim", func() (bool, error) { return h.Store.Claim(ctx, claim) })
}

func (h *hooked) Recent(ctx context.Context, id vault.ListID, limit int) ([]vault.RecentRecord, error) {
	entries, err := call(h, "Recent", func() ([]vault.RecentRecord, error) { return h.Store.Recent(ctx, id, limit) })
	for i := range entries {
		entries[i], err = alter(entries[i], err, h.recent)
	}
	return entries, err
}

func (h *hooked) Sweep(ctx context.Context, now time.Time, limit int) (vault.Swept, error) {
	return call(h, "Sweep", func() (vault.Swept, error) { return h.Store.Sweep(ctx, now, limit) })
}

func (h *hooked) HighWater(ctx context.Context) (time.Time, error) {
	return call(h, "HighWater", func() (time.Time, error) { return h.Store.HighWater(ctx) })
}

func (h *hooked) CreateAccount(ctx context.Context, account vault.AccountRecord) error {
	return change(h, "CreateAccount", func() error { return h.Store.CreateAccount(ctx, account) })
}

func (h *hooked) Account(ctx context.Context, email string) (vault.AccountRecord, error) {
	r, err := call(h, "Account", func() (vault.AccountRecord, error) { return h.Store.Account(ctx, email) })
	return alter(r, err, h.account)
}

func (h *hooked) ServerKeys(ctx context.Context) ([]vault.KeyID, error) {
	return call(h, "ServerKeys", func() ([]vault.KeyID, error) { return h.Store.ServerKeys(ctx) })
}

func (h *hooked) AddServerKey(ctx context.Context, id vault.KeyID) error {
	return change(h, "AddServerKey", func() error { return h.Store.AddServerKey(ctx, id) })
}

func (h *hooked) Accounts(ctx context.Context) ([]vault.AccountRecord, error) {
	return call(h, "Accounts", func() ([]vault.AccountRecord, error) { return h.Store.Accounts(ctx) })
}

func (h *hooked) UpdateAccount(ctx context.Context, was, is vault.AccountRecord) (bool, error) {
	return call(h, "UpdateAccount", func() (bool, error) { return h.Store.UpdateAccount(ctx, was, is) })
}

func (h *hooked) RemoveAccount(ctx context.Context, id vault.AccountID) error {
	return change(h, "RemoveAccount", func() error { return h.Store.RemoveAccount(ctx, id) })
}

func (h *hooked) BurnAccount(ctx context.Context, id vault.AccountID, claim vault.ClaimID, now time.Time, limit int) (int, error) {
	return call(h, "BurnAccount", func() (int, error) { return h.Store.BurnAccount(ctx, id, claim, now, limit) })
}

func (h *hooked) RemoveServerKey(ctx context.Context, id vault.KeyID) error {
	return change(h, "RemoveServerKey", func() error { return h.Store.RemoveServerKey(ctx, id) })
}
