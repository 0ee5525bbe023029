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

// replace has an account sealed anew, from what it is when it is read.
func (v *Vault) replace(ctx context.Context, seal func() (was, is AccountRecord, err error)) error {
	for range replaceTries {
		was, is, err := seal()
		if err != nil {
			return err
		}
		done, err := v.store.UpdateAccount(ctx, was, is)
		if err != nil {
			return fmt.Errorf("vault: change account: %w", v.stored(ctx, err))
		}
		if done {
			return nil
		}
	}
	return errChanged
}

// RotateToken gives an account a new API token, which it returns, in exchange for the old one. The old one is good for
// nothing from then on; the list of recent receipts stays. For a wrong token, and for an address that has no account,
// it returns ErrUnauthorized.
func (v *Vault) RotateToken(ctx context.Context, email string, old onetime.Sensitive) (onetime.Sensitive, error) {
	token, err := randomText(v.random, base36, tokenLength)
	if err != nil {
		return "", err
	}
	err = v.replace(ctx, func() (was, is AccountRecord, err error) {
		was, key, err := v.unwrap(ctx, email, old)
		if err == nil {
			is, err = v.wrap(was, token, key)
		}
		return was, is, err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// ReplaceLostToken gives an account a new API token, which it returns. The old one is good for nothing from then on. What
// it opened stays closed: the list of recent receipts is empty afterwards. For an address that has no account it returns
// ErrNoRecord.
func (v *Vault) ReplaceLostToken(ctx context.Context, email string) (onetime.Sensitive, error) {
	token, err := randomText(v.random, base36, tokenLength)
	if err != nil {
		return "", err
	}
	var key [keySize]byte
	if _, err := io.ReadFull(v.random, key[:]); err != nil {
		return "", fmt.Errorf("vault: draw random bytes: %w", err)
	}
	err = v.replace(ctx, func() (was, is AccountRecord, err error) {
		if was, err = v.account(ctx, email); err == nil {
			is, err = v.wrap(was, token, key[:])
		}
		return was, is, err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// RemoveAccount deletes an account. Its token is good for nothing from then on. What was shared with it can be revealed
// and burned by who has the keys. For an address that has no account it returns ErrNoRecord.
func (v *Vault) RemoveAccount(ctx context.Context, email string) error {
	r, err := v.account(ctx, email)
	if err != nil {
		return err
	}
	if err := v.store.RemoveAccount(ctx, r.ID); err != nil {
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
// A secret whose request was authenticated before that, and stores it afterwards, may be left.
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
		if err != nil {
			return burned, fmt.Errorf("vault: burn what the account has shared: %w", err)
		}
		if n < burnStep {
			break
		}
	}
	if err := v.store.RemoveAccount(ctx, r.ID); err != nil {
		return burned, fmt.Errorf("vault: remove account: %w", err)
	}
	return burned, nil
}
