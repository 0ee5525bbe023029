package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

// A script is a transport that answers what it says, and the last of it for ever. It notes when it was asked.
type script struct {
	answers []any // *http.Response without a body, or error
	asked   []time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	s.asked = append(s.asked, time.Now())
	switch answer := s.answers[min(len(s.asked), len(s.answers))-1].(type) {
	case error:
		return nil, answer
	case func(*http.Request) (*http.Response, error):
		return answer(r)
	default:
		return answer.(func() *http.Response)(), nil
	}
}

// says makes an answer of the contract, in fresh copies.
func says(status int, header ...string) func() *http.Response {
	return func() *http.Response {
		body := `{"status":"nominal","locale":"en"}`
		if status != http.StatusOK {
			body = `{"message":"no"}`
		}
		r := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
}

var errNetwork = errors.New("connection refused")

// waits is a transport that answers nothing before the call is given up.
func waits(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// breaksOff is an answer whose body does not come to its end.
func breaksOff() *http.Response {
	r := says(200)()
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"status":`), errReader{}))
	return r
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestReadsAreRepeated runs on a clock of its own, so that the pauses are exact.
func TestReadsAreRepeated(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		answers func() []any
		options []client.Option
		asked   int
		// the pauses between, least and most, in all
		least, most time.Duration
		check       func(error) bool // nil for success
	}{
		"good at once":         {answers: list(says(200)), asked: 1},
		"server error":         {answers: list(says(500), says(200)), asked: 2, least: 125 * time.Millisecond, most: 375 * time.Millisecond},
		"gateway":              {answers: list(says(502), says(503), says(504), says(200)), asked: 4, least: 875 * time.Millisecond, most: 2625 * time.Millisecond},
		"too many":             {answers: list(says(429), says(200)), asked: 2, least: 125 * time.Millisecond, most: 375 * time.Millisecond},
		"meant as too many":    {answers: list(says(404, "X-OTS-Intended-Status", "429"), says(200)), asked: 2, least: 125 * time.Millisecond, most: 375 * time.Millisecond},
		"connection":           {answers: list(errNetwork, errNetwork, says(200)), asked: 3, least: 375 * time.Millisecond, most: 1125 * time.Millisecond},
		"answer that broke":    {answers: list(breaksOff, says(200)), asked: 2, least: 125 * time.Millisecond, most: 375 * time.Millisecond},
		"Retry-After":          {answers: list(says(503, "Retry-After", "7"), says(200)), asked: 2, least: 7 * time.Second, most: 7250 * time.Millisecond},
		"Retry-After, a date":  {answers: func() []any { return []any{says(503, "Retry-After", at(9*time.Second)), says(200)} }, asked: 2, least: 9 * time.Second, most: 9250 * time.Millisecond},
		"Retry-After, past":    {answers: func() []any { return []any{says(503, "Retry-After", at(-time.Hour)), says(200)} }, asked: 2, least: 125 * time.Millisecond, most: 375 * time.Millisecond},
		"Retry-After, too far": {answers: list(says(500, "Retry-After", "40"), says(200)), asked: 1, check: isRefusal(500, 40*time.Second)},
		"never good":           {answers: list(says(500)), asked: 4, least: 875 * time.Millisecond, most: 2625 * time.Millisecond, check: isRefusal(500, 0)},
		"never good, six":      {answers: list(errNetwork), options: []client.Option{client.WithRetries(5)}, asked: 6, least: 3875 * time.Millisecond, most: 11625 * time.Millisecond, check: isNetwork},
		"never repeated":       {answers: list(errNetwork), options: []client.Option{client.WithRetries(0)}, asked: 1, check: isNetwork},
		"by default":           {answers: list(errNetwork), options: []client.Option{client.WithRetries(-1)}, asked: 4, least: 875 * time.Millisecond, most: 2625 * time.Millisecond, check: isNetwork},
		"refused":              {answers: list(says(401)), asked: 1, check: is(onetime.ErrUnauthorized)},
		"meant as refused":     {answers: list(says(404, "X-OTS-Intended-Status", "401")), asked: 1, check: is(onetime.ErrUnauthorized)},
		"unknown":              {answers: list(says(404)), asked: 1, check: is(onetime.ErrNotFound)},
		"contract broken":      {answers: list(says(200, "Content-Type", "text/html")), asked: 1, check: isViolation},
		"undocumented 429": {answers: list(says(429)), asked: 4, least: 875 * time.Millisecond, most: 2625 * time.Millisecond,
			check: func(err error) bool { return isViolation(err) && errors.Is(err, onetime.ErrRateLimited) }},
		"unchecked 429": {answers: list(says(429, "Retry-After", "2")), options: []client.Option{client.WithoutChecks()}, asked: 4,
			least: 6 * time.Second, most: 6750 * time.Millisecond, check: is(onetime.ErrRateLimited)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: test.answers()}
				c := newClient(t, client.EU, append(test.options, client.WithHTTPClient(&http.Client{Transport: s, Timeout: client.DefaultTimeout}))...)
				started := time.Now()
				_, err := c.Status(t.Context())
				if test.check == nil && err != nil || test.check != nil && !test.check(err) {
					t.Errorf("it is %v", err)
				}
				if len(s.asked) != test.asked {
					t.Errorf("asked %d times, want %d", len(s.asked), test.asked)
				}
				if took := time.Since(started); took < test.least || took > test.most {
					t.Errorf("it took %v, want %v to %v", took, test.least, test.most)
				}
			})
		})
	}
}

func list(answers ...any) func() []any { return func() []any { return answers } }

func is(reason error) func(error) bool { return func(err error) bool { return errors.Is(err, reason) } }

func isNetwork(err error) bool {
	var network *client.NetworkError
	return errors.As(err, &network) && errors.Is(err, errNetwork)
}

func isViolation(err error) bool {
	var broken *contract.Violation
	return errors.As(err, &broken)
}

func isAnyRefusal(err error) bool { return errors.As(err, new(*client.Error)) }

func isRefusal(status int, retryAfter time.Duration) func(error) bool {
	return func(err error) bool {
		var refused *client.Error
		return errors.As(err, &refused) && refused.Status == status && refused.RetryAfter == retryAfter
	}
}

// TestOnlyReadsAreRepeated holds it of every method and of every failure that could tempt a client.
func TestOnlyReadsAreRepeated(t *testing.T) {
	for _, m := range eight("s", "p", unknownKey) {
		want := map[string]int{"share": 1, "generate": 1, "reveal": 1, "burn": 1}[m.name]
		if want == 0 {
			want = 1 + client.DefaultRetries
		}
		for name, answer := range map[string]any{"500": says(500), "503": says(503, "Retry-After", "1"), "429": says(429, "Retry-After", "0"),
			"meant as 500": says(404, "X-OTS-Intended-Status", "500"), "network": errNetwork, "broken off": breaksOff} {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []any{answer}}
				c := newClient(t, client.EU, client.WithHTTPClient(&http.Client{Transport: s}))
				if err := m.call(t.Context(), c); err == nil {
					t.Errorf("%s, %s: it succeeds", m.name, name)
				}
				if len(s.asked) != want {
					t.Errorf("%s, %s: sent %d times, want %d", m.name, name, len(s.asked), want)
				}
			})
		}
	}
}

// TestPausesDiffer holds that clients that failed together do not come back together.
func TestPausesDiffer(t *testing.T) {
	for _, header := range []string{"", "3"} {
		seen := map[time.Duration]bool{}
		for range 20 {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []any{says(503, "Retry-After", header), says(200)}}
				c := newClient(t, client.EU, client.WithHTTPClient(&http.Client{Transport: s}))
				if _, err := c.Status(t.Context()); err != nil {
					t.Fatal(err)
				}
				seen[s.asked[1].Sub(s.asked[0])] = true
			})
		}
		if len(seen) < 10 {
			t.Errorf("after %q, 20 clients wait for only %d different times", header, len(seen))
		}
	}
}

// TestRepeatingEnds holds that the timeout is one of the whole call, and that nobody waits for what cannot come in time.
func TestRepeatingEnds(t *testing.T) {
	for name, test := range map[string]struct {
		answer  any
		timeout time.Duration // of the http.Client
		context time.Duration // 0 for none
		took    time.Duration // at most
		asked   int
		check   func(error) bool
	}{
		"no answer":                        {waits, 10 * time.Second, 0, 10 * time.Second, 1, is(context.DeadlineExceeded)},
		"no answer, deadline":              {waits, 0, 10 * time.Second, 10 * time.Second, 1, is(context.DeadlineExceeded)},
		"Retry-After beyond the timeout":   {says(500, "Retry-After", "11"), 10 * time.Second, 0, 0, 1, isRefusal(500, 11*time.Second)},
		"Retry-After beyond the deadline":  {says(500, "Retry-After", "11"), 0, 10 * time.Second, 0, 1, isRefusal(500, 11*time.Second)},
		"Retry-After without any timeout":  {says(500, "Retry-After", "3600"), 0, 0, 0, 1, isRefusal(500, time.Hour)},
		"Retry-After again and again":      {says(500, "Retry-After", "4"), 10 * time.Second, 0, 9 * time.Second, 3, isRefusal(500, 4*time.Second)},
		"pauses beyond a short deadline":   {says(500), 0, 100 * time.Millisecond, 0, 1, isRefusal(500, 0)},
		"Retry-After of 292 years or more": {says(500, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"), 0, 0, 0, 1, isAnyRefusal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.context > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.context)
					defer cancel()
				}
				s := &script{answers: []any{test.answer}}
				c := newClient(t, client.EU, client.WithHTTPClient(&http.Client{Transport: s, Timeout: test.timeout}))
				started := time.Now()
				_, err := c.Status(ctx)
				if !test.check(err) {
					t.Errorf("it is %v", err)
				}
				if took := time.Since(started); took > test.took || len(s.asked) != test.asked {
					t.Errorf("it took %v and asked %d times, want at most %v and %d", took, len(s.asked), test.took, test.asked)
				}
			})
		})
	}
}

// TestStalledAnswer holds that the timeout is one of the whole answer, and that what came of a secret until then can be had.
func TestStalledAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalls := func(r *http.Request) (*http.Response, error) {
			response := says(200)()
			response.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"value":"mark`), untilDone{r.Context()}))
			return response, nil
		}
		h := &http.Client{Transport: &script{answers: []any{stalls}}, Timeout: time.Minute}
		started := time.Now()
		_, err := newClient(t, client.EU, client.WithHTTPClient(h)).Reveal(t.Context(), onetime.RevealRequest{Key: unknownKey})
		checkNetworkError(t, "reveal", err, true)
		if took := time.Since(started); took != time.Minute || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "mark") {
			t.Errorf("after %v: %v", took, err)
		}
		var network *client.NetworkError
		if errors.As(err, &network) && string(network.Body()) != `{"value":"mark` {
			t.Errorf("what came is %q", network.Body())
		}
	})
}

type untilDone struct{ context.Context }

func (r untilDone) Read([]byte) (int, error) {
	<-r.Done()
	return 0, r.Err()
}

// TestCanceledWhileWaiting holds that a call ends with its context, and says why it waited.
func TestCanceledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []any{says(503, "Retry-After", "20")}}
		c := newClient(t, client.EU, client.WithHTTPClient(&http.Client{Transport: s}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		started := time.Now()
		_, err := c.Status(ctx)
		checkNetworkError(t, "status", err, true)
		var refused *client.Error
		if !errors.Is(err, context.Canceled) || errors.As(err, &refused) || !strings.Contains(err.Error(), "503") {
			t.Errorf("it is %v", err)
		}
		if took := time.Since(started); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
