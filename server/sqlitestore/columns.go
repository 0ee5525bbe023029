package sqlitestore

import (
	"fmt"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// The types here scan columns so that an error never shows the value, as those of database/sql do.

var errColumn = fmt.Errorf("%w: a column holds what it should not", vault.ErrDamaged)

// A fixed scans a BLOB of exactly its length, into its own memory.
type fixed []byte

func (f fixed) Scan(value any) error {
	blob, ok := value.([]byte)
	if !ok || len(blob) != len(f) {
		return errColumn
	}
	copy(f, blob)
	return nil
}

// A moment scans a time, which is stored as Unix milliseconds.
type moment struct{ time *time.Time }

func (m moment) Scan(value any) error {
	switch ms := value.(type) {
	case int64:
		*m.time = time.UnixMilli(ms).UTC()
		return nil
	case nil: // no high water yet
		*m.time = never
		return nil
	}
	return errColumn
}

// blob keeps a nil slice from becoming NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
