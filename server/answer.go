package server

import (
	"errors"
	"maps"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// An answer holds what a handler writes until it is known to be good. It is the http.ResponseWriter below the handler's
// echo.Response, and may be written to by several goroutines, as the generated code of some is.
type answer struct {
	client http.ResponseWriter
	before http.Header // what the client's headers were
	status int
	most   int64 // bytes that are held

	mu      sync.Mutex // for a handler's goroutine that outlives it
	body    *buffer    // nil when the answer was sent
	tooLong bool
}

// errDone is what a goroutine gets that goes on with a request that is done.
var errDone = errors.New("server: the request is done")

// errAnswerTooLong is what a handler gets that writes more than is held.
var errAnswerTooLong = errors.New("server: the answer is too long")

// hold puts the answer between an Echo context and its client.
func (a *answer) hold(c echo.Context, most int64) {
	response := c.Response()
	a.client, a.status, a.most, a.body = response.Writer, http.StatusOK, most, newBuffer()
	if header := a.client.Header(); len(header) > 0 {
		a.before = maps.Clone(header)
	}
	response.Writer = a
}

// reset forgets all that was written.
func (a *answer) reset(c echo.Context) {
	header := a.client.Header()
	clear(header)
	maps.Copy(header, a.before)
	a.mu.Lock()
	a.status, a.tooLong = http.StatusOK, false
	a.body.wipe()
	a.mu.Unlock()
	c.SetResponse(echo.NewResponse(a, c.Echo()))
}

// Header, WriteHeader and Write are those of http.ResponseWriter. Echo's Response calls WriteHeader once.

func (a *answer) Header() http.Header    { return a.client.Header() }
func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.body == nil:
		return 0, errDone
	case int64(len(a.body.data))+int64(len(p)) > a.most:
		a.tooLong = true
		return 0, errAnswerTooLong
	}
	a.body.write(p)
	return len(p), nil
}

// Flush does nothing: no byte is sent before all are checked.
func (a *answer) Flush() {}

// check checks what was written.
func (a *answer) check(op *contract.Operation) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tooLong {
		return &contract.Violation{Direction: contract.Response, Operation: op.ID, Status: a.status, Rule: contract.RuleSize, Want: "is too long"}
	}
	return op.CheckResponse(a.status, a.Header(), a.body.data)
}

// send gives the client what was written.
func (a *answer) send(c echo.Context) error {
	a.mu.Lock()
	body := a.body.data
	a.mu.Unlock()
	response := c.Response()
	response.Writer, response.Status, response.Committed = a.client, a.status, true
	if c.Request().Method != http.MethodHead {
		a.client.Header().Del(echo.HeaderContentLength) // it is what was written, whatever the handler thought
	}
	a.client.WriteHeader(a.status)
	if len(body) == 0 || !bodyAllowed(a.status) {
		return nil
	}
	_, err := a.client.Write(body)
	return err
}

// leave takes the buffer from whoever still has the answer.
func (a *answer) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.body != nil { // else nothing was held
		a.body.free()
		a.body = nil
	}
}

// bodyAllowed tells whether HTTP knows a body with a status.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
