package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state/journal"
)

// ErrUnknown means that Update stopped waiting: its changes may become durable or may fail, and the
// caller will not be told. View shows the outcome in time.
var ErrUnknown = errors.New("state: stopped waiting for the disk; the outcome of the update is unknown")

// checkedValues is how many values each update compares with their fingerprints under the build tag
// statecheck.
const checkedValues = 256

// Update runs fn on the newest state, as the only writer, and returns nil once the changes are
// durable and visible to View. fn must be quick and pure: it must not do I/O, wait, or call Update,
// which would deadlock.
//
// If fn returns an error, Update returns that error and nothing is changed. If fn panics, nothing
// is changed and the panic continues. If fn changes nothing, Update does not touch the journal, but
// returns only when everything that fn may have seen is durable. If the journal refuses the changes
// (a full disk), the error is a *fault.Error with the code ServerException, nothing is changed, and
// later updates may succeed.
//
// If ctx is cancelled before fn runs, nothing is changed. If it is cancelled later, Update returns
// at once with an error that wraps ErrUnknown and the cause.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	wait, fnErr := s.stage(fn)
	if wait == nil {
		return fnErr
	}
	select {
	case <-wait.done:
		if wait.err != nil {
			return errors.Join(wait.err, fnErr)
		}
		return fnErr
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnknown, context.Cause(ctx))
	}
}

// stage runs fn and queues its changes. It returns the commit to wait for: that of the update or,
// if fn changed nothing, the newest one whose changes fn may have seen.
func (s *Store) stage(fn func(*Tx) error) (*commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return nil, s.refuse
	}
	s.seals.check(checkedValues)
	tx, kept := s.staged.begin(), false
	defer func() {
		if !kept {
			tx.undo()
		}
		tx.log.over = true
	}()
	if err := fn(tx); err != nil {
		return s.last, err
	}
	changes := tx.log.effective()
	if len(changes) == 0 {
		return s.last, nil
	}
	data, err := encode(changes)
	if err != nil {
		return nil, err
	}
	kept = true
	s.staged = tx.end(s.staged.Rev + 1)
	c := &commit{
		entry:   journal.Entry{Rev: s.staged.Rev, Term: s.term, Data: data},
		changes: changes,
		done:    make(chan struct{}),
	}
	s.last, s.queue = c, append(s.queue, c)
	s.seals.apply(changes)
	signal(s.wake)
	return c, nil
}

// commitAll returns the committer: it appends everything that waits in one batch, and repeats. It
// returns when the store is closed and nothing waits.
func (s *Store) commitAll() {
	for {
		closing := false
		select {
		case <-s.wake:
		case <-s.open.Done():
			closing = true
		}
		if batch, next := s.take(); len(batch) > 0 {
			s.commit(batch, next)
		}
		if closing {
			return
		}
	}
}

// take closes the waiting batch, and returns it with the state that it leads to. What is staged
// from then on belongs to the next batch.
func (s *Store) take() ([]*commit, *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.queue
	if len(batch) == 0 {
		return nil, nil
	}
	s.queue = nil
	return batch, s.staged.seal()
}

func (s *Store) commit(batch []*commit, next *Snapshot) {
	entries := make([]journal.Entry, len(batch))
	for i, c := range batch {
		entries[i] = c.entry
	}
	// Once an append has begun it is not cancelled: otherwise nobody would know what is on the
	// disk.
	err := s.journal.Append(context.Background(), entries)
	if err != nil {
		s.fail(batch, err)
		return
	}
	s.publish(batch, next)
	s.compactIfLarge(entries)
}

// publish makes a durable batch visible, then marks dirty keys, and then lets its updates return.
func (s *Store) publish(batch []*commit, next *Snapshot) {
	s.durable.Store(next)
	s.mu.Lock()
	if s.last == batch[len(batch)-1] {
		s.last = nil
	}
	s.mu.Unlock()
	s.notify(batch, next)
	for _, c := range batch {
		close(c.done)
	}
}

// notify marks the keys that a batch makes dirty in all subscriptions.
func (s *Store) notify(batch []*commit, now *Snapshot) {
	subs := s.subscriptions()
	if len(subs) == 0 {
		return
	}
	var changes []Change
	for _, c := range batch {
		for _, one := range c.changes {
			changes = append(changes, one.typed())
		}
	}
	for _, sub := range subs {
		sub.mark(changes, now)
	}
}

// fail undoes a batch that the journal refused, and everything that was staged after it.
func (s *Store) fail(batch []*commit, cause error) {
	s.log.Error("state: the journal refused an update", "updates", len(batch), "err", cause)
	public := unavailable(cause)
	s.mu.Lock()
	batch = append(batch, s.queue...)
	s.queue, s.last = nil, nil
	s.staged = s.durable.Load()
	if errors.Is(cause, journal.ErrFenced) || errors.Is(cause, journal.ErrGap) {
		s.refuse = public // another store has become this journal's writer
	}
	s.seals.undo(batch)
	s.mu.Unlock()
	for _, c := range batch {
		c.err = public
		close(c.done)
	}
}

// unavailable returns the error that callers of the API get when the journal refuses a change.
func unavailable(cause error) error {
	why := "the disk refused the change"
	switch {
	case errors.Is(cause, journal.ErrFenced), errors.Is(cause, journal.ErrGap):
		why = "another server has taken over the data directory"
	case isDiskFull(cause):
		why = "the disk is full; free some space and try again"
	}
	return fault.New("ServerException", "The change was not made: %s. Reading still works.", why).
		WithStatus(500).With(cause)
}
