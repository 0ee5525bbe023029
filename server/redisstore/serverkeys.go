package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime/server/vault"
)

// A server key is removed for good in all partitions, which no single step reaches. So an attempt has a number, and each
// partition keeps that of the latest one that it has heard of: what an earlier one asks for comes too late there, and
// attempts that meet, or that were broken off, do no harm. See scripts/bar.lua.

var errLate = errors.New("the server key is added or removed elsewhere at the same time")

func (s *Store) serverKeys() []string { return []string{s.global().key("keys"), s.global().meta()} }

// ServerKeys implements vault.Store.
func (s *Store) ServerKeys(ctx context.Context) ([]vault.KeyID, error) {
	var ids []vault.KeyID
	err := s.call(ctx, "server keys", func() error {
		texts, err := s.ask(ctx, s.client.B().Lrange().Key(s.serverKeys()[0]).Start(0).Stop(-1).Build())[0].AsStrSlice()
		for _, text := range texts {
			if len(text) != keyIDLength {
				return vault.ErrDamaged
			}
			ids = append(ids, vault.KeyID([]byte(text)))
		}
		return err
	})
	return ids, err
}

// AddServerKey implements vault.Store. Where a removal of the key was broken off, it is undone first.
func (s *Store) AddServerKey(ctx context.Context, id vault.KeyID) error {
	return s.call(ctx, "add server key", func() error {
		add := step{addKeyScript, s.serverKeys(), []string{string(id[:])}}
		outcome, err := s.answer(ctx, add)
		if err != nil || outcome == "ok" {
			return err
		}
		if outcome == "removed" {
			return vault.ErrKeyRemoved
		}
		if err := s.undoRemoval(ctx, id, outcome); err != nil {
			return err
		}
		if outcome, err = s.answer(ctx, add); err != nil || outcome == "ok" {
			return err
		}
		return errLate
	})
}

// answer makes a step whose answer is a word or a number.
func (s *Store) answer(ctx context.Context, st step) (string, error) {
	result, err := s.write(ctx, st)
	if err != nil {
		return "", err
	}
	if number, err := result.AsInt64(); err == nil {
		return strconv.FormatInt(number, 10), nil
	}
	return result.ToString()
}

// RemoveServerKey implements vault.Store.
func (s *Store) RemoveServerKey(ctx context.Context, id vault.KeyID) error {
	return s.call(ctx, "remove server key", func() error {
		attempt, err := s.answer(ctx, step{beginRemovalScript, s.serverKeys()[1:], []string{string(id[:])}})
		switch {
		case err != nil || attempt == "done":
			return err
		case attempt == "used":
			return vault.ErrKeyInUse
		}
		err = s.barAll(ctx, id, attempt)
		if errors.Is(err, vault.ErrKeyInUse) {
			return errors.Join(err, s.undoRemoval(ctx, id, attempt))
		}
		if err != nil {
			return err
		}
		return s.endRemoval(ctx, id, attempt, "done")
	})
}

// barAll bars a key in all partitions, but returns ErrKeyInUse where it is used in one. It looks everywhere first, so that
// a key that is in use is seldom barred in passing.
func (s *Store) barAll(ctx context.Context, id vault.KeyID, attempt string) error {
	uses, err := s.uses(ctx)
	if err != nil {
		return err
	}
	if _, used := uses[id]; used {
		return vault.ErrKeyInUse
	}
	return s.barEach(ctx, id, attempt, "b")
}

// undoRemoval opens all partitions to a key again.
func (s *Store) undoRemoval(ctx context.Context, id vault.KeyID, attempt string) error {
	if err := s.barEach(ctx, id, attempt, "o"); err != nil {
		return err
	}
	return s.endRemoval(ctx, id, attempt, "undone")
}

func (s *Store) barEach(ctx context.Context, id vault.KeyID, attempt, letter string) error {
	for some := range s.some() {
		var steps []step
		for _, p := range some {
			steps = append(steps, step{barScript, []string{p.meta()}, []string{string(id[:]), attempt, letter}})
		}
		for _, result := range s.runAll(ctx, steps) {
			switch outcome, err := result.ToString(); {
			case err != nil:
				return err
			case outcome == "used":
				return vault.ErrKeyInUse
			case outcome == "late":
				return errLate
			}
		}
	}
	return nil
}

func (s *Store) endRemoval(ctx context.Context, id vault.KeyID, attempt, how string) error {
	outcome, err := s.answer(ctx, step{endRemovalScript, s.serverKeys(), []string{string(id[:]), attempt, how}})
	if err == nil && outcome != "1" {
		err = errLate
	}
	return err
}

// KeysInUse implements vault.Store.
func (s *Store) KeysInUse(ctx context.Context) ([]vault.KeyUse, error) {
	var all []vault.KeyUse
	err := s.call(ctx, "keys in use", func() error {
		uses, err := s.uses(ctx)
		for _, use := range uses {
			all = append(all, *use)
		}
		return err
	})
	return all, err
}

// uses adds up what the meta hashes say.
func (s *Store) uses(ctx context.Context) (map[vault.KeyID]*vault.KeyUse, error) {
	uses := map[vault.KeyID]*vault.KeyUse{}
	metas := []string{s.global().meta()}
	for some := range s.some() {
		for _, p := range some {
			metas = append(metas, p.meta())
		}
		var commands []valkey.Completed
		for _, meta := range metas {
			commands = append(commands, s.client.B().Hgetall().Key(meta).Build())
		}
		for _, result := range s.ask(ctx, commands...) {
			meta, err := result.AsStrMap()
			if err != nil {
				return nil, err
			}
			for field, value := range meta {
				addUse(uses, field, value)
			}
		}
		metas = metas[:0]
	}
	return uses, nil
}

// addUse adds a field of a meta hash: what it is about, then the id of a server key.
func addUse(uses map[vault.KeyID]*vault.KeyUse, field, value string) {
	about := len(field) - keyIDLength
	number, err := strconv.ParseInt(value, 10, 64)
	if about < 0 || err != nil {
		return
	}
	id := vault.KeyID([]byte(field[about:]))
	use := uses[id]
	if use == nil {
		use = &vault.KeyUse{ID: id}
	}
	switch field[:about] {
	case "secrets":
		use.Secrets += int(number)
	case "receipts":
		use.Receipts += int(number)
	case "accounts":
		use.Accounts += int(number)
	case "until":
		use.Until = later(use.Until, time.UnixMilli(number).UTC())
	default:
		return
	}
	uses[id] = use
}
