package client_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

// answerOnce reads a request and writes an answer as it is.
func answerOnce(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		fmt.Fprint(conn, answer)
	}
}

// TestNothingOfARevealIsLost holds that what came can be had where the call fails: the server has deleted the secret.
func TestNothingOfARevealIsLost(t *testing.T) {
	const value = `{"secret_key":"k","share_domain":"","value":"mark"`
	tests := []struct{ name, length, body string }{
		{"broken off", "500", value},
		{"longer than it says", "500", value + "}"},
		{"value twice", "", `{"secret_key":"k","share_domain":"","value":"mark","VALUE":""}`},
		{"field missing", "", `{"secret_key":"k","value":"mark"}`},
		{"empty value", "", `{"secret_key":"k","share_domain":"","value":"","other":"mark"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.length == "" {
				test.length = fmt.Sprint(len(test.body))
			}
			answer := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + test.length + "\r\n\r\n" + test.body
			c, err := client.New(raw(t, answerOnce(answer)))
			if err != nil {
				t.Fatal(err)
			}
			secret, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: "k"})
			if err == nil {
				t.Fatalf("revealed %q", secret.Value.Expose())
			}
			var broken *contract.Violation
			var network *client.NetworkError
			var body []byte
			switch {
			case errors.As(err, &broken):
				body = broken.Body()
			case errors.As(err, &network):
				body = network.Body()
			}
			if !strings.Contains(string(body), "mark") {
				t.Errorf("%v has the body %q", err, body)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
				if text := fmt.Sprintf(verb, err); strings.Contains(text, "mark") || strings.Contains(text, "6d61726b") {
					t.Errorf("%s shows the body: %s", verb, text)
				}
			}
		})
	}
}

// A closingConn tells when it was closed.
type closingConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *closingConn) Close() error {
	defer c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestNothingIsLoggedOfAnAnswer holds that net/http logs nothing of an answer that is longer than it says: it would on a
// connection that is kept, before it closes it.
func TestNothingIsLoggedOfAnAnswer(t *testing.T) {
	var logged bytes.Buffer
	before := log.Writer()
	log.SetOutput(&logged)
	defer log.SetOutput(before)
	const body = `{"secret_key":"k","share_domain":"","value":"a"}`
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%smark-mark-mark", len(body), body)
	for range 20 {
		conn := &closingConn{closed: make(chan struct{})}
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (_ net.Conn, err error) {
			conn.Conn, err = new(net.Dialer).DialContext(ctx, network, address)
			return conn, err
		}}
		url := raw(t, func(c net.Conn) {
			answerOnce(answer)(c)
			_, _ = io.Copy(io.Discard, c) // until the client has closed it
		})
		c := newClient(t, url, client.WithHTTPClient(&http.Client{Transport: transport}))
		if _, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: "k"}); err != nil {
			t.Fatal(err)
		}
		<-conn.closed
	}
	if strings.Contains(logged.String(), "mark") {
		t.Errorf("logged:\n%s", logged.String())
	}
}
