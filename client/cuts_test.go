package client_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime/client"
)

// A cutter is a listener whose connections, once it is armed, are cut after so many bytes in one direction.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	armed bool
	left  map[bool]int // bytes until the cut, of what is read (true) and written
	reset bool         // cut with a reset, which drops what is under way
	conns []*cutConn
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cut := &cutConn{conn.(*net.TCPConn), c}
	c.conns = append(c.conns, cut)
	if c.armed && c.left[true] == 0 {
		cut.cut(c.reset)
	}
	return cut, nil
}

// arm cuts at once what is open if nothing more is to be read, while the client may be about to use it.
func (c *cutter) arm(read, written int, reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.left, c.reset = true, map[bool]int{true: read, false: written}, reset
	if read == 0 {
		for _, conn := range c.conns {
			go conn.cut(reset)
		}
	}
}

// spend returns how many bytes may pass, and whether the connection is to be cut then.
func (c *cutter) spend(reading bool, n int) (pass int, cut, reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed {
		return n, false, false
	}
	pass = min(n, c.left[reading])
	c.left[reading] -= pass
	return pass, c.left[reading] == 0, c.reset
}

type cutConn struct {
	*net.TCPConn
	by *cutter
}

func (c *cutConn) cut(reset bool) {
	if reset {
		_ = c.SetLinger(0)
	}
	_ = c.TCPConn.Close()
}

func (c *cutConn) Read(data []byte) (int, error) {
	n, err := c.TCPConn.Read(data)
	pass, cut, reset := c.by.spend(true, n)
	if cut {
		c.cut(reset)
	}
	return pass, err
}

func (c *cutConn) Write(data []byte) (int, error) {
	pass, cut, reset := c.by.spend(false, len(data))
	n, err := c.TCPConn.Write(data[:pass])
	if cut {
		c.cut(reset)
		return n, errors.Join(err, net.ErrClosed)
	}
	return n, err
}

// ReadFrom keeps net/http from going around Write.
func (c *cutConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// TestCuts cuts the connection a thousand times, before, in and after a request and its answer, on a new connection or one
// that was kept, over HTTP/1.1, TLS and HTTP/2. Nothing that creates or consumes reaches the server twice, and an error
// that says that the request was not sent is right.
func TestCuts(t *testing.T) {
	const cuts = 1000
	var succeeded, sent, unsent int
	for i := range cuts {
		rnd := rand.New(rand.NewPCG(uint64(i), 1))
		m := eight("secret", "passphrase", unknownKey)[[]int{0, 1, 2, 4}[i%4]]
		protocol, kept, reset := i/4%3, rnd.IntN(2) == 0, rnd.IntN(2) == 0
		read, written := 1<<30, 1<<30 // no cut
		const request, answer = 700, 900
		switch rnd.IntN(5) {
		case 0:
			read = 0
		case 1:
			read = 1 + rnd.IntN(request)
		case 2:
			written = 0
			read = request // of which the most is less: cut at once after it
		case 3:
			written = 1 + rnd.IntN(answer)
		}
		var begun atomic.Int32
		service := newPublicService(false)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				begun.Add(1)
			}
			service.ServeHTTP(w, r)
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		cutter := &cutter{Listener: s.Listener}
		s.Listener = cutter
		c := cutting(t, s, protocol)
		if kept {
			if _, err := c.Status(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		cutter.arm(read, written, reset)
		err := m.call(t.Context(), c)
		s.Close() // waits for the requests that are under way

		var network *client.NetworkError
		var refused *client.Error
		n := begun.Load()
		switch {
		case n > 1:
			t.Errorf("cut %d: %s was sent %d times", i, m.name, n)
		case errors.As(err, &network) && !network.Sent && n > 0:
			t.Errorf("cut %d: %s has reached the server, but: %v", i, m.name, err)
		case errors.As(err, &network) && !network.Sent:
			unsent++
		case errors.As(err, &network):
			sent++
		case (err == nil || errors.As(err, &refused)) && n == 1: // it was answered
			succeeded++
		default:
			t.Errorf("cut %d: %s, which reached the server %d times: %v", i, m.name, n, err)
		}
	}
	t.Logf("of %d cuts, %d requests were answered, %d said to be sent, %d said not to be", cuts, succeeded, sent, unsent)
	if min(succeeded, sent, unsent) == 0 {
		t.Error("the cuts do not meet every case")
	}
}

// cutting starts a server, and returns a client for it that has its own connections.
func cutting(t *testing.T, s *httptest.Server, protocol int) *client.Client {
	t.Helper()
	if protocol == 0 {
		s.Start()
		return newClient(t, s.URL) // each server has a port of its own
	}
	s.EnableHTTP2 = protocol == 2
	s.StartTLS()
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
		ForceAttemptHTTP2: protocol == 2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return newClient(t, s.URL, client.WithHTTPClient(&http.Client{Transport: transport, Timeout: 20 * time.Second}))
}
