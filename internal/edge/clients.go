package edge

import (
	"sync"
	"sync/atomic"
)

// clientSet is the set of client connections, so that they can be closed. Requests do not lock it.
type clientSet struct {
	closing atomic.Bool
	mu      sync.Mutex // guards conns
	conns   map[*client]struct{}
}

func (s *clientSet) add(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = map[*client]struct{}{}
	}
	s.conns[c] = struct{}{}
	c.resting.Store(true)
	return !s.closing.Load()
}

func (s *clientSet) remove(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// rest sets whether c is between two requests. If it returns false, c must not start another one. rest stores
// the state and then checks for closing; closeIdle sets closing and then checks the states: so one of them sees
// the other.
func (s *clientSet) rest(c *client, resting bool) bool {
	c.resting.Store(resting)
	return !s.closing.Load()
}

// closeIdle closes connections that are between two requests, and makes the others close after the present one.
func (s *clientSet) closeIdle() {
	s.close(func(c *client) bool { return c.resting.Load() })
}

// closeAll closes every connection.
func (s *clientSet) closeAll() {
	s.close(func(*client) bool { return true })
}

func (s *clientSet) close(which func(*client) bool) {
	s.closing.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if which(c) {
			c.cut()
		}
	}
}
