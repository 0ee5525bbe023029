package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/sqlitestore"
	"github.com/onetime-go/onetime/server/vault"
)

const marker = "mark-7f3a"

// A site is a vault over HTTP whose metrics and traces are collected.
type site struct {
	*httptest.Server
	metrics *Metrics
	store   vault.Store
}

// newSite serves a vault. Its requests and its store are also told to traces, which may be nil.
func newSite(t *testing.T, traces *Traces) *site {
	t.Helper()
	store, err := sqlitestore.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s := &site{metrics: NewMetrics(), store: store}
	v, err := vault.New(t.Context(), vault.Config{
		Store:   traces.Store(s.metrics.Store(store)),
		Keys:    vault.NewKeyring(),
		Observe: s.metrics.Event,
	})
	if err != nil {
		t.Fatal(err)
	}
	api, err := server.New(v, server.Config{
		BaseURL:   "https://secrets.example.com",
		RateLimit: server.Rate{Requests: 100, Period: time.Hour},
		Observe: func(ctx context.Context, o server.Observation) {
			s.metrics.Request(ctx, o)
			traces.Request(ctx, o)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(traces.Handler(api))
	t.Cleanup(s.Close)
	return s
}

func (s *site) send(t *testing.T, method, path, body string, edit ...func(*http.Request)) string {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, f := range edit {
		f(r)
	}
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// share stores a secret and returns its two keys.
func (s *site) share(t *testing.T, form string) (secret, receipt string) {
	t.Helper()
	answer := s.send(t, "POST", "/api/v1/share", form)
	between := func(name string) string {
		_, after, _ := strings.Cut(answer, `"`+name+`":"`)
		key, _, _ := strings.Cut(after, `"`)
		return key
	}
	return between("secret_key"), between("metadata_key")
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("there is no line %q", line)
		}
	}
}

// TestMetrics lets one of each happen, and counts.
func TestMetrics(t *testing.T) {
	s := newSite(t, nil)
	read, _ := s.share(t, "secret=a")
	burn, receipt := s.share(t, "secret=a&passphrase=p")
	s.send(t, "POST", "/api/v1/secret/"+read, "")
	s.send(t, "POST", "/api/v1/secret/"+read, "")
	for range 6 {
		s.send(t, "POST", "/api/v1/secret/"+burn, "passphrase=wrong")
	}
	s.send(t, "POST", "/api/v1/receipt/"+receipt+"/burn", "passphrase=p")
	s.send(t, "POST", "/api/v1/share", "secret=a&ttl=x")
	s.send(t, "GET", "/"+marker, "")
	s.metrics.Event(vault.Event{Kind: vault.EventExpired, Count: 7})
	s.metrics.Event(vault.Event{Kind: vault.EventDamaged})
	s.metrics.Event(vault.Event{Kind: vault.EventClock})
	wantLines(t, scrape(t, s.metrics),
		`onetime_http_requests_total{operation="v1_share",status="200"} 2`,
		`onetime_http_requests_total{operation="v1_share",status="400"} 1`,
		`onetime_http_requests_total{operation="v1_showSecret",status="200"} 1`,
		`onetime_http_requests_total{operation="v1_showSecret",status="404"} 6`,
		`onetime_http_requests_total{operation="v1_showSecret",status="429"} 1`,
		`onetime_http_requests_total{operation="none",status="404"} 1`,
		`onetime_http_request_duration_seconds_count{operation="v1_showSecret"} 8`,
		`onetime_contract_violations_total{direction="request",operation="v1_share",pointer="/ttl",rule="type"} 1`,
		`onetime_secrets_created_total 2`,
		`onetime_secrets_revealed_total 1`,
		`onetime_secrets_burned_total 1`,
		`onetime_secrets_expired_total 7`,
		`onetime_wrong_passphrases_total 5`,
		`onetime_locked_total 1`,
		`onetime_damaged_records_total 1`,
		`onetime_clock_jumps_total 1`,
		`onetime_store_duration_seconds_count{operation="Claim"} 2`)
	if text := scrape(t, s.metrics); strings.Contains(text, "onetime_store_errors_total{") || !strings.Contains(text, "onetime_build_info{goversion=") {
		t.Error("the store has failed, or there is no build info")
	}
	problems, err := testutil.GatherAndLint(s.metrics.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("the names are not as Prometheus wants them: %v, %v", problems, err)
	}
}

// TestMetricsAreBounded sends what a caller may put anywhere. No number of callers makes another time series, and none of
// what they send is there.
func TestMetricsAreBounded(t *testing.T) {
	s := newSite(t, nil)
	flood := func(n int) {
		for i := range n {
			word := fmt.Sprintf("%s-%d", marker, i)
			for _, r := range []struct{ method, path, body string }{
				{"POST", "/api/v1/share", "secret=" + word + "&" + word + "=1"},
				{"POST", "/api/v1/share", "secret=" + word + "&ttl=" + word},
				{"POST", "/api/v1/secret/" + word, "passphrase=" + word},
				{"POST", "/api/v1/secret/" + word + "?" + word + "=" + word, ""},
				{"GET", "/" + word, ""},
				{"MARK-" + fmt.Sprint(i), "/api/v1/share", ""},
			} {
				s.send(t, r.method, r.path, r.body, func(r *http.Request) { r.Header.Set("User-Agent", word) })
			}
		}
	}
	flood(3)
	before := strings.Count(scrape(t, s.metrics), "\nonetime_")
	flood(20)
	text := scrape(t, s.metrics)
	if after := strings.Count(text, "\nonetime_"); after != before {
		t.Errorf("there were %d time series, and now there are %d", before, after)
	}
	if strings.Contains(strings.ToLower(text), "mark-") {
		t.Error("what a caller has sent is in the metrics")
	}
}

// TestPlaceOf takes indices out of pointers: a list can be long.
func TestPlaceOf(t *testing.T) {
	for _, test := range []struct {
		v    contract.Violation
		want string
	}{
		{contract.Violation{Pointer: "/17/state"}, "/*/state"},
		{contract.Violation{Pointer: "/state/recipient/3"}, "/state/recipient/*"},
		{contract.Violation{Pointer: ""}, ""},
		{contract.Violation{Parameter: "header Retry-After"}, "header Retry-After"},
	} {
		if got := placeOf(&test.v); got != test.want {
			t.Errorf("%+v is at %q", test.v, got)
		}
	}
}

// TestStoreIsWatched holds that no method of a Store goes unseen.
func TestStoreIsWatched(t *testing.T) {
	store, err := sqlitestore.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var seen []string
	w := watch(store, func(ctx context.Context, operation string) (context.Context, func(error)) {
		return ctx, func(error) { seen = append(seen, operation) }
	})
	value := reflect.ValueOf(w)
	for method := range reflect.TypeFor[vault.Store]().Methods() {
		if method.Name == "Close" {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for i := 1; i < method.Type.NumIn(); i++ {
			args = append(args, reflect.Zero(method.Type.In(i)))
		}
		seen = nil
		value.MethodByName(method.Name).Call(args)
		if len(seen) != 1 || seen[0] != method.Name {
			t.Errorf("of %s it sees %v", method.Name, seen)
		}
	}
}

// failing is a store that fails in a way.
type failing struct {
	vault.Store
	err error
}

func (f failing) Secret(context.Context, vault.ID) (vault.SecretRecord, error) {
	return vault.SecretRecord{}, f.err
}

// TestStoreErrors counts failures, and not answers.
func TestStoreErrors(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, test := range []struct {
		ctx  context.Context
		err  error
		want float64
	}{
		{t.Context(), nil, 0},
		{t.Context(), fmt.Errorf("wrapped: %w", vault.ErrNoRecord), 0},
		{t.Context(), vault.ErrQuota, 0},
		{gone, context.Canceled, 0},
		{t.Context(), errors.New("disk full"), 1},
		{t.Context(), vault.ErrDamaged, 1},
		{gone, errors.New("disk full"), 1},
		{t.Context(), context.DeadlineExceeded, 1},
	} {
		m := NewMetrics()
		m.Store(failing{err: test.err}).Secret(test.ctx, vault.ID{})
		if got := testutil.ToFloat64(m.storeErrors.WithLabelValues("Secret")); got != test.want {
			t.Errorf("%v counts %v", test.err, got)
		}
	}
}

// TestAsked leaves out what cannot be told, and does not wait for it for ever.
func TestAsked(t *testing.T) {
	m := NewMetrics()
	m.Gauge("onetime_something", "Something.", func(context.Context) (float64, bool) { return 3, true })
	m.Gauge("onetime_nothing", "Nothing.", func(context.Context) (float64, bool) { return 4, false })
	m.Counter("onetime_more_total", "More.", func(ctx context.Context) (float64, bool) {
		_, bounded := ctx.Deadline()
		return 5, bounded
	})
	text := scrape(t, m)
	wantLines(t, text, "onetime_something 3", "onetime_more_total 5")
	if strings.Contains(text, "onetime_nothing") {
		t.Error("it tells what is not known")
	}
}
