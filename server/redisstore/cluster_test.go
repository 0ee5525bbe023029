package redisstore_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/internal/redistest"
	"github.com/onetime-go/onetime/server/redisstore"
	"github.com/onetime-go/onetime/server/vault"
)

// TestSlotMoves moves the slot of some secrets to another node and back while they are shared and claimed. Each is claimed
// once, and nothing is lost.
func TestSlotMoves(t *testing.T) {
	large(t)
	nodes := redistest.StartCluster(t)
	nodes.AddReplicas(t)
	for replicas := range 2 {
		config := nodes.Config()
		config.Replicas = replicas
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) { moveUnderLoad(t, nodes, open(t, config)) })
	}
}

func moveUnderLoad(t *testing.T, nodes *redistest.Nodes, store *redisstore.Store) {
	nodes.Empty(t)
	const callers, each = 8, 40
	var wg sync.WaitGroup
	moved := make(chan struct{})
	for caller := range callers {
		wg.Go(func() {
			for i := range each {
				if i == each/2 {
					<-moved // so that there is something to do before and after
				}
				shareAndClaim(t, store, byte(caller), byte(i))
			}
		})
	}
	for range 3 {
		nodes.MoveSlot(t, "{aa}")
	}
	close(moved)
	wg.Wait()
	if live, err := store.Live(t.Context()); err != nil || live != 0 {
		t.Errorf("%d secrets are left, %v", live, err)
	}
}

func shareAndClaim(t *testing.T, store *redisstore.Store, caller, number byte) {
	secret, receipt := newPair(number)
	secret.ID[5], receipt.ID[5] = caller, caller
	secret.ReceiptID, receipt.SecretID = receipt.ID, secret.ID
	if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
		t.Errorf("Create: %v", err)
		return
	}
	if _, err := store.Secret(t.Context(), secret.ID); err != nil {
		t.Errorf("Secret: %v", err)
	}
	claim := vault.Claim{SecretID: secret.ID, ReceiptID: receipt.ID, ID: vault.ClaimID{1}, State: onetime.StateReceived, Now: time.Now()}
	for _, want := range []bool{true, false} {
		if won, err := store.Claim(t.Context(), claim); err != nil || won != want {
			t.Errorf("Claim = %v, %v, want %v", won, err, want)
		}
	}
	if r, err := store.Receipt(t.Context(), receipt.ID); err != nil || r.State != onetime.StateReceived {
		t.Errorf("Receipt: %s, %v", r.State, err)
	}
}

// TestUnfinishedRemoval breaks the removal of a server key off half-way: the key is barred in some partitions. Removing it
// again ends that, and so does adding it again.
func TestUnfinishedRemoval(t *testing.T) {
	e := redistest.Start(t)
	store := open(t, e.Config())
	key := vault.KeyID{7}
	begin := func() {
		t.Helper()
		e.Empty(t)
		if err := store.AddServerKey(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		global, meta := "onetime:{global}:meta", "onetime:{aa}:meta"
		e.Do(t, "HSET", global, "removal"+string(key[:]), "begun", "attempts"+string(key[:]), "1", "bar"+string(key[:]), "b1")
		e.Do(t, "HSET", meta, "bar"+string(key[:]), "b1")
		secret, receipt := newPair(1)
		secret.KeyID, receipt.KeyID = key, key
		if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); !errors.Is(err, vault.ErrKeyRemoved) {
			t.Fatalf("Create: %v, want ErrKeyRemoved", err)
		}
	}
	begin()
	if err := store.RemoveServerKey(t.Context(), key); err != nil {
		t.Errorf("RemoveServerKey: %v", err)
	}
	if err := store.AddServerKey(t.Context(), key); !errors.Is(err, vault.ErrKeyRemoved) {
		t.Errorf("AddServerKey: %v, want ErrKeyRemoved", err)
	}
	begin()
	if err := store.AddServerKey(t.Context(), key); err != nil {
		t.Errorf("AddServerKey: %v", err)
	}
	secret, receipt := newPair(1)
	secret.KeyID, receipt.KeyID = key, key
	if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
		t.Errorf("Create: %v", err)
	}
	if err := store.RemoveServerKey(t.Context(), key); !errors.Is(err, vault.ErrKeyInUse) {
		t.Errorf("RemoveServerKey: %v, want ErrKeyInUse", err)
	}
	// An attempt that was overtaken comes too late everywhere.
	if late, err := e.Do(t, "HGET", "onetime:{aa}:meta", "bar"+string(key[:])).ToString(); err != nil || late[0] != 'o' {
		t.Errorf("the partition says %q, %v", late, err)
	}
}

// TestEnginesClock holds that a secret has expired when the engine's clock says so, whatever the server's says.
func TestEnginesClock(t *testing.T) {
	store := open(t, redistest.Start(t).Config())
	secret, receipt := newPair(1)
	secret.Created, secret.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Minute)
	if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
		t.Fatal(err)
	}
	claim := vault.Claim{SecretID: secret.ID, ReceiptID: receipt.ID, State: onetime.StateReceived, Now: secret.Created}
	if won, err := store.Claim(t.Context(), claim); won || err != nil {
		t.Errorf("Claim = %v, %v, want false, nil", won, err)
	}
}

// TestEngineCleansUp holds that the engine deletes by itself, an hour later, what no server has swept.
func TestEngineCleansUp(t *testing.T) {
	e := redistest.Start(t)
	store := open(t, e.Config())
	secret, receipt := newPair(1)
	if err := store.Create(t.Context(), secret, receipt, &vault.RecentRecord{Receipt: receipt, Sealed: []byte("key")}, vault.Quota{}); err != nil {
		t.Fatal(err)
	}
	for name, expires := range map[string]time.Time{
		"onetime:{aa}:s:" + string(secret.ID[2:]):  secret.Expires,
		"onetime:{aa}:r:" + string(receipt.ID[2:]): receipt.Expires,
		"onetime:{AAAAAAAAAAAAAAAAAAAAAA}:recent":  receipt.Expires,
		"onetime:{AAAAAAAAAAAAAAAAAAAAAA}:sealed":  receipt.Expires,
	} {
		at, err := e.Do(t, "PEXPIRETIME", name).AsInt64()
		if want := expires.Add(time.Hour).UnixMilli(); err != nil || at != want {
			t.Errorf("%s is deleted at %s, %v, want %s", strconv.Quote(name), strconv.FormatInt(at, 10), err, strconv.FormatInt(want, 10))
		}
	}
}

// TestAccessList holds that what docs/stores.md allows a server is enough.
func TestAccessList(t *testing.T) {
	e := redistest.Start(t)
	if err := e.Do(t, "ACL", "SETUSER", "onetime", "on", ">"+hidden, "~onetime:*", "+@all", "-@dangerous", "+info", "+role", "+config|get").Error(); err != nil {
		t.Fatal(err)
	}
	config := e.Config()
	config.Username, config.Password = "onetime", hidden
	store := open(t, config)
	if err := store.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	shareAndClaim(t, store, 1, 1)
	if _, err := store.Sweep(t.Context(), time.Now(), 10); err != nil {
		t.Error(err)
	}
	if err := store.AddServerKey(t.Context(), vault.KeyID{1}); err != nil {
		t.Error(err)
	}
}
