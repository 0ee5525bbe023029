package client_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/client/clienttest"
	"github.com/onetime-go/onetime/contract"
)

const email = "ada@example.com"

// A target is a server with one account, and what it takes to work with it.
type target struct {
	url        string
	token      onetime.Sensitive
	options    []client.Option
	documented bool // it sends the documented statuses
	shortest   int  // value that it generates
}

func (s target) client(t testing.TB, opts ...client.Option) *client.Client {
	return newClient(t, s.url, append(opts, s.options...)...)
}

// everywhere runs a test against every kind of server that there is.
func everywhere(t *testing.T, test func(*testing.T, target)) {
	t.Run("ours", func(t *testing.T) {
		url, token := newServer(t)
		test(t, target{url: url, token: token, shortest: 20, documented: true})
	})
	t.Run("public", func(t *testing.T) {
		p := newPublicService(false)
		test(t, target{url: handle(t, p.ServeHTTP), token: publicToken, shortest: 12})
	})
	t.Run("public v0.23", func(t *testing.T) {
		p := newPublicService(true)
		report := client.WithReport(func(v *contract.Violation) {
			if v.Direction != contract.Response || v.Rule != "required" {
				t.Errorf("reported: %v", v)
			}
		})
		test(t, target{url: handle(t, p.ServeHTTP), token: publicToken, shortest: 12, options: []client.Option{report}})
	})
	t.Run("public v0.23 unchecked", func(t *testing.T) {
		p := newPublicService(true)
		test(t, target{url: handle(t, p.ServeHTTP), token: publicToken, shortest: 12, options: []client.Option{client.WithoutChecks()}})
	})
}

// newServer starts this module's server with one account, in this process, and returns its URL and the account's token.
func newServer(t testing.TB) (url string, token onetime.Sensitive) {
	t.Helper()
	s := clienttest.NewServer()
	t.Cleanup(s.Close)
	_, token = s.NewAccount(email)
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
