package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/onetime-go/onetime"
)

// An AccountInfo tells about an account what is no secret.
type AccountInfo struct {
	Email   string
	Created time.Time
}

// Accounts lists all accounts, in the order of their e-mail addresses.
func (v *Vault) Accounts(ctx context.Context) ([]AccountInfo, error) {
	records, err := v.store.Accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("vault: read the accounts: %w", err)
	}
	var all []AccountInfo
	for _, r := range records {
		all = append(all, AccountInfo{r.Email, r.Created})
	}
	return all, nil
}

// errChanged is returned when somebody else changes an account again and again.
var errChanged = errors.New("vault: the account is being changed by somebody else; nothing was done")

// replaceTries is how often an account is read again when it was changed meanwhile, which a request does that rewraps its
// key, once for every new server key.
const replaceTries = 3

// replaceToken seals an account's key under a new token, which it returns. The account and its key are asked for again if
// the account was changed meanwhile.
func (v *Vault) replaceToken(ctx context.Context, current func() (AccountRecord, []byte, error)) (onetime.Sensitive, error) {
	token, err := randomText(v.random, base36, tokenLength)
	if err != nil {
		return "", err
	}
	for range replaceTries {
		was, key, err := current()
		if err != nil {
			return "", err
		}
		is, err := v.wrap(was, token, key)
		if err != nil {
			return "", err
		}
		done, err := v.store.UpdateAccount(ctx, was, is)
		if err != nil {
			return "", fmt.Errorf("vault: change account: %w", v.stored(ctx, err))
		}
		if done {
			return token, nil
		}
	}
	return "", errChanged
}

// RotateToken gives an account a new API token, which it returns, in exchange for the old one. The old one is good for
// nothing from then on; the list of recent receipts stays. For a wrong token, and for an address that has no account,
// it returns ErrUnauthorized.
func (v *Vault) RotateToken(ctx context.Context, email string, old onetime.Sensitive) (onetime.Sensitive, error) {
	return v.replaceToken(ctx, func() (AccountRecord, []byte, error) { return v.unwrap(ctx, email, old) })
}

// ReplaceLostToken gives an account a new API token, which it returns. The old one is good for nothing from then on. What
// it opened stays closed: the list of recent receipts is empty afterwards. For an address that has no account it returns
// ErrNoRecord.
func (v *Vault) ReplaceLostToken(ctx context.Context, email string) (onetime.Sensitive, error) {
	var key [keySize]byte
	if _, err := io.ReadFull(v.random, key[:]); err != nil {
		return "", fmt.Errorf("vault: draw random bytes: %w", err)
	}
	return v.replaceToken(ctx, func() (AccountRecord, []byte, error) {
		r, err := v.account(ctx, email)
		return r, key[:], err
	})
}

// RemoveAccount deletes an account. Its token is good for nothing from then on. What was shared with it can be revealed
// and burned by who has the keys. For an address that has no account it returns ErrNoRecord.
func (v *Vault) RemoveAccount(ctx context.Context, email string) error {
	r, err := v.account(ctx, email)
	if err != nil {
		return err
	}
	return v.removeAccount(ctx, r.ID)
}

func (v *Vault) removeAccount(ctx context.Context, id AccountID) error {
	if err := v.store.RemoveAccount(ctx, id); err != nil {
		return fmt.Errorf("vault: remove account: %w", err)
	}
	return nil
}

// burnStep is how many secrets are burned at a time, so that callers get their turn.
const burnStep = 100

// BurnAccount burns what an account has shared and nobody has read, without asking for passphrases, and then removes the
// account. Its token is good for nothing from the first. It returns how many secrets it burned; if it fails half-way, the
// account is still there, and it can be called again. For an address that has no account it returns ErrNoRecord.
//
// A share that is under way meanwhile is either burned with the rest, or burns what it has stored itself, and is answered
// ErrUnauthorized.
func (v *Vault) BurnAccount(ctx context.Context, email string) (burned int, err error) {
	if _, err := v.ReplaceLostToken(ctx, email); err != nil { // nobody gets to know the new one
		return 0, err
	}
	r, err := v.account(ctx, email)
	if err != nil {
		return 0, err
	}
	for {
		var claim ClaimID
		if _, err := io.ReadFull(v.random, claim[:]); err != nil {
			return burned, fmt.Errorf("vault: draw a claim id: %w", err)
		}
		n, err := v.store.BurnAccount(ctx, r.ID, claim, v.now(), burnStep)
		burned += n
		if n > 0 {
			v.observe(Event{Kind: EventBurned, Count: n})
		}
		if err != nil {
			return burned, fmt.Errorf("vault: burn what the account has shared: %w", err)
		}
		if n < burnStep {
			break
		}
	}
	return burned, v.removeAccount(ctx, r.ID)
}
