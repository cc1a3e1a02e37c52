package state

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// ErrClosed is returned when the store or the subscription has been closed.
var ErrClosed = errors.New("state: closed")

// Subscription is a set of dirty keys that fills as changes become durable.
// One goroutine calls Next; Close may be called from any.
type Subscription struct {
	mapper func(Change) []string
	leave  func(*Subscription)
	wake   chan struct{} // holds a token when dirty is not empty
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex // guards dirty
	dirty map[string]struct{}
}

// Next waits until there are dirty keys and returns them sorted; the set is
// empty afterwards. A snapshot taken after Next returned has every change that
// made a returned key dirty. Next returns ErrClosed after Close, or the cause
// for which ctx was cancelled.
func (s *Subscription) Next(ctx context.Context) ([]string, error) {
	select {
	case <-s.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.wake:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := slices.Sorted(maps.Keys(s.dirty))
	s.dirty = make(map[string]struct{}) // one that was cleared keeps the space of all it ever held
	return keys, nil
}

// Close ends the subscription: it collects no more keys.
func (s *Subscription) Close() {
	s.once.Do(func() {
		s.leave(s)
		close(s.closed)
	})
}

// mark maps changes to keys and adds them to the set. It never waits.
func (s *Subscription) mark(changes []Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		for _, key := range s.mapper(c) {
			s.dirty[key] = struct{}{}
		}
	}
	if len(s.dirty) > 0 {
		signal(s.wake)
	}
}

// signal leaves a token in a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
