package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
	"github.com/onetime-go/onetime/gen"
)

// A reply is how an error is answered.
type reply struct {
	status  int
	kind    string // the contract's error.error
	message string
	field   string
	header  http.Header
}

// replies says how each reason is answered. The first that matches counts. Clients know these messages to the letter.
var replies = []struct {
	reason error
	reply  reply
}{
	{onetime.ErrNotFound, reply{status: http.StatusNotFound, kind: "NotFound", message: "Unknown secret"}},
	{onetime.ErrUnauthorized, reply{status: http.StatusUnauthorized, kind: "Unauthorized", message: "Not authorized",
		header: http.Header{"Www-Authenticate": {`Basic realm="onetime", charset="UTF-8"`}}}},
	{onetime.ErrForbidden, reply{status: http.StatusForbidden, kind: "Forbidden", message: "Not allowed"}},
	{onetime.ErrRule, reply{status: http.StatusUnprocessableEntity, kind: "RuleBroken", message: "The request breaks a rule of this server"}},
	{onetime.ErrInvalid, reply{status: http.StatusBadRequest, kind: "BadRequest", message: "The request does not match the contract"}},
	{onetime.ErrRateLimited, reply{status: http.StatusTooManyRequests, kind: "RateLimited", message: "Too many requests, try again later"}},
}

var internalError = reply{
	status: http.StatusInternalServerError, kind: "InternalServerError",
	message: "Something went wrong on the server; its log has this error_id",
}

// A serviceError is an error that the Service returned, and so one whose reason counts and whose text may be logged.
type serviceError struct{ err error }

func (e serviceError) Error() string { return e.err.Error() }
func (e serviceError) Unwrap() error { return e.err }

// replyTo says how an error is answered. It is the only place that does.
func replyTo(err error) reply {
	var service serviceError
	var violation *contract.Violation
	var router *echo.HTTPError
	switch {
	case errors.As(err, &service):
		// An *echo.HTTPError of the Service is none of the reasons: the Service knows no statuses.
		return replyToReason(service.err)
	case errors.As(err, &violation) && violation.Direction == contract.Request:
		return replyToViolation(violation)
	case errors.Is(err, errBodyTooLong):
		return reply{status: http.StatusUnprocessableEntity, kind: "BodyTooLarge", message: "The body is too long; share less text at once"}
	case errors.Is(err, errBodyUnread):
		return reply{status: http.StatusBadRequest, kind: "BadRequest", message: "The body did not arrive whole"}
	case errors.As(err, &router) && router.Internal == nil && router.Code < http.StatusInternalServerError:
		return reply{status: router.Code, kind: strings.ReplaceAll(http.StatusText(router.Code), " ", ""), message: http.StatusText(router.Code)}
	}
	return replyToReason(err)
}

func replyToReason(err error) reply {
	for _, known := range replies {
		if errors.Is(err, known.reason) {
			return withRefusal(known.reply, err)
		}
	}
	return internalError
}

// withRefusal takes over what a Refusal says, but for a 401 and a 404: those say the same whatever the cause, so that one
// cannot be told from another.
func withRefusal(r reply, err error) reply {
	var refusal *onetime.Refusal
	if r.status == http.StatusNotFound || r.status == http.StatusUnauthorized || !errors.As(err, &refusal) {
		return r
	}
	if refusal.Message != "" {
		r.message = refusal.Message
	}
	if refusal.Rule != "" {
		r.kind = refusal.Rule
	}
	r.field = refusal.Field
	if refusal.RetryAfter > 0 {
		seconds := int(math.Ceil(refusal.RetryAfter.Seconds()))
		r.header = http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	}
	return r
}

func replyToViolation(v *contract.Violation) reply {
	switch {
	case strings.HasPrefix(v.Parameter, "path "):
		return replyToReason(onetime.ErrNotFound) // a path names a key, and what is no key is an unknown one
	case v.Pointer == "/secret" && (v.Rule == "required" || v.Rule == "minLength"):
		return reply{status: http.StatusBadRequest, kind: "FormError", message: "You did not provide anything to share", field: "secret"}
	}
	r := reply{status: http.StatusBadRequest, kind: "BadRequest", message: v.Message()}
	if v.Pointer != "" && !strings.Contains(v.Pointer, "*") { // a name that the contract does not know is not repeated
		r.kind, r.field = "FormError", v.Where()
	}
	return r
}

// An errorWriter writes error answers. It is the Echo's HTTPErrorHandler.
type errorWriter struct {
	contract *contract.Contract
	logger   *slog.Logger
}

func (w errorWriter) write(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	noteError(c, err)
	r := replyTo(err)
	if r.status == http.StatusInternalServerError {
		w.log(c, err)
	}
	id := requestID(c)
	answer := gen.Error{Error: &r.kind, Message: r.message, ErrorID: &id}
	if r.field != "" {
		answer.Field = &r.field
	}
	body, err := json.Marshal(answer)
	if err != nil || w.contract.CheckSchema("Error", body) != nil {
		c.Response().WriteHeader(http.StatusInternalServerError)
		return
	}
	for name, values := range r.header {
		c.Response().Header()[name] = values
	}
	_ = c.Blob(r.status, echo.MIMEApplicationJSON, body) // it fails if the client is gone
}

// log says why a request was answered 500. Texts are logged only of errors that are known to hold no values.
func (w errorWriter) log(c echo.Context, err error) {
	attrs := []slog.Attr{slog.String("route", c.Path()), slog.String("error_id", requestID(c))}
	var service serviceError
	var violation *contract.Violation
	var panicked *panicError
	switch {
	case errors.As(err, &service): // first: it may hold a violation, of a server behind the Service
		attrs = append(attrs, slog.String("error", service.Error()))
	case errors.As(err, &violation):
		return // it was reported when it was found
	case errors.Is(err, errClientLeft) || c.Request().Context().Err() != nil:
		// Nobody is waiting for the answer, and a client can do this as often as it likes.
		w.logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "the client left", attrs...)
		return
	case errors.As(err, &panicked):
		attrs = append(attrs, slog.String("error", panicked.what), slog.String("stack", string(panicked.stack)))
	default:
		attrs = append(attrs, slog.String("error", fmt.Sprintf("a %T", err)))
	}
	w.logger.LogAttrs(c.Request().Context(), slog.LevelError, "request failed", attrs...)
}
