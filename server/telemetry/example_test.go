package telemetry_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/telemetry"
	"github.com/onetime-go/onetime/server/vault"
)

// Example serves a vault with its metrics beside it.
func Example() {
	ctx := context.Background()
	store, err := sqlitestore.OpenMemory(ctx)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	metrics := telemetry.NewMetrics()
	v, err := vault.New(ctx, vault.Config{Store: metrics.Store(store), Keys: vault.NewKeyring(), Observe: metrics.Event})
	if err != nil {
		panic(err)
	}
	api, err := server.New(v, server.Config{BaseURL: "https://secrets.example.com", Observe: metrics.Request})
	if err != nil {
		panic(err)
	}
	site := httptest.NewServer(api)
	defer site.Close()
	private := httptest.NewServer(metrics) // where strangers do not get
	defer private.Close()

	if _, err := http.PostForm(site.URL+"/api/v1/share", url.Values{"secret": {"the cake is a lie"}}); err != nil {
		panic(err)
	}
	response, err := http.Get(private.URL)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "onetime_http_requests_total") || strings.HasPrefix(line, "onetime_secrets_created_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// onetime_http_requests_total{operation="v1_share",status="200"} 1
	// onetime_secrets_created_total 1
}
