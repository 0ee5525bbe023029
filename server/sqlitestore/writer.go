package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// maxBatch bounds how many changes one transaction holds, and so how long the first of them waits for the last.
const maxBatch = 256

// maxChunks bounds how many chunks one transaction writes or deletes, but for one change alone, and so how long the others wait: a
// secret of 1 MiB has 2,000.
const maxChunks = 8192

// checkpointWait is how long a checkpoint waits for each of the readers that it meets. It outlasts reads of this package,
// of which there is always one under load: without it the log would never be emptied then. New readers do not prolong
// it, since they need the log no more once all of it has been moved.
const checkpointWait = 250 * time.Millisecond

// A writer is the goroutine through which all changes go. What it costs to write is syncing the disk, and one sync
// serves all changes of a transaction; so it commits together what waits together.
type writer struct {
	queue   chan *change // unbuffered: a change that was sent has been taken
	done    chan struct{}
	session session
	db      database
	pool    *sql.DB

	// checkpoints has a connection that waits for checkpointWait only: a reader that stays open would else keep the
	// writer waiting with it.
	checkpoints *sql.DB

	// emptied is when the write-ahead log was emptied last, or the database opened, in Unix nanoseconds; 0 in memory.
	emptied atomic.Int64

	// highest is the latest time known to be stored. Other processes may have stored a later one.
	highest int64
}

// A change is what one caller wants done.
type change struct {
	at time.Time // what it adds to the high water; zero for nothing
	// do may run more than once, each time as if it were the first. It must not fail for what a caller can expect
	// to happen: a failure costs the whole batch a second run.
	do     func(session) error
	chunks int // that it writes
	// erase asks for the write-ahead log to be emptied afterwards.
	erase bool
	// loose lets the caller go when its context ends, without having learnt what became of the change.
	loose   bool
	outcome chan error // buffered
}

func newWriter(ctx context.Context, db database) (*writer, error) {
	pool, err := db.connect(1, lockWait)
	if err != nil {
		return nil, err
	}
	checkpoints, err := db.connect(1, checkpointWait)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	w := &writer{
		queue:       make(chan *change),
		done:        make(chan struct{}),
		db:          db,
		pool:        pool,
		checkpoints: checkpoints,
		highest:     never.UnixMilli(),
	}
	if w.session, err = newSession(ctx, pool, db); err != nil {
		return nil, errors.Join(err, pool.Close(), checkpoints.Close())
	}
	if !db.inMemory {
		w.emptied.Store(time.Now().UnixNano())
	}
	go w.run()
	return w, nil
}

// close lets the writer finish. No caller may be waiting, or come later.
func (w *writer) close() error {
	close(w.queue)
	<-w.done
	return errors.Join(w.checkpoints.Close(), w.session.close(), w.pool.Close())
}

// submit hands a change over and waits for its outcome. The context counts until the change was taken: after that the
// caller learns what became of it, however long that takes.
func (w *writer) submit(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.outcome = make(chan error, 1)
	select {
	case w.queue <- c:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !c.loose {
		return <-c.outcome
	}
	select {
	case err := <-c.outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) run() {
	defer close(w.done)
	batch := make([]*change, 0, maxBatch)
	for first := range w.queue {
		batch = w.gather(append(batch[:0], first))
		runtime.Gosched() // those that are about to ask get their turn: one more change costs less than one more commit
		batch = w.gather(batch)
		w.db.writing.Lock()
		w.apply(batch)
		w.db.writing.Unlock()
		w.checkpoint(batch)
		clear(batch) // hold nobody's values while waiting for the next
	}
}

// gather adds the changes that wait already.
func (w *writer) gather(batch []*change) []*change {
	for chunks := batch[0].chunks; len(batch) < maxBatch && chunks < maxChunks; chunks += batch[len(batch)-1].chunks {
		select {
		case c, ok := <-w.queue:
			if !ok {
				return batch
			}
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// apply does the changes in one transaction and answers their callers.
func (w *writer) apply(batch []*change) {
	err := w.session.exec(begin)
	clear(w.session.standing)
	if err == nil {
		err = w.do(batch)
		if err != nil && len(batch) > 1 {
			// One change has failed, perhaps half-done, and took the transaction with it. Alone, each gets what is
			// due to it. Nothing but a broken disk or a repeated id leads here, so its cost does not matter.
			w.session.rollback()
			for i := range batch {
				w.apply(batch[i : i+1])
			}
			return
		}
	}
	if err == nil {
		err = w.session.exec(commit)
	}
	if err != nil {
		w.session.rollback()
	} else {
		w.highest = max(w.highest, latest(batch))
	}
	for _, c := range batch {
		c.outcome <- err
	}
}

func (w *writer) do(batch []*change) error {
	for _, c := range batch {
		if err := c.do(w.session); err != nil {
			return err
		}
	}
	if at := latest(batch); at > w.highest {
		return w.session.exec(raiseHighWater, at)
	}
	return nil
}

// never is before all times that count.
var never time.Time

func latest(batch []*change) int64 {
	at := never.UnixMilli()
	for _, c := range batch {
		at = max(at, c.at.UnixMilli())
	}
	return at
}

// checkpoint moves all changes into the database and empties the write-ahead log, which holds pages as they were
// before something was deleted from them. Failing does no harm but that they stay until the next time.
func (w *writer) checkpoint(batch []*change) {
	for _, c := range batch {
		if c.erase && !w.db.inMemory {
			var busy, logged, moved int
			err := w.checkpoints.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &moved)
			if err == nil && busy == 0 {
				w.emptied.Store(time.Now().UnixNano())
			}
			return
		}
	}
}
