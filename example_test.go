package onetime_test

import (
	"errors"
	"fmt"

	"github.com/onetime-go/onetime"
)

func Example() {
	secret := onetime.Secret{Value: "the cake is a lie"}
	fmt.Println("shown:", secret.Value)
	fmt.Println("asked for:", secret.Value.Expose())

	var err error = &onetime.Refusal{
		Reason:  onetime.ErrRule,
		Rule:    "SecretTooLarge",
		Message: "the secret is longer than 10000 bytes",
	}
	fmt.Println(errors.Is(err, onetime.ErrRule), errors.Is(err, onetime.ErrInvalid), errors.Is(err, onetime.ErrNotFound))
	// Output:
	// shown: [redacted]
	// asked for: the cake is a lie
	// true true false
}
