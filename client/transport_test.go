package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/onetime-go/onetime"
)

var errBroken = errors.New("broken")

// A brokenConn takes so many bytes, and then fails.
type brokenConn struct {
	net.Conn
	takes int
}

func (c *brokenConn) Write(data []byte) (int, error) {
	if c.takes < len(data) {
		return c.takes, errBroken
	}
	c.takes -= len(data)
	return c.Conn.Write(data)
}

// dialing is an http.Client whose connections come from a function, and tell what is written.
func dialing(t *testing.T, dial func() (net.Conn, error)) Option {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		conn, err := dial()
		if err != nil {
			return nil, err
		}
		return &tellingConn{Conn: conn}, nil
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return WithHTTPClient(&http.Client{Transport: transport})
}

// TestSent holds that Sent is false exactly if no byte of a request has left.
func TestSent(t *testing.T) {
	for name, test := range map[string]struct {
		dial func() (net.Conn, error)
		sent bool
	}{
		"no connection":     {func() (net.Conn, error) { return nil, errBroken }, false},
		"nothing written":   {func() (net.Conn, error) { c, _ := net.Pipe(); return &brokenConn{c, 0}, nil }, false},
		"one byte written":  {func() (net.Conn, error) { c, _ := net.Pipe(); return &brokenConn{c, 1}, nil }, true},
		"many bytes":        {func() (net.Conn, error) { c, _ := net.Pipe(); return &brokenConn{c, 100}, nil }, true},
		"closed by us":      {func() (net.Conn, error) { c, _ := net.Pipe(); return c, c.Close() }, false},
		"closed by another": {func() (net.Conn, error) { c, s := net.Pipe(); return c, s.Close() }, false},
		"read and closed": {func() (net.Conn, error) {
			c, s := net.Pipe()
			go func() { _, _ = s.Read(make([]byte, 10)); s.Close() }()
			return c, nil
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New("http://h.example", WithPlainHTTP(), dialing(t, test.dial))
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Share(t.Context(), onetime.ShareRequest{Secret: "hidden"})
			var network *NetworkError
			if !errors.As(err, &network) || network.Sent != test.sent {
				t.Errorf("Sent is not %v: %v", test.sent, err)
			}
		})
	}
}

// TestNotSent holds it of what happens before there is a connection to the server.
func TestNotSent(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"a proxy refuses":  func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"a proxy breaks":   func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"no TLS behind it": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) },
	} {
		proxy := httptest.NewServer(serve)
		defer proxy.Close()
		at, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{Proxy: http.ProxyURL(at)}
		defer transport.CloseIdleConnections()
		c, err := New("https://h.example", WithHTTPClient(&http.Client{Transport: transport}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Share(t.Context(), onetime.ShareRequest{Secret: "hidden"})
		var network *NetworkError
		if !errors.As(err, &network) || network.Sent {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := New("http://h.example", WithPlainHTTP(), dialing(t, func() (net.Conn, error) { cancel(); <-ctx.Done(); return nil, ctx.Err() }))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Share(ctx, onetime.ShareRequest{Secret: "hidden"})
	var network *NetworkError
	if !errors.As(err, &network) || network.Sent || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled while it dials: %v", err)
	}
}

// TestSentOverAKeptConnection holds it where the server has closed a connection that is used again.
func TestSentOverAKeptConnection(t *testing.T) {
	var conn *brokenConn
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"nominal","locale":"en"}`)
	}))
	defer s.Close()
	for _, test := range []struct {
		takes int
		sent  bool
	}{{0, false}, {1, true}} {
		c, err := New(s.URL, dialing(t, func() (net.Conn, error) {
			inner, err := net.Dial("tcp", s.Listener.Addr().String())
			conn = &brokenConn{inner, 1 << 20}
			return conn, err
		}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn.takes = test.takes
		_, err = c.Share(t.Context(), onetime.ShareRequest{Secret: "hidden"})
		var network *NetworkError
		if !errors.As(err, &network) || network.Sent != test.sent {
			t.Errorf("after %d bytes Sent is not %v: %v", test.takes, test.sent, err)
		}
	}
}

// A recordingConn notes how much is written at once.
type recordingConn struct {
	net.Conn
	mu     sync.Mutex
	writes []int
}

func (c *recordingConn) Write(data []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, len(data))
	c.mu.Unlock()
	return c.Conn.Write(data)
}

// TestShortestRequest holds that what TLS writes when it closes is told from a request by its length.
func TestShortestRequest(t *testing.T) {
	for _, version := range []uint16{0, tls.VersionTLS12, tls.VersionTLS13} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"status":"nominal","locale":"en"}`)
		}))
		config := &tls.Config{MinVersion: version, MaxVersion: version}
		if version == 0 {
			s.Start()
		} else {
			s.StartTLS()
			config.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		}
		var conn *recordingConn
		transport := &http.Transport{TLSClientConfig: config, DialContext: func(context.Context, string, string) (net.Conn, error) {
			inner, err := net.Dial("tcp", s.Listener.Addr().String())
			conn = &recordingConn{Conn: inner}
			return conn, err
		}}
		request, err := http.NewRequest(http.MethodGet, s.URL+"/api/v1/status", nil) // the shortest of the API
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "h"
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		conn.mu.Lock()
		sent := len(conn.writes)
		if length := conn.writes[sent-1]; length < shortestRequest {
			t.Errorf("TLS %x: the request has %d bytes", version, length)
		}
		conn.mu.Unlock()
		transport.CloseIdleConnections()
		s.Close() // waits for the connection
		conn.mu.Lock()
		for _, length := range conn.writes[sent:] {
			if length >= shortestRequest {
				t.Errorf("TLS %x: closing writes %d bytes", version, length)
			}
		}
		if closing := len(conn.writes) - sent; version != 0 && closing != 1 {
			t.Errorf("TLS %x: closing writes %d times, want once", version, closing)
		}
		conn.mu.Unlock()
	}
}

// TestDefaultTransport holds that the default tells what is written, and leaves alone what a program puts in its place.
func TestDefaultTransport(t *testing.T) {
	var conns []net.Conn
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	get := func() error {
		p := new(progress)
		r, err := http.NewRequestWithContext(p.trace(t.Context()), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := defaultTransport{}.RoundTrip(r)
		if err == nil {
			response.Body.Close()
			conns = append(conns, p.conn)
		}
		return err
	}
	if err := get(); err != nil || conns[0] == nil {
		t.Errorf("%v over %v", err, conns)
	}
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	for range 2 { // functions cannot be compared
		http.DefaultTransport = transportFunc(func(*http.Request) (*http.Response, error) { return nil, errBroken })
		if err := get(); !errors.Is(err, errBroken) {
			t.Errorf("another default: %v", err)
		}
	}
	http.DefaultTransport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errBroken }}
	if err := get(); !errors.Is(err, errBroken) {
		t.Errorf("another default that dials: %v", err)
	}
	http.DefaultTransport = before
	if err := get(); err != nil || conns[1] == nil {
		t.Errorf("the first again: %v over %v", err, conns)
	}
}

// TestDefaultTransportHTTP2 holds that the copy of the default still speaks HTTP/2, where a request counts as sent once it
// has a connection.
func TestDefaultTransportHTTP2(t *testing.T) {
	var protocol atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol.Store(int32(r.ProtoMajor))
		panic(http.ErrAbortHandler)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	like := before.(*http.Transport).Clone()
	like.TLSClientConfig = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	http.DefaultTransport = like
	defer telling.like(like).CloseIdleConnections()
	c, err := New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Share(t.Context(), onetime.ShareRequest{Secret: "hidden"})
	var network *NetworkError
	if !errors.As(err, &network) || !network.Sent || protocol.Load() != 2 {
		t.Errorf("over HTTP/%d: %v", protocol.Load(), err)
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
