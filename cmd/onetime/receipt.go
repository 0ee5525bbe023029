package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
)

func newReceipt(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "receipt KEY|LINK|-",
		Aliases: []string{"metadata"},
		Short:   "Tell what became of a secret, by its receipt",
		Long: `Tell what became of a secret, by the key or link of its receipt: new, received (revealed),
burned, expired, or orphaned (gone, cause unknown). Nothing is consumed.

Each line is a name, a tab and a value. The keys are in the other formats only, among them
the link of a secret that is still to be read.`,
		Args: exactly(1, "the key or link of a receipt, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return r.receipt(cmd, args[0]) },
	}
	r.addFlags(cmd.Flags())
	return cmd
}

func (r *remote) receipt(cmd *cobra.Command, argument string) error {
	link, err := readLink(cmd, client.ReceiptPage, argument)
	if err != nil {
		return err
	}
	s, err := r.session(cmd, link.BaseURL)
	if err != nil {
		return err
	}
	receipt, err := s.Receipt(s.ctx, link.Key)
	if err == nil {
		err = r.print(cmd, fieldsOf(receipt, s.link(receipt)), columns(cmd.OutOrStdout(), nil, receiptRows(receipt)))
	}
	return s.verdict(err)
}

func newBurn(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "burn KEY|LINK|-",
		Short: "Delete a secret unread, by its receipt",
		Long: `Delete a secret unread, by the key or link of its receipt, and print that receipt as onetime
receipt does. A secret with a passphrase is burned with that passphrase only.`,
		Args: exactly(1, "the key or link of a receipt, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return r.burn(cmd, args[0]) },
	}
	r.addFlags(cmd.Flags())
	r.addPassphraseFlags(cmd.Flags())
	return cmd
}

func (r *remote) burn(cmd *cobra.Command, argument string) error {
	s, link, passphrase, err := r.opening(cmd, client.ReceiptPage, argument)
	if err != nil {
		return err
	}
	burned, err := s.Burn(s.ctx, onetime.BurnRequest{Key: link.Key, Passphrase: passphrase})
	if err == nil {
		fields := fieldsOf(burned.Receipt, "")
		fields.ShortKey = burned.ShortKey.Expose()
		err = r.print(cmd, fields, columns(cmd.OutOrStdout(), nil, receiptRows(burned.Receipt)))
	}
	return s.verdict(err)
}

// receiptRows says of a receipt what is no key.
func receiptRows(r onetime.Receipt) [][]string {
	left := "-"
	if r.SecretTTL > 0 {
		left = lifetimeText(r.SecretTTL)
	}
	rows := [][]string{
		{"state", string(r.State)},
		{"created", timeText(r.Created)},
		{"updated", timeText(r.Updated)},
		{"received", timeText(r.Received)},
		{"ttl", lifetimeText(r.TTL)},
		{"ttl-left", left},
		{"passphrase", yesNo(r.HasPassphrase)},
		{"custid", r.Custid},
		{"recipients", dash(strings.Join(r.Recipients, ","))},
	}
	if r.ShareDomain != "" {
		rows = append(rows, []string{"share-domain", r.ShareDomain})
	}
	return rows
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func newRecent(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recent",
		Short: "List the newest receipts of your account",
		Long: `List the newest receipts of your account: key, state, time of creation, time that the secret
may still stay unread, and the obscured addresses of its recipients. Elsewhere than on a
terminal, the columns are separated by tabs, and there is no heading.

	onetime recent | awk '$2 == "new" { print $1 }' | while read -r key; do
		printf '%s\n' "$key" | onetime burn -
	done`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.recent(cmd) },
	}
	r.addFlags(cmd.Flags())
	return cmd
}

func (r *remote) recent(cmd *cobra.Command) error {
	s, err := r.session(cmd, "")
	if err != nil {
		return err
	}
	receipts, err := s.Recent(s.ctx)
	if err != nil {
		return s.verdict(err)
	}
	fields, rows := []receiptFields{}, [][]string{}
	for _, receipt := range receipts {
		fields = append(fields, fieldsOf(receipt, ""))
		left := "-"
		if receipt.SecretTTL > 0 {
			left = lifetimeText(receipt.SecretTTL)
		}
		rows = append(rows, []string{receipt.Key.Expose(), string(receipt.State), timeText(receipt.Created), left,
			dash(strings.Join(receipt.Recipients, ","))})
	}
	heading := []string{"RECEIPT", "STATE", "CREATED", "LEFT", "RECIPIENTS"}
	return s.verdict(r.print(cmd, fields, columns(cmd.OutOrStdout(), heading, rows)))
}
