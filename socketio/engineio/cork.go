package engineio

import "time"

// maxCork is at most how long Cork delays messages.
const maxCork = time.Millisecond

// Cork delays messages until Uncork, but for at most about a millisecond, so that several are sent in one write. Use it
// before sending several messages when their number is not known.
func (s *Session) Cork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.corked || s.state != stateOpen {
		return
	}
	s.corked = true
	if s.corks == nil {
		s.corks = time.AfterFunc(maxCork, s.Uncork)
		return
	}
	s.corks.Reset(maxCork)
}

// Uncork sends the messages that Cork has delayed.
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
