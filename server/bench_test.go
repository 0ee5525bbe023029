package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/oapi-codegen/echo-middleware"

	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/gen"
	"github.com/onetime-go/onetime/gen/echoserver"
	"github.com/onetime-go/onetime/server"
)

// What a check costs is measured on one handler: the generated server on an Echo of its own, which reads its form, has its
// answer at hand and writes it. The rows differ in what stands before it, and in nothing else. A request takes none of the
// time: it is there, and what is written is dropped, so that all that is measured beside the checks is routing, reading a
// form and encoding an answer.

// canned is the generated interface with answers that are at hand.
type canned struct {
	echoserver.StrictServerInterface
	receipt gen.Receipt
	recent  gen.Receipts
}

func (s canned) V1MetadataShowReceiptPost(context.Context, echoserver.V1MetadataShowReceiptPostRequestObject) (echoserver.V1MetadataShowReceiptPostResponseObject, error) {
	return echoserver.V1MetadataShowReceiptPost200JSONResponse{ReceiptJSONResponse: echoserver.ReceiptJSONResponse(s.receipt)}, nil
}

func (s canned) V1Share(context.Context, echoserver.V1ShareRequestObject) (echoserver.V1ShareResponseObject, error) {
	return echoserver.V1Share200JSONResponse{SharedJSONResponse: echoserver.SharedJSONResponse(s.receipt)}, nil
}

func (s canned) V1ShowReceiptRecent(context.Context, echoserver.V1ShowReceiptRecentRequestObject) (echoserver.V1ShowReceiptRecentResponseObject, error) {
	return echoserver.V1ShowReceiptRecent200JSONResponse(s.recent), nil
}

func cannedServer() canned {
	const lifetime = 604800
	receipt := gen.Receipt{
		Custid: "anon", MetadataKey: benchKey, Identifier: benchKey, SecretKey: new(benchKey), SecretIdentifier: new(benchKey), State: gen.StateNew,
		Created: new(int64(1767323045)), Updated: new(int64(1767323045)),
		TTL: new(int64(lifetime)), MetadataTTL: new(int64(2 * lifetime)), ReceiptTTL: new(int64(2 * lifetime)),
		MetadataURL: new("https://secrets.example.com/receipt/" + benchKey), ReceiptURL: new("https://secrets.example.com/receipt/" + benchKey),
		Recipient: []string{}, Recipients: []string{}, PassphraseRequired: new(false), HasPassphrase: new(false),
	}
	receipt.SecretTTL.Set(lifetime)
	listed := receipt
	listed.SecretKey, listed.SecretIdentifier = nil, nil
	return canned{receipt: receipt, recent: slices.Repeat(gen.Receipts{listed}, 100)}
}

const benchKey = "hb3k9m2qx7c1v5n8z4l6j0p2r9t3w7y"

// benchMessages are the requests that are measured.
var benchMessages = []struct{ name, method, path, body string }{
	{"metadata", "POST", "/api/v1/metadata/" + benchKey, "continue=true"}, // kin-openapi refuses a form without bytes
	{"share", "POST", "/api/v1/share", benchForm(200)},
	{"share-10kB", "POST", "/api/v1/share", benchForm(10000)},
	{"recent-100", "GET", "/api/v1/receipt/recent", ""},
}

func benchForm(length int) string {
	secret := strings.Repeat("The code is 1234. ", length/18+1)[:length]
	return url.Values{"secret": {secret}, "ttl": {"3600"}, "passphrase": {"correct horse"}}.Encode()
}

// benchRows are the ways to check, of which the first is not to.
var benchRows = []struct {
	name    string
	handler func(testing.TB) http.Handler
}{
	{"unchecked", func(testing.TB) http.Handler { return benchEcho() }},
	{"kin-openapi", func(tb testing.TB) http.Handler {
		router, err := gorillamux.NewRouter(benchDocument(tb))
		if err != nil {
			tb.Fatal(err)
		}
		options := openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
		v := openapi3filter.NewValidator(router, openapi3filter.Strict(true), openapi3filter.ValidationOptions(options))
		return v.Middleware(benchEcho())
	}},
	{"echo-middleware", func(tb testing.TB) http.Handler { // requests only
		options := openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
		return benchEcho(echomiddleware.OapiRequestValidatorWithOptions(benchDocument(tb), &echomiddleware.Options{Options: options}))
	}},
	{"onetime", func(testing.TB) http.Handler {
		return benchEcho(server.Check(contract.V1(), server.CheckOptions{}))
	}},
}

// benchDocument returns the document less its servers, with which the routers would compare the Host header.
func benchDocument(tb testing.TB) *openapi3.T {
	data, err := gen.GetSpecJSON()
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		tb.Fatal(err)
	}
	doc.Servers = nil
	return doc
}

func benchEcho(middleware ...echo.MiddlewareFunc) http.Handler {
	e := echo.New()
	e.Use(middleware...)
	echoserver.RegisterHandlers(e, echoserver.NewStrictHandler(cannedServer(), nil))
	return e
}

// A benchCall sends one request again and again.
type benchCall struct {
	handler http.Handler
	request http.Request
	target  url.URL
	header  http.Header
	body    string
}

func newBenchCall(tb testing.TB, handler http.Handler, method, path, body string) *benchCall {
	c := &benchCall{handler: handler, body: body, target: url.URL{Path: path}, header: http.Header{}}
	if method == http.MethodPost {
		c.header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	c.request = http.Request{Method: method, RemoteAddr: "192.0.2.1:1234", Host: "secrets.example.com", RequestURI: path,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body))}
	if w := c.send(); w.status != http.StatusOK || w.written == 0 {
		tb.Fatalf("%s %s is answered %d, %d bytes", method, path, w.status, w.written)
	}
	return c
}

func (c *benchCall) send() benchWriter {
	w := benchWriter{header: http.Header{}}
	r := c.request // a copy: handlers change a request
	target := c.target
	r.URL, r.Header, r.Body = &target, c.header, http.NoBody
	if c.body != "" {
		r.Body = io.NopCloser(strings.NewReader(c.body))
	}
	c.handler.ServeHTTP(&w, &r)
	return w
}

// A benchWriter counts what is written.
type benchWriter struct {
	header          http.Header
	status, written int
}

func (w *benchWriter) Header() http.Header    { return w.header }
func (w *benchWriter) WriteHeader(status int) { w.status = status }
func (w *benchWriter) Write(p []byte) (int, error) {
	w.written += len(p)
	return len(p), nil
}

// BenchmarkContractRow is for a profile, or for benchstat: one message by one row.
func BenchmarkContractRow(b *testing.B) {
	for _, m := range benchMessages {
		for _, row := range benchRows {
			b.Run(m.name+"/"+row.name, func(b *testing.B) {
				call := newBenchCall(b, row.handler(b), m.method, m.path, m.body)
				b.ReportAllocs()
				for b.Loop() {
					call.send()
				}
			})
		}
	}
}

// BenchmarkContract says what the checks cost. It prints a table, and two lines for each message: "ratio contract/NAME TIME"
// and "ratio contract-allocations/NAME COUNT", of ours over unchecked. The rows take turns, and of each the fastest turn
// counts: what else the machine does only ever adds time.
func BenchmarkContract(b *testing.B) {
	const turns, perTurn = 30, 50 * time.Millisecond // long enough for the garbage collector to have its part
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			calls, costs := make([]*benchCall, len(benchRows)), make([]benchCost, len(benchRows))
			for i, row := range benchRows {
				calls[i] = newBenchCall(b, row.handler(b), m.method, m.path, m.body)
				costs[i] = calls[i].measure(perTurn)
			}
			for range turns { // whatever b.N is
				for i := range calls {
					costs[i] = costs[i].least(calls[i].measure(perTurn))
				}
			}
			b.ReportMetric(0, "ns/op") // says nothing here
			fmt.Println()
			for i, cost := range costs {
				fmt.Printf("| %s | %s | %.1f µs | %.0f |\n", m.name, benchRows[i].name, cost.nanoseconds/1e3, cost.allocations)
			}
			bare, ours := costs[0], costs[len(costs)-1]
			fmt.Printf("ratio contract/%s %.2f\nratio contract-allocations/%s %.2f\n",
				m.name, ours.nanoseconds/bare.nanoseconds, m.name, ours.allocations/bare.allocations)
		})
	}
}

// A benchCost is what one request costs.
type benchCost struct{ nanoseconds, allocations float64 }

func (c benchCost) least(other benchCost) benchCost {
	return benchCost{min(c.nanoseconds, other.nanoseconds), min(c.allocations, other.allocations)}
}

// measure sends requests for about this time.
func (c *benchCall) measure(d time.Duration) benchCost {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, start := 0, time.Now()
	for time.Since(start) < d {
		for range 16 {
			c.send()
		}
		n += 16
	}
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	return benchCost{float64(elapsed.Nanoseconds()) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n)}
}
