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
	key   [32]byte
}

// Custid returns the e-mail address.
func (a *Account) Custid() string { return a.email }

// String and GoString keep the key out of what is printed.
func (a *Account) String() string   { return a.email }
func (a *Account) GoString() string { return fmt.Sprintf("vault.Account(%q)", a.email) }

// accountOf returns the account of a caller, or ErrUnauthorized for one who has none.
func accountOf(caller onetime.Caller) (*Account, error) {
	account, ok := caller.Account.(*Account)
	if !ok {
		return nil, onetime.ErrUnauthorized
	}
	return account, nil
}

// normalizeEmail makes addresses comparable: their owners do not tell upper case from lower.
func normalizeEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func tokenID(token onetime.Sensitive) [32]byte { return hash("onetime/v1 token id", token) }

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
	r := AccountRecord{Email: email, Created: v.now(), TokenID: tokenID(token), KeyID: v.keys.active().id}
	var key [32]byte
	for _, part := range [][]byte{r.ID[:], key[:]} {
		if _, err := io.ReadFull(v.random, part); err != nil {
			return "", fmt.Errorf("vault: draw random bytes: %w", err)
		}
	}
	if r.Sealed, err = v.seal(kindAccountKey, []byte(token), factsOfAccount(r), key[:]); err != nil {
		return "", err
	}
	if err := v.store.CreateAccount(ctx, r); err != nil {
		return "", fmt.Errorf("add account: %w", err)
	}
	return token, nil
}

// Authenticate returns the account with this e-mail address and API token, or ErrUnauthorized. It is what
// server.Config.Authenticate asks for.
func (v *Vault) Authenticate(ctx context.Context, email, token string) (onetime.Account, error) {
	r, err := v.store.Account(ctx, normalizeEmail(email))
	if errors.Is(err, ErrNoRecord) {
		return nil, onetime.ErrUnauthorized
	}
	if err != nil {
		return nil, fmt.Errorf("vault: read account: %w", err)
	}
	sent := tokenID(onetime.Sensitive(token))
	if subtle.ConstantTimeCompare(sent[:], r.TokenID[:]) != 1 {
		return nil, onetime.ErrUnauthorized
	}
	key, err := v.unseal(kindAccountKey, []byte(token), factsOfAccount(r), r.Sealed)
	if err != nil {
		return nil, err
	}
	if len(key) != 32 {
		return nil, ErrDamaged
	}
	return &Account{id: r.ID, email: r.Email, key: [32]byte(key)}, nil
}
