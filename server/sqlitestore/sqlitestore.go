// Package sqlitestore keeps a vault's records in one SQLite database: nothing to install, nothing to run beside the
// server.
//
// It is not for several machines that serve one vault, and not for network file systems, which break SQLite's
// locking. Several processes of one machine may open the same file.
//
//	store, err := sqlitestore.Open(ctx, "/var/lib/onetime/onetime.db")
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// # Files
//
// Beside the database at path, SQLite keeps path-wal, the changes that are not in the database yet, and path-shm, its
// index. A new database is readable by its owner alone (mode 0600), and so are the other two. Copy a database that is
// open with Backup: path alone lacks what is in path-wal.
//
// # What a backup brings back
//
// A backup is a copy of every secret that nobody had read when it was made, sealed. Whoever restores it turns the clock
// back: a secret that was revealed or burned after the backup was made can be revealed a second time, until it expires;
// its receipt says new again. An account that was removed since is back, and a token that was rotated since is good
// again. What was shared since is lost. Nothing can tell the difference, as what would tell it is what was lost. Expired
// secrets stay expired. The keyring is not in the backup, and without a keyring that has the keys of that time it opens
// nothing; restore neither of the two in the place of one that still works.
//
// So keep backups no longer than secrets live (30 days at most), and apart from the keyring. Where a second view is worse
// than a loss, delete the secrets from a restored copy before a server opens it, which leaves accounts and receipts:
//
//	PRAGMA secure_delete = ON; DELETE FROM secrets; DELETE FROM chunks; VACUUM;
//
// The receipts of those that nobody had read then say orphaned, and their owners know that they have to share again.
// Rotate tokens, and remove accounts, again.
//
// # What is durable
//
// A write that returned nil was synced to disk. Changes that wait at the same time are committed, and synced, together.
// A write that returned an error may have happened only if that error came from its commit.
//
// # What is erased
//
// What is deleted is overwritten with zeros in the database. Older pages that hold it may stay in path-wal until the
// next Sweep or Close moves all changes into the database and empties that file, however many callers read meanwhile. A
// reader of another kind that stays open, such as a backup, puts this off until the Sweep after its end. Nothing here
// erases what the file system, the disk or a backup keeps.
package sqlitestore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/onetime-go/onetime/server/vault"
)

// lockWait is how long a connection waits for another process to finish writing.
const lockWait = 10 * time.Second

// pageSize leaves room for one chunk on a page, and not for two. Where there are more, SQLite moves some to other pages
// when their page has become empty enough, and what it leaves behind is in a gap that secure_delete does not know of, and
// stays when the chunk is deleted. A chunk that is alone on its page is always at its end, so that whatever comes there
// overwrites it.
const pageSize = "page_size(1024)"

// Store is a vault.Store in a SQLite database. Open and OpenMemory make one.
type Store struct {
	mu     sync.RWMutex // every call holds it for reading, so that Close can wait for them all
	closed bool
	writer *writer
	reader *reader
}

var _ vault.Store = (*Store)(nil)

// Open opens the database file at path, and creates it if there is none. It refuses a file that another program, or
// a later version of this package, has made, and one that others than its owner can read or write. The context bounds the
// opening only.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: open: %w", err)
	}
	if err := createPrivate(path); err != nil {
		return nil, fmt.Errorf("sqlitestore: open: %w", err)
	}
	if err := checkPrivate(path, path+"-wal", path+"-shm"); err != nil {
		return nil, fmt.Errorf("sqlitestore: open: %w", err)
	}
	return open(ctx, database{uri: fileURI(path), writing: nobody{}, reading: nobody{}})
}

// OpenMemory makes an empty database in memory, for tests. Each is on its own, and gone when it is closed.
func OpenMemory(ctx context.Context) (*Store, error) {
	// Without a WAL, readers and the writer shut each other out. Taking turns spares them SQLite's way of waiting,
	// which is to sleep and try again.
	var turns sync.RWMutex
	return open(ctx, database{
		uri:      "file:/" + rand.Text(),
		inMemory: true,
		writing:  &turns,
		reading:  turns.RLocker(),
	})
}

func open(ctx context.Context, db database) (*Store, error) {
	writer, err := newWriter(ctx, db)
	if err != nil {
		return nil, opaque("open", err)
	}
	reader, err := newReader(ctx, db)
	if err != nil {
		return nil, opaque("open", errors.Join(err, writer.close()))
	}
	return &Store{writer: writer, reader: reader}, nil
}

// Close waits for the calls under way and closes the database. Closing again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	// The writer goes last, as the connection that is closed last moves the WAL into the database.
	return opaque("close", errors.Join(s.reader.close(), s.writer.close()))
}

// Emptied returns when the write-ahead log was emptied last, or the store was opened if it was not emptied since; in memory,
// the zero time. What was deleted later may stand in it. A Sweep empties it, unless a reader that stays open, such as a backup, is in the way.
func (s *Store) Emptied() time.Time {
	if at := s.writer.emptied.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// createPrivate makes an empty file, which SQLite takes for an empty database and whose mode it gives to the files
// beside it. A file that exists is left alone, and not even opened: closing it would drop the locks that this process
// may hold on it.
func createPrivate(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// checkPrivate refuses files that are there and open to others, such as a copy that was made with a program's usual mode.
func checkPrivate(paths ...string) error {
	if runtime.GOOS == "windows" {
		return nil // it has no such modes
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s can be read or written by others: set its mode to 0600", path)
		}
	}
	return nil
}

func fileURI(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}

// A database says how to connect to it, and who has to wait for whom.
type database struct {
	uri      string
	inMemory bool
	writing  sync.Locker // held during a transaction of the writer
	reading  sync.Locker // held during a read
}

// nobody is waited for.
type nobody struct{}

func (nobody) Lock()   {}
func (nobody) Unlock() {}

// connect returns a pool of at most size connections with the given settings.
func (d database) connect(size int, wait time.Duration, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_pragma": append([]string{
		"busy_timeout(" + strconv.FormatInt(wait.Milliseconds(), 10) + ")",
		"synchronous(FULL)",
		"secure_delete(ON)",
		pageSize, // of a new database: before anything that makes one
		// Keys are random, so that each change is to other pages. The more changes a checkpoint moves at once, the more
		// of them fall on the same page: 16,000 pages make 16 MB, and creating a third faster than SQLite's 4 MB.
		"wal_autocheckpoint(16000)",
		"temp_store(MEMORY)", // no values in temporary files
	}, pragmas...)}
	if d.inMemory {
		query.Set("vfs", "memdb")
	}
	pool, err := sql.Open("sqlite", d.uri+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}
