package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/vault"
)

// TestWritesFail makes the writer's connection fail in ways that need no broken disk. Nothing is acknowledged that is not
// so, and when the cause is gone the same store goes on.
func TestWritesFail(t *testing.T) {
	for name, test := range map[string]struct{ fail, heal string }{
		"the database is full":      {"PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000"}, // at least what it has
		"the database is read-only": {"PRAGMA query_only = ON", "PRAGMA query_only = OFF"},
	} {
		t.Run(name, func(t *testing.T) {
			store := openFile(t)
			v, err := vault.New(t.Context(), vault.Config{Store: store, Keys: vault.NewKeyring()})
			if err != nil {
				t.Fatal(err)
			}
			var standing []onetime.Receipt
			for n := range 20 {
				receipt, err := share(v, n)
				if err != nil {
					t.Fatal(err)
				}
				standing = append(standing, receipt)
			}
			pragma(t, store, test.fail)
			for n := 20; ; n++ { // what is free already is filled first
				receipt, err := share(v, n)
				if err != nil {
					wantFailure(t, err)
					break
				}
				standing = append(standing, receipt)
			}
			revealed := map[onetime.Sensitive]bool{}
			for _, receipt := range standing[:10] {
				err := reveal(v, receipt)
				revealed[receipt.SecretKey] = err == nil
				if err != nil {
					wantFailure(t, err)
				}
			}
			pragma(t, store, test.heal)
			for _, receipt := range standing {
				err := reveal(v, receipt)
				if revealed[receipt.SecretKey] != errors.Is(err, onetime.ErrNotFound) || err != nil && !errors.Is(err, onetime.ErrNotFound) {
					t.Errorf("a secret of which a reveal has won (%t) gives %v", revealed[receipt.SecretKey], err)
				}
			}
			if _, err := share(v, 0); err != nil {
				t.Errorf("it does not heal: %v", err)
			}
		})
	}
}

// wantFailure fails unless the scaffold answers an error with 500.
func wantFailure(t *testing.T, err error) {
	t.Helper()
	for _, documented := range []error{onetime.ErrNotFound, onetime.ErrInvalid, onetime.ErrRule, onetime.ErrRateLimited} {
		if errors.Is(err, documented) {
			t.Errorf("it says that the caller is wrong: %v", err)
		}
	}
}

func pragma(t *testing.T, store *Store, query string) {
	t.Helper()
	if _, err := store.writer.session.conn.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func share(v *vault.Vault, number int) (onetime.Receipt, error) {
	pending, err := v.Share(context.Background(), onetime.Caller{}, onetime.ShareRequest{
		Secret: onetime.Sensitive(fmt.Sprint(number, strings.Repeat(" long", 1000))),
	})
	if err == nil {
		err = pending.Commit(context.Background())
	}
	return pending.Answer, err
}

func reveal(v *vault.Vault, r onetime.Receipt) error {
	pending, err := v.Reveal(context.Background(), onetime.Caller{}, onetime.RevealRequest{Key: r.SecretKey})
	if err == nil {
		err = pending.Commit(context.Background())
	}
	return err
}
