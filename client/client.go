// Package client calls servers of the Onetime Secret API: the public service, in one of its regions, or a self-hosted one.
// It checks every request and every answer against the contract, so that a program learns at once when either side leaves it.
//
//	c, err := client.New(client.EU)
//	receipt, err := c.Share(ctx, onetime.ShareRequest{Secret: "the cake is a lie", TTL: time.Hour})
//	link := c.SecretURL(receipt.SecretKey)
//
// Errors are of three kinds. The server refused: *Error, which errors.Is compares with onetime.ErrNotFound and the like, by
// the status that the server meant. The contract was broken, and by whom: *contract.Violation. The network failed:
// *NetworkError, which says whether the request can have been processed. Only a 429 or 5xx against the contract, as proxies
// send it, is of two kinds, the first and the second. No error shows a secret, a passphrase, a token or a key, not even where
// the server's own message repeats one.
//
// Share, Generate, Reveal and Burn are sent once, whatever happens: neither this package nor net/http below it sends them
// again, and redirects are not followed. Receipt, Recent, Status and AuthCheck change nothing. They are sent again if the
// connection fails or the server answers 429 or 5xx: after a pause that grows, is random in part and at least what
// Retry-After asks for, and within the timeout of the call.
//
// For calls that this package does not have, use the generated client (see Client.Raw). For tests of programs that use it,
// package clienttest starts a real server.
package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/gen"
)

// The regions of the public service.
const (
	CA = "https://ca.onetimesecret.com"
	EU = "https://eu.onetimesecret.com"
	NZ = "https://nz.onetimesecret.com"
	UK = "https://uk.onetimesecret.com"
	US = "https://us.onetimesecret.com"
)

// DefaultTimeout bounds a call, unless an http.Client of one's own says otherwise.
const DefaultTimeout = 30 * time.Second

// A Client calls one server. It may be used concurrently, and prints nothing of its account.
type Client struct {
	base        string // without a slash at its end
	raw         *gen.Client
	timeout     time.Duration                                  // of a call; 0 for none
	retries     int                                            // of a read
	credentials func() (email string, token onetime.Sensitive) // a function, which no verb of fmt looks into
}

// An Option changes what New does by default.
type Option func(*options)

type options struct {
	username  string
	token     onetime.Sensitive
	http      http.Client
	report    func(*contract.Violation)
	unchecked bool
	plainHTTP bool
	retries   int
}

// WithAccount sends credentials with every call: the account's e-mail address and its API token.
func WithAccount(email string, token onetime.Sensitive) Option {
	return func(o *options) { o.username, o.token = email, token }
}

// WithHTTPClient sends requests with the Transport, Jar and Timeout of h, for proxies, tracing or client certificates. A zero
// Timeout sets none: then the context bounds a call. Redirects are not followed, whatever h says. A Transport that sends
// requests again by itself breaks the promise that what creates or consumes is sent once; *http.Transport is not one. h
// itself is not changed; nil changes nothing.
func WithHTTPClient(h *http.Client) Option {
	return func(o *options) {
		if h != nil {
			o.http = *h
		}
	}
}

// WithReport tells report of violations of the contract instead of failing, to work with servers that leave it. Calls
// then succeed as far as what came can be understood; what of a reveal cannot, the Violation still has (see its Body).
// report is called by the goroutine that makes the call. A nil report changes nothing.
func WithReport(report func(*contract.Violation)) Option {
	return func(o *options) { o.report = report }
}

// WithoutChecks checks no message against the contract. Calls succeed as far as what came can be understood, as they do
// WithReport.
func WithoutChecks() Option {
	return func(o *options) { o.unchecked = true }
}

// WithRetries says how often Receipt, Recent, Status and AuthCheck are sent again at most: 0 is never, and less than 0 stands for
// DefaultRetries.
func WithRetries(n int) Option {
	return func(o *options) { o.retries = n }
}

// WithPlainHTTP allows http:// to other machines. Whoever is on the way then reads secrets and tokens.
func WithPlainHTTP() Option {
	return func(o *options) { o.plainHTTP = true }
}

// New returns a client for the server at a base URL, such as EU or https://secrets.example.com; a path /api at its end may
// be left out. Without options it has no account, enforces the contract, and sends over https (on this machine over http,
// too) as http.DefaultTransport is set up at the first call, within DefaultTimeout. It does not call the server.
func New(baseURL string, opts ...Option) (*Client, error) {
	o := options{http: http.Client{Timeout: DefaultTimeout}, retries: -1}
	for _, opt := range opts {
		opt(&o)
	}
	base, err := parseBase(baseURL, o.plainHTTP)
	if err != nil {
		return nil, err
	}
	switch {
	case (o.username == "") != (o.token == ""):
		return nil, errors.New("client: an account needs both its e-mail address and its API token")
	case strings.Contains(o.username, ":"): // HTTP Basic would take the rest for a part of the token
		return nil, errors.New("client: the e-mail address of an account has no colon")
	}
	raw, err := gen.NewClient(base.String(), o.generated(base)...)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if o.retries < 0 {
		o.retries = DefaultRetries
	}
	return &Client{
		base:        base.String(),
		raw:         raw,
		timeout:     o.http.Timeout,
		retries:     o.retries,
		credentials: func() (string, onetime.Sensitive) { return o.username, o.token },
	}, nil
}

// generated returns what the generated client is to send with.
func (o *options) generated(base *url.URL) []gen.ClientOption {
	h := o.http
	if h.Transport == nil {
		h.Transport = defaultTransport{}
	}
	h.Transport = &contract.Transport{
		Base:     noting{h.Transport},
		BasePath: base.EscapedPath(),
		Report:   o.report,
		Off:      o.unchecked,
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	all := []gen.ClientOption{gen.WithHTTPClient(newDoer(h))}
	if o.username != "" {
		all = append(all, gen.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.SetBasicAuth(o.username, o.token.Expose())
			return nil
		}))
	}
	return all
}

// A doer is an http.Client whose errors do not show the URL, and thereby a key. Its Timeout is for the generated client
// alone: the calls of this package have theirs.
type doer struct{ bounded, unbounded http.Client }

func newDoer(h http.Client) *doer {
	d := &doer{bounded: h, unbounded: h}
	d.unbounded.Timeout = 0
	return d
}

func (d *doer) Do(r *http.Request) (*http.Response, error) {
	h := &d.bounded
	if progressOf(r.Context()) != nil {
		h = &d.unbounded
	}
	response, err := h.Do(r)
	return response, withoutURL(err)
}

func parseBase(text string, plainHTTP bool) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil, base.Hostname() == "", base.Scheme != "https" && base.Scheme != "http":
		return nil, errors.New("client: the base URL must be http or https with a host, such as https://eu.onetimesecret.com")
	case base.User != nil, strings.ContainsAny(text, "?#"):
		return nil, errors.New("client: the base URL has more than scheme, host and path; give credentials with WithAccount")
	case base.Scheme == "http" && !plainHTTP && !isLoopback(base.Hostname()):
		return nil, errors.New("client: plain http to another machine shows secrets to whoever is on the way; use https, or allow it with WithPlainHTTP")
	}
	return trimPath(base), nil
}

// trimPath takes dots, double slashes and an /api at its end out of the path of a URL.
func trimPath(base *url.URL) *url.URL {
	path := strings.TrimRight(base.JoinPath().EscapedPath(), "/")
	path = strings.TrimRight(strings.TrimSuffix(path, "/api"), "/")
	if path == "" {
		return &url.URL{Scheme: base.Scheme, Host: base.Host}
	}
	return (&url.URL{Scheme: base.Scheme, Host: base.Host, Path: "/"}).JoinPath(path)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Raw returns the generated client, which has a method for each operation. It sends through the same checks, once; its
// answers are *http.Response, and its errors *contract.Violation or those of net/http, which may repeat what a server sent.
func (c *Client) Raw() *gen.Client { return c.raw }

// SecretURL returns the link under which people find a secret. It holds the secret's key.
func (c *Client) SecretURL(key onetime.Sensitive) onetime.Sensitive {
	return onetime.Sensitive(c.base + "/secret/" + url.PathEscape(key.Expose()))
}
