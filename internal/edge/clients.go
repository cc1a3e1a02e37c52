package edge

import (
	"sync"
	"sync/atomic"
)

// clientSet is the connections of clients, so that they can be closed. A request takes no lock of it.
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

// rest marks c as being between two requests or not; false means that it must not begin another one. A client marks and then looks,
// closeIdle says so and then looks at the marks: one of them sees the other.
func (s *clientSet) rest(c *client, resting bool) bool {
	c.resting.Store(resting)
	return !s.closing.Load()
}

// closeIdle closes the connections that are between two requests, and lets no other begin one.
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
