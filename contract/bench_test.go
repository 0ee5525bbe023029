package contract

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func BenchmarkCheckRequest(b *testing.B) {
	secret := func(n int) string {
		return url.Values{"secret": {strings.Repeat("s3cret &", n/8)}, "ttl": {"3600"}, "passphrase": {"p"}}.Encode()
	}
	benchmarks := []struct{ name, method, path, body string }{
		{"metadata", "POST", "/api/v1/metadata/{key}", ""},
		{"share-200B", "POST", "/api/v1/share", secret(200)},
		{"share-10kB", "POST", "/api/v1/share", secret(10000)},
		{"recent", "GET", "/api/v1/receipt/recent", ""},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			op, body, params := operation(b, V1(), bb.method, bb.path), []byte(bb.body), map[string]string{"key": key}
			r := httptest.NewRequest(bb.method, "/", nil)
			r.Header.Set("Content-Type", form)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := op.CheckRequest(r, params, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheckResponse(b *testing.B) {
	recent := "[" + strings.TrimSuffix(strings.Repeat(receiptJSON+",", 100), ",") + "]"
	reveal := func(n int) string {
		return `{"value":"` + strings.Repeat("s3cret &", n/8) + `","secret_key":"k","share_domain":""}`
	}
	benchmarks := []struct{ name, method, path, body string }{
		{"metadata", "GET", "/api/v1/metadata/{key}", receiptJSON},
		{"share", "POST", "/api/v1/share", receiptJSON},
		{"reveal-200B", "POST", "/api/v1/secret/{key}", reveal(200)},
		{"reveal-10kB", "POST", "/api/v1/secret/{key}", reveal(10000)},
		{"recent-100", "GET", "/api/v1/receipt/recent", recent},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			op, body, header := operation(b, V1(), bb.method, bb.path), []byte(bb.body), jsonType()
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := op.CheckResponse(200, header, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
