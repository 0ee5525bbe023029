// Package storetest is the suite that every vault.Store passes. It tests all that the comments of that interface say.
//
// It is for the tests of stores; nothing else should import it. A store's test reads
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) vault.Store { return openEmpty(t) })
//	}
//
//	func TestSharedStore(t *testing.T) {
//		storetest.RunShared(t, func(t *testing.T) func() vault.Store {
//			path := filepath.Join(t.TempDir(), "onetime.db")
//			return func() vault.Store { return openAt(t, path) }
//		})
//	}
//
// Run it with the race detector: much of the suite is about callers that meet.
package storetest

import (
	"testing"

	"github.com/onetime-go/onetime/server/vault"
)

// Run tests one store after another. Each call of open returns a new and empty one, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) vault.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, vault.Store)
	}{
		{"round trip/secret and receipt", testRoundTrip},
		{"round trip/sizes", testSizes},
		{"round trip/recent", testRecentRoundTrip},
		{"round trip/account", testAccountRoundTrip},
		{"no record", testNoRecord},
		{"create/twice", testCreateTwice},
		{"create/concurrent", testConcurrentCreates},
		{"create/in one step", testCreateInOneStep},
		{"claim/changes one secret and its receipt", testClaim},
		{"claim/second", testSecondClaim},
		{"claim/expiry", testClaimExpiry},
		{"claim/one of 64 wins", testOneClaimWins},
		{"claim/one of 16 wins, 100 times at once", testOneClaimWinsEach},
		{"claim/readers see all or nothing", testReadsDuringClaims},
		{"recent/order and limit", testRecentOrder},
		{"recent/accounts", testRecentAccounts},
		{"recent/secret stands", testRecentSecretStands},
		{"recent/receipt gone", testRecentReceiptGone},
		{"sweep/boundary", testSweepBoundary},
		{"sweep/states", testSweepStates},
		{"sweep/receipts", testSweepReceipts},
		{"sweep/limit", testSweepLimit},
		{"sweep/meets claims", testSweepMeetsClaims},
		{"sweep/tallies", testSweepTallies},
		{"quota/secrets", testQuotaSecrets},
		{"quota/bytes", testQuotaBytes},
		{"quota/owners", testQuotaOwners},
		{"quota/one of many fits", testQuotaTogether},
		{"guess/limits", testGuessLimits},
		{"guess/window and lock", testGuessTimes},
		{"guess/apart", testGuessesApart},
		{"guess/refund", testRefund},
		{"guess/come together", testGuessesTogether},
		{"guess/bounded", testGuessesAreBounded},
		{"live", testLive},
		{"ping", testPing},
		{"high water/grows", testHighWater},
		{"high water/concurrent", testHighWaterConcurrent},
		{"account/exists", testAccountExists},
		{"account/one of many wins", testAccountOneWins},
		{"account/list", testAccounts},
		{"account/update", testUpdateAccount},
		{"account/one update wins", testOneUpdateWins},
		{"account/remove", testRemoveAccount},
		{"burn account/what it claims", testBurnAccount},
		{"burn account/limit", testBurnAccountLimit},
		{"burn account/meets claims", testBurnMeetsClaims},
		{"server keys", testServerKeys},
		{"server keys/in use", testKeysInUse},
		{"server keys/remove", testRemoveServerKey},
		{"server keys/removed for good", testRemovedKeyIsBarred},
		{"server keys/remove meets writes", testRemoveMeetsWrites},
		{"context/ended before", testEndedContext},
		{"context/ends meanwhile", testEndingContext},
		{"close", testClosed},
		{"errors hold no contents", testErrorsHoldNoContents},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, closing(t, open(t))) })
	}
}

// RunShared tests stores that outlast Close and that several processes may open. Each call of place returns a function
// that opens stores on the same data, empty at first, however many of them are open; the suite closes them.
func RunShared(t *testing.T, place func(t *testing.T) (open func() vault.Store)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open func() vault.Store)
	}{
		{"reopen/all records", testReopen},
		{"reopen/high water", testReopenHighWater},
		{"reopen/what was acknowledged before Close", testReopenAcknowledged},
		{"two stores/see each other", testTwoStores},
		{"two stores/one claim wins", testTwoStoresClaim},
		{"two stores/write at the same time", testTwoStoresWrite},
		{"two stores/removed key", testTwoStoresRemovedKey},
		{"two stores/guesses", testTwoStoresGuesses},
	} {
		t.Run(test.name, func(t *testing.T) {
			open := place(t)
			test.run(t, func() vault.Store { return closing(t, open()) })
		})
	}
}

// closing closes a store after its test. A test may have done so before, hence no look at the error.
func closing(t *testing.T, store vault.Store) vault.Store {
	t.Cleanup(func() { _ = store.Close() })
	return store
}
