// Command onetime shares secrets that are revealed once, and serves them.
//
//	onetime serve                     serve, with the data in the user's data folder, or with --store in Redis
//	onetime account add EMAIL         make an account and print its API token; also list, rotate, remove
//	onetime keys add                  make a server key; also init, list, activate, prune
//	onetime backup FILE               copy the database while it is served
//
//	onetime share < FILE              share a secret and print its link
//	onetime generate                  have a random secret made, and print it and its link
//	onetime reveal LINK > FILE        reveal a secret
//	onetime receipt KEY               tell what became of a secret
//	onetime burn KEY                  delete a secret unread
//	onetime recent                    list the newest receipts of an account
//	onetime status                    tell whether the server is up
//
//	onetime completion SHELL          print a script that completes commands and flags
//	onetime man [COMMAND]             print a manual page
//
// The rules for input, output and exit codes stand in ui.go.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A broken pipe is an error of a write, not the end: what was revealed may have no other copy.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(execute(ctx, newCommand()))
}
