package redisstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime/server/vault"
)

// Accounts are few, and stand in one hash. accountKeys names it, that of their e-mail addresses by id, and the meta hash.
func (s *Store) accountKeys() []string {
	p := s.global()
	return []string{p.key("accounts"), p.key("emails"), p.meta()}
}

// CreateAccount implements vault.Store.
func (s *Store) CreateAccount(ctx context.Context, a vault.AccountRecord) error {
	return s.call(ctx, "create account", func() error {
		outcome, err := s.outcome(ctx, step{addAccountScript, s.accountKeys(), []string{
			a.Email, string(a.ID[:]), valkey.BinaryString(encodeAccount(a)), string(a.KeyID[:]), millis(a.Created),
		}})
		switch {
		case err != nil:
			return err
		case outcome == "removed":
			return vault.ErrKeyRemoved
		case outcome == "exists":
			return vault.ErrExists
		}
		return nil
	})
}

// outcome makes a step whose answer is a word.
func (s *Store) outcome(ctx context.Context, st step) (string, error) {
	result, err := s.write(ctx, st)
	if err != nil {
		return "", err
	}
	return result.ToString()
}

// Account implements vault.Store.
func (s *Store) Account(ctx context.Context, email string) (vault.AccountRecord, error) {
	var a vault.AccountRecord
	err := s.call(ctx, "account", func() error {
		b, err := record(s.ask(ctx, s.client.B().Hget().Key(s.accountKeys()[0]).Field(email).Build())[0])
		if err == nil {
			a, err = decodeAccount(email, b)
		}
		return err
	})
	return a, err
}

// Accounts implements vault.Store.
func (s *Store) Accounts(ctx context.Context) ([]vault.AccountRecord, error) {
	var accounts []vault.AccountRecord
	err := s.call(ctx, "accounts", func() error {
		records, err := s.ask(ctx, s.client.B().Hgetall().Key(s.accountKeys()[0]).Build())[0].AsStrMap()
		if err != nil {
			return err
		}
		for email, record := range records {
			a, err := decodeAccount(email, []byte(record))
			if err != nil {
				return err
			}
			accounts = append(accounts, a)
		}
		return nil
	})
	slices.SortFunc(accounts, func(a, b vault.AccountRecord) int { return strings.Compare(a.Email, b.Email) })
	return accounts, err
}

// UpdateAccount implements vault.Store.
func (s *Store) UpdateAccount(ctx context.Context, was, is vault.AccountRecord) (bool, error) {
	updated := false
	err := s.call(ctx, "update account", func() error {
		outcome, err := s.outcome(ctx, step{updateAccountScript, s.accountKeys(), []string{
			string(was.ID[:]), accountBegins(was), accountBegins(is), valkey.BinaryString(is.Sealed),
		}})
		if err == nil && outcome == "removed" {
			err = vault.ErrKeyRemoved
		}
		updated = outcome == "ok"
		return err
	})
	return updated && err == nil, err
}

// accountBegins is what of an account's record an update looks at and replaces, but what is sealed.
func accountBegins(a vault.AccountRecord) string {
	return string(encodeAccount(a)[:1+len(a.KeyID)+len(a.TokenID)])
}

// RemoveAccount implements vault.Store.
func (s *Store) RemoveAccount(ctx context.Context, id vault.AccountID) error {
	return s.call(ctx, "remove account", func() error {
		result, err := s.write(ctx, step{removeAccountScript, s.accountKeys(), []string{string(id[:])}})
		if err != nil {
			return err
		}
		if removed, err := result.AsInt64(); err != nil || removed == 0 {
			return cmp.Or(err, vault.ErrNoRecord)
		}
		return nil
	})
}
