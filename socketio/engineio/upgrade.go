package engineio

import (
	"time"

	"github.com/berthhq/berth/socketio/internal/wsframe"
)

const probe = "probe"

// releaseAfter is how long a poll may stay pending after the client has probed its WebSocket. The
// client waits for it before it changes to the WebSocket; usually a message answers it earlier.
const releaseAfter = 100 * time.Millisecond

// candidate accepts a WebSocket that may become the transport of s. A session has one candidate at
// a time, and none once it uses a WebSocket.
func (s *Session) candidate(w *wsConn, reply []byte) {
	_, err := w.link.Write(reply)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.ws != nil || s.probe != nil || s.state != stateOpen {
		w.hangUp(0)
		return
	}
	s.probe = w
	w.timer = time.AfterFunc(s.srv.opt.UpgradeTimeout, func() { s.outOfTime(w) })
}

// outOfTime closes a candidate that has not become the transport in time. A client whose request is
// delayed gets more time.
func (s *Session) outOfTime(w *wsConn) {
	s.mu.Lock()
	wait := s.probe == w && s.probing && s.posting
	if wait {
		w.timer.Reset(s.srv.opt.UpgradeTimeout)
	}
	s.mu.Unlock()
	if !wait {
		s.abandon(w)
	}
}

// abandon closes a candidate that has not become the transport.
func (s *Session) abandon(w *wsConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe == w {
		s.dropProbe()
		w.hangUp(0)
	}
}

// dropProbe is called with the lock held, when the candidate has become the transport or never will.
func (s *Session) dropProbe() {
	s.probe, s.probing = nil, false
	if s.decided != nil {
		close(s.decided)
		s.decided = nil
	}
}

// undecided returns a channel that is closed when the client has changed to its WebSocket or given
// that up; nil if it is not about to change.
func (s *Session) undecided() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.probing {
		return nil
	}
	if s.decided == nil {
		s.decided = make(chan struct{})
	}
	return s.decided
}

// probePacket handles what a candidate receives: a probe, then the upgrade; anything else ends it.
func (w *wsConn) probePacket(op wsframe.Op, payload []byte) error {
	s := w.s
	switch {
	case op == wsframe.Text && string(payload) == string(packetPing)+probe:
		if !w.answerProbe() {
			break
		}
		time.AfterFunc(releaseAfter, func() { s.release(w) })
		return nil
	case op == wsframe.Text && len(payload) > 0 && payload[0] == packetUpgrade && s.switchTo(w):
		if u, ok := s.recv.(Upgrader); ok && s.isOpen() {
			u.Upgraded()
		}
		return nil
	}
	s.abandon(w)
	return errStop
}

// answerProbe sends the answer to a probe. The session must not close in between: a client that has
// the answer stops polling.
func (w *wsConn) answerProbe() bool {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != w {
		return false
	}
	answer := control(packetPong, probe)
	n, err := w.link.Write(answer.wire)
	s.probing = err == nil && n == len(answer.wire)
	return s.probing
}

// release answers a pending poll, and later ones, until the client has changed its transport or
// given that up.
func (s *Session) release(w *wsConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != w || !s.probing {
		return
	}
	if s.poll != nil {
		s.poll <- s.pollBatch()
		s.poll = nil
	}
	time.AfterFunc(releaseAfter, func() { s.release(w) })
}

// switchTo makes w the transport and sends on it everything that polling has not sent. A client
// changes its transport only when its polls are answered, so a pending poll was sent after the
// change and has overtaken it: it is refused like later ones.
func (s *Session) switchTo(w *wsConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != w || !s.probing || s.posting || s.state == stateClosed {
		return false
	}
	if s.poll != nil {
		close(s.poll)
		s.poll = nil
	}
	w.timer.Stop()
	s.dropProbe()
	s.ws = w
	if s.state == stateClosing {
		s.timer.Stop()
		s.shutWebSocket()
		return true
	}
	if s.paused {
		w.link.Pause()
	}
	s.flush()
	return true
}
