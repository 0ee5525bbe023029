package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// record returns the bytes of a record, or ErrNoRecord.
func record(result valkey.ValkeyResult) ([]byte, error) {
	b, err := result.AsBytes()
	if valkey.IsValkeyNil(err) {
		return nil, vault.ErrNoRecord
	}
	return b, err
}

func (s *Store) get(ctx context.Context, key string) ([]byte, error) {
	return record(s.ask(ctx, s.client.B().Get().Key(key).Build())[0])
}

// Secret implements vault.Store.
func (s *Store) Secret(ctx context.Context, id vault.ID) (vault.SecretRecord, error) {
	var r vault.SecretRecord
	err := s.call(ctx, "secret", func() error {
		b, err := s.get(ctx, s.partitionOf(id).secret(hash(id)))
		if err == nil {
			r, err = decodeSecret(id, b)
		}
		return err
	})
	return r, err
}

// Receipt implements vault.Store.
func (s *Store) Receipt(ctx context.Context, id vault.ID) (vault.ReceiptRecord, error) {
	var r vault.ReceiptRecord
	err := s.call(ctx, "receipt", func() error {
		found, err := s.readReceipts(ctx, []vault.ID{id})
		if err == nil && len(found) == 0 {
			err = vault.ErrNoRecord
		}
		if err == nil {
			r = found[id]
		}
		return err
	})
	return r, err
}

// readReceipts returns those of some receipts that are there.
func (s *Store) readReceipts(ctx context.Context, ids []vault.ID) (map[vault.ID]vault.ReceiptRecord, error) {
	found, err := s.getReceipts(ctx, ids)
	if err != nil {
		return nil, err
	}
	var unknown []vault.ID // of which the record does not say that their secrets are gone
	for _, id := range ids {
		if r, ok := found[id]; ok && r.Claim == (vault.ClaimID{}) && r.State != onetime.StateExpired {
			unknown = append(unknown, id)
		}
	}
	gone, err := s.lookForSecrets(ctx, found, unknown)
	if err != nil || len(gone) == 0 {
		return found, err
	}
	// A secret that is gone now may have been there when its receipt was read, which says then how it went.
	again, err := s.getReceipts(ctx, gone)
	for _, id := range gone {
		if r, ok := again[id]; ok {
			found[id] = r
		} else {
			delete(found, id)
		}
	}
	return found, err
}

func (s *Store) getReceipts(ctx context.Context, ids []vault.ID) (map[vault.ID]vault.ReceiptRecord, error) {
	found := make(map[vault.ID]vault.ReceiptRecord, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	var commands []valkey.Completed
	for _, id := range ids {
		commands = append(commands, s.client.B().Get().Key(s.partitionOf(id).receipt(hash(id))).Build())
	}
	for i, result := range s.ask(ctx, commands...) {
		b, err := record(result)
		if err == vault.ErrNoRecord {
			continue
		}
		if err == nil {
			found[ids[i]], err = decodeReceipt(ids[i], b)
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// lookForSecrets sets SecretStands of some receipts, and returns those whose secrets are gone.
func (s *Store) lookForSecrets(ctx context.Context, receipts map[vault.ID]vault.ReceiptRecord, ids []vault.ID) (gone []vault.ID, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var commands []valkey.Completed
	for _, id := range ids {
		secret := receipts[id].SecretID
		commands = append(commands, s.client.B().Exists().Key(s.partitionOf(secret).secret(hash(secret))).Build())
	}
	for i, result := range s.ask(ctx, commands...) {
		stands, err := result.AsBool()
		if err != nil {
			return nil, err
		}
		r := receipts[ids[i]]
		r.SecretStands = stands
		receipts[ids[i]] = r
		if !stands {
			gone = append(gone, ids[i])
		}
	}
	return gone, nil
}

// Recent implements vault.Store. Newest is what was listed last. A list keeps its newest 500 entries.
func (s *Store) Recent(ctx context.Context, list vault.ListID, limit int) ([]vault.RecentRecord, error) {
	var records []vault.RecentRecord
	err := s.call(ctx, "recent", func() error {
		for from := 0; len(records) < limit; from += limit {
			some, more, err := s.readList(ctx, list, from, limit)
			if err != nil {
				return err
			}
			records = append(records, some[:min(len(some), limit-len(records))]...)
			if !more {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}

// readList returns those of some entries of a list whose receipts are there, and whether there may be more.
func (s *Store) readList(ctx context.Context, list vault.ListID, from, count int) (records []vault.RecentRecord, more bool, err error) {
	keys := s.list(list)
	entries, err := s.ask(ctx, s.client.B().Zrange().Key(keys[0]).
		Min(strconv.Itoa(from)).Max(strconv.Itoa(from+count-1)).Rev().Build())[0].AsStrSlice()
	if err != nil || len(entries) == 0 {
		return nil, false, err
	}
	ids := make([]vault.ID, len(entries))
	for i, entry := range entries {
		if len(entry) != len(vault.ID{}) {
			return nil, false, vault.ErrDamaged
		}
		ids[i] = vault.ID([]byte(entry))
	}
	sealed, err := s.ask(ctx, s.client.B().Hmget().Key(keys[1]).Field(entries...).Build())[0].ToArray()
	if err != nil {
		return nil, false, err
	}
	receipts, err := s.readReceipts(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	for i, id := range ids {
		receipt, stands := receipts[id]
		key, err := sealed[i].AsBytes()
		if !stands || valkey.IsValkeyNil(err) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		records = append(records, vault.RecentRecord{List: list, Sealed: key, Receipt: receipt})
	}
	return records, len(entries) == count, nil
}

// Live implements vault.Store.
func (s *Store) Live(ctx context.Context) (int64, error) {
	var live int64
	err := s.call(ctx, "live", func() error {
		for some := range s.some() {
			var commands []valkey.Completed
			for _, p := range some {
				commands = append(commands, s.client.B().Zcard().Key(p.secrets()).Build())
			}
			for _, result := range s.ask(ctx, commands...) {
				count, err := result.AsInt64()
				if err != nil {
					return err
				}
				live += count
			}
		}
		return nil
	})
	return live, err
}

// HighWater implements vault.Store.
func (s *Store) HighWater(ctx context.Context) (time.Time, error) {
	var highest time.Time
	err := s.call(ctx, "high water", func() error {
		for some := range s.some() {
			commands := []valkey.Completed{s.client.B().Hget().Key(s.global().meta()).Field("high").Build()}
			for _, p := range some {
				commands = append(commands, s.client.B().Hget().Key(p.meta()).Field("high").Build())
			}
			for _, result := range s.ask(ctx, commands...) {
				ms, err := result.AsInt64()
				if valkey.IsValkeyNil(err) {
					continue
				}
				if err != nil {
					return err
				}
				highest = later(highest, time.UnixMilli(ms).UTC())
			}
		}
		return nil
	})
	return highest, err
}
