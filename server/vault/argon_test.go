package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetime-go/onetime"
)

func TestTurnsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := argon{make(chan struct{}, 2)}
		first, err := a.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := a.take(t.Context()); !errors.Is(err, onetime.ErrRateLimited) {
			t.Errorf("no turn was free: %v", err)
		}
		if waited := time.Since(began); waited != argonWait {
			t.Errorf("waited %s", waited)
		}
		go func() {
			time.Sleep(argonWait / 2)
			first()
		}()
		if _, err := a.take(t.Context()); err != nil {
			t.Errorf("a turn was given back: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := a.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the context ended: %v", err)
		}
	})
}

// TestBusyBurns holds that a burn says what its documented statuses can.
func TestBusyBurns(t *testing.T) {
	if err := burnRefused(errBusy); errors.Is(err, onetime.ErrRateLimited) || errors.Is(err, onetime.ErrForbidden) {
		t.Errorf("busy: %v", err)
	}
	locked := &onetime.Refusal{Reason: onetime.ErrRateLimited, RetryAfter: time.Millisecond}
	if err := burnRefused(locked); !errors.Is(err, onetime.ErrForbidden) {
		t.Errorf("locked for a little longer: %v", err)
	}
}

func TestSaneArgon(t *testing.T) {
	for _, test := range []struct {
		name         string
		time, memory uint32
		threads      byte
		want         bool
	}{
		{"ours", argonTime, argonMemory, argonThreads, true},
		{"no time", 0, argonMemory, 1, false},
		{"no threads", 1, argonMemory, 0, false},
		{"long", 1 << 31, argonMemory, 1, false},
		{"large", 1, 1 << 31, 1, false},
		{"most", mostArgonTime, mostArgonMemory, 255, true},
	} {
		header := binary.BigEndian.AppendUint32(make([]byte, saltSize), test.time)
		header = append(binary.BigEndian.AppendUint32(header, test.memory), test.threads)
		if saneArgon(header) != test.want {
			t.Errorf("%s: want %t", test.name, test.want)
		}
		if !test.want {
			if _, err := unlock("p", facts{}, header); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	}
}
