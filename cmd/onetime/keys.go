package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime/server/vault"
)

func newKeys(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Replace the server keys of a data folder's keyring",
		Long: `Replace the server keys of a data folder's keyring.

The active key seals what is new; the others open what is older. To replace it, add
a key, copy the keyring to every server that uses it, and activate the key. When nothing
needs the old one any more, which takes as long as receipts live, 60 days at most, prune
it. Servers may run meanwhile, and take up a changed keyring within half a minute.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysInit(), newKeysList(r), newKeysAdd(), newKeysActivate(), newKeysPrune())
	return cmd
}

// A ring is the keyring of a data folder, with the vault that it belongs to.
type ring struct {
	path  string
	vault *vault.Vault
	store vault.Store
}

// withRing opens the ring of a place for as long as do runs.
func withRing(ctx context.Context, at place, do func(ring) error) error {
	path, err := at.keyringPath()
	if err != nil {
		return err
	}
	return at.with(ctx, func(v *vault.Vault, store vault.Store) error { return do(ring{path, v, store}) })
}

func newKeysInit() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the first keyring of a store that servers share, and print the id of its key",
		Long: `Make the first keyring of a store that servers share, with one active key, and print the
id of that key alone on standard output. Copy the file to every server before you start
it. A store that has records gets no new keyring, which would open none of them.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return initKeys(cmd, at) },
	}
	addPlaceFlags(cmd, &at)
	return cmd
}

func initKeys(cmd *cobra.Command, at place) (err error) {
	path, err := at.keyringPath()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return usageError{fmt.Errorf("the keyring %s is there", path)}
	}
	store, err := at.openStore(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if _, err := overStore(cmd.Context(), path, store, vault.Config{}); err != nil {
		return err
	}
	keys, err := store.ServerKeys(cmd.Context())
	if err != nil {
		return err
	}
	hint(cmd, "copy %s to every server of this store, and keep a copy elsewhere: without it nothing can be opened", path)
	_, err = fmt.Fprintln(cmd.OutOrStdout(), keys[len(keys)-1])
	return err
}

func newKeysList(r *remote) *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys, and what needs them",
		Long: `List the keys, in the order in which they were added: id, time of creation, whether it
is active, how many secrets, receipts and accounts were sealed with it, and when the last
of those secrets and receipts expires. Elsewhere than on a terminal, the columns are
separated by tabs, and there is no heading.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.settle(cmd); err != nil {
				return err
			}
			return withRing(cmd.Context(), at, func(keys ring) error { return keys.list(cmd, r) })
		},
	}
	addPlaceFlags(cmd, &at)
	r.addOutputFlags(cmd.Flags())
	return cmd
}

// keyFields is a server key for programs.
type keyFields struct {
	ID       string `json:"id"`
	Created  int64  `json:"created"` // Unix seconds
	Active   bool   `json:"active"`
	Secrets  int    `json:"secrets"`
	Receipts int    `json:"receipts"`
	Accounts int    `json:"accounts"`
	Until    int64  `json:"until,omitempty"` // Unix seconds
}

func (r ring) list(cmd *cobra.Command, to *remote) error {
	keys, err := vault.LoadKeyring(cmd.Context(), r.path, r.store)
	if err != nil {
		return err
	}
	uses, err := r.store.KeysInUse(cmd.Context())
	if err != nil {
		return err
	}
	fields, rows := []keyFields{}, [][]string{}
	for _, key := range keys.Keys() {
		state, use := "-", useOf(uses, key.ID)
		if key.Active {
			state = "active"
		}
		fields = append(fields, keyFields{key.ID.String(), unixSeconds(key.Created), key.Active, use.Secrets, use.Receipts, use.Accounts,
			unixSeconds(use.Until)})
		rows = append(rows, []string{key.ID.String(), timeText(key.Created), state, strconv.Itoa(use.Secrets),
			strconv.Itoa(use.Receipts), strconv.Itoa(use.Accounts), timeText(use.Until)})
	}
	heading := []string{"ID", "CREATED", "STATE", "SECRETS", "RECEIPTS", "ACCOUNTS", "UNTIL"}
	return to.print(cmd, fields, columns(cmd.OutOrStdout(), heading, rows))
}

func useOf(uses []vault.KeyUse, id vault.KeyID) vault.KeyUse {
	for _, use := range uses {
		if use.ID == id {
			return use
		}
	}
	return vault.KeyUse{ID: id}
}

func newKeysAdd() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Make a key that is not active yet, and print its id",
		Long: `Make a key at the end of the keyring, not active yet, and print its id alone on standard
output. Copy the keyring to every server that uses it before you activate the key.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRing(cmd.Context(), at, func(r ring) error {
				id, err := vault.AddKey(cmd.Context(), r.path)
				if err != nil {
					return err
				}
				hint(cmd, "the key is not active: copy the keyring to all servers, then: onetime keys activate %s", id)
				_, err = fmt.Fprintln(cmd.OutOrStdout(), id)
				return err
			})
		},
	}
	addPlaceFlags(cmd, &at)
	return cmd
}

func newKeysActivate() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "activate ID",
		Short: "Make a key the one that seals what is new",
		Long: `Make a key the one that seals what is new. Every server must have it in its keyring by
then: one that has not answers 500 for what the others seal, and consumes none of it.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := vault.ParseKeyID(args[0])
			if err != nil {
				return usageError{err}
			}
			return withRing(cmd.Context(), at, func(r ring) error {
				err := vault.ActivateKey(cmd.Context(), r.path, r.store, id)
				if errors.Is(err, vault.ErrNoKey) || errors.Is(err, vault.ErrKeyRemoved) {
					return usageError{err}
				}
				return err
			})
		},
	}
	addPlaceFlags(cmd, &at)
	return cmd
}

func newKeysPrune() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "prune [ID]",
		Short: "Remove keys that nothing needs any more, and print their ids",
		Long: `Remove a key that nothing needs any more, or, without an id, all of them that have been
active, and print their ids. A key is needed by the secrets and receipts that it sealed,
until they expire, and by accounts, until they are used under a newer key, or removed.

A removed key cannot come back: a server that still has the old keyring does not start,
and a server that runs with it can store nothing until it has read the new one.`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return withRing(cmd.Context(), at, func(r ring) error { return r.pruneAll(cmd) })
			}
			id, err := vault.ParseKeyID(args[0])
			if err != nil {
				return usageError{err}
			}
			return withRing(cmd.Context(), at, func(r ring) error { return r.prune(cmd, id) })
		},
	}
	addPlaceFlags(cmd, &at)
	return cmd
}

// pruneAll tries all keys but the active one, and those that were never active, which may be about to be.
func (r ring) pruneAll(cmd *cobra.Command) error {
	keys, err := vault.LoadKeyring(cmd.Context(), r.path, r.store)
	if err != nil {
		return err
	}
	used, err := r.store.ServerKeys(cmd.Context())
	if err != nil {
		return err
	}
	for _, key := range keys.Keys() {
		if key.Active || !slices.Contains(used, key.ID) {
			continue
		}
		err := r.prune(cmd, key.ID)
		if errors.Is(err, vault.ErrKeyInUse) {
			hint(cmd, "%v", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (r ring) prune(cmd *cobra.Command, id vault.KeyID) error {
	if err := r.vault.Sweep(cmd.Context()); err != nil { // what has expired needs no key
		return err
	}
	err := vault.PruneKey(cmd.Context(), r.path, r.store, id)
	switch {
	case errors.Is(err, vault.ErrKeyInUse):
		return r.whyInUse(cmd.Context(), id)
	case errors.Is(err, vault.ErrNoKey), errors.Is(err, vault.ErrKeyActive):
		return usageError{err}
	case err != nil:
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), id)
	return err
}

// whyInUse says what needs a key, and until when.
func (r ring) whyInUse(ctx context.Context, id vault.KeyID) error {
	uses, err := r.store.KeysInUse(ctx)
	if err != nil {
		return err
	}
	accounts, err := r.store.Accounts(ctx)
	if err != nil {
		return err
	}
	var reasons []string
	if use := useOf(uses, id); use.Secrets+use.Receipts > 0 {
		reasons = append(reasons, fmt.Sprintf("%d secrets and %d receipts need it until %s",
			use.Secrets, use.Receipts, timeText(use.Until)))
	}
	var emails []string
	for _, account := range accounts {
		if account.KeyID == id {
			emails = append(emails, account.Email)
		}
	}
	if len(emails) > 0 {
		reasons = append(reasons, fmt.Sprintf("%d accounts need it until they are used, or removed: %s",
			len(emails), strings.Join(emails, ", ")))
	}
	return fmt.Errorf("key %s stays: %s: %w", id, strings.Join(reasons, "; "), vault.ErrKeyInUse)
}
