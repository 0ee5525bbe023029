package server

import (
	"context"
	"crypto/rand"
	"log/slog"

	"github.com/labstack/echo/v4"

	"github.com/onetime-go/onetime/contract"
)

const requestIDKey = "onetime.request_id"

// identify gives each request an id. It is drawn here, never taken from a header, so that nobody else decides what
// stands in the log.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := rand.Text()
		c.Set(requestIDKey, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		return next(c)
	}
}

func requestID(c echo.Context) string {
	id, _ := c.Get(requestIDKey).(string)
	return id
}

// tellAll writes a line for each request, and passes it on.
func tellAll(logger *slog.Logger, observe func(context.Context, Observation)) func(context.Context, Observation) {
	return func(ctx context.Context, o Observation) {
		o.Log(ctx, logger)
		if observe != nil {
			observe(ctx, o)
		}
	}
}

// Log writes the line of a request, for those who have other requests beside those of the API.
func (o Observation) Log(ctx context.Context, logger *slog.Logger) {
	attrs := []slog.Attr{
		slog.String("method", o.Method),
		slog.String("route", o.Route),
		slog.Int("status", o.Status),
		slog.Duration("duration", o.Duration),
		slog.String("request_id", o.RequestID),
	}
	if o.ErrorID != "" {
		attrs = append(attrs, slog.String("error_id", o.ErrorID))
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}

// knownMethod keeps out of the log what is no method: a client can put anything there.
func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE":
		return method
	}
	return "other"
}

// reportTo logs answers that leave the contract.
func reportTo(logger *slog.Logger) func(echo.Context, *contract.Violation) {
	return func(c echo.Context, v *contract.Violation) {
		logger.LogAttrs(c.Request().Context(), slog.LevelError, "the answer leaves the contract",
			slog.String("operation", v.Operation),
			slog.Int("answer_status", v.Status),
			slog.String("pointer", v.Pointer),
			slog.String("parameter", v.Parameter),
			slog.String("rule", v.Rule),
			slog.String("error_id", requestID(c)))
	}
}
