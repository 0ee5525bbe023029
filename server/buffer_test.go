package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// TestBuffersAreWiped looks at the memory of a buffer that was given back, and of one that was outgrown.
func TestBuffersAreWiped(t *testing.T) {
	b := &buffer{}
	b.write([]byte(marker))
	outgrown := b.data[:cap(b.data)]
	b.write(make([]byte, 2*cap(b.data)))
	b.write([]byte(marker))
	freed := b.data[:cap(b.data)]
	b.free()
	for name, memory := range map[string][]byte{"outgrown": outgrown, "freed": freed} {
		if len(bytes.Trim(memory, "\x00")) != 0 {
			t.Errorf("what was %s still holds something", name)
		}
	}
}

func TestBufferReads(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	broken := errors.New("broken")
	tests := []struct {
		name   string
		reader io.Reader
		most   int64
		read   int
		all    bool
		err    error
	}{
		{"all", strings.NewReader(text), 1 << 20, 10_000, true, nil},
		{"as much as may be", strings.NewReader(text), 10_000, 10_000, true, nil},
		{"one too many", strings.NewReader(text), 9_999, 10_000, false, nil},
		{"far too many", io.MultiReader(strings.NewReader(text), strings.NewReader(text)), 3_000, 3_001, false, nil},
		{"byte by byte", iotest.OneByteReader(strings.NewReader(text)), 10_000, 10_000, true, nil},
		{"with the end", iotest.DataErrReader(strings.NewReader(text)), 10_000, 10_000, true, nil},
		{"nothing", strings.NewReader(""), 0, 0, true, nil},
		{"broken off", io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), 1 << 20, 10_000, false, broken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := &buffer{}
			all, err := b.readFrom(test.reader, test.most)
			if all != test.all || err != test.err || len(b.data) != test.read || !strings.HasPrefix(text+text, string(b.data)) {
				t.Errorf("%d bytes, %v, %v", len(b.data), all, err)
			}
		})
	}
}

// TestNothingOutlivesItsRequest lets handlers keep what they got, and use it when the request is done and another has its
// buffers.
func TestNothingOutlivesItsRequest(t *testing.T) {
	var body io.ReadCloser
	var writer http.ResponseWriter
	e := echo.New()
	e.Use(Check(contract.V1(), CheckOptions{}))
	e.POST("/api/v1/secret/:key", func(c echo.Context) error {
		body, writer = c.Request().Body, c.Response().Writer
		return c.JSON(200, map[string]string{"value": marker, "secret_key": "k", "share_domain": ""})
	})
	send := func(passphrase string) {
		r := httptest.NewRequest("POST", "/api/v1/secret/k", strings.NewReader("passphrase="+passphrase))
		r.Header.Set("Content-Type", formType)
		w := httptest.NewRecorder()
		if e.ServeHTTP(w, r); w.Code != 200 || !strings.Contains(w.Body.String(), marker) {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
	}
	send("mine")
	late, lateWriter := body, writer
	done := make(chan struct{})
	go func() { // beside the next request
		defer close(done)
		for range 100 {
			if text, err := io.ReadAll(late); len(text) != 0 || !errors.Is(err, errDone) {
				t.Errorf("a late reader gets %q, %v", text, err)
			}
			if _, err := lateWriter.Write([]byte("late")); !errors.Is(err, errDone) {
				t.Errorf("a late writer gets %v", err)
			}
		}
	}()
	for range 100 {
		send("theirs")
	}
	<-done
}

// TestAnswerTooLong holds no more of an answer than it may.
func TestAnswerTooLong(t *testing.T) {
	for length, want := range map[int]int{100: 200, 101: 500} {
		var found *contract.Violation
		e := echo.New()
		e.HTTPErrorHandler = jsonError
		e.Use(Check(contract.V1(), CheckOptions{MaxAnswer: 100, Report: func(_ echo.Context, v *contract.Violation) { found = v }}))
		e.GET("/api/v1/status", func(c echo.Context) error {
			text := `{"status":"nominal","locale":"` + strings.Repeat("x", length) + `"}`
			text = text[:30] + text[len(text)-length+30:]
			return c.Blob(200, "application/json", []byte(text))
		})
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/status", nil))
		if w.Code != want || (found != nil) != (want == 500) || found != nil && found.Rule != contract.RuleSize {
			t.Errorf("%d bytes: %d, %v", length, w.Code, found)
		}
	}
}

// TestStreams reads what a handler has flushed while the handler waits for it to be read.
func TestStreams(t *testing.T) {
	read := make(chan struct{})
	var deferred any
	e := echo.New()
	e.HTTPErrorHandler = jsonError
	streams := func(op *contract.Operation) bool { return op.ID == "streamPositions" }
	e.Use(Check(document(t, "fleet"), CheckOptions{Streams: streams}))
	e.GET("/vehicles/:id/positions", func(c echo.Context) error {
		c.Response().Header().Set("Content-Type", "text/event-stream")
		_, _ = c.Response().Write([]byte("data: 1\n\n"))
		c.Response().Flush()
		<-read
		defer func() { deferred = recover() }()
		Defer(c.Request().Context(), func(context.Context) error { return nil })
		return nil
	})
	site := listen(t, e, &logBuffer{})
	response, err := site.Client().Get(site.URL + "/vehicles/7/positions")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	if line != "data: 1\n" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	close(read)
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Error(err)
	}
	site.Close()
	if deferred == nil {
		t.Error("Defer does not say that it is too late")
	}
}

func TestStreamsCheckRequests(t *testing.T) {
	e := echo.New()
	e.HTTPErrorHandler = jsonError
	e.Use(Check(document(t, "fleet"), CheckOptions{Streams: func(*contract.Operation) bool { return true }}))
	e.GET("/vehicles/:id/positions", func(echo.Context) error { return errors.New("it is not to be called") })
	w := httptest.NewRecorder()
	if e.ServeHTTP(w, httptest.NewRequest("GET", "/vehicles/first/positions", nil)); w.Code != 400 {
		t.Errorf("%d", w.Code)
	}
}

// TestHijack says no, in a way that a handler can go on from.
func TestHijack(t *testing.T) {
	var reports []*contract.Violation
	site := checked(t, "GET", "/api/v1/status", func(c echo.Context) error {
		if _, _, err := c.Response().Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("%v", err)
		}
		return echo.ErrNotFound
	}, jsonError, &reports)
	response, err := site.Client().Get(site.URL + "/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	if read(t, response); response.StatusCode != 404 {
		t.Errorf("%d", response.StatusCode)
	}
}

// TestOuterHeaders are kept when an answer is replaced, those of the handler are not.
func TestOuterHeaders(t *testing.T) {
	e := echo.New()
	e.HTTPErrorHandler = jsonError
	check := Check(contract.V1(), CheckOptions{})
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set("X-Outer", "1")
			return next(c)
		}
	}, check)
	e.GET("/api/v1/status", func(c echo.Context) error {
		c.Response().Header().Set("X-Outer", "2")
		c.Response().Header().Set("X-Inner", marker)
		return c.JSON(200, "nonsense")
	})
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/status", nil))
	if got := w.Header(); w.Code != 500 || got.Get("X-Outer") != "1" || got.Get("X-Inner") != "" {
		t.Errorf("%d %v", w.Code, got)
	}
}
