package client_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

// raw starts a listener that hands each connection to a function, and closes it when that returns. It returns its URL.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return "http://" + listener.Addr().String()
}

// separate is a client that shares its connections with no other.
func separate(t *testing.T) client.Option {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return client.WithHTTPClient(&http.Client{Transport: transport, Timeout: 20 * time.Second})
}

func checkNetworkError(t *testing.T, name string, err error, sent bool) {
	t.Helper()
	var network *client.NetworkError
	if !errors.As(err, &network) {
		t.Errorf("%s: %v", name, err)
		return
	}
	if strings.Contains(err.Error(), "/api/v1") {
		t.Errorf("%s: it shows the path, and with it the key: %v", name, err)
	}
	if network.Sent != sent {
		t.Errorf("%s: Sent is %v: %v", name, network.Sent, err)
	}
}

func TestRefusedConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	for _, m := range eight(markSecret, markPassphrase, markKey) {
		err := m.call(t.Context(), newClient(t, "http://"+address, separate(t), client.WithRetries(0), client.WithAccount(email, markToken)))
		checkNetworkError(t, m.name, err, false)
		checkSecrecy(t, m.name, err)
	}
}

// TestCutConnection holds that a request whose connection is cut is not sent again, and said to be sent where it can have
// been processed.
func TestCutConnection(t *testing.T) {
	for name, test := range map[string]struct {
		serve func(net.Conn, *http.Request)
		keep  bool // answer the first request of each connection well
	}{
		"after the request":               {serve: func(net.Conn, *http.Request) {}},
		"in the answer's status":          {serve: say("HTTP/1.1 20")},
		"in the answer's header":          {serve: say("HTTP/1.1 200 OK\r\nContent-Type: appl")},
		"in the answer's body":            {serve: say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{")},
		"by a reset":                      {serve: reset},
		"kept, after the request":         {serve: func(net.Conn, *http.Request) {}, keep: true},
		"kept, by a reset":                {serve: reset, keep: true},
		"kept, in the answer's status":    {serve: say("HTTP/1.1 20"), keep: true},
		"kept, in the answer's body":      {serve: say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), keep: true},
		"no HTTP, and it says the secret": {serve: func(c net.Conn, r *http.Request) { say(echo(r))(c, r) }},
		"malformed status":                {serve: func(c net.Conn, r *http.Request) { say("HTTP/1.1 "+firstLine(echo(r))+"\r\n\r\n")(c, r) }},
		"malformed header":                {serve: func(c net.Conn, r *http.Request) { say("HTTP/1.1 200 OK\r\n"+firstLine(echo(r))+"\r\n\r\n")(c, r) }},
		"malformed length": {serve: func(c net.Conn, r *http.Request) {
			say("HTTP/1.1 200 OK\r\nContent-Length: "+firstLine(echo(r))+"\r\n\r\n")(c, r)
		}},
		"malformed encoding": {serve: func(c net.Conn, r *http.Request) {
			say("HTTP/1.1 200 OK\r\nTransfer-Encoding: "+firstLine(echo(r))+"\r\n\r\n")(c, r)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, m := range eight(markSecret, markPassphrase, markKey)[:5] {
				if m.name == "receipt" {
					continue // it consumes nothing, and may be repeated
				}
				var requests atomic.Int32
				u := raw(t, func(conn net.Conn) {
					in := bufio.NewReader(conn)
					for {
						r, err := http.ReadRequest(in)
						if err != nil {
							return
						}
						if r.URL.Path == "/api/v1/status" {
							body := `{"status":"nominal","locale":"en"}`
							fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
							continue
						}
						requests.Add(1)
						body, _ := io.ReadAll(r.Body) // all of it, so that closing does not reset
						r.Body = io.NopCloser(strings.NewReader(string(body)))
						test.serve(conn, r)
						return
					}
				})
				c := newClient(t, u, separate(t), client.WithAccount(email, markToken))
				if test.keep {
					if _, err := c.Status(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				err := m.call(t.Context(), c)
				checkNetworkError(t, m.name, err, true)
				checkSecrecy(t, m.name, err)
				if n := requests.Load(); n != 1 {
					t.Errorf("%s was sent %d times", m.name, n)
				}
			}
		})
	}
}

func say(text string) func(net.Conn, *http.Request) {
	return func(c net.Conn, _ *http.Request) { _, _ = io.WriteString(c, text) }
}

func reset(c net.Conn, _ *http.Request) { _ = c.(*net.TCPConn).SetLinger(0) }

func firstLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return '_'
		}
		return r
	}, text)
}

// TestRevealedSecretIsNotShown holds that an answer that is not HTTP shows nothing of a secret that nobody here knew.
func TestRevealedSecretIsNotShown(t *testing.T) {
	for _, answer := range []string{
		"mark secret",
		"HTTP/1.1 mark%20secret\r\n\r\n",
		"HTTP/mark%20secret 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nmark secret\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: mark secret\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: mark secret\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: mark secret\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmark secret\r\n",
	} {
		u := raw(t, func(conn net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(conn, answer)
			}
		})
		_, err := newClient(t, u, separate(t)).Reveal(t.Context(), onetime.RevealRequest{Key: unknownKey})
		checkNetworkError(t, answer, err, true)
		checkSecrecy(t, answer, err)
	}
}

// TestConnectionIsCutBefore is about a server that accepts a connection and closes it without having read anything.
func TestConnectionIsCutBefore(t *testing.T) {
	var connections atomic.Int32
	u := raw(t, func(conn net.Conn) { connections.Add(1) })
	for _, m := range eight("s", "p", unknownKey) {
		connections.Store(0)
		var network *client.NetworkError
		if err := m.call(t.Context(), newClient(t, u, separate(t), client.WithRetries(0), client.WithAccount(email, "t"))); !errors.As(err, &network) {
			t.Errorf("%s: %v", m.name, err)
		}
		if n := connections.Load(); n != 1 {
			t.Errorf("%s: %d connections", m.name, n)
		}
	}
}

func TestCanceled(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	requests := 0
	u := handle(t, func(http.ResponseWriter, *http.Request) { requests++ })
	for _, m := range eight("s", "p", unknownKey) {
		err := m.call(canceled, newClient(t, u))
		checkNetworkError(t, m.name, err, false)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	if requests != 0 {
		t.Errorf("%d requests were sent", requests)
	}

	under, stop := context.WithCancel(t.Context())
	release := make(chan struct{})
	u = handle(t, func(w http.ResponseWriter, r *http.Request) {
		stop()
		<-release
	})
	defer close(release)
	_, err := newClient(t, u).Reveal(under, onetime.RevealRequest{Key: unknownKey})
	checkNetworkError(t, "reveal", err, true)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("while the server works: %v", err)
	}
}

// TestTransportThatDoesNotTrace holds that a request may have been sent where that is not known.
func TestTransportThatDoesNotTrace(t *testing.T) {
	mine := errors.New("mine: " + markSecret)
	h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("outer: %w", &url.Error{Op: "Post", URL: r.URL.String(), Err: mine})
	})}
	for _, m := range eight(markSecret, markPassphrase, markKey)[:5] {
		err := m.call(t.Context(), newClient(t, client.EU, client.WithRetries(0), client.WithHTTPClient(h)))
		checkNetworkError(t, m.name, err, true)
		if !errors.Is(err, mine) {
			t.Errorf("%s: the transport's error is lost: %v", m.name, err)
		}
		if m.name == "share" {
			checkSecrecy(t, m.name, err)
		}
	}
}

// TestUntrustedServer holds that what went wrong with TLS stands in the error, and that nothing was sent.
func TestUntrustedServer(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	_, err := newClient(t, s.URL, separate(t)).Reveal(t.Context(), onetime.RevealRequest{Key: unknownKey})
	checkNetworkError(t, "reveal", err, false)
	if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("it says %v", err)
	}
}

// TestHTTP2 holds that a request is not sent again where HTTP/2 would by itself: after a reset for a protocol error, which
// leaves open whether it was processed, or one that says that it was not.
func TestHTTP2(t *testing.T) {
	const protocolError, refusedStream = 1, 7
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	config := &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"h2"}}
	var requests atomic.Int32
	var code atomic.Uint32
	u := raw(t, func(conn net.Conn) { resetStreams(tls.Server(conn, config), &requests, byte(code.Load())) })
	for _, reason := range []uint32{protocolError, refusedStream} {
		code.Store(reason)
		for _, m := range append(eight("long enough", "long enough", unknownKey)[:5], eight("long enough", "", unknownKey)[:5]...) {
			if m.name == "receipt" {
				continue
			}
			transport := &http.Transport{
				TLSClientConfig:   &tls.Config{RootCAs: certified.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
				ForceAttemptHTTP2: true,
			}
			h := &http.Client{Transport: transport, Timeout: 20 * time.Second}
			requests.Store(0)
			err := m.call(t.Context(), newClient(t, strings.Replace(u, "http:", "https:", 1), client.WithHTTPClient(h)))
			transport.CloseIdleConnections()
			checkNetworkError(t, m.name, err, true)
			if n := requests.Load(); n != 1 {
				t.Errorf("%s was sent %d times", m.name, n)
			}
		}
	}
}

// TestNothingToRepeat holds that no request that creates or consumes has what net/http takes for leave to send it again.
func TestNothingToRepeat(t *testing.T) {
	inspect := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.GetBody != nil || r.Body == nil || r.Body == http.NoBody || r.ContentLength <= 0 {
			t.Errorf("%s has a body that can be had twice, or none", r.URL.Path)
		}
		for name := range r.Header {
			if strings.Contains(name, "Idempotency") {
				t.Errorf("%s has a header %s", r.URL.Path, name)
			}
		}
		return nil, errNetwork
	})
	h := &http.Client{Transport: inspect}
	for _, option := range []client.Option{client.WithReport(nil), client.WithReport(func(*contract.Violation) {}), client.WithoutChecks()} {
		for _, m := range append(eight("s", "p", unknownKey)[:5], eight("s", "", unknownKey)[:5]...) {
			if m.name == "receipt" {
				continue
			}
			checkNetworkError(t, m.name, m.call(t.Context(), newClient(t, client.EU, client.WithHTTPClient(h), option)), true)
		}
	}
}

// resetStreams serves HTTP/2 so far that it resets every stream, once it has the whole request.
func resetStreams(conn net.Conn, requests *atomic.Int32, code byte) {
	const data, headers, rst, settings, endStream = 0, 1, 3, 4, 1
	preface := make([]byte, 24)
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	frame := func(kind byte, stream uint32, payload ...byte) {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		head = append(head, 0) // no flags
		head = binary.BigEndian.AppendUint32(head, stream)
		_, _ = conn.Write(append(head, payload...))
	}
	frame(settings, 0)
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		length, kind := binary.BigEndian.Uint32(head)>>8, head[3]
		if _, err := io.CopyN(io.Discard, conn, int64(length)); err != nil {
			return
		}
		if (kind == headers || kind == data) && head[4]&endStream != 0 {
			if requests.Add(1) > 1 { // it would go on for ever
				return
			}
			frame(rst, binary.BigEndian.Uint32(head[5:]), 0, 0, 0, code)
		}
	}
}
