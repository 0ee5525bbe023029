package vault

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

// TestArgonSharesTurns holds that one network cannot take all turns, and that nothing is kept of one that has left.
func TestArgonSharesTurns(t *testing.T) {
	a := newArgon(4)
	ctx := context.Background()
	flood, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("198.51.100.7/32")
	var give []func()
	for range 2 { // half of the turns
		g, err := a.take(ctx, flood)
		if err != nil {
			t.Fatal(err)
		}
		give = append(give, g)
	}
	ended, cancel := context.WithCancel(ctx)
	waiting := make(chan error, 1)
	go func() {
		_, err := a.take(ended, flood)
		waiting <- err
	}()
	for range 2 {
		g, err := a.take(ctx, other)
		if err != nil {
			t.Fatalf("another network got no turn: %v", err)
		}
		give = append(give, g)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("a third turn of one network: %v", err)
	}
	for _, g := range give {
		g()
	}
	if len(a.networks) != 0 || len(a.turns) != 0 {
		t.Errorf("%d networks and %d turns are left", len(a.networks), len(a.turns))
	}
}
