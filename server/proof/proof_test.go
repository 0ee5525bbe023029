package proof

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

// scale returns how much a test does: little by default, and much with ONETIME_SOAK=1.
func scale(little, much int) int {
	if os.Getenv("ONETIME_SOAK") != "" {
		return much
	}
	return little
}

// patience is how long a test waits for what takes no time, before it gives up.
const patience = time.Minute

// An api is a client that shows everything, and checks and repeats nothing.
type api struct {
	url    string
	client *http.Client
}

func newAPI(url string) api {
	const connections = 1024
	return api{url, &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections},
	}}
}

// A reply is what a server answered.
type reply struct {
	status    int
	body      string
	Value     string          `json:"value"`
	Key       string          `json:"metadata_key"` // the receipt's
	SecretKey string          `json:"secret_key"`
	State     json.RawMessage `json:"state"` // of a burn, the receipt
	Received  int64           `json:"received"`
}

func (r reply) state() string { return strings.Trim(string(r.State), `"`) }

// send returns an error if there was no answer.
func (a api) send(method, path string, form url.Values) (reply, error) {
	request, err := http.NewRequest(method, a.url+"/api/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.GetBody = nil // so that it is never sent again
	}
	response, err := a.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: response.StatusCode, body: string(body)}
	return r, json.Unmarshal(body, &r)
}

func (a api) share(value, passphrase string) (reply, error) {
	form := url.Values{"secret": {value}}
	if passphrase != "" {
		form.Set("passphrase", passphrase)
	}
	return a.send(http.MethodPost, "share", form)
}

func (a api) reveal(key, passphrase string) (reply, error) {
	form := url.Values{}
	if passphrase != "" {
		form.Set("passphrase", passphrase)
	}
	return a.send(http.MethodPost, "secret/"+key, form)
}

func (a api) burn(receiptKey string) (reply, error) {
	return a.send(http.MethodPost, "receipt/"+receiptKey+"/burn", url.Values{})
}

func (a api) receipt(receiptKey string) (reply, error) {
	return a.send(http.MethodGet, "receipt/"+receiptKey, nil)
}

// must is for calls that have to be answered, with the given status.
func must(t testing.TB, status int) func(reply, error) reply {
	t.Helper()
	return func(r reply, err error) reply {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if r.status != status {
			t.Fatalf("the status is %d, want %d: %s", r.status, status, r.body)
		}
		return r
	}
}

// A fixture is a server over a database file, in this process.
type fixture struct {
	api
	vault  *vault.Vault
	store  *sqlitestore.Store
	folder string
	clock  atomic.Int64 // added to the time
}

const databaseFile, keyringFile = "onetime.db", "keyring.json"

func (f *fixture) database() string { return filepath.Join(f.folder, databaseFile) }

// layers are put between the parts of a server; nil stands for nothing.
type layers struct {
	store   func(vault.Store) vault.Store
	service func(server.Service) server.Service
}

func serve(t testing.TB, l layers) *fixture {
	t.Helper()
	f := &fixture{folder: t.TempDir()}
	var err error
	if f.store, err = sqlitestore.Open(t.Context(), f.database()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() })
	var store vault.Store = f.store
	if l.store != nil {
		store = l.store(store)
	}
	keys, err := vault.LoadKeyring(t.Context(), filepath.Join(f.folder, keyringFile), store)
	if err != nil {
		t.Fatal(err)
	}
	f.vault, err = vault.New(t.Context(), vault.Config{
		Store: store, Keys: keys,
		Clock: func() time.Time { return time.Now().Add(time.Duration(f.clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var service server.Service = f.vault
	if l.service != nil {
		service = l.service(service)
	}
	handler, err := server.New(service, server.Config{BaseURL: "https://example.com", Authenticate: f.vault.Authenticate})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	f.api = newAPI(s.URL)
	t.Cleanup(f.client.CloseIdleConnections)
	return f
}

func (f *fixture) pass(d time.Duration) { f.clock.Add(int64(d)) }

// sweep does what the server does every 30 seconds, and returns when the log was emptied too: the second one is not
// taken before.
func (f *fixture) sweep(t testing.TB) {
	t.Helper()
	for range 2 {
		if err := f.vault.Sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
