package pages_test

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/pages"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// A site is the API and its pages over a database file, in this process.
type site struct {
	url   string // scheme and host
	base  string // where the pages are
	api   *client.Client
	pages http.Handler
	vault *vault.Vault
	store *sqlitestore.Store
	clock atomic.Int64 // added to the time
	cut   func()       // ends the server
}

// serve starts a site below a path. The config may lack what the test does not set; the API's can be changed.
func serve(t testing.TB, path string, config pages.Config, change ...func(*server.Config)) *site {
	t.Helper()
	s := &site{}
	folder := t.TempDir()
	var err error
	if s.store, err = sqlitestore.Open(t.Context(), filepath.Join(folder, "onetime.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	keys, err := vault.LoadKeyring(t.Context(), filepath.Join(folder, "keyring.json"), s.store)
	if err != nil {
		t.Fatal(err)
	}
	s.vault, err = vault.New(t.Context(), vault.Config{
		Store: s.store, Keys: keys,
		Clock: func() time.Time { return time.Now().Add(time.Duration(s.clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler // known when the address is
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(listening.Close)
	s.cut = func() {
		listening.CloseClientConnections()
		listening.Close()
	}
	s.url = listening.URL
	s.base = s.url + path
	serverConfig := server.Config{BaseURL: s.base, Authenticate: s.vault.Authenticate}
	for _, c := range change {
		c(&serverConfig)
	}
	api, err := server.New(s.vault, serverConfig)
	if err != nil {
		t.Fatal(err)
	}
	config.BaseURL = cmp.Or(config.BaseURL, s.base)
	if handler, err = pages.New(api, config); err != nil {
		t.Fatal(err)
	}
	s.pages = handler
	if s.api, err = client.New(s.base); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) pass(d time.Duration) { s.clock.Add(int64(d)) }
