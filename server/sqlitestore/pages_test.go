package sqlitestore

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// TestOneChunkToAPage holds what erasing rests on: see pageSize. After churn every page of chunks has one chunk, at its
// end, and nothing but zeros before that: no copy of a chunk that stands, or stood, elsewhere. Where a page was on the list of
// free pages, numbers of pages may stand there.
func TestOneChunkToAPage(t *testing.T) {
	const secrets, header, pointer = 1000, 8, 2
	path := filepath.Join(t.TempDir(), "onetime.db")
	store, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var standing []vault.ID
	for n := range secrets {
		secret := vault.SecretRecord{Created: now, Expires: now.Add(time.Hour), Sealed: make([]byte, (1+mathrand.IntN(20))*vault.SealedBlock)}
		binary.BigEndian.PutUint32(secret.ID[:], uint32(n))
		secret.ReceiptID = secret.ID
		_, _ = rand.Read(secret.Sealed) // it never fails
		if err := store.Create(t.Context(), secret, vault.ReceiptRecord{ID: secret.ID, State: onetime.StateNew, Created: now}, nil, vault.Quota{}); err != nil {
			t.Fatal(err)
		}
		standing = append(standing, secret.ID)
		for mathrand.IntN(5) < 2 && len(standing) > 0 {
			i := mathrand.IntN(len(standing))
			if won, err := store.Claim(t.Context(), vault.Claim{SecretID: standing[i], State: onetime.StateBurned, Now: now}); err != nil || !won {
				t.Fatal(won, err)
			}
			standing[i] = standing[len(standing)-1]
			standing = standing[:len(standing)-1]
		}
	}
	if _, err := store.Sweep(t.Context(), now, 0); err != nil { // empties the log
		t.Fatal(err)
	}
	if err := store.AddServerKey(t.Context(), vault.KeyID{1}); err != nil { // is not taken before
		t.Fatal(err)
	}
	rows, err := store.reader.pool.QueryContext(t.Context(),
		`SELECT pgoffset, pgsize, ncell FROM dbstat WHERE name = 'chunks' AND pagetype = 'leaf'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pages, crowded, dirty := 0, 0, 0
	for rows.Next() {
		var offset, size, cells int
		if err := rows.Scan(&offset, &size, &cells); err != nil {
			t.Fatal(err)
		}
		pages++
		page := data[offset : offset+size]
		if cells > 1 {
			crowded++
		}
		begin, end := header+cells*pointer, int(binary.BigEndian.Uint16(page[5:])) // of the gap, by SQLite's file format
		begin = (begin + 3) / 4 * 4                                                // the list has four bytes for a number, from the eighth byte of the page on
		for gap := page[begin:end]; len(gap) >= 4; gap = gap[4:] {
			if int(binary.BigEndian.Uint32(gap)) > len(data)/size {
				dirty++
				break
			}
		}
	}
	if err := rows.Err(); err != nil || pages == 0 {
		t.Fatal(pages, err)
	}
	if crowded > 0 || dirty > 0 {
		t.Errorf("of %d pages of chunks %d have several, and %d something in their gap", pages, crowded, dirty)
	}
}

// TestCloseLeavesTheDatabaseAlone holds that Close moves everything into the database: what was consumed is not in a log
// that stays behind.
func TestCloseLeavesTheDatabaseAlone(t *testing.T) {
	store := openFile(t)
	if err := store.AddServerKey(t.Context(), vault.KeyID{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.ServerKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	var name string
	if err := store.writer.session.conn.QueryRowContext(t.Context(), `SELECT file FROM pragma_database_list`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(name + "*"); err != nil || len(files) != 1 {
		t.Errorf("Close leaves %v, %v, want the database alone", files, err)
	}
}
