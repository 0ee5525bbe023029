package proof

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// A journal notes what servers have acknowledged, and finds out whether it still holds. Its methods may be called
// concurrently.
type journal struct {
	mu       sync.Mutex
	entries  []*entry
	problems []string
	// faults says that servers may answer 500, which leaves open whether anything was done.
	faults bool
	failed int // how often they did
	// longest is a little less than how long values are at most; 0 stands for 9,000 bytes.
	longest int
}

// An entry is a secret whose share was acknowledged.
type entry struct {
	number                 int
	value, key, receiptKey string
	revealed, burned       int    // acknowledged
	revealLost, burnLost   bool   // asked for, and not answered
	gone                   bool   // somebody was told that there is no such secret
	state                  string // that the receipt has shown, once it was not new any more
}

func (j *journal) problem(e *entry, format string, args ...any) {
	j.problems = append(j.problems, fmt.Sprintf("secret %d: ", e.number)+fmt.Sprintf(format, args...)+fmt.Sprintf(
		" (revealed %d, burned %d, replies lost: reveal %t, burn %t)", e.revealed, e.burned, e.revealLost, e.burnLost))
}

func (j *journal) check(r reply, allowed ...int) bool {
	for _, status := range allowed {
		if r.status == status {
			return true
		}
	}
	if r.status == 500 {
		j.failed++
	}
	if r.status != 500 || !j.faults {
		j.problems = append(j.problems, fmt.Sprintf("answered %d: %s", r.status, r.body))
	}
	return false
}

// recent is how many of the last entries are used by everybody at once.
const recent = 32

// act does one random thing. It returns an error if there was no answer.
func (j *journal) act(a api, random *rand.Rand) error {
	j.mu.Lock()
	var e *entry
	if n := len(j.entries); n > 0 {
		e = j.entries[n-1-random.IntN(min(n, recent))]
	}
	j.mu.Unlock()
	switch dice := random.IntN(10); {
	case e == nil || dice < 4:
		return j.share(a, random)
	case dice < 7:
		return j.reveal(a, e)
	case dice < 8:
		return j.burn(a, e)
	default:
		return j.look(a, e)
	}
}

func (j *journal) share(a api, random *rand.Rand) error {
	value := fmt.Sprintf("value %d %s", random.Uint64(), strings.Repeat("z", random.IntN(cmp.Or(j.longest, 9000))))
	r, err := a.share(value, "")
	if err != nil {
		return err // nobody knows its key
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.check(r, 200) {
		j.entries = append(j.entries, &entry{number: len(j.entries), value: value, key: r.SecretKey, receiptKey: r.Key})
	}
	return nil
}

func (j *journal) reveal(a api, e *entry) error {
	wasGone := j.isGone(e)
	r, err := a.reveal(e.key, "")
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil || r.status == 500 {
		e.revealLost = true
	}
	if err != nil {
		return err
	}
	if r.status != 200 && strings.Contains(r.body, e.value[:24]) {
		j.problem(e, "an answer %d holds the value", r.status)
	}
	if !j.check(r, 200, 404) {
		return nil
	}
	if r.status == 404 {
		e.gone = true
		return nil
	}
	e.revealed++
	e.gone = true
	if r.Value != e.value {
		j.problem(e, "another value came")
	}
	if wasGone {
		j.problem(e, "it came back")
	}
	if e.revealed+e.burned > 1 {
		j.problem(e, "it was consumed twice")
	}
	return nil
}

func (j *journal) isGone(e *entry) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return e.gone
}

func (j *journal) burn(a api, e *entry) error {
	wasGone := j.isGone(e)
	r, err := a.burn(e.receiptKey)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil || r.status == 500 {
		e.burnLost = true
	}
	if err != nil {
		return err
	}
	if !j.check(r, 200, 404) {
		return nil
	}
	if r.status == 200 {
		e.burned++
		if wasGone {
			j.problem(e, "it came back")
		}
		if e.revealed+e.burned > 1 {
			j.problem(e, "it was consumed twice")
		}
	}
	e.gone = true
	return nil
}

// look asks for the receipt. What was once seen there stays.
func (j *journal) look(a api, e *entry) error {
	j.mu.Lock()
	before := e.state
	j.mu.Unlock()
	r, err := a.receipt(e.receiptKey)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.status == 404 {
		j.problem(e, "it is lost, with its receipt")
		return nil
	}
	if !j.check(r, 200) {
		return nil
	}
	if before != "" && r.state() != before {
		j.problem(e, "the receipt says %s after %s", r.state(), before)
	}
	if r.state() != "new" {
		e.state = r.state()
	}
	if received := r.state() == "received"; received != (r.Received > 0) || received != (r.SecretKey == "") ||
		!received && r.SecretKey != e.key {
		j.problem(e, "the receipt contradicts itself: %s", r.state())
	}
	return nil
}

// settle compares entries, from one of them on, with what a server says while nobody else asks it. It reveals every
// other one that is there.
func (j *journal) settle(a api, from int) error {
	for _, e := range j.entries[from:] {
		if err := j.look(a, e); err != nil {
			return err
		}
		r, err := a.receipt(e.receiptKey)
		if err != nil {
			return err
		}
		if r.status != 200 {
			continue // look has noted it
		}
		state := r.state()
		switch {
		case e.revealed > 0 && state != "received", e.burned > 0 && state != "burned",
			e.gone && state == "new",
			e.revealed == 0 && !e.revealLost && state == "received",
			e.burned == 0 && !e.burnLost && state == "burned",
			state != "new" && state != "received" && state != "burned":
			j.problem(e, "the receipt says %s", state)
			e.gone = state != "new"
		}
		if state == "new" && e.number%2 == 0 {
			continue
		}
		if err := j.reveal(a, e); err != nil {
			return err
		}
		if r, err := a.reveal(e.key, ""); err != nil || r.status != 404 {
			j.problem(e, "a second reveal is answered %d, %v", r.status, err)
		}
		if consumed := e.revealed > 0; state == "new" && !consumed {
			j.problem(e, "it is there, and is not revealed")
		}
	}
	return nil
}

// random is a source that no other test shares.
func random() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }
