package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client/clienttest"
)

// A test starts a server, hands its client (or its URL) to what is tested, and looks at what became of the secrets.
func Example() {
	s := clienttest.NewServer()
	defer s.Close()
	ctx := context.Background()

	receipt, err := s.Client.Share(ctx, onetime.ShareRequest{Secret: "the cake is a lie", TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	s.Advance(2 * time.Hour)
	_, err = s.Client.Reveal(ctx, onetime.RevealRequest{Key: receipt.SecretKey})
	fmt.Println("two hours later it is gone:", errors.Is(err, onetime.ErrNotFound))
	// Output: two hours later it is gone: true
}

func ExampleServer_NewAccount() {
	s := clienttest.NewServer()
	defer s.Close()
	c, token := s.NewAccount("ada@example.com")
	status, err := c.AuthCheck(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.Status, "with the token", token) // token.Expose() for the settings of a program
	// Output: nominal with the token [redacted]
}
