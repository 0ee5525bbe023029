// Package server is a scaffold for servers of the Onetime Secret API: a Service goes in, and an http.Handler comes out
// that cannot leave the contract.
//
//	handler, err := server.New(myService, server.Config{BaseURL: "https://secrets.example.com"})
//
// The eighteen operations of the API are eight things to do, under several names. A Service does them, on plain types;
// the scaffold authenticates, checks every request and every answer against the contract, and turns errors into the
// documented statuses. A wrong answer of the Service becomes a documented 500, and what it would have consumed is
// still there: see onetime.Pending.
//
// Package vault is a Service that seals its secrets. Who wants to serve the generated interface on an Echo of their
// own, of this or of any other OpenAPI 3.0 document, takes the Check middleware alone.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/gen/echoserver"
)

// A Service does what the API offers. Its methods are called concurrently, with a context that ends when the client
// goes away.
//
// An error that is (errors.Is) one of the Err variables of package onetime is answered with the status that the contract
// gives it, and a *onetime.Refusal with its texts, too. Every other error is logged and answered 500. Errors must not
// hold secrets, passphrases, tokens or keys.
type Service interface {
	// Status says whether the service is up.
	Status(context.Context, onetime.Caller) (onetime.Status, error)
	// AuthCheck is Status for a caller who has an account.
	AuthCheck(context.Context, onetime.Caller) (onetime.Status, error)
	// Share prepares to store a secret. Commit stores it.
	Share(context.Context, onetime.Caller, onetime.ShareRequest) (onetime.Pending[onetime.Receipt], error)
	// Generate prepares to store a random secret, which the receipt's Value holds. Commit stores it.
	Generate(context.Context, onetime.Caller, onetime.GenerateRequest) (onetime.Pending[onetime.Receipt], error)
	// Reveal opens a secret without consuming it. Commit consumes it, or returns ErrNotFound if someone else did.
	Reveal(context.Context, onetime.Caller, onetime.RevealRequest) (onetime.Pending[onetime.Secret], error)
	// Burn prepares to delete a secret unread. Commit deletes it, or returns ErrNotFound if it is gone.
	Burn(context.Context, onetime.Caller, onetime.BurnRequest) (onetime.Pending[onetime.Burned], error)
	// Receipt shows what became of a secret, by the receipt's key. It consumes nothing.
	Receipt(context.Context, onetime.Caller, onetime.Sensitive) (onetime.Receipt, error)
	// Recent lists the receipts of the caller's account, newest first, without the keys of the secrets.
	Recent(context.Context, onetime.Caller) ([]onetime.Receipt, error)
}

// Config is how a Service is served. Only BaseURL is required.
type Config struct {
	// BaseURL is where clients reach the server: scheme, host and, for a server below a path, that path. Links in
	// receipts begin with it. The Host header of requests is never used.
	BaseURL string
	// Authenticate says who a user name and a password belong to, or returns onetime.ErrUnauthorized. Neither is
	// empty. If it is nil nobody has an account, and whoever sends credentials is answered 401.
	Authenticate func(ctx context.Context, username, password string) (onetime.Account, error)
	// Normalize takes requests in the forms in which clients in use send them - JSON, multipart, parameters in the
	// query - and rewrites them into the documented form before they are checked. If it is false such requests are
	// answered 400.
	Normalize bool
	// TrustedProxies are the networks of proxies whose X-Forwarded-For header is believed. If there are none the
	// header is ignored.
	TrustedProxies []netip.Prefix
	// MaxBody is the longest request body that is read, in bytes; 0 or less stands for DefaultMaxBody. A longer one is
	// answered 422.
	MaxBody int64
	// RateLimit bounds the creations that one caller may ask for, and the reveals: an account, or an anonymous caller's
	// network. One more is answered 429, with Retry-After. The zero value sets no limit; see DefaultRate. A server behind
	// a proxy has to be told so, by TrustedProxies: else all its callers are one.
	RateLimit Rate
	// MaxCreates is how many creations are in work at once; 0 or less stands for DefaultCreates. Others wait for up to
	// two seconds, and are then answered 429. So a flood of them keeps no reveal from being answered.
	MaxCreates int
	// Observe is told of each request when it was answered, such as for metrics, with the context of the request. It is
	// called concurrently, and must return at once. It may be nil.
	Observe func(context.Context, Observation)
	// Logger gets a line for each request, and one for each violation of the contract and each failure of the
	// Service. Paths, which hold keys, are never logged, only their templates. If it is nil nothing is logged.
	Logger *slog.Logger
}

// New returns a handler for the API, or an error that says what is wrong with the Config. The handler may be used
// concurrently.
func New(service Service, config Config) (http.Handler, error) {
	base, err := parseBaseURL(config.BaseURL)
	if err != nil {
		return nil, err
	}
	if service == nil {
		return nil, errors.New("server: the Service is nil")
	}
	limits, err := newLimits(config)
	if err != nil {
		return nil, err
	}
	logger := cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	api := contract.V1()
	e := echo.New()
	e.HTTPErrorHandler = errorWriter{contract: api, logger: logger}.write
	check := newChecker(api, CheckOptions{
		BasePath: base.Path,
		MaxBody:  config.MaxBody,
		Report:   reportTo(logger),
	})
	check.admit = newCallers(config, limits).admit
	check.enter = limits.enter
	check.rewrite = func(r *http.Request, op *contract.Operation, body []byte) ([]byte, error) {
		return rewrite(r, op, body, !config.Normalize)
	}
	e.Use(identify, observeWith(tellAll(logger, config.Observe), check.operation), check.middleware)
	operations := operations{service: service, links: links(base.String())}
	echoserver.RegisterHandlersWithBaseURL(e, echoserver.NewStrictHandler(operations, nil), base.Path)
	return e, nil
}

// parseBaseURL returns the URL without a slash at its end.
func parseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case text == "":
		return nil, errors.New("server: Config.BaseURL is empty; set it to where clients reach the server, such as https://secrets.example.com")
	case err != nil, base.Scheme != "http" && base.Scheme != "https", base.Hostname() == "":
		return nil, errors.New("server: Config.BaseURL is not an http or https URL with a host")
	case base.RawQuery != "", base.ForceQuery, base.Fragment != "", base.User != nil:
		return nil, errors.New("server: Config.BaseURL has more than scheme, host and path")
	case strings.ContainsAny(base.Path, ":*"):
		return nil, fmt.Errorf("server: the path of Config.BaseURL has %q or %q, which stand for parameters", ":", "*")
	}
	return base, nil
}
