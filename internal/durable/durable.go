// Package durable puts the names of files on the disk. A file that was synced is lost with a power cut all the same where its
// name was not: that is in its folder, which has to be synced as well, and the name of a new folder in the one above it.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// SyncFolder returns when the names in a folder are on the disk.
func SyncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // it cannot sync folders
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MakeFolder makes a folder, and those above it that are missing, and returns when their names are on the disk. One that is
// there is left as it is.
func MakeFolder(folder string, mode fs.FileMode) error {
	info, err := os.Stat(folder)
	switch {
	case err == nil && info.IsDir():
		// Whoever made it may have been killed before its name was on the disk. Where nobody else did, who makes folders
		// there, the one above need not let itself be opened.
		_ = SyncFolder(filepath.Dir(folder))
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return errors.Join(err, os.Mkdir(folder, mode)) // which says that it is no folder
	}
	// From above to below: where a folder is there, all names above its own are on the disk.
	if err := MakeFolder(filepath.Dir(folder), mode); err != nil {
		return err
	}
	if err := os.Mkdir(folder, mode); err != nil && !errors.Is(err, fs.ErrExist) { // another process was faster
		return err
	}
	return SyncFolder(filepath.Dir(folder))
}
