package pages_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/onetime-go/onetime/server/pages"
)

// BenchmarkPage serves the page of a link, to many at once.
func BenchmarkPage(b *testing.B) {
	for name, encoding := range map[string]string{"plain": "", "gzip": "gzip, br"} {
		b.Run(name, func(b *testing.B) {
			h := handler(b, 404, pages.Config{BaseURL: "https://example.com"})
			r := httptest.NewRequest(http.MethodGet, "/secret/242kmj9m16kqb97dyzwotoqwupnbaya", nil)
			r.Header.Set("Accept-Encoding", encoding)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				own := r.Clone(b.Context())
				for pb.Next() {
					h.ServeHTTP(&discard{header: http.Header{}}, own)
				}
			})
		})
	}
}

// BenchmarkNew is what the pages add to the start of a server.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		handler(b, 404, pages.Config{BaseURL: "https://example.com"})
	}
}

// discard is a client that reads nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return io.Discard.Write(p) }
