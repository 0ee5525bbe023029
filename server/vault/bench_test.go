package vault_test

import (
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
)

func BenchmarkShare(b *testing.B) {
	f := newVault(b)
	b.ReportAllocs()
	for b.Loop() {
		f.share(b, nobody, onetime.ShareRequest{})
	}
}

func BenchmarkReveal(b *testing.B) {
	f := newVault(b)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		shared := f.share(b, nobody, onetime.ShareRequest{})
		b.StartTimer()
		if _, err := f.reveal(nobody, shared.SecretKey, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReceipt(b *testing.B) {
	f := newVault(b)
	shared := f.share(b, nobody, onetime.ShareRequest{})
	b.ReportAllocs()
	for b.Loop() {
		f.receipt(b, shared.Key)
	}
}

// BenchmarkSeal is a share without its commit: keys, both seals, no store.
func BenchmarkSeal(b *testing.B) {
	f := newVault(b)
	for _, size := range []struct {
		name  string
		bytes int
	}{{"200B", 200}, {"10kB", 10_000}} {
		b.Run(size.name, func(b *testing.B) {
			ask := onetime.ShareRequest{Secret: onetime.Sensitive(strings.Repeat("x", size.bytes))}
			b.SetBytes(int64(size.bytes))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Share(b.Context(), nobody, ask); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPassphrase is BenchmarkSeal with a passphrase: one run of Argon2id, beside which the rest is nothing.
func BenchmarkPassphrase(b *testing.B) {
	f := newVault(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Share(b.Context(), nobody, onetime.ShareRequest{Secret: "s", Passphrase: "p"}); err != nil {
			b.Fatal(err)
		}
	}
}
