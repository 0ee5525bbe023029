package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v7"
)

// DefaultRetries is how often a read is sent again, unless WithRetries says otherwise.
const DefaultRetries = 3

// firstPause is how long a client waits before it asks again, in the middle; each further pause is twice as long.
const firstPause = 250 * time.Millisecond

// ask calls a function that reads until it answers, or asking again is of no use, and returns its last answer.
func ask[T any](ctx context.Context, retries int, p *progress, read func() (T, error)) (T, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier = firstPause, 2
	answer, err := backoff.Retry(ctx, func() (T, error) {
		answer, err := read()
		if err == nil {
			return answer, nil
		}
		return answer, judge(err, p.answer())
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(uint(retries)+1), backoff.WithMaxElapsedTime(longest(ctx)))
	stopped := backoff.AsRetryError(err)
	switch {
	case stopped == nil:
		return answer, err
	case ctx.Err() != nil && !errors.Is(stopped.LastErr, ctx.Err()):
		text := fmt.Sprintf("%v, while waiting to ask again: %v", ctx.Err(), stopped.LastErr)
		return answer, &NetworkError{Sent: p.sent(), Err: &quietError{text, ctx.Err()}}
	}
	return answer, stopped.LastErr
}

// longest bounds the waiting: an answer that comes too late helps nobody.
func longest(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Until(deadline), 1) // 0 would be no bound
	}
	return DefaultTimeout
}

// judge tells the backoff library what to do after an error.
func judge(err error, last answered) error {
	switch {
	case last.notNow():
		if last.retryAfter > 0 { // not everybody at the same moment
			return backoff.RetryAfter(last.retryAfter+rand.N(firstPause), err)
		}
		return err
	case errors.As(err, new(*NetworkError)) && !errors.As(err, new(*tls.CertificateVerificationError)):
		return err
	}
	return backoff.Permanent(err)
}
