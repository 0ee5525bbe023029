package client_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

const email = "ada@example.com"

// newServer starts a real server with one account, in this process, and returns its URL and the account's token.
func newServer(t testing.TB) (url string, token onetime.Sensitive) {
	t.Helper()
	store, err := sqlitestore.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.New(t.Context(), vault.Config{Store: store, Keys: vault.NewKeyring()})
	if err != nil {
		t.Fatal(err)
	}
	if token, err = v.AddAccount(t.Context(), email); err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(v, server.Config{
		BaseURL:      "https://secrets.example.com",
		Authenticate: v.Authenticate,
		Logger:       slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		s.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URL, token
}

func newClient(t testing.TB, url string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// handle starts a server that answers everything with a function.
func handle(t testing.TB, f http.HandlerFunc) (url string) {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

// answer returns a handler that answers JSON, or what the header says, after it has read the request.
func answer(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		w.Header().Set("Content-Type", "application/json")
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// A method is one of the eight, with arguments that keep to the contract.
type method struct {
	name string
	call func(context.Context, *client.Client) error
}

// eight returns every method. They all use the same values.
func eight(secret, passphrase, key onetime.Sensitive) []method {
	return []method{
		{"share", func(ctx context.Context, c *client.Client) error {
			_, err := c.Share(ctx, onetime.ShareRequest{Secret: secret, Passphrase: passphrase, TTL: time.Hour})
			return err
		}},
		{"generate", func(ctx context.Context, c *client.Client) error {
			_, err := c.Generate(ctx, onetime.GenerateRequest{Passphrase: passphrase})
			return err
		}},
		{"reveal", func(ctx context.Context, c *client.Client) error {
			_, err := c.Reveal(ctx, onetime.RevealRequest{Key: key, Passphrase: passphrase})
			return err
		}},
		{"receipt", func(ctx context.Context, c *client.Client) error {
			_, err := c.Receipt(ctx, key)
			return err
		}},
		{"burn", func(ctx context.Context, c *client.Client) error {
			_, err := c.Burn(ctx, onetime.BurnRequest{Key: key, Passphrase: passphrase})
			return err
		}},
		{"recent", func(ctx context.Context, c *client.Client) error {
			_, err := c.Recent(ctx)
			return err
		}},
		{"status", func(ctx context.Context, c *client.Client) error {
			_, err := c.Status(ctx)
			return err
		}},
		{"authcheck", func(ctx context.Context, c *client.Client) error {
			_, err := c.AuthCheck(ctx)
			return err
		}},
	}
}
