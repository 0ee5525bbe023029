package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// start is when the records of the suite are created. It has milliseconds, which a store must keep, and is so late that
// the clock of a store that has its own is never the later one.
var start = time.Date(2126, 3, 4, 5, 6, 7, 89_000_000, time.UTC)

const (
	lifetime = time.Hour // of secrets; receipts live twice as long
	tick     = time.Millisecond
)

// A trio is what Create takes, all of it about one secret.
type trio struct {
	secret  vault.SecretRecord
	receipt vault.ReceiptRecord
	recent  vault.RecentRecord
}

// newTrio makes records of which every field has a value that no other number gives it, and that fit together.
func newTrio(number int) trio {
	var r trio
	fill(reflect.ValueOf(&r.secret).Elem(), fmt.Sprint("secret ", number))
	fill(reflect.ValueOf(&r.receipt).Elem(), fmt.Sprint("receipt ", number))
	fill(reflect.ValueOf(&r.recent).Elem(), fmt.Sprint("recent ", number))
	r.secret.ID, r.receipt.ID = tagged(r.secret.ID, number), tagged(r.receipt.ID, number)
	r.secret.ReceiptID = r.receipt.ID
	r.secret.Sealed = sealed(number, 2)
	r.receipt.SecretID = r.secret.ID
	r.receipt.State = onetime.StateNew
	r.receipt.Claim = vault.ClaimID{}
	r.recent.Receipt.ID = r.receipt.ID // and the rest filled: a store must not use it
	created := start.Add(time.Duration(number) * tick)
	return r.at(created, created.Add(lifetime))
}

// tagged has an id begin with two characters of a key, as those do that vaults make.
func tagged(id vault.ID, number int) vault.ID {
	const base36 = "0123456789abcdefghijklmnopqrstuvwxyz"
	sum := digest("tag", number)
	id[0], id[1] = base36[int(sum[0])%len(base36)], base36[int(sum[1])%len(base36)]
	return id
}

// at sets the times that decide anything. Updated and SecretExpires differ from all others, so that a store that mixes
// them up is found out.
func (r trio) at(created, expires time.Time) trio {
	r.secret.Created, r.secret.Expires = created, expires
	r.receipt.Created, r.receipt.Updated = created.Add(-1*tick), created.Add(-2*tick)
	r.receipt.SecretExpires = expires.Add(-3 * tick)
	r.receipt.Expires = expires.Add(lifetime)
	return r
}

// on puts the receipt on a list.
func (r trio) on(list vault.ListID) trio {
	r.recent.List = list
	return r
}

// of gives the secret and the receipt to an account.
func (r trio) of(account vault.AccountID) trio {
	r.secret.Account, r.receipt.Account = account, account
	return r
}

// stored is the receipt as it reads while the secret stands.
func (r trio) stored() vault.ReceiptRecord {
	receipt := r.receipt
	receipt.SecretStands = true
	return receipt
}

// listed is the list entry as it reads while the secret stands.
func (r trio) listed() vault.RecentRecord {
	recent := r.recent
	recent.Receipt = r.stored()
	return recent
}

func (r trio) claim(number int, state onetime.State, now time.Time) vault.Claim {
	claim := vault.Claim{SecretID: r.secret.ID, ReceiptID: r.secret.ReceiptID, State: state, Now: now}
	copy(claim.ID[:], digest("claim", number))
	return claim
}

// claimed is the receipt as it reads after a claim that won.
func (r trio) claimed(claim vault.Claim) vault.ReceiptRecord {
	receipt := r.receipt
	receipt.State, receipt.Updated, receipt.Claim = claim.State, claim.Now, claim.ID
	receipt.SecretStands = false
	return receipt
}

func newAccount(number int) vault.AccountRecord {
	var account vault.AccountRecord
	fill(reflect.ValueOf(&account).Elem(), fmt.Sprint("account ", number))
	account.Email = fmt.Sprintf("someone+%d@example.com", number)
	account.Created = start.Add(time.Duration(number) * tick)
	return account
}

func newAccountID(number int) (id vault.AccountID) {
	copy(id[:], digest("account id", number))
	return id
}

func newListID(number int) (id vault.ListID) {
	copy(id[:], digest("list id", number))
	return id
}

func newKeyID(number int) (id vault.KeyID) {
	copy(id[:], digest("key id", number))
	return id
}

// sealed returns bytes that look like what a vault seals.
func sealed(number, blocks int) []byte {
	var seed [32]byte
	copy(seed[:], digest("sealed", number))
	value := make([]byte, blocks*vault.SealedBlock)
	_, _ = rand.NewChaCha8(seed).Read(value) // never fails
	return value
}

func digest(kind string, number int) []byte {
	sum := sha256.Sum256(fmt.Append(nil, kind, " ", number))
	return sum[:]
}

// fill gives every field a value that depends on the name of the field and on label, so that one that is added later
// is tested as well.
func fill(v reflect.Value, label string) {
	sum := sha256.Sum256([]byte(label))
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(start.Add(time.Duration(binary.BigEndian.Uint32(sum[:])) * tick)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), label+"."+v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(sum[i%len(sum)] ^ byte(i)))
		}
	case v.Kind() == reflect.Slice:
		v.SetBytes(sum[:])
	case v.Kind() == reflect.String:
		v.SetString(label)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		panic("storetest: cannot fill " + label + ", a " + v.Type().String())
	}
}

// difference takes byte slices as a whole: element by element, large values take seconds.
func difference(want, got any) string {
	return cmp.Diff(want, got, cmp.Comparer(bytes.Equal))
}

func create(t *testing.T, store vault.Store, records ...trio) {
	t.Helper()
	for _, r := range records {
		if err := store.Create(t.Context(), r.secret, r.receipt, &r.recent, vault.Quota{}); err != nil {
			t.Fatalf("Create: %v", err)
		}
	}
}

// mustClaim makes a claim that has to win.
func mustClaim(t *testing.T, store vault.Store, claim vault.Claim) {
	t.Helper()
	won, err := store.Claim(t.Context(), claim)
	if err != nil || !won {
		t.Fatalf("Claim = %v, %v, want true, nil", won, err)
	}
}

// wantLost makes a claim that must not win.
func wantLost(t *testing.T, store vault.Store, claim vault.Claim) {
	t.Helper()
	won, err := store.Claim(t.Context(), claim)
	if err != nil || won {
		t.Errorf("Claim = %v, %v, want false, nil", won, err)
	}
}

// mustSweep makes a sweep that has to delete as many secrets and receipts as want says.
func mustSweep(t *testing.T, store vault.Store, now time.Time, limit int, want vault.Swept) {
	t.Helper()
	swept, err := store.Sweep(t.Context(), now, limit)
	if err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	if swept != want {
		t.Errorf("Sweep deleted %+v, want %+v", swept, want)
	}
}

func wantSecret(t *testing.T, store vault.Store, want vault.SecretRecord) {
	t.Helper()
	got, err := store.Secret(t.Context(), want.ID)
	if err != nil {
		t.Errorf("Secret: %v", err)
	} else if diff := difference(want, got); diff != "" {
		t.Errorf("Secret (-want +got):\n%s", diff)
	}
}

func wantNoSecret(t *testing.T, store vault.Store, id vault.ID) {
	t.Helper()
	if _, err := store.Secret(t.Context(), id); !errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("Secret: %v, want ErrNoRecord", err)
	}
}

func wantReceipt(t *testing.T, store vault.Store, want vault.ReceiptRecord) {
	t.Helper()
	got, err := store.Receipt(t.Context(), want.ID)
	if err != nil {
		t.Errorf("Receipt: %v", err)
	} else if diff := difference(want, got); diff != "" {
		t.Errorf("Receipt (-want +got):\n%s", diff)
	}
}

func wantNoReceipt(t *testing.T, store vault.Store, id vault.ID) {
	t.Helper()
	if _, err := store.Receipt(t.Context(), id); !errors.Is(err, vault.ErrNoRecord) {
		t.Errorf("Receipt: %v, want ErrNoRecord", err)
	}
}

func wantRecent(t *testing.T, store vault.Store, list vault.ListID, limit int, want ...vault.RecentRecord) {
	t.Helper()
	got, err := store.Recent(t.Context(), list, limit)
	if err != nil {
		t.Errorf("Recent: %v", err)
		return
	}
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if diff := difference(want, got); diff != "" {
		t.Errorf("Recent (-want +got):\n%s", diff)
	}
}

func wantHighWater(t *testing.T, store vault.Store, want time.Time) {
	t.Helper()
	got, err := store.HighWater(t.Context())
	if err != nil {
		t.Errorf("HighWater: %v", err)
	} else if !got.Equal(want) {
		t.Errorf("HighWater = %v, want %v", got, want)
	}
}

func wantAccount(t *testing.T, store vault.Store, want vault.AccountRecord) {
	t.Helper()
	got, err := store.Account(t.Context(), want.Email)
	if err != nil {
		t.Errorf("Account: %v", err)
	} else if diff := difference(want, got); diff != "" {
		t.Errorf("Account (-want +got):\n%s", diff)
	}
}

func wantServerKeys(t *testing.T, store vault.Store, want ...vault.KeyID) {
	t.Helper()
	got, err := store.ServerKeys(t.Context())
	if err != nil {
		t.Errorf("ServerKeys: %v", err)
	} else if diff := difference(want, got); diff != "" {
		t.Errorf("ServerKeys (-want +got):\n%s", diff)
	}
}
