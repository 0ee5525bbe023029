package pages_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server/pages"
)

// TestWalk goes the whole way, with the real command: somebody shares, somebody else reads, a third one comes too late, and
// the receipt says so. Then it looks for the secret wherever it must not be.
func TestWalk(t *testing.T) {
	const secret, passphrase = "the marked secret\nof two lines & <b>signs</b>", "the marked passphrase"
	server := startProcess(t)
	s := &server.site

	creator := visit(t, s)
	creator.open(s.base + "/")
	creator.enter("#secret", secret)
	creator.enter("#passphrase", passphrase)
	creator.click("#submit")
	creator.sees("The link is ready")
	link, receipt := creator.text("#link"), creator.text("#receipt")
	if !strings.HasPrefix(link, s.base+"/secret/") || !strings.HasPrefix(receipt, s.base+"/receipt/") {
		t.Fatalf("the link is %s, the receipt's %s", link, receipt)
	}
	creator.sees("The reader needs the passphrase as well")
	creator.holdsNone("secret and passphrase are made a link of", secret, passphrase)

	other := startBrowser(t) // another machine's, which writes a profile
	defer other.remove()
	reader := visitWith(t, s, other)
	reader.open(link)
	reader.sees("Nothing has been revealed yet")
	source := reader.source()
	reader.enter("#passphrase", passphrase)
	reader.click("#submit")
	if got := reader.text("#value"); got != secret {
		t.Fatalf("the reader gets %q", got)
	}
	if got := reader.focused(); got != "opened-title" {
		t.Errorf("the focus is at %q", got)
	}
	reader.click("[data-copies=value]")
	reader.sees("Copied")
	if again := reader.source(); again != source || strings.Contains(again, "marked") {
		t.Errorf("the source of the page is now %s", again)
	}
	for _, url := range reader.requested() {
		if strings.Contains(url, "marked") {
			t.Errorf("it requests %s", url)
		}
	}

	late := visit(t, s)
	late.open(link)
	late.enter("#passphrase", passphrase)
	late.click("#submit")
	late.sees("There is nothing to reveal")

	creator.open(receipt)
	creator.sees("It was read")
	creator.sees("ago)")
	if strings.Contains(creator.text("body"), link) {
		t.Error("the receipt still shows the link")
	}

	reader.click("#forget")
	reader.sees("The page is clear")
	reader.holdsNone("the page is cleared", secret, passphrase)
	if err := other.close(); err != nil {
		t.Error(err)
	}
	key := link[strings.LastIndexByte(link, '/')+1:]
	if !profileHolds(t, other.profile, key) {
		t.Error("the history of the browser is not found in its profile: the test sees nothing") // its address is the key's page
	}
	for _, marker := range []string{"marked secret", "marked+secret", "marked%20secret", passphrase, "marked+passphrase"} {
		if profileHolds(t, other.profile, marker) {
			t.Errorf("%q is in the profile of the browser", marker)
		}
	}
	log := server.stop(t)
	for _, marker := range []string{"marked", key, receipt[strings.LastIndexByte(receipt, '/')+1:]} {
		if strings.Contains(log, marker) {
			t.Errorf("%q is in the log: %s", marker, log)
		}
	}
}

// source is what the server sends for the page that is open: what "view source" shows.
func (v *visitor) source() string {
	v.t.Helper()
	return eval[string](v, `fetch(location.href).then((r) => r.text())`)
}

// holdsNone fails the test if the page, its storage or its history holds one of the texts.
func (v *visitor) holdsNone(when string, texts ...string) {
	v.t.Helper()
	held := eval[string](v, `(async () => JSON.stringify([
		document.documentElement.outerHTML, [...document.querySelectorAll("input, textarea")].map((e) => e.value),
		{...localStorage}, {...sessionStorage}, document.cookie, location.href, document.title, history.state,
		await indexedDB.databases(), await caches.keys(), performance.getEntries().map((e) => e.name),
	]))()`)
	for _, text := range texts {
		if strings.Contains(held, text) || strings.Contains(held, strings.Split(text, "\n")[0]) {
			v.t.Errorf("when %s, the page holds %q: %s", when, text, held)
		}
	}
}

// profileHolds looks for a text in all files that a browser has written.
func profileHolds(t testing.TB, profile, text string) bool {
	t.Helper()
	wide := strings.Join(strings.Split(text, ""), "\x00") // UTF-16
	found := false
	err := filepath.WalkDir(profile, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // what goes away while its helpers end
		}
		content, err := os.ReadFile(path)
		found = found || err == nil && (strings.Contains(string(content), text) || strings.Contains(string(content), wide))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestBurn burns a secret from its receipt's page, with the passphrase it needs.
func TestBurn(t *testing.T) {
	s := serve(t, "", pages.Config{})
	r := share(t, s, onetime.ShareRequest{Secret: "a", Passphrase: "right"})
	owner := visit(t, s)
	owner.open(r.URL.Expose())
	owner.sees("Not read yet")
	owner.click("#burn")
	owner.click("#keep")
	owner.sees("Not read yet")
	owner.click("#burn")
	owner.enter("#passphrase", "wrong")
	owner.click("#submit")
	owner.sees("The passphrase is missing or wrong; nothing was burned.")
	owner.picture("burn-refused")
	owner.reachable("burn refused")
	owner.press("right") // the field is selected, to be typed anew
	owner.click("#submit")
	owner.sees("It was burned")
	owner.sees("Its link does not work any more")
	if got := owner.focused(); got != "title" {
		t.Errorf("the focus is at %q", got)
	}
	reader := visit(t, s)
	reader.open(s.base + "/secret/" + r.SecretKey.Expose())
	reader.enter("#passphrase", "right")
	reader.click("#submit")
	reader.sees("There is nothing to reveal")
}

// TestBurnTooLate holds that who wants to burn what was read meanwhile is told so.
func TestBurnTooLate(t *testing.T) {
	s := serve(t, "", pages.Config{})
	r := share(t, s, onetime.ShareRequest{Secret: "a"})
	owner := visit(t, s)
	owner.open(r.URL.Expose())
	owner.click("#burn")
	if _, err := s.api.Reveal(t.Context(), onetime.RevealRequest{Key: r.SecretKey}); err != nil {
		t.Fatal(err)
	}
	owner.click("#submit")
	owner.sees("It was read")
}

// TestWrongPassphrase holds that a wrong passphrase is answered like an unknown key, uses nothing up, and locks in the end.
func TestWrongPassphrase(t *testing.T) {
	s := serve(t, "", pages.Config{})
	r := share(t, s, onetime.ShareRequest{Secret: "kept", Passphrase: "right"})
	reader := visit(t, s)
	link := s.base + "/secret/" + r.SecretKey.Expose()
	reader.open(link)
	reader.click("#submit") // none
	reader.sees("There is nothing to reveal")
	gone := reader.text("#failure")
	if got := reader.focused(); got != "passphrase" {
		t.Errorf("the focus is at %q", got)
	}
	reader.press("wrong")
	reader.press(kb.Enter)
	reader.answered(1)
	if got := reader.text("#failure"); got != gone {
		t.Errorf("a wrong passphrase is answered %q, none %q", got, gone)
	}
	unknown := visit(t, s)
	unknown.open(s.base + "/secret/" + strings.Repeat("0", 31))
	unknown.click("#submit")
	unknown.sees("There is nothing to reveal")
	if got := unknown.text("#failure"); got != gone {
		t.Errorf("an unknown key is answered %q, no passphrase %q", got, gone)
	}
	for n := 2; n <= 5; n++ {
		reader.press("wrong")
		reader.press(kb.Enter)
		reader.answered(n)
	}
	reader.press("right")
	reader.press(kb.Enter)
	reader.sees("Too many tries. Nothing was used up; try again in 30 minutes.")
	reader.picture("reveal-locked")
	reader.reachable("locked")

	s.pass(31 * time.Minute)
	reader.press("right")
	reader.press(kb.Enter)
	if got := reader.text("#value"); got != "kept" {
		t.Errorf("after the lock it is %q", got)
	}
}

// answered waits until so many passphrases were refused.
func (v *visitor) answered(n int) {
	v.t.Helper()
	v.until("the passphrase is refused", func() bool {
		return eval[int](v, `performance.getEntriesByType("resource").filter((e) => e.name.includes("/api/v1/secret/") && e.responseStatus === 404).length`) > n &&
			eval[string](v, `document.getElementById("form").ariaBusy`) == "false"
	})
}

// TestKeyboardOnly shares, reads and burns without a mouse.
func TestKeyboardOnly(t *testing.T) {
	s := serve(t, "", pages.Config{Accounts: true})
	v := visit(t, s)
	v.open(s.base + "/")
	v.tab("#secret")
	v.press("by keys")
	v.tab("#submit")
	if got := eval[string](v, `getComputedStyle(document.activeElement).outlineStyle`); got != "solid" {
		t.Errorf("where the focus is, an outline is %q", got)
	}
	v.press(kb.Enter)
	v.sees("The link is ready")
	if got := v.focused(); got != "done-title" {
		t.Errorf("the focus is at %q", got)
	}
	v.tab("[data-copies=link]")
	v.press(kb.Enter)
	v.sees("Copied")
	link := v.text("#link")
	v.tab("#again")
	v.press(kb.Enter)
	v.tab("input[name=kind]")
	v.press(kb.ArrowRight)
	v.sees("Passphrase")
	v.tab("#submit")
	v.press(kb.Enter)
	v.sees("The password that was made")
	value := v.text("#value")
	v.picture("created-password")
	v.reachable("password made")
	v.tab("#receipt")
	v.press(kb.Enter)
	v.sees("Not read yet")
	v.tab("#burn")
	v.press(kb.Enter)
	v.sees("Burn this secret?")
	if got := v.focused(); got != "keep" {
		t.Errorf("the focus is at %q", got)
	}
	v.picture("burn")
	v.reachable("burn asked")
	v.press(kb.Escape)
	v.until("the dialog is closed", func() bool { return v.focused() == "burn" })
	v.press(kb.Enter)
	v.tab("#submit")
	v.press(kb.Enter)
	v.sees("It was burned")
	v.open(link)
	v.tab("#submit")
	v.press(kb.Enter)
	if got := v.text("#value"); got != "by keys" {
		t.Errorf("it reveals %q", got)
	}
	v.tab("#forget")
	v.press(kb.Enter)
	v.sees("The page is clear")
	if len(value) < 20 {
		t.Errorf("the password that was made has %d characters", len(value))
	}
}

// TestCopy holds that what is copied is what was shared, to the byte.
func TestCopy(t *testing.T) {
	const secret = "  two spaces,\n\na tab\tand \u00fcn\u00efc\u00f6de 🔑 "
	s := serve(t, "", pages.Config{})
	r := share(t, s, onetime.ShareRequest{Secret: secret})
	v := visit(t, s)
	v.open(s.base + "/secret/" + r.SecretKey.Expose())
	v.click("#submit")
	v.text("#value")
	v.picture("revealed-lines")
	v.click("[data-copies=value]")
	v.sees("Copied")
	if got := v.pasted(s.base); got != secret {
		t.Errorf("pasted is %q", got)
	}
	// A page that came without TLS from another machine has no clipboard, only the older way to it.
	r = share(t, s, onetime.ShareRequest{Secret: secret + "\u00a0again"})
	v.open(s.base + "/secret/" + r.SecretKey.Expose())
	eval[bool](v, `Object.defineProperty(navigator, "clipboard", {value: undefined}) && true`)
	v.click("#submit")
	v.text("#value")
	v.click("[data-copies=value]")
	v.sees("Copied")
	if got := v.pasted(s.base); got != secret+"\u00a0again" {
		t.Errorf("pasted the older way is %q", got)
	}
}

// pasted returns what is in the clipboard, by way of the page that takes a secret.
func (v *visitor) pasted(base string) string {
	v.t.Helper()
	v.open(base + "/")
	v.click("#secret")
	v.press("v", chromedp.KeyModifiers(chromedp.Modifier(2)), paste)
	var text string
	v.until("it is pasted", func() bool {
		text = eval[string](v, `document.getElementById("secret").value`)
		return text != ""
	})
	return text
}

// TestForgets holds that a page that was left and come back to has forgotten what it held.
func TestForgets(t *testing.T) {
	s := serve(t, "", pages.Config{})
	v := visit(t, s)
	reveal := func() {
		v.open(s.base + "/secret/" + share(t, s, onetime.ShareRequest{Secret: "to be forgotten"}).SecretKey.Expose())
		v.click("#submit")
		v.text("#value")
	}
	reveal()
	v.open(s.base + "/")
	v.enter("#secret", "to be forgotten, too")
	v.do("go back", chromedp.NavigateBack())
	v.sees("Nothing has been revealed yet")
	v.holdsNone("the reader has come back", "to be forgotten")
	v.do("go forward", chromedp.NavigateForward())
	v.sees("Share a secret, once")
	v.holdsNone("the creator has come back", "to be forgotten")

	// Whether a browser keeps a page that was left in memory is for it to decide. These are the events if it does.
	reveal()
	eval[bool](v, `dispatchEvent(new PageTransitionEvent("pagehide", {persisted: true}))`)
	v.holdsNone("the page is left", "to be forgotten")
	eval[bool](v, `dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))`)
	v.sees("Nothing has been revealed yet")
}

// TestWithoutJavaScript holds that pages say what to do then, and that nothing is consumed.
func TestWithoutJavaScript(t *testing.T) {
	s := serve(t, "/vault", pages.Config{})
	r := share(t, s, onetime.ShareRequest{Secret: "kept"})
	v := visit(t, s)
	v.withoutJavaScript()
	for _, page := range []struct{ name, path, want string }{
		{"create", "/", "curl --data-urlencode secret@FILE --data ttl=3600 \\\n  " + s.base + "/api/v1/share"},
		{"reveal", "/secret/" + r.SecretKey.Expose(), "curl --request POST " + s.base + "/api/v1/secret/KEY"},
		{"receipt", "/receipt/" + r.Key.Expose(), "curl " + s.base + "/api/v1/receipt/KEY"},
		{"docs", "/docs", "openapi.yaml"},
	} {
		v.open(s.base + page.path)
		shown := v.shown()
		if !strings.Contains(shown, page.want) || !strings.Contains(shown, "JavaScript") {
			t.Errorf("%s shows %s", page.name, shown)
		}
		v.picture("plain-" + page.name)
	}
	v.open(s.base + "/receipt/" + r.Key.Expose())
	if shown := v.shown(); strings.Contains(shown, "Burn the secret …") {
		t.Errorf("there is a button that does nothing: %s", shown)
	}
	if got, err := s.api.Reveal(t.Context(), onetime.RevealRequest{Key: r.SecretKey}); err != nil || got.Value != "kept" {
		t.Errorf("the secret is %v, %v", got, err)
	}
}

// TestBelowAPath walks below the path of a base URL, as behind a proxy.
func TestBelowAPath(t *testing.T) {
	s := serve(t, "/vault/one", pages.Config{})
	v := visit(t, s)
	v.open(s.base) // without a slash
	v.enter("#secret", "below")
	v.click("#submit")
	v.sees("The link is ready")
	link := v.text("#link")
	if !strings.HasPrefix(link, s.base+"/secret/") {
		t.Errorf("the link is %s", link)
	}
	v.click("#receipt")
	v.sees("Not read yet")
	v.open(link)
	v.click("#submit")
	if got := v.text("#value"); got != "below" {
		t.Errorf("it reveals %q", got)
	}
	v.open(s.base + "/docs")
	v.sees("/api/v1/share")
	for _, url := range v.requested() {
		if !strings.HasPrefix(url, s.base) && !strings.HasPrefix(url, "data:") {
			t.Errorf("it requests %s", url)
		}
	}
}

// share stores a secret by the API.
func share(t testing.TB, s *site, r onetime.ShareRequest) onetime.Receipt {
	t.Helper()
	receipt, err := s.api.Share(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}
