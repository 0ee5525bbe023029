package storetest

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

func testServerKeys(t *testing.T, store vault.Store) {
	var want []vault.KeyID
	for number := range 5 {
		id := newKeyID(number)
		want = append(want, id)
		for _, add := range []vault.KeyID{id, want[0], id} { // twice, and the first again
			if err := store.AddServerKey(t.Context(), add); err != nil {
				t.Fatalf("AddServerKey: %v", err)
			}
		}
		wantServerKeys(t, store, want...)
	}
}

func wantKeysInUse(t *testing.T, store vault.Store, want ...vault.KeyUse) {
	t.Helper()
	got, err := store.KeysInUse(t.Context())
	if err != nil {
		t.Errorf("KeysInUse: %v", err)
		return
	}
	byID := func(a, b vault.KeyUse) int { return bytes.Compare(a.ID[:], b.ID[:]) }
	slices.SortFunc(got, byID)
	slices.SortFunc(want, byID)
	if len(got)+len(want) > 0 && difference(want, got) != "" {
		t.Errorf("KeysInUse (-want +got):\n%s", difference(want, got))
	}
}

// under has the secret and the receipt sealed with a key.
func (r trio) under(id vault.KeyID) trio {
	r.secret.KeyID, r.receipt.KeyID = id, id
	return r
}

func accountUnder(number int, id vault.KeyID) vault.AccountRecord {
	account := newAccount(number)
	account.KeyID = id
	return account
}

func testKeysInUse(t *testing.T, store vault.Store) {
	wantKeysInUse(t, store)
	a, b, c := newKeyID(1), newKeyID(2), newKeyID(3)
	for _, id := range []vault.KeyID{a, b, c} {
		mustAddServerKey(t, store, id)
	}
	wantKeysInUse(t, store)

	first, second, third := newTrio(1).under(a), newTrio(2).under(a), newTrio(3).under(b)
	third.secret.KeyID = a // which no vault does: a store counts what is there
	create(t, store, first, second, third)
	mustCreateAccount(t, store, accountUnder(1, b))
	mustCreateAccount(t, store, accountUnder(2, c))
	wantKeysInUse(t, store,
		vault.KeyUse{ID: a, Secrets: 3, Receipts: 2, Until: second.receipt.Expires},
		vault.KeyUse{ID: b, Receipts: 1, Accounts: 1, Until: third.receipt.Expires},
		vault.KeyUse{ID: c, Accounts: 1})

	mustSweep(t, store, second.receipt.Expires, 10, vault.Swept{Secrets: 3, Receipts: 2})
	wantKeysInUse(t, store,
		vault.KeyUse{ID: b, Receipts: 1, Accounts: 1, Until: third.receipt.Expires},
		vault.KeyUse{ID: c, Accounts: 1})
}

func mustAddServerKey(t *testing.T, store vault.Store, id vault.KeyID) {
	t.Helper()
	if err := store.AddServerKey(t.Context(), id); err != nil {
		t.Fatalf("AddServerKey: %v", err)
	}
}

func testRemoveServerKey(t *testing.T, store vault.Store) {
	secret, receipt, account, unused, never := newKeyID(1), newKeyID(2), newKeyID(3), newKeyID(4), newKeyID(5)
	for _, id := range []vault.KeyID{secret, receipt, unused, account} {
		mustAddServerKey(t, store, id)
	}
	r := newTrio(1)
	r.secret.KeyID, r.receipt.KeyID = secret, receipt
	create(t, store, r)
	owner := accountUnder(1, account)
	mustCreateAccount(t, store, owner)

	for name, id := range map[string]vault.KeyID{"a secret": secret, "a receipt": receipt, "an account": account} {
		if err := store.RemoveServerKey(t.Context(), id); !errors.Is(err, vault.ErrKeyInUse) {
			t.Errorf("RemoveServerKey of a key that %s needs: %v, want ErrKeyInUse", name, err)
		}
	}
	wantServerKeys(t, store, secret, receipt, unused, account)
	for range 2 {
		for _, id := range []vault.KeyID{unused, never} {
			if err := store.RemoveServerKey(t.Context(), id); err != nil {
				t.Errorf("RemoveServerKey: %v", err)
			}
		}
	}
	wantServerKeys(t, store, secret, receipt, account)

	mustSweep(t, store, r.secret.Expires, 10, vault.Swept{Secrets: 1})
	mustSweep(t, store, r.receipt.Expires, 10, vault.Swept{Receipts: 1})
	if err := store.RemoveAccount(t.Context(), owner.ID); err != nil {
		t.Fatalf("RemoveAccount: %v", err)
	}
	for _, id := range []vault.KeyID{secret, receipt, account} {
		if err := store.RemoveServerKey(t.Context(), id); err != nil {
			t.Errorf("RemoveServerKey of a key that nothing needs any more: %v", err)
		}
	}
	wantServerKeys(t, store)
}

func testRemovedKeyIsBarred(t *testing.T, store vault.Store) {
	removed, kept := newKeyID(1), newKeyID(2)
	mustAddServerKey(t, store, removed)
	mustAddServerKey(t, store, kept)
	if err := store.RemoveServerKey(t.Context(), removed); err != nil {
		t.Fatalf("RemoveServerKey: %v", err)
	}
	wantBarred(t, store, removed, kept)
}

func wantBarred(t *testing.T, store vault.Store, removed, kept vault.KeyID) {
	t.Helper()
	secret, receipt, fine := newTrio(1).under(kept), newTrio(2).under(kept), newTrio(3).under(kept)
	secret.secret.KeyID, receipt.receipt.KeyID = removed, removed
	account := accountUnder(1, kept)
	mustCreateAccount(t, store, account)
	_, update := store.UpdateAccount(t.Context(), account, accountUnder(1, removed))
	for name, err := range map[string]error{
		"Create, secret":  store.Create(t.Context(), secret.secret, secret.receipt, &secret.recent, vault.Quota{}),
		"Create, receipt": store.Create(t.Context(), receipt.secret, receipt.receipt, &receipt.recent, vault.Quota{}),
		"CreateAccount":   store.CreateAccount(t.Context(), accountUnder(2, removed)),
		"UpdateAccount":   update,
		"AddServerKey":    store.AddServerKey(t.Context(), removed),
	} {
		if !errors.Is(err, vault.ErrKeyRemoved) {
			t.Errorf("%s: %v, want ErrKeyRemoved", name, err)
		}
	}
	for _, r := range []trio{secret, receipt} {
		wantNoSecret(t, store, r.secret.ID)
		wantNoReceipt(t, store, r.receipt.ID)
	}
	wantAccounts(t, store, account)
	wantServerKeys(t, store, kept)
	create(t, store, fine)
}

// testRemoveMeetsWrites removes a key while others store what was sealed with it. Either they or the removal fail.
func testRemoveMeetsWrites(t *testing.T, store vault.Store) {
	for round := range 20 {
		id := newKeyID(round)
		mustAddServerKey(t, store, id)
		var wg sync.WaitGroup
		var errs [3]error
		r := newTrio(round).under(id)
		wg.Go(func() { errs[0] = store.Create(t.Context(), r.secret, r.receipt, &r.recent, vault.Quota{}) })
		wg.Go(func() { errs[1] = store.CreateAccount(t.Context(), accountUnder(round, id)) })
		wg.Go(func() {
			time.Sleep(time.Duration(round) * 20 * time.Microsecond)
			errs[2] = store.RemoveServerKey(t.Context(), id)
		})
		wg.Wait()
		for _, err := range errs[:2] {
			if err != nil && !errors.Is(err, vault.ErrKeyRemoved) {
				t.Errorf("a write: %v, want ErrKeyRemoved", err)
			}
		}
		if used := errs[0] == nil || errs[1] == nil; used != errors.Is(errs[2], vault.ErrKeyInUse) || !used && errs[2] != nil {
			t.Errorf("writes: %v, %v; RemoveServerKey: %v", errs[0], errs[1], errs[2])
		}
	}
}

func testTwoStoresRemovedKey(t *testing.T, open func() vault.Store) {
	a, b := open(), open()
	removed, kept := newKeyID(1), newKeyID(2)
	mustAddServerKey(t, a, removed)
	mustAddServerKey(t, a, kept)
	wantServerKeys(t, b, removed, kept)
	r := newTrio(9).under(removed)
	create(t, b, r)
	if err := a.RemoveServerKey(t.Context(), removed); !errors.Is(err, vault.ErrKeyInUse) {
		t.Fatalf("RemoveServerKey: %v, want ErrKeyInUse", err)
	}
	mustSweep(t, b, r.secret.Expires, 10, vault.Swept{Secrets: 1})
	mustSweep(t, b, r.receipt.Expires, 10, vault.Swept{Receipts: 1})
	if err := a.RemoveServerKey(t.Context(), removed); err != nil {
		t.Fatalf("RemoveServerKey: %v", err)
	}
	wantBarred(t, b, removed, kept)
	b = open()
	wantServerKeys(t, b, kept)
	if err := b.AddServerKey(t.Context(), removed); !errors.Is(err, vault.ErrKeyRemoved) {
		t.Errorf("AddServerKey after opening again: %v, want ErrKeyRemoved", err)
	}
}
