package onetime

import (
	"bytes"
	_ "embed"
)

//go:embed openapi.yaml
var document []byte

// OpenAPI returns the contract, in YAML: the openapi.yaml of this module as it is, in the order and with the comments in which
// it was written. Who checks messages against it uses package contract.
func OpenAPI() []byte { return bytes.Clone(document) }
