package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// TestStolenDisk searches all that a server leaves on its disk, the keyring included, for what opens a secret.
func TestStolenDisk(t *testing.T) {
	folder := t.TempDir()
	store, err := sqlitestore.Open(t.Context(), filepath.Join(folder, "onetime.db"))
	must(t, err)
	keys, err := vault.LoadKeyring(t.Context(), filepath.Join(folder, "keyring.json"), store)
	must(t, err)
	f := newVault(t, func(c *vault.Config) {
		c.Store, c.Keys, c.ShareDomains = store, keys, []string{"marker-domain.example"}
	})

	ada, token := f.account(t, "ada@example.com")
	markers := map[string]onetime.Sensitive{
		"token": token, "secret": "marker-secret", "passphrase": "marker-passphrase", "domain": "marker-domain",
		"recipient": "marker-recipient",
	}
	share := func(name string, caller onetime.Caller, passphrase onetime.Sensitive) onetime.Receipt {
		ask := onetime.ShareRequest{Secret: "marker-secret of " + onetime.Sensitive(name), Passphrase: passphrase, ShareDomain: "marker-domain.example"}
		if caller.Account != nil {
			ask.Recipients = []string{"marker-recipient@example.com"}
		}
		receipt := f.share(t, caller, ask)
		markers[name+": secret key"], markers[name+": receipt key"] = receipt.SecretKey, receipt.Key
		return receipt
	}
	share("kept", nobody, "")
	share("kept with a passphrase", ada, "marker-passphrase")
	read := share("read", ada, "marker-passphrase")
	_, err = f.reveal(nobody, read.SecretKey, "marker-passphrase")
	must(t, err)
	burned := share("burned", ada, "")
	_, err = f.burn(nobody, burned.Key, "")
	must(t, err)
	generated, err := commit(f.Generate(t.Context(), ada, onetime.GenerateRequest{TTL: time.Minute}))
	must(t, err)
	markers["generated"] = generated.Value
	f.clock.add(time.Minute)
	must(t, f.Sweep(t.Context()))
	searchFolder(t, folder, markers)
	must(t, store.Close())
	if found := searchFolder(t, folder, markers); found < 2 {
		t.Errorf("%d files were searched", found)
	}
}

// searchFolder looks for markers in all files, also as hexadecimal digits and base64, and returns how many there are.
func searchFolder(t *testing.T, folder string, markers map[string]onetime.Sensitive) (files int) {
	t.Helper()
	must(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		for name, marker := range markers {
			text := []byte(marker)
			for as, form := range map[string]string{
				"text": marker.Expose(), "hexadecimal": hex.EncodeToString(text), "base64": base64.RawStdEncoding.EncodeToString(text[:len(text)/3*3]),
			} {
				if bytes.Contains(data, []byte(form)) {
					t.Errorf("%s holds the %s as %s", filepath.Base(path), name, as)
				}
			}
		}
		return err
	}))
	return files
}
