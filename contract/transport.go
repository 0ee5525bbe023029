package contract

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
)

// DefaultMaxBody is the length, in bytes, up to which a Transport takes a body: 8 MiB.
const DefaultMaxBody = 8 << 20

// A Transport is an http.RoundTripper that lets only messages pass that keep to a contract. A request that breaks it is
// not sent; a response that breaks it is returned as a *Violation, whose Body still gives what came. It sends a request
// once, and keeps net/http from repeating one that has a body; one without, net/http may repeat over HTTP/2 after a
// reset. The zero Transport checks V1 on http.DefaultTransport, and may be used concurrently.
type Transport struct {
	// Contract is what to check; nil stands for V1().
	Contract *Contract
	// Base sends the requests; nil stands for http.DefaultTransport.
	Base http.RoundTripper
	// BasePath stands before the paths of the document, escaped as in a URL, for a server below a path of its host; ""
	// is none.
	BasePath string
	// MaxBody is the longest body that is taken, in bytes, in either direction; 0 stands for DefaultMaxBody. With Report or Off
	// a longer one passes unchecked.
	MaxBody int64
	// Report, if it is set, is told of violations, and the messages pass all the same. It is called by the goroutine
	// that sends the request.
	Report func(*Violation)
	// Off has it check nothing. All the rest it does nevertheless: a request is sent once, and a body read up to MaxBody.
	Off bool
}

// RoundTrip checks the request, sends it, and checks the response.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	op, checked, err := t.checkRequest(r)
	if err != nil {
		return nil, err
	}
	response, err := t.base().RoundTrip(checked)
	if err != nil || op == nil && !t.Off {
		return response, err
	}
	return t.checkResponse(op, response)
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

func (t *Transport) contract() *Contract {
	if t.Contract == nil {
		return V1()
	}
	return t.Contract
}

// checkRequest returns the operation of a request and a copy that can be sent. The operation is nil if the document
// has none and violations are only reported.
func (t *Transport) checkRequest(r *http.Request) (*Operation, *http.Request, error) {
	body, rest, err := readBody(r.Body, t.maxBody())
	if err != nil {
		return nil, nil, err
	}
	if t.Off {
		return nil, withBody(r, body, rest), nil
	}
	op, err := t.checkRead(r, body, rest != nil)
	if err := t.report(err); err != nil {
		closeAll(rest)
		return nil, nil, err
	}
	return op, withBody(r, body, rest), nil
}

// checkRead checks a request whose body was read, as far as MaxBody.
func (t *Transport) checkRead(r *http.Request, body []byte, tooLong bool) (*Operation, error) {
	method := cmp.Or(r.Method, http.MethodGet)
	op, params := t.match(method, r.URL.EscapedPath())
	if op == nil {
		v := Violation{Direction: Request, Operation: knownMethod(method)}
		return nil, v.as(RuleOperation, "is for no operation of the contract")
	}
	if tooLong {
		return op, Violation{Direction: Request, Operation: op.ID}.as(RuleSize, "is too long")
	}
	_, err := op.CheckRequest(r, params, body)
	return op, err
}

func (t *Transport) match(method, path string) (*Operation, map[string]string) {
	path, below := strings.CutPrefix(path, strings.TrimSuffix(t.BasePath, "/"))
	if !below {
		return nil, nil
	}
	return t.contract().Match(method, path)
}

// knownMethod keeps a method out of a Violation that nobody has defined.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "*"
}

func (t *Transport) checkResponse(op *Operation, response *http.Response) (*http.Response, error) {
	if response.StatusCode == http.StatusSwitchingProtocols { // the body would be the connection, which no context ends
		closeAll(response.Body)
		response.Body = http.NoBody
	}
	body, rest, err := readBody(response.Body, t.maxBody())
	if err != nil {
		return nil, &IncompleteError{Err: err, body: func() []byte { return body }}
	}
	switch {
	case t.Off:
	case rest != nil:
		err = Violation{Direction: Response, Operation: op.ID, Status: response.StatusCode}.as(RuleSize, "is too long")
	default:
		err = op.CheckResponse(response.StatusCode, response.Header, body)
	}
	if v := (*Violation)(nil); errors.As(err, &v) {
		err = v.WithBody(body)
	}
	if err := t.report(err); err != nil {
		closeAll(rest)
		return nil, err
	}
	response.Body = bodyOf(body, rest)
	if rest == nil && response.ContentLength < 0 {
		response.ContentLength = int64(len(body))
	}
	return response, nil
}

// An IncompleteError is a response whose body broke off, or came in less order than HTTP asks for.
type IncompleteError struct {
	Err  error         // what the network said
	body func() []byte // a function, which no verb of fmt looks into
}

// Error says what the network said.
func (e *IncompleteError) Error() string { return "the answer broke off: " + e.Err.Error() }

// Unwrap returns Err.
func (e *IncompleteError) Unwrap() error { return e.Err }

// Body returns what came of the body. It is never part of the error's text.
func (e *IncompleteError) Body() []byte { return e.body() }

// report returns a violation if the contract is enforced.
func (t *Transport) report(err error) error {
	if v := (*Violation)(nil); t.Report != nil && errors.As(err, &v) {
		t.Report(v)
		return nil
	}
	return err
}

func (t *Transport) maxBody() int64 {
	if t.MaxBody <= 0 {
		return DefaultMaxBody
	}
	return min(t.MaxBody, math.MaxInt64-1)
}

// readBody reads and closes a body. If it is longer than the limit, what was not read is returned too, open.
func readBody(body io.ReadCloser, limit int64) (data []byte, rest io.ReadCloser, err error) {
	if body == nil {
		return nil, nil, nil
	}
	data, err = io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && int64(len(data)) > limit {
		return data, body, nil
	}
	_ = body.Close() // nothing more is wanted of it
	return data, nil, err
}

func closeAll(rest io.Closer) {
	if rest != nil {
		_ = rest.Close() // the message is refused already
	}
}

// bodyOf puts a body together again.
func bodyOf(data []byte, rest io.ReadCloser) io.ReadCloser {
	read := bytes.NewReader(data)
	if rest == nil {
		return io.NopCloser(read)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(read, rest), rest}
}

// withBody returns a copy of a request that sends what was read of it. If that is all, its length is known.
func withBody(r *http.Request, data []byte, rest io.ReadCloser) *http.Request {
	sent := r.WithContext(r.Context()) // which shares what is not changed
	if r.Body == nil || r.Body == http.NoBody {
		return sent
	}
	// Without GetBody net/http cannot send the request again by itself, as it does over HTTP/2 after a reset that leaves open
	// whether the request was processed.
	sent.Body, sent.GetBody = bodyOf(data, rest), nil
	if rest != nil {
		return sent
	}
	if r.ContentLength <= 0 {
		sent.ContentLength = int64(len(data))
	}
	if sent.ContentLength == 0 {
		sent.Body = http.NoBody
	}
	return sent
}
