package storetest

import (
	"slices"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func testRecentOrder(t *testing.T, store vault.Store) {
	account := newAccountID(1)
	var newestFirst []vault.RecentRecord
	for number := range 12 {
		r := newTrio(number).of(account)
		create(t, store, r)
		newestFirst = slices.Insert(newestFirst, 0, r.listed())
	}
	wantRecent(t, store, account, 100, newestFirst...)
	wantRecent(t, store, account, 12, newestFirst...)
	wantRecent(t, store, account, 5, newestFirst[:5]...)
	wantRecent(t, store, account, 1, newestFirst[0])
	wantRecent(t, store, account, 0)
}

func testRecentAccounts(t *testing.T, store vault.Store) {
	mine, yours := newAccountID(1), newAccountID(2)
	first, between, second := newTrio(1).of(mine), newTrio(2).of(yours), newTrio(3).of(mine)
	create(t, store, first, between, second)
	wantRecent(t, store, mine, 10, second.listed(), first.listed())
	wantRecent(t, store, yours, 10, between.listed())
	wantRecent(t, store, newAccountID(3), 10)
}

func testRecentSecretStands(t *testing.T, store vault.Store) {
	account := newAccountID(1)
	stays, goes := newTrio(1).of(account), newTrio(2).of(account)
	create(t, store, stays, goes)
	claim := goes.claim(1, onetime.StateReceived, start)
	mustClaim(t, store, claim)

	received := goes.recent
	received.Receipt = goes.claimed(claim)
	wantRecent(t, store, account, 10, received, stays.listed())
}

func testRecentReceiptGone(t *testing.T, store vault.Store) {
	account := newAccountID(1)
	short := newTrio(1).of(account).at(start, start.Add(tick))
	long := newTrio(2).of(account)
	gone := newTrio(3).of(account).at(start, start.Add(tick))
	create(t, store, short, long, gone)
	mustSweep(t, store, gone.receipt.Expires, 10, 4) // two secrets, two receipts
	wantRecent(t, store, account, 10, long.listed())
	wantRecent(t, store, account, 1, long.listed()) // what is gone does not count
}
