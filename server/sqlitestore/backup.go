package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/onetime-go/onetime/internal/durable"
)

// Backup writes a copy of the database to a new file at path, of mode 0600, and returns when it is on the disk. It never
// replaces a file: if there is one, it returns an error that is (errors.Is) fs.ErrExist. The store works on meanwhile,
// readers and writers, and the copy is the database as it was at one moment: it holds all that was acknowledged before
// the call, and no change in part. Open opens it.
//
// The copy is made of the records, not of the pages, which may hold what was deleted. So it holds nothing that was
// consumed before the call. See the package comment for what was consumed after it.
//
// A store in memory has no backup.
func (s *Store) Backup(ctx context.Context, path string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return opaque("backup", errClosed)
	}
	if s.writer.db.inMemory {
		return opaque("backup", errors.New("the database is in memory"))
	}
	if err := backup(ctx, s.writer.db, path); err != nil {
		if ctx.Err() != nil { // what an interrupted statement reports is SQLite's own error
			err = ctx.Err()
		}
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("sqlitestore: backup: %s: %w", path, fs.ErrExist)
		}
		return opaque("backup", err)
	}
	return nil
}

// backup copies into a temporary file first, so that nobody takes half a backup for one.
func backup(ctx context.Context, db database, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist // as will be found out at the end, but after all the work
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".onetime-backup-*") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := vacuumInto(ctx, db, file.Name()); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil { // unlike a rename, it fails if the name is taken
		return err
	}
	return durable.SyncFolder(filepath.Dir(path))
}

// vacuumInto has a connection of its own, which is gone afterwards with its snapshot of the database.
func vacuumInto(ctx context.Context, db database, path string) error {
	pool, err := db.connect(1, lockWait)
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "VACUUM INTO ?", path)
	return errors.Join(err, pool.Close())
}
