package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// watched is a Store whose calls are watched, all but Close.
type watched struct {
	vault.Store
	// begin is told what a call is for, and returns what is told how it ended.
	begin func(ctx context.Context, operation string) (context.Context, func(error))
}

func watch(store vault.Store, begin func(context.Context, string) (context.Context, func(error))) vault.Store {
	return watched{store, begin}
}

// isFailure tells whether an error means that the store does not work. The others are answers; and a caller that has left is
// no fault of the store.
func isFailure(ctx context.Context, err error) bool {
	if err == nil || errors.Is(ctx.Err(), context.Canceled) && errors.Is(err, context.Canceled) {
		return false
	}
	for _, answer := range []error{vault.ErrNoRecord, vault.ErrExists, vault.ErrQuota, vault.ErrKeyInUse, vault.ErrKeyRemoved} {
		if errors.Is(err, answer) {
			return false
		}
	}
	return true
}

func (w watched) Create(ctx context.Context, secret vault.SecretRecord, receipt vault.ReceiptRecord, recent *vault.RecentRecord, quota vault.Quota) (err error) {
	ctx, end := w.begin(ctx, "Create")
	defer func() { end(err) }()
	return w.Store.Create(ctx, secret, receipt, recent, quota)
}

func (w watched) Secret(ctx context.Context, id vault.ID) (result vault.SecretRecord, err error) {
	ctx, end := w.begin(ctx, "Secret")
	defer func() { end(err) }()
	return w.Store.Secret(ctx, id)
}

func (w watched) Receipt(ctx context.Context, id vault.ID) (result vault.ReceiptRecord, err error) {
	ctx, end := w.begin(ctx, "Receipt")
	defer func() { end(err) }()
	return w.Store.Receipt(ctx, id)
}

func (w watched) Claim(ctx context.Context, claim vault.Claim) (result bool, err error) {
	ctx, end := w.begin(ctx, "Claim")
	defer func() { end(err) }()
	return w.Store.Claim(ctx, claim)
}

func (w watched) BurnAccount(ctx context.Context, account vault.AccountID, claim vault.ClaimID, now time.Time, limit int) (result int, err error) {
	ctx, end := w.begin(ctx, "BurnAccount")
	defer func() { end(err) }()
	return w.Store.BurnAccount(ctx, account, claim, now, limit)
}

func (w watched) Recent(ctx context.Context, list vault.ListID, limit int) (result []vault.RecentRecord, err error) {
	ctx, end := w.begin(ctx, "Recent")
	defer func() { end(err) }()
	return w.Store.Recent(ctx, list, limit)
}

func (w watched) ReserveGuess(ctx context.Context, guess vault.Guess) (result time.Duration, err error) {
	ctx, end := w.begin(ctx, "ReserveGuess")
	defer func() { end(err) }()
	return w.Store.ReserveGuess(ctx, guess)
}

func (w watched) RefundGuess(ctx context.Context, guess vault.Guess) (err error) {
	ctx, end := w.begin(ctx, "RefundGuess")
	defer func() { end(err) }()
	return w.Store.RefundGuess(ctx, guess)
}

func (w watched) Sweep(ctx context.Context, now time.Time, limit int) (result vault.Swept, err error) {
	ctx, end := w.begin(ctx, "Sweep")
	defer func() { end(err) }()
	return w.Store.Sweep(ctx, now, limit)
}

func (w watched) Live(ctx context.Context) (result int64, err error) {
	ctx, end := w.begin(ctx, "Live")
	defer func() { end(err) }()
	return w.Store.Live(ctx)
}

func (w watched) Ping(ctx context.Context) (err error) {
	ctx, end := w.begin(ctx, "Ping")
	defer func() { end(err) }()
	return w.Store.Ping(ctx)
}

func (w watched) HighWater(ctx context.Context) (result time.Time, err error) {
	ctx, end := w.begin(ctx, "HighWater")
	defer func() { end(err) }()
	return w.Store.HighWater(ctx)
}

func (w watched) CreateAccount(ctx context.Context, account vault.AccountRecord) (err error) {
	ctx, end := w.begin(ctx, "CreateAccount")
	defer func() { end(err) }()
	return w.Store.CreateAccount(ctx, account)
}

func (w watched) Account(ctx context.Context, email string) (result vault.AccountRecord, err error) {
	ctx, end := w.begin(ctx, "Account")
	defer func() { end(err) }()
	return w.Store.Account(ctx, email)
}

func (w watched) Accounts(ctx context.Context) (result []vault.AccountRecord, err error) {
	ctx, end := w.begin(ctx, "Accounts")
	defer func() { end(err) }()
	return w.Store.Accounts(ctx)
}

func (w watched) UpdateAccount(ctx context.Context, was, is vault.AccountRecord) (result bool, err error) {
	ctx, end := w.begin(ctx, "UpdateAccount")
	defer func() { end(err) }()
	return w.Store.UpdateAccount(ctx, was, is)
}

func (w watched) RemoveAccount(ctx context.Context, id vault.AccountID) (err error) {
	ctx, end := w.begin(ctx, "RemoveAccount")
	defer func() { end(err) }()
	return w.Store.RemoveAccount(ctx, id)
}

func (w watched) ServerKeys(ctx context.Context) (result []vault.KeyID, err error) {
	ctx, end := w.begin(ctx, "ServerKeys")
	defer func() { end(err) }()
	return w.Store.ServerKeys(ctx)
}

func (w watched) AddServerKey(ctx context.Context, id vault.KeyID) (err error) {
	ctx, end := w.begin(ctx, "AddServerKey")
	defer func() { end(err) }()
	return w.Store.AddServerKey(ctx, id)
}

func (w watched) KeysInUse(ctx context.Context) (result []vault.KeyUse, err error) {
	ctx, end := w.begin(ctx, "KeysInUse")
	defer func() { end(err) }()
	return w.Store.KeysInUse(ctx)
}

func (w watched) RemoveServerKey(ctx context.Context, id vault.KeyID) (err error) {
	ctx, end := w.begin(ctx, "RemoveServerKey")
	defer func() { end(err) }()
	return w.Store.RemoveServerKey(ctx, id)
}
