package vault_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func keyringPath(t testing.TB) string { return filepath.Join(t.TempDir(), "keyring.json") }

// writeKeyring writes a keyring file and loads it.
func writeKeyring(t testing.TB, text string, mode fs.FileMode) (*vault.Keyring, error) {
	t.Helper()
	path := keyringPath(t)
	must(t, os.WriteFile(path, []byte(text), mode))
	must(t, os.Chmod(path, mode))
	return vault.LoadKeyring(t.Context(), path, memory(t))
}

// entry is a key as it stands in the file.
func entry(key []byte, more string) string {
	return fmt.Sprintf(`{"id":"%x","key":"%s","created":"2026-03-04T05:06:07Z"%s}`, docServerKeyID(key),
		base64.StdEncoding.EncodeToString(key), more)
}

func ring(entries ...string) string {
	return `{"version":1,"keys":[` + strings.Join(entries, ",") + `]}`
}

var (
	oneKey   = bytes.Repeat([]byte{0xa7, 0xc9, 0xe3, 0xb5}, 8)
	otherKey = bytes.Repeat([]byte{0x5b}, 32)
)

const active = `,"active":true`

func markedKeyring(t testing.TB) *vault.Keyring {
	t.Helper()
	keys, err := writeKeyring(t, ring(entry(oneKey, active)), 0o600)
	must(t, err)
	return keys
}

func TestKeyringFiles(t *testing.T) {
	good := entry(oneKey, active)
	for _, test := range []struct {
		name, text string
		mode       fs.FileMode
		want       string // part of the error, empty for none
	}{
		{"good", ring(good), 0o600, ""},
		{"read-only", ring(good), 0o400, ""},
		{"two keys", ring(entry(otherKey, ""), good), 0o600, ""},
		{"group-readable", ring(good), 0o640, "0600"},
		{"readable by all", ring(good), 0o604, "0600"},
		{"writable by the group", ring(good), 0o620, "0600"},
		{"empty", "", 0o600, "JSON"},
		{"cut off", ring(good)[:90], 0o600, "JSON"},
		{"more after it", ring(good) + "{}", 0o600, "JSON"},
		{"another program's", `{"version":1,"users":[]}`, 0o600, "JSON"},
		{"null", "null", 0o600, "version 0"},
		{"no version", `{"keys":[` + good + `]}`, 0o600, "version 0"},
		{"later version", strings.Replace(ring(good), "1", "2", 1), 0o600, "version 2"},
		{"later version with more in it", `{"version":7,"hsm":"marker"}`, 0o600, "version 7"},
		{"no keys", ring(), 0o600, "active"},
		{"none active", ring(entry(oneKey, "")), 0o600, "active"},
		{"two active", ring(good, entry(otherKey, active)), 0o600, "active"},
		{"the same key twice", ring(entry(oneKey, ""), good), 0o600, "twice"},
		{"short key", ring(entry(oneKey[:31], active)), 0o600, "32 bytes"},
		{"long key", ring(entry(append(oneKey[:32:32], 1), active)), 0o600, "32 bytes"},
		{"another key's id", strings.Replace(ring(good), `"key":"p8nj`, `"key":"q8nj`, 1), 0o600, "id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := writeKeyring(t, test.text, test.mode)
			if test.want == "" {
				must(t, err)
				f := newVault(t, func(c *vault.Config) { c.Keys = keys })
				f.share(t, nobody, onetime.ShareRequest{})
				return
			}
			if err == nil || keys != nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v", err)
			}
			for _, marker := range []string{"p8nj", "q8nj", "marker", "a7c9e3", "W1tb"} {
				if strings.Contains(err.Error(), marker) {
					t.Errorf("the error holds what is in the file: %v", err)
				}
			}
		})
	}
}

func TestLoadKeyringMakesOneDurably(t *testing.T) {
	path, store := keyringPath(t), memory(t)
	made, err := vault.LoadKeyring(t.Context(), path, store)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".keyring-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	f := newVault(t, func(c *vault.Config) { c.Store, c.Keys = store, made })
	shared := f.share(t, nobody, onetime.ShareRequest{})
	if f.config.Keys, err = vault.LoadKeyring(t.Context(), path, store); err != nil {
		t.Fatal(err)
	}
	if _, err := mustNew(t, f.config).Receipt(t.Context(), nobody, shared.Key); err != nil {
		t.Errorf("the keyring that was read is not the one that was made: %v", err)
	}
}

// TestLoadKeyringCleansUp removes what a process has left that was killed, whether or not it got as far as a keyring.
func TestLoadKeyringCleansUp(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a [folder] of * ours")
	must(t, os.Mkdir(folder, 0o700))
	path, store := filepath.Join(folder, "keyring.json"), memory(t)
	for range 2 {
		left := filepath.Join(folder, ".keyring-12345")
		must(t, os.WriteFile(left, []byte("half of a keyr"), 0o600))
		_, err := vault.LoadKeyring(t.Context(), path, store)
		must(t, err)
		if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
	}
}

func TestLoadKeyringRefusesALostOne(t *testing.T) {
	f := newVault(t)
	path := keyringPath(t)
	_, err := vault.LoadKeyring(t.Context(), path, f.store)
	if err == nil || !strings.Contains(err.Error(), "restore the keyring") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a keyring was made all the same")
	}
}

func TestLoadKeyringWithoutAFolder(t *testing.T) {
	if _, err := vault.LoadKeyring(t.Context(), keyringPath(t)+"/missing/keyring", memory(t)); err == nil {
		t.Error("no error")
	}
}

// TestLoadKeyringAtOnce holds that processes that start together have one keyring.
func TestLoadKeyringAtOnce(t *testing.T) {
	for range 10 {
		path, store := keyringPath(t), memory(t)
		rings := make([]*vault.Keyring, 8)
		var group sync.WaitGroup
		begin := make(chan struct{})
		for i := range rings {
			group.Go(func() {
				<-begin
				var err error
				if rings[i], err = vault.LoadKeyring(t.Context(), path, store); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		group.Wait()
		if t.Failed() {
			return
		}
		for _, keys := range rings { // New refuses a keyring that lacks what an earlier one noted
			mustNew(t, vault.Config{Store: store, Keys: keys})
		}
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(entries) != 2 { // the keyring and its lock
			t.Errorf("files: %v, %v", entries, err)
		}
	}
}

func TestWrongKeyring(t *testing.T) {
	f := newVault(t)
	shared := f.share(t, nobody, onetime.ShareRequest{})
	before, err := f.store.ServerKeys(t.Context())
	must(t, err)

	wrong := f.config
	wrong.Keys = vault.NewKeyring()
	_, err = vault.New(t.Context(), wrong)
	if err == nil || !strings.Contains(err.Error(), before[0].String()) || !strings.Contains(err.Error(), "keyring") {
		t.Errorf("error %v", err)
	}
	after, err := f.store.ServerKeys(t.Context())
	must(t, err)
	if len(before) != 1 || len(after) != 1 || before[0] != after[0] {
		t.Errorf("the store knew keys %v and knows %v", before, after)
	}
	secret, err := f.reveal(nobody, shared.SecretKey, "")
	if err != nil || secret.Value != "the secret" {
		t.Errorf("reveal with the right one: %v", err)
	}
}

// TestRotation distributes a second key, then activates it.
func TestRotation(t *testing.T) {
	store := memory(t)
	load := func(entries ...string) *fixture {
		keys, err := writeKeyring(t, ring(entries...), 0o600)
		must(t, err)
		return newVault(t, func(c *vault.Config) { c.Store, c.Keys = store, keys })
	}
	f := load(entry(oneKey, active))
	ada, token := f.account(t, "ada@example.com")
	old := f.share(t, ada, onetime.ShareRequest{Passphrase: "p"})

	distributed := load(entry(oneKey, active), entry(otherKey, ""))
	activated := load(entry(oneKey, ""), entry(otherKey, active))
	again, err := activated.Authenticate(t.Context(), "ada@example.com", token.Expose())
	must(t, err)
	fresh := activated.share(t, onetime.Caller{Account: again}, onetime.ShareRequest{})
	recent, err := activated.Recent(t.Context(), onetime.Caller{Account: again})
	if err != nil || len(recent) != 2 {
		t.Errorf("recent over both keys: %d, %v", len(recent), err)
	}
	if _, err := activated.reveal(nobody, old.SecretKey, "p"); err != nil {
		t.Errorf("what the old key sealed: %v", err)
	}
	if _, err := distributed.reveal(nobody, fresh.SecretKey, ""); err != nil {
		t.Errorf("what the new key sealed, where it is only distributed: %v", err)
	}
}
