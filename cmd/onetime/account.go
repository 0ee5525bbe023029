package main

import (
	"errors"
	"net/mail"
	"os"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

func newAccount(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Manage the accounts of a server, on its data folder",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAccountAdd(), newAccountList(r), newAccountRotate(), newAccountRemove())
	return cmd
}

func newAccountAdd() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Make an account and print its API token, once",
		Long: `Make an account and print its API token, once, alone on standard output.

The server may run meanwhile. The token is stored nowhere: it opens the account's
list of receipts, and who loses it loses that list.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return addAccount(cmd, at, args[0]) },
	}
	addPlaceFlags(cmd, &at)
	return cmd
}

func addAccount(cmd *cobra.Command, at place, email string) error {
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email { // before a data folder is made
		return usageError{errors.New("that is not an e-mail address, such as name@example.com")}
	}
	if err := leadsSomewhere(cmd.OutOrStdout()); err != nil {
		return err
	}
	return at.make(cmd.Context(), func(v *vault.Vault, _ vault.Store) error {
		token, err := v.AddAccount(cmd.Context(), email)
		if errors.Is(err, vault.ErrExists) {
			return usageError{errors.New("there is an account with this e-mail address")}
		}
		if err != nil {
			return err
		}
		return printOnce(cmd.OutOrStdout(), "the token", token, token.Expose()+"\n")
	})
}

// noAccount says what is wrong with the argument if there is no such account.
func noAccount(err error) error {
	if errors.Is(err, vault.ErrNoRecord) {
		return usageError{errors.New("there is no account with this e-mail address")}
	}
	return err
}

func newAccountList(r *remote) *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the accounts: e-mail address and time of creation",
		Long: `List the accounts: e-mail address and time of creation. Elsewhere than on a terminal, the
columns are separated by a tab, and there is no heading.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.settle(cmd); err != nil {
				return err
			}
			return at.with(cmd.Context(), func(v *vault.Vault, _ vault.Store) error {
				return r.listAccounts(cmd, v)
			})
		},
	}
	addPlaceFlags(cmd, &at)
	r.addOutputFlags(cmd.Flags())
	return cmd
}

// accountFields is an account for programs.
type accountFields struct {
	Custid  string `json:"custid"`
	Created int64  `json:"created"` // Unix seconds
}

func (r *remote) listAccounts(cmd *cobra.Command, v *vault.Vault) error {
	accounts, err := v.Accounts(cmd.Context())
	if err != nil {
		return err
	}
	fields, rows := []accountFields{}, [][]string{}
	for _, account := range accounts {
		fields = append(fields, accountFields{account.Email, unixSeconds(account.Created)})
		rows = append(rows, []string{account.Email, timeText(account.Created)})
	}
	return r.print(cmd, fields, columns(cmd.OutOrStdout(), []string{"E-MAIL", "CREATED"}, rows))
}

func newAccountRotate() *cobra.Command {
	var at place
	var lost bool
	cmd := &cobra.Command{
		Use:   "rotate EMAIL",
		Short: "Replace the API token of an account, and print the new one, once",
		Long: `Replace the API token of an account, and print the new one, once, alone on standard output.

The old token comes from ONETIME_APIKEY, and is good for nothing from then on, on a
running server too. The account's list of receipts stays. If the token is lost, --lost
replaces it all the same; the list, which only the lost token opened, is empty then.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return rotateToken(cmd, at, args[0], lost) },
	}
	addPlaceFlags(cmd, &at)
	cmd.Flags().BoolVar(&lost, "lost", false, "the old token is lost; the list of receipts will be empty")
	return cmd
}

func rotateToken(cmd *cobra.Command, at place, email string, lost bool) error {
	old := onetime.Sensitive(os.Getenv("ONETIME_APIKEY"))
	if !lost && old == "" {
		return usageError{errors.New("ONETIME_APIKEY is empty: set it to the old token, or give --lost")}
	}
	if err := leadsSomewhere(cmd.OutOrStdout()); err != nil {
		return err
	}
	return at.with(cmd.Context(), func(v *vault.Vault, _ vault.Store) error {
		var token onetime.Sensitive
		var err error
		if lost {
			token, err = v.ReplaceLostToken(cmd.Context(), email)
		} else {
			token, err = v.RotateToken(cmd.Context(), email, old)
		}
		if err != nil {
			return noAccount(err)
		}
		if lost {
			hint(cmd, "the account's list of receipts is empty now, as only the lost token opened it")
		}
		return printOnce(cmd.OutOrStdout(), "the token", token, token.Expose()+"\n")
	})
}

func newAccountRemove() *cobra.Command {
	var at place
	var burn bool
	cmd := &cobra.Command{
		Use:   "remove EMAIL",
		Short: "Remove an account",
		Long: `Remove an account. Its token is good for nothing from then on, on a running server too.

What the account has shared stays, for whoever has the links and receipts. With --burn,
what nobody has read yet is burned first, and what requests that are under way share.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return removeAccount(cmd, at, args[0], burn) },
	}
	addPlaceFlags(cmd, &at)
	cmd.Flags().BoolVar(&burn, "burn", false, "burn first what the account has shared and nobody has read")
	return cmd
}

func removeAccount(cmd *cobra.Command, at place, email string, burn bool) error {
	return at.with(cmd.Context(), func(v *vault.Vault, _ vault.Store) error {
		if !burn {
			return noAccount(v.RemoveAccount(cmd.Context(), email))
		}
		burned, err := v.BurnAccount(cmd.Context(), email)
		if burned > 0 || err == nil {
			hint(cmd, "%d unread secrets were burned", burned)
		}
		return noAccount(err)
	})
}
