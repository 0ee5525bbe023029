package pages_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/pages"
)

// screens are what the pages are looked at on. The narrow one is as wide as WCAG has pages fit into without scrolling aside.
var screens = []struct {
	name          string
	width, height int64
	scheme        string
}{
	{"wide-light", 1280, 900, "light"},
	{"wide-dark", 1280, 900, "dark"},
	{"narrow-light", 320, 640, "light"},
}

// TestLooks brings the pages into each of their states, and looks at each on every screen: axe-core finds nothing, nothing
// stands beyond the edge, and a picture is kept under build/screenshots.
func TestLooks(t *testing.T) {
	for _, state := range []struct {
		name   string
		config pages.Config
		reach  func(t *testing.T, s *site, v *visitor)
	}{
		{"create", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/")
			v.sees("Make the link")
		}},
		{"create-account", pages.Config{AccountsOnly: true}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/")
			v.sees("API token")
		}},
		{"create-refused", pages.Config{MaxSecret: 10, Accounts: true}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/")
			v.enter("#secret", "more than ten bytes")
			v.sees("9 bytes too many")
			v.click("#submit")
			v.sees("The secret is 9 bytes too long")
		}},
		{"created", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/")
			v.enter("#secret", "a secret")
			v.enter("#passphrase", "a passphrase")
			v.click("#submit")
			v.sees("The link is ready")
		}},
		{"reveal", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/secret/" + share(t, s, onetime.ShareRequest{Secret: "a"}).SecretKey.Expose())
			v.sees("Nothing has been revealed yet")
		}},
		{"reveal-refused", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/secret/0")
			v.click("#submit")
			v.sees("There is nothing to reveal")
		}},
		{"revealed", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			const value = "user: ada\npassword: correct horse battery staple\n\n" +
				"a-long-word-without-a-place-to-break-it-0123456789012345678901234567890123456789012345678901234567890123456789"
			v.open(s.base + "/secret/" + share(t, s, onetime.ShareRequest{Secret: value}).SecretKey.Expose())
			v.click("#submit")
			v.sees("Copy the secret")
		}},
		{"cleared", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/secret/" + share(t, s, onetime.ShareRequest{Secret: "a"}).SecretKey.Expose())
			v.click("#submit")
			v.click("#forget")
			v.sees("The page is clear")
		}},
		{"receipt-new", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(share(t, s, onetime.ShareRequest{Secret: "a", TTL: time.Hour, Passphrase: "p"}).URL.Expose())
			v.sees("Not read yet")
			v.sees("(in 1 hour)")
		}},
		{"receipt-received", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			r := share(t, s, onetime.ShareRequest{Secret: "a"})
			if _, err := s.api.Reveal(t.Context(), onetime.RevealRequest{Key: r.SecretKey}); err != nil {
				t.Fatal(err)
			}
			v.open(r.URL.Expose())
			v.sees("It was read")
		}},
		{"receipt-burned", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			r := share(t, s, onetime.ShareRequest{Secret: "a"})
			if _, err := s.api.Burn(t.Context(), onetime.BurnRequest{Key: r.Key}); err != nil {
				t.Fatal(err)
			}
			v.open(r.URL.Expose())
			v.sees("It was burned")
		}},
		{"receipt-expired", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			r := share(t, s, onetime.ShareRequest{Secret: "a", TTL: time.Hour})
			s.pass(90 * time.Minute)
			v.open(r.URL.Expose())
			v.sees("It expired unread")
		}},
		{"receipt-unknown", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/receipt/recent") // a key like any other
			v.sees("There is no such receipt")
		}},
		{"receipt-failed", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			r := share(t, s, onetime.ShareRequest{Secret: "a"})
			if err := s.store.Close(); err != nil { // the disk is gone
				t.Fatal(err)
			}
			v.open(r.URL.Expose())
			v.sees("Something went wrong on the server, and its log says what, under the id")
		}},
		{"not-found", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.expectNotFound()
			v.open(s.base + "/secrets/0")
			v.sees("There is no page here")
		}},
		{"docs", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/docs")
			v.sees("Share a secret (older name of share)")
		}},
		{"docs-open", pages.Config{}, func(t *testing.T, s *site, v *visitor) {
			v.open(s.base + "/docs")
			v.click("#operations-secrets-v1_share button")
			v.click("#operations-receipts-v1_metadata_burnSecret button")
			v.sees("Stores a secret")
			v.sees("Deletes the secret unread")
			if eval[bool](v, `document.querySelector(".try-out, .authorize, .execute, form") !== null`) {
				t.Error("the reference has something to send secrets and tokens with")
			}
		}},
	} {
		t.Run(state.name, func(t *testing.T) {
			s := serve(t, "", state.config)
			v := visit(t, s)
			state.reach(t, s, v)
			for _, screen := range screens {
				v.screen(screen.width, screen.height, screen.scheme)
				v.settle()
				v.reachable(screen.name)
				if wide := eval[int64](v, `document.documentElement.scrollWidth`); wide > screen.width {
					t.Errorf("on a %s screen, %d pixels, the page is %d wide", screen.name, screen.width, wide)
				}
				v.picture(state.name + "-" + screen.name)
			}
		})
	}
}

// settle ends what moves, such as a change of colours.
func (v *visitor) settle() {
	v.t.Helper()
	eval[bool](v, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
		for (const a of document.getAnimations()) a.finish();
		done(true);
	})))`)
}

// TestSilentServer holds that who gets no answer is told what that means, and that nothing typed is lost by it.
func TestSilentServer(t *testing.T) {
	s := serve(t, "", pages.Config{})
	r := share(t, s, onetime.ShareRequest{Secret: "a"})
	creator, reader, owner := visit(t, s), visit(t, s), visit(t, s)
	for _, v := range []*visitor{creator, reader, owner} {
		v.expectSilence()
	}
	creator.open(s.base + "/")
	reader.open(s.base + "/secret/" + r.SecretKey.Expose())
	owner.open(r.URL.Expose())
	owner.sees("Not read yet")
	s.cut()
	creator.enter("#secret", "kept")
	creator.click("#submit")
	creator.sees("The server did not answer. Nothing is lost: the text is still here.")
	if got := eval[string](creator, `document.getElementById("secret").value`); got != "kept" {
		t.Errorf("the text is now %q", got)
	}
	reader.click("#submit")
	reader.sees("No answer came, and it is not known whether the server got the request.")
	owner.click("#look")
	owner.sees("The server did not answer.")
	owner.sees("Not read yet")
}

// TestRateLimit holds that who asks too often is told when to come back, and loses nothing.
func TestRateLimit(t *testing.T) {
	s := serve(t, "", pages.Config{}, func(c *server.Config) { c.RateLimit = server.Rate{Requests: 1, Period: time.Hour} })
	v := visit(t, s)
	v.open(s.base + "/")
	v.enter("#secret", "the first")
	v.click("#submit")
	v.sees("The link is ready")
	link := v.text("#link")
	v.click("#again")
	v.enter("#secret", "the second")
	v.click("#submit")
	v.sees("Too many tries. Nothing was used up; try again in")
	if got := eval[string](v, `document.getElementById("secret").value`); got != "the second" {
		t.Errorf("the text is now %q", got)
	}
	v.picture("create-limited")
	v.open(s.base + "/secret/0")
	v.click("#submit") // an unknown one counts, too
	v.sees("There is nothing to reveal")
	v.open(link)
	v.click("#submit")
	v.sees("Too many tries.")
}

// TestAccount shares with an account: its longer lifetimes, recipients, and a wrong token.
func TestAccount(t *testing.T) {
	s := serve(t, "", pages.Config{Accounts: true})
	token, err := s.vault.AddAccount(context.Background(), "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	v := visit(t, s)
	v.open(s.base + "/")
	v.enter("#secret", "a")
	if eval[bool](v, `document.querySelector("option[value='2592000']").disabled`) != true {
		t.Error("30 days are on offer without an account")
	}
	v.click("summary")
	v.enter("#username", "ada@example.com")
	v.enter("#token", "wrong")
	v.enter("#recipient", "bob@example.com, eve@example.com")
	v.do("choose", chromedp.SetValue(chromedp.CSS("#ttl"), "2592000"))
	v.click("#submit")
	v.sees("The account or its token is not right.")
	v.do("select", chromedp.Evaluate[chromedp.Void](`document.getElementById("token").select()`))
	v.press(token.Expose())
	v.click("#submit")
	v.sees("The link is ready")
	v.sees("(in 30 days)")
	v.holdsNone("an account has shared", "no such text")
	v.open(v.text("#receipt"))
	v.sees("bo*****@e*****.com, ev*****@e*****.com")
}
