package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/redisstore"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// A place is where a vault's records and its keyring are: in a data folder, or in an engine and a file.
type place struct {
	data    string // the folder, as --data names it
	store   string // the URL of an engine, "" for the embedded database
	keyring string

	durability               string
	replicas                 int
	volatile                 bool
	passwords, sentinels     string // files
	authorities, certificate string
	certificateKey           string
}

// table declares the settings of a place, which serve shares with the commands that manage a vault.
func (p *place) table() table {
	return table{
		{group: "Store", name: "store", value: newValue(&p.store, "", "URL", "the URL of an engine, such as redis://host:6379, redis+sentinel://host1,host2,host3/master or redis+cluster://host1,host2", parseStore),
			mask:  withoutStorePassword,
			usage: "URL of Redis or Valkey, for more than one server (default: the embedded database)"},
		{group: "Store", name: "store-password-file", value: textValue(&p.passwords, "", "file"),
			usage: "file with the password of the store, if the URL holds none"},
		{group: "Store", name: "store-sentinel-password-file", value: textValue(&p.sentinels, "", "file"),
			usage: "file with the password of the store's Sentinels"},
		{group: "Store", name: "store-ca", value: textValue(&p.authorities, "", "file"),
			usage: "PEM file of the authorities that a rediss:// store is trusted by (default: those of the system)"},
		{group: "Store", name: "store-cert", value: textValue(&p.certificate, "", "file"),
			usage: "PEM file of the certificate that is shown to a rediss:// store"},
		{group: "Store", name: "store-cert-key", value: textValue(&p.certificateKey, "", "file"),
			usage: "PEM file of that certificate's key"},
		{group: "Store", name: "store-durability", value: choiceValue(&p.durability, "fsync", "primary"),
			usage: "what a write has survived on the store's primary when it is answered: fsync, it is on the disk; or primary, it is in memory"},
		{group: "Store", name: "store-replicas", value: numberValue(&p.replicas, 0, 0, 16, "replicas"),
			usage: "how many replicas of the store must have a write when it is answered"},
		{group: "Store", name: "store-volatile", value: switchValue(&p.volatile, false),
			usage: "allow a store that keeps nothing on its disk, or does not tell"},
		{group: "Store", name: "keyring", value: textValue(&p.keyring, "", "file"),
			usage: "keyring, the same on every server of a store (default: keyring.json in the data folder)"},
	}
}

func parseStore(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	_, err := redisstore.ParseURL(text)
	return text, err
}

// withoutStorePassword masks the password of a store's URL, which may have many hosts.
func withoutStorePassword(text string) string {
	config, err := redisstore.ParseURL(text)
	if err != nil || config.Password == "" {
		return text // what is wrong is shown nowhere
	}
	scheme, rest, _ := strings.Cut(text, "://")
	before, path, _ := strings.Cut(rest, "/")
	shown := scheme + "://" + url.PathEscape(config.Username) + ":xxxxx" + before[strings.LastIndex(before, "@"):]
	if path != "" {
		shown += "/" + path
	}
	return shown
}

// addPlaceFlags adds the flags that say where a vault is. What they do not say the environment and the configuration file do,
// as for serve.
func addPlaceFlags(cmd *cobra.Command, p *place) {
	settings := append(table{
		{name: "data", value: textValue(&p.data, "", "folder"), usage: "folder of the database and the keyring (default: ONETIME_DATA, or " + defaultDataHint + ")"},
	}, p.table()...)
	settings.addFlags(cmd.Flags())
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		named, _ := cmd.Flags().GetString("config") // which not all of them have
		_, err := settings.load(cmd.Flags(), configFile(named), os.Environ())
		return err
	}
}

// embedded tells whether the records are in the data folder.
func (p place) embedded() bool { return p.store == "" }

// String is how a log names the place.
func (p place) String() string {
	if p.embedded() {
		folder, _ := folderOf(p.data)
		return folder
	}
	return withoutStorePassword(p.store)
}

// lock keeps a second server out of a data folder, which it makes. Any number of them may share an engine.
func (p place) lock() (unlock func(), err error) {
	if !p.embedded() {
		return func() {}, nil
	}
	folder, err := dataFolder(p.data)
	if err != nil {
		return nil, err
	}
	return lockFolder(folder)
}

// keyringPath returns the file of the keyring.
func (p place) keyringPath() (string, error) {
	switch {
	case p.keyring != "":
		return p.keyring, nil
	case !p.embedded():
		return "", usageError{errors.New("a store that servers share needs a keyring that they share: give its file with --keyring")}
	}
	folder, err := folderOf(p.data)
	return filepath.Join(folder, keyringFile), err
}

// with opens the vault of a place for as long as do runs. It makes no database and no keyring.
func (p place) with(ctx context.Context, do func(*vault.Vault, vault.Store) error) error {
	if p.embedded() {
		if _, err := folderWithDatabase(p.data); err != nil {
			return err
		}
	}
	return p.make(ctx, do)
}

// make does what with does, and makes a data folder's database and keyring.
func (p place) make(ctx context.Context, do func(*vault.Vault, vault.Store) error) (err error) {
	v, store, err := p.open(ctx, vault.Config{}, func(store vault.Store) vault.Store { return store })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(v, store)
}

// open opens the store and the keyring, and the vault over them, which sees of the store what watch makes of it. The caller
// closes the store.
func (p place) open(ctx context.Context, config vault.Config, watch func(vault.Store) vault.Store) (*vault.Vault, vault.Store, error) {
	file, err := p.keyringPath()
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(file); !p.embedded() && errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usageError{fmt.Errorf("there is no keyring %s: copy that of another server, or make the first one with onetime keys init", file)}
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return nil, nil, err
	}
	v, err := overStore(ctx, file, watch(store), config)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return v, store, nil
}

func (p place) openStore(ctx context.Context) (vault.Store, error) {
	if p.embedded() {
		folder, err := dataFolder(p.data)
		if err != nil {
			return nil, err
		}
		return sqlitestore.Open(ctx, filepath.Join(folder, databaseFile))
	}
	config, err := p.engine()
	if err != nil {
		return nil, usageError{err}
	}
	return redisstore.Open(ctx, config)
}

// engine says how to reach the engine and what it has to do.
func (p place) engine() (redisstore.Config, error) {
	config, err := redisstore.ParseURL(p.store)
	if err != nil {
		return config, err
	}
	if config.Password == "" {
		if config.Password, err = readPassword(p.passwords); err != nil {
			return config, err
		}
	}
	if config.SentinelPassword, err = readPassword(p.sentinels); err != nil {
		return config, err
	}
	if p.durability == "primary" {
		config.Durability = redisstore.Primary
	}
	config.Replicas, config.Volatile = p.replicas, p.volatile
	return config, config.UseCertificates(p.authorities, p.certificate, p.certificateKey)
}

// readPassword returns the first line of a file, "" for no file.
func readPassword(file string) (onetime.Sensitive, error) {
	if file == "" {
		return "", nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the store's password: %w", err)
	}
	password, _, _ := strings.Cut(string(content), "\n")
	return onetime.Sensitive(strings.TrimSuffix(password, "\r")), nil
}

func overStore(ctx context.Context, keyring string, store vault.Store, config vault.Config) (*vault.Vault, error) {
	keys, err := vault.LoadKeyring(ctx, keyring, store)
	if err != nil {
		return nil, err
	}
	config.Store, config.Keys = store, keys
	return vault.New(ctx, config)
}
