package sqlitestore

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/onetime-go/onetime/server/vault"
)

var errClosed = errors.New("the store is closed")

// opaque names what failed, and hides the driver's types: of what callers may match, only the errors of package vault
// and of contexts remain.
func opaque(operation string, err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{
		vault.ErrNoRecord, vault.ErrExists, vault.ErrQuota, vault.ErrDamaged, vault.ErrKeyInUse, vault.ErrKeyRemoved,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("sqlitestore: %s: %w", operation, known)
		}
	}
	return fmt.Errorf("sqlitestore: %s: %v", operation, err)
}

// isBusy tells whether another connection was in the way.
func isBusy(err error) bool {
	var failure *sqlite.Error
	const primary = 0xff // the rest tells variants apart
	return errors.As(err, &failure) && failure.Code()&primary == sqlite3.SQLITE_BUSY
}
