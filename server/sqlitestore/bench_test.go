package sqlitestore_test

import (
	"sync/atomic"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// callersPerCPU is how many callers wait at the same time, which is what a batch is made of.
const callersPerCPU = 64

func BenchmarkCreate(b *testing.B) {
	store := open(b, newPath(b))
	var next atomic.Int64
	b.SetParallelism(callersPerCPU)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			secret, receipt := newPair(int(next.Add(1)), 1, "")
			if err := store.Create(b.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
				b.Errorf("Create: %v", err)
			}
		}
	})
}

func BenchmarkClaim(b *testing.B) {
	store := open(b, newPath(b))
	createMany(b, store)
	var next atomic.Int64
	b.SetParallelism(callersPerCPU)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			secret, _ := newPair(int(next.Add(1)), 0, "")
			won, err := store.Claim(b.Context(),
				vault.Claim{SecretID: secret.ID, State: onetime.StateReceived, Now: created})
			if err != nil || !won {
				b.Errorf("Claim = %v, %v, want true, nil", won, err)
			}
		}
	})
}

func BenchmarkSecret(b *testing.B) {
	store := open(b, newPath(b))
	secret := create(b, store, 1, 1, "")
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := store.Secret(b.Context(), secret.ID); err != nil {
				b.Errorf("Secret: %v", err)
			}
		}
	})
}

// createMany stores as many secrets as the benchmark runs times, numbered from 1.
func createMany(b *testing.B, store vault.Store) {
	b.Helper()
	var next atomic.Int64
	callers := make(chan error, 2*callersPerCPU)
	for range cap(callers) {
		go func() {
			for {
				number := int(next.Add(1))
				if number > b.N {
					callers <- nil
					return
				}
				secret, receipt := newPair(number, 1, "")
				if err := store.Create(b.Context(), secret, receipt, nil, vault.Quota{}); err != nil {
					callers <- err
					return
				}
			}
		}()
	}
	for range cap(callers) {
		if err := <-callers; err != nil {
			b.Fatalf("Create: %v", err)
		}
	}
}
