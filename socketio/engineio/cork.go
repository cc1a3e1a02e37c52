package engineio

import "time"

// corkMost is how long Cork holds messages back at most.
const corkMost = time.Millisecond

// Cork holds messages back until Uncork, so that several leave in one write; not for longer than about
// a millisecond. Use it before sending several messages when their number is not known.
func (s *Session) Cork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.corked || s.state != stateOpen {
		return
	}
	s.corked = true
	if s.corks == nil {
		s.corks = time.AfterFunc(corkMost, s.Uncork)
		return
	}
	s.corks.Reset(corkMost)
}

// Uncork sends what was held back.
func (s *Session) Uncork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.corked {
		return
	}
	s.corked = false
	s.corks.Stop()
	if s.dirty {
		s.flush()
	}
}
