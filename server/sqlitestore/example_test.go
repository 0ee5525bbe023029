package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// A vault uses a store like this. Of two claims on a secret, one wins.
func Example() {
	dir, err := os.MkdirTemp("", "onetime")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	store, err := sqlitestore.Open(ctx, filepath.Join(dir, "onetime.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	now := time.Now()
	secret := vault.SecretRecord{
		ID:        vault.ID{1}, // a hash, in earnest
		ReceiptID: vault.ID{2},
		Created:   now,
		Expires:   now.Add(time.Hour),
		Sealed:    make([]byte, vault.SealedBlock),
	}
	receipt := vault.ReceiptRecord{ID: secret.ReceiptID, SecretID: secret.ID, State: onetime.StateNew, Created: now}
	if err := store.Create(ctx, secret, receipt, nil, vault.Quota{}); err != nil {
		log.Fatal(err)
	}

	for range 2 {
		claim := vault.Claim{SecretID: secret.ID, ID: vault.ClaimID{3}, State: onetime.StateReceived, Now: now}
		won, err := store.Claim(ctx, claim)
		fmt.Println("won:", won, err)
	}
	_, err = store.Secret(ctx, secret.ID)
	fmt.Println("gone:", errors.Is(err, vault.ErrNoRecord))
	receipt, err = store.Receipt(ctx, receipt.ID)
	fmt.Println("receipt:", receipt.State, err)
	// Output:
	// won: true <nil>
	// won: false <nil>
	// gone: true
	// receipt: received <nil>
}
