package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/gen"
	"github.com/onetime-go/onetime/gen/echoserver"
	"github.com/onetime-go/onetime/server"
)

// Memory is a whole Service: it keeps secrets in a map, as they are, until they are revealed or burned. It knows no
// lifetimes, passphrases and accounts; package vault does.
type Memory struct {
	mu       sync.Mutex
	secrets  map[onetime.Sensitive]onetime.Sensitive // by the secret's key
	receipts map[onetime.Sensitive]onetime.Receipt   // by the receipt's key
}

func (m *Memory) Status(context.Context, onetime.Caller) (onetime.Status, error) {
	return onetime.Status{Status: onetime.StatusNominal, Locale: "en"}, nil
}

func (m *Memory) AuthCheck(ctx context.Context, c onetime.Caller) (onetime.Status, error) {
	return m.Status(ctx, c)
}

func (m *Memory) Share(_ context.Context, _ onetime.Caller, r onetime.ShareRequest) (onetime.Pending[onetime.Receipt], error) {
	return m.keep(r.Secret), nil
}

func (m *Memory) Generate(context.Context, onetime.Caller, onetime.GenerateRequest) (onetime.Pending[onetime.Receipt], error) {
	value := key()
	pending := m.keep(value)
	pending.Answer.Value = value
	return pending, nil
}

// keep prepares a receipt. Its Commit is what stores the secret.
func (m *Memory) keep(secret onetime.Sensitive) onetime.Pending[onetime.Receipt] {
	r := onetime.Receipt{
		Custid: onetime.Anonymous, State: onetime.StateNew, Key: key(), SecretKey: key(),
		Created: time.Now(), Updated: time.Now(), TTL: time.Hour, SecretTTL: time.Hour, ReceiptTTL: 2 * time.Hour,
	}
	return onetime.Pending[onetime.Receipt]{Answer: r, Commit: func(context.Context) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.secrets[r.SecretKey], m.receipts[r.Key] = secret, r
		return nil
	}}
}

func (m *Memory) Reveal(_ context.Context, _ onetime.Caller, r onetime.RevealRequest) (onetime.Pending[onetime.Secret], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.secrets[r.Key]
	if !ok {
		return onetime.Pending[onetime.Secret]{}, onetime.ErrNotFound
	}
	return onetime.Pending[onetime.Secret]{
		Answer: onetime.Secret{Value: value, Key: r.Key},
		Commit: func(context.Context) error { return m.take(r.Key) },
	}, nil
}

func (m *Memory) Burn(_ context.Context, _ onetime.Caller, r onetime.BurnRequest) (onetime.Pending[onetime.Burned], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	receipt, ok := m.receipts[r.Key]
	if !ok {
		return onetime.Pending[onetime.Burned]{}, onetime.ErrNotFound
	}
	secret := receipt.SecretKey
	receipt.State, receipt.SecretTTL = onetime.StateBurned, 0
	return onetime.Pending[onetime.Burned]{
		Answer: onetime.Burned{Receipt: receipt, ShortKey: secret[:8]},
		Commit: func(context.Context) error { return m.take(secret) },
	}, nil
}

// take deletes a secret. Of any number of callers one finds it.
func (m *Memory) take(key onetime.Sensitive) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.secrets[key]; !ok {
		return onetime.ErrNotFound
	}
	delete(m.secrets, key)
	return nil
}

func (m *Memory) Receipt(_ context.Context, _ onetime.Caller, key onetime.Sensitive) (onetime.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	receipt, ok := m.receipts[key]
	if !ok {
		return onetime.Receipt{}, onetime.ErrNotFound
	}
	if _, unread := m.secrets[receipt.SecretKey]; !unread {
		receipt.State, receipt.SecretTTL = onetime.StateOrphaned, 0
	}
	return receipt, nil
}

func (m *Memory) Recent(context.Context, onetime.Caller) ([]onetime.Receipt, error) { return nil, nil }

// key is for an example only: keys of real secrets come from crypto/rand.
func key() onetime.Sensitive {
	text := make([]byte, 31)
	for i := range text {
		text[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[rand.IntN(36)]
	}
	return onetime.Sensitive(text)
}

func Example() {
	memory := &Memory{secrets: map[onetime.Sensitive]onetime.Sensitive{}, receipts: map[onetime.Sensitive]onetime.Receipt{}}
	handler, err := server.New(memory, server.Config{BaseURL: "https://secrets.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	site := httptest.NewServer(handler)
	defer site.Close()

	receipt := post(site, "/api/v1/share", url.Values{"secret": {"the code is 1234"}})
	fmt.Println(receipt["state"], receipt["ttl"], receipt["custid"])

	reveal := fmt.Sprint("/api/v1/secret/", receipt["secret_key"])
	fmt.Println(post(site, reveal, nil)["value"])
	fmt.Println(post(site, reveal, nil)["message"])
	// Output:
	// 200 OK
	// new 3600 anon
	// 200 OK
	// the code is 1234
	// 404 Not Found
	// Unknown secret
}

// post sends a form, prints the status and returns the members of the answer.
func post(site *httptest.Server, path string, form url.Values) map[string]any {
	response, err := site.Client().PostForm(site.URL+path, form)
	if err != nil {
		fmt.Println(err)
		return nil
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
	var members map[string]any
	if err := json.NewDecoder(response.Body).Decode(&members); err != nil {
		fmt.Println(err)
	}
	return members
}

// generated is a server that exists already, made by oapi-codegen. Its compiler cannot know that no such state is
// documented.
type generated struct {
	echoserver.StrictServerInterface
}

func (generated) V1ShowReceipt(context.Context, echoserver.V1ShowReceiptRequestObject) (echoserver.V1ShowReceiptResponseObject, error) {
	receipt := echoserver.ReceiptJSONResponse{State: "shredded", Recipient: []string{}, Recipients: []string{}}
	return echoserver.V1ShowReceipt200JSONResponse{ReceiptJSONResponse: receipt}, nil
}

// An Echo server that exists already, generated from this document or from any other OpenAPI 3.0 document, gets its
// requests and its answers checked by five more lines. Here the document is the one that oapi-codegen embeds.
func ExampleCheck() {
	document, err := gen.GetSpecJSON()
	if err != nil {
		log.Fatal(err)
	}
	report := func(_ echo.Context, v *contract.Violation) { fmt.Println(v) }
	e := echo.New()

	api, err := contract.Load(document)
	if err != nil {
		log.Fatal(err)
	}
	e.Use(server.Check(api, server.CheckOptions{Report: report}))

	echoserver.RegisterHandlers(e, echoserver.NewStrictHandler(generated{}, nil))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/receipt/k", nil))
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	// Output:
	// contract: v1_showReceipt response 200: state must be one of new, received, viewed, burned, expired, orphaned (enum)
	// 500 {"message":"Internal Server Error"}
}

// A handler below Check that consumes something leaves that to Defer, so that nothing is lost for an answer that nobody
// gets.
func ExampleDefer() {
	e := echo.New()
	e.Use(server.Check(contract.V1(), server.CheckOptions{}))
	e.POST("/api/v1/secret/:key", func(c echo.Context) error {
		server.Defer(c.Request().Context(), func(context.Context) error {
			fmt.Println("deleted")
			return nil
		})
		answer := map[string]string{"value": "the code is 1234", "secret_key": c.Param("key")}
		if c.Param("key") == "good" {
			answer["share_domain"] = "" // required by the document
		}
		return c.JSON(http.StatusOK, answer)
	})
	for _, key := range []string{"bad", "good"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("POST", "/api/v1/secret/"+key, nil))
		fmt.Println(key, w.Code)
	}
	// Output:
	// bad 500
	// deleted
	// good 200
}
