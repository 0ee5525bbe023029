package vault

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/onetime-go/onetime"
)

// An Account is a caller who sent the right token. It holds the account's key, which lists and opens its recent
// receipts, for as long as the request lasts.
type Account struct {
	id    AccountID
	email string
	token [32]byte // the id of the one that was sent
	key   hiddenKey
}

// Custid returns the e-mail address.
func (a *Account) Custid() string { return a.email }

// String and GoString keep the key out of what is printed.
func (a *Account) String() string   { return a.email }
func (a *Account) GoString() string { return fmt.Sprintf("vault.Account(%q)", a.email) }

// list returns the id of the account's list of receipts. It goes with the key: an account that gets another key gets another
// list, and nobody meets entries that the key does not open.
func (a *Account) list() ListID {
	sum := hash("onetime/v1 list id", onetime.Sensitive(a.key()))
	return ListID(sum[:len(ListID{})])
}

// accountOf returns the account of a caller, or ErrUnauthorized for one who has none that Authenticate returned.
func accountOf(caller onetime.Caller) (*Account, error) {
	account, ok := caller.Account.(*Account)
	if !ok || account == nil || account.key == nil {
		return nil, onetime.ErrUnauthorized
	}
	return account, nil
}

// creatorOf returns the account for which a secret is made, nil for an anonymous caller.
func (v *Vault) creatorOf(caller onetime.Caller) (*Account, error) {
	switch {
	case caller.Account != nil:
		return accountOf(caller)
	case v.refuseAnonymous:
		return nil, &onetime.Refusal{Reason: onetime.ErrForbidden,
			Message: "This server takes secrets from accounts only; send the credentials of one"}
	}
	return nil, nil
}

// normalizeEmail makes addresses comparable: their owners do not tell upper case from lower.
func normalizeEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func tokenID(token onetime.Sensitive) [32]byte { return hash("onetime/v1 token id", token) }

// emailID stands for the e-mail address in what the seal of an account vouches for, in the place of a record's id.
func emailID(email string) ID {
	var id ID
	sum := hash("onetime/v1 account e-mail", onetime.Sensitive(email))
	copy(id[tagLength:], sum[:])
	return id
}

// AddAccount makes an account and returns its API token. The token is stored nowhere: who loses it loses the list of
// recent receipts. For an address that has an account it returns ErrExists.
func (v *Vault) AddAccount(ctx context.Context, email string) (onetime.Sensitive, error) {
	email = normalizeEmail(email)
	if !isAddress(email) {
		return "", errors.New("that is not an e-mail address, such as name@example.com")
	}
	token, err := randomText(v.random, base36, tokenLength)
	if err != nil {
		return "", err
	}
	r := AccountRecord{Email: email, Created: v.now()}
	var key [keySize]byte
	for _, part := range [][]byte{r.ID[:], key[:]} {
		if _, err := io.ReadFull(v.random, part); err != nil {
			return "", fmt.Errorf("vault: draw random bytes: %w", err)
		}
	}
	if r, err = v.wrap(r, token, key[:]); err != nil {
		return "", err
	}
	if err := v.stored(ctx, v.store.CreateAccount(ctx, r)); err != nil {
		return "", fmt.Errorf("add account: %w", err)
	}
	return token, nil
}

// wrap seals an account's key under a token and the active server key.
func (v *Vault) wrap(r AccountRecord, token onetime.Sensitive, key []byte) (AccountRecord, error) {
	r.TokenID, r.KeyID = tokenID(token), v.keys.Load().active().id
	var err error
	r.Sealed, err = v.seal(kindAccountKey, []byte(token), factsOfAccount(r), key)
	return r, err
}

// Authenticate returns the account with this e-mail address and API token, or ErrUnauthorized. It is what
// server.Config.Authenticate asks for.
func (v *Vault) Authenticate(ctx context.Context, email, token string) (onetime.Account, error) {
	r, key, err := v.unwrap(ctx, email, onetime.Sensitive(token))
	if err != nil {
		return nil, err
	}
	if r.KeyID != v.keys.Load().active().id {
		v.rewrap(ctx, r, onetime.Sensitive(token), key)
	}
	return &Account{id: r.ID, email: r.Email, token: r.TokenID, key: hide([keySize]byte(key))}, nil
}

// confirm returns ErrUnauthorized if the token that an account was authenticated with is good for nothing any more.
func (v *Vault) confirm(ctx context.Context, account *Account) error {
	r, err := v.account(ctx, account.email)
	if errors.Is(err, ErrNoRecord) || err == nil && (r.ID != account.id || r.TokenID != account.token) {
		return onetime.ErrUnauthorized
	}
	return err
}

// rewrap seals an account's key under the active server key, while its token is at hand, so that the old server key can go.
// If that fails the caller is none the worse, and the next request tries again.
func (v *Vault) rewrap(ctx context.Context, was AccountRecord, token onetime.Sensitive, key []byte) {
	is, err := v.wrap(was, token, key)
	if err == nil {
		_, err = v.store.UpdateAccount(ctx, was, is)
	}
	_ = v.stored(ctx, err)
}

// unwrap returns the account with this e-mail address and API token, and its key, or ErrUnauthorized.
func (v *Vault) unwrap(ctx context.Context, email string, token onetime.Sensitive) (AccountRecord, []byte, error) {
	sent := tokenID(token)
	r, err := v.account(ctx, email)
	if errors.Is(err, ErrNoRecord) {
		return r, nil, onetime.ErrUnauthorized
	}
	if err != nil {
		return r, nil, err
	}
	if subtle.ConstantTimeCompare(sent[:], r.TokenID[:]) != 1 {
		return r, nil, onetime.ErrUnauthorized
	}
	v.meet(ctx, r.KeyID)
	key, err := v.unseal(kindAccountKey, []byte(token), factsOfAccount(r), r.Sealed)
	if err == nil && len(key) != keySize {
		err = ErrDamaged
	}
	return r, key, v.alarm(emailID(r.Email), err)
}

func (v *Vault) account(ctx context.Context, email string) (AccountRecord, error) {
	r, err := v.store.Account(ctx, normalizeEmail(email))
	if err != nil {
		return r, fmt.Errorf("vault: read account: %w", err)
	}
	return r, nil
}
