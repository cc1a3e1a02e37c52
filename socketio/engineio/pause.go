package engineio

import "net/http"

// Pause stops reading from the client until Resume is called, so that TCP slows the client down.
// Data that was already read may still be delivered: on a WebSocket up to 64 KiB, from a polling
// request none. The session stays alive: the client gets pings, and may leave them unanswered,
// since pongs cannot be read. The server notices after at most two heartbeats if the client has
// gone.
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

// Resume undoes Pause. The client has the whole PingTimeout from now for an outstanding pong.
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

// gone is called at each heartbeat of a paused session. It reports whether the client had gone at
// the previous heartbeat already.
func (s *Session) gone() bool {
	was := s.hungUp
	s.hungUp = s.ws != nil && s.ws.link.HungUp()
	return was && s.hungUp
}

// await delays a request while the session is paused. It reports whether the client still waits.
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
