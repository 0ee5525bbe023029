package storetest

import (
	"slices"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func testRecentOrder(t *testing.T, store vault.Store) {
	list := newListID(1)
	var newestFirst []vault.RecentRecord
	for number := range 12 {
		r := newTrio(number).on(list)
		create(t, store, r)
		newestFirst = slices.Insert(newestFirst, 0, r.listed())
	}
	wantRecent(t, store, list, 100, newestFirst...)
	wantRecent(t, store, list, 12, newestFirst...)
	wantRecent(t, store, list, 5, newestFirst[:5]...)
	wantRecent(t, store, list, 1, newestFirst[0])
	wantRecent(t, store, list, 0)
}

func testRecentAccounts(t *testing.T, store vault.Store) {
	mine, yours := newListID(1), newListID(2)
	first, between, second := newTrio(1).on(mine), newTrio(2).on(yours), newTrio(3).on(mine)
	create(t, store, first, between, second)
	wantRecent(t, store, mine, 10, second.listed(), first.listed())
	wantRecent(t, store, yours, 10, between.listed())
	wantRecent(t, store, newListID(3), 10)
}

func testRecentSecretStands(t *testing.T, store vault.Store) {
	list := newListID(1)
	stays, goes := newTrio(1).on(list), newTrio(2).on(list)
	create(t, store, stays, goes)
	claim := goes.claim(1, onetime.StateReceived, start)
	mustClaim(t, store, claim)

	received := goes.recent
	received.Receipt = goes.claimed(claim)
	wantRecent(t, store, list, 10, received, stays.listed())
}

func testRecentReceiptGone(t *testing.T, store vault.Store) {
	list := newListID(1)
	short := newTrio(1).on(list).at(start, start.Add(tick))
	long := newTrio(2).on(list)
	gone := newTrio(3).on(list).at(start, start.Add(tick))
	create(t, store, short, long, gone)
	mustSweep(t, store, gone.receipt.Expires, 10, vault.Swept{Secrets: 2, Receipts: 2})
	wantRecent(t, store, list, 10, long.listed())
	wantRecent(t, store, list, 1, long.listed()) // what is gone does not count
}
