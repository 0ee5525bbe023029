package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/gen"
)

// Share stores a secret and returns its receipt, with the key to pass on. If the network fails (NetworkError) the secret
// may be stored all the same, under a key that nobody has. If the answer breaks the contract it is stored, and the error's
// *contract.Violation has what came, with the keys: see its Body.
func (c *Client) Share(ctx context.Context, r onetime.ShareRequest) (onetime.Receipt, error) {
	return call(ctx, c, "share", c.hide(r.Secret, r.Passphrase), readReceipt, func(ctx context.Context) (*http.Response, error) {
		return c.raw.V1ShareWithFormdataBody(ctx, gen.ShareRequest{
			Secret:      r.Secret.Expose(),
			TTL:         seconds(r.TTL),
			Passphrase:  optional(r.Passphrase.Expose()),
			Recipient:   optional(strings.Join(r.Recipients, ",")),
			ShareDomain: optional(r.ShareDomain),
		})
	})
}

// Generate has the server make a random secret, and returns its receipt, whose Value is the secret.
func (c *Client) Generate(ctx context.Context, r onetime.GenerateRequest) (onetime.Receipt, error) {
	return call(ctx, c, "generate", c.hide(r.Passphrase), readReceipt, func(ctx context.Context) (*http.Response, error) {
		return c.raw.V1GenerateWithFormdataBody(ctx, gen.GenerateRequest{
			TTL:         seconds(r.TTL),
			Passphrase:  new(r.Passphrase.Expose()), // also if it is empty: see bodyful
			Recipient:   optional(strings.Join(r.Recipients, ",")),
			ShareDomain: optional(r.ShareDomain),
		}, alone)
	})
}

// Reveal returns a secret, which the server then forgets. It is onetime.ErrNotFound if the key is unknown, the secret gone,
// or the passphrase wrong or missing. If the answer breaks the contract the secret is gone all the same, and the
// error's *contract.Violation has what came, as a *NetworkError has what came of one that broke off: see their Body.
func (c *Client) Reveal(ctx context.Context, r onetime.RevealRequest) (onetime.Secret, error) {
	return call(ctx, c, "reveal", c.hide(r.Key, r.Passphrase), readSecret, func(ctx context.Context) (*http.Response, error) {
		if err := pathKey(r.Key, "v1_showSecret"); err != nil {
			return nil, err
		}
		return c.raw.V1ShowSecretWithFormdataBody(ctx, r.Key.Expose(), gen.RevealRequest{
			Passphrase: optional(r.Passphrase.Expose()),
			Continue:   new(bodyful),
		}, alone)
	})
}

// alone has a request use a connection of its own. On one that is kept, net/http logs what comes after the end of an answer,
// and where an answer ends is for the server to say: it could be a part of the secret.
func alone(_ context.Context, r *http.Request) error {
	r.Close = true
	return nil
}

// Receipts are asked for under /private, the only name that servers of every version have for all three operations: v0.23
// knows no /receipt, and does not burn under /metadata.

// Receipt returns what became of a secret, by the receipt's key. It consumes nothing.
func (c *Client) Receipt(ctx context.Context, key onetime.Sensitive) (onetime.Receipt, error) {
	return query(ctx, c, "receipt", c.hide(key), readReceipt, func(ctx context.Context) (*http.Response, error) {
		if err := pathKey(key, "v1_private_showReceipt", "recent"); err != nil {
			return nil, err
		}
		return c.raw.V1PrivateShowReceipt(ctx, key.Expose())
	})
}

// Burn deletes a secret unread, by the key of its receipt.
func (c *Client) Burn(ctx context.Context, r onetime.BurnRequest) (onetime.Burned, error) {
	return call(ctx, c, "burn", c.hide(r.Key, r.Passphrase), readBurned, func(ctx context.Context) (*http.Response, error) {
		if err := pathKey(r.Key, "v1_private_burnSecret"); err != nil {
			return nil, err
		}
		return c.raw.V1PrivateBurnSecretWithFormdataBody(ctx, r.Key.Expose(), gen.BurnRequest{
			Passphrase: optional(r.Passphrase.Expose()),
			Continue:   new(bodyful),
		})
	})
}

// Recent returns the newest receipts of the account, without the keys of their secrets.
func (c *Client) Recent(ctx context.Context) ([]onetime.Receipt, error) {
	return query(ctx, c, "recent", c.hide(), readReceipts, func(ctx context.Context) (*http.Response, error) {
		return c.raw.V1PrivateShowReceiptRecent(ctx)
	})
}

// Status asks whether the server is up.
func (c *Client) Status(ctx context.Context) (onetime.Status, error) {
	return query(ctx, c, "status", c.hide(), readStatus, func(ctx context.Context) (*http.Response, error) {
		return c.raw.V1Status(ctx)
	})
}

// AuthCheck asks whether the credentials are right. It is onetime.ErrUnauthorized if they are not, or there are none.
func (c *Client) AuthCheck(ctx context.Context) (onetime.Status, error) {
	return query(ctx, c, "authcheck", c.hide(), readStatus, func(ctx context.Context) (*http.Response, error) {
		return c.raw.V1Authcheck(ctx)
	})
}

// bodyful is sent with a reveal and a burn, where it means nothing to a server of today, so that the body is never empty:
// over HTTP/2 net/http repeats a request without a body after a reset that leaves open whether it was processed.
const bodyful = "true"

// A reader makes a value of what came over the wire. It tells whether that has what matters.
type reader[W, T any] func(W) (T, bool)

// call sends a request once, whatever happens.
func call[W, T any](ctx context.Context, c *Client, name string, h hidden, read reader[W, T], send func(context.Context) (*http.Response, error)) (T, error) {
	p := new(progress)
	ctx, cancel := c.bound(p.trace(ctx))
	defer cancel()
	answer, err := exchange(ctx, p, h, name, read, send)
	return answer, named(name, err)
}

// query sends a request that changes nothing, and sends it again if the network failed or the server asks for that.
func query[W, T any](ctx context.Context, c *Client, name string, h hidden, read reader[W, T], send func(context.Context) (*http.Response, error)) (T, error) {
	p := new(progress)
	ctx, cancel := c.bound(p.trace(ctx))
	defer cancel()
	answer, err := ask(ctx, c.retries, p, func() (T, error) { return exchange(ctx, p, h, name, read, send) })
	return answer, named(name, err)
}

// bound ends a call after its timeout. An http.Client's own would drop what came of an answer until then.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// exchange is the one way in which requests are sent and answers read. No error shows what is hidden.
func exchange[W, T any](ctx context.Context, p *progress, h hidden, name string, read reader[W, T], send func(context.Context) (*http.Response, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, &NetworkError{Sent: p.begun && p.sent(), Err: err}
	}
	p.begun = true
	response, err := send(ctx)
	if err != nil {
		return none, failure(err, p, h)
	}
	body, err := readBody(response)
	if err != nil {
		return none, failure(err, p, h)
	}
	switch {
	case len(body) > contract.DefaultMaxBody: // where violations are not enforced
		return none, unreadable(name, response.StatusCode, contract.RuleSize, "is too long", body)
	case response.StatusCode/100 != 2: // where the contract is enforced, 200 is the only such status
		return none, refusal(answeredBy(response), body, h)
	}
	var wire W
	err = json.Unmarshal(body, &wire)
	mismatch := (*json.UnmarshalTypeError)(nil)
	answer, ok := read(wire) // what has a wrong type was reported, and is left out
	if err != nil && !errors.As(err, &mismatch) || !ok {
		return none, unreadable(name, response.StatusCode, contract.RuleSchema, "lacks what matters", body)
	}
	return answer, nil
}

// readBody reads and closes the body of an answer, as far as DefaultMaxBody and a byte more.
func readBody(response *http.Response) ([]byte, error) {
	defer response.Body.Close()
	var body bytes.Buffer
	if length := response.ContentLength; length > 0 && length <= contract.DefaultMaxBody {
		body.Grow(int(length) + bytes.MinRead)
	}
	_, err := body.ReadFrom(io.LimitReader(response.Body, contract.DefaultMaxBody+1))
	return body.Bytes(), err
}

// pathKey refuses what cannot stand in a path as a key: a server would take it for a part of the path, or for another
// operation of the same path.
func pathKey(key onetime.Sensitive, operation string, taken ...string) error {
	rule, want := contract.RuleSyntax, "means something else in a path"
	switch {
	case key == "":
		rule, want = "required", "is required"
	case key != "." && key != ".." && !slices.Contains(taken, key.Expose()):
		return nil
	}
	return &contract.Violation{Direction: contract.Request, Operation: operation, Parameter: "path key", Rule: rule, Want: want}
}

// unreadable is returned for an answer of which nothing can be made: violations are not enforced, or a text is empty that
// the contract does not forbid to be. The decoder's error is dropped: it may hold a part of the answer.
func unreadable(name string, status int, rule, want string, body []byte) error {
	return contract.Violation{Direction: contract.Response, Operation: name, Status: status, Rule: rule, Want: want}.WithBody(body)
}

// seconds returns a lifetime as the contract has it, in whole seconds, further from zero, which would ask for the server's
// default: nil.
func seconds(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	whole := int64(d / time.Second)
	switch rest := d % time.Second; {
	case rest > 0:
		whole++
	case rest < 0:
		whole--
	}
	return &whole
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
