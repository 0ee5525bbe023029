package server

import (
	"crypto/rand"
	"log/slog"
	"time"

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

// logTo writes a line for each request. The path is not in it, since it may hold a key, only its template.
func logTo(logger *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			if err := next(c); err != nil {
				c.Error(err)
			}
			logger.LogAttrs(c.Request().Context(), slog.LevelInfo, "request",
				slog.String("method", knownMethod(c.Request().Method)),
				slog.String("route", c.Path()),
				slog.Int("status", c.Response().Status),
				slog.Duration("duration", time.Since(start)),
				slog.String("request_id", requestID(c)))
			return nil
		}
	}
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
