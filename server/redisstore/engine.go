package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/onetime-go/onetime/server/vault"
)

// most bounds how many calls wait for the engine at the same time. What is more waits for them, and not for long.
const most = 512

// begin lets a call in, and returns end, which has to be called.
func (s *Store) begin(ctx context.Context) (end func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !s.enter() {
		return nil, errClosed
	}
	patience := time.NewTimer(s.timeout)
	defer patience.Stop()
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns; s.calls.Done() }, nil
	case <-patience.C:
		err = errBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.calls.Done()
	return nil, err
}

// enter counts a call, unless the store is closed.
func (s *Store) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.calls.Add(1)
	return true
}

// call lets do use the engine when it is its turn.
func (s *Store) call(ctx context.Context, operation string, do func() error) error {
	end, err := s.begin(ctx)
	if err != nil {
		return opaque(operation, err)
	}
	defer end()
	err = do()
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil { // ours, not the caller's
		err = errNoAnswer
	}
	return opaque(operation, err)
}

// ask sends commands to the primary, together, and waits no longer than the engine has for an answer.
func (s *Store) ask(ctx context.Context, commands ...valkey.Completed) []valkey.ValkeyResult {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if len(commands) == 1 {
		return []valkey.ValkeyResult{s.client.Do(ctx, commands[0])}
	}
	return s.client.DoMulti(ctx, commands...)
}

// evalsha and eval make the command of a step. A client never repeats it: it does so with commands that only read, and is
// told not even to do that.
func evalsha(c valkey.CoreClient, st step) valkey.Completed {
	return c.B().Evalsha().Sha1(st.script.digest).Numkeys(int64(len(st.keys))).Key(st.keys...).Arg(st.args...).Build()
}

func eval(c valkey.CoreClient, st step) valkey.Completed {
	return c.B().Eval().Script(st.script.text).Numkeys(int64(len(st.keys))).Key(st.keys...).Arg(st.args...).Build()
}

// isNotExecuted tells whether the engine has said that it did nothing, and that trying again will help: it does not know the
// script, or a slot of a Cluster is on its way to another node.
func isNotExecuted(err error) bool {
	refusal, ok := valkey.IsValkeyErr(err)
	return ok && (refusal.IsNoScript() || refusal.IsTryAgain())
}

// pauseFor waits where trying again at once is in vain.
func pauseFor(ctx context.Context, err error) {
	if refusal, ok := valkey.IsValkeyErr(err); !ok || refusal.IsNoScript() {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(settlePause):
	}
}

// run makes a step on the primary.
func (s *Store) run(ctx context.Context, st step) valkey.ValkeyResult {
	return s.runAll(ctx, []step{st})[0]
}

// runAll makes many steps, each on its own.
func (s *Store) runAll(ctx context.Context, steps []step) []valkey.ValkeyResult {
	commands := make([]valkey.Completed, 0, len(steps))
	for _, st := range steps {
		commands = append(commands, evalsha(s.client, st))
	}
	results := s.ask(ctx, commands...)
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for i := range results {
		for isNotExecuted(results[i].Error()) && ctx.Err() == nil {
			pauseFor(ctx, results[i].Error())
			results[i] = s.ask(ctx, eval(s.client, steps[i]))[0]
		}
	}
	return results
}

// write makes a step, and returns when it is as durable as configured. An error that is in doubt leaves open whether
// the step was made; see inDoubt.
func (s *Store) write(ctx context.Context, st step) (valkey.ValkeyResult, error) {
	if !s.waits() {
		result := s.run(ctx, st)
		return result, refusal(result)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	connection, release := s.client.Dedicate()
	defer release()
	results := connection.DoMulti(ctx, evalsha(connection, st), s.wait(ctx, connection))
	for err := results[0].Error(); ctx.Err() == nil; err = results[0].Error() {
		if node, asking := s.redirected(err); node != nil {
			results = s.writeAt(ctx, node, asking, st)
		} else if isNotExecuted(err) {
			pauseFor(ctx, err)
			results = connection.DoMulti(ctx, eval(connection, st), s.wait(ctx, connection))
		} else {
			break
		}
	}
	if err := refusal(results[0]); err != nil {
		return results[0], err
	}
	return results[0], s.waited(results[1])
}

// refusal is the error of a result, for which an answer of nothing is none.
func refusal(result valkey.ValkeyResult) error {
	if err := result.Error(); err != nil && !valkey.IsValkeyNil(err) {
		return err
	}
	return nil
}

// redirected returns the node that a step is to go to instead, where it was not executed.
func (s *Store) redirected(err error) (node valkey.Client, asking bool) {
	refusal, ok := valkey.IsValkeyErr(err)
	if !ok {
		return nil, false
	}
	if address, ok := refusal.IsMoved(); ok {
		return s.client.Nodes()[address], false
	}
	if address, ok := refusal.IsAsk(); ok {
		return s.client.Nodes()[address], true
	}
	return nil, false
}

// writeAt makes a step at one node of a Cluster. It sends the script's text, since it comes here seldom.
func (s *Store) writeAt(ctx context.Context, node valkey.Client, asking bool, st step) []valkey.ValkeyResult {
	if asking {
		return node.DoMulti(ctx, node.B().Asking().Build(), eval(node, st), s.wait(ctx, node))[1:]
	}
	return node.DoMulti(ctx, eval(node, st), s.wait(ctx, node))
}

// waits tells whether writes wait for more than the primary's answer.
func (s *Store) waits() bool { return s.replicas > 0 || s.waitaof }

// wait makes the command that waits until the writes of a connection are durable, for half of the time that is left to the call,
// so that its answer still comes in time, also where a step is sent again because the engine did not know its script.
func (s *Store) wait(ctx context.Context, c valkey.CoreClient) valkey.Completed {
	deadline, _ := ctx.Deadline()
	limit := max(time.Until(deadline).Milliseconds()/2, 1) // 0 waits for ever
	if s.replicas > 0 {
		return c.B().Wait().Numreplicas(int64(s.replicas)).Timeout(limit).Build()
	}
	return c.B().Waitaof().Numlocal(1).Numreplicas(0).Timeout(limit).Build()
}

// waited returns an error that is ErrInDoubt unless enough of the engine have confirmed. If the answer is lost it is another one:
// whoever looks may find that they have.
func (s *Store) waited(result valkey.ValkeyResult) error {
	var confirmed int64
	var err error
	if s.replicas > 0 {
		confirmed, err = result.AsInt64()
	} else {
		var counts []int64
		if counts, err = result.AsIntSlice(); err == nil && len(counts) > 0 {
			confirmed = counts[0]
		}
	}
	switch {
	case err != nil:
		if _, refused := valkey.IsValkeyErr(err); !refused {
			return err
		}
		return doubt(err)
	case s.replicas > 0 && confirmed < int64(s.replicas):
		return doubt(errReplicas)
	case s.waitaof && confirmed < 1:
		return doubt(errNoFsync)
	}
	return nil
}

const settlePause = 20 * time.Millisecond

// settle finds out what became of a write whose answer was lost, by how the receipt's record begins, and sees to it that
// what was written is durable. It tries for as long as a call may take, and after the caller's end too: that is when
// answers are lost. The error is that of the last try.
func (s *Store) settle(ctx context.Context, receipt string, want []byte) (begins string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	for {
		result, err := s.write(ctx, step{confirmScript, []string{receipt}, []string{valkey.BinaryString(want)}})
		if err == nil {
			return result.ToString()
		}
		if errors.Is(err, vault.ErrInDoubt) { // it was made, and is not durable
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(settlePause):
		}
	}
}

// code is what an engine says no with, up to where it may show what it was asked.
func code(refusal *valkey.ValkeyError) string {
	text := refusal.Error()
	if i := strings.IndexAny(text, "'\"`:"); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSpace(text)
}
