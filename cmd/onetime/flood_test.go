package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetime-go/onetime/server/vault"
)

// mostMemory is what a server may take of the memory at any time of a flood, with the default settings: as docs/production.md
// says. mostHeap is what its heap may, also under the race detector, which takes several times as much for itself.
const (
	mostMemory = 512 << 20
	mostHeap   = 256 << 20
)

// fullBody is what a stalled request has sent of its body: all but the end of the longest that is read.
var fullBody = fmt.Sprintf("POST /api/v1/receipt/k/burn HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\npassphrase=%s",
	maxBody(vault.DefaultMaxSecret), strings.Repeat("x", int(maxBody(vault.DefaultMaxSecret))-100))

// A flood is a server that is asked for more than it can do, by callers behind a proxy that says where they are.
type flood struct {
	*serving
	private string
	client  *http.Client
	sent    atomic.Int64 // creations
	refused atomic.Int64 // of them, by 429
}

// ask posts a form as a caller of some address, and returns the status, the header and the body.
func (f *flood) ask(ctx context.Context, path, address string, form url.Values) (int, http.Header, string, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", f.url+"/api/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-For", address)
	response, err := f.client.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, string(body), err
}

// create sends creations until ctx ends.
func (f *flood) create(ctx context.Context, t *testing.T, address func() string) {
	form := url.Values{"secret": {strings.Repeat("x", 9000)}}
	for ctx.Err() == nil {
		status, header, body, err := f.ask(ctx, "share", address(), form)
		switch {
		case err != nil: // its connection had to make room for another, or the flood is over
		case status == http.StatusTooManyRequests && header.Get("Retry-After") != "":
			f.refused.Add(1)
		case status != http.StatusOK:
			t.Errorf("a creation is answered %d: %s", status, body)
			return
		}
		f.sent.Add(1)
	}
}

// stall opens connections that never send what they begin, until ctx ends.
func (f *flood) stall(ctx context.Context, begin string) {
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			continue
		}
		_, _ = io.WriteString(conn, begin)
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		_, _ = io.Copy(io.Discard, conn) // until the server has had enough
		stop()
		conn.Close()
	}
}

var heapLine = regexp.MustCompile(`(?m)^go_memstats_heap_inuse_bytes (\S+)$`)

func (f *flood) heap(t *testing.T) float64 {
	t.Helper()
	_, body := fetch(t, http.DefaultClient, "http://"+f.private+"/metrics")
	bytes, err := strconv.ParseFloat(heapLine.FindStringSubmatch(body)[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// TestFlood creates secrets from one network, which is refused what is too much, and from as many networks as there are,
// which no rate limit holds; and opens connections that send nothing or half of something. Meanwhile every reveal is
// answered, and the memory stays bounded. In make soak it lasts a minute.
func TestFlood(t *testing.T) {
	f := &flood{private: takenAndGiven(t), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
	f.serving = run(t, "--private-listen", f.private, "--trusted-proxy", "127.0.0.0/8")
	reveals, lasts := 150, time.Duration(0)
	if os.Getenv("ONETIME_SOAK") != "" {
		reveals, lasts = 1000, time.Minute
	}
	key := regexp.MustCompile(`"secret_key":"([0-9a-z]{31})"`)
	share := func(i int) string {
		t.Helper()
		// As many networks as readers: they are not the flood.
		status, _, body, err := f.ask(t.Context(), "share", fmt.Sprintf("198.51.%d.%d", i/250, i%250), url.Values{"secret": {"s" + strconv.Itoa(i)}})
		if err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		return key.FindStringSubmatch(body)[1]
	}
	var keys []string
	for i := range reveals {
		keys = append(keys, share(i))
	}

	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			f.create(ctx, t, func() string {
				return fmt.Sprintf("2001:db8:%x:%x::1", rand.Uint32N(1<<16), rand.Uint32N(1<<16))
			})
		})
	}
	for range 10 {
		all.Go(func() { f.create(ctx, t, func() string { return "203.0.113.1" }) })
	}
	for range 300 {
		all.Go(func() { f.stall(ctx, "") })
		all.Go(func() { f.stall(ctx, fullBody) })
	}
	begun := time.Now()
	var took []time.Duration
	var most float64
	for i := 0; i < reveals || time.Since(begun) < lasts || f.refused.Load() == 0; i++ {
		if i >= len(keys) {
			keys = append(keys, share(i))
		}
		asked := time.Now()
		status, _, body, err := f.ask(t.Context(), "secret/"+keys[i], fmt.Sprintf("198.51.%d.%d", i/250%250, i%250), nil)
		took = append(took, time.Since(asked))
		if err != nil || status != 200 || !strings.Contains(body, fmt.Sprintf(`"value":"s%d"`, i)) {
			t.Fatalf("a reveal is answered %d %s: %v", status, body, err)
		}
		if i%10 == 0 {
			if most = max(most, f.heap(t)); most > mostHeap {
				t.Fatalf("the heap takes %.0f MB", most/(1<<20))
			}
		}
	}
	stop()
	all.Wait()
	resident := f.resident(t)
	if resident > mostMemory {
		t.Errorf("%d MB are resident", resident>>20)
	}
	slices.Sort(took)
	t.Logf("%d reveals amid %d creations in %v, of which %d were refused: half of them within %v, 99 of 100 within %v; at most %.0f MB of heap, %d MB resident",
		len(took), f.sent.Load(), time.Since(begun).Round(time.Second), f.refused.Load(), took[len(took)/2], took[len(took)*99/100], most/(1<<20), resident>>20)
	if err := f.serving.stop(); err != nil {
		t.Error(err)
	}
}

// resident returns what the process has taken of the memory at most, in bytes. Where there is no /proc, it is 0, and under the
// race detector, which takes most of it.
func (f *flood) resident(t *testing.T) (most int) {
	t.Helper()
	build, _ := debug.ReadBuildInfo()
	if runtime.GOOS != "linux" || slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.cmd.Process.Pid))
	m := residentLine.FindStringSubmatch(string(status))
	if err != nil || m == nil {
		t.Fatalf("the system does not tell what is resident: %v", err)
	}
	most, err = strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return most << 10
}

var residentLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)
