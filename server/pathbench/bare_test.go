package pathbench

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/onetime-go/onetime/gen"
)

// A bare server answers the two calls, from a map: nothing is sealed, nothing is stored, nothing is checked, and nothing
// limits or logs. It is what net/http and encoding/json cost.
type bare struct {
	mu      sync.Mutex
	secrets map[string]string
}

// serveBare prints the address, and serves until it is killed.
func serveBare() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "msg=serving url=http://%s\n", listener.Addr())
	b := &bare{secrets: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/share", b.share)
	mux.HandleFunc("POST /api/v1/secret/{key}", b.reveal)
	return http.Serve(listener, mux)
}

func newKey() string { return strings.ToLower(rand.Text() + rand.Text()[:5]) }

func (b *bare) share(w http.ResponseWriter, r *http.Request) {
	secret := r.PostFormValue("secret")
	if secret == "" {
		http.Error(w, `{"message":"You did not provide anything to share"}`, http.StatusBadRequest)
		return
	}
	key, receiptKey := newKey(), newKey()
	b.mu.Lock()
	b.secrets[key] = secret
	b.mu.Unlock()
	const week = 7 * 24 * 3600
	now, url := time.Now().Unix(), "http://localhost/receipt/"+receiptKey
	answer(w, gen.Receipt{
		Custid: "anon", State: gen.StateNew, Created: &now, Updated: &now, TTL: new(int64(week)),
		MetadataKey: receiptKey, Identifier: receiptKey, SecretKey: &key, SecretIdentifier: &key,
		MetadataTTL: new(int64(2 * week)), ReceiptTTL: new(int64(2 * week)), MetadataURL: &url, ReceiptURL: &url,
		Recipient: []string{}, Recipients: []string{}, HasPassphrase: new(false), PassphraseRequired: new(false),
	})
}

func (b *bare) reveal(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	b.mu.Lock()
	secret, found := b.secrets[key]
	delete(b.secrets, key)
	b.mu.Unlock()
	if !found {
		http.Error(w, `{"message":"Unknown secret"}`, http.StatusNotFound)
		return
	}
	answer(w, gen.SecretReveal{Value: secret, SecretKey: key})
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // it fails if the client is gone
}
