package server

import (
	"context"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

// An Observation is what can be told of a request once it was answered. Nothing in it comes from the request but what the
// contract knows: it can go to a log, a metric or a trace.
type Observation struct {
	Method    string        // of HTTP, or "other" for what is none
	Route     string        // the template of the path, such as "/api/v1/secret/:key"; empty where there is no such route
	Operation string        // the operationId of the contract; empty where the request is for none
	Status    int           // of the answer
	Duration  time.Duration // from when its headers were read to when its answer was written
	RequestID string
	ErrorID   string // the error_id of the answer; empty where it is no error
	// Violation is what the request or the answer broke of the contract, or nil.
	Violation *contract.Violation
}

const (
	errorIDKey   = "onetime.error_id"
	violationKey = "onetime.violation"
)

// noteError keeps what is to be told of an error that is answered.
func noteError(c echo.Context, err error) {
	c.Set(errorIDKey, requestID(c))
	var service serviceError
	var violation *contract.Violation
	if !errors.As(err, &service) && errors.As(err, &violation) { // not that of a server behind the Service
		c.Set(violationKey, violation)
	}
}

// observeWith tells of each request when it was answered.
func observeWith(tell func(context.Context, Observation), operation func(echo.Context) (*contract.Operation, bool)) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			if err := next(c); err != nil {
				c.Error(err)
			}
			o := Observation{
				Method:    knownMethod(c.Request().Method),
				Route:     c.Path(),
				Status:    c.Response().Status,
				Duration:  time.Since(start),
				RequestID: requestID(c),
			}
			o.ErrorID, _ = c.Get(errorIDKey).(string)
			o.Violation, _ = c.Get(violationKey).(*contract.Violation)
			if op, _ := operation(c); op != nil {
				o.Operation = op.ID
			}
			tell(c.Request().Context(), o)
			return nil
		}
	}
}
