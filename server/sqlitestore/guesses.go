package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// What stands in the place of a caller in the tallies of all of them. The id of a caller has more bytes.
var (
	allCallers       = []byte{1}
	allCallersInLife = []byte{2}
)

// A tally is one of the three that a guess is counted in.
type tally struct {
	record, caller []byte
	limit          vault.GuessLimit
	count          int
	ends           int64 // Unix milliseconds
}

func talliesOf(g vault.Guess) []tally {
	return []tally{
		{record: g.ID[:], caller: g.Caller[:], limit: g.PerCaller},
		{record: g.ID[:], caller: allCallers, limit: g.InAll},
		{record: g.ID[:], caller: allCallersInLife, limit: g.InLife},
	}
}

// read fills in what is stored; nothing, if it is over.
func (t *tally) read(tx session, now time.Time) error {
	err := tx.row(selectTally, t.record, t.caller, now.UnixMilli()).Scan(&t.count, &t.ends)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

func (t *tally) full() bool { return t.count >= t.limit.Most }

func (t *tally) put(tx session, now time.Time) error {
	return tx.exec(putTally, t.record, t.caller, t.count, t.ends, now.UnixMilli())
}

// ReserveGuess implements vault.Store.
func (s *Store) ReserveGuess(ctx context.Context, guess vault.Guess) (time.Duration, error) {
	var locked time.Duration
	err := s.write(ctx, "reserve a guess", change{do: func(tx session) (err error) {
		locked, err = reserve(tx, guess)
		return err
	}})
	return locked, err
}

func reserve(tx session, guess vault.Guess) (locked time.Duration, err error) {
	tallies := talliesOf(guess)
	for i := range tallies {
		t := &tallies[i]
		if err := t.read(tx, guess.Now); err != nil {
			return 0, err
		}
		if t.full() {
			locked = max(locked, time.UnixMilli(t.ends).Sub(guess.Now))
		}
	}
	if locked > 0 {
		return locked, nil
	}
	for _, t := range tallies {
		if err := t.add(tx, guess.Now); err != nil {
			return 0, err
		}
	}
	return 0, forget(tx, guess.Keep)
}

// add counts one.
func (t *tally) add(tx session, now time.Time) error {
	t.count++
	switch {
	case t.full():
		t.ends = now.Add(t.limit.Lock).UnixMilli()
	case t.count == 1:
		t.ends = now.Add(t.limit.Window).UnixMilli()
	}
	return t.put(tx, now)
}

// forget deletes the tallies that are too many.
func forget(tx session, keep int) error {
	var count int
	if err := tx.row(countTallies).Scan(&count); err != nil || count <= keep {
		return err
	}
	return tx.exec(forgetTallies, count-keep)
}

// RefundGuess implements vault.Store.
func (s *Store) RefundGuess(ctx context.Context, guess vault.Guess) error {
	return s.write(ctx, "refund a guess", change{do: func(tx session) error {
		for _, t := range talliesOf(guess) {
			if err := t.refund(tx, guess.Now); err != nil {
				return err
			}
		}
		return nil
	}})
}

func (t *tally) refund(tx session, now time.Time) error {
	if err := t.read(tx, now); err != nil || t.count == 0 {
		return err
	}
	if t.full() {
		t.ends = now.Add(t.limit.Window).UnixMilli()
	}
	if t.count--; t.count == 0 {
		return tx.exec(deleteTally, t.record, t.caller)
	}
	return t.put(tx, now)
}
