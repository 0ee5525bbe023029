package proof

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// A recorder notes what is stored, sealed, under each secret's id, and which of them were consumed.
type recorder struct {
	vault.Store
	mu     sync.Mutex
	sealed map[vault.ID]*record
}

type record struct {
	sealed   []byte
	expires  time.Time
	consumed bool
}

func newRecorder(s vault.Store) *recorder {
	return &recorder{Store: s, sealed: map[vault.ID]*record{}}
}

func (r *recorder) Create(ctx context.Context, s vault.SecretRecord, receipt vault.ReceiptRecord, e *vault.RecentRecord, q vault.Quota) error {
	err := r.Store.Create(ctx, s, receipt, e, q)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sealed[s.ID] = &record{sealed: bytes.Clone(s.Sealed), expires: s.Expires}
	}
	return err
}

func (r *recorder) Claim(ctx context.Context, claim vault.Claim) (bool, error) {
	won, err := r.Store.Claim(ctx, claim)
	if won {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sealed[claim.SecretID].consumed = true
	}
	return won, err
}

func (r *recorder) Sweep(ctx context.Context, now time.Time, limit int) (vault.Swept, error) {
	swept, err := r.Store.Sweep(ctx, now, limit)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sealed {
		s.consumed = s.consumed || err == nil && swept.Secrets < limit && !s.expires.After(now)
	}
	return swept, err
}

// A search finds pieces of sealed values in files. What is sealed looks random, so that 8 bytes tell where they are from.
type search struct {
	pieces map[uint64]bool // whether what they are from was consumed
	filter [1 << 20]uint64 // of bits: most of what is not a piece is not looked for
}

// pieceSize is small enough for one to be in whatever is left of a chunk.
const pieceSize = 32

func (r *recorder) search() *search {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &search{pieces: map[uint64]bool{}}
	for _, record := range r.sealed {
		for at := 0; at+pieceSize <= len(record.sealed); at += pieceSize {
			piece := binary.LittleEndian.Uint64(record.sealed[at:])
			s.pieces[piece] = record.consumed
			s.filter[piece>>6&(1<<20-1)] |= 1 << (piece & 63)
		}
	}
	return s
}

// in copies the database and its log, as a thief would, and counts the pieces of what was consumed, and of what was not.
func (s *search) in(t testing.TB, database string) (consumed, standing int) {
	t.Helper()
	for _, name := range []string{database, database + "-wal"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for ; len(data) >= 8; data = data[1:] {
			piece := binary.LittleEndian.Uint64(data)
			if s.filter[piece>>6&(1<<20-1)]&(1<<(piece&63)) == 0 {
				continue
			}
			switch gone, known := s.pieces[piece]; {
			case known && gone:
				consumed++
			case known:
				standing++
			}
		}
	}
	return consumed, standing
}

// churn shares secrets of random sizes, most of them small, so that one page may hold those of many. It reveals and burns three
// quarters of them, in random order, and lets some of the others expire. It sweeps now and then, as a server does.
func (f *fixture) churn(t testing.TB, secrets int) {
	t.Helper()
	const callers = 8
	ctx := context.Background()
	var wg sync.WaitGroup
	for caller := range callers {
		random := rand.New(rand.NewPCG(rand.Uint64(), 0))
		wg.Go(func() {
			var standing []onetime.Receipt
			for n := range secrets / callers {
				pending, err := f.vault.Share(ctx, onetime.Caller{}, onetime.ShareRequest{
					Secret: onetime.Sensitive(strings.Repeat("x", 1+random.IntN(min(1<<random.IntN(15), vault.DefaultMaxSecret)))),
					TTL:    time.Duration(1+random.IntN(4)) * time.Hour,
				})
				if err == nil {
					err = pending.Commit(ctx)
				}
				if err != nil {
					t.Errorf("share: %v", err)
					return
				}
				standing = append(standing, pending.Answer)
				if random.IntN(3) == 0 {
					standing = f.consumeOne(t, standing, random)
				}
				if caller == 0 && n%100 == 99 {
					if err := f.vault.Sweep(ctx); err != nil {
						t.Errorf("sweep: %v", err)
					}
				}
			}
			for len(standing) > secrets/callers/4 {
				standing = f.consumeOne(t, standing, random)
			}
		})
	}
	wg.Wait()
	f.pass(time.Hour + time.Minute) // some expire
}

// consumeOne consumes any of those that stand, and returns the others.
func (f *fixture) consumeOne(t testing.TB, standing []onetime.Receipt, random *rand.Rand) []onetime.Receipt {
	t.Helper()
	i, last := random.IntN(len(standing)), len(standing)-1
	f.consume(t, standing[i], random.IntN(2) == 0)
	standing[i] = standing[last]
	return standing[:last]
}

func (f *fixture) consume(t testing.TB, r onetime.Receipt, burn bool) {
	t.Helper()
	var err error
	if burn {
		var pending onetime.Pending[onetime.Burned]
		if pending, err = f.vault.Burn(t.Context(), onetime.Caller{}, onetime.BurnRequest{Key: r.Key}); err == nil {
			err = pending.Commit(t.Context())
		}
	} else {
		var pending onetime.Pending[onetime.Secret]
		if pending, err = f.vault.Reveal(t.Context(), onetime.Caller{}, onetime.RevealRequest{Key: r.SecretKey}); err == nil {
			err = pending.Commit(t.Context())
		}
	}
	if err != nil {
		t.Errorf("consume: %v", err)
	}
}

// serveRecorded is serve, with a recorder of what reaches the store.
func serveRecorded(t testing.TB) (*fixture, *recorder) {
	t.Helper()
	var r *recorder
	f := serve(t, layers{store: func(s vault.Store) vault.Store { r = newRecorder(s); return r }})
	return f, r
}

func TestErasure(t *testing.T) {
	f, recorder := serveRecorded(t)
	for round := range 2 { // the second in the space that the first has freed
		f.churn(t, scale(500, 5000))
		f.sweep(t)
		consumed, standing := recorder.search().in(t, f.database())
		if consumed > 0 {
			t.Errorf("round %d: %d pieces of consumed secrets are left", round, consumed)
		}
		if standing == 0 {
			t.Error("no piece of the others was found: the search does not work")
		}
		t.Logf("round %d: %d pieces of what stands, %d of what was consumed", round, standing, consumed)
	}
}

// TestErasureFindsPlantedBugs undoes, one after the other, the two things that erase.
func TestErasureFindsPlantedBugs(t *testing.T) {
	t.Run("the log is not emptied", func(t *testing.T) {
		f, recorder := serveRecorded(t)
		f.churn(t, 100)
		if consumed, _ := recorder.search().in(t, f.database()); consumed == 0 {
			t.Error("it was not found")
		}
	})
	t.Run("secure_delete is off", func(t *testing.T) {
		f, recorder := serveRecorded(t)
		f.churn(t, 100)
		f.sweep(t)
		db := openBeside(t, f.database()+"?_pragma=secure_delete(OFF)&_pragma=busy_timeout(10000)")
		if _, err := db.Exec("DELETE FROM chunks; PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			t.Fatal(err)
		}
		for _, r := range recorder.sealed {
			r.consumed = true
		}
		if consumed, _ := recorder.search().in(t, f.database()); consumed == 0 {
			t.Error("it was not found")
		}
	})
}

func openBeside(t testing.TB, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+name)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestErasureBesideReader states the delay that a backup adds: what it can read stays until the sweep after its end.
func TestErasureBesideReader(t *testing.T) {
	f, recorder := serveRecorded(t)
	f.churn(t, scale(200, 2000))
	f.sweep(t)
	reader, err := openBeside(t, f.database()).Begin()
	if err != nil {
		t.Fatal(err)
	}
	var count int
	if err := reader.QueryRow("SELECT count(*) FROM chunks").Scan(&count); err != nil {
		t.Fatal(err)
	}
	f.pass(10 * time.Hour) // all the others expire
	f.sweep(t)
	if consumed, _ := recorder.search().in(t, f.database()); consumed == 0 {
		t.Error("nothing is left while a reader has it open: the test tests nothing")
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	f.sweep(t)
	if consumed, _ := recorder.search().in(t, f.database()); consumed > 0 {
		t.Errorf("%d pieces of consumed secrets are left", consumed)
	}
}

// TestErasureBesideBackups makes one backup after the other meanwhile.
func TestErasureBesideBackups(t *testing.T) {
	f, recorder := serveRecorded(t)
	ctx, stop := context.WithCancel(t.Context())
	backups := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			name := filepath.Join(t.TempDir(), fmt.Sprint("backup-", backups))
			if err := f.store.Backup(ctx, name); err != nil && ctx.Err() == nil {
				t.Errorf("backup: %v", err)
			}
			backups++
		}
	})
	f.churn(t, scale(200, 2000))
	stop()
	wg.Wait()
	f.sweep(t)
	if consumed, standing := recorder.search().in(t, f.database()); consumed > 0 || standing == 0 {
		t.Errorf("%d pieces of consumed secrets are left, and %d of the others", consumed, standing)
	}
	t.Logf("%d backups", backups)
}

// TestErasureInAMinute has a server sweep by itself, as it always does, and looks 60 seconds after the last was consumed.
func TestErasureInAMinute(t *testing.T) {
	if scale(0, 1) == 0 {
		t.Skip("it takes more than a minute: make soak runs it")
	}
	f, recorder := serveRecorded(t)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.vault.Run(ctx, func(err error) { t.Error(err) }) })
	f.churn(t, 10_000)
	time.Sleep(time.Minute) // which is what is promised
	consumed, standing := recorder.search().in(t, f.database())
	stop()
	wg.Wait()
	if consumed > 0 || standing == 0 {
		t.Errorf("%d pieces of consumed secrets are left, and %d of the others", consumed, standing)
	}
}

// TestErasureUnderLoad holds that callers who read all the time do not keep the log from being emptied: else nothing
// would bound how long consumed values stay. One sweep may meet a reader whom a machine without time holds up for longer than
// it waits; in the minute that is promised there are two.
func TestErasureUnderLoad(t *testing.T) {
	f, recorder := serveRecorded(t)
	var busy []reply
	for n := range 8 {
		busy = append(busy, must(t, 200)(f.share(fmt.Sprint("it stays ", n), "")))
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for n := range 32 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if r := busy[n%len(busy)]; n%2 == 0 {
					_, _ = f.store.Secret(ctx, vault.ID{})
					_, _ = f.vault.Receipt(ctx, onetime.Caller{}, onetime.Sensitive(r.Key))
				} else {
					_, _ = f.vault.Reveal(ctx, onetime.Caller{}, onetime.RevealRequest{Key: onetime.Sensitive(r.SecretKey)})
				}
			}
		})
	}
	left := 0
	for n := range scale(20, 200) {
		shared := must(t, 200)(f.share(strings.Repeat("y", 5000), ""))
		must(t, 200)(f.reveal(shared.SecretKey, ""))
		f.sweep(t)
		consumed, _ := recorder.search().in(t, f.database())
		if consumed > 0 {
			t.Logf("sweep %d left %d pieces to the next", n, consumed)
			f.sweep(t)
			consumed, _ = recorder.search().in(t, f.database())
		}
		if consumed > 0 {
			left++
			t.Logf("and that one %d", consumed)
		}
	}
	if left > 0 {
		t.Errorf("%d sweeps left pieces of consumed secrets", left)
	}
}

// TestNoMarkerInFiles looks for everything that must not be in files, in the folder of a server that was closed.
func TestNoMarkerInFiles(t *testing.T) {
	f := serve(t, layers{})
	token, err := f.vault.AddAccount(t.Context(), "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	markers := map[string]string{"value": "MARKER-value", "passphrase": "MARKER-passphrase", "token": token.Expose()}
	for n := range 3 { // one stays, one is revealed, one is burned
		shared := must(t, 200)(f.share(markers["value"], markers["passphrase"]))
		markers[fmt.Sprint("secret key ", n)], markers[fmt.Sprint("receipt key ", n)] = shared.SecretKey, shared.Key
		switch n {
		case 1:
			must(t, 200)(f.reveal(shared.SecretKey, markers["passphrase"]))
		case 2:
			must(t, 404)(f.reveal(shared.SecretKey, "MARKER-wrong"))
		}
	}
	markers["wrong passphrase"] = "MARKER-wrong"
	lookForMarkers(t, f.folder, markers) // with the log
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	lookForMarkers(t, f.folder, markers)
}

func lookForMarkers(t *testing.T, folder string, markers map[string]string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for name, marker := range markers {
			if bytes.Contains(data, []byte(marker)) {
				t.Errorf("%s holds a %s", entry.Name(), name)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
