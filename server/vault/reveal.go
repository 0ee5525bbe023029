package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/onetime-go/onetime"
)

// Reveal opens a secret, and leaves it where it is: Commit consumes it. An unknown key, a secret that is gone or expired,
// and a wrong or missing passphrase are all ErrNotFound.
func (v *Vault) Reveal(ctx context.Context, caller onetime.Caller, r onetime.RevealRequest) (onetime.Pending[onetime.Secret], error) {
	var none onetime.Pending[onetime.Secret]
	if !isKey(r.Key) {
		return none, onetime.ErrNotFound
	}
	record, err := v.secret(ctx, secretID(r.Key))
	if errors.Is(err, onetime.ErrNotFound) {
		return none, v.guessInVain(ctx, caller, r)
	}
	if err != nil {
		return none, err
	}
	body, shareDomain, err := v.unsealValue(r.Key, record)
	if err != nil {
		return none, v.alarm(record.ID, err)
	}
	if record.HasPassphrase {
		if r.Passphrase == "" {
			return none, onetime.ErrNotFound // no guess was made
		}
		body, err = v.guess(ctx, caller, record.ID, func() ([]byte, error) {
			return v.unlock(r.Passphrase, factsOfSecret(record), body)
		})
		if errors.Is(err, errWrongPassphrase) {
			return none, onetime.ErrNotFound
		}
		if err != nil {
			return none, v.alarm(record.ID, err)
		}
	}
	value := onetime.Sensitive(body)
	clear(body) // the copy goes its way to the caller; see "Memory" in the package documentation
	return onetime.Pending[onetime.Secret]{
		Answer: onetime.Secret{Value: value, Key: r.Key, ShareDomain: shareDomain},
		Commit: func(ctx context.Context) error { return v.claim(ctx, record, onetime.StateReceived) },
	}, nil
}

// secret reads a secret that has not expired, or returns ErrNotFound. It has also expired where only the clock says so, which
// may have jumped further than the time follows: then nothing is served, and nothing deleted.
func (v *Vault) secret(ctx context.Context, id ID) (SecretRecord, error) {
	r, err := v.store.Secret(ctx, id)
	_, latest := v.times()
	if errors.Is(err, ErrNoRecord) || err == nil && !latest.Before(r.Expires) {
		return r, onetime.ErrNotFound
	}
	if err != nil {
		return r, v.alarm(id, fmt.Errorf("vault: read a secret: %w", err))
	}
	v.meet(ctx, r.KeyID)
	return r, nil
}

// guessInVain does for a secret that is not there what is done for one that is, so that the two cannot be told apart.
func (v *Vault) guessInVain(ctx context.Context, caller onetime.Caller, r onetime.RevealRequest) error {
	if r.Passphrase == "" {
		return onetime.ErrNotFound
	}
	_, err := v.guess(ctx, caller, secretID(r.Key), func() ([]byte, error) {
		v.unlockNothing(r.Passphrase)
		return nil, errWrongPassphrase
	})
	if errors.Is(err, errWrongPassphrase) {
		return onetime.ErrNotFound
	}
	return err
}

// Burn prepares to delete a secret unread, by the key of its receipt. Commit deletes it. A secret that is gone is
// ErrNotFound; a wrong or missing passphrase is ErrInvalid, since the holder of the receipt knows of the secret.
func (v *Vault) Burn(ctx context.Context, caller onetime.Caller, r onetime.BurnRequest) (onetime.Pending[onetime.Burned], error) {
	var none onetime.Pending[onetime.Burned]
	now := v.now()
	receipt, content, err := v.receipt(ctx, r.Key, now)
	if err != nil {
		return none, err
	}
	record, err := v.secret(ctx, receipt.SecretID)
	if err != nil {
		return none, err
	}
	body, _, err := v.unsealValue(content.SecretKey, record) // nobody burns by a record that was altered
	if err != nil {
		return none, v.alarm(record.ID, err)
	}
	if record.HasPassphrase {
		if err := v.checkPassphrase(ctx, caller, receipt.ID, record, body, r.Passphrase); err != nil {
			return none, err
		}
	}
	receipt.State, receipt.Updated, receipt.SecretStands = onetime.StateBurned, now, false
	return onetime.Pending[onetime.Burned]{
		Answer: onetime.Burned{
			Receipt:  showReceipt(r.Key, receipt, content, now),
			ShortKey: shortKey(content.SecretKey),
		},
		Commit: func(ctx context.Context) error { return v.claim(ctx, record, onetime.StateBurned) },
	}, nil
}

// checkPassphrase tries the passphrase of a burn. Its guesses are counted by receipt, apart from those of reveals: the
// holder of the link can lock out readers, but not the owner.
func (v *Vault) checkPassphrase(ctx context.Context, caller onetime.Caller, receipt ID, record SecretRecord, body []byte, passphrase onetime.Sensitive) error {
	wrong := &onetime.Refusal{Reason: onetime.ErrInvalid, Rule: "FormError", Field: "passphrase",
		Message: "The passphrase is missing or wrong; nothing was burned"}
	if passphrase == "" {
		return wrong
	}
	_, err := v.guess(ctx, caller, receipt, func() ([]byte, error) {
		return v.unlock(passphrase, factsOfSecret(record), body)
	})
	switch {
	case errors.Is(err, errWrongPassphrase):
		return wrong
	case errors.Is(err, onetime.ErrRateLimited):
		return burnRefused(err)
	}
	return v.alarm(record.ID, err)
}

// burnRefused says of a burn what its documented statuses can: that it is locked, or that the server is busy.
func burnRefused(err error) error {
	if errors.Is(err, errBusy) {
		return errors.New("vault: too many passphrases are being checked")
	}
	return &onetime.Refusal{Reason: onetime.ErrForbidden, Message: "Too many wrong passphrases; burning is locked for a while"}
}

// claim consumes a secret, or returns ErrNotFound if another caller did, or it expired by now.
func (v *Vault) claim(ctx context.Context, record SecretRecord, state onetime.State) error {
	if err := v.take(ctx, record, state); err != nil {
		return err
	}
	v.observe(consumed(state))
	return nil
}

// take is claim, and no event.
func (v *Vault) take(ctx context.Context, record SecretRecord, state onetime.State) error {
	c := Claim{SecretID: record.ID, ReceiptID: record.ReceiptID, State: state, Now: v.now()}
	if _, err := io.ReadFull(v.random, c.ID[:]); err != nil {
		return fmt.Errorf("vault: draw a claim id: %w", err)
	}
	won, err := v.store.Claim(ctx, c)
	if err != nil && !errors.Is(err, ErrInDoubt) { // else the store has looked already
		won, err = v.readBack(ctx, c, err)
	}
	if err != nil {
		return fmt.Errorf("vault: claim a secret: %w", err)
	}
	if !won {
		return onetime.ErrNotFound
	}
	return nil
}

// readBackTime bounds the look at what became of a claim.
const readBackTime = 5 * time.Second

// readBack finds out whether a claim that failed was made all the same: the engine may have lost the answer, not the
// change. What cannot be known stays an error: the secret may be lost, and nobody else gets it.
func (v *Vault) readBack(ctx context.Context, c Claim, failure error) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readBackTime)
	defer cancel()
	r, err := v.store.Receipt(ctx, c.ReceiptID)
	if err == nil && r.Claim == c.ID {
		return true, nil
	}
	return false, failure
}
