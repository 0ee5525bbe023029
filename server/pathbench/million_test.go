package pathbench

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

const (
	million = 1_000_000
	each    = million / count // of these secrets one is revealed in the end
)

// BenchmarkMillion measures the real server over a million secrets that wait for their readers, beside one that has just
// those that are revealed. It takes minutes, most of them to store the million, and so runs with ONETIME_MILLION=1 only.
func BenchmarkMillion(b *testing.B) {
	if os.Getenv("ONETIME_MILLION") == "" {
		b.Skip("it takes minutes: make bench-million")
	}
	program := program(b)
	few := measure(b, program, "million/few", count, 1)
	many := measure(b, program, "million/all", million, each)
	printLater("ratio million/reveal %.2f", float64(many.Reveal.CPU)/float64(few.Reveal.CPU))
	printLater("ratio million/share %.2f", float64(many.Share.CPU)/float64(few.Share.CPU))
}

// measure fills a folder with secrets, starts the real server on it, and has one in each revealed, then some more shared.
func measure(b testing.TB, program, name string, secrets, each int) result {
	b.Helper()
	folder := b.TempDir()
	keys, perSecond := fill(b, folder, secrets, each)
	printLater("%-34s %6d secrets, stored at %.0f/s in one process, %d MB on disk", name, secrets, perSecond, megabytes(size(b, folder)))
	began := time.Now()
	server := startReal(b, program, folder)
	took, idle := time.Since(began), memory(server.pid)
	old := load(b, job{Address: server.address, PID: server.pid, Callers: callers, Count: count, Keys: keys})
	fresh := load(b, job{Address: server.address, PID: server.pid, Callers: callers, Count: count})
	printLater("%-34s serves after %s, with %d MB of memory, and %d MB under load", name, took.Round(time.Millisecond),
		megabytes(idle), megabytes(memory(server.pid)))
	server.stop()
	r := result{Share: fresh.Share, Reveal: old.Reveal}
	report(name+"/share", r.Share)
	report(name+"/reveal", r.Reveal)
	return r
}

// fill shares secrets through a vault of its own. It returns the keys of one in each, whose text is secretOf their place.
func fill(b testing.TB, folder string, secrets, each int) (keys []string, perSecond float64) {
	b.Helper()
	ctx := context.Background()
	store, err := sqlitestore.Open(ctx, filepath.Join(folder, "onetime.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	ring, err := vault.LoadKeyring(ctx, filepath.Join(folder, "keyring.json"), store)
	if err != nil {
		b.Fatal(err)
	}
	v, err := vault.New(ctx, vault.Config{Store: store, Keys: ring})
	if err != nil {
		b.Fatal(err)
	}
	keys = make([]string, (secrets+each-1)/each)
	const atOnce = 256
	perSecond = drive(b, atOnce, secrets, func(ctx context.Context, i int) error {
		pending, err := v.Share(ctx, onetime.Caller{}, onetime.ShareRequest{Secret: onetime.Sensitive(secretOf(i / each))})
		if err != nil {
			return err
		}
		if i%each == 0 {
			keys[i/each] = pending.Answer.SecretKey.Expose()
		}
		return pending.Commit(ctx)
	})
	return keys, perSecond
}

// size returns how much a folder holds.
func size(b testing.TB, folder string) (bytes int64) {
	b.Helper()
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		bytes += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

func megabytes(bytes int64) int64 { return (bytes + 1<<19) >> 20 }
