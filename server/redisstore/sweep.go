package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime/server/vault"
)

// Sweep implements vault.Store. It goes from partition to partition, and takes what has expired in each in one step. Those
// of several servers do not get in each other's way.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (vault.Swept, error) {
	var swept vault.Swept
	err := s.call(ctx, "sweep", func() error {
		if err := s.raise(ctx, now); err != nil {
			return err
		}
		for some := range s.some() {
			for _, kind := range []struct {
				sweep func(context.Context, []partition, time.Time, int) (int, error)
				count *int
			}{
				{s.sweepSecrets, &swept.Secrets}, {s.sweepReceipts, &swept.Receipts}, {s.sweepTallies, &swept.Tallies},
			} {
				count, err := kind.sweep(ctx, some, now, limit-*kind.count)
				*kind.count += count
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	return swept, err
}

// expired returns, of an index by expiry in some partitions, the entries of what has expired, at most limit in all.
func (s *Store) expired(ctx context.Context, some []partition, index func(partition) string, now time.Time, limit int) ([][]string, error) {
	if limit <= 0 {
		return make([][]string, len(some)), nil
	}
	var commands []valkey.Completed
	for _, p := range some {
		commands = append(commands, s.client.B().Zrange().Key(index(p)).Min("-inf").Max(millis(now)).
			Byscore().Limit(0, int64(limit)).Build())
	}
	entries := make([][]string, len(some))
	for i, result := range s.ask(ctx, commands...) {
		found, err := result.AsStrSlice()
		if err != nil {
			return nil, err
		}
		entries[i] = found[:min(len(found), limit)]
		limit -= len(entries[i])
	}
	return entries, nil
}

func (s *Store) sweepSecrets(ctx context.Context, some []partition, now time.Time, limit int) (int, error) {
	entries, err := s.expired(ctx, some, partition.secrets, now, limit)
	if err != nil {
		return 0, err
	}
	var steps []step
	for i, p := range some {
		if len(entries[i]) == 0 {
			continue
		}
		st := step{sweepSecretsScript, []string{p.secrets(), p.owned(), p.meta()}, []string{millis(now)}}
		for _, entry := range entries[i] {
			secret, receipt := pairOf(entry)
			st.keys = append(st.keys, p.secret(secret), p.receipt(receipt))
			st.args = append(st.args, entry)
		}
		steps = append(steps, st)
	}
	return s.sum(ctx, steps)
}

// sum makes steps that each return a number.
func (s *Store) sum(ctx context.Context, steps []step) (int, error) {
	sum := 0
	if len(steps) == 0 {
		return sum, nil
	}
	for _, result := range s.runAll(ctx, steps) {
		count, err := result.AsInt64()
		if err != nil {
			return sum, err
		}
		sum += int(count)
	}
	return sum, nil
}

func (s *Store) sweepReceipts(ctx context.Context, some []partition, now time.Time, limit int) (int, error) {
	entries, err := s.expired(ctx, some, partition.receipts, now, limit)
	if err != nil {
		return 0, err
	}
	var steps []step
	var of []partition
	for i, p := range some {
		if len(entries[i]) == 0 {
			continue
		}
		st := step{sweepReceiptsScript, []string{p.receipts(), p.meta()}, []string{millis(now)}}
		for _, entry := range entries[i] {
			st.keys = append(st.keys, p.receipt(entry[keyIDLength:]))
			st.args = append(st.args, entry)
		}
		steps, of = append(steps, st), append(of, p)
	}
	if len(steps) == 0 {
		return 0, nil
	}
	swept := 0
	gone := map[vault.ListID][]string{}
	for i, result := range s.runAll(ctx, steps) {
		deleted, err := result.ToArray()
		if err != nil {
			return swept, err
		}
		for ; len(deleted) >= 2; deleted = deleted[2:] {
			swept++
			number, err := deleted[0].AsInt64() // Lua counts from 1
			list, listErr := deleted[1].ToString()
			if err != nil || listErr != nil || len(list) != len(vault.ListID{}) {
				continue
			}
			id := of[i].id(steps[i].args[number-1][keyIDLength:])
			gone[vault.ListID([]byte(list))] = append(gone[vault.ListID([]byte(list))], string(id[:]))
		}
	}
	return swept, s.unlist(ctx, gone)
}

// unlist takes receipts that are gone from their lists. Entries that stay behind are ignored.
func (s *Store) unlist(ctx context.Context, gone map[vault.ListID][]string) error {
	var steps []step
	for list, ids := range gone {
		steps = append(steps, step{unlistScript, s.list(list), ids})
	}
	_, err := s.sum(ctx, steps)
	return err
}

func (s *Store) sweepTallies(ctx context.Context, some []partition, now time.Time, limit int) (int, error) {
	entries, err := s.expired(ctx, some, func(p partition) string { return p.tallies()[1] }, now, limit)
	if err != nil {
		return 0, err
	}
	var steps []step
	for i, p := range some {
		if count := len(entries[i]); count > 0 {
			steps = append(steps, step{sweepTalliesScript, p.tallies(), []string{millis(now), strconv.Itoa(count)}})
		}
	}
	return s.sum(ctx, steps)
}
