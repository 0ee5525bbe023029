package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

const revealed = `{"value":"the cake is a lie","secret_key":"242kmj9m16kqb97dyzwotoqwupnbaya","share_domain":""}`

// instant answers without a network, so that only the client's own work is measured.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(revealed)), ContentLength: int64(len(revealed)), Request: r}, nil
}

// BenchmarkReveal compares a call in each way of checking with the same by net/http alone.
func BenchmarkReveal(b *testing.B) {
	h := &http.Client{Transport: instant{}}
	for _, mode := range []struct {
		name   string
		option client.Option
	}{
		{"enforce", client.WithReport(nil)},
		{"report", client.WithReport(func(*contract.Violation) {})},
		{"unchecked", client.WithoutChecks()},
	} {
		b.Run(mode.name, func(b *testing.B) {
			c := newClient(b, client.EU, client.WithHTTPClient(h), mode.option)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Reveal(context.Background(), onetime.RevealRequest{Key: unknownKey, Passphrase: "p"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			form := url.Values{"passphrase": {"p"}, "continue": {"true"}}.Encode()
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, client.EU+"/api/v1/secret/"+unknownKey.Expose(), strings.NewReader(form))
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			response, err := h.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				b.Fatal(err)
			}
			response.Body.Close()
			var secret struct{ Value string }
			if err := json.Unmarshal(body, &secret); err != nil || secret.Value == "" {
				b.Fatal(err)
			}
		}
	})
}
