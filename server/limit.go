package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"github.com/onetime-go/onetime"
	"github.com/onetime-go/onetime/contract"
)

// A Rate bounds what one caller may ask for: Requests at once and, after that, as many again in each Period, evenly spread
// over it. So whoever is refused is let through again after Period/Requests, and not for a whole Period.
type Rate struct {
	Requests int
	Period   time.Duration
}

// DefaultRate is the Rate of a server that strangers can reach, which it applies to creations and to reveals: 1,000 in
// 20 minutes. A single person, or a program that shares a batch of secrets, does not come near it.
var DefaultRate = Rate{Requests: 1000, Period: 20 * time.Minute}

// DefaultCreates is how many creations are in work at once unless configured otherwise. A store that commits many changes
// together needs some, to have many to commit; and each that waits for its turn makes a reveal wait that comes after it.
const DefaultCreates = 64

// createWait is how long a creation waits for others that are in work.
const createWait = 2 * time.Second

// A limited is what an operation counts as.
type limited int

const (
	notLimited limited = iota
	asCreation
	asReveal
)

// limitedAs are the operations that are limited: those that document a 429.
var limitedAs = map[string]limited{
	"v1_share":      asCreation,
	"v1_create":     asCreation,
	"v1_generate":   asCreation,
	"v1_showSecret": asReveal,
}

// limits are what callers are held to.
type limits struct {
	rate    *rateLimiter  // nil for no limit
	creates chan struct{} // has an element for each creation in work
}

func newLimits(config Config) (limits, error) {
	l := limits{creates: make(chan struct{}, max(cmp.Or(config.MaxCreates, DefaultCreates), 1))}
	switch r := config.RateLimit; {
	case r == Rate{}:
	case r.Requests < 1 || r.Period < time.Millisecond:
		return l, errors.New("server: Config.RateLimit needs at least one request in at least a millisecond; its zero value sets no limit")
	default:
		l.rate = newRateLimiter(r)
	}
	return l, nil
}

// admit refuses one request too many.
func (l limits) admit(caller onetime.Caller, op *contract.Operation) error {
	as := limitedAs[op.ID]
	if as == notLimited || l.rate == nil {
		return nil
	}
	wait := l.rate.take(limitKeyOf(as, caller))
	if wait == 0 {
		return nil
	}
	return tooMany(wait)
}

// tooMany is the refusal of a request that can be sent again after a time.
func tooMany(wait time.Duration) error {
	return &onetime.Refusal{
		Reason:     onetime.ErrRateLimited,
		Message:    fmt.Sprintf("Too many requests, try again in %d seconds", secondsUp(wait)),
		RetryAfter: wait,
	}
}

// enter gives a creation its turn. Other operations need none: however many secrets are being stored, a reveal waits behind
// a bounded number of them.
func (l limits) enter(ctx context.Context, op *contract.Operation) (leave func(), err error) {
	if limitedAs[op.ID] != asCreation {
		return func() {}, nil
	}
	timeout := time.NewTimer(createWait)
	defer timeout.Stop()
	select {
	case l.creates <- struct{}{}:
		return func() { <-l.creates }, nil
	case <-ctx.Done():
		return nil, errClientLeft
	case <-timeout.C:
		return nil, tooMany(time.Second)
	}
}

// A limitKey is what is counted: requests of one kind, from one account or from the network of an anonymous caller.
type limitKey struct {
	as      limited
	custid  string
	network netip.Prefix
}

func limitKeyOf(as limited, caller onetime.Caller) limitKey {
	if caller.Account != nil {
		return limitKey{as: as, custid: caller.Account.Custid()}
	}
	return limitKey{as: as, network: caller.Network}
}

// maxLimited bounds the memory of a rateLimiter, at some 25 MB. A limit per network does not hold whoever has more networks
// than that to send from, with or without a bound.
const maxLimited = 1 << 16

// A rateLimiter holds callers to a Rate. The callers that were not seen for the longest time are forgotten, and begin anew.
type rateLimiter struct {
	limit rate.Limit
	burst int
	clock func() time.Time

	mu      sync.Mutex
	callers *simplelru.LRU[limitKey, *rate.Limiter]
}

func newRateLimiter(r Rate) *rateLimiter {
	callers, _ := simplelru.NewLRU[limitKey, *rate.Limiter](maxLimited, nil) // it fails for a size below 1
	return &rateLimiter{
		limit:   rate.Limit(float64(r.Requests) / r.Period.Seconds()),
		burst:   r.Requests,
		clock:   time.Now,
		callers: callers,
	}
}

// take counts a request, or returns how long to wait before the next one is let through. One that is refused does not count.
func (l *rateLimiter) take(key limitKey) (wait time.Duration) {
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	caller, known := l.callers.Get(key)
	if !known {
		caller = rate.NewLimiter(l.limit, l.burst)
		l.callers.Add(key, caller)
	}
	turn := caller.ReserveN(now, 1)
	if wait = turn.DelayFrom(now); wait > 0 {
		turn.CancelAt(now)
	}
	return wait
}
