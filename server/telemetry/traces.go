package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/vault"
)

// Traces sends what each request took, and what it took in the store, to a collector. A nil *Traces does nothing, so that
// nobody has to ask whether there are traces. Its methods may be called concurrently.
//
// Spans are made by hand, and not by a library that knows HTTP: those put the path into them, which may hold a key.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	trusts   func(*http.Request) bool
}

// NewTraces returns the traces that the environment asks for, with OTEL_EXPORTER_OTLP_ENDPOINT or the other variables of
// OpenTelemetry, and nil where it asks for none. They are sent over HTTP (http/protobuf), the only protocol here.
//
// A request continues the trace that its traceparent header names only if trusts, which may be nil, says so: others do not
// decide what is sampled. The header tracestate is dropped. What goes wrong later is reported; the report may be nil.
func NewTraces(ctx context.Context, trusts func(*http.Request) bool, report func(error)) (*Traces, error) {
	wanted, err := tracesWanted(os.Getenv)
	if err != nil || !wanted {
		return nil, err
	}
	// The library tells the whole process what it finds wrong, and repeats values there, such as those of headers.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if report != nil {
			report(err)
		}
	}))
	version, _ := Version()
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "onetime"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES is not a list such as deployment.environment=test,team=ops")
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("the OTEL_EXPORTER_OTLP_ variables: a %T", err) // whose text may hold what stands in them
	}
	return newTraces(sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithBatcher(exporter)), trusts), nil
}

func newTraces(provider *sdktrace.TracerProvider, trusts func(*http.Request) bool) *Traces {
	if trusts == nil {
		trusts = func(*http.Request) bool { return false }
	}
	return &Traces{provider, provider.Tracer("github.com/onetime-go/onetime/server/telemetry"), trusts}
}

// tracesWanted reads the variables that say whether there are traces, as OpenTelemetry specifies them, but that without an
// endpoint there are none.
func tracesWanted(getenv func(string) string) (bool, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return value
			}
		}
		return ""
	}
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	endpoint := first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); {
	case exporter == "none", exporter == "" && endpoint == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, errors.New("OTEL_TRACES_EXPORTER is otlp or none")
	}
	protocol := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	if protocol != "" && protocol != "http/protobuf" {
		return false, errors.New("OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf, which collectors take on port 4318")
	}
	headers := first("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
	for pair := range strings.SplitSeq(headers, ",") {
		if headers != "" && !strings.Contains(pair, "=") {
			return false, errors.New("OTEL_EXPORTER_OTLP_HEADERS is a list such as authorization=Basic%20dTpw,tenant=a")
		}
	}
	return true, nil
}

// Close sends what is left, as long as ctx lasts.
func (t *Traces) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Handler begins a span for each request. Request, which has to be told of each of them, gives it its name.
func (t *Traces) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := t.tracer.Start(t.parent(r), "HTTP", trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// parent returns the context that a request's span begins in.
func (t *Traces) parent(r *http.Request) context.Context {
	if !t.trusts(r) {
		return r.Context()
	}
	named := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
	parent := trace.SpanContextFromContext(named).WithTraceState(trace.TraceState{})
	return trace.ContextWithRemoteSpanContext(r.Context(), parent)
}

// Request says what a request was. It is the Observe of a server.Config.
func (t *Traces) Request(ctx context.Context, o server.Observation) {
	if t == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	span.SetName(strings.TrimSpace(o.Method + " " + o.Route))
	span.SetAttributes(
		attribute.String("http.request.method", o.Method),
		attribute.String("http.route", o.Route),
		attribute.Int("http.response.status_code", o.Status),
		attribute.String("onetime.operation", operationOf(o)),
		attribute.String("onetime.request_id", o.RequestID))
	if v := o.Violation; v != nil {
		span.SetAttributes(
			attribute.String("onetime.violation.direction", string(v.Direction)),
			attribute.String("onetime.violation.pointer", placeOf(v)),
			attribute.String("onetime.violation.rule", v.Rule))
	}
	if o.Status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
}

// Store returns a Store that does what another does, with a span for each call of a request.
func (t *Traces) Store(store vault.Store) vault.Store {
	if t == nil {
		return store
	}
	return watch(store, func(ctx context.Context, operation string) (context.Context, func(error)) {
		if !trace.SpanContextFromContext(ctx).IsValid() { // a sweep, or a look for metrics
			return ctx, func(error) {}
		}
		ctx, span := t.tracer.Start(ctx, "store "+operation, trace.WithSpanKind(trace.SpanKindClient))
		return ctx, func(err error) {
			if isFailure(ctx, err) {
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}
	})
}

// LogHandler returns a Handler that adds the id of the trace to what is logged for a request, so that one leads to the
// other.
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

// Handle, WithAttrs and WithGroup are those of slog.Handler.

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record = record.Clone()
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
