//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	ts.Fatalf("the scripts have a terminal on Linux only: begin with [!linux] skip")
}
