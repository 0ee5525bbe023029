package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdStandin stands in front of a real server, and answers as other servers of the API do: see TestScripts.
func cmdStandin(ts *testscript.TestScript, neg bool, args []string) {
	behind, err := url.Parse(ts.Getenv(args[2]))
	ts.Check(err)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.ModifyResponse = func(r *http.Response) error { return answerAs(args[1], r) }
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 && args[1] == "restarting" {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>")
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// answerAs rewrites an answer of our server to what another one would have answered.
func answerAs(kind string, r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	switch kind {
	case "public": // which answers nearly every error with 404
		if r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusUnauthorized {
			r.Header.Set("X-OTS-Intended-Status", strconv.Itoa(r.StatusCode))
			r.StatusCode, r.Status = http.StatusNotFound, "404 Not Found"
		}
	case "v0.23":
		var value any
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		older(value, strings.Contains(r.Request.URL.Path, "/secret/"))
		if body, err = json.Marshal(value); err != nil {
			return err
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// names24 are those that v0.24 of the public service's software has brought.
var names24 = []string{"identifier", "secret_identifier", "has_passphrase", "recipients", "receipt_ttl", "receipt_url", "secret_value"}

// older takes out of an answer what v0.23 does not send.
func older(value any, revealed bool) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			older(item, revealed)
		}
	case map[string]any:
		for name, member := range v {
			if slices.Contains(names24, name) || revealed && name == "share_domain" {
				delete(v, name)
				continue
			}
			older(member, revealed)
		}
	}
}
