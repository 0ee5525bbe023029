package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v7"
)

// DefaultRetries is how often a read is sent again, unless WithRetries says otherwise.
const DefaultRetries = 3

// patience is how often, and for how long, a client asks again.
type patience struct {
	retries int
	timeout time.Duration // of the whole call; 0 for none
}

// firstPause is how long a client waits before it asks again, in the middle; each further pause is twice as long.
const firstPause = 250 * time.Millisecond

// ask calls a function that reads until its answer is worth nothing better, and returns the last answer.
func ask[T any](ctx context.Context, by patience, p *progress, read func(context.Context) (T, error)) (T, error) {
	if by.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, by.timeout)
		defer cancel()
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier = firstPause, 2
	answer, err := backoff.Retry(ctx, func() (T, error) {
		answer, err := read(ctx)
		if err == nil {
			return answer, nil
		}
		return answer, judge(err, p.answer())
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(uint(by.retries)+1), backoff.WithMaxElapsedTime(by.longest(ctx)))
	stopped := backoff.AsRetryError(err)
	switch {
	case stopped == nil:
		return answer, nil
	case ctx.Err() != nil && !errors.Is(stopped.LastErr, ctx.Err()):
		text := fmt.Sprintf("%v, while waiting to ask again: %v", ctx.Err(), stopped.LastErr)
		return answer, &NetworkError{Sent: p.sent(), Err: &quietError{text, ctx.Err()}}
	}
	return answer, stopped.LastErr
}

// longest bounds the waiting: an answer that comes too late helps nobody.
func (by patience) longest(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Until(deadline), 1) // 0 would be no bound
	}
	return DefaultTimeout
}

// judge tells the backoff library what to do after an error.
func judge(err error, last answered) error {
	switch {
	case last.status == http.StatusTooManyRequests, last.status >= 500:
		if last.retryAfter > 0 { // not everybody at the same moment
			return backoff.RetryAfter(last.retryAfter+rand.N(firstPause), err)
		}
		return err
	case errors.As(err, new(*NetworkError)) && !errors.As(err, new(*tls.CertificateVerificationError)):
		return err
	}
	return backoff.Permanent(err)
}
