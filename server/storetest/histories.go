package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// RunHistories has several callers do at once, and at random, what can be done with a few secrets, through two vaults
// over one store, and checks with Porcupine that doing one thing after another explains every answer. There are 100
// histories, or 1,000 with ONETIME_SOAK=1 (make soak).
func RunHistories(t *testing.T, open func(t *testing.T) vault.Store) {
	histories := 100
	if os.Getenv("ONETIME_SOAK") != "" {
		histories = 1000
	}
	w := newWorld(t, closing(t, open(t)))
	seen := map[string]int{}
	for n := range histories {
		h := w.play(t, n)
		for _, op := range h {
			seen[op.Input.(deed).what+" "+op.Output.(answer).what]++
		}
		if !legal(h) {
			t.Fatalf("no order of these explains them (history %d):\n%s", n, describe(h))
		}
	}
	t.Logf("%d histories: %v", histories, seen)
	for _, outcome := range []string{
		"share ok", "look ok", "look refused", "reveal ok", "reveal refused", "burn ok", "burn refused",
		"receipt new", "receipt received", "receipt burned", "receipt expired", "receipt refused", "sweep ok",
	} {
		if seen[outcome] == 0 {
			t.Errorf("%q never happened: the histories test less than they should", outcome)
		}
	}
}

const (
	historyClients = 4
	historyTurns   = 8
	historySlots   = 3
	historyTTL     = time.Minute
)

// A deed is what a client does. One without a slot concerns them all.
type deed struct {
	what string
	slot int
	from int64 // the time at its call, in milliseconds: it acts by a time between this one and that of its effect
}

const noSlot = -1

// An answer is what the client got: "ok", "refused", or the state of a receipt.
type answer struct {
	what string
	at   int64 // of a share, when it was created; of the clock, what it shows now
}

// A life is the model: one secret, and the clock.
type life struct {
	state        onetime.State // "" before it is shared
	expires, now int64
}

// after returns what a life may be after a deed that was answered so; nothing if it cannot have been.
func (l life) after(d deed, a answer) []any {
	perhapsOver := l.now >= l.expires // by the latest time that the deed can have acted by,
	perhapsNot := d.from < l.expires  // and by the earliest
	stands := l.state == onetime.StateNew
	next, possible := l, false
	switch d.what {
	case "clock":
		next.now, possible = a.at, a.at > l.now
	case "share":
		possible = l.state == "" && d.from <= a.at && a.at <= l.now
		next.state, next.expires = onetime.StateNew, a.at+historyTTL.Milliseconds()
	case "sweep":
		if stands && perhapsOver {
			next.state = onetime.StateExpired
			if perhapsNot {
				return []any{l, next}
			}
		}
		possible = true
	case "receipt":
		possible = l.shows(a.what, perhapsOver, perhapsNot)
		if a.what == "refused" { // it lives twice as long
			possible = l.now >= l.expires+historyTTL.Milliseconds()
		}
	default: // look, reveal, burn
		if a.what == "refused" {
			possible = !stands || perhapsOver
			break
		}
		possible = stands && perhapsNot
		switch d.what {
		case "reveal":
			next.state = onetime.StateReceived
		case "burn":
			next.state = onetime.StateBurned
		}
	}
	if !possible {
		return nil
	}
	return []any{next}
}

// shows tells whether a receipt may show a state.
func (l life) shows(state string, perhapsOver, perhapsNot bool) bool {
	if l.state == onetime.StateNew {
		return state == string(onetime.StateNew) && perhapsNot || state == string(onetime.StateExpired) && perhapsOver
	}
	return state == string(l.state)
}

// legal tells whether a history can be explained.
func legal(history []porcupine.Operation) bool {
	model := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			slots := make([][]porcupine.Operation, historySlots)
			for _, op := range history {
				for slot := range slots {
					if in := op.Input.(deed).slot; in == slot || in == noSlot {
						slots[slot] = append(slots[slot], op)
					}
				}
			}
			return slots
		},
		Init: func() []any { return []any{life{}} },
		Step: func(state, in, out any) []any { return state.(life).after(in.(deed), out.(answer)) },
	}
	return porcupine.CheckOperations(model.ToModel(), history)
}

func describe(history []porcupine.Operation) string {
	var b strings.Builder
	for _, op := range history {
		fmt.Fprintf(&b, "%3d-%3d client %d: %+v -> %+v\n", op.Call, op.Return, op.ClientId, op.Input, op.Output)
	}
	return b.String()
}

// A world is two vaults over one store, and the clock that they share.
type world struct {
	vaults [2]*vault.Vault
	clock  atomic.Int64 // Unix milliseconds
}

func newWorld(t *testing.T, store vault.Store) *world {
	t.Helper()
	w := &world{}
	w.clock.Store(start.UnixMilli())
	keys := vault.NewKeyring()
	for i := range w.vaults {
		v, err := vault.New(t.Context(), vault.Config{
			Store: store, Keys: keys,
			Clock: func() time.Time { return time.UnixMilli(w.clock.Load()) },
		})
		if err != nil {
			t.Fatal(err)
		}
		w.vaults[i] = v
	}
	return w
}

// A game is one history in the making.
type game struct {
	*world
	taken [historySlots]atomic.Bool
	keys  [historySlots]atomic.Pointer[onetime.Receipt]
	count atomic.Int64 // numbers calls and returns in their order
	mu    sync.Mutex
	ops   []porcupine.Operation
}

// play makes a history. Its number decides what the clients do, not how they meet.
func (w *world) play(t *testing.T, number int) []porcupine.Operation {
	g := &game{world: w}
	g.record(0, deed{what: "clock", slot: noSlot}, func() answer { return answer{at: w.clock.Load()} })
	var wg sync.WaitGroup
	for client := range historyClients {
		random := rand.New(rand.NewPCG(uint64(number), uint64(client)))
		wg.Go(func() {
			for range historyTurns {
				if err := g.turn(client, random); err != nil {
					t.Errorf("history %d: %v", number, err)
				}
			}
		})
	}
	wg.Wait()
	return g.ops
}

func (g *game) record(client int, d deed, do func() answer) {
	call := g.count.Add(1)
	d.from = g.clock.Load()
	a := do()
	done := g.count.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ops = append(g.ops, porcupine.Operation{ClientId: client, Input: d, Call: call, Output: a, Return: done})
}

// turn does one thing. Its error is one that no model allows.
func (g *game) turn(client int, random *rand.Rand) (err error) {
	v := g.vaults[client%len(g.vaults)]
	slot := random.IntN(historySlots)
	if g.taken[slot].CompareAndSwap(false, true) {
		g.record(client, deed{what: "share", slot: slot}, func() (a answer) { a, err = g.share(v, slot); return a })
		return err
	}
	what := []string{"look", "reveal", "reveal", "burn", "receipt", "receipt", "clock", "sweep"}[random.IntN(8)]
	keys := g.keys[slot].Load()
	switch {
	case what == "clock":
		jump := 1 + random.Int64N(historyTTL.Milliseconds()*3/4)
		g.record(client, deed{what: what, slot: noSlot}, func() answer { return answer{at: g.clock.Add(jump)} })
	case what == "sweep":
		g.record(client, deed{what: what, slot: noSlot}, func() answer { err = v.Sweep(context.Background()); return answer{what: "ok"} })
	case keys != nil:
		g.record(client, deed{what: what, slot: slot}, func() (a answer) { a, err = use(v, what, slot, keys); return a })
	}
	return err
}

func valueOf(slot int) onetime.Sensitive {
	return onetime.Sensitive(fmt.Sprint("secret of slot ", slot))
}

func (g *game) share(v *vault.Vault, slot int) (answer, error) {
	pending, err := v.Share(context.Background(), onetime.Caller{}, onetime.ShareRequest{Secret: valueOf(slot), TTL: historyTTL})
	if err == nil {
		err = pending.Commit(context.Background())
	}
	if err != nil {
		return answer{}, err
	}
	g.keys[slot].Store(&pending.Answer)
	return answer{what: "ok", at: pending.Answer.Created.UnixMilli()}, nil
}

func use(v *vault.Vault, what string, slot int, keys *onetime.Receipt) (answer, error) {
	ctx := context.Background()
	state, err := "ok", error(nil)
	switch what {
	case "receipt":
		var receipt onetime.Receipt
		receipt, err = v.Receipt(ctx, onetime.Caller{}, keys.Key)
		state = string(receipt.State)
	case "burn":
		var pending onetime.Pending[onetime.Burned]
		pending, err = v.Burn(ctx, onetime.Caller{}, onetime.BurnRequest{Key: keys.Key})
		if err == nil {
			err = pending.Commit(ctx)
		}
	default:
		var pending onetime.Pending[onetime.Secret]
		pending, err = v.Reveal(ctx, onetime.Caller{}, onetime.RevealRequest{Key: keys.SecretKey})
		if err == nil && pending.Answer.Value != valueOf(slot) {
			return answer{}, errors.New("a reveal gave another value")
		}
		if err == nil && what == "reveal" {
			err = pending.Commit(ctx)
		}
	}
	if errors.Is(err, onetime.ErrNotFound) {
		return answer{what: "refused"}, nil
	}
	return answer{what: state}, err
}
