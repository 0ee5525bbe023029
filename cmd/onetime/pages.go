package main

import (
	"net/http"

	"github.com/onetime-go/onetime/server/pages"
)

// withPages puts the pages for people in front of the API.
func withPages(api http.Handler, baseURL string, s settings) (http.Handler, error) {
	if !s.pages {
		return api, nil
	}
	return pages.New(api, pages.Config{BaseURL: baseURL, MaxSecret: s.maxSecret, Accounts: true, AccountsOnly: s.accountsOnly})
}
