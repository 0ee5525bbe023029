package client

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// A defaultTransport sends like http.DefaultTransport, over connections that tell whether anything was written to them.
type defaultTransport struct{}

func (defaultTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if of, ok := http.DefaultTransport.(*http.Transport); ok && of.DialContext != nil {
		return telling.like(of).RoundTrip(r)
	}
	return http.DefaultTransport.RoundTrip(r) // a program, or its test, has put another there
}

// telling is the copy of the default transport, which clients share as they would share that one.
var telling tellingTransport

type tellingTransport struct {
	mu       sync.Mutex
	of, copy *http.Transport
}

func (t *tellingTransport) like(of *http.Transport) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == of {
		return t.copy
	}
	t.of, t.copy = of, of.Clone()
	t.copy.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := of.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &tellingConn{Conn: conn}, nil
	}
	return t.copy
}

// A tellingConn counts the writes that a request can be a part of.
type tellingConn struct {
	net.Conn
	writes atomic.Int64
}

// shortestRequest is less than the head of a request of this API takes, which HTTP/1 writes at once, and more than what TLS
// writes by itself: an alert when a connection is closed (24 bytes), an update of keys (27).
const shortestRequest = 64

// Write counts a write while it is under way, too, and takes it back if nothing was written.
func (c *tellingConn) Write(data []byte) (int, error) {
	if len(data) < shortestRequest {
		return c.Conn.Write(data)
	}
	c.writes.Add(1)
	n, err := c.Conn.Write(data)
	if n == 0 && err != nil {
		c.writes.Add(-1)
	}
	return n, err
}

// tellingOf finds the connection below TLS, and nil if it is not one of ours or others send over it at the same time.
func tellingOf(conn net.Conn) *tellingConn {
	for {
		switch c := conn.(type) {
		case *tellingConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
