package sqlitestore

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// TestTotalsAreRight holds that what is noted of owners, and of all secrets, is what counting finds, after whatever was done, and
// failed, in whatever order.
func TestTotalsAreRight(t *testing.T) {
	path := filepath.Join(t.TempDir(), "onetime.db")
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	store, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	for n := range 250 {
		id, at := vault.ID{byte(random.IntN(60))}, time.UnixMilli(int64(n))
		switch random.IntN(8) {
		case 0, 1, 2, 3: // of an id that is there it fails, and takes its batch with it
			owner := vault.OwnerID{byte(random.IntN(4))}
			receipt := vault.ReceiptRecord{ID: vault.ID{byte(n), byte(n >> 8), id[0]}, Expires: at.Add(time.Second)}
			secret := vault.SecretRecord{ID: id, ReceiptID: receipt.ID, Owner: owner, Created: at,
				Expires: at.Add(time.Duration(random.IntN(100)) * time.Millisecond), Sealed: make([]byte, random.IntN(4)*vault.SealedBlock)}
			if owner == (vault.OwnerID{}) {
				secret.Account = vault.AccountID{1}
			}
			_ = store.Create(t.Context(), secret, receipt, nil, vault.Quota{Secrets: 10})
		case 4, 5:
			_, err = store.Claim(t.Context(), vault.Claim{SecretID: id, ID: vault.ClaimID{1}, State: onetime.StateReceived, Now: at})
		case 6:
			_, err = store.Sweep(t.Context(), at, 3)
		case 7:
			_, err = store.BurnAccount(t.Context(), vault.AccountID{1}, vault.ClaimID{2}, at, 2)
		}
		if err != nil {
			t.Fatal(err)
		}
		var wrong int
		if err := store.writer.session.conn.QueryRowContext(t.Context(), `SELECT
			(SELECT count(*) FROM (SELECT * FROM owners EXCEPT SELECT owner, count(*), sum(chunks) FROM secrets GROUP BY owner)) +
			(SELECT count(DISTINCT owner) FROM secrets WHERE owner <> zeroblob(16)) - (SELECT count(*) FROM owners) +
			(SELECT secrets FROM totals) - (SELECT count(*) FROM secrets)`).Scan(&wrong); err != nil || wrong != 0 {
			t.Fatalf("seed %d, step %d: the totals are wrong by %d, %v", seed, n, wrong, err)
		}
	}
}
