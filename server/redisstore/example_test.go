package redisstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/onetime-go/onetime/server/redisstore"
	"github.com/onetime-go/onetime/server/vault"
)

func ExampleParseURL() {
	config, err := redisstore.ParseURL("rediss+sentinel://onetime@10.0.0.1,10.0.0.2,10.0.0.3:26380/main")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.Username, config.Addresses, config.Master, config.TLS != nil)
	// Output: onetime [10.0.0.1:26379 10.0.0.2:26379 10.0.0.3:26380] main true
}

// A vault whose secrets are on a replica, too, before anybody gets their links.
func ExampleOpen() {
	ctx := context.Background()
	config, err := redisstore.ParseURL("redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/main")
	if err != nil {
		log.Fatal(err)
	}
	config.Replicas = 1
	store, err := redisstore.Open(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	keys, err := vault.LoadKeyring(ctx, "/etc/onetime/keyring.json", store)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := vault.New(ctx, vault.Config{Store: store, Keys: keys}); err != nil {
		log.Fatal(err)
	}
}
