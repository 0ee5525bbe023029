package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

// callerOf returns who sent a request, from the context that its handler gets.
func callerOf(ctx context.Context) onetime.Caller { return exchangeOf(ctx).caller }

// callers finds out who sent a request.
type callers struct {
	authenticate func(ctx context.Context, username, password string) (onetime.Account, error)
	address      echo.IPExtractor
	limits       limits
}

func newCallers(config Config, limits limits) callers {
	c := callers{authenticate: config.Authenticate, address: echo.ExtractIPDirect(), limits: limits}
	if c.authenticate == nil {
		c.authenticate = func(context.Context, string, string) (onetime.Account, error) {
			return nil, onetime.ErrUnauthorized
		}
	}
	if len(config.TrustedProxies) > 0 {
		c.address = echo.ExtractIPFromXFFHeader(trust(config.TrustedProxies)...)
	}
	return c
}

// trust turns off what Echo trusts by itself, which is every private network, and trusts these.
func trust(networks []netip.Prefix) []echo.TrustOption {
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, network := range networks {
		network = network.Masked()
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP:   network.Addr().AsSlice(),
			Mask: net.CIDRMask(network.Bits(), network.Addr().BitLen()),
		}))
	}
	return options
}

// admit finds out who calls, and turns away who may not.
func (cs callers) admit(c echo.Context, op *contract.Operation) error {
	caller, err := cs.identify(c)
	if err != nil {
		return err
	}
	if caller.Account == nil && op.RequiresCredentials() {
		return onetime.ErrUnauthorized
	}
	if err := cs.limits.admit(caller, op); err != nil {
		return err
	}
	exchangeOf(c.Request().Context()).caller = caller
	return nil
}

func (cs callers) identify(c echo.Context) (onetime.Caller, error) {
	account, err := cs.account(c.Request())
	if err != nil {
		return onetime.Caller{}, err
	}
	return onetime.Caller{
		Account:   account,
		Network:   networkOf(cs.address(c.Request())),
		RequestID: requestID(c),
	}, nil
}

// account authenticates whoever sends credentials, also where none are needed: who sends wrong ones is to hear of it, and
// not to act as somebody else.
func (cs callers) account(r *http.Request) (onetime.Account, error) {
	headers, sent := r.Header["Authorization"]
	if !sent {
		return nil, nil
	}
	username, password, ok := r.BasicAuth()
	if !ok || len(headers) != 1 || username == "" || password == "" {
		return nil, onetime.ErrUnauthorized
	}
	account, err := cs.authenticate(r.Context(), username, password)
	if err != nil {
		return nil, serviceError{err}
	}
	if account == nil { // a mistake of Authenticate, which must not make an anonymous caller of somebody
		return nil, onetime.ErrUnauthorized
	}
	return account, nil
}

// networkOf returns the network of an address: the address itself for IPv4, the /64 for IPv6.
func networkOf(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	network, _ := ip.Prefix(bits) // the bits fit the address
	return network
}
