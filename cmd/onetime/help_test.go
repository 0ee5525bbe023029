package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelpIsInStep holds that the help and the package comment know every command and every exit code.
func TestHelpIsInStep(t *testing.T) {
	for _, code := range []int{0, exitOther, exitUsage, exitNotFound, exitRefused, exitContract, exitNetwork, exitInterrupted} {
		if !strings.Contains(rulesForPeople, fmt.Sprintf("\n    %d ", code)) {
			t.Errorf("the help does not say what exit code %d is", code)
		}
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(source), "\npackage main")
	for _, cmd := range newCommand().Commands() {
		if name := cmd.Name(); name != "help" && !strings.Contains(comment, "onetime "+name+" ") {
			t.Errorf("the package comment has no %s", name)
		}
	}
}

// TestManualIsInStep holds that the page of each command has its description and its flags, but for what is refused.
func TestManualIsInStep(t *testing.T) {
	pages := 0
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		page, err := manualPage(cmd)
		if err != nil || !strings.Contains(page, cmd.Short) {
			t.Errorf("%s: %v\n%s", cmd.CommandPath(), err, page)
		}
		cmd.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) {
			if strings.Contains(page, "--"+flag.Name+"\\fP") == flag.Hidden {
				t.Errorf("%s: hidden is %t, and the page says otherwise of --%s", cmd.CommandPath(), flag.Hidden, flag.Name)
			}
		})
		pages++
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				each(sub)
			}
		}
	}
	each(newCommand())
	if pages < 25 {
		t.Errorf("there are %d pages", pages)
	}
}
