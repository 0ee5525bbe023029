package main

import (
	"errors"
	"net/mail"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime/server/vault"
)

func newAccount() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Manage the accounts of a server, on its data folder",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAccountAdd())
	return cmd
}

func newAccountAdd() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Make an account and print its API token, once",
		Long: `Make an account and print its API token, once, alone on standard output.

The server may run meanwhile. The token is stored nowhere: it opens the account's
list of receipts, and who loses it loses that list.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return addAccount(cmd, data, args[0]) },
	}
	addDataFlag(cmd, &data)
	return cmd
}

func addAccount(cmd *cobra.Command, data, email string) (err error) {
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email { // before a data folder is made
		return usageError{errors.New("that is not an e-mail address, such as name@example.com")}
	}
	folder, err := dataFolder(data)
	if err != nil {
		return err
	}
	if err := leadsSomewhere(cmd.OutOrStdout()); err != nil {
		return err
	}
	v, store, err := openVault(cmd.Context(), folder, vault.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	token, err := v.AddAccount(cmd.Context(), email)
	if errors.Is(err, vault.ErrExists) {
		return usageError{errors.New("there is an account with this e-mail address")}
	}
	if err != nil {
		return err
	}
	return printOnce(cmd.OutOrStdout(), "the token", token, token.Expose()+"\n")
}
