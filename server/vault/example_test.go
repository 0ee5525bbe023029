package vault_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// A secret is revealed once. What changes anything is done by Commit, after the answer was made.
func Example() {
	ctx := context.Background()
	store, err := sqlitestore.OpenMemory(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	v, err := vault.New(ctx, vault.Config{Store: store, Keys: vault.NewKeyring()})
	if err != nil {
		log.Fatal(err)
	}

	var caller onetime.Caller // anonymous
	shared, err := v.Share(ctx, caller, onetime.ShareRequest{Secret: "the cake is in the cupboard", TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	if err := shared.Commit(ctx); err != nil {
		log.Fatal(err)
	}

	ask := onetime.RevealRequest{Key: shared.Answer.SecretKey}
	revealed, err := v.Reveal(ctx, caller, ask)
	if err != nil {
		log.Fatal(err)
	}
	if err := revealed.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(revealed.Answer.Value.Expose())

	_, err = v.Reveal(ctx, caller, ask)
	fmt.Println("again:", err, errors.Is(err, onetime.ErrNotFound))
	receipt, err := v.Receipt(ctx, caller, shared.Answer.Key)
	fmt.Println("receipt:", receipt.State, err)
	// Output:
	// the cake is in the cupboard
	// again: unknown secret true
	// receipt: received <nil>
}
