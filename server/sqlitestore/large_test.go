package sqlitestore

import (
	"testing"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// TestLargeSecretsHoldNobodyUp holds that neither a sweep, nor burning what an account has, nor a batch is one transaction that
// all others wait for, however large what is deleted or written.
func TestLargeSecretsHoldNobodyUp(t *testing.T) {
	const count, blocks = 10, 2049 // of a little more than 1 MiB
	store := openFile(t)
	now := time.UnixMilli(1000)
	for n := range count {
		secret := vault.SecretRecord{ID: vault.ID{byte(n)}, Expires: now, Sealed: make([]byte, blocks*vault.SealedBlock)}
		if err := store.Create(t.Context(), secret, vault.ReceiptRecord{ID: secret.ID, Expires: now}, nil, vault.Quota{}); err != nil {
			t.Fatal(err)
		}
	}
	var swept int
	var more bool
	err := store.write(t.Context(), "test", change{do: func(tx session) (err error) {
		swept, more, err = sweepSecrets(tx, now, 100)
		return err
	}})
	if err != nil || swept != 4 || !more {
		t.Errorf("one transaction of a sweep deletes %d secrets, more %t, %v", swept, more, err)
	}
	all, err := store.Sweep(t.Context(), now, 5)
	if err != nil || all != (vault.Swept{Secrets: 5, Receipts: 5}) {
		t.Errorf("Sweep = %+v, %v", all, err)
	}
	if all, err = store.Sweep(t.Context(), now, 100); err != nil || all != (vault.Swept{Secrets: 1, Receipts: 5}) {
		t.Errorf("Sweep = %+v, %v", all, err)
	}

	ada, claim := vault.AccountID{1}, vault.ClaimID{1}
	for n := range count {
		secret := vault.SecretRecord{ID: vault.ID{byte(n)}, Account: ada, Expires: now, Sealed: make([]byte, blocks*vault.SealedBlock)}
		if err := store.Create(t.Context(), secret, vault.ReceiptRecord{ID: secret.ID, Expires: now}, nil, vault.Quota{}); err != nil {
			t.Fatal(err)
		}
	}
	before := now.Add(-time.Millisecond)
	var burned int
	err = store.write(t.Context(), "test", change{do: func(tx session) (err error) {
		burned, more, err = burnSome(tx, ada, claim, before, 100)
		return err
	}})
	if err != nil || burned != 4 || !more {
		t.Errorf("one transaction burns %d secrets, more %t, %v", burned, more, err)
	}
	if burned, err = store.BurnAccount(t.Context(), ada, claim, before, 5); err != nil || burned != 5 {
		t.Errorf("BurnAccount = %d, %v", burned, err)
	}
	if burned, err = store.BurnAccount(t.Context(), ada, claim, before, 100); err != nil || burned != 1 {
		t.Errorf("BurnAccount = %d, %v", burned, err)
	}

	for name, test := range map[string]struct{ chunks, want int }{
		"of 1 MiB": {blocks, 4},
		"small":    {1, maxBatch},
		"huge":     {2 * maxChunks, 1},
	} {
		w := &writer{queue: make(chan *change, 2*maxBatch)}
		for range 2 * maxBatch {
			w.queue <- &change{chunks: test.chunks}
		}
		if batch := w.gather([]*change{<-w.queue}); len(batch) != test.want {
			t.Errorf("%d changes %s in a batch, want %d", len(batch), name, test.want)
		}
	}
}
