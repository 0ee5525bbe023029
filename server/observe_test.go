package server

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/onetime-go/onetime"
)

// An observer keeps what it is told.
type observer struct {
	mu   sync.Mutex
	seen []Observation
}

func (o *observer) observe(ctx context.Context, seen Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, seen)
}

// last returns what was seen of the last request, and fails unless it was the only one since.
func (o *observer) last(t *testing.T) Observation {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.seen) != 1 {
		t.Fatalf("it was told of %d requests", len(o.seen))
	}
	last := o.seen[0]
	o.seen = nil
	return last
}

// TestObserve tells of requests of each sort.
func TestObserve(t *testing.T) {
	var seen observer
	service := newStub()
	site := serve(t, service, limitedTo(3), func(c *Config) { c.Observe = seen.observe })
	const secret = "/api/v1/secret/"
	tests := []struct {
		name               string
		method, path, form string
		err                error
		spoil              bool
		want               Observation
		rule, pointer      string
	}{
		{name: "share", method: "POST", path: share, form: "secret=a", want: Observation{Route: share, Operation: "v1_share", Status: 200}},
		{name: "reveal", method: "POST", path: secret + secretKey, want: Observation{Route: secret + ":key", Operation: "v1_showSecret", Status: 200}},
		{name: "unknown", method: "POST", path: secret + secretKey, err: onetime.ErrNotFound,
			want: Observation{Route: secret + ":key", Operation: "v1_showSecret", Status: 404}},
		{name: "wrong request", method: "POST", path: share, form: "secret=a&ttl=" + marker,
			want: Observation{Route: share, Operation: "v1_share", Status: 400}, rule: "type", pointer: "/ttl"},
		{name: "wrong answer", method: "GET", path: "/api/v1/receipt/" + receiptKey, spoil: true,
			want: Observation{Route: "/api/v1/receipt/:key", Operation: "v1_showReceipt", Status: 500}, rule: "enum", pointer: "/state"},
		{name: "limit", method: "POST", path: share, form: "secret=a", want: Observation{Route: share, Operation: "v1_share", Status: 200}},
		{name: "over the limit", method: "POST", path: share, form: "secret=a", want: Observation{Route: share, Operation: "v1_share", Status: 429}},
		{name: "another method", method: "DELETE", path: share, want: Observation{Route: share, Status: 405}},
		{name: "no method", method: marker, path: share, want: Observation{Route: share, Status: 405}},
		{name: "no route", method: "GET", path: "/" + marker, want: Observation{Status: 404}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			service.err, service.receipt.State = test.err, onetime.StateNew
			if test.spoil {
				service.receipt.State = marker
			}
			r := site.request(t, test.method, test.path, test.form)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			read(t, response)
			got := seen.last(t)
			test.want.Method = knownMethod(test.method)
			if got.RequestID == "" || got.Duration <= 0 || (got.ErrorID == got.RequestID) != (got.Status >= 400) {
				t.Errorf("it is told %+v", got)
			}
			if v := got.Violation; (v != nil) != (test.rule != "") || v != nil && (v.Rule != test.rule || v.Pointer != test.pointer) {
				t.Errorf("the violation is %v", v)
			}
			got.RequestID, got.ErrorID, got.Duration, got.Violation = "", "", 0, nil
			if got != test.want {
				t.Errorf("it is told\n%+v, not\n%+v", got, test.want)
			}
		})
	}
}
