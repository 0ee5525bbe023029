// Package clienttest gives the test of a program that uses the client package a real server: this module's own, in the
// process of the test, with its secrets in memory and the contract checked on both sides.
//
//	s := clienttest.NewServer()
//	defer s.Close()
//	receipt, err := s.Client.Share(ctx, onetime.ShareRequest{Secret: "the cake is a lie"})
//
// Nothing of it is for production: what it keeps is gone with the process. Programs link it and its database only where
// they import it, in tests. Like net/http/httptest it panics if it cannot do its work.
package clienttest

import (
	"context"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// A Server is a server of the Onetime Secret API on a port of this machine. It may be used concurrently.
type Server struct {
	URL    string         // for client.New, or for the settings of a program
	Client *client.Client // calls the server without an account

	http    *httptest.Server
	vault   *vault.Vault
	store   *sqlitestore.Store
	elapsed atomic.Int64 // by Advance, in nanoseconds
}

// NewServer starts a server, which has no secrets and no accounts. The caller closes it.
//
// It takes requests as "onetime serve" does by default, with no limit of their number.
func NewServer() *Server {
	ctx := context.Background()
	s := &Server{store: must(sqlitestore.OpenMemory(ctx))}
	s.vault = must(vault.New(ctx, vault.Config{Store: s.store, Keys: vault.NewKeyring(), Clock: s.now}))
	s.http = httptest.NewUnstartedServer(nil)
	s.http.Config.Handler = must(server.New(s.vault, server.Config{
		BaseURL:      "http://" + s.http.Listener.Addr().String(),
		Authenticate: s.vault.Authenticate,
		Normalize:    true,
	}))
	s.http.Start()
	s.URL = s.http.URL
	s.Client = must(client.New(s.URL))
	return s
}

// NewAccount makes an account, and returns a client with its credentials, and its API token for a program that is
// configured with it. It panics if the address has an account already, or is none.
func (s *Server) NewAccount(email string) (*client.Client, onetime.Sensitive) {
	token := must(s.vault.AddAccount(context.Background(), email))
	return must(client.New(s.URL, client.WithAccount(email, token))), token
}

// Advance sets the server's clock forward, so that what was shared expires. The clock never goes back.
func (s *Server) Advance(d time.Duration) { s.elapsed.Add(max(0, int64(d))) }

func (s *Server) now() time.Time { return time.Now().Add(time.Duration(s.elapsed.Load())) }

// Close waits for the requests that are under way, and forgets everything. Calls of the server fail from then on, with a
// *client.NetworkError.
func (s *Server) Close() {
	s.http.Close()
	if err := s.store.Close(); err != nil {
		panic("clienttest: " + err.Error())
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic("clienttest: " + err.Error())
	}
	return value
}
