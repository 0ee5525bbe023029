package vault_test

import (
	"errors"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// damaged is a vault with an account and a secret of each sort, and records that can be altered.
type damaged struct {
	*fixture
	ada           onetime.Caller
	token         onetime.Sensitive
	plain, locked onetime.Receipt
}

func newDamaged(t testing.TB) *damaged {
	t.Helper()
	d := &damaged{fixture: newVault(t)}
	d.ada, d.token = d.account(t, "ada@example.com")
	d.plain = d.share(t, d.ada, onetime.ShareRequest{TTL: time.Hour})
	d.locked = d.share(t, d.ada, onetime.ShareRequest{TTL: time.Hour, Passphrase: "p"})
	return d
}

// wantDamaged fails unless all that is done with secrets, or their receipts, ends in ErrDamaged.
func (d *damaged) wantDamaged(t *testing.T) {
	t.Helper()
	for name, shared := range map[string]onetime.Receipt{"plain": d.plain, "with a passphrase": d.locked} {
		passphrase := onetime.Sensitive("")
		if shared.HasPassphrase {
			passphrase = "p"
		}
		if _, err := d.burn(nobody, shared.Key, passphrase); !errors.Is(err, vault.ErrDamaged) {
			t.Errorf("%s: burn: %v", name, err)
		}
		if d.store.secret != nil {
			_, err := d.reveal(nobody, shared.SecretKey, passphrase)
			if !errors.Is(err, vault.ErrDamaged) {
				t.Errorf("%s: reveal: %v", name, err)
			} else {
				wantFailure(t, err)
			}
			continue
		}
		if _, err := d.Receipt(t.Context(), nobody, shared.Key); !errors.Is(err, vault.ErrDamaged) {
			t.Errorf("%s: receipt: %v", name, err)
		}
	}
}

func (d *damaged) wantWhole(t *testing.T) {
	t.Helper()
	d.store.secret, d.store.receipt, d.store.recent, d.store.account = nil, nil, nil, nil
	if d.store.claims.Load() != 0 {
		t.Error("a claim was made")
	}
	for _, shared := range []onetime.Receipt{d.plain, d.locked} {
		if state := d.receipt(t, shared.Key).State; state != onetime.StateNew {
			t.Errorf("state %q", state)
		}
	}
	for range 4 { // the fifth is the last that is free
		if _, err := d.reveal(nobody, d.locked.SecretKey, "wrong"); !errors.Is(err, onetime.ErrNotFound) {
			t.Fatalf("a guess was spent: %v", err)
		}
	}
	if _, err := d.reveal(nobody, d.locked.SecretKey, "p"); err != nil {
		t.Errorf("a guess was spent: %v", err)
	}
}

func TestAlteredSecrets(t *testing.T) {
	d := newDamaged(t)
	for name, alter := range map[string]func(*vault.SecretRecord){
		"id":            func(r *vault.SecretRecord) { r.ID[33] ^= 1 },
		"receipt id":    func(r *vault.SecretRecord) { r.ReceiptID[0] ^= 1 },
		"account":       func(r *vault.SecretRecord) { r.Account[0] ^= 1 },
		"no account":    func(r *vault.SecretRecord) { r.Account = vault.AccountID{} },
		"created":       func(r *vault.SecretRecord) { r.Created = r.Created.Add(time.Millisecond) },
		"expires":       func(r *vault.SecretRecord) { r.Expires = r.Expires.Add(time.Millisecond) },
		"expires later": func(r *vault.SecretRecord) { r.Expires = r.Expires.AddDate(10, 0, 0) },
		"passphrase":    func(r *vault.SecretRecord) { r.HasPassphrase = !r.HasPassphrase },
		"server key":    func(r *vault.SecretRecord) { r.KeyID[0] ^= 1 },
		"no value":      func(r *vault.SecretRecord) { r.Sealed = nil },
		"half a value":  func(r *vault.SecretRecord) { r.Sealed = r.Sealed[:256] },
		"a nonce only":  func(r *vault.SecretRecord) { r.Sealed = r.Sealed[:24] },
		"a longer one":  func(r *vault.SecretRecord) { r.Sealed = append(r.Sealed, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			d.store.secret = alter
			d.wantDamaged(t)
		})
	}
	d.wantWhole(t)
}

func TestFlippedBytes(t *testing.T) {
	d := newDamaged(t)
	for i := range vault.SealedBlock {
		d.store.secret = func(r *vault.SecretRecord) { r.Sealed[i] ^= 1 << (i % 8) }
		d.wantDamaged(t)
	}
	d.store.secret = nil
	for i := range 24 + 2 + 31 + 2 + len("ada@example.com") + 2 + 16 {
		d.store.receipt = func(r *vault.ReceiptRecord) { r.Sealed[i] ^= 1 << (i % 8) }
		d.wantDamaged(t)
	}
	d.wantWhole(t)
}

func TestAlteredReceipts(t *testing.T) {
	d := newDamaged(t)
	for name, alter := range map[string]func(*vault.ReceiptRecord){
		"id":             func(r *vault.ReceiptRecord) { r.ID[33] ^= 1 },
		"secret id":      func(r *vault.ReceiptRecord) { r.SecretID[5] ^= 1 },
		"account":        func(r *vault.ReceiptRecord) { r.Account[0] ^= 1 },
		"created":        func(r *vault.ReceiptRecord) { r.Created = r.Created.Add(time.Millisecond) },
		"secret expires": func(r *vault.ReceiptRecord) { r.SecretExpires = r.SecretExpires.Add(time.Millisecond) },
		"expires":        func(r *vault.ReceiptRecord) { r.Expires = r.Expires.Add(time.Millisecond) },
		"both expiries": func(r *vault.ReceiptRecord) {
			r.SecretExpires, r.Expires = r.SecretExpires.Add(time.Second), r.Expires.Add(2*time.Second)
		},
		"created and expiries": func(r *vault.ReceiptRecord) {
			r.Created, r.Expires = r.Created.Add(-time.Second), r.Expires.Add(time.Second)
		},
		"passphrase":     func(r *vault.ReceiptRecord) { r.HasPassphrase = !r.HasPassphrase },
		"server key":     func(r *vault.ReceiptRecord) { r.KeyID[7] ^= 1 },
		"nothing sealed": func(r *vault.ReceiptRecord) { r.Sealed = nil },
		"cut off":        func(r *vault.ReceiptRecord) { r.Sealed = r.Sealed[:len(r.Sealed)-1] },
	} {
		t.Run(name, func(t *testing.T) {
			d.store.receipt = alter
			d.wantDamaged(t)
			d.store.receipt = nil
			d.store.recent = func(e *vault.RecentRecord) { alter(&e.Receipt) }
			if _, err := d.Recent(t.Context(), d.ada); !errors.Is(err, vault.ErrDamaged) {
				t.Errorf("recent: %v", err)
			}
			d.store.recent = nil
		})
	}
	d.wantWhole(t)
}

// TestSwappedRecords exchanges records that are each in order.
func TestSwappedRecords(t *testing.T) {
	d := newDamaged(t)
	other := d.share(t, d.ada, onetime.ShareRequest{TTL: time.Hour})
	var secrets []vault.SecretRecord
	d.store.secret = func(r *vault.SecretRecord) { secrets = append(secrets, *r) }
	for _, key := range []onetime.Sensitive{d.plain.SecretKey, other.SecretKey} {
		_, err := d.Reveal(t.Context(), nobody, onetime.RevealRequest{Key: key})
		must(t, err)
	}
	d.store.secret = func(r *vault.SecretRecord) { *r = secrets[1] }
	if _, err := d.reveal(nobody, d.plain.SecretKey, ""); !errors.Is(err, vault.ErrDamaged) {
		t.Errorf("the record of another secret: %v", err)
	}
	if _, err := d.burn(nobody, d.plain.Key, ""); !errors.Is(err, vault.ErrDamaged) {
		t.Errorf("burn of the record of another secret: %v", err)
	}
	d.store.secret = func(r *vault.SecretRecord) { r.Sealed = secrets[1].Sealed }
	if _, err := d.reveal(nobody, d.plain.SecretKey, ""); !errors.Is(err, vault.ErrDamaged) {
		t.Errorf("the value of another secret: %v", err)
	}
	d.wantWhole(t)
}

func TestAlteredAccounts(t *testing.T) {
	d := newDamaged(t)
	for name, alter := range map[string]func(*vault.AccountRecord){
		"id":         func(r *vault.AccountRecord) { r.ID[0] ^= 1 },
		"e-mail":     func(r *vault.AccountRecord) { r.Email = "eve@example.com" },
		"created":    func(r *vault.AccountRecord) { r.Created = r.Created.Add(time.Millisecond) },
		"server key": func(r *vault.AccountRecord) { r.KeyID[0] ^= 1 },
		"sealed":     func(r *vault.AccountRecord) { r.Sealed[50] ^= 1 },
		"no sealed":  func(r *vault.AccountRecord) { r.Sealed = nil },
	} {
		t.Run(name, func(t *testing.T) {
			d.store.account = alter
			account, err := d.Authenticate(t.Context(), "ada@example.com", d.token.Expose())
			if !errors.Is(err, vault.ErrDamaged) || account != nil {
				t.Errorf("account %v, error %v", account, err)
			}
		})
	}
}

func TestAlteredRecentEntries(t *testing.T) {
	d := newDamaged(t)
	for i := range 24 + 31 + 16 {
		d.store.recent = func(e *vault.RecentRecord) { e.Sealed[i] ^= 1 << (i % 8) }
		if _, err := d.Recent(t.Context(), d.ada); !errors.Is(err, vault.ErrDamaged) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	eve, _ := d.account(t, "eve@example.com")
	d.share(t, eve, onetime.ShareRequest{})
	var stolen []vault.RecentRecord
	d.store.recent = func(e *vault.RecentRecord) { stolen = append(stolen, *e) }
	_, err := d.Recent(t.Context(), d.ada)
	must(t, err)
	d.store.recent = func(e *vault.RecentRecord) { *e = stolen[0] }
	if _, err := d.Recent(t.Context(), eve); !errors.Is(err, vault.ErrDamaged) {
		t.Errorf("an entry that was moved to another account: %v", err)
	}
}
