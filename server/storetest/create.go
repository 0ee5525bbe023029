package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/onetime-go/onetime/server/vault"
)

func testRoundTrip(t *testing.T, store vault.Store) {
	all := newTrio(1)
	create(t, store, all)

	bare := newTrio(2).of(vault.AccountID{}) // anonymous, without a passphrase, not listed
	bare.secret.HasPassphrase, bare.receipt.HasPassphrase = false, false
	bare.receipt.SecretStands = true // writes ignore it
	if err := store.Create(t.Context(), bare.secret, bare.receipt, nil, vault.Quota{}); err != nil {
		t.Fatalf("Create: %v", err)
	}

	for range 2 { // reads consume nothing
		wantSecret(t, store, all.secret)
		wantReceipt(t, store, all.stored())
		wantSecret(t, store, bare.secret)
		wantReceipt(t, store, bare.stored())
	}
	wantRecent(t, store, vault.ListID{}, 10)
}

func testSizes(t *testing.T, store vault.Store) {
	sizes := []int{1, 2, 7, 8, 20, 21, 255, 256, 257, 2048} // in blocks; the last is 1 MiB
	for i, blocks := range sizes {
		r := newTrio(i)
		r.secret.Sealed = sealed(i, blocks)
		create(t, store, r)
	}
	for i, blocks := range sizes {
		want := newTrio(i)
		want.secret.Sealed = sealed(i, blocks)
		wantSecret(t, store, want.secret)
	}
}

func testRecentRoundTrip(t *testing.T, store vault.Store) {
	r := newTrio(1)
	create(t, store, r)
	wantRecent(t, store, r.recent.List, 10, r.listed())
}

func testAccountRoundTrip(t *testing.T, store vault.Store) {
	for i := range 3 {
		if err := store.CreateAccount(t.Context(), newAccount(i)); err != nil {
			t.Fatalf("CreateAccount: %v", err)
		}
	}
	for i := range 3 {
		wantAccount(t, store, newAccount(i))
	}
}

func testNoRecord(t *testing.T, store vault.Store) {
	check := func(t *testing.T) {
		t.Helper()
		missing := newTrio(1)
		wantNoSecret(t, store, missing.secret.ID)
		wantNoReceipt(t, store, missing.receipt.ID)
		wantNoSecret(t, store, vault.ID{})
		wantRecent(t, store, missing.recent.List, 10)
		if _, err := store.Account(t.Context(), newAccount(1).Email); !errors.Is(err, vault.ErrNoRecord) {
			t.Errorf("Account: %v, want ErrNoRecord", err)
		}
	}
	check(t)
	if ids, err := store.ServerKeys(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("ServerKeys = %v, %v, want none", ids, err)
	}

	create(t, store, newTrio(2)) // what is there is not taken for what is not
	check(t)
	wantNoSecret(t, store, newTrio(2).receipt.ID)
	wantNoReceipt(t, store, newTrio(2).secret.ID)
}

func testCreateTwice(t *testing.T, store vault.Store) {
	first := newTrio(1)
	create(t, store, first)
	list := first.recent.List

	sameSecret, sameReceipt := newTrio(2).on(list), newTrio(3).on(list)
	sameSecret.secret.ID = first.secret.ID
	sameReceipt.receipt.ID, sameReceipt.recent.Receipt.ID = first.receipt.ID, first.receipt.ID
	for name, r := range map[string]trio{
		"both ids":       first,
		"secret's id":    sameSecret,
		"receipt's id":   sameReceipt,
		"both, not zero": {first.secret, first.receipt, newTrio(4).on(list).recent},
	} {
		if err := store.Create(t.Context(), r.secret, r.receipt, &r.recent, vault.Quota{}); err == nil {
			t.Errorf("%s: Create succeeded, want an error", name)
		}
	}

	wantSecret(t, store, first.secret)
	wantReceipt(t, store, first.stored())
	wantRecent(t, store, list, 10, first.listed())
	wantNoReceipt(t, store, sameSecret.receipt.ID)
	wantNoSecret(t, store, sameReceipt.secret.ID)
}

func testConcurrentCreates(t *testing.T, store vault.Store) {
	const callers, each = 32, 10
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range each {
				r := newTrio(caller*each + i)
				if err := store.Create(t.Context(), r.secret, r.receipt, &r.recent, vault.Quota{}); err != nil {
					t.Errorf("Create: %v", err)
				}
				wantSecret(t, store, r.secret) // a caller finds what it wrote
			}
		})
	}
	wg.Wait()
	for number := range callers * each {
		r := newTrio(number)
		wantSecret(t, store, r.secret)
		wantReceipt(t, store, r.stored())
		wantRecent(t, store, r.recent.List, 2, r.listed())
	}
}

// testCreateInOneStep has readers that follow a writer: where the receipt is, its secret is, and where the list entry
// is, both are.
func testCreateInOneStep(t *testing.T, store vault.Store) {
	const count = 100
	list := newListID(1)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					checkListed(t, store, list, count)
				}
			}
		})
	}
	for number := range count {
		create(t, store, newTrio(number).on(list))
	}
	close(done)
	wg.Wait()
	checkListed(t, store, list, count)
}

func checkListed(t *testing.T, store vault.Store, list vault.ListID, limit int) {
	listed, err := store.Recent(t.Context(), list, limit)
	if err != nil {
		t.Errorf("Recent: %v", err)
	}
	for _, entry := range listed {
		if !entry.Receipt.SecretStands {
			t.Error("a receipt was listed without its secret")
		}
		if _, err := store.Secret(t.Context(), entry.Receipt.SecretID); err != nil {
			t.Errorf("Secret of a listed receipt: %v", err)
		}
	}
}

func testErrorsHoldNoContents(t *testing.T, store vault.Store) {
	const marker = "MARKER-7f3a"
	r := newTrio(1)
	r.secret.Sealed = bytes.Repeat([]byte(marker+"."), vault.SealedBlock)[:2*vault.SealedBlock]
	r.receipt.Sealed, r.recent.Sealed = []byte(marker), []byte(marker)
	create(t, store, r)
	account := newAccount(1)
	account.Email = marker + "@example.com"
	account.Sealed = []byte(marker)
	if err := store.CreateAccount(t.Context(), account); err != nil {
		t.Fatalf("CreateAccount: %v", err)
	}

	again := store.Create(t.Context(), r.secret, r.receipt, &r.recent, vault.Quota{})
	exists := store.CreateAccount(t.Context(), account)
	_, missing := store.Account(t.Context(), "not-"+account.Email)
	_, noSecret := store.Secret(t.Context(), vault.ID([]byte(marker + "-a-bearer-of-thirty-four-bytes")[:34]))
	for name, err := range map[string]error{
		"Create": again, "CreateAccount": exists, "Account": missing, "Secret": noSecret,
	} {
		if err == nil {
			t.Errorf("%s succeeded, want an error", name)
		}
		if text := fmt.Sprintf("%+v %#v", err, err); bytes.Contains([]byte(text), []byte(marker)) {
			t.Errorf("%s: the error holds what was stored or asked for: %v", name, err)
		}
	}
}
