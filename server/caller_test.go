package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime"
)

// TestNetwork finds out where a request comes from, behind proxies and without.
func TestNetwork(t *testing.T) {
	const v4, v6 = "10.0.0.0/8", "2001:db8:1::/48"
	tests := []struct {
		name    string
		trusted string // networks, separated by spaces
		remote  string
		xff     []string
		want    string
	}{
		{"direct", "", "192.0.2.7:1234", nil, "192.0.2.7/32"},
		{"header without trusted proxies", "", "192.0.2.7:1234", []string{"198.51.100.1"}, "192.0.2.7/32"},
		{"private network is not trusted by itself", "", "10.1.1.1:1", []string{"198.51.100.1"}, "10.1.1.1/32"},
		{"loopback is not trusted by itself", v4, "127.0.0.1:1", []string{"198.51.100.1"}, "127.0.0.1/32"},
		{"another private network is not trusted", v4, "192.168.0.1:1", []string{"198.51.100.1"}, "192.168.0.1/32"},
		{"from a proxy", v4, "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1/32"},
		{"from a proxy without the header", v4, "10.0.0.1:1", nil, "10.0.0.1/32"},
		{"header from elsewhere", v4, "192.0.2.7:1", []string{"198.51.100.1"}, "192.0.2.7/32"},
		{"forged", v4, "10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1/32"},
		{"forged, as if by a proxy", v4, "10.0.0.1:1", []string{"203.0.113.9, 10.9.9.9, 198.51.100.1"}, "198.51.100.1/32"},
		{"forged garbage", v4, "10.0.0.1:1", []string{"<script>, 198.51.100.1"}, "198.51.100.1/32"},
		{"forged in a line of its own", v4, "10.0.0.1:1", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1/32"},
		{"two proxies", v4, "10.0.0.1:1", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1/32"},
		{"garbage next to the proxy", v4, "10.0.0.1:1", []string{"198.51.100.1, unknown"}, "10.0.0.1/32"},
		{"empty header", v4, "10.0.0.1:1", []string{""}, "10.0.0.1/32"},
		{"a network that is not masked", "10.1.2.3/8", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1/32"},
		{"IPv6", "", "[2001:db8:aaaa:bbbb:cccc::1]:1", nil, "2001:db8:aaaa:bbbb::/64"},
		{"IPv6 with a zone", "", "[fe80::1%eth0]:1", nil, "fe80::/64"},
		{"IPv6 behind an IPv6 proxy", v4 + " " + v6, "[2001:db8:1::9]:1", []string{"2001:db8:2:3:4::5"}, "2001:db8:2:3::/64"},
		{"IPv4 behind an IPv6 proxy", v6, "[2001:db8:1::9]:1", []string{"198.51.100.1"}, "198.51.100.1/32"},
		{"IPv4-mapped", "", "[::ffff:192.0.2.7]:1", nil, "192.0.2.7/32"},
		{"IPv4-mapped proxy", v4, "[::ffff:10.0.0.1]:1", []string{"198.51.100.1"}, "198.51.100.1/32"},
		{"IPv4-mapped in the header", v4, "10.0.0.1:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1/32"},
		{"in brackets", v4, "10.0.0.1:1", []string{"[2001:db8:2:3:4::5]"}, "2001:db8:2:3::/64"},
		{"socket without an address", "", "@", nil, "invalid Prefix"},
		{"socket without an address, header", v4, "@", []string{"198.51.100.1"}, "invalid Prefix"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			service := newStub()
			config := Config{BaseURL: "https://secrets.example.com"}
			for _, network := range strings.Fields(test.trusted) {
				config.TrustedProxies = append(config.TrustedProxies, netip.MustParsePrefix(network))
			}
			handler, err := New(service, config)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "/api/v1/status", nil)
			r.RemoteAddr = test.remote
			r.Header["X-Forwarded-For"] = test.xff
			r.Header.Set("X-Real-Ip", "203.0.113.200")
			r.Header.Set("Forwarded", "for=203.0.113.201")
			handler.ServeHTTP(httptest.NewRecorder(), r)
			calls := service.seen()
			if len(calls) != 1 || calls[0].Caller.Network.String() != test.want {
				t.Errorf("asked by %v, want %s", calls, test.want)
			}
		})
	}
}

// TestNetworkOverTCP does it once over a real connection.
func TestNetworkOverTCP(t *testing.T) {
	service := newStub()
	site := serve(t, service, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	site.call(t, "GET", "/api/v1/status", "", withHeader("X-Forwarded-For", "2001:db8::1, 127.0.0.9"))
	if calls := service.seen(); len(calls) != 1 || calls[0].Caller.Network.String() != "2001:db8::/64" {
		t.Errorf("asked by %v", calls)
	}
}

// TestCaller passes the account and the request id to every method.
func TestCaller(t *testing.T) {
	for _, r := range routes(t) {
		t.Run(r.op.ID, func(t *testing.T) {
			service := newStub()
			site := serve(t, service)
			answer := r.send(t, site, withAccount)
			calls := service.seen()
			if len(calls) != 1 || calls[0].Method != r.method {
				t.Fatalf("asked %v, want %s", calls, r.method)
			}
			caller := calls[0].Caller
			if caller.Account != account(username) {
				t.Errorf("Account = %v, want what Authenticate returned", caller.Account)
			}
			if caller.RequestID == "" || caller.RequestID != answer.Header.Get("X-Request-Id") {
				t.Errorf("RequestID = %q, header %q", caller.RequestID, answer.Header.Get("X-Request-Id"))
			}
			if r.op.RequiresCredentials() {
				return
			}
			r.send(t, site)
			if calls := service.seen(); len(calls) != 1 || calls[0].Caller.Account != nil {
				t.Errorf("an anonymous caller is %v", calls)
			}
		})
	}
}

// TestAuthenticate lets it do what it should not, or cannot do what it should.
func TestAuthenticate(t *testing.T) {
	tests := []struct {
		name   string
		result error
		panics bool
		status int
	}{
		{"unknown", onetime.ErrUnauthorized, false, 401},
		{"wrapped", fmt.Errorf("account: %w", onetime.ErrUnauthorized), false, 401},
		{"locked", onetime.ErrForbidden, false, 403},
		{"neither an account nor an error", nil, false, 401},
		{"error of Echo", echo.NewHTTPError(404, marker), false, 500},
		{"database is down", errors.New("down"), false, 500},
		{"panic", nil, true, 500},
	}
	for _, test := range tests {
		for _, r := range routes(t) {
			t.Run(test.name+" "+r.op.ID, func(t *testing.T) {
				service := newStub()
				site := serve(t, service, func(c *Config) {
					c.Authenticate = func(context.Context, string, string) (onetime.Account, error) {
						if test.panics {
							panic(marker)
						}
						return nil, test.result
					}
				})
				r.send(t, site, withAccount).want(t, test.status, "")
				if calls := service.seen(); len(calls) != 0 {
					t.Errorf("the Service was asked %v", calls)
				}
			})
		}
	}
}

// TestEmptyCredentials never reach Authenticate, which might take them.
func TestEmptyCredentials(t *testing.T) {
	site := serve(t, newStub(), func(c *Config) {
		c.Authenticate = func(context.Context, string, string) (onetime.Account, error) { return account("anyone"), nil }
	})
	for _, pair := range [][2]string{{"", token}, {username, ""}, {"", ""}} {
		site.call(t, "GET", "/api/v1/authcheck", "", func(r *http.Request) { r.SetBasicAuth(pair[0], pair[1]) }).want(t, 401, "")
	}
	site.call(t, "GET", "/api/v1/authcheck", "", withAccount).want(t, 200, "")
}

// TestBaseURL serves below a path.
func TestBaseURL(t *testing.T) {
	for base, want := range map[string]string{
		"https://secrets.example.com":            "https://secrets.example.com/receipt/",
		"https://secrets.example.com/":           "https://secrets.example.com/receipt/",
		"https://secrets.example.com/a/b":        "https://secrets.example.com/a/b/receipt/",
		"https://secrets.example.com:8443/a///":  "https://secrets.example.com:8443/a/receipt/",
		"https://secrets.example.com/with%20one": "https://secrets.example.com/with%20one/receipt/",
	} {
		t.Run(base, func(t *testing.T) {
			site := serve(t, newStub(), func(c *Config) { c.BaseURL = base })
			site.base = strings.TrimRight(site.base, "/")
			for _, r := range routes(t) {
				r.send(t, site).want(t, 200, "")
			}
			answer := site.call(t, "POST", share, "secret=a")
			for _, name := range []string{"metadata_url", "receipt_url"} {
				if got := answer.fields(t)[name]; got != want+receiptKey {
					t.Errorf("%s = %v, want %s", name, got, want+receiptKey)
				}
			}
			if site.base == "" {
				return
			}
			site.base = ""
			site.call(t, "GET", "/api/v1/status", "").want(t, 404, "Not Found")
		})
	}
}

// TestNewRefuses what cannot work, and says what it is.
func TestNewRefuses(t *testing.T) {
	for _, base := range []string{
		"", "/", "secrets.example.com", "//secrets.example.com", "ftp://secrets.example.com", "https://", "https:secrets", "https://:8443",
		"https://a.example/?x=1", "https://a.example/?", "https://a.example/#x", "https://user:" + marker + "@a.example",
		"https://a.example/:key", "https://a.example/*", "https://a.example/%zz", "https://a example/", "http://[::1", "https://a.example:port",
	} {
		_, err := New(newStub(), Config{BaseURL: base})
		if err == nil || !strings.Contains(err.Error(), "BaseURL") {
			t.Errorf("%q: error %v, want one about BaseURL", base, err)
		} else if strings.Contains(err.Error(), marker) {
			t.Errorf("the error shows a password: %v", err)
		}
	}
	if _, err := New(nil, Config{BaseURL: "https://a.example"}); err == nil {
		t.Error("no Service: no error")
	}
}

// TestWithoutLogger logs nothing, and does not fail.
func TestWithoutLogger(t *testing.T) {
	service := newStub()
	service.err = errors.New("disk full")
	site := serve(t, service, func(c *Config) { c.Logger = nil })
	site.call(t, http.MethodGet, "/api/v1/status", "").want(t, 500, "")
	if site.log.String() != "" {
		t.Errorf("log: %s", site.log)
	}
}
