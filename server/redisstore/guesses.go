package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// A tally is one of those that a guess is counted in.
type tally struct {
	name  string
	limit vault.GuessLimit
}

// talliesOf returns the tallies of a guess: the caller's, and two of all callers.
func talliesOf(guess vault.Guess) []tally {
	record := hash(guess.ID)
	return []tally{
		{"c" + record + string(guess.Caller[:]), guess.PerCaller},
		{"a" + record, guess.InAll},
		{"l" + record, guess.InLife},
	}
}

func durationMillis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// ReserveGuess implements vault.Store. Each partition keeps as many tallies as guess.Keep says. A guess that was counted on the
// primary, and not as durably as it has to be, is not let through, and is taken back as far as that can be: else a replica that
// is down would lock out who knows the passphrase.
func (s *Store) ReserveGuess(ctx context.Context, guess vault.Guess) (time.Duration, error) {
	args := []string{millis(guess.Now), strconv.Itoa(guess.Keep)}
	for _, t := range talliesOf(guess) {
		args = append(args, t.name, strconv.Itoa(t.limit.Most), durationMillis(t.limit.Window), durationMillis(t.limit.Lock))
	}
	var locked int64
	err := s.call(ctx, "reserve a guess", func() error {
		result, err := s.write(ctx, step{reserveScript, s.partitionOf(guess.ID).tallies(), args})
		switch {
		case err == nil:
			locked, err = result.AsInt64()
		default:
			if refused, lost := result.AsInt64(); lost == nil && refused == 0 { // it was counted
				_ = s.run(context.WithoutCancel(ctx), s.refund(guess))
			}
		}
		return err
	})
	return time.Duration(locked) * time.Millisecond, err
}

// RefundGuess implements vault.Store.
func (s *Store) RefundGuess(ctx context.Context, guess vault.Guess) error {
	return s.call(ctx, "refund a guess", func() error {
		_, err := s.write(ctx, s.refund(guess))
		return err
	})
}

func (s *Store) refund(guess vault.Guess) step {
	args := []string{millis(guess.Now)}
	for _, t := range talliesOf(guess) {
		args = append(args, t.name, strconv.Itoa(t.limit.Most), durationMillis(t.limit.Window))
	}
	return step{refundScript, s.partitionOf(guess.ID).tallies(), args}
}
