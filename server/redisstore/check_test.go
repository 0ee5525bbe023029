package redisstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/internal/redistest"
	"github.com/onetime-go/onetime/server/redisstore"
	"github.com/onetime-go/onetime/server/vault"
)

// TestOpenRefuses gives engines that would lose records, or cannot do what is asked of them.
func TestOpenRefuses(t *testing.T) {
	fsync := func(c *redisstore.Config) { c.Durability = redisstore.Fsync }
	for _, test := range []struct {
		name     string
		settings []string
		change   func(*redisstore.Config)
		want     string // "" where it is to be opened
	}{
		{"in order", nil, nil, ""},
		{"eviction", []string{"--maxmemory-policy", "allkeys-lru"}, nil, "set it to noeviction"},
		{"nothing on disk", []string{"--appendonly", "no"}, nil, "turn appendonly on"},
		{"nothing on disk, allowed", []string{"--appendonly", "no"}, func(c *redisstore.Config) { c.Volatile = true }, ""},
		{"snapshots", []string{"--appendonly", "no", "--save", "3600 1"}, nil, ""},
		{"snapshots, fsync", []string{"--appendonly", "no", "--save", "3600 1"}, fsync, "has no append-only file"},
		{"always, fsync", redistest.Durable, fsync, ""},
		{"fewer replicas", nil, func(c *redisstore.Config) { c.Replicas = 1 }, "0 replicas, and 1 must confirm"},
		{"a Cluster's node", []string{"--cluster-enabled", "yes"}, nil, "redis+cluster://"},
		{"no Cluster", nil, func(c *redisstore.Config) { c.Topology = redisstore.Cluster }, "not a Cluster"},
		{"a password missing", []string{"--requirepass", hidden}, nil, "NOAUTH"},
		{"a wrong password", []string{"--requirepass", hidden}, func(c *redisstore.Config) { c.Password = hidden + "x" }, "WRONGPASS"},
		{"no address", nil, func(c *redisstore.Config) { c.Addresses = nil }, "needs an address"},
		{"a brace", nil, func(c *redisstore.Config) { c.Prefix = "a{b}" }, "brace"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := redistest.Start(t, test.settings...).Config()
			config.Password = ""
			if test.change != nil {
				test.change(&config)
			}
			store, err := redisstore.Open(t.Context(), config)
			if err == nil {
				_ = store.Close()
			}
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Open: %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), hidden) {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// TestWaitaof is about engines that have it: from Redis and Valkey 7.2 on. Before, what to do instead is said.
func TestWaitaof(t *testing.T) {
	e := redistest.Start(t) // with appendfsync everysec
	config := e.Config()
	config.Durability = redisstore.Fsync
	store, err := redisstore.Open(t.Context(), config)
	if e.Do(t, "WAITAOF", "0", "0", "0").Error() != nil {
		if err == nil || !strings.Contains(err.Error(), "lacks WAITAOF") {
			t.Errorf("Open: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPing looks at what changes while the store is open.
func TestPing(t *testing.T) {
	e := redistest.Start(t, redistest.Durable...)
	config := e.Config()
	config.Durability = redisstore.Fsync
	store := open(t, config)
	wantPing := func(want string) {
		t.Helper()
		if err := store.Ping(t.Context()); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Ping: %v, want %q", err, want)
		}
	}
	wantPing("")
	for _, change := range []struct{ name, bad, good, want string }{
		{"maxmemory-policy", "allkeys-random", "noeviction", "set it to noeviction"},
		{"appendfsync", "everysec", "always", "appendfsync always"},
	} {
		e.Do(t, "CONFIG", "SET", change.name, change.bad)
		if change.name != "appendfsync" || e.Do(t, "WAITAOF", "0", "0", "0").Error() != nil {
			wantPing(change.want)
		}
		e.Do(t, "CONFIG", "SET", change.name, change.good)
		wantPing("")
	}
	e.Do(t, "CONFIG", "SET", "maxmemory", "1") // full
	wantPing("OOM")
	e.Do(t, "CONFIG", "SET", "maxmemory", "0")
	wantPing("")
	e.Kill()
	if err := store.Ping(t.Context()); err == nil {
		t.Error("Ping: there is no engine, want an error")
	}
	e.Start(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // until new connections stand
		err := store.Ping(t.Context())
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Ping: %v", err)
		}
	}
}

// TestReplicasMissing holds that what too few replicas have confirmed is in doubt, though the primary has it.
func TestReplicasMissing(t *testing.T) {
	e := redistest.Start(t)
	replica := redistest.StartReplica(t, e)
	config := e.Config()
	config.Replicas, config.Timeout = 1, 4*time.Second // half of which it waits for what never comes
	store := open(t, config)
	secret, receipt := newPair(1)
	replica.Kill()
	const want = "redisstore: create: vault: the write is in doubt: fewer replicas than configured have confirmed it"
	if err := store.Create(t.Context(), secret, receipt, nil, vault.Quota{}); !errors.Is(err, vault.ErrInDoubt) || err.Error() != want {
		t.Errorf("Create: %v, want ErrInDoubt", err)
	}
	if _, err := store.Secret(t.Context(), secret.ID); err != nil {
		t.Errorf("Secret: %v", err)
	}
	claim := vault.Claim{SecretID: secret.ID, ReceiptID: receipt.ID, ID: vault.ClaimID{1}, State: onetime.StateReceived, Now: time.Now()}
	if won, err := store.Claim(t.Context(), claim); won || !errors.Is(err, vault.ErrInDoubt) {
		t.Errorf("Claim = %v, %v, want ErrInDoubt", won, err)
	}
	if _, err := redisstore.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "1 must confirm") {
		t.Errorf("Open: %v", err)
	}
}

// TestConfirmationCutOff holds that a claim is looked for, and found, whose answer came and whose confirmation by replicas was
// cut off: nobody else would get the secret.
func TestConfirmationCutOff(t *testing.T) {
	e := redistest.Start(t)
	redistest.StartReplica(t, e)
	proxy := redistest.StartProxy(t, e)
	config := e.Config()
	config.Replicas = 1
	beside := open(t, config)
	config.Addresses = []string{proxy.Address}
	store := open(t, config)
	share := func(number byte) vault.Claim {
		t.Helper()
		secret, receipt := newPair(number)
		if err := beside.Create(t.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
			t.Fatal(err)
		}
		return vault.Claim{SecretID: secret.ID, ReceiptID: receipt.ID, ID: vault.ClaimID{number}, State: onetime.StateReceived, Now: time.Now()}
	}
	if won, err := store.Claim(t.Context(), share(1)); !won || err != nil { // the engine knows the script
		t.Fatalf("Claim = %v, %v", won, err)
	}
	claim := share(2)
	proxy.Arm(2, redistest.Hold)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if won, err := store.Claim(t.Context(), claim); !won || err != nil {
			t.Errorf("Claim = %v, %v, want true", won, err)
		}
	}()
	for made := false; !made; time.Sleep(time.Millisecond) {
		_, err := beside.Secret(t.Context(), claim.SecretID)
		made = errors.Is(err, vault.ErrNoRecord) && proxy.Met() == "WAIT"
	}
	proxy.CutAll()
	<-done
}

// TestGuessesInDoubt holds that a guess is not let through, and does not count, that too few replicas have confirmed: nobody is
// locked out because a replica is down.
func TestGuessesInDoubt(t *testing.T) {
	e := redistest.Start(t)
	replica := redistest.StartReplica(t, e)
	config := e.Config()
	config.Replicas = 1
	config.Timeout = time.Second
	hasty := open(t, config)
	config.Replicas = 0
	alone := open(t, config)
	limit := vault.GuessLimit{Most: 2, Window: time.Hour, Lock: time.Hour}
	guess := vault.Guess{ID: vault.ID{'0', '0'}, Now: time.Now(), PerCaller: limit, InAll: limit, InLife: limit, Keep: 100}
	reserve := func(store vault.Store) (locked bool) {
		t.Helper()
		wait, err := store.ReserveGuess(t.Context(), guess)
		if err != nil {
			t.Fatal(err)
		}
		return wait > 0
	}
	replica.Kill()
	for range 3 {
		if wait, err := hasty.ReserveGuess(t.Context(), guess); wait > 0 || !errors.Is(err, vault.ErrInDoubt) {
			t.Fatalf("ReserveGuess: %v, %v, want ErrInDoubt", wait, err)
		}
	}
	for range limit.Most {
		if reserve(alone) {
			t.Error("guesses that were not let through count")
		}
	}
	for range 2 { // and a refusal takes none back
		if _, err := hasty.ReserveGuess(t.Context(), guess); !errors.Is(err, vault.ErrInDoubt) {
			t.Fatal(err)
		}
	}
	if !reserve(alone) {
		t.Error("guesses that were let through do not count")
	}
}

// TestTLS encrypts the connection, with a certificate on each side.
func TestTLS(t *testing.T) {
	folder := t.TempDir()
	certificate, key := newCertificate(t, folder)
	address, settings := redistest.WithTLS(t, certificate, key)
	redistest.Start(t, settings...)
	config, err := redisstore.ParseURL("rediss://" + address)
	if err != nil {
		t.Fatal(err)
	}
	config.Durability = redisstore.Primary
	if _, err := redisstore.Open(t.Context(), config); err == nil {
		t.Error("a certificate of nobody was trusted")
	}
	if err := config.UseCertificates(certificate, certificate, key); err != nil {
		t.Fatal(err)
	}
	if err := open(t, config).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	plain := redisstore.Config{Addresses: []string{address}}
	if err := plain.UseCertificates(certificate, "", ""); err == nil || !strings.Contains(err.Error(), "rediss") {
		t.Errorf("certificates for what is not encrypted: %v", err)
	}
	for _, files := range [][3]string{{key, "", ""}, {"missing", "", ""}, {"", certificate, ""}, {"", "", key}, {"", "missing", key}} {
		if err := config.UseCertificates(files[0], files[1], files[2]); err == nil {
			t.Errorf("%v: no error", files)
		}
	}
}

// newCertificate makes one that vouches for itself.
func newCertificate(t *testing.T, folder string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "engine"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, content []byte) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("certificate.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", encoded)
}

// newPair makes records of one secret that fit together.
func newPair(number byte) (vault.SecretRecord, vault.ReceiptRecord) {
	now := time.Now()
	secret := vault.SecretRecord{
		ID: vault.ID{'a', 'a', 1, number}, ReceiptID: vault.ID{'a', 'a', 2, number}, Created: now, Expires: now.Add(time.Hour),
		Sealed: make([]byte, vault.SealedBlock),
	}
	return secret, vault.ReceiptRecord{
		ID: secret.ReceiptID, SecretID: secret.ID, State: onetime.StateNew, Created: now, Updated: now, SecretExpires: secret.Expires, Expires: now.Add(2 * time.Hour),
	}
}
