package state

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is returned when the store or the subscription has been closed.
var ErrClosed = errors.New("state: closed")

// Subscription is a set of dirty keys, to which changes add keys once they are durable. One
// goroutine calls Next and Take; Close may be called from any.
type Subscription[K comparable] struct {
	mapper Mapper[K]
	leave  func()
	wake   chan struct{} // has a token when there are dirty keys
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex // guards what follows
	keys   []K        // dirty keys, in the order in which they became dirty
	dirty  map[K]struct{}
	mapped uint64 // revision up to which changes have been mapped to keys
	wanted uint64 // NextRev returns once mapped has reached it; 0 means none is wanted
}

// Mapper returns the keys that a change makes dirty. The snapshot is the first that includes the
// change. Mapper runs on the store's goroutine, so it must be quick and must not wait.
type Mapper[K comparable] func(Change, *Snapshot) []K

// subscriber is a subscription with any type of key.
type subscriber interface {
	mark([]Change, *Snapshot)
	Close()
}

// Subscribe starts to collect the keys that mapper returns for each change that becomes durable
// from now on. At first no key is dirty, so callers start by treating every key as dirty.
func Subscribe[K comparable](s *Store, mapper Mapper[K]) *Subscription[K] {
	sub := &Subscription[K]{
		mapper: mapper,
		wake:   make(chan struct{}, 1),
		closed: make(chan struct{}),
		dirty:  make(map[K]struct{}),
	}
	sub.leave = func() {
		s.subsMu.Lock()
		defer s.subsMu.Unlock()
		delete(s.subs, sub)
	}
	s.subsMu.Lock()
	defer s.subsMu.Unlock()
	s.subs[sub] = struct{}{}
	return sub
}

// Next waits until there are dirty keys, and returns them in the order in which they became dirty.
// The set is empty afterwards. A snapshot taken after Next returned includes every change that made
// a returned key dirty. Next returns ErrClosed after Close, or the cause for which ctx was
// cancelled.
func (s *Subscription[K]) Next(ctx context.Context) ([]K, error) {
	keys, _, err := s.NextRev(ctx)
	return keys, err
}

// NextRev is Next with a revision: all changes up to it are included in the keys returned since
// Subscribe. NextRev also returns, possibly without keys, once a revision given to Want is reached.
func (s *Subscription[K]) NextRev(ctx context.Context) ([]K, uint64, error) {
	select {
	case <-s.closed:
		return nil, 0, ErrClosed
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	case <-s.wake:
	}
	keys, rev := s.take()
	return keys, rev, nil
}

// Want makes NextRev return once every change up to rev has been mapped to keys, even if there are
// none.
func (s *Subscription[K]) Want(rev uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = max(s.wanted, rev)
	s.wakeUp()
}

// Take is Next without waiting: it returns no keys if none is dirty. When Update returns, the keys
// for its changes are in the set.
func (s *Subscription[K]) Take() []K {
	select {
	case <-s.wake:
		keys, _ := s.take()
		return keys
	default:
		return nil
	}
}

func (s *Subscription[K]) take() ([]K, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.keys
	// A map that was cleared keeps its memory, so make a new one.
	s.keys, s.dirty = nil, make(map[K]struct{})
	return keys, s.mapped
}

// Close ends the subscription: it collects no more keys.
func (s *Subscription[K]) Close() {
	s.once.Do(func() {
		s.leave()
		close(s.closed)
	})
}

// mark maps changes to keys and adds them to the set. It never waits.
func (s *Subscription[K]) mark(changes []Change, now *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mapped = now.Rev
	for _, c := range changes {
		for _, key := range s.mapper(c, now) {
			if _, ok := s.dirty[key]; !ok {
				s.dirty[key] = struct{}{}
				s.keys = append(s.keys, key)
			}
		}
	}
	s.wakeUp()
}

// wakeUp wakes NextRev if there is a reason. mu must be held.
func (s *Subscription[K]) wakeUp() {
	reached := s.wanted > 0 && s.wanted <= s.mapped
	if reached {
		s.wanted = 0
	}
	if reached || len(s.keys) > 0 {
		signal(s.wake)
	}
}

// signal puts a token in a channel of capacity one, unless it has one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
