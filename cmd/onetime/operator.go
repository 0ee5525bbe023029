package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/vault"
)

// Limits of a connection. A secret is small: who takes longer is not sending one.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	maxStreams    = 32 // requests at once on one connection of HTTP/2
)

// profileTimeout bounds an answer on the private address: a profile or a trace takes as long as is asked for.
const profileTimeout = 10 * time.Minute

// An operator puts together what those see and set who run the server.
type operator struct {
	settings    settings
	logger      *slog.Logger
	ready       *readiness
	connections *connections
	certificate *certificate // nil without TLS
}

func newOperator(s settings, store vault.Store, logger *slog.Logger) *operator {
	return &operator{
		settings:    s,
		logger:      logger,
		ready:       &readiness{ping: store.Ping},
		connections: newConnections(s.maxConnections, s.trustedProxies),
	}
}

// publicServer serves the API and the pages.
func (o *operator) publicServer(v *vault.Vault) (*http.Server, error) {
	handler, err := o.publicHandler(v)
	if err != nil {
		return nil, err
	}
	s := &http.Server{
		Handler:           o.connections.unlessEvicted(handler),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ConnState:         o.connections.state,
		ConnContext:       withConnection,
		ErrorLog:          slog.NewLogLogger(o.logger.Handler(), slog.LevelWarn),

		DisableGeneralOptionsHandler: true,
	}
	if !o.settings.isSecure() {
		return s, nil
	}
	o.certificate, err = newCertificate(o.settings.tlsCert, o.settings.tlsKey, o.logger)
	if err != nil {
		return nil, usageError{fmt.Errorf("--tls-cert and --tls-key: %w", err)}
	}
	s.TLSConfig = &tls.Config{GetCertificate: o.certificate.get}
	return s, nil
}

func (o *operator) publicHandler(v *vault.Vault) (http.Handler, error) {
	s := o.settings
	api, err := server.New(v, server.Config{
		BaseURL:        s.baseURL,
		Authenticate:   v.Authenticate,
		Normalize:      !s.strict,
		TrustedProxies: s.trustedProxies,
		MaxBody:        maxBody(s.maxSecret),
		RateLimit:      s.rateLimit,
		Logger:         o.logger,
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("--base-url: %w", err)}
	}
	handler, err := withPages(api, s.baseURL, s)
	if err != nil {
		return nil, err
	}
	return withHealth(o.observePages(o.adviseOnProxies(handler)), o.ready), nil
}

// observePages tells of requests that the pages have answered, as the API does of its own.
func (o *operator) observePages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := rand.Text()
		w.Header().Set("X-Request-Id", id) // until the API gives it another
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		if r.Pattern == "" { // the API has answered, and told
			return
		}
		o.observe(r.Context(), server.Observation{
			Method:    r.Method, // GET or HEAD
			Route:     r.Pattern,
			Status:    seen.status,
			Duration:  time.Since(start),
			RequestID: id,
		})
	})
}

func (o *operator) observe(ctx context.Context, seen server.Observation) {
	seen.Log(ctx, o.logger)
}

// A statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader and Unwrap are those that net/http knows.

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// adviseOnProxies says once what is wrong with --trusted-proxy, where a request shows it: else the limits of all callers
// together hold for each.
func (o *operator) adviseOnProxies(next http.Handler) http.Handler {
	var untold, unnamed sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, forwarded := r.Header["X-Forwarded-For"]
		switch trusted := o.isTrusted(r); {
		case forwarded && !trusted:
			unnamed.Do(func() {
				o.logger.Warn("X-Forwarded-For is ignored, as it comes from no --trusted-proxy: if a proxy of yours sends it, name its network there, or all its callers share one rate limit")
			})
		case trusted && !forwarded:
			untold.Do(func() {
				o.logger.Warn("a --trusted-proxy sends no X-Forwarded-For: all its callers share one rate limit")
			})
		}
		next.ServeHTTP(w, r)
	})
}

func (o *operator) isTrusted(r *http.Request) bool {
	conn, _ := r.Context().Value(connectionKey{}).(*connection)
	if conn == nil {
		return false
	}
	peer := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	for _, network := range o.settings.trustedProxies {
		if network.Contains(peer) {
			return true
		}
	}
	return false
}

// bound bounds the connections of public listeners.
func (o *operator) bound(listeners []net.Listener) []net.Listener {
	var bounded []net.Listener
	for _, listener := range listeners {
		bounded = append(bounded, o.connections.over(listener))
	}
	return bounded
}

// privateListeners are those of --private-listen, if there is one.
func (o *operator) privateListeners() ([]net.Listener, error) {
	if o.settings.privateListen == "" {
		return nil, nil
	}
	listeners, err := listen(o.settings.privateListen, o.settings.socketMode, true)
	if err != nil {
		return nil, usageError{fmt.Errorf("--private-listen: %w", err)}
	}
	return listeners, nil
}

// privateServer is for those who run the server.
func (o *operator) privateServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound) // arguments may hold what the index does not
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &http.Server{
		Handler:           withHealth(mux, o.ready),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      profileTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.logger.Handler(), slog.LevelWarn),
	}
}

// warn says at start what is allowed and unwise.
func (o *operator) warn(public, private []net.Listener) {
	for _, advice := range o.advice(public, private) {
		o.logger.Warn(advice)
	}
}

func (o *operator) advice(public, private []net.Listener) (advice []string) {
	s := o.settings
	onPublic := func(l net.Listener) bool { return isPublic(l.Addr()) }
	plain := !s.isSecure()
	switch {
	case !slices.ContainsFunc(public, onPublic):
	case plain && strings.HasPrefix(s.baseURL, "http://"):
		advice = append(advice, "other machines reach this server over plain http, and whoever is on the way reads secrets: give --tls-cert and --tls-key, or put a proxy with TLS before it")
	case plain && len(s.trustedProxies) == 0:
		advice = append(advice, "other machines reach this server without TLS, beside any proxy: have it listen on 127.0.0.1 or a unix socket, or name the proxy with --trusted-proxy")
	}
	if !plain && strings.HasPrefix(s.baseURL, "http://") {
		advice = append(advice, "--base-url begins with http://, and the server speaks TLS: links will not work")
	}
	if slices.ContainsFunc(private, onPublic) {
		advice = append(advice, "--private-listen is open to other machines: whoever reaches it sees metrics and profiles of memory; keep it behind a firewall")
	}
	if (s.rateLimit == server.Rate{}) {
		advice = append(advice, "--rate-limit is off: one caller can fill the disk, and try keys without end")
	}
	for _, network := range s.trustedProxies {
		if network.Bits() == 0 {
			advice = append(advice, "--trusted-proxy trusts everybody: each caller chooses the address for which it is counted")
		}
	}
	return advice
}
