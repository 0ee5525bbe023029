package main

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Paths for load balancers and service managers. They are not in the log.
const (
	healthPath = "/healthz" // the process answers
	readyPath  = "/readyz"  // and the store takes writes
)

const (
	pingTimeout = 2 * time.Second
	pingPause   = time.Second // so that whoever asks often costs the store nothing
)

// readiness tells whether the store takes writes.
type readiness struct {
	ping func(context.Context) error

	mu    sync.Mutex
	asked time.Time
	err   error
}

func (r *readiness) check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked.IsZero() && time.Since(r.asked) < pingPause {
		return r.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout) // of nobody's request: the answer is for all
	defer cancel()
	r.err = r.ping(ctx)
	r.asked = time.Now()
	return r.err
}

// withHealth answers on the two paths, and leaves everything else to next.
func withHealth(next http.Handler, ready *readiness) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case healthPath:
			writePlain(w, r, http.StatusOK, "ok\n")
		case readyPath:
			if ready.check() != nil {
				writePlain(w, r, http.StatusServiceUnavailable, "the store takes no writes\n")
				return
			}
			writePlain(w, r, http.StatusOK, "ok\n")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func writePlain(w http.ResponseWriter, r *http.Request, status int, text string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		status, text = http.StatusMethodNotAllowed, "method not allowed\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, text)
	}
}
