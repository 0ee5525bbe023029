package server

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

// TestLimited holds that what is limited is what documents a 429.
func TestLimited(t *testing.T) {
	for _, op := range contract.V1().Operations() {
		if got := limitedAs[op.ID] != notLimited; got != op.Documents(http.StatusTooManyRequests) {
			t.Errorf("%s is limited: %v", op.ID, got)
		}
	}
}

func limitedTo(n int) func(*Config) {
	return func(c *Config) { c.RateLimit = Rate{Requests: n, Period: time.Hour} }
}

// TestRateLimit uses up what a caller has, and looks at who is refused then.
func TestRateLimit(t *testing.T) {
	service := newStub()
	site := serve(t, service, limitedTo(3), func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	from := func(address string) func(*http.Request) { return withHeader("X-Forwarded-For", address) }
	call := func(path, form string, status int, edit ...func(*http.Request)) message {
		t.Helper()
		answer := site.call(t, "POST", path, form, edit...)
		answer.want(t, status, "")
		return answer
	}
	ada := from("192.0.2.1")
	for _, path := range []string{share, "/api/v1/generate", "/api/v1/create"} { // together
		form := ""
		if path != "/api/v1/generate" {
			form = "secret=a"
		}
		call(path, form, 200, ada)
	}
	service.seen()
	refused := call(share, "secret=a", 429, ada)
	kind("RateLimited")(t, refused)
	if after, err := strconv.Atoi(refused.Header.Get("Retry-After")); err != nil || after < 1 || after > 20*60 {
		t.Errorf("Retry-After is %q, where one more is let through after 20 minutes", refused.Header.Get("Retry-After"))
	}
	call("/api/v1/generate", "", 429, ada)
	call(share, "secret=a", 429, from("203.0.113.9, 192.0.2.1")) // forged
	call(share, "", 429, ada)                                    // before anything is read
	if calls := service.seen(); len(calls) != 0 {
		t.Errorf("the Service was asked %v", calls)
	}
	call(share, "secret=a", 200, from("192.0.2.2"))
	call(share, "secret=a", 200, from("192.0.2.1"), withAccount)
	for range 2 {
		call(share, "secret=a", 200, from("192.0.2.3"), withAccount) // wherever it comes from
	}
	call(share, "secret=a", 429, from("192.0.2.4"), withAccount)
	for i := range 3 { // reveals count apart, the key may be known or not
		call("/api/v1/secret/"+secretKey[:30]+strconv.Itoa(i), "", 200, ada)
	}
	call("/api/v1/secret/"+secretKey, "", 429, ada)
	for i := range 3 { // one subscriber has all of a /64
		call(share, "secret=a", 200, from(fmt.Sprintf("2001:db8::%d", i)))
	}
	call(share, "secret=a", 429, from("2001:db8::9:9"))
	call(share, "secret=a", 200, from("2001:db8:0:1::"))
	for range 5 { // nothing else is limited
		call("/api/v1/receipt/"+receiptKey, "", 200, ada)
		call("/api/v1/receipt/"+receiptKey+"/burn", "", 200, ada)
	}
}

// TestRateLimitForged changes the header where no proxy is trusted.
func TestRateLimitForged(t *testing.T) {
	site := serve(t, newStub(), limitedTo(2))
	for i, want := range []int{200, 200, 429, 429} {
		site.call(t, "POST", share, "secret=a", withHeader("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i))).want(t, want, "")
	}
}

// TestNormalUse is what clients in use do: 110 creations within half a minute, from one address.
func TestNormalUse(t *testing.T) {
	site := serve(t, newStub(), func(c *Config) { c.RateLimit = DefaultRate })
	for range 110 {
		site.call(t, "POST", share, "secret=a").want(t, 200, "")
	}
}

// TestRateOverTime moves the clock.
func TestRateOverTime(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := newRateLimiter(Rate{Requests: 10, Period: 10 * time.Second})
	l.clock = func() time.Time { return now }
	one := limitKey{as: asReveal, custid: "a"}
	take := func(want time.Duration) {
		t.Helper()
		if got := l.take(one).Round(time.Millisecond); got != want {
			t.Fatalf("it waits %v, want %v", got, want)
		}
	}
	for range 10 {
		take(0)
	}
	for range 5 {
		take(time.Second) // what is refused counts for nothing
	}
	now = now.Add(500 * time.Millisecond)
	take(500 * time.Millisecond)
	now = now.Add(500 * time.Millisecond)
	take(0)
	take(time.Second)
	now = now.Add(time.Hour)
	for range 10 {
		take(0)
	}
	take(time.Second)
	now = now.Add(-time.Minute) // a clock that goes back lets nobody in
	if l.take(one) <= 0 {
		t.Error("the clock went back, and the limit is off")
	}
}

// TestRateLimitMemory has more callers than it keeps. Those that it forgets begin anew, and nobody else is refused.
func TestRateLimitMemory(t *testing.T) {
	l := newRateLimiter(Rate{Requests: 1, Period: time.Hour})
	caller := func(i int) limitKey {
		return limitKey{as: asCreation, network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)}
	}
	for i := range maxLimited + 100 {
		if wait := l.take(caller(i)); wait != 0 {
			t.Fatalf("caller %d is refused", i)
		}
	}
	if l.callers.Len() != maxLimited {
		t.Errorf("it keeps %d callers", l.callers.Len())
	}
	if l.take(caller(maxLimited+99)) == 0 || l.take(caller(0)) != 0 {
		t.Error("it forgets the wrong callers")
	}
}

// TestRateLimitTogether sends from one caller at once: no more pass than may.
func TestRateLimitTogether(t *testing.T) {
	l := newRateLimiter(Rate{Requests: 50, Period: 1000 * time.Hour})
	var mu sync.Mutex
	var passed int
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				if l.take(limitKey{as: asReveal}) == 0 {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if passed != 50 {
		t.Errorf("%d passed", passed)
	}
}

// TestCreatesLeaveRoom stores secrets on a store that has come to a halt. Reveals are answered all the same, and a creation
// that cannot have its turn is told to come back.
func TestCreatesLeaveRoom(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 2)
	service := newStub()
	service.commit = func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	}
	site := serve(t, service, func(c *Config) { c.MaxCreates = 2 })
	var creations sync.WaitGroup
	for range 2 {
		creations.Go(func() { site.call(t, "POST", share, "secret=a").want(t, 200, "") })
		<-entered
	}
	refused := site.call(t, "POST", "/api/v1/generate", "")
	refused.want(t, 429, "")
	if refused.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", refused.Header.Get("Retry-After"))
	}
	var reveals sync.WaitGroup
	for range 5 {
		reveals.Go(func() { site.call(t, "POST", "/api/v1/secret/"+secretKey, "").want(t, 200, "") })
	}
	for range 5 {
		<-entered
	}
	site.call(t, "POST", share, "secret=").want(t, 400, "") // a wrong request needs no turn
	close(release)
	creations.Wait()
	reveals.Wait()
	for range 3 { // the turns were given back, also by what failed
		service.err = onetime.ErrForbidden
		site.call(t, "POST", share, "secret=a").want(t, 403, "")
		service.err = nil
		service.hook = func(context.Context) { panic("x") }
		site.call(t, "POST", share, "secret=a").want(t, 500, "")
		service.hook = nil
	}
}

// TestNewRefusesRates that are none.
func TestNewRefusesRates(t *testing.T) {
	for _, rate := range []Rate{{-1, time.Second}, {0, time.Second}, {1, 0}, {1, -time.Second}, {1, time.Microsecond}} {
		if _, err := New(newStub(), Config{BaseURL: "https://a.example", RateLimit: rate}); err == nil {
			t.Errorf("New takes %v", rate)
		}
	}
}
