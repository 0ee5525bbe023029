package vault

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors of those who change a keyring.
var (
	// ErrNoKey is returned for a key that the keyring lacks.
	ErrNoKey = errors.New("the keyring has no such key")
	// ErrKeyActive is returned by PruneKey for the key that seals what is new.
	ErrKeyActive = errors.New("the key is active: activate another one first")
)

// A KeyInfo tells about a server key what is no secret.
type KeyInfo struct {
	ID      KeyID
	Created time.Time
	Active  bool
}

// Keys lists the keys, in the order of the file.
func (k *Keyring) Keys() []KeyInfo {
	var all []KeyInfo
	for _, key := range k.keys {
		all = append(all, KeyInfo{key.id, key.created, key.active})
	}
	return all
}

// ParseKeyID reads the id of a server key as String writes it.
func ParseKeyID(text string) (KeyID, error) {
	id, err := hex.DecodeString(text)
	if err != nil || len(id) != len(KeyID{}) {
		return KeyID{}, errors.New("that is not the id of a server key, which is 16 hexadecimal digits")
	}
	return KeyID(id), nil
}

// AddKey makes a key at the end of a keyring file, and returns its id when it is on the disk. The key opens, and does not
// seal until ActivateKey is called.
func AddKey(ctx context.Context, path string) (KeyID, error) {
	key := newServerKey(false)
	return key.id, edit(ctx, path, func(keys *Keyring) error {
		keys.keys = append(keys.keys, key)
		return nil
	})
}

// ActivateKey makes a key of a keyring file the one that seals what is new. Every server must have the key by then: one
// that has not fails to open what the others seal, and consumes none of it. Activating the active key changes nothing.
//
// The store notes the key first, so that from then on no server starts without it.
func ActivateKey(ctx context.Context, path string, store Store, id KeyID) error {
	return edit(ctx, path, func(keys *Keyring) error {
		if _, err := keys.find(id); err != nil {
			return fmt.Errorf("%w as %s", ErrNoKey, id)
		}
		if err := store.AddServerKey(ctx, id); err != nil {
			return fmt.Errorf("vault: note the id of the server key: %w", err)
		}
		for i := range keys.keys {
			keys.keys[i].active = keys.keys[i].id == id
		}
		return nil
	})
}

// PruneKey removes a key from a keyring file. It returns ErrKeyActive, or ErrKeyInUse if a record needs the key; see
// Store.KeysInUse for what they are.
//
// The store bars the key first: a server that still has the old keyring, with the key active, can store nothing with
// it, and nobody loses what it would have sealed.
func PruneKey(ctx context.Context, path string, store Store, id KeyID) error {
	return edit(ctx, path, func(keys *Keyring) error {
		if _, err := keys.find(id); err != nil {
			return fmt.Errorf("%w as %s", ErrNoKey, id)
		}
		if keys.active().id == id {
			return ErrKeyActive
		}
		if err := store.RemoveServerKey(ctx, id); err != nil {
			return fmt.Errorf("vault: remove the server key: %w", err)
		}
		keys.keys = slices.DeleteFunc(keys.keys, func(key serverKey) bool { return key.id == id })
		return nil
	})
}

// edit reads a keyring file, changes it, and puts it back, under a lock: the change of another process would be lost.
func edit(ctx context.Context, path string, change func(*Keyring) error) error {
	unlock, err := lockKeyring(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := readKeyring(path)
	if err != nil {
		return err
	}
	if err := change(keys); err != nil {
		return err
	}
	return keys.replace(path)
}

// SetKeys has the vault seal and open with another keyring from now on. It refuses one that lacks a server key with which
// the store's records were sealed, and goes on with the one it has. The store notes the active key before anything is
// sealed with it.
func (v *Vault) SetKeys(ctx context.Context, keys *Keyring) error {
	if keys == nil || len(keys.keys) == 0 {
		return errors.New("vault: the keyring has no keys")
	}
	v.setting.Lock()
	defer v.setting.Unlock()
	return v.setKeys(ctx, keys)
}

func (v *Vault) setKeys(ctx context.Context, keys *Keyring) error {
	if err := v.checkKeys(ctx, keys); err != nil {
		return err
	}
	v.keys.Store(keys)
	return nil
}

// ReloadKeys reads the keyring file again, and takes it up as SetKeys does, if the keyring was read from a file that has
// changed since. Else it does nothing.
//
// Run calls it now and then, and the vault does when it meets a record of a key that its keyring lacks. No signal is
// needed: whatever replaces the file need not know of the servers, on any system.
func (v *Vault) ReloadKeys(ctx context.Context) error {
	v.setting.Lock()
	defer v.setting.Unlock()
	file := v.keys.Load().file
	if file.path == "" || file.unchanged() {
		return nil
	}
	for {
		keys, err := readKeyring(file.path)
		if err == nil {
			err = v.setKeys(ctx, keys)
		}
		if err == nil {
			return nil
		}
		// The store may know of a key that came into the file after it was read.
		if keys == nil || keys.file.unchanged() || ctx.Err() != nil {
			return fmt.Errorf("the keyring has changed and was not taken up: %w", err)
		}
	}
}

// meet is told of the key of every record that was read. If the keyring lacks it another server may have activated it
// just now. Who opens the record finds out whether that helped.
func (v *Vault) meet(ctx context.Context, id KeyID) {
	if _, err := v.keys.Load().find(id); err != nil {
		_ = v.ReloadKeys(ctx)
	}
}

// stored is told how storing something sealed went. If its key was removed meanwhile, the next try shall have another.
func (v *Vault) stored(ctx context.Context, err error) error {
	if errors.Is(err, ErrKeyRemoved) {
		err = errors.Join(err, v.ReloadKeys(ctx))
	}
	return err
}
