package client

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// progress is how far the request of a call got, and what the server answered to it.
type progress struct {
	begun bool // to send; of the calling goroutine alone

	mu       sync.Mutex
	traced   bool         // the transport tells what it does
	conn     *tellingConn // which the request goes over, if it tells what is written
	before   int64        // its writes before the request
	written  bool         // something of the request may have left
	answered answered
}

// answered is what counts of an answer to know whether to ask again.
type answered struct {
	status     int // 0 for none
	intended   int // as in Error
	retryAfter time.Duration
}

// notNow tells whether the server, or a proxy in front of it, cannot serve anybody, or this caller, at the moment.
func (a answered) notNow() bool {
	status := meant(a.status, a.intended)
	return status == http.StatusTooManyRequests || status >= 500
}

func answeredBy(response *http.Response) answered {
	return answered{response.StatusCode, intended(response.Header), retryAfter(response.Header, time.Now())}
}

// sent tells whether the server can have the request. A transport that does not say what it does may have sent it.
func (p *progress) sent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hasWritten() || !p.traced
}

func (p *progress) hasWritten() bool {
	return p.written || p.conn != nil && p.conn.writes.Load() != p.before
}

func (p *progress) answer() answered {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered
}

type progressKey struct{}

// progressOf returns nil for a call of the generated client.
func progressOf(ctx context.Context) *progress {
	p, _ := ctx.Value(progressKey{}).(*progress)
	return p
}

// trace returns a context under which the progress of a request is noted.
func (p *progress) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, progressKey{}, p), &httptrace.ClientTrace{
		GetConn:          p.getConn,
		GotConn:          p.gotConn,
		WroteHeaderField: p.wroteHeaderField,
	})
}

func (p *progress) getConn(string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traced = true
}

// gotConn begins to watch a connection. HTTP/2 has others write there at the same time, and may go on to write for a moment
// when the call has been given up already: so the request counts as written.
func (p *progress) gotConn(info httptrace.GotConnInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written = p.hasWritten() || isHTTP2(info.Conn)
	if p.conn = tellingOf(info.Conn); p.conn != nil {
		p.before = p.conn.writes.Load()
	}
}

func isHTTP2(conn any) bool {
	c, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	return ok && c.ConnectionState().NegotiatedProtocol == "h2"
}

// wroteHeaderField is called before anything leaves, unlike WroteHeaders, which HTTP/2 calls after. What it was called for
// may yet not leave: a connection that tells knows better.
func (p *progress) wroteHeaderField(string, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written = p.written || p.conn == nil
}

// A noting transport notes the answers, which are not seen above it where they break the contract.
type noting struct{ base http.RoundTripper }

func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := n.base.RoundTrip(r)
	p := progressOf(r.Context())
	if p == nil {
		return response, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered = answered{}
	if err == nil {
		p.answered = answeredBy(response)
	}
	return response, err
}
