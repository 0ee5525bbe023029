package client

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// progress is how far a request got.
type progress struct{ traced, written atomic.Bool }

// sent tells whether the server can have the request. A transport that does not say what it does may have sent it.
func (p *progress) sent() bool { return p.written.Load() || !p.traced.Load() }

// trace returns a context under which the progress of a request is noted.
func trace(ctx context.Context) (*progress, context.Context) {
	p := new(progress)
	return p, httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { p.traced.Store(true) },
		// It is called before anything leaves, unlike WroteHeaders, which HTTP/2 calls after.
		WroteHeaderField: func(string, []string) { p.written.Store(true) },
	})
}
