package server

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"runtime/debug"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// answerError answers with an error. Where that leaves the contract it answers with the 500 for it, and at last with a
// bare one.
func (k *checker) answerError(c echo.Context, op *contract.Operation, x *exchange, err error) {
	for range 2 {
		if err = k.writeError(c, op, x, err); err == nil {
			return
		}
	}
	x.answer.reset(c)
	c.Response().WriteHeader(http.StatusInternalServerError)
}

// writeError has an error written and checks what was written. Not only the HTTPErrorHandler may panic, but the error
// itself, when it is asked for its text.
func (k *checker) writeError(c echo.Context, op *contract.Operation, x *exchange, err error) (broken error) {
	defer caught(&broken)
	x.answer.reset(c)
	c.Error(err)
	if !x.accepted && isUndocumentedRefusal(op, x.answer.status, err) {
		return nil
	}
	return k.checkAnswer(c, op, &x.answer)
}

// isUndocumentedRefusal tells whether what was written says that the request is wrong, in an operation that documents
// no status for it.
func isUndocumentedRefusal(op *contract.Operation, status int, err error) bool {
	if op.Documents(status) {
		return false
	}
	v := (*contract.Violation)(nil)
	return errors.Is(err, errBodyTooLong) || errors.Is(err, errBodyUnread) ||
		errors.As(err, &v) && v.Direction == contract.Request
}

// caught, deferred, turns a panic into an error.
func caught(err *error) {
	p := recover()
	if p == http.ErrAbortHandler { // the handler wants the connection closed
		panic(p)
	}
	if p != nil {
		*err = brokenAnswer(newPanicError(p))
	}
}

// A panicError is a panic of a handler. Of the value only what cannot hold a secret is kept: the text of an error of
// the runtime, the type of anything else.
type panicError struct {
	what  string
	stack []byte
}

func newPanicError(p any) *panicError {
	what := fmt.Sprintf("panic: a %T", p)
	if err, ok := p.(runtime.Error); ok && reflect.TypeOf(p).PkgPath() == "runtime" {
		what = "panic: " + err.Error()
	}
	return &panicError{what, debug.Stack()}
}

func (e *panicError) Error() string { return e.what }

func brokenAnswer(err error) *echo.HTTPError {
	return &echo.HTTPError{
		Code:     http.StatusInternalServerError,
		Message:  http.StatusText(http.StatusInternalServerError),
		Internal: err,
	}
}
