package engineio

import (
	"time"

	"github.com/berthhq/berth/socketio/internal/wsframe"
)

const probe = "probe"

// releaseAfter is how long a poll may stay pending once the client has probed its WebSocket. The client
// waits for it before it changes over, and mostly something to send comes first.
const releaseAfter = 100 * time.Millisecond

// candidate takes a WebSocket that is to become the transport of s. A session has one candidate at a
// time, and none once it is on a WebSocket.
func (s *Session) candidate(w *wsConn, reply []byte) {
	_, err := w.link.Write(reply)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.ws != nil || s.probe != nil || s.state != stateOpen {
		_, _ = w.link.Write(wsframe.AppendClose(nil, 0))
		w.link.Close()
		return
	}
	s.probe = w
	w.timer = time.AfterFunc(s.srv.opt.UpgradeTimeout, func() { s.abandon(w) })
}

// abandon closes a candidate that did not become the transport in time.
func (s *Session) abandon(w *wsConn) {
	s.mu.Lock()
	late := s.probe == w
	if late {
		s.probe, s.probing = nil, false
	}
	s.mu.Unlock()
	if late {
		_, _ = w.link.Write(wsframe.AppendClose(nil, 0))
		w.link.Close()
	}
}

// probePacket handles what a candidate receives: a probe, then the upgrade; anything else ends it.
func (w *wsConn) probePacket(op wsframe.Op, payload []byte) error {
	s := w.s
	switch {
	case op == wsframe.Text && string(payload) == string(packetPing)+probe:
		answer := control(packetPong, probe)
		if n, err := w.link.Write(answer.wire); err != nil || n < len(answer.wire) {
			break
		}
		s.mu.Lock()
		s.probing = s.probe == w
		s.mu.Unlock()
		time.AfterFunc(releaseAfter, func() { s.release(w) })
		return nil
	case op == wsframe.Text && len(payload) > 0 && payload[0] == packetUpgrade && s.switchTo(w):
		if u, ok := s.recv.(Upgrader); ok {
			u.Upgraded()
		}
		return nil
	}
	s.abandon(w)
	return errStop
}

// release lets a pending poll go, and again until the client has changed over or given up.
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

// switchTo makes w the transport and sends it everything polling did not take. A client changes over only when its
// polls are answered, so one that is pending was sent after the change and has overtaken it: it is refused like
// those that come later.
func (s *Session) switchTo(w *wsConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != w || !s.probing || s.posting || s.state != stateOpen {
		return false
	}
	if s.poll != nil {
		close(s.poll)
		s.poll = nil
	}
	w.timer.Stop()
	s.probe, s.probing, s.ws = nil, false, w
	if s.paused {
		w.link.Pause()
	}
	s.flush()
	return true
}
