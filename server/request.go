package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

func (k *checker) checkRequest(c echo.Context, op *contract.Operation, x *exchange) error {
	if err := k.admit(c, op); err != nil {
		return err
	}
	r := c.Request()
	body, err := k.readBody(r, x.request)
	if err != nil {
		return err
	}
	if body, err = k.rewrite(r, op, body); err != nil {
		return err
	}
	form, err := op.CheckRequest(r, k.pathParams(c, op), body)
	if v := (*contract.Violation)(nil); errors.As(err, &v) {
		return refusedFor(v)
	}
	if len(body) == 0 {
		r.Body = http.NoBody
	} else {
		x.body.data = body
		r.Body = &x.body
	}
	r.ContentLength = int64(len(body))
	if op.TakesForm() && (form != nil || len(body) == 0) {
		// What was checked is what the handler sees: no second decoder, and nothing from the query.
		r.PostForm, r.Form = nonNil(form), nonNil(form)
	}
	return nil
}

// refusedFor is the answer to a request that breaks the contract.
func refusedFor(v *contract.Violation) *echo.HTTPError {
	return &echo.HTTPError{Code: http.StatusBadRequest, Message: v.Message(), Internal: v}
}

func nonNil(form url.Values) url.Values {
	if form == nil {
		return url.Values{}
	}
	return form
}

// errBodyTooLong is the Internal error of a 413.
var errBodyTooLong = errors.New("server: the request's body is too long")

// patience is how much of a body that is not wanted is read and dropped, so that a client that is still sending gets to
// read the answer.
const patience = 32 << 20

// readBody reads a request's body, up to the limit. That of a GET means nothing, whatever it is.
func (k *checker) readBody(r *http.Request, into *buffer) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		_, _ = io.CopyN(io.Discard, r.Body, patience)
		return nil, nil
	}
	if n := min(r.ContentLength, k.maxBody); n > 0 {
		into.reserve(int(min(n+1, mostKept))) // with a byte in which to find the end
	}
	all, err := into.readFrom(r.Body, k.maxBody)
	if err != nil {
		return nil, &echo.HTTPError{Code: http.StatusBadRequest, Message: "the body could not be read", Internal: errBodyUnread}
	}
	if all {
		return into.data, nil
	}
	_, _ = io.CopyN(io.Discard, r.Body, patience)
	return nil, &echo.HTTPError{
		Code:     http.StatusRequestEntityTooLarge,
		Message:  fmt.Sprintf("the body is longer than %d bytes", k.maxBody),
		Internal: errBodyTooLong,
	}
}

// errBodyUnread is the Internal error of a 400 for a body that did not come whole.
var errBodyUnread = errors.New("server: the request's body could not be read")

// pathParams returns the path's parameters, unescaped. Echo leaves them escaped where the URL has a RawPath. Where a route has
// other names for them than the document, or parts of its own, the path is read once more.
func (k *checker) pathParams(c echo.Context, op *contract.Operation) map[string]string {
	names := c.ParamNames()
	unknown := func(name string) bool { return !strings.Contains(op.Path, "/{"+name+"}") }
	if len(names) != strings.Count(op.Path, "{") || slices.ContainsFunc(names, unknown) {
		_, params := k.match(c.Request())
		return params
	}
	params := make(map[string]string, len(names))
	for _, name := range names {
		value := c.Param(name)
		if c.Request().URL.RawPath != "" {
			if unescaped, err := url.PathUnescape(value); err == nil {
				value = unescaped
			}
		}
		params[name] = value
	}
	return params
}
