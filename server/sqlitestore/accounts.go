package sqlitestore

import (
	"context"

	"github.com/onetime-go/onetime/server/vault"
)

// CreateAccount implements vault.Store.
func (s *Store) CreateAccount(ctx context.Context, a vault.AccountRecord) error {
	var added bool
	err := s.write(ctx, "create account", change{at: a.Created, do: func(tx session) (err error) {
		if err := notRemoved(tx, a.KeyID); err != nil {
			return err
		}
		added, err = tx.changes(insertAccount, a.ID[:], a.Email, a.Created.UnixMilli(), a.TokenID[:], a.KeyID[:],
			blob(a.Sealed))
		return err
	}})
	if err == nil && !added {
		return opaque("create account", vault.ErrExists)
	}
	return err
}

// UpdateAccount implements vault.Store.
func (s *Store) UpdateAccount(ctx context.Context, was, is vault.AccountRecord) (bool, error) {
	var updated bool
	err := s.write(ctx, "update account", change{do: func(tx session) (err error) {
		if err := notRemoved(tx, is.KeyID); err != nil {
			return err
		}
		updated, err = tx.changes(updateAccount, is.TokenID[:], is.KeyID[:], blob(is.Sealed),
			was.ID[:], was.TokenID[:], was.KeyID[:])
		return err
	}})
	return updated && err == nil, err
}

// RemoveAccount implements vault.Store.
func (s *Store) RemoveAccount(ctx context.Context, id vault.AccountID) error {
	var removed bool
	err := s.write(ctx, "remove account", change{do: func(tx session) (err error) {
		removed, err = tx.changes(deleteAccount, id[:])
		return err
	}})
	if err == nil && !removed {
		return opaque("remove account", vault.ErrNoRecord)
	}
	return err
}

// AddServerKey implements vault.Store.
func (s *Store) AddServerKey(ctx context.Context, id vault.KeyID) error {
	return s.write(ctx, "add server key", change{do: func(tx session) error {
		if err := notRemoved(tx, id); err != nil {
			return err
		}
		return tx.exec(insertServerKey, id[:])
	}})
}

// RemoveServerKey implements vault.Store. If the key is not in use it looks through all accounts, secrets and receipts
// to know that, while other writes wait: about a quarter of a second for a million. An index would cost every share.
func (s *Store) RemoveServerKey(ctx context.Context, id vault.KeyID) error {
	var used bool
	err := s.write(ctx, "remove server key", change{do: func(tx session) (err error) {
		if used, err = tx.is(keyIsUsed, id[:]); err != nil || used {
			return err
		}
		if err := tx.exec(deleteServerKey, id[:]); err != nil {
			return err
		}
		delete(tx.standing, id)
		return tx.exec(insertRemovedKey, id[:])
	}})
	if err == nil && used {
		return opaque("remove server key", vault.ErrKeyInUse)
	}
	return err
}
