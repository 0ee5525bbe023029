package pages

import (
	"bytes"
	"compress/gzip"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A resource is something that is served: always the same bytes, whoever asks, and for which key.
type resource struct {
	route  string // its path, or the template of it
	header http.Header
	body   []byte
	packed func() []byte // the body, compressed with gzip; nil where that does not pay
}

// smallest is from where on a body is compressed, in bytes: about what fits into one packet.
const smallest = 1400

func newResource(contentType string, header http.Header, body []byte) *resource {
	r := &resource{header: maps.Clone(header), body: body}
	r.header.Set("Content-Type", contentType)
	r.header.Set("X-Content-Type-Options", "nosniff")
	if len(body) >= smallest {
		r.packed = sync.OnceValue(func() []byte { return pack(body) })
		r.header.Set("Vary", "Accept-Encoding")
	}
	return r
}

// pack compresses. Nothing that is compressed holds a secret, so its length tells none.
func pack(body []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(body) // a Buffer takes everything
	_ = w.Close()
	return packed.Bytes()
}

func (r *resource) serve(w http.ResponseWriter, request *http.Request, status int) {
	body := r.body
	header := w.Header()
	maps.Copy(header, r.header)
	if r.packed != nil && takesGzip(request) {
		body = r.packed()
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // it fails if the client is gone; for HEAD, net/http keeps it back
}

// takesGzip tells whether a client names gzip. One that names it to forbid it, which none does, gets it plain.
func takesGzip(r *http.Request) bool {
	for _, accepted := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(accepted, ",") {
			if strings.TrimSpace(coding) == "gzip" {
				return true
			}
		}
	}
	return false
}
