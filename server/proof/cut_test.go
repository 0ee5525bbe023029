package proof

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onetime-go/onetime/internal/redistest"
	"github.com/onetime-go/onetime/server"
	"github.com/onetime-go/onetime/server/redisstore"
	"github.com/onetime-go/onetime/server/vault"
)

// hasty is how long an engine has for an answer where a test has it not come: no test ends earlier or otherwise for that.
const hasty = 300 * time.Millisecond

// serveStore serves a store in this process.
func serveStore(t testing.TB, store vault.Store, keys *vault.Keyring) api {
	t.Helper()
	v, err := vault.New(t.Context(), vault.Config{Store: store, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(v, server.Config{BaseURL: "https://example.com", Authenticate: v.Authenticate})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	a := newAPI(s.URL)
	t.Cleanup(a.client.CloseIdleConnections)
	return a
}

func openEngine(t testing.TB, config redisstore.Config) *redisstore.Store {
	t.Helper()
	store, err := redisstore.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// A cut is servers behind a proxy that does harm to commands, and one beside it that has a connection of its own. Of those behind
// it the patient one waits as long as it takes, so that nothing is in doubt for another reason than the harm; the hasty one is for
// commands that are held, which nobody waits for.
type cut struct {
	proxy                 *redistest.Proxy
	patient, hasty, clean api
}

// through is the server for which a fault is.
func (c *cut) through(fault redistest.Fault) api {
	if fault == redistest.Hold {
		return c.hasty
	}
	return c.patient
}

func newCut(t *testing.T, replicas int) *cut {
	t.Helper()
	engine := redistest.Start(t)
	for range replicas {
		redistest.StartReplica(t, engine)
	}
	c := &cut{proxy: redistest.StartProxy(t, engine)}
	config := engine.Config()
	config.Replicas = replicas
	keys := vault.NewKeyring()
	c.clean = serveStore(t, openEngine(t, config), keys)
	config.Addresses = []string{c.proxy.Address}
	c.patient = serveStore(t, openEngine(t, config), keys)
	config.Timeout = hasty
	c.hasty = serveStore(t, openEngine(t, config), keys)
	must(t, 200)(c.patient.reveal(must(t, 200)(c.patient.share("one", "")).SecretKey, "")) // the engine knows the scripts
	return c
}

// each does something with harm to its first command, to its second, and so on, until there is no more.
func (c *cut) each(t *testing.T, do func(redistest.Fault)) {
	for _, fault := range []redistest.Fault{redistest.CutBefore, redistest.CutAfter, redistest.Hold} {
		for number := 1; ; number++ {
			c.proxy.Arm(number, fault)
			do(fault)
			command := c.proxy.Disarm()
			c.proxy.Release()
			if command == "" {
				if number < 2 {
					t.Errorf("%s: no command was met", fault)
				}
				break
			}
			t.Logf("%s: command %d, %s", fault, number, command)
		}
	}
}

// TestCutShare holds that a share that is acknowledged is there, whatever happened to the connection.
func TestCutShare(t *testing.T) {
	withReplicas(t, func(t *testing.T, c *cut) {
		acknowledged := map[redistest.Fault]int{}
		c.each(t, func(fault redistest.Fault) {
			r, err := c.through(fault).share("the value", "")
			if err != nil {
				t.Fatal(err)
			}
			if r.status != 200 {
				must(t, 500)(r, nil)
				return
			}
			acknowledged[fault]++
			if r := must(t, 200)(c.clean.reveal(r.SecretKey, "")); r.Value != "the value" {
				t.Errorf("%s: another value came", fault)
			}
		})
		// The last round of each is one without harm. An answer that was lost is found by reading back.
		if acknowledged[redistest.CutAfter] < 2 {
			t.Errorf("a share whose answer was cut off was not found: %v", acknowledged)
		}
	})
}

// TestCutReveal holds that nothing is consumed twice, and that a cut consumes nothing that nobody got: who is answered 500 finds
// the secret there. What is consumed and nobody got is what came after its caller had given up, as docs/stores.md says.
func TestCutReveal(t *testing.T) {
	t.Run("without passphrase", func(t *testing.T) { testCutReveal(t, "") })
	if redistest.All() { // Argon2id takes its time
		t.Run("with passphrase", func(t *testing.T) { testCutReveal(t, "open sesame") })
	}
}

func testCutReveal(t *testing.T, passphrase string) {
	withReplicas(t, func(t *testing.T, c *cut) {
		found := map[redistest.Fault]int{}
		c.each(t, func(fault redistest.Fault) {
			shared := must(t, 200)(c.clean.share("the value", passphrase))
			r, err := c.through(fault).reveal(shared.SecretKey, passphrase)
			if err != nil {
				t.Fatal(err)
			}
			mayComeLate := fault == redistest.Hold && c.proxy.Met() != "GET"
			c.proxy.Release()
			got := r.status == 200
			if got {
				found[fault]++
			}
			if got && r.Value != "the value" || !got && (r.status != 500 || strings.Contains(r.body, "the value")) {
				t.Errorf("%s: answered %d: %s", fault, r.status, r.body)
			}
			again, err := c.clean.reveal(shared.SecretKey, passphrase)
			switch {
			case err != nil:
				t.Fatal(err)
			case got && again.status != 404:
				t.Errorf("%s: it was revealed twice: %d", fault, again.status)
			case !got && again.status == 404 && !mayComeLate:
				t.Errorf("%s: nobody got it, and it is gone", fault)
			case again.status != 404 && again.Value != "the value":
				t.Errorf("%s: answered %d: %s", fault, again.status, again.body)
			}
			// Another reveal would be a wrong passphrase, of which a network has not so many.
			if r := must(t, 200)(c.clean.receipt(shared.Key)); r.state() != "received" {
				t.Errorf("%s: the receipt says %s", fault, r.state())
			}
		})
		if found[redistest.CutAfter] < 2 {
			t.Errorf("a claim whose answer was cut off was not found: %v", found)
		}
	})
}

func withReplicas(t *testing.T, test func(*testing.T, *cut)) {
	t.Run("primary", func(t *testing.T) { test(t, newCut(t, 0)) })
	t.Run("one replica", func(t *testing.T) { test(t, newCut(t, 1)) })
}
