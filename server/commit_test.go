package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

// twoSteps returns the routes whose effect is a step of its own.
func twoSteps(t *testing.T) []route {
	return slices.DeleteFunc(routes(t), func(r route) bool { return !r.commits() })
}

// TestCommitOrder watches the steps: built, checked, committed, sent.
func TestCommitOrder(t *testing.T) {
	var steps []string
	e := echo.New()
	e.Use(Check(contract.V1(), CheckOptions{Report: func(echo.Context, *contract.Violation) { steps = append(steps, "found wrong") }}))
	body := `{"value":"x","secret_key":"y","share_domain":""}`
	e.POST("/api/v1/secret/:key", func(c echo.Context) error {
		Defer(c.Request().Context(), func(context.Context) error { steps = append(steps, "committed"); return nil })
		steps = append(steps, "built")
		return c.Blob(200, "application/json", []byte(body))
	})
	site := listen(t, watched{e, &steps}, &logBuffer{})
	for _, test := range []struct {
		body string
		want []string
	}{
		{body, []string{"built", "committed", "sent 200"}},
		{`{"value":"x"}`, []string{"built", "found wrong", "sent 500"}},
	} {
		steps, body = nil, test.body
		response, err := site.Client().Post(site.URL+"/api/v1/secret/1", "application/x-www-form-urlencoded", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		read(t, response)
		if d := cmp.Diff(test.want, steps); d != "" {
			t.Errorf("steps (-want +got):\n%s", d)
		}
	}
}

// A watched handler notes when its answer begins.
type watched struct {
	http.Handler
	steps *[]string
}

func (w watched) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.Handler.ServeHTTP(&watchedWriter{ResponseWriter: rw, steps: w.steps}, r)
}

type watchedWriter struct {
	http.ResponseWriter
	steps *[]string
}

func (w *watchedWriter) WriteHeader(status int) {
	*w.steps = append(*w.steps, "sent "+map[int]string{200: "200", 500: "500"}[status])
	w.ResponseWriter.WriteHeader(status)
}

// TestCommitFails lets the second step go wrong. The answer is that of the error, without a byte of the first.
func TestCommitFails(t *testing.T) {
	tests := []struct {
		name   string
		commit func(context.Context) error
		status int
		text   string
	}{
		{"someone was faster", func(context.Context) error { return onetime.ErrNotFound }, 404, "Unknown secret"},
		{"error", func(context.Context) error { return errors.New("disk full") }, 500, internalError.message},
		{"error of Echo", func(context.Context) error { return echo.NewHTTPError(404) }, 500, internalError.message},
		{"panic", func(context.Context) error { panic(marker) }, 500, internalError.message},
	}
	for _, test := range tests {
		for _, r := range twoSteps(t) {
			t.Run(test.name+" "+r.op.ID, func(t *testing.T) {
				service := newStub()
				service.commit = test.commit
				service.secret.Value, service.made.Value = marker, marker
				site := serve(t, service)
				answer := r.send(t, site)
				answer.want(t, test.status, test.text)
				for _, part := range []string{marker, receiptKey, secretKey} {
					if strings.Contains(answer.Body, part) || strings.Contains(site.log.String(), part) {
						t.Errorf("%q is left of the answer:\n%s\n%s", part, answer.Body, site.log)
					}
				}
				if n := service.committed(); n != 1 {
					t.Errorf("committed %d times", n)
				}
			})
		}
	}
}

// TestNilCommit takes a Pending without a second step.
func TestNilCommit(t *testing.T) {
	site := serve(t, justAnswers{newStub()})
	site.call(t, "POST", "/api/v1/secret/"+secretKey, "").want(t, 200, "")
}

type justAnswers struct{ *stub }

func (s justAnswers) Reveal(context.Context, onetime.Caller, onetime.RevealRequest) (onetime.Pending[onetime.Secret], error) {
	return onetime.Pending[onetime.Secret]{Answer: s.secret}, nil
}

// leave sends a request and goes away when the server says so.
func leave(t *testing.T, site *site, r route, when <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-when; cancel() }()
	request := site.request(t, r.op.Method, r.path, r.form, r.edit...).WithContext(ctx)
	if response, err := site.Client().Do(request); err == nil {
		t.Errorf("%d, though the client has left", response.StatusCode)
		_, _ = io.Copy(io.Discard, response.Body)
	}
}

// TestClientLeavesBeforeCommit costs nothing: nobody waits for the answer.
func TestClientLeavesBeforeCommit(t *testing.T) {
	for _, r := range twoSteps(t) {
		t.Run(r.op.ID, func(t *testing.T) {
			reached := make(chan struct{})
			service := newStub()
			service.hook = func(ctx context.Context) {
				close(reached)
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Second):
					t.Error("the Service's context does not end when the client leaves")
				}
			}
			site := serve(t, service)
			leave(t, site, r, reached)
			site.Close() // waits for the handler
			if n := service.committed(); n != 0 {
				t.Errorf("committed %d times", n)
			}
			if strings.Contains(site.log.String(), "PANIC") || !strings.Contains(site.log.String(), "the client left") {
				t.Errorf("log:\n%s", site.log)
			}
		})
	}
}

// TestClientLeavesDuringCommit changes nothing: what has begun is finished.
func TestClientLeavesDuringCommit(t *testing.T) {
	for _, r := range twoSteps(t) {
		t.Run(r.op.ID, func(t *testing.T) {
			reached, left := make(chan struct{}), make(chan struct{})
			service := newStub()
			var request context.Context
			var mu sync.Mutex
			service.hook = func(ctx context.Context) {
				mu.Lock()
				defer mu.Unlock()
				request = ctx
			}
			service.commit = func(ctx context.Context) error {
				close(reached)
				mu.Lock()
				defer mu.Unlock()
				select {
				case <-request.Done():
				case <-time.After(10 * time.Second):
					t.Error("the request's context does not end when the client leaves")
				}
				if err := ctx.Err(); err != nil {
					t.Errorf("the commit's context: %v", err)
				}
				if _, bounded := ctx.Deadline(); !bounded {
					t.Error("the commit may take for ever")
				}
				close(left)
				return nil
			}
			site := serve(t, service)
			leave(t, site, r, reached)
			select {
			case <-left:
			case <-time.After(10 * time.Second):
				t.Error("the commit did not end")
			}
		})
	}
}

// TestDeferTwice pins that the last call counts.
func TestDeferTwice(t *testing.T) {
	var done []string
	var reports []*contract.Violation
	site := checked(t, "GET", "/api/v1/status", func(c echo.Context) error {
		for _, name := range []string{"first", "last"} {
			Defer(c.Request().Context(), func(context.Context) error { done = append(done, name); return nil })
		}
		return c.JSON(200, map[string]string{"status": "nominal", "locale": "en"})
	}, jsonError, &reports)
	response, err := site.Client().Get(site.URL + "/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	read(t, response)
	if d := cmp.Diff([]string{"last"}, done); d != "" {
		t.Error(d)
	}
}

// TestDeferElsewhere panics, as it says.
func TestDeferElsewhere(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Defer(t.Context(), nil)
}
