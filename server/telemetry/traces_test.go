package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A receiver stands in for a collector: it takes what OTLP sends over HTTP.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	raw   []byte // all that has come
	spans []*tracepb.Span
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	c := &receiver{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			t.Errorf("what comes is not OTLP: %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(append(c.raw, body...), r.URL.String()...)
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// traced serves a vault with traces, does something, and returns what a collector gets.
func traced(t *testing.T, trusts func(*http.Request) bool, do func(*site)) *receiver {
	t.Helper()
	c := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
	traces, err := NewTraces(t.Context(), trusts, func(err error) { t.Error(err) })
	if err != nil || traces == nil {
		t.Fatalf("NewTraces: %v, %v", traces, err)
	}
	defer otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	do(newSite(t, traces))
	if err := traces.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return c
}

func attributes(span *tracepb.Span) map[string]string {
	all := map[string]string{}
	for _, a := range span.Attributes {
		all[a.Key] = strings.Trim(a.Value.String(), " ")
	}
	return all
}

// TestTraces follows a reveal from its request to the store.
func TestTraces(t *testing.T) {
	c := traced(t, nil, func(s *site) {
		key, _ := s.share(t, "secret=a")
		s.send(t, "POST", "/api/v1/secret/"+key, "")
	})
	var reveal *tracepb.Span
	children := map[string]int{}
	for _, span := range c.spans {
		if span.Name == "POST /api/v1/secret/:key" {
			reveal = span
		}
	}
	if reveal == nil {
		t.Fatalf("there is no span for the reveal among %d", len(c.spans))
	}
	for _, span := range c.spans {
		if bytes.Equal(span.ParentSpanId, reveal.SpanId) {
			children[span.Name]++
		}
	}
	if children["store Secret"] != 1 || children["store Claim"] != 1 {
		t.Errorf("below it are %v", children)
	}
	got := attributes(reveal)
	for name, want := range map[string]string{"http.route": "/api/v1/secret/:key", "http.request.method": "POST",
		"http.response.status_code": "200", "onetime.operation": "v1_showSecret"} {
		if !strings.Contains(got[name], want) {
			t.Errorf("%s is %s", name, got[name])
		}
	}
	if !bytes.Contains(c.raw, []byte("deployment.environment")) || !bytes.Contains(c.raw, []byte("service.version")) {
		t.Error("it does not say who sends it")
	}
}

// TestTracesHoldNoSecrets sends a marker in everything that a request has, and the keys of what was shared.
func TestTracesHoldNoSecrets(t *testing.T) {
	var keys []string
	c := traced(t, func(*http.Request) bool { return true }, func(s *site) {
		secret, receipt := s.share(t, "secret="+marker+"&passphrase="+marker)
		keys = append(keys, secret, receipt, marker, "127.0.0.1")
		for _, r := range []struct{ method, path, body string }{
			{"POST", "/api/v1/secret/" + secret, "passphrase=" + marker + "-wrong"},
			{"POST", "/api/v1/secret/" + secret, "passphrase=" + marker},
			{"GET", "/api/v1/receipt/" + receipt, ""},
			{"POST", "/api/v1/receipt/" + receipt + "/burn?" + marker + "=" + marker, ""},
			{"POST", "/api/v1/share", "secret=" + marker + "&ttl=" + marker},
			{"POST", "/api/v1/share", "secret=" + marker + "&" + marker + "=" + marker},
			{"GET", "/" + marker + "/" + marker, ""},
			{strings.ToUpper(marker), "/api/v1/share", ""},
		} {
			s.send(t, r.method, r.path, r.body, func(r *http.Request) {
				for _, name := range []string{"Tracestate", "Baggage", "User-Agent", "X-Request-Id", "X-Forwarded-For", "Referer", "Cookie"} {
					r.Header.Set(name, marker+"="+marker)
				}
				r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
				r.SetBasicAuth(marker, marker)
				if r.Method == "POST" && strings.Contains(r.URL.Path, "/secret/") {
					r.Header.Del("Authorization")
				}
			})
		}
	})
	if len(c.spans) < 9 {
		t.Fatalf("only %d spans have come", len(c.spans))
	}
	for _, word := range keys {
		if word == "" || bytes.Contains(bytes.ToLower(c.raw), []byte(word)) {
			t.Errorf("%q is in a trace", word)
		}
	}
}

// TestTraceparent continues the trace of who may say so, and of nobody else.
func TestTraceparent(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for _, trusted := range []bool{true, false} {
		c := traced(t, func(*http.Request) bool { return trusted }, func(s *site) {
			s.send(t, "GET", "/api/v1/status", "", func(r *http.Request) {
				r.Header.Set("Traceparent", "00-"+id+"-b7ad6b7169203331-01")
			})
		})
		if len(c.spans) != 1 || (trace.TraceID(c.spans[0].TraceId).String() == id) != trusted {
			t.Errorf("trusted: %v, and the trace is %x", trusted, c.spans[0].TraceId)
		}
	}
}

// TestTracesWanted reads the environment.
func TestTracesWanted(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, test := range []struct {
		environment map[string]string
		wanted      bool
		says        string
	}{
		{nil, false, ""},
		{map[string]string{endpoint: "http://c:4318"}, true, ""},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, true, ""},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, ""},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none", endpoint: "http://c:4318"}, false, ""},
		{map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, false, "otlp or none"},
		{map[string]string{"OTEL_SDK_DISABLED": "TRUE", endpoint: "http://c:4318"}, false, ""},
		{map[string]string{endpoint: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "http/protobuf"},
		{map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, true, ""},
		{map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b,mark"}, false, "HEADERS is a list"},
		{map[string]string{endpoint: "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b,c=d=="}, true, ""},
	} {
		wanted, err := tracesWanted(func(name string) string { return test.environment[name] })
		if wanted != test.wanted || (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v, %v", test.environment, wanted, err)
		}
	}
	t.Setenv(endpoint, "http://localhost:1")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "mark")
	if _, err := NewTraces(t.Context(), nil, nil); err == nil || strings.Contains(err.Error(), "mark") {
		t.Errorf("wrong attributes: %v", err)
	}
}

// TestNoTraces holds that nil does nothing.
func TestNoTraces(t *testing.T) {
	var none *Traces
	s := newSite(t, none)
	if key, _ := s.share(t, "secret=a"); len(key) != 31 {
		t.Errorf("the key is %q", key)
	}
	if err := none.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLogHandler adds the trace to a line, and to no other.
func TestLogHandler(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(LogHandler(slog.NewJSONHandler(&log, nil))).With("a", 1)
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
	logger.InfoContext(ctx, "one")
	logger.InfoContext(t.Context(), "two")
	lines := json.NewDecoder(&log)
	for _, want := range []any{trace.TraceID{1}.String(), nil} {
		var line map[string]any
		if err := lines.Decode(&line); err != nil || line["trace_id"] != want || line["a"] != 1.0 {
			t.Errorf("the line is %v, %v", line, err)
		}
	}
}
