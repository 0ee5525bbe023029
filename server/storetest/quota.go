package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// ownedBy gives the secret an owner: 0 for none.
func (r trio) ownedBy(owner int) trio {
	r.secret.Owner = vault.OwnerID{}
	if owner > 0 {
		copy(r.secret.Owner[:], digest("owner", owner))
	}
	return r
}

func wantQuota(t *testing.T, store vault.Store, r trio, quota vault.Quota, want error) {
	t.Helper()
	if err := store.Create(t.Context(), r.secret, r.receipt, &r.recent, quota); !errors.Is(err, want) {
		t.Fatalf("Create: %v, want %v", err, want)
	}
	if want == nil {
		wantSecret(t, store, r.secret)
		return
	}
	wantNoSecret(t, store, r.secret.ID)
	wantNoReceipt(t, store, r.receipt.ID)
	wantRecent(t, store, r.recent.List, 10)
}

// testQuotaSecrets holds that those count which stand and have not expired.
func testQuotaSecrets(t *testing.T, store vault.Store) {
	quota := vault.Quota{Secrets: 3}
	mine := func(number int) trio {
		created := start.Add(time.Duration(number) * tick)
		return newTrio(number).ownedBy(1).at(created, created.Add(lifetime))
	}
	for number := range 3 {
		wantQuota(t, store, mine(number), quota, nil)
	}
	wantQuota(t, store, mine(3), quota, vault.ErrQuota)
	wantQuota(t, store, mine(4), vault.Quota{}, nil) // no limit
	wantQuota(t, store, mine(5), vault.Quota{Secrets: 4}, vault.ErrQuota)
	mustClaim(t, store, mine(4).claim(1, onetime.StateReceived, start.Add(5*tick)))
	mustClaim(t, store, mine(1).claim(2, onetime.StateBurned, start.Add(5*tick)))
	wantQuota(t, store, mine(6), quota, nil)
	wantQuota(t, store, mine(7), quota, vault.ErrQuota)

	// The first has expired, and counts no more whether it was swept or not.
	late := mine(8).at(mine(0).secret.Expires, start.Add(2*lifetime))
	early := mine(9).at(mine(0).secret.Expires.Add(-tick), start.Add(2*lifetime))
	wantQuota(t, store, early, quota, vault.ErrQuota)
	wantQuota(t, store, late, quota, nil)
	wantQuota(t, store, mine(10).at(late.secret.Created, start.Add(2*lifetime)), quota, vault.ErrQuota)
	mustSweep(t, store, mine(2).secret.Expires, 10, vault.Swept{Secrets: 2})
	wantQuota(t, store, mine(10).at(mine(2).secret.Expires, start.Add(2*lifetime)), quota, nil)
}

func testQuotaBytes(t *testing.T, store vault.Store) {
	mine := func(number, blocks int) trio {
		r := newTrio(number).ownedBy(1)
		r.secret.Sealed = sealed(number, blocks)
		return r
	}
	quota := vault.Quota{Bytes: 5 * vault.SealedBlock}
	wantQuota(t, store, mine(1, 6), quota, vault.ErrQuota) // the first is too large by itself
	wantQuota(t, store, mine(2, 3), quota, nil)
	wantQuota(t, store, mine(3, 3), quota, vault.ErrQuota)
	wantQuota(t, store, mine(4, 2), quota, nil)
	wantQuota(t, store, mine(5, 1), quota, vault.ErrQuota)
	wantQuota(t, store, mine(6, 1), vault.Quota{Secrets: 10, Bytes: 6*vault.SealedBlock - 1}, vault.ErrQuota)
	mustClaim(t, store, mine(2, 3).claim(1, onetime.StateReceived, start))
	wantQuota(t, store, mine(7, 3), quota, nil)
}

// testQuotaOwners holds that each owner has a quota, and that secrets without one have none.
func testQuotaOwners(t *testing.T, store vault.Store) {
	quota := vault.Quota{Secrets: 1, Bytes: 10 * vault.SealedBlock}
	for owner := 1; owner <= 3; owner++ {
		wantQuota(t, store, newTrio(owner).ownedBy(owner), quota, nil)
		wantQuota(t, store, newTrio(10+owner).ownedBy(owner), quota, vault.ErrQuota)
	}
	for number := range 3 {
		wantQuota(t, store, newTrio(20+number).ownedBy(0), quota, nil)
	}
}

// testQuotaTogether has many callers of one owner at once. As many secrets are stored as there is room for.
func testQuotaTogether(t *testing.T, store vault.Store) {
	const room = 5
	var stored atomic.Int64
	var wg sync.WaitGroup
	for number := range 32 {
		r := newTrio(number).ownedBy(1)
		wg.Go(func() {
			err := store.Create(t.Context(), r.secret, r.receipt, nil, vault.Quota{Secrets: room})
			switch {
			case err == nil:
				stored.Add(1)
			case !errors.Is(err, vault.ErrQuota):
				t.Errorf("Create: %v, want ErrQuota", err)
			}
		})
	}
	wg.Wait()
	if stored.Load() != room {
		t.Errorf("%d secrets were stored, want %d", stored.Load(), room)
	}
}
