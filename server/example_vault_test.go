package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// The server that "onetime serve" runs, as a part of a program of one's own.
func ExampleNew() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "secrets")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	store, err := sqlitestore.Open(ctx, filepath.Join(folder, "secrets.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	keys, err := vault.LoadKeyring(ctx, filepath.Join(folder, "keyring.json"), store)
	if err != nil {
		log.Fatal(err)
	}
	v, err := vault.New(ctx, vault.Config{Store: store, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := server.New(v, server.Config{
		BaseURL:      "https://secrets.example.com",
		Authenticate: v.Authenticate,
		Normalize:    true,
	})
	if err != nil {
		log.Fatal(err)
	}

	site := httptest.NewServer(handler)
	defer site.Close()
	receipt := post(site, "/api/v1/share", url.Values{"secret": {"the code is 1234"}, "ttl": {"90"}})
	fmt.Println(receipt["state"], receipt["ttl"], receipt["custid"])
	// Output:
	// 200 OK
	// new 90 anon
}
