package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime/server/vault"
)

var (
	errClosed   = errors.New("the store is closed")
	errNoAnswer = errors.New("the engine has not answered in time")
	errBusy     = errors.New("the engine is slow, and too many calls wait for it")
	errStrange  = errors.New("the engine has answered what it should not")
	errReplicas = errors.New("fewer replicas than configured have confirmed it")
	errNoFsync  = errors.New("the engine has not confirmed that it is on its disk")
)

// opaque names what failed, and hides the driver's types: of what callers may match, only the errors of package vault
// and of contexts remain.
func opaque(operation string, err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{
		vault.ErrNoRecord, vault.ErrExists, vault.ErrQuota, vault.ErrKeyInUse, vault.ErrKeyRemoved, vault.ErrDamaged,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("redisstore: %s: %w", operation, known)
		}
	}
	if errors.Is(err, vault.ErrInDoubt) {
		return fmt.Errorf("redisstore: %s: %w", operation, doubt(err))
	}
	return fmt.Errorf("redisstore: %s: %s", operation, plain(err))
}

// doubt says that a write may have been made, or is not durable, and why that is not known.
func doubt(err error) error {
	if errors.Is(err, vault.ErrInDoubt) {
		return err
	}
	return fmt.Errorf("%w: %s", vault.ErrInDoubt, plain(err))
}

// plain is what an error says, without what a script was given: an engine's error may show the keys that it was about.
func plain(err error) string {
	if refusal, ok := valkey.IsValkeyErr(err); ok {
		return "the engine refuses: " + code(refusal)
	}
	return err.Error()
}

// inDoubt tells whether what an error came of may have been done all the same. It was not if the engine has said no, or
// was not reached.
func inDoubt(err error) bool {
	if err == nil {
		return false
	}
	if _, refused := valkey.IsValkeyErr(err); refused {
		return false
	}
	var dial *net.OpError
	return !(errors.As(err, &dial) && dial.Op == "dial") && !errors.Is(err, errBusy) && !errors.Is(err, errClosed)
}
