package pages_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a test waits for what takes no time, before it gives up.
const patience = time.Minute

// A browser is a Chromium with a profile of its own.
type browser struct {
	ctx     context.Context
	close   func() error // waits until it has ended
	profile string
}

// chromium returns where Debian's Chromium is. Where there is none the test is skipped, but never in CI.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no Chromium, and CI is set: install the package chromium")
	}
	t.Skip("there is no Chromium; install the package chromium to run the tests of the pages in a browser")
	return ""
}

func startBrowser(t testing.TB) *browser {
	t.Helper()
	path := chromium(t)
	profile, err := os.MkdirTemp("", "onetime-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.Headless,
		chromedp.NoSandbox, // it is no use to root, who runs tests in containers, and the only pages are ours
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en-GB"),
		chromedp.WSURLReadTimeout(patience),
	)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &browser{ctx: ctx, profile: profile}
	b.close = sync.OnceValue(func() error {
		err := chromedp.Cancel(ctx) // asks it to close, and waits: so it writes what it keeps
		cancel()
		stop()
		return err
	})
	if err := chromedp.Do(ctx); err != nil {
		_ = b.close()
		t.Fatalf("start Chromium: %v", err)
	}
	return b
}

func (b *browser) remove() {
	_ = b.close()
	for range 100 { // its helpers write a little longer
		if os.RemoveAll(b.profile) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

var shared struct {
	once    sync.Once
	browser *browser
}

func TestMain(m *testing.M) {
	code := m.Run()
	if command.path != "" {
		_ = os.RemoveAll(filepath.Dir(command.path))
	}
	if shared.browser != nil {
		shared.browser.remove()
	}
	os.Exit(code)
}

// theBrowser returns the browser that most tests share. Each visitor has a profile of its own in it.
func theBrowser(t testing.TB) *browser {
	t.Helper()
	chromium(t)
	shared.once.Do(func() { shared.browser = startBrowser(t) })
	if shared.browser == nil {
		t.Fatal("there is no browser: another test says why")
	}
	return shared.browser
}

// A visitor is somebody with a browser. All that the browser complains of - violations of the policy, errors, warnings -
// fails the test in the end, and so does a request to another origin.
type visitor struct {
	t      testing.TB
	ctx    context.Context
	origin string

	expected []string // parts of complaints that a test is about

	mu       sync.Mutex
	faults   []string
	requests []string // the URLs
}

// visit opens the door to a site for somebody who has never been there: a new profile, without history, cache or storage.
func visit(t testing.TB, s *site) *visitor {
	t.Helper()
	return visitWith(t, s, theBrowser(t), chromedp.WithNewBrowserContext())
}

func visitWith(t testing.TB, s *site, b *browser, options ...chromedp.ContextOption) *visitor {
	t.Helper()
	ctx, leave := chromedp.NewContext(b.ctx, options...)
	v := &visitor{t: t, ctx: ctx, origin: s.url}
	t.Cleanup(func() {
		leave()
		for _, fault := range v.complaints() {
			if !slices.ContainsFunc(v.expected, func(part string) bool { return strings.Contains(fault, part) }) {
				t.Errorf("the browser complains: %s", fault)
			}
		}
		for _, url := range v.requested() {
			if !strings.HasPrefix(url, v.origin+"/") && !strings.HasPrefix(url, "data:") {
				t.Errorf("the page requests %s", url)
			}
		}
	})
	if err := chromedp.Listen(ctx, v.listen); err != nil {
		t.Fatal(err)
	}
	call(v, audits.Enable, cdp.Empty{})
	call(v, log.Enable, cdp.Empty{})
	call(v, network.Enable, network.EnableParams{})
	// A violation of the policy is told to the page, too, in workers and frames as well.
	call(v, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `addEventListener("securitypolicyviolation", (e) => console.error("policy: " + e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber))`,
	})
	v.screen(1280, 900, "light")
	return v
}

// requested returns the URLs that the pages have requested so far.
func (v *visitor) requested() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.requests)
}

func (v *visitor) complaints() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.faults)
}

func (v *visitor) listen(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		v.requests = append(v.requests, e.Request.URL)
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceNetwork && strings.Contains(e.Entry.URL, "/api/v1/") {
			return // a refusal of the API, which the page explains
		}
		if e.Entry.Level == log.EntryLevelVerbose {
			return // advice
		}
		v.faults = append(v.faults, fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventConsoleAPICalled:
		text, _ := json.Marshal(e.Args)
		v.faults = append(v.faults, fmt.Sprintf("console.%s %s", e.Type, text))
	case *runtime.EventExceptionThrown:
		text, _ := json.Marshal(e.ExceptionDetails)
		v.faults = append(v.faults, "exception "+string(text))
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeGenericIssue || e.Issue.Code == audits.InspectorIssueCodePerformanceIssue {
			return // advice
		}
		text, _ := json.Marshal(e.Issue.Details)
		v.faults = append(v.faults, fmt.Sprintf("issue %s %s", e.Issue.Code, text))
	}
}

// call sends a command of the protocol.
func call[P, R any](v *visitor, command cdp.Command[P, R], params P) R {
	v.t.Helper()
	return must(v, "call", func(ctx context.Context) (R, error) { return chromedp.Call(ctx, command, params) })
}

// must fails the test, with a picture, if something does not happen.
func must[T any](v *visitor, what string, do func(context.Context) (T, error)) T {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	result, err := do(ctx)
	if err != nil {
		if !errors.Is(v.ctx.Err(), context.Canceled) {
			v.picture("failed")
		}
		v.t.Fatalf("%s: %v", what, err)
	}
	return result
}

func (v *visitor) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	must(v, what, func(ctx context.Context) (struct{}, error) { return struct{}{}, chromedp.Do(ctx, steps...) })
}

// eval returns the value of an expression, or of the promise that it makes.
func eval[T any](v *visitor, expression string) T {
	v.t.Helper()
	return must(v, expression, func(ctx context.Context) (T, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	})
}

// screen sets the size of the window and the scheme, light or dark.
func (v *visitor) screen(width, height int64, scheme string) {
	v.t.Helper()
	call(v, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
	call(v, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

func (v *visitor) open(url string) { v.t.Helper(); v.do("open", chromedp.Navigate(url)) }

func (v *visitor) click(selector string) {
	v.t.Helper()
	v.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// enter types into a field, with the keyboard.
func (v *visitor) enter(selector, text string) {
	v.t.Helper()
	v.do("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// press presses a key, wherever the focus is.
func (v *visitor) press(keys string, options ...chromedp.KeyOption) {
	v.t.Helper()
	v.do("press", chromedp.KeyEvent(keys, options...))
}

// tab moves the focus on until it is at an element, and returns how many steps that took.
func (v *visitor) tab(selector string) int {
	v.t.Helper()
	for steps := range 60 {
		if eval[bool](v, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			return steps
		}
		v.press(kb.Tab)
	}
	v.picture("failed")
	v.t.Fatalf("the keyboard does not reach %s", selector)
	return 0
}

// text returns what an element shows, once it is visible.
func (v *visitor) text(selector string) string {
	v.t.Helper()
	v.do("wait for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
	return eval[string](v, fmt.Sprintf(`document.querySelector(%q).innerText`, selector))
}

// sees waits until the page shows a text.
func (v *visitor) sees(text string) {
	v.t.Helper()
	v.until("the page shows "+text, func() bool { return strings.Contains(eval[string](v, `document.body?.innerText ?? ""`), text) })
}

// until waits for something.
func (v *visitor) until(what string, done func() bool) {
	v.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			v.picture("failed")
			v.t.Fatalf("it does not happen that %s; the page shows %s", what, eval[string](v, `document.body?.innerText ?? ""`))
		}
	}
}

// withoutJavaScript switches it off, as some people do.
func (v *visitor) withoutJavaScript() {
	v.t.Helper()
	call(v, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// shown returns the text of the page. It needs no JavaScript there.
func (v *visitor) shown() string {
	v.t.Helper()
	return must(v, "read the page", func(ctx context.Context) (string, error) {
		return chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	})
}

// paste makes a key the one that pastes: which one that is, is for the system to say.
func paste(p *input.DispatchKeyEventParams) { p.Commands = []string{"paste"} }

// focused tells which element has the focus, by its id.
func (v *visitor) focused() string { return eval[string](v, `document.activeElement.id`) }

// picture keeps what the page looks like, under build/screenshots, to be looked at.
func (v *visitor) picture(name string) {
	v.t.Helper()
	folder := filepath.Join("..", "..", "build", "screenshots")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		v.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		v.t.Errorf("take a picture: %v", err)
		return
	}
	if name == "failed" {
		name = "failed-" + strings.ReplaceAll(v.t.Name(), "/", "-")
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		v.t.Error(err)
	}
}

// expectNotFound says that the page itself is a 404, of which the browser complains.
func (v *visitor) expectNotFound() { v.expected = append(v.expected, "status of 404") }

// expectSilence says that the server will not answer, of which the browser complains.
func (v *visitor) expectSilence() { v.expected = append(v.expected, "net::ERR_") }
