package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// TestVectors runs the vectors of package contract through the middleware: requests go in, and responses come from a
// handler.
func TestVectors(t *testing.T) {
	data, err := os.ReadFile("../contract/testdata/vectors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var v vector
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		for _, op := range contract.V1().Operations() {
			if slices.Contains(v.Operations, op.ID) {
				v.run(t, op)
			}
		}
	}
}

// A vector is a message and what has to be said of it.
type vector struct {
	Operations               []string
	Name                     string
	Status                   int
	ContentType              string `json:"content_type"`
	RetryAfter               string `json:"retry_after"`
	Body                     string
	Base64                   []byte `json:"body_base64"`
	Rule, Pointer, Parameter string
}

func (v vector) run(t *testing.T, op *contract.Operation) {
	t.Helper()
	sent := v.Body + string(v.Base64)
	var found *contract.Violation
	handled := false
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		errors.As(err, &found)
		jsonError(err, c)
	}
	e.Use(Check(contract.V1(), CheckOptions{}))
	e.Add(op.Method, strings.NewReplacer("{", ":", "}", "").Replace(op.Path), func(c echo.Context) error {
		handled = true
		if v.Status == 0 {
			return echo.ErrNotFound // documented everywhere
		}
		if v.RetryAfter != "" {
			c.Response().Header().Set("Retry-After", v.RetryAfter)
		}
		return c.Blob(v.Status, v.ContentType, []byte(sent))
	})
	request := "secret=x" // conforms everywhere
	if v.Status == 0 {
		request = sent
	}
	r := httptest.NewRequest(op.Method, strings.ReplaceAll(op.Path, "{key}", secretKey), strings.NewReader(request))
	if r.Header.Set("Content-Type", formType); v.Status == 0 {
		r.Header.Set("Content-Type", v.ContentType)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)

	got := &contract.Violation{}
	if found != nil {
		got = found
	}
	if got.Rule != v.Rule || got.Pointer != v.Pointer || got.Parameter != v.Parameter {
		t.Errorf("%s %d %s: %v, want %q %q %q", op.ID, v.Status, v.Name, found, v.Rule, v.Pointer, v.Parameter)
	}
	switch {
	case v.Status == 0 && handled != (v.Rule == ""):
		t.Errorf("%s %s: handled is %v", op.ID, v.Name, handled)
	case v.Status != 0 && v.Rule == "" && (w.Code != v.Status || w.Body.String() != sent):
		t.Errorf("%s %s: %d %q is sent in its place", op.ID, v.Name, w.Code, w.Body)
	case v.Status != 0 && v.Rule != "" && w.Code != http.StatusInternalServerError:
		t.Errorf("%s %s: %d is sent", op.ID, v.Name, w.Code)
	}
}
