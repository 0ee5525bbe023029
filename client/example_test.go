package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

func Example() {
	c, err := client.New(baseURL()) // such as client.EU
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := c.Share(context.Background(), onetime.ShareRequest{Secret: "the cake is a lie", TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	secret, err := c.Reveal(context.Background(), onetime.RevealRequest{Key: receipt.SecretKey})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret.Value, "is", secret.Value.Expose())
	// Output: [redacted] is the cake is a lie
}

func ExampleClient_Burn() {
	ctx := context.Background()
	c, err := client.New(baseURL())
	if err != nil {
		log.Fatal(err)
	}
	shared, err := c.Share(ctx, onetime.ShareRequest{Secret: "the cake is a lie"})
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := c.Receipt(ctx, shared.Key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.State, receipt.TTL)
	burned, err := c.Burn(ctx, onetime.BurnRequest{Key: shared.Key})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(burned.Receipt.State)
	// Output:
	// new 168h0m0s
	// burned
}

func Example_errors() {
	c, err := client.New(baseURL())
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Reveal(context.Background(), onetime.RevealRequest{Key: "0123456789abcdefghijklmnopqrstu"})

	var refused *client.Error
	var broken *contract.Violation
	var network *client.NetworkError
	switch {
	case errors.Is(err, onetime.ErrNotFound):
		fmt.Println("unknown key, secret gone, or wrong passphrase")
	case errors.Is(err, onetime.ErrRateLimited) && errors.As(err, &refused):
		fmt.Println("try again in", refused.RetryAfter)
	case errors.As(err, &refused):
		fmt.Println("refused:", refused.Message)
	case errors.As(err, &broken):
		fmt.Println("the", broken.Direction, "is not what the contract says; it was", len(broken.Body()), "bytes")
	case errors.As(err, &network):
		fmt.Println("no answer; processed nevertheless:", network.Sent)
	}
	// Output: unknown key, secret gone, or wrong passphrase
}

func ExampleWithReport() {
	older := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"value": "the cake is a lie", "secret_key": "k"}`) // without a share_domain
	}))
	defer older.Close()
	c, err := client.New(older.URL, client.WithReport(func(v *contract.Violation) { fmt.Println("note:", v) }))
	if err != nil {
		log.Fatal(err)
	}
	secret, err := c.Reveal(context.Background(), onetime.RevealRequest{Key: "k"})
	fmt.Println(secret.Value.Expose(), err)
	// Output:
	// note: contract: v1_showSecret response 200: share_domain is required (required)
	// the cake is a lie <nil>
}

// baseURL starts a server in this process, for the examples, which lasts as long as the process.
func baseURL() string {
	ctx := context.Background()
	store, err := sqlitestore.OpenMemory(ctx)
	if err != nil {
		log.Fatal(err)
	}
	v, err := vault.New(ctx, vault.Config{Store: store, Keys: vault.NewKeyring()})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := server.New(v, server.Config{BaseURL: "https://secrets.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	return httptest.NewServer(handler).URL
}
