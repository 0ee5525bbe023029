package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "man [COMMAND]...",
		Short: "Print the manual page of a command",
		Long: `Print the manual page of a command, or of onetime itself.

	onetime man share | man -l -

With --folder the pages of all commands are written there, for man to find.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: commandNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if folder != "" && len(args) > 0 {
				return usageError{errors.New("--folder is for the pages of all commands: name none")}
			}
			if folder != "" {
				return writePages(cmd.Root(), folder)
			}
			of, err := named(cmd, args)
			if err != nil {
				return err
			}
			page, err := manualPage(of)
			if err != nil {
				return err
			}
			return writeDown(cmd.OutOrStdout(), page)
		},
	}
	cmd.Flags().StringVar(&folder, "folder", "", "`FOLDER` to write the pages of all commands to, such as /usr/local/share/man/man1")
	return cmd
}

// manualPage makes a page of what the command's help is made of, so that they always say the same.
func manualPage(cmd *cobra.Command) (string, error) {
	page := *cmd
	page.Long = indentLists(cmd.Long)
	page.DisableAutoGenTag = true // which has the date of today
	header := &doc.GenManHeader{Title: strings.ToUpper(pageName(cmd)), Section: "1", Date: new(time.Time), Source: "onetime " + version(), Manual: "onetime"}
	var b strings.Builder
	err := doc.GenMan(&page, header, &b)
	return strings.Replace(b.String(), `"Jan 0001"`, `""`, 1), err // the same from the same sources
}

// indentLists has the generator leave the lines of a list as they are.
func indentLists(text string) string { return strings.ReplaceAll(text, "\n  -", "\n      -") }

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func writePages(cmd *cobra.Command, folder string) error {
	page, err := manualPage(cmd)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, pageName(cmd)+".1"), []byte(page), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if err := writePages(sub, folder); err != nil {
			return err
		}
	}
	return nil
}
