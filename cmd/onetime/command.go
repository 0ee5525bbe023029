package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// execute runs a command with the arguments of the process, and returns its exit code.
func execute(ctx context.Context, root *cobra.Command) int {
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && isFlagError(err) { // of flags in front of a command, which come as they are
		err = usageError{flagError(err)}
	}
	return reportError(cmd, err)
}

func newCommand() *cobra.Command {
	r := newRemote()
	cmd := &cobra.Command{
		Use:              "onetime",
		Short:            "Share secrets that are revealed once, and serve them",
		Long:             "Share secrets that are revealed once, and serve them.\n\n" + rulesForPeople,
		Version:          version(),
		SilenceUsage:     true,
		SilenceErrors:    true,
		TraverseChildren: true, // the official command takes flags in front of its verbs
		Args:             noArgs,
		RunE:             func(cmd *cobra.Command, _ []string) error { return shareOrHelp(cmd, r) },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return takeOver(cmd)
		},
	}
	cmd.SetVersionTemplate("onetime {{.Version}}\n")
	cmd.Flags().BoolP("version", "V", false, "print the version")
	r.addFlags(cmd.Flags())
	r.addPassphraseFlags(cmd.Flags())
	r.addShareFlags(cmd.Flags())
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	cmd.AddGroup(&cobra.Group{ID: callGroup, Title: "Commands that call a server:"}, &cobra.Group{ID: serveGroup, Title: "Commands of a server:"})
	addAll(cmd, callGroup, newShare(r), newGenerate(r), newReveal(r), newReceipt(r), newBurn(r), newRecent(r), newStatus(r))
	addAll(cmd, serveGroup, newServe(), newAccount(r), newKeys(r), newBackup())
	cmd.AddCommand(newMan())
	cmd.SetHelpCommand(newHelp())
	if err := addCompletion(cmd); err != nil { // a flag of which there is none
		panic(err)
	}
	return cmd
}

// newHelp is cobra's, but does not repeat an argument.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Print the help of a command",

		ValidArgsFunction: commandNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := named(cmd, args)
			if err != nil {
				return err
			}
			return of.Help()
		},
	}
}

// named returns the command that arguments name.
func named(cmd *cobra.Command, args []string) (*cobra.Command, error) {
	of, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return nil, usageError{fmt.Errorf("%s takes the name of a command", cmd.CommandPath())}
	}
	return of, nil
}

const (
	callGroup  = "call"
	serveGroup = "serve"
)

func addAll(cmd *cobra.Command, group string, subs ...*cobra.Command) {
	for _, sub := range subs {
		sub.GroupID = group
	}
	cmd.AddCommand(subs...)
}

// shareOrHelp does what the official command does without a verb, but for a terminal, on which it is a question.
func shareOrHelp(cmd *cobra.Command, r *remote) error {
	if isTerminal(cmd.InOrStdin()) {
		return cmd.Help()
	}
	return r.share(cmd)
}

// takeOver sees to flags in front of a command: they are the command's own, or else refused, since they would do nothing.
func takeOver(cmd *cobra.Command) (err error) {
	root := cmd.Root()
	if cmd == root {
		return nil
	}
	root.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Changed {
			return
		}
		own := cmd.Flags().Lookup(flag.Name)
		if own == nil && err == nil {
			err = usageError{fmt.Errorf("%s has no flag --%s", cmd.CommandPath(), flag.Name)}
		}
		if own != nil {
			own.Changed = true // its variable is the same
		}
	})
	return err
}

// version says what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	return fmt.Sprintf("%s (%s, %s/%s)", info.Main.Version, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}

func isFlagError(err error) bool {
	return errors.As(err, new(*pflag.NotExistError)) || errors.As(err, new(*pflag.ValueRequiredError)) ||
		errors.As(err, new(*pflag.InvalidValueError)) || errors.As(err, new(*pflag.InvalidSyntaxError))
}

// A mistaken value can say what it would have to be.
type mistaken interface{ mistake() error }

// flagError repeats neither an unknown flag nor a value: they may be a passphrase.
func flagError(err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "": // "-phunter2" is a flag -p, -h, and so on
		return errors.New("unknown flag")
	case errors.As(err, &unknown):
		return fmt.Errorf("unknown flag --%s", unknown.GetSpecifiedName())
	case errors.As(err, &missing):
		return wrongValue(missing.GetFlag(), "needs a value")
	case errors.As(err, &invalid):
		return wrongValue(invalid.GetFlag(), "is no "+invalid.GetFlag().Value.Type())
	case errors.As(err, new(*pflag.InvalidSyntaxError)):
		return errors.New("there is an argument that begins like a flag, and is none")
	}
	return err
}

func wrongValue(flag *pflag.Flag, wrong string) error {
	if m, ok := flag.Value.(mistaken); ok {
		return fmt.Errorf("--%s %w", flag.Name, m.mistake())
	}
	return fmt.Errorf("--%s %s", flag.Name, wrong)
}

// noArgs is cobra.NoArgs, but does not repeat an argument, which may be a secret.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return usageError{fmt.Errorf("%s has no such command%s", cmd.CommandPath(), didYouMean(cmd, args[0]))}
	}
	return usageError{fmt.Errorf("%s takes no arguments", cmd.CommandPath())}
}

func didYouMean(cmd *cobra.Command, name string) string {
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(name); len(like) > 0 {
		return "; did you mean " + strings.Join(like, " or ") + "?"
	}
	return ""
}

// exactly asks for a number of arguments, and says what they are.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s takes %s", cmd.CommandPath(), what)}
		}
		return nil
	}
}

// usage marks what is wrong with the arguments as a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}
