// Package pages serves web pages for people in front of the API: one that creates a secret, the ones that its links lead
// to, and a reference of the API. They are clients of the API as any other, on the same checks and limits: the package
// knows no service and no store, and looks nothing up.
//
//	handler, err := pages.New(api, pages.Config{BaseURL: "https://secrets.example.com"})
//
// Opening a page consumes nothing, whoever opens it: mail scanners, chat previews and browsers that load ahead get the
// same bytes for every key. What is revealed comes by a click, with the POST of the API, into a page that no cache keeps.
//
// Everything is embedded. No page asks another origin for anything, and its Content-Security-Policy forbids it. Who has
// pages of their own needs none of this: the scaffold in package server stands alone.
package pages

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config is what the pages say and offer. Only BaseURL is required.
type Config struct {
	// BaseURL is that of the server: scheme, host and, for a server below a path, that path. Links begin with it. The
	// Host header of requests is never used.
	BaseURL string
	// MaxSecret is the longest secret that the server takes, in bytes; 0 stands for 10,000. The page that creates says so
	// before anything is sent; the server holds it.
	MaxSecret int
	// TTLs are the lifetimes that everybody may choose, and AccountTTLs those that an account may choose beside them. The
	// last of TTLs is preset. If there are none, they are five minutes to 7 days, and 14 and 30 days.
	TTLs, AccountTTLs []time.Duration
	// Accounts offers fields for the name and the token of an account, and for recipients.
	Accounts bool
	// AccountsOnly says that the server lets nobody else create secrets. It implies Accounts.
	AccountsOnly bool
}

const (
	defaultMaxSecret = 10_000
	day              = 24 * time.Hour
)

func (c Config) withDefaults() Config {
	if c.MaxSecret == 0 {
		c.MaxSecret = defaultMaxSecret
	}
	if len(c.TTLs) == 0 {
		c.TTLs = []time.Duration{5 * time.Minute, time.Hour, day, 3 * day, 7 * day}
	}
	if c.AccountTTLs == nil {
		c.AccountTTLs = []time.Duration{14 * day, 30 * day}
	}
	c.Accounts = c.Accounts || c.AccountsOnly
	return c
}

// check tells whether what is offered can be asked for.
func (c Config) check() error {
	if c.MaxSecret < 1 {
		return errors.New("pages: Config.MaxSecret is not a number of bytes")
	}
	for _, ttl := range slices.Concat(c.TTLs, c.AccountTTLs) {
		if ttl < time.Second {
			return errors.New("pages: Config has a lifetime of less than a second")
		}
	}
	return nil
}

// New returns a handler that answers GET and HEAD for the pages, and leaves every other request to api. Where api knows
// nothing of a path either, a browser gets a readable 404 in place of the contract's Error. The error says what is wrong
// with the Config. The handler may be used concurrently.
//
// A request for a page has the template of its route in its Pattern when it was served, for those who log: the path may
// hold a key.
func New(api http.Handler, config Config) (http.Handler, error) {
	if api == nil {
		return nil, errors.New("pages: there is no handler for the API")
	}
	config = config.withDefaults()
	base, err := url.Parse(strings.TrimRight(config.BaseURL, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, errors.New("pages: Config.BaseURL is not an http or https URL with a host")
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	return newSite(api, base, config)
}
