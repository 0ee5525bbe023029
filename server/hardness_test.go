package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

// FuzzRequest sends whole requests to a server that takes all forms of them. Whatever comes in is answered as the contract
// documents it, by no 500, and nothing of it is in the log.
func FuzzRequest(f *testing.F) {
	multiType, multiBody := multipartForm("secret", marker, "@recipient[]", "b")
	for _, path := range []string{share, reveal, burn, "/api/v1/receipt/recent", "/api/v1/private/" + marker, "/" + marker, "/api/v1/secret/%2f" + marker} {
		for _, message := range [][2]string{
			{formType, "secret=" + marker + "&ttl=" + marker}, {formType, "passphrase=a&passphrase=" + marker}, {jsonType, `{"secret":"` + marker + `","ttl":1e3}`},
			{jsonType, `{"` + marker + `":{}}`}, {multiType, multiBody}, {"text/" + marker, marker}, {"", "%zz" + marker}, {formType, "secret=\xff" + marker},
			{formType, strings.Repeat("&", 2000) + marker}, {jsonType, strings.Repeat("[", 2000) + marker},
		} {
			f.Add("POST", path, "", "Basic YWRhQGV4YW1wbGUuY29tOnRoZS10b2tlbi1vZi1hZGE=", message[0], []byte(message[1]))
			f.Add("GET", path, "secret="+marker+"&;%", "Basic "+marker, message[0], []byte(message[1]))
		}
	}
	f.Fuzz(func(t *testing.T, method, path, query, authorization, contentType string, body []byte) {
		if method == "" || len(body) > DefaultMaxBody {
			return
		}
		log := &logBuffer{}
		handler, err := New(newStub(), Config{
			BaseURL: "https://secrets.example.com", Normalize: true, Authenticate: authenticate,
			Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.Level(-100)})),
		})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(string(body)))
		r.Method, r.ContentLength = method, int64(len(body))
		r.URL = &url.URL{Path: "/" + strings.TrimLeft(path, "/"), RawQuery: query}
		if unescaped, err := url.PathUnescape(path); err == nil && unescaped != path {
			r.URL.Path, r.URL.RawPath = unescaped, path
		}
		for name, value := range map[string]string{"Authorization": authorization, "Content-Type": contentType, "X-Forwarded-For": authorization, "Cookie": contentType} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if err := contract.V1().CheckSchema("Error", w.Body.Bytes()); w.Code != 200 && err != nil {
			t.Errorf("%d is answered with %s: %v", w.Code, w.Body, err)
		}
		if text := log.String(); strings.Contains(text, marker) || strings.Contains(text, "panic") {
			t.Errorf("the log has %s", text)
		}
	})
}

// FuzzCredentials holds that only what is Basic credentials to the letter reaches Authenticate.
func FuzzCredentials(f *testing.F) {
	for _, seed := range []string{"", "Basic", "Basic ", "basic YTpi", "BASIC YTpi", "Basic YTpi=", "Basic YTo=", "Basic OmI=", "Basic YQ==", "Basic /w==", "Bearer x", "Basic YTpi YTpi", "Basic " + marker} {
		f.Add(seed, "")
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		asked := 0
		config := Config{BaseURL: "https://secrets.example.com", Authenticate: authenticate}
		cs := newCallers(config, limits{})
		inner := cs.authenticate
		cs.authenticate = func(ctx context.Context, username, password string) (onetime.Account, error) {
			if asked++; username == "" || password == "" || strings.Contains(username, ":") {
				t.Errorf("Authenticate is asked of %q and %q", username, password)
			}
			return inner(ctx, username, password)
		}
		r := httptest.NewRequest("GET", "/", http.NoBody)
		r.Header["Authorization"] = []string{first}
		if second != "" {
			r.Header["Authorization"] = append(r.Header["Authorization"], second)
		}
		account, err := cs.account(r)
		if err == nil && account == nil {
			t.Error("who sent credentials is anonymous")
		}
		if err != nil && strings.Contains(err.Error(), marker) {
			t.Errorf("the error says %v", err)
		}
		if second != "" && asked > 0 {
			t.Error("one of two headers was believed")
		}
	})
}

// TestHostileBodies takes the longest bodies of the kinds that cost most. The memory they take is bounded by their length.
func TestHostileBodies(t *testing.T) {
	handler, err := New(newStub(), Config{BaseURL: "https://secrets.example.com", Normalize: true})
	if err != nil {
		t.Fatal(err)
	}
	fill := func(part string) string { return strings.Repeat(part, DefaultMaxBody/len(part)) }
	var distinct strings.Builder
	for i := 0; distinct.Len() < DefaultMaxBody-10; i++ {
		distinct.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + "&")
	}
	for name, message := range map[string][2]string{
		"ampersands":   {formType, fill("&")},
		"fields":       {formType, distinct.String()},
		"escapes":      {formType, "secret=" + fill("%41")[:DefaultMaxBody-10]},
		"brackets":     {jsonType, fill("[")},
		"lists":        {jsonType, "[" + fill("[],")},
		"objects":      {jsonType, "[" + fill(`{},`)},
		"nested":       {jsonType, fill(`{"a":`)},
		"digits":       {jsonType, `{"ttl":` + fill("9")[:DefaultMaxBody-10]},
		"characters":   {jsonType, `{"secret":"` + fill(`\u0041`)[:DefaultMaxBody-20] + `"}`},
		"parts":        {"multipart/form-data; boundary=b", fill("--b\r\n\r\n")},
		"Content-Type": {"application/json" + fill("; a=b")[:60000], ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", share, strings.NewReader(message[1]))
			r.Header.Set("Content-Type", message[0])
			w := httptest.NewRecorder()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			handler.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			if w.Code >= 500 || w.Code == 200 && name != "escapes" && name != "characters" {
				t.Errorf("%d %.200s", w.Code, w.Body)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 50*DefaultMaxBody {
				t.Errorf("%d bytes of memory for a body of %d", taken, len(message[1]))
			} else {
				t.Logf("%d bytes of memory for a body of %d: %d", taken, len(message[1]), w.Code)
			}
		})
	}
}
