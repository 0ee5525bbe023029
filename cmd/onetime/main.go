// Command onetime shares secrets that are revealed once, and serves them.
//
//	onetime serve                     serve, with the data in the user's data folder
//	onetime account add EMAIL         make an account and print its API token; also list, rotate, remove
//	onetime keys add                  make a server key; also list, activate, prune
//	onetime backup FILE               copy the database while it is served
//	onetime share < FILE              share a secret and print its link
//	onetime reveal LINK > FILE        reveal a secret
//
// The rules for input, output and exit codes stand in ui.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	// A broken pipe is an error of a write, not the end: what was revealed may have no other copy.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := newCommand().ExecuteContext(ctx)
	os.Exit(report(os.Stderr, err))
}

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "onetime",
		Short:         "Share secrets that are revealed once, and serve them",
		Long:          "Share secrets that are revealed once, and serve them.\n\n" + rulesForPeople,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	cmd.AddCommand(newServe(), newAccount(), newKeys(), newBackup(), newShare(), newReveal())
	return cmd
}

// flagError repeats neither an unknown flag nor a value: they may be a passphrase.
func flagError(err error) error {
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		if unknown.GetSpecifiedShortnames() != "" { // "-phunter2" is a flag -p, -h, and so on
			return errors.New("unknown flag")
		}
		return fmt.Errorf("unknown flag --%s", unknown.GetSpecifiedName())
	}
	if invalid := (*pflag.InvalidValueError)(nil); errors.As(err, &invalid) {
		if v, ok := invalid.GetFlag().Value.(*value); ok {
			return fmt.Errorf("--%s %w", invalid.GetFlag().Name, v.mistake())
		}
		return fmt.Errorf("the value of --%s is no %s", invalid.GetFlag().Name, invalid.GetFlag().Value.Type())
	}
	return err
}

// noArgs is cobra.NoArgs, but does not repeat an argument, which may be a secret.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return usageError{fmt.Errorf("%s has no such command", cmd.CommandPath())}
	}
	return usageError{fmt.Errorf("%s takes no arguments", cmd.CommandPath())}
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
