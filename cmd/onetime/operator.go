package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/telemetry"
	"github.com/onetime-go/onetime/server/vault"
)

// Limits of a connection. A secret is small: who takes longer is not sending one.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	maxStreams    = 32 // requests at once on one connection of HTTP/2, each of which counts as one: see connections
)

// profileTimeout bounds an answer on the private address: a profile or a trace takes as long as is asked for.
const profileTimeout = 10 * time.Minute

// An operator puts together what those see and set who run the server.
type operator struct {
	settings    settings
	logger      *slog.Logger
	metrics     *telemetry.Metrics
	traces      *telemetry.Traces // nil for none
	ready       *readiness
	connections *connections
	certificate *certificate // nil without TLS
}

func newOperator(ctx context.Context, s settings, logger *slog.Logger) (*operator, error) {
	o := &operator{
		settings:    s,
		logger:      logger,
		metrics:     telemetry.NewMetrics(),
		connections: newConnections(s.maxConnections, s.trustedProxies),
	}
	seldom := rate.Sometimes{Interval: time.Minute}
	traces, err := telemetry.NewTraces(ctx, o.isTrusted, func(err error) {
		seldom.Do(func() { logger.Warn("traces are lost", "error", oneLine(err)) })
	})
	if err != nil {
		return nil, usageError{err}
	}
	o.traces = traces
	return o, nil
}

// close sends what is left of the traces.
func (o *operator) close() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime/2)
	defer cancel()
	if err := o.traces.Close(ctx); err != nil {
		o.logger.Warn("the last traces are lost", "error", oneLine(err))
	}
}

func (o *operator) vaultConfig() vault.Config {
	s := o.settings
	return vault.Config{
		MaxSecret:       s.maxSecret,
		MinPassphrase:   s.minPassphrase,
		ShareDomains:    s.shareDomains,
		RefuseAnonymous: s.accountsOnly,
		AnonymousQuota:  vault.Quota{Secrets: s.anonymousSecrets, Bytes: int64(s.anonymousBytes)},
		Observe:         o.event,
	}
}

// event is told what happens in the vault, and logs what an operator has to look into.
func (o *operator) event(e vault.Event) {
	o.metrics.Event(e)
	switch e.Kind {
	case vault.EventDamaged:
		o.logger.Error("a record is damaged", "record", e.Record)
	case vault.EventClock:
		o.logger.Error("the clock has jumped, or is behind the time of the last change; secrets may expire an hour early, and none late by more than that")
	}
}

// watch measures and traces what a store does.
func (o *operator) watch(store vault.Store) vault.Store {
	return o.traces.Store(o.metrics.Store(store))
}

// attend adds what there is to see of a store that is open.
func (o *operator) attend(store vault.Store) {
	o.ready = &readiness{ping: store.Ping}
	o.metrics.Gauge("onetime_secrets", "Secrets that wait for their readers, or for the sweep that follows their expiry.",
		func(ctx context.Context) (float64, bool) {
			live, err := store.Live(ctx)
			return float64(live), err == nil
		})
	o.metrics.Gauge("onetime_store_writable", "1 if the store takes writes, as /readyz says.",
		func(context.Context) (float64, bool) {
			if o.ready.check() != nil {
				return 0, true
			}
			return 1, true
		})
	if emptied, ok := store.(interface{ Emptied() time.Time }); ok {
		o.metrics.Gauge("onetime_checkpoint_age_seconds", "Time since the database's log was emptied, in which deleted values may still stand.",
			func(context.Context) (float64, bool) {
				at := emptied.Emptied()
				return time.Since(at).Seconds(), !at.IsZero()
			})
	}
	o.metrics.Gauge("onetime_connections", "Connections that are open.", func(context.Context) (float64, bool) {
		open, _ := o.connections.counted()
		return float64(open), true
	})
	o.metrics.Counter("onetime_connections_refused_total", "Connections that were refused or closed for want of room, and requests that were dropped beside others on one.",
		func(context.Context) (float64, bool) {
			_, refused := o.connections.counted()
			return float64(refused), true
		})
	o.metrics.Gauge("onetime_certificate_expires_timestamp_seconds", "When the certificate expires that is in use.",
		func(context.Context) (float64, bool) {
			if o.certificate == nil {
				return 0, false
			}
			return float64(o.certificate.expires().Unix()), true
		})
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
		ErrorLog:          log.New(errorLog{o.logger}, "", 0),

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
		Observe:        o.observe,
		Logger:         o.logger,
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("--base-url: %w", err)}
	}
	handler, err := withPages(api, s.baseURL, s)
	if err != nil {
		return nil, err
	}
	return withHealth(o.traces.Handler(o.observePages(o.adviseOnProxies(handler))), o.ready), nil
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
		page := server.Observation{
			Method:    r.Method, // GET or HEAD
			Route:     r.Pattern,
			Status:    seen.status,
			Duration:  time.Since(start),
			RequestID: id,
		}
		page.Log(r.Context(), o.logger)
		o.observe(r.Context(), page)
	})
}

// observe is told of each request.
func (o *operator) observe(ctx context.Context, seen server.Observation) {
	o.metrics.Request(ctx, seen)
	o.traces.Request(ctx, seen)
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
	mux.Handle("GET /metrics", o.metrics)
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
		ErrorLog:          log.New(errorLog{o.logger}, "", 0),
	}
}

// An errorLog takes what net/http logs by itself, of handshakes that fail and the like. It says each time who was there, which
// is in no log.
type errorLog struct{ logger *slog.Logger }

func (l errorLog) Write(line []byte) (int, error) {
	l.logger.Warn(withoutPeers(strings.TrimSuffix(string(line), "\n")))
	return len(line), nil
}

var peerInError = regexp.MustCompile(` (?:from |serving )?(?:[\d.]+|\[[^\]\s]*\]):\d+(?:->(?:[\d.]+|\[[^\]\s]*\]):\d+)?`)

func withoutPeers(text string) string { return peerInError.ReplaceAllString(text, "") }

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
