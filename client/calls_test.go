package client_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/client"
	"github.com/onetime-go/onetime/contract"
)

const unknownKey onetime.Sensitive = "abcdefghijklmnopqrstuvwxyz01234"

func TestShareAndReveal(t *testing.T) { everywhere(t, shareAndReveal) }

func shareAndReveal(t *testing.T, s target) {
	callers := map[string]struct {
		options []client.Option
		custid  string
		longest time.Duration
	}{
		"anonymous": {nil, onetime.Anonymous, 7 * 24 * time.Hour},
		"account":   {[]client.Option{client.WithAccount(email, s.token)}, email, 30 * 24 * time.Hour},
	}
	for name, caller := range callers {
		t.Run(name, func(t *testing.T) {
			c := s.client(t, caller.options...)
			const text = "line\r\n\ttab \x00 100% + & = é 🔑\n"
			shared, err := c.Share(t.Context(), onetime.ShareRequest{Secret: text, TTL: math.MaxInt64, Passphrase: "p&=+ ü"})
			if err != nil {
				t.Fatal(err)
			}
			if shared.Custid != caller.custid || shared.State != onetime.StateNew || !shared.HasPassphrase || shared.TTL != caller.longest {
				t.Errorf("the receipt is %+v", shared)
			}
			if shared.Value != "" {
				t.Error("the receipt of share has a value")
			}
			for _, wrong := range []onetime.Sensitive{"", "p"} {
				_, err = c.Reveal(t.Context(), onetime.RevealRequest{Key: shared.SecretKey, Passphrase: wrong})
				if !errors.Is(err, onetime.ErrNotFound) {
					t.Errorf("a wrong passphrase: %v", err)
				}
			}
			request := onetime.RevealRequest{Key: shared.SecretKey, Passphrase: "p&=+ ü"}
			secret, err := c.Reveal(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if secret.Value.Expose() != text || secret.Key != shared.SecretKey {
				t.Error("what was revealed is not what was shared")
			}
			if _, err := c.Reveal(t.Context(), request); !errors.Is(err, onetime.ErrNotFound) {
				t.Errorf("a second reveal: %v", err)
			}
			receipt, err := c.Receipt(t.Context(), shared.Key)
			if err != nil {
				t.Fatal(err)
			}
			if receipt.State != onetime.StateReceived || receipt.Received.IsZero() || receipt.SecretKey != "" {
				t.Errorf("after the reveal the receipt is %+v", receipt)
			}
		})
	}
}

func TestGenerate(t *testing.T) { everywhere(t, generate) }

func generate(t *testing.T, s target) {
	c := s.client(t)
	made, err := c.Generate(t.Context(), onetime.GenerateRequest{TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Value) < s.shortest || made.TTL != time.Hour {
		t.Errorf("a value of %d bytes for %v", len(made.Value), made.TTL)
	}
	secret, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: made.SecretKey})
	if err != nil || secret.Value != made.Value {
		t.Errorf("reveal: %v; the same value: %v", err, secret.Value == made.Value)
	}
}

func TestBurn(t *testing.T) { everywhere(t, burn) }

func burn(t *testing.T, s target) {
	c := s.client(t)
	shared, err := c.Share(t.Context(), onetime.ShareRequest{Secret: "s", Passphrase: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Burn(t.Context(), onetime.BurnRequest{Key: shared.Key, Passphrase: "q"}); !errors.Is(err, onetime.ErrInvalid) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	burned, err := c.Burn(t.Context(), onetime.BurnRequest{Key: shared.Key, Passphrase: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if burned.Receipt.State != onetime.StateBurned || len(burned.ShortKey) < 6 || !strings.HasPrefix(shared.SecretKey.Expose(), burned.ShortKey.Expose()) {
		t.Errorf("burned is %+v", burned)
	}
	if _, err := c.Burn(t.Context(), onetime.BurnRequest{Key: shared.Key, Passphrase: "p"}); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("a second burn: %v", err)
	}
	if _, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: shared.SecretKey, Passphrase: "p"}); !errors.Is(err, onetime.ErrNotFound) {
		t.Errorf("a reveal after the burn: %v", err)
	}
}

func TestRecent(t *testing.T) { everywhere(t, recent) }

func recent(t *testing.T, s target) {
	c := s.client(t, client.WithAccount(email, s.token))
	none, err := c.Recent(t.Context())
	if err != nil || len(none) != 0 {
		t.Errorf("at first: %v, %v", none, err)
	}
	shared, err := c.Share(t.Context(), onetime.ShareRequest{Secret: "s", Recipients: []string{"foo@example.com", "bar@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"fo*****@e*****.com", "ba*****@e*****.org"}; !cmp.Equal(shared.Recipients, want) {
		t.Errorf("the recipients are %q, want %q", shared.Recipients, want)
	}
	recent, err := c.Recent(t.Context())
	if err != nil || len(recent) != 1 || recent[0].Key != shared.Key || recent[0].SecretKey != "" {
		t.Errorf("recent: %+v, %v", recent, err)
	}
}

func TestStatusAndAuthCheck(t *testing.T) { everywhere(t, statusAndAuthCheck) }

func statusAndAuthCheck(t *testing.T, s target) {
	for name, test := range map[string]struct {
		options      []client.Option
		status, auth error
	}{
		"anonymous":     {nil, nil, onetime.ErrUnauthorized},
		"account":       {[]client.Option{client.WithAccount(email, s.token)}, nil, nil},
		"wrong token":   {[]client.Option{client.WithAccount(email, "wrong")}, onetime.ErrUnauthorized, onetime.ErrUnauthorized},
		"wrong account": {[]client.Option{client.WithAccount("x@example.com", s.token)}, onetime.ErrUnauthorized, onetime.ErrUnauthorized},
	} {
		c := s.client(t, test.options...)
		status, err := c.Status(t.Context())
		if !errors.Is(err, test.status) || err == nil && status.Status != onetime.StatusNominal {
			t.Errorf("%s: status: %v, %v", name, status, err)
		}
		status, err = c.AuthCheck(t.Context())
		if !errors.Is(err, test.auth) || err == nil && status.Status != onetime.StatusNominal {
			t.Errorf("%s: authcheck: %v, %v", name, status, err)
		}
		if _, err := c.Recent(t.Context()); !errors.Is(err, test.auth) {
			t.Errorf("%s: recent: %v", name, err)
		}
	}
}

// TestRefusedEverywhere holds that a program hears the same of every server, whatever status it sends.
func TestRefusedEverywhere(t *testing.T) {
	everywhere(t, func(t *testing.T, s target) {
		c := s.client(t, client.WithoutChecks()) // else the client finds the mistake itself
		for name, test := range map[string]struct {
			err     error
			reason  error
			meant   int
			message string
		}{
			"nothing to share": {second(c.Share(t.Context(), onetime.ShareRequest{})), onetime.ErrInvalid, 400, "You did not provide anything to share"},
			"no such secret":   {second(c.Reveal(t.Context(), onetime.RevealRequest{Key: unknownKey})), onetime.ErrNotFound, 404, "Unknown secret"},
			"no such receipt":  {second(c.Receipt(t.Context(), unknownKey)), onetime.ErrNotFound, 404, "Unknown secret"},
			"nothing to burn":  {second(c.Burn(t.Context(), onetime.BurnRequest{Key: unknownKey})), onetime.ErrNotFound, 404, "Unknown secret"},
			"no account":       {second(c.Recent(t.Context())), onetime.ErrUnauthorized, 401, "Not authorized"},
		} {
			var refused *client.Error
			if !errors.Is(test.err, test.reason) || !errors.As(test.err, &refused) {
				t.Errorf("%s: %v", name, test.err)
				continue
			}
			sent := 404 // by the public service, for everything
			if s.documented {
				sent = test.meant
			}
			if refused.Status != sent || refused.Message != test.message || !strings.Contains(test.err.Error(), fmt.Sprint(test.meant)) {
				t.Errorf("%s: %#v", name, refused)
			}
		}
	})
}

// TestConcurrently holds that a client may be used concurrently, and that one of many gets a secret.
func TestConcurrently(t *testing.T) {
	everywhere(t, func(t *testing.T, s target) {
		c := s.client(t, client.WithAccount(email, s.token))
		shared, err := c.Share(t.Context(), onetime.ShareRequest{Secret: "s"})
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var got atomic.Int32
		for range 32 {
			group.Go(func() {
				if _, err := c.Receipt(t.Context(), shared.Key); err != nil {
					t.Error(err)
				}
				switch _, err := c.Reveal(t.Context(), onetime.RevealRequest{Key: shared.SecretKey}); {
				case err == nil:
					got.Add(1)
				case !errors.Is(err, onetime.ErrNotFound):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got.Load() != 1 {
			t.Errorf("%d of 32 got the secret", got.Load())
		}
	})
}

// TestTTL holds what is sent for a lifetime: whole seconds, and never 0, which would ask for the default.
func TestTTL(t *testing.T) {
	var sent string
	url := handle(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.FormValue("ttl")
		if !r.Form.Has("ttl") {
			sent = "none"
		}
		answer(http.StatusForbidden, nil, `{"message":"no"}`)(w, r)
	})
	c := newClient(t, url)
	for ttl, want := range map[time.Duration]string{
		0:                                       "none",
		time.Nanosecond:                         "1",
		time.Second:                             "1",
		1500 * time.Millisecond:                 "2",
		90 * time.Minute:                        "5400",
		-time.Nanosecond:                        "-1",
		-90 * time.Second:                       "-90",
		math.MaxInt64:                           "9223372037",
		math.MinInt64:                           "-9223372037",
		math.MaxInt64 - 854775807 - time.Second: "9223372035",
	} {
		sent = "nothing"
		if _, err := c.Share(t.Context(), onetime.ShareRequest{Secret: "s", TTL: ttl}); !errors.Is(err, onetime.ErrForbidden) {
			t.Errorf("%d: %v", ttl, err)
		}
		if sent != want {
			t.Errorf("%d is sent as %s, want %s", ttl, sent, want)
		}
	}
}

func TestTTLIsBroughtIntoRange(t *testing.T) {
	everywhere(t, func(t *testing.T, s target) {
		for _, ttl := range []time.Duration{-time.Hour, -1, 1, math.MinInt64} {
			receipt, err := s.client(t).Share(t.Context(), onetime.ShareRequest{Secret: "s", TTL: ttl})
			if err != nil || receipt.TTL != time.Minute {
				t.Errorf("%d is granted as %v, %v", ttl, receipt.TTL, err)
			}
		}
	})
}

var oddKeys = []onetime.Sensitive{
	"", ".", "..", "recent", "a/b", "/", "../share", "..%2fshare", "%2e%2e", "%2F", "%", "a?b=c", "a#b", "a b", "a\nb", "a;b", "é", "\xff", "x/burn", "...", "http://evil.example/",
}

// TestOddKeys holds that a key reaches no other operation than its own, and no other server path.
func TestOddKeys(t *testing.T) {
	var paths []string
	url := handle(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.EscapedPath())
		if r.URL.RawQuery != "" || r.URL.Fragment != "" {
			t.Errorf("%s has a query", r.URL)
		}
		answer(http.StatusNotFound, nil, `{"message":"Unknown secret"}`)(w, r)
	})
	c := newClient(t, url)
	for _, key := range oddKeys {
		for _, m := range eight("s", "", key)[2:5] {
			paths = nil
			err := m.call(t.Context(), c)
			var broken *contract.Violation
			switch {
			case errors.Is(err, onetime.ErrNotFound):
			case errors.As(err, &broken) && broken.Direction == contract.Request:
				if len(paths) != 0 {
					t.Errorf("%s of %q was refused and sent", m.name, key.Expose())
				}
				continue
			default:
				t.Errorf("%s of %q: %v", m.name, key.Expose(), err)
			}
			if len(paths) != 1 {
				t.Fatalf("%s of %q sends %q", m.name, key.Expose(), paths)
			}
			prefix, suffix := map[string]string{
				"reveal": "POST /api/v1/secret/", "receipt": "GET /api/v1/private/", "burn": "POST /api/v1/private/",
			}[m.name], map[string]string{"burn": "/burn"}[m.name]
			inner, ok := strings.CutPrefix(paths[0], prefix)
			inner, ok2 := strings.CutSuffix(inner, suffix)
			if !ok || !ok2 || inner == "" || strings.Contains(inner, "/") || inner == "." || inner == ".." || m.name == "receipt" && inner == "recent" {
				t.Errorf("%s of %q goes to %s", m.name, key.Expose(), paths[0])
			}
		}
	}
}

func TestOddKeysAreUnknown(t *testing.T) {
	everywhere(t, func(t *testing.T, s target) {
		for _, key := range oddKeys {
			for _, m := range eight("s", "", key)[2:5] {
				var broken *contract.Violation
				if err := m.call(t.Context(), s.client(t)); !errors.Is(err, onetime.ErrNotFound) && !errors.As(err, &broken) {
					t.Errorf("%s of %q: %v", m.name, key.Expose(), err)
				}
			}
		}
	})
}

func TestSecretURL(t *testing.T) {
	for base, want := range map[string]onetime.Sensitive{
		client.EU:                        "https://eu.onetimesecret.com/secret/abc",
		"https://h.example/":             "https://h.example/secret/abc",
		"https://h.example/api":          "https://h.example/secret/abc",
		"https://h.example/sub/api/":     "https://h.example/sub/secret/abc",
		"http://127.0.0.1:3000/a%20b///": "http://127.0.0.1:3000/a%20b/secret/abc",
	} {
		if got := newClient(t, base).SecretURL("abc"); got != want {
			t.Errorf("%s: %s", base, got.Expose())
		}
	}
	if got := newClient(t, client.EU).SecretURL("a/b?c").Expose(); got != "https://eu.onetimesecret.com/secret/a%2Fb%3Fc" {
		t.Errorf("an odd key: %s", got)
	}
}
