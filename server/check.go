package server

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

// DefaultMaxBody is the longest request body that is read unless configured otherwise: 128 KiB. A secret of 10,000 bytes
// fits in every form in which it can be sent.
const DefaultMaxBody = 128 << 10

// DefaultMaxAnswer is the longest answer that is held unless configured otherwise: 8 MiB, which is what a
// contract.Transport takes.
const DefaultMaxAnswer = contract.DefaultMaxBody

// commitTimeout bounds a commit, which goes on when the client has left.
const commitTimeout = 30 * time.Second

// CheckOptions are the options of Check. The zero value is ready to use.
type CheckOptions struct {
	// BasePath stands before the paths of the document, where the routes are registered below a path.
	BasePath string
	// MaxBody is the longest request body that is read, in bytes; 0 or less stands for DefaultMaxBody.
	MaxBody int64
	// MaxAnswer is the longest answer that is held, in bytes; 0 or less stands for DefaultMaxAnswer. A longer one breaks the
	// contract.
	MaxAnswer int64
	// Streams tells of an operation whether its answers are sent as they are written, unchecked. Its requests are checked
	// all the same. If it is nil there are none.
	Streams func(*contract.Operation) bool
	// Report is told of every answer that leaves the contract, before it is replaced. It may be nil.
	Report func(echo.Context, *contract.Violation)
}

// Check returns Echo middleware that holds a server to a contract, in both directions. It must be the outermost, the
// first argument of Use, since Echo writes errors after its middleware has returned: this one has them written
// before, by the Echo's HTTPErrorHandler, and checks what was written.
//
// A request that breaks the contract is answered with an *echo.HTTPError 400, or 413 if it is too long, and does not
// reach its handler. An answer that breaks the contract, or a panic, is replaced by an *echo.HTTPError 500, and none of
// its bytes is sent. Both go through the HTTPErrorHandler, wrap what happened (errors.As to *contract.Violation), and
// must conform too; where even the 500 does not, a bare one is sent. A 400 or 413 for which the operation documents no
// status is sent as it is.
//
// Answers are held in memory until they are checked, up to CheckOptions.MaxAnswer: Flush does nothing, and a connection cannot
// be hijacked, but in the operations that CheckOptions.Streams names. Compression goes outside: what is compressed cannot be
// checked, and is refused. A handler may use the request's body and the ResponseWriter until it returns. Routes that the
// contract does not have are left alone. The body of a GET means nothing and is dropped. Credentials are not checked. A
// handler of a checked urlencoded form reads its fields with FormParams.
func Check(c *contract.Contract, options CheckOptions) echo.MiddlewareFunc {
	return newChecker(c, options).middleware
}

// Defer registers what is done once the answer of a request is known to keep to the contract, and before it is sent:
// that is the place to consume or to store. If it returns an error, that error is the answer. If the answer breaks
// the contract, the handler fails, or the client has left by then, it is never called. Its context does not end
// when the client leaves. ctx is the context of a request below Check, and not of one that Streams; with another Defer
// panics. The last call counts.
func Defer(ctx context.Context, commit func(context.Context) error) {
	x := exchangeOf(ctx)
	if x.streams {
		panic("server: Defer in a handler whose answer is sent as it is written")
	}
	x.commit = commit
}

// An exchange is what the parts of the server know of one request. It is also the context of the request, which knows the
// exchange.
type exchange struct {
	context.Context
	caller   onetime.Caller // where requests are admitted by callers
	accepted bool           // the request has passed its check
	streams  bool           // nothing is held of its answer
	commit   func(context.Context) error
	request  *buffer
	body     heldBody
	answer   answer
}

type exchangeKey struct{}

// Value is that of context.Context.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// leave gives the buffers back when the request is done. Who still has a part of the exchange has nothing more of what was
// in them.
func (x *exchange) leave() {
	x.body.leave()
	x.answer.leave()
	x.request.free()
}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// A checker is the middleware behind Check.
type checker struct {
	contract   *contract.Contract
	basePath   string
	operations map[routeKey]*contract.Operation                 // with the path as routePath writes it
	met        atomic.Pointer[map[routeKey]*contract.Operation] // the operations of Echo's routes that were met
	maxBody    int64
	maxAnswer  int64
	streams    func(*contract.Operation) bool
	report     func(echo.Context, *contract.Violation)
	// admit comes before anything is read of a request's body.
	admit func(echo.Context, *contract.Operation) error
	// enter comes between checking a request and handling it. What it returns is called when all is done, but for the
	// sending.
	enter func(context.Context, *contract.Operation) (leave func(), err error)
	// rewrite comes between reading a body and checking it.
	rewrite func(*http.Request, *contract.Operation, []byte) ([]byte, error)
}

func newChecker(c *contract.Contract, options CheckOptions) *checker {
	k := &checker{
		contract:   c,
		basePath:   strings.TrimRight(options.BasePath, "/"),
		operations: map[routeKey]*contract.Operation{},
		maxBody:    min(options.MaxBody, math.MaxInt64-1),
		maxAnswer:  options.MaxAnswer,
		streams:    options.Streams,
		report:     options.Report,
		admit:      func(echo.Context, *contract.Operation) error { return nil },
		enter:      func(context.Context, *contract.Operation) (func(), error) { return func() {}, nil },
		rewrite: func(_ *http.Request, _ *contract.Operation, body []byte) ([]byte, error) {
			return body, nil
		},
	}
	if k.maxBody <= 0 {
		k.maxBody = DefaultMaxBody
	}
	if k.maxAnswer <= 0 {
		k.maxAnswer = DefaultMaxAnswer
	}
	if k.streams == nil {
		k.streams = func(*contract.Operation) bool { return false }
	}
	if k.report == nil {
		k.report = func(echo.Context, *contract.Violation) {}
	}
	for _, op := range c.Operations() {
		if path, ok := routePath(k.basePath + op.Path); ok {
			k.operations[routeKey{op.Method, path}] = op
		}
	}
	k.met.Store(&map[routeKey]*contract.Operation{})
	return k
}

type routeKey struct{ method, path string }

// routePath writes the path of a route, Echo's or the document's, without the names of its parameters, which may differ:
// /secret/{key} and /secret/:key are /secret/:. It returns false for what the two write in different ways, such as
// /{name}.json.
func routePath(template string) (string, bool) {
	segments := strings.Split(template, "/")
	for i, segment := range segments {
		switch {
		case strings.HasPrefix(segment, ":") && !strings.ContainsAny(segment[1:], `:\.`),
			strings.HasPrefix(segment, "{") && strings.IndexByte(segment, '}') == len(segment)-1:
			segments[i] = ":"
		case strings.ContainsAny(segment, `{}:\*`):
			return "", false
		}
	}
	return strings.Join(segments, "/"), true
}

func (k *checker) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		op, byRoute := k.operation(c)
		if op == nil {
			return next(c)
		}
		if byRoute && slices.ContainsFunc(c.ParamValues(), hasSlash) {
			return echo.ErrNotFound // a path of the contract has no more segments than its template
		}
		if k.streams(op) {
			return k.stream(c, op, next)
		}
		return k.serve(c, op, next)
	}
}

// stream checks the request alone.
func (k *checker) stream(c echo.Context, op *contract.Operation, next echo.HandlerFunc) error {
	x := &exchange{Context: c.Request().Context(), request: newBuffer(), streams: true}
	defer x.leave()
	c.SetRequest(c.Request().WithContext(x))
	if err := k.checkRequest(c, op, x); err != nil {
		return err
	}
	return next(c)
}

// operation returns the operation that a request is for, or nil. Echo has found the route, which says so; where its
// template cannot be compared with the document's, the path of the request is, so that nothing passes unchecked.
func (k *checker) operation(c echo.Context) (op *contract.Operation, byRoute bool) {
	r := routeKey{c.Request().Method, c.Path()}
	if op := (*k.met.Load())[r]; op != nil {
		return op, true
	}
	if path, ok := routePath(r.path); ok {
		if op := k.operations[routeKey{r.method, path}]; op != nil {
			k.meet(r, op)
			return op, true
		}
	}
	op, _ = k.match(c.Request())
	return op, false
}

// meet remembers the operation of a route, of which an Echo has a few.
func (k *checker) meet(r routeKey, op *contract.Operation) {
	for {
		known := k.met.Load()
		more := maps.Clone(*known)
		more[r] = op
		if k.met.CompareAndSwap(known, &more) {
			return
		}
	}
}

// match finds the operation for the path of a request, and its parameters.
func (k *checker) match(r *http.Request) (*contract.Operation, map[string]string) {
	path, below := strings.CutPrefix(r.URL.EscapedPath(), k.basePath)
	if !below {
		return nil, nil
	}
	return k.contract.Match(r.Method, path)
}

// hasSlash tells whether a parameter that is still escaped runs over several segments, as Echo lets the last one.
func hasSlash(param string) bool { return strings.Contains(param, "/") }

func (k *checker) serve(c echo.Context, op *contract.Operation, next echo.HandlerFunc) error {
	x := &exchange{Context: c.Request().Context(), request: newBuffer()}
	x.answer.hold(c, k.maxAnswer)
	defer x.leave()
	c.SetRequest(c.Request().WithContext(x))
	if err := k.attempt(c, op, x, next); err != nil {
		k.answerError(c, op, x, err)
	}
	return x.answer.send(c)
}

// attempt does everything that can fail. What it returns is answered in place of what was written so far.
func (k *checker) attempt(c echo.Context, op *contract.Operation, x *exchange, next echo.HandlerFunc) (err error) {
	defer caught(&err)
	if err := k.checkRequest(c, op, x); err != nil {
		return err
	}
	x.accepted = true
	leave, err := k.enter(c.Request().Context(), op)
	if err != nil {
		return err
	}
	defer leave()
	if err := next(c); err != nil && !errors.Is(err, errAnswerTooLong) { // which the check reports
		return err
	}
	if err := k.checkAnswer(c, op, &x.answer); err != nil {
		return err
	}
	return x.finish(c.Request().Context())
}

// checkAnswer checks what was written. What it returns is an *echo.HTTPError 500.
func (k *checker) checkAnswer(c echo.Context, op *contract.Operation, answer *answer) error {
	err := answer.check(op)
	if err == nil {
		return nil
	}
	if v := (*contract.Violation)(nil); errors.As(err, &v) {
		k.report(c, v)
	}
	return brokenAnswer(err)
}

// errClientLeft is returned instead of a commit whose client is gone: it costs nothing to keep what nobody waits for.
var errClientLeft = errors.New("server: the client left before its answer was ready; nothing was done")

// finish does what the handler left to Defer.
func (x *exchange) finish(ctx context.Context) error {
	if x.commit == nil {
		return nil
	}
	if ctx.Err() != nil {
		return errClientLeft
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	return x.commit(ctx)
}
