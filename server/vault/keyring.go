package vault

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/onetime-go/onetime/internal/durable"
)

// A Keyring holds the server keys, in the order in which they were made. One of them is active: it seals what is new.
// The others open what is older. Without the keyring no secret can be opened, so it must be kept as well as the database,
// and apart from its backups.
//
// The id of a key is derived from it. A store notes the ids of the keys that sealed its records, so a wrong keyring is
// found out at start.
//
// Keys are replaced in two steps, so that no server meets what it cannot open: AddKey makes a new one, and the file goes
// to all servers; then ActivateKey makes it the one that seals. PruneKey removes an old one when nothing needs it.
//
// A Keyring does not change. Its methods may be called concurrently.
type Keyring struct {
	keys []serverKey
	file keyringSource // zero for one that was not read from a file
}

// A keyringSource is a file as it was when a keyring was read from it.
type keyringSource struct {
	path string
	info fs.FileInfo
}

// unchanged tells whether the file is still the one that was read.
func (s keyringSource) unchanged() bool {
	is, err := os.Stat(s.path)
	return err == nil && os.SameFile(s.info, is) && s.info.ModTime().Equal(is.ModTime()) && s.info.Size() == is.Size()
}

type serverKey struct {
	id      KeyID
	key     hiddenKey
	created time.Time
	active  bool
}

const keySize = 32

// A hiddenKey is behind a function, since fmt looks into everything else, the unexported and what pointers point to
// included.
type hiddenKey func() []byte

func hide(key [keySize]byte) hiddenKey { return func() []byte { return key[:] } }

// String writes the id as it stands in the keyring file.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// NewKeyring makes a keyring with one new key, in memory: for tests, or for a caller that keeps it elsewhere.
func NewKeyring() *Keyring {
	return &Keyring{keys: []serverKey{newServerKey(true)}}
}

func newServerKey(active bool) serverKey {
	var key [keySize]byte
	_, _ = rand.Read(key[:]) // it never fails
	return serverKey{idOfKey(key), hide(key), time.Now().UTC().Truncate(time.Second), active}
}

func idOfKey(key [keySize]byte) KeyID {
	derived, err := hkdf.Key(sha256.New, key[:], nil, "onetime/v1 server key id", len(KeyID{}))
	if err != nil {
		panic(err) // only for lengths that HKDF cannot make
	}
	return KeyID(derived)
}

// active returns the key that seals what is new. Every keyring that New accepts has one.
func (k *Keyring) active() serverKey {
	for _, key := range k.keys {
		if key.active {
			return key
		}
	}
	return k.keys[0]
}

func (k *Keyring) find(id KeyID) (serverKey, error) {
	for _, key := range k.keys {
		if key.id == id {
			return key, nil
		}
	}
	return serverKey{}, fmt.Errorf("%w: the keyring lacks server key %s", ErrDamaged, id)
}

// LoadKeyring reads the keyring of a store from a file. If there is no such file, and the store has never been sealed
// with a key, it makes one, of mode 0600. It does not return before a keyring that nothing was sealed with is on the disk: what
// a lost key has sealed can never be opened. Several processes may do so at once. It removes what a process has left beside
// the file that was killed while it wrote a keyring.
func LoadKeyring(ctx context.Context, path string, store Store) (*Keyring, error) {
	removeTemporaries(ctx, path)
	keys, err := readKeyring(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	used, err := store.ServerKeys(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("vault: read the ids of the server keys: %w", err)
	case missing && len(used) > 0:
		if keys, err := readKeyring(path); err == nil {
			return keys, nil // another process has made it meanwhile
		}
		return nil, fmt.Errorf("the keyring %s is not there, and the store has records that were sealed with server key %s: "+
			"restore the keyring; a new one would open none of them", path, used[0])
	case missing:
		return makeKeyring(ctx, path)
	case len(used) == 0:
		return keys, syncKeyring(path) // whoever made it may have been killed before it was on the disk
	}
	return keys, nil
}

func makeKeyring(ctx context.Context, path string) (*Keyring, error) {
	unlock, err := lockKeyring(ctx, path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := NewKeyring().create(path); err != nil {
		return nil, err
	}
	return readKeyring(path) // which may be the one of another process
}

// syncKeyring makes sure that a file is on the disk, with its name.
func syncKeyring(path string) error {
	if runtime.GOOS == "windows" {
		return nil // it syncs no file that was opened for reading
	}
	f, err := os.Open(path)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close(), durable.SyncFolder(filepath.Dir(path)))
	}
	if err != nil {
		return fmt.Errorf("vault: sync the keyring: %w", err)
	}
	return nil
}

// temporaryPrefix begins the names of the files that a keyring is written to before it is put in its place.
const temporaryPrefix = ".keyring-"

// removeTemporaries removes those of processes that were killed. Others hold the lock as long as they need theirs. Failing does
// no harm but that a file stays whose mode is that of the keyring.
func removeTemporaries(ctx context.Context, path string) {
	folder := filepath.Dir(path)
	if len(temporariesIn(folder)) == 0 {
		return
	}
	unlock, err := lockKeyring(ctx, path)
	if err != nil {
		return
	}
	defer unlock()
	for _, name := range temporariesIn(folder) {
		_ = os.Remove(name)
	}
}

func temporariesIn(folder string) (names []string) {
	entries, _ := os.ReadDir(folder) // whoever reads the keyring next finds out what is wrong with the folder
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), temporaryPrefix) {
			names = append(names, filepath.Join(folder, entry.Name()))
		}
	}
	return names
}

// lockPause is the time between two looks at whether another process has finished.
const lockPause = 20 * time.Millisecond

// lockKeyring keeps others from writing a keyring meanwhile, by a lock on a file beside it. That is a file of its own because
// a keyring is not changed but replaced.
func lockKeyring(ctx context.Context, path string) (unlock func(), err error) {
	lock := flock.New(path + ".lock")
	if _, err := lock.TryLockContext(ctx, lockPause); err != nil {
		return nil, fmt.Errorf("vault: lock the keyring: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

// keyringFile is the keyring as JSON.
type keyringFile struct {
	Version int       `json:"version"`
	Keys    []keyFile `json:"keys"`
}

type keyFile struct {
	ID      string    `json:"id"`
	Key     []byte    `json:"key"` // base64
	Created time.Time `json:"created"`
	Active  bool      `json:"active,omitempty"`
}

func readKeyring(path string) (*Keyring, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("vault: read the keyring: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the keyring %s can be read by others: set its mode to 0600", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("vault: read the keyring: %w", err)
	}
	keys, err := parseKeyring(data)
	if err != nil {
		return nil, fmt.Errorf("the keyring %s %w", path, err)
	}
	keys.file = keyringSource{path, info} // from before it was read, so that a change meanwhile is seen next time
	return keys, nil
}

// parseKeyring reads a keyring. Its errors hold nothing of the file, which is secret.
func parseKeyring(data []byte) (*Keyring, error) {
	file, err := decodeKeyring(data)
	if err != nil {
		return nil, err
	}
	keys := &Keyring{}
	active := 0
	for i, entry := range file.Keys {
		if len(entry.Key) != keySize {
			return nil, fmt.Errorf("is damaged: key %d has not 32 bytes", i+1)
		}
		secret := [keySize]byte(entry.Key)
		key := serverKey{idOfKey(secret), hide(secret), entry.Created, entry.Active}
		if key.id.String() != entry.ID {
			return nil, fmt.Errorf("is damaged: key %d is not the one that its id names", i+1)
		}
		if _, err := keys.find(key.id); err == nil {
			return nil, fmt.Errorf("is damaged: key %d stands there twice", i+1)
		}
		if key.active {
			active++
		}
		keys.keys = append(keys.keys, key)
	}
	if active != 1 {
		return nil, errors.New("is damaged: not exactly one of its keys is active")
	}
	return keys, nil
}

// decodeKeyring reads the version before the rest, which a later version may have changed.
func decodeKeyring(data []byte) (keyringFile, error) {
	damaged := errors.New("is damaged: it is not the JSON of a keyring")
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil { // which wants the whole of it to be JSON
		return keyringFile{}, damaged
	}
	if version.Version != 1 {
		return keyringFile{}, fmt.Errorf("has version %d, and this program knows version 1", version.Version)
	}
	var file keyringFile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return keyringFile{}, damaged
	}
	return file, nil
}

// create writes a new file, and makes sure that it is on the disk. It never replaces one: if there is one already, which
// another process may have made just now, it makes sure of that.
func (k *Keyring) create(path string) error {
	return k.write(path, func(temporary string) error {
		err := os.Link(temporary, path) // unlike a rename, it fails if the name is taken
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	})
}

// replace puts a keyring in the place of a file, at once and durably: whoever reads it finds the old or the new one.
func (k *Keyring) replace(path string) error {
	return k.write(path, func(temporary string) error { return os.Rename(temporary, path) })
}

// write writes a temporary file, has it put in its place, and makes sure that it is there.
func (k *Keyring) write(path string, place func(temporary string) error) error {
	file := keyringFile{Version: 1}
	for _, key := range k.keys {
		file.Keys = append(file.Keys, keyFile{key.id.String(), key.key(), key.created, key.active})
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("vault: write the keyring: %w", err)
	}
	temporary, err := writeDurably(filepath.Dir(path), append(data, '\n'))
	if err != nil {
		return fmt.Errorf("vault: write the keyring: %w", err)
	}
	defer os.Remove(temporary)
	if err := place(temporary); err != nil {
		return fmt.Errorf("vault: write the keyring: %w", err)
	}
	if err := durable.SyncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("vault: write the keyring: %w", err)
	}
	return nil
}

// writeDurably writes a temporary file, which only the owner can read, and returns its name.
func writeDurably(folder string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(folder, temporaryPrefix+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}
