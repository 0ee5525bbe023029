package redisstore

import (
	"crypto/sha1"
	"embed"
	"encoding/hex"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

// A script is one step on the engine. It is sent by its digest, and by its text only to an engine that does not know it.
type script struct{ name, text, digest string }

var (
	createScript        = load("create")
	claimScript         = load("claim")
	confirmScript       = load("confirm")
	pingScript          = load("ping")
	raiseScript         = load("raise")
	sweepSecretsScript  = load("sweep_secrets")
	sweepReceiptsScript = load("sweep_receipts")
	sweepTalliesScript  = load("sweep_tallies")
	listScript          = load("list")
	unlistScript        = load("unlist")
	takeRoomScript      = load("take_room")
	giveRoomScript      = load("give_room")
	addAccountScript    = load("add_account")
	updateAccountScript = load("update_account")
	removeAccountScript = load("remove_account")
	addKeyScript        = load("add_key")
	beginRemovalScript  = load("begin_removal")
	endRemovalScript    = load("end_removal")
	barScript           = load("bar")
	reserveScript       = load("reserve")
	refundScript        = load("refund")
)

// load reads a script. The files are part of the program, and a missing one shows in its first test.
func load(name string) script {
	text := read("prelude") + read(name)
	digest := sha1.Sum([]byte(text)) // what EVALSHA goes by; it protects nothing
	return script{name, text, hex.EncodeToString(digest[:])}
}

func read(name string) string {
	text, err := scriptFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// A step is a script with what it is about. Its keys are all in one slot.
type step struct {
	script script
	keys   []string
	args   []string
}
