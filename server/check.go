package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// DefaultMaxBody is the longest request body that is read unless configured otherwise: 128 KiB. A secret of 10,000 bytes
// fits in every form in which it can be sent.
const DefaultMaxBody = 128 << 10

// commitTimeout bounds a commit, which goes on when the client has left.
const commitTimeout = 30 * time.Second

// CheckOptions are the options of Check. The zero value is ready to use.
type CheckOptions struct {
	// BasePath stands before the paths of the document, where the routes are registered below a path.
	BasePath string
	// MaxBody is the longest request body that is read, in bytes; 0 or less stands for DefaultMaxBody.
	MaxBody int64
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
// Answers are held in memory until they are checked, so a route that streams cannot be among them. Routes that the
// contract does not have are left alone. The body of a GET means nothing and is dropped. Credentials are not checked. A
// handler of a checked urlencoded form reads its fields with FormParams.
func Check(c *contract.Contract, options CheckOptions) echo.MiddlewareFunc {
	return newChecker(c, options).middleware
}

// Defer registers what is done once the answer of a request is known to keep to the contract, and before it is sent:
// that is the place to consume or to store. If it returns an error, that error is the answer. If the answer breaks
// the contract, the handler fails, or the client has left by then, it is never called. Its context does not end
// when the client leaves. ctx is the context of a request below Check; with another Defer panics. The last call counts.
func Defer(ctx context.Context, commit func(context.Context) error) {
	exchangeOf(ctx).commit = commit
}

// An exchange is what the parts of the server know of one request.
type exchange struct {
	accepted bool // the request has passed its check
	commit   func(context.Context) error
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// A checker is the middleware behind Check.
type checker struct {
	contract   *contract.Contract
	basePath   string
	operations map[string]*contract.Operation // by method and routePath
	routes     sync.Map                       // the operations of routes that were met: by method and Echo's path
	maxBody    int64
	report     func(echo.Context, *contract.Violation)
	// admit comes before anything is read of a request's body, and may replace the request.
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
		operations: map[string]*contract.Operation{},
		maxBody:    min(options.MaxBody, math.MaxInt64-1),
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
	if k.report == nil {
		k.report = func(echo.Context, *contract.Violation) {}
	}
	for _, op := range c.Operations() {
		if path, ok := routePath(k.basePath + op.Path); ok {
			k.operations[op.Method+" "+path] = op
		}
	}
	return k
}

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
		return k.serve(c, op, next)
	}
}

// operation returns the operation that a request is for, or nil. Echo has found the route, which says so; where its
// template cannot be compared with the document's, the path of the request is, so that nothing passes unchecked.
func (k *checker) operation(c echo.Context) (op *contract.Operation, byRoute bool) {
	method := c.Request().Method
	route := method + " " + c.Path()
	if known, ok := k.routes.Load(route); ok {
		return known.(*contract.Operation), true
	}
	if path, ok := routePath(c.Path()); ok && k.operations[method+" "+path] != nil {
		op := k.operations[method+" "+path]
		k.routes.Store(route, op)
		return op, true
	}
	op, _ = k.match(c.Request())
	return op, false
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
	answer := holdAnswer(c)
	x := &exchange{}
	c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), exchangeKey{}, x)))
	if err := k.attempt(c, op, answer, x, next); err != nil {
		k.answerError(c, op, answer, x, err)
	}
	return answer.send(c)
}

// attempt does everything that can fail. What it returns is answered in place of what was written so far.
func (k *checker) attempt(c echo.Context, op *contract.Operation, answer *answer, x *exchange, next echo.HandlerFunc) (err error) {
	defer caught(&err)
	if err := k.checkRequest(c, op); err != nil {
		return err
	}
	x.accepted = true
	leave, err := k.enter(c.Request().Context(), op)
	if err != nil {
		return err
	}
	defer leave()
	if err := next(c); err != nil {
		return err
	}
	if err := k.checkAnswer(c, op, answer); err != nil {
		return err
	}
	return commit(c.Request().Context(), x)
}

// checkAnswer checks what was written. What it returns is an *echo.HTTPError 500.
func (k *checker) checkAnswer(c echo.Context, op *contract.Operation, answer *answer) error {
	err := op.CheckResponse(answer.status, answer.header, answer.body.Bytes())
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

func commit(ctx context.Context, x *exchange) error {
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
