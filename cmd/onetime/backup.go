package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime/server/sqlitestore"
)

func newBackup() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database to a new file, while the server runs",
		Long: `Copy the database to a new file, while the server runs, and return when the copy is on the
disk. Only you can read the file. It holds everything as it was at one moment, and nothing
that was consumed before. The keyring is not in it: without the keyring it opens nothing,
so keep a copy of that too, elsewhere. While the copy is made, deleted data may stay in the
server's log a little longer.

To restore a backup, stop the server, put the file in the place of onetime.db, and remove
onetime.db-wal and onetime.db-shm. This turns the clock back:

  - Secrets that were revealed or burned after the backup was made can be revealed again,
    until they expire, and their receipts say new.
  - Accounts that were removed since are back, and tokens that were rotated since are good.
  - What was shared since is lost.

Nothing can tell which secrets these are. So restore only what is lost, keep backups no
longer than secrets live (30 days at most), and where a second view is worse than a loss,
delete the secrets from the restored copy before the server starts:

  sqlite3 onetime.db "PRAGMA secure_delete = ON; DELETE FROM secrets; DELETE FROM chunks; VACUUM;"

Accounts and receipts stay, and the receipts of what nobody had read say orphaned. Rotate
the tokens, and remove the accounts, again.`,
		Args:              usage(cobra.ExactArgs(1)),
		ValidArgsFunction: filesToo,
		RunE:              func(cmd *cobra.Command, args []string) error { return backup(cmd, at, args[0]) },
	}
	addPlaceFlags(cmd, &at)
	return cmd
}

func backup(cmd *cobra.Command, at place, file string) (err error) {
	if !at.embedded() {
		return usageError{errors.New("this copies the embedded database; a store of its own is backed up with its own means, which " +
			"turns back the clock in the same way: see docs/stores.md")}
	}
	folder, err := folderWithDatabase(at.data)
	if err != nil {
		return err
	}
	store, err := sqlitestore.Open(cmd.Context(), filepath.Join(folder, databaseFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	err = store.Backup(cmd.Context(), file)
	if errors.Is(err, fs.ErrExist) {
		return usageError{fmt.Errorf("%s exists, and a backup replaces no file", file)}
	}
	if err != nil {
		return err
	}
	hint(cmd, "the keyring is not in the backup, which opens nothing without it: keep a copy of %s elsewhere",
		filepath.Join(folder, keyringFile))
	hint(cmd, "secrets that are revealed from now on can be revealed again from the backup: see onetime backup --help")
	return nil
}
