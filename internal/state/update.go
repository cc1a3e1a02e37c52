package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state/journal"
)

// ErrUnknown says that Update gave up waiting: its changes may become durable
// or may fail, and this call will not learn which. View tells in time.
var ErrUnknown = errors.New("state: stopped waiting for the disk; the outcome of the update is unknown")

// checkedValues is how many values each update compares with their
// fingerprints, when the build tag statecheck asks for that.
const checkedValues = 256

// Update runs fn on the newest state, as the only writer, and returns nil once
// the changes are durable and visible to View. fn must be quick and pure: no
// I/O, no waiting, and no Update inside, which would wait for itself for ever.
//
// When fn returns an error, that error is returned and nothing happened. When
// fn panics, nothing happened and the panic goes on. When fn changed nothing,
// Update returns without touching the journal, but not before everything fn
// may have seen is durable. When the journal refuses the changes (a full disk),
// the error is a *fault.Error with code ServerException, nothing happened, and
// later updates may succeed again.
//
// A ctx that is cancelled before fn ran means that nothing happens. Cancelled
// later, Update returns at once with an error that is ErrUnknown and the cause.
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

// stage runs fn and queues what it changed. It returns the commit to wait for:
// the update's own, or, when there is none, the newest one fn may have seen.
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

// commitAll is the committer: it takes everything that waits, appends it in one
// go, and starts over. It returns when the store closes and nothing waits.
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

// take ends the batch that waits and returns it with the state it leads to.
// What is staged from here on goes into the next batch, while this one is on
// its way to the disk.
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
	// An append that has begun is seen through: nobody could tell otherwise
	// what is on the disk.
	err := s.journal.Append(context.Background(), entries)
	if err != nil {
		s.fail(batch, err)
		return
	}
	s.publish(batch, next)
	s.compactIfLarge(entries)
}

// publish makes a durable batch visible, marks what it made dirty, and only
// then tells the updates that wait.
func (s *Store) publish(batch []*commit, next *Snapshot) {
	s.durable.Store(next)
	s.mu.Lock()
	if s.last == batch[len(batch)-1] {
		s.last = nil
	}
	s.mu.Unlock()
	for _, sub := range s.subscriptions() {
		for _, c := range batch {
			sub.mark(c.changes)
		}
	}
	for _, c := range batch {
		close(c.done)
	}
}

// fail undoes a batch that the journal refused, and everything that was staged
// on top of it meanwhile.
func (s *Store) fail(batch []*commit, cause error) {
	s.log.Error("state: the journal refused an update", "updates", len(batch), "err", cause)
	public := unavailable(cause)
	s.mu.Lock()
	batch = append(batch, s.queue...)
	s.queue, s.last = nil, nil
	s.staged = s.durable.Load()
	if errors.Is(cause, journal.ErrFenced) || errors.Is(cause, journal.ErrGap) {
		s.refuse = public // another store writes to this journal now
	}
	s.seals.undo(batch)
	s.mu.Unlock()
	for _, c := range batch {
		c.err = public
		close(c.done)
	}
}

// unavailable words a refusal of the journal for callers of the API.
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
