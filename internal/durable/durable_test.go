package durable_test

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/onetime-go/onetime/internal/durable"
)

// That the names are on the disk is held by the power cuts of package proof.

func TestMakeFolder(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "a", "b", "c")
	var group sync.WaitGroup
	for range 8 { // at once
		group.Go(func() {
			if err := durable.MakeFolder(folder, 0o700); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	info, err := os.Stat(folder)
	if err != nil || !info.IsDir() || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := durable.SyncFolder(folder); err != nil {
		t.Error(err)
	}
}

func TestMakeFolderFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{file, filepath.Join(file, "below")} {
		if err := durable.MakeFolder(folder, 0o700); err == nil {
			t.Errorf("%s: no error", folder)
		}
	}
}

func TestSyncFolderFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it does nothing there")
	}
	if err := durable.SyncFolder(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("no error")
	}
}
