// Package telemetry lets operators see a server: metrics for Prometheus and traces for OpenTelemetry.
//
//	metrics := telemetry.NewMetrics()
//	v, err := vault.New(ctx, vault.Config{Store: metrics.Store(store), Keys: keys, Observe: metrics.Event})
//	…
//	api, err := server.New(v, server.Config{BaseURL: base, Observe: metrics.Request})
//	…
//	http.Handle("/metrics", metrics)
//
// Nothing of it holds a path, a key, a value, an address or anything else that a request brings, but what the contract
// knows: the names of operations, statuses, JSON pointers and rules. So no secret gets there, and no caller decides how
// many time series there are.
//
// It is not needed to run a server, and a program that imports only package server links none of it.
package telemetry

import (
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/vault"
)

// noOperation stands for the operation of a request that is for none.
const noOperation = "none"

// Metrics counts what happens. It is an http.Handler that answers with the metrics. Its methods may be called concurrently.
type Metrics struct {
	http.Handler
	registry *prometheus.Registry

	requests   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	violations *prometheus.CounterVec

	created, revealed, burned, expired prometheus.Counter
	wrongPassphrases, locked           prometheus.Counter
	damaged, clock                     prometheus.Counter

	store       *prometheus.HistogramVec
	storeErrors *prometheus.CounterVec
}

// NewMetrics returns metrics that are all 0, beside those of the process.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.Handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo())

	m.requests = m.counters("onetime_http_requests_total", "Requests, by operation of the contract and status.", "operation", "status")
	m.durations = m.histograms("onetime_http_request_duration_seconds", "Time to answer a request, by operation of the contract.", "operation")
	m.violations = m.counters("onetime_contract_violations_total",
		"Requests that were refused for breaking the contract, and answers that were replaced by a 500 for it.",
		"direction", "operation", "pointer", "rule")

	m.created = m.counter("onetime_secrets_created_total", "Secrets that were stored.")
	m.revealed = m.counter("onetime_secrets_revealed_total", "Secrets that were revealed.")
	m.burned = m.counter("onetime_secrets_burned_total", "Secrets that were burned.")
	m.expired = m.counter("onetime_secrets_expired_total", "Secrets that expired unread.")
	m.wrongPassphrases = m.counter("onetime_wrong_passphrases_total", "Wrong passphrases that were tried.")
	m.locked = m.counter("onetime_locked_total", "Passphrases that were not tried, after too many wrong ones for one key.")
	m.damaged = m.counter("onetime_damaged_records_total", "Records that did not open: altered, damaged, or the server key is missing.")
	m.clock = m.counter("onetime_clock_jumps_total", "Times that the clock has jumped, or was found to be behind.")

	m.store = m.histograms("onetime_store_duration_seconds", "Time that the store takes, by what it is asked for.", "operation")
	m.storeErrors = m.counters("onetime_store_errors_total", "Failures of the store, by what it was asked for.", "operation")
	return m
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// histograms have buckets from a quarter of a millisecond, which a read takes, to eight seconds.
func (m *Metrics) histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help,
		Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16)}, labels)
	m.registry.MustRegister(h)
	return h
}

// Gauge adds a metric whose value is asked for when the metrics are. The function returns false where there is none
// to tell.
func (m *Metrics) Gauge(name, help string, value func(context.Context) (float64, bool)) {
	m.registry.MustRegister(&asked{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value})
}

// Counter is Gauge for what only grows.
func (m *Metrics) Counter(name, help string, value func(context.Context) (float64, bool)) {
	m.registry.MustRegister(&asked{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, value})
}

// askTime bounds how long each of them may take, so that a store that hangs does not hide all the others.
const askTime = 2 * time.Second

// asked is a metric that is asked for.
type asked struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(context.Context) (float64, bool)
}

// Describe and Collect are those of prometheus.Collector.

func (a *asked) Describe(descs chan<- *prometheus.Desc) { descs <- a.desc }

func (a *asked) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	if value, ok := a.value(ctx); ok {
		metrics <- prometheus.MustNewConstMetric(a.desc, a.kind, value)
	}
}

// Request counts a request. It is the Observe of a server.Config.
func (m *Metrics) Request(_ context.Context, o server.Observation) {
	operation := operationOf(o)
	m.requests.WithLabelValues(operation, strconv.Itoa(o.Status)).Inc()
	m.durations.WithLabelValues(operation).Observe(o.Duration.Seconds())
	if v := o.Violation; v != nil {
		m.violations.WithLabelValues(string(v.Direction), v.Operation, placeOf(v), v.Rule).Inc()
	}
}

func operationOf(o server.Observation) string {
	if o.Operation == "" {
		return noOperation
	}
	return o.Operation
}

// placeOf names what is wrong, in one of a bounded number of ways: whichever element of a list it is.
func placeOf(v *contract.Violation) string {
	if v.Parameter != "" {
		return v.Parameter
	}
	tokens := strings.Split(v.Pointer, "/")
	for i, token := range tokens {
		if _, err := strconv.Atoi(token); err == nil {
			tokens[i] = "*"
		}
	}
	return strings.Join(tokens, "/")
}

// Event counts what happens in a vault. It is the Observe of a vault.Config.
func (m *Metrics) Event(e vault.Event) {
	switch e.Kind {
	case vault.EventCreated:
		m.created.Add(float64(e.Count))
	case vault.EventRevealed:
		m.revealed.Add(float64(e.Count))
	case vault.EventBurned:
		m.burned.Add(float64(e.Count))
	case vault.EventExpired:
		m.expired.Add(float64(e.Count))
	case vault.EventWrongPassphrase:
		m.wrongPassphrases.Inc()
	case vault.EventLocked:
		m.locked.Inc()
	case vault.EventDamaged:
		m.damaged.Inc()
	case vault.EventClock:
		m.clock.Inc()
	}
}

// Store returns a Store that does what another does, and measures how long that takes.
func (m *Metrics) Store(store vault.Store) vault.Store {
	return watch(store, func(ctx context.Context, operation string) (context.Context, func(error)) {
		start := time.Now()
		return ctx, func(err error) {
			m.store.WithLabelValues(operation).Observe(time.Since(start).Seconds())
			if isFailure(ctx, err) {
				m.storeErrors.WithLabelValues(operation).Inc()
			}
		}
	})
}

// Version is what the program was built from: the version of its module, and the revision.
func Version() (version, revision string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "unknown"
	}
	version, revision = info.Main.Version, "unknown"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision
}

func buildInfo() prometheus.Collector {
	version, revision := Version()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "onetime_build_info",
		Help:        "1, with what the program was built from.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}
