package engineio

import "net/http"

// Pause stops reading from the client until Resume is called, so that TCP slows the client down. What had
// been read already may still come: of a WebSocket what one read of at most 64 KiB gave, of a polling
// request nothing. The session stays alive: the client gets its pings, and is not asked for the pongs that
// cannot be read. A client that has gone is noticed after two heartbeats at most.
func (s *Session) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused || s.state != stateOpen {
		return
	}
	s.paused, s.hungUp = true, false
	if s.ws != nil {
		s.ws.link.Pause()
	}
}

// Resume undoes Pause. A pong that is owed has the whole of PingTimeout from now.
func (s *Session) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.paused || s.state != stateOpen {
		return
	}
	s.unpause()
	if s.pinged {
		s.timer.Reset(s.srv.opt.PingTimeout)
	}
}

// unpause is called with the lock held.
func (s *Session) unpause() {
	if !s.paused {
		return
	}
	s.paused = false
	if s.ws != nil {
		s.ws.link.Resume()
	}
	if s.resumed != nil {
		close(s.resumed)
		s.resumed = nil
	}
}

// gone tells, at a heartbeat of a paused session, whether the client had gone at the one before already.
func (s *Session) gone() bool {
	was := s.hungUp
	s.hungUp = s.ws != nil && s.ws.link.HungUp()
	return was && s.hungUp
}

// await holds a request back while the session is paused. It reports whether the client still waits.
func (s *Session) await(r *http.Request) bool {
	for {
		s.mu.Lock()
		if !s.paused {
			s.mu.Unlock()
			return true
		}
		if s.resumed == nil {
			s.resumed = make(chan struct{})
		}
		resumed := s.resumed
		s.mu.Unlock()
		select {
		case <-resumed:
		case <-r.Context().Done():
			return false
		}
	}
}
