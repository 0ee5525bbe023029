package pages_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/onetime-go/onetime/server/pages"
)

// Pages stand in front of the API, which server.New makes.
func Example() {
	api := http.NotFoundHandler()
	handler, err := pages.New(api, pages.Config{BaseURL: "https://secrets.example.com/vault"})
	if err != nil {
		log.Fatal(err)
	}
	s := httptest.NewServer(handler)
	defer s.Close()

	page, err := http.Get(s.URL + "/vault/secret/242kmj9m16kqb97dyzwotoqwupnbaya")
	if err != nil {
		log.Fatal(err)
	}
	page.Body.Close()
	fmt.Println(page.Status, page.Header.Get("Cache-Control"))
	// Output: 200 OK no-store
}
