package proof

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"
)

// A served history is what several clients of several servers did at once with a few secrets, and what they were answered.
// Time is the order of requests and answers, which one process sees of all servers.

// A deed is a request about one secret.
type deed struct {
	what string // share, reveal, burn, receipt
	slot int
}

// lives is the model of one secret: its state after a deed that was answered with a status or the state of a receipt, or
// false if it cannot have been answered so.
func lives(state string, d deed, answer string) (after string, possible bool) {
	switch d.what {
	case "share":
		return "new", state == "" && answer == "200"
	case "receipt":
		return state, answer == state
	}
	if answer == "404" {
		return state, state != "new"
	}
	end := map[string]string{"reveal": "received", "burn": "burned"}[d.what]
	return end, state == "new" && answer == "200"
}

func explained(history []porcupine.Operation) bool {
	return porcupine.CheckOperations(porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			slots := map[int][]porcupine.Operation{}
			for _, op := range history {
				slot := op.Input.(deed).slot
				slots[slot] = append(slots[slot], op)
			}
			var parts [][]porcupine.Operation
			for _, part := range slots {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return "" },
		Step: func(state, in, out any) (bool, any) {
			after, possible := lives(state.(string), in.(deed), out.(string))
			return possible, after
		},
	}, history)
}

// A session is a history in the making.
type session struct {
	apis  []api
	taken [3]atomic.Bool
	keys  [3]atomic.Pointer[reply]
	turn  atomic.Int64 // numbers requests and answers
	mu    sync.Mutex
	ops   []porcupine.Operation
}

func (s *session) record(client int, d deed, do func() (string, error)) error {
	call := s.turn.Add(1)
	answer, err := do()
	done := s.turn.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, porcupine.Operation{ClientId: client, Input: d, Call: call, Output: answer, Return: done})
	return err
}

// act has a client do one thing, at a server of its choice. Its error is one that no model allows.
func (s *session) act(client int, random *rand.Rand) error {
	a, slot := s.apis[random.IntN(len(s.apis))], random.IntN(len(s.taken))
	value := fmt.Sprint("the value of slot ", slot)
	if s.taken[slot].CompareAndSwap(false, true) {
		return s.record(client, deed{"share", slot}, func() (string, error) {
			r, err := a.share(value, "")
			if err == nil && r.status == 200 {
				s.keys[slot].Store(&r)
			}
			return fmt.Sprint(r.status), err
		})
	}
	keys := s.keys[slot].Load()
	if keys == nil {
		return nil // it is being shared
	}
	what := []string{"reveal", "reveal", "burn", "receipt"}[random.IntN(4)]
	return s.record(client, deed{what, slot}, func() (string, error) {
		var r reply
		var err error
		switch what {
		case "reveal":
			r, err = a.reveal(keys.SecretKey, "")
			if err == nil && r.status == 200 && r.Value != value {
				err = fmt.Errorf("another value came for slot %d", slot)
			}
		case "burn":
			r, err = a.burn(keys.Key)
		case "receipt":
			r, err = a.receipt(keys.Key)
			if err == nil && r.status == 200 {
				return r.state(), nil
			}
		}
		return fmt.Sprint(r.status), err
	})
}

// TestServedHistories has clients use three servers at random, and holds that doing one thing after another explains every
// answer: it does not show that there are several.
func TestServedHistories(t *testing.T) {
	engines(t, func(t *testing.T, e engine, args []string) {
		var apis []api
		for _, server := range newFleet(t, e, args...).start(t, 3) {
			apis = append(apis, server.api)
		}
		seen := map[string]int{}
		for n := range scale(50, 1000) {
			s := play(t, apis, n)
			for _, op := range s.ops {
				seen[op.Input.(deed).what+" "+op.Output.(string)]++
			}
			if !explained(s.ops) {
				t.Fatalf("no order of these explains them (history %d):\n%+v", n, s.ops)
			}
		}
		t.Log(seen)
		for _, outcome := range []string{"share 200", "reveal 200", "reveal 404", "burn 200", "burn 404", "receipt new", "receipt received", "receipt burned"} {
			if seen[outcome] == 0 {
				t.Errorf("%q never happened: the histories test less than they should", outcome)
			}
		}
	})
}

// play makes a history. Its number decides what the clients do, not how they meet.
func play(t *testing.T, apis []api, number int) *session {
	s := &session{apis: apis}
	var wg sync.WaitGroup
	for client := range 6 {
		random := rand.New(rand.NewPCG(uint64(number), uint64(client)))
		wg.Go(func() {
			for range 6 {
				if err := s.act(client, random); err != nil {
					t.Errorf("history %d: %v", number, err)
				}
			}
		})
	}
	wg.Wait()
	return s
}

// TestServedHistoriesFindPlantedBugs alters histories as the bugs would that they are to find.
func TestServedHistoriesFindPlantedBugs(t *testing.T) {
	one := []porcupine.Operation{
		{ClientId: 0, Input: deed{"share", 0}, Call: 1, Output: "200", Return: 2},
		{ClientId: 0, Input: deed{"reveal", 0}, Call: 3, Output: "200", Return: 6},
		{ClientId: 1, Input: deed{"reveal", 0}, Call: 4, Output: "404", Return: 5},
		{ClientId: 1, Input: deed{"receipt", 0}, Call: 7, Output: "received", Return: 8},
	}
	if !explained(one) {
		t.Fatal("a history that is in order is not explained")
	}
	for name, alter := range map[string]func([]porcupine.Operation){
		"revealed twice":                  func(ops []porcupine.Operation) { ops[2].Output = "200" },
		"revealed to nobody":              func(ops []porcupine.Operation) { ops[1].Output = "404" },
		"the receipt is from before":      func(ops []porcupine.Operation) { ops[3].Output = "new" },
		"the receipt says something else": func(ops []porcupine.Operation) { ops[3].Output = "burned" },
		"an error":                        func(ops []porcupine.Operation) { ops[1].Output = "500" },
		"gone before it was revealed": func(ops []porcupine.Operation) {
			ops[1].Call, ops[2].Return = 6, 5
			ops[1].Return = 7
			ops[3].Call, ops[3].Return = 8, 9
		},
	} {
		altered := slices.Clone(one)
		alter(altered)
		if explained(altered) {
			t.Errorf("%s: it is explained", name)
		}
	}
}
