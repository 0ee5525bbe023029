package vault

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
)

var guessStart = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func networkAt(address string) netip.Prefix {
	return netip.PrefixFrom(netip.MustParseAddr(address), 32)
}

// TestNoOrderOfGuessesBeatsTheLock holds that whoever stays below the limit of all callers tries no more passphrases than
// whoever runs into it, and that the limit of a life is the last word.
func TestNoOrderOfGuessesBeatsTheLock(t *testing.T) {
	if guessesInAll.Window < guessesInAll.Lock {
		t.Errorf("%d guesses every %s never lock, and are more than a lock lets through", guessesInAll.Most-1, guessesInAll.Window)
	}
	if guessesInLife.Window < maxTTLAccount || guessesInLife.Lock < maxTTLAccount {
		t.Error("a secret may outlive the tally of its guesses")
	}
	if nist := 100; guessesInLife.Most > nist {
		t.Errorf("%d guesses in a life", guessesInLife.Most)
	}
}

func TestFloods(t *testing.T) {
	f, here, there := newFloods(), networkAt("192.0.2.1"), networkAt("192.0.2.2")
	for range floodLimit {
		if wait := f.reserve(here, guessStart); wait != 0 {
			t.Fatalf("wait %s", wait)
		}
	}
	if wait := f.reserve(here, guessStart.Add(time.Minute)); wait != floodWindow-time.Minute {
		t.Errorf("wait %s", wait)
	}
	if wait := f.reserve(there, guessStart); wait != 0 {
		t.Errorf("another network waits %s", wait)
	}
	for range 2 * floodLimit {
		if wait := f.reserve(netip.Prefix{}, guessStart); wait != 0 {
			t.Fatalf("callers without a network wait %s", wait)
		}
	}
	f.refund(here, guessStart)
	f.refund(netip.Prefix{}, guessStart)
	for _, want := range []time.Duration{0, floodWindow} {
		if wait := f.reserve(here, guessStart); wait != want {
			t.Errorf("after a refund: wait %s, want %s", wait, want)
		}
	}
	if wait := f.reserve(here, guessStart.Add(floodWindow)); wait != 0 {
		t.Errorf("after the window: wait %s", wait)
	}
}

func TestFloodsTakeBoundedMemory(t *testing.T) {
	f := newFloods()
	network := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	for i := range maxFloods + 100 {
		if wait := f.reserve(network(i), guessStart); wait != 0 {
			t.Fatalf("network %d waits %s: many networks lock nobody out", i, wait)
		}
	}
	if len(f.networks) != maxFloods {
		t.Errorf("%d networks", len(f.networks))
	}
	f.sweep(guessStart.Add(floodWindow - 1))
	if len(f.networks) != maxFloods {
		t.Error("a sweep forgot what counts")
	}
	f.sweep(guessStart.Add(floodWindow))
	if len(f.networks) != 0 {
		t.Errorf("%d networks after a sweep", len(f.networks))
	}
	for i := range 10 { // right guesses leave nothing
		f.reserve(network(i), guessStart)
		f.refund(network(i), guessStart)
	}
	if len(f.networks) != 0 {
		t.Errorf("%d networks after refunds", len(f.networks))
	}
}

// TestNetworkIDs holds that networks are told apart, and by nobody who lacks the server key.
func TestNetworkIDs(t *testing.T) {
	v := func() *Vault {
		v := &Vault{}
		v.keys.Store(NewKeyring())
		return v
	}
	one, two := v(), v()
	seen := map[string]string{}
	add := func(name string, id [16]byte) {
		if other, ok := seen[string(id[:])]; ok {
			t.Errorf("%s is %s", name, other)
		}
		seen[string(id[:])] = name
	}
	for i := range 3 {
		network := networkAt("192.0.2." + strconv.Itoa(i))
		add(network.String()+", caller", one.callerID(network))
		add(network.String()+", owner", one.ownerID(network))
		add(network.String()+", another key", two.callerID(network))
		if again := one.callerID(network); again != one.callerID(network) {
			t.Error("a network has two ids")
		}
	}
	if one.callerID(onetime.Caller{}.Network) != (CallerID{}) || one.ownerID(netip.Prefix{}) != (OwnerID{}) {
		t.Error("no network has an id")
	}
}
