package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// The files of a data folder.
const (
	databaseFile = "onetime.db"
	keyringFile  = "keyring.json"
	lockFile     = "serve.lock"
)

// addDataFlag adds --data.
func addDataFlag(cmd *cobra.Command, folder *string) {
	cmd.Flags().StringVar(folder, "data", "", "folder of the database and the keyring (default: ONETIME_DATA, or "+defaultDataHint+")")
}

const defaultDataHint = "onetime in the user's data folder"

// folderOf returns the folder that --data names, or ONETIME_DATA: where a server has its setting from the environment, the
// commands that manage it find the same folder.
func folderOf(flag string) (string, error) {
	if folder := cmp.Or(flag, os.Getenv("ONETIME_DATA")); folder != "" {
		return folder, nil
	}
	parent, err := userDataFolder()
	if err != nil {
		return "", usageError{fmt.Errorf("find the user's data folder: %w; give one with --data", err)}
	}
	return filepath.Join(parent, "onetime"), nil
}

// dataFolder returns the folder to use, and makes it, for its owner only.
func dataFolder(flag string) (string, error) {
	folder, err := folderOf(flag)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("make the data folder: %w", err)
	}
	return folder, nil
}

// userDataFolder follows the XDG base directory specification, and what is usual elsewhere.
func userDataFolder() (string, error) {
	if folder := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(folder) {
		return folder, nil
	}
	switch runtime.GOOS {
	case "windows", "darwin":
		return os.UserConfigDir()
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "share"), err
}

// configFile returns the configuration file that is named, by a flag or ONETIME_CONFIG, or else the user's, if there is one.
func configFile(named string) string {
	if file := cmp.Or(named, os.Getenv("ONETIME_CONFIG")); file != "" {
		return file
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	file := filepath.Join(folder, "onetime", "config.yaml")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return file
}

// withVault opens the vault of a data folder for as long as do runs. It makes none.
func withVault(ctx context.Context, data string, do func(string, *vault.Vault, *sqlitestore.Store) error) error {
	folder, err := folderWithDatabase(data)
	if err != nil {
		return err
	}
	return inFolder(ctx, folder, func(v *vault.Vault, store *sqlitestore.Store) error { return do(folder, v, store) })
}

// inFolder opens the vault of a folder for as long as do runs, and makes what is missing.
func inFolder(ctx context.Context, folder string, do func(*vault.Vault, *sqlitestore.Store) error) (err error) {
	v, store, err := openVault(ctx, folder, vault.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(v, store)
}

// folderWithDatabase returns the data folder, and refuses one in which no server has been.
func folderWithDatabase(data string) (string, error) {
	folder, err := folderOf(data)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(folder, databaseFile)); errors.Is(err, fs.ErrNotExist) {
		return "", usageError{fmt.Errorf("there is no database in %s; give the folder of a server with --data", folder)}
	}
	return folder, nil
}

// openVault opens the store and the keyring of a folder, and the vault over them. The caller closes the store.
func openVault(ctx context.Context, folder string, config vault.Config) (*vault.Vault, *sqlitestore.Store, error) {
	store, err := sqlitestore.Open(ctx, filepath.Join(folder, databaseFile))
	if err != nil {
		return nil, nil, err
	}
	v, err := overStore(ctx, folder, store, config)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return v, store, nil
}

func overStore(ctx context.Context, folder string, store *sqlitestore.Store, config vault.Config) (*vault.Vault, error) {
	keys, err := vault.LoadKeyring(ctx, filepath.Join(folder, keyringFile), store)
	if err != nil {
		return nil, err
	}
	config.Store, config.Keys = store, keys
	return vault.New(ctx, config)
}
