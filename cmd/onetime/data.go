package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/pflag"

	"github.com/onetime-go/onetime/internal/durable"
)

// The files of a data folder.
const (
	databaseFile = "onetime.db"
	keyringFile  = "keyring.json"
	lockFile     = "serve.lock"
)

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
	if err := durable.MakeFolder(folder, 0o700); err != nil {
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

// addConfigFlag adds --config.
func addConfigFlag(flags *pflag.FlagSet, file *string) {
	flags.StringVar(file, "config", "", "configuration `FILE` (default: ONETIME_CONFIG, or onetime/config.yaml in your folder for configuration)")
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
