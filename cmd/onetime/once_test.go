package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A lateFile takes what is written, and says only afterwards that it has no room, as a file in a network does.
type lateFile struct {
	*os.File
	err error
}

func (f lateFile) Sync() error { return f.err }

// TestDiskThatIsFullLate holds that a value is kept if a file says late that it was not written.
func TestDiskThatIsFullLate(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	full := errors.New("no space left")
	err = printOnce(lateFile{file, full}, "the secret", "mark-value", "mark-value\n")
	if !errors.Is(err, full) || strings.Contains(err.Error(), "mark-") {
		t.Fatalf("it is %v", err)
	}
	_, name, _ := strings.Cut(err.Error(), "kept in ")
	name, _, _ = strings.Cut(name, ":")
	if kept, err := os.ReadFile(name); err != nil || string(kept) != "mark-value" {
		t.Errorf("%q is kept, %v", kept, err)
	}
	if err := printOnce(lateFile{file, nil}, "the secret", "v", "v"); err != nil {
		t.Error(err)
	}
}

// TestSaveLeavesNothing holds that no part of a value stays where the whole has no room.
func TestSaveLeavesNothing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "missing")
	if _, err := saveIn(folder, "v"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is %v", err)
	}
}
