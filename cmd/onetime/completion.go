package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagValues are what a shell offers for flags that take one of a few words.
var flagValues = map[string][]string{
	"output": {string(textFormat), string(jsonFormat), string(yamlFormat)},
	"check":  {string(enforce), string(report), string(off)},
	"host":   slices.Sorted(maps.Keys(regions)),
	"ttl":    {"1h", "1d", "7d", "14d", "30d"},
}

// noWords are flags for whose values a shell has nothing to offer, not even files.
var noWords = []string{"custid", "recipient", "share-domain"}

// addCompletion adds the command, and what it offers for arguments and flags. It offers no key: where should it be from?
func addCompletion(root *cobra.Command) error {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return err
	}
	completion.Short = "Print a script that completes commands and flags in a shell"
	completion.Args = noArgs
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, shell := range completion.Commands() {
		shell.Args = noArgs
	}
	return offer(root)
}

func offer(cmd *cobra.Command) (err error) {
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		var words cobra.CompletionFunc
		switch {
		case flagValues[flag.Name] != nil:
			words = cobra.FixedCompletions(flagValues[flag.Name], cobra.ShellCompDirectiveNoFileComp)
		case slices.Contains(noWords, flag.Name):
			words = cobra.NoFileCompletions
		case flag.Name == "data" || flag.Name == "folder":
			words = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
		default: // files
			return
		}
		if failed := cmd.RegisterFlagCompletionFunc(flag.Name, words); failed != nil {
			err = failed
		}
	})
	for _, sub := range cmd.Commands() {
		if failed := offer(sub); failed != nil {
			err = failed
		}
	}
	return err
}

// filesToo lets a shell offer files for the arguments of a command.
func filesToo(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// commandNames offers the commands whose names begin with what was typed.
func commandNames(cmd *cobra.Command, args []string, begin string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	of, _, err := cmd.Root().Find(args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, sub := range of.Commands() {
		if sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), begin) {
			names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
