package engineio

import (
	"sync"
	"time"
)

const (
	stateOpen    = iota
	stateClosing // the receiver was told; a polling client has still to fetch the end
	stateClosed
)

// closeLinger is how long a closed session waits for the client to fetch the end or to answer the
// close frame.
const closeLinger = 30 * time.Second

// Session is one client, whatever its transport.
type Session struct {
	id   string
	srv  *Server
	recv Receiver

	mu      sync.Mutex
	state   uint8
	pinged  bool // a ping was sent and its pong is awaited
	dirty   bool // a Flush is owed
	corked  bool // nobody flushes but Uncork
	posting bool
	left    bool // the client has closed the session
	probing bool // the candidate has been probed
	paused  bool // nothing is read
	hungUp  bool // and the peer was seen to have gone
	ws      *wsConn
	probe   *wsConn // candidate of an upgrade
	poll    chan []*Message
	queue   []*Message
	one     [1]*Message // where a queue of one lies
	queued  int         // bytes in queue
	unsent  int         // bytes the kernel did not take
	timer   *time.Timer
	corks   *time.Timer   // bounds Cork, once it was used
	resumed chan struct{} // closed by Resume, when a POST waits for it
}

// ID is the session's id. It is a secret between server and client.
func (s *Session) ID() string { return s.id }

// Transport is the present transport, Polling or WebSocket.
func (s *Session) Transport() string {
	if s.onWebSocket() {
		return WebSocket
	}
	return Polling
}

func (s *Session) onWebSocket() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ws != nil
}

// Writable tells whether a message sent now would leave at once.
func (s *Session) Writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writable()
}

func (s *Session) writable() bool {
	if s.state != stateOpen || len(s.queue) > 0 {
		return false
	}
	if s.ws != nil {
		return !s.ws.writing && !s.ws.blocked
	}
	return s.poll != nil
}

// Send queues m and starts to write it.
func (s *Session) Send(m *Message) {
	if s.Queue(m) {
		s.Flush()
	}
}

// SendVolatile sends m if that is possible at once and drops it otherwise.
func (s *Session) SendVolatile(m *Message) {
	s.mu.Lock()
	ok := s.writable() && s.push(m)
	s.mu.Unlock()
	if ok {
		s.Flush()
	}
}

// Queue adds m to what is to be sent and reports whether the caller must see to it that Flush is
// called; if not, somebody else does.
func (s *Session) Queue(m *Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.push(m)
}

func (s *Session) push(m *Message) (flush bool) {
	if s.state != stateOpen {
		return false
	}
	if behind := s.queued + s.unsent; behind > 0 && behind+len(m.wire) > s.srv.opt.MaxBuffer {
		s.srv.wg.Go(func() { s.fail(ReasonSlow) })
		return false
	}
	if s.queue == nil {
		s.queue = s.one[:0]
	}
	s.queue = append(s.queue, m)
	s.queued += len(m.wire)
	flush = !s.dirty && !s.corked
	s.dirty = true
	return flush
}

// corkMost is how long Cork holds messages back at most.
const corkMost = time.Millisecond

// Cork holds messages back until Uncork, so that several leave in one write; not for longer than about
// a millisecond. It is for who is about to send several and does not know how many.
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

// Flush writes what is queued as far as the transport takes it. It does not wait for the client.
func (s *Session) Flush() {
	s.mu.Lock()
	s.flush()
	s.mu.Unlock()
}

// flush is called with the lock held and gives it up while it writes.
func (s *Session) flush() {
	s.dirty = false
	if s.ws != nil {
		s.flushWebSocket()
		return
	}
	if s.poll != nil && (len(s.queue) > 0 || s.state == stateClosing) {
		s.poll <- s.pollBatch()
		s.poll = nil
	}
}

// take empties the queue. A queue of one comes as one: it costs no slice, which counts in a broadcast.
func (s *Session) take() (one *Message, batch []*Message) {
	if m := s.srv.opt.Metrics; m != nil && len(s.queue) > 0 {
		m.Packets(false, len(s.queue), s.queued)
	}
	if len(s.queue) == 1 {
		one = s.queue[0]
	} else {
		batch = s.queue
	}
	s.queue, s.one[0], s.queued = nil, nil, 0
	return one, batch
}

// beat runs when the heartbeat timer fires.
func (s *Session) beat() {
	s.mu.Lock()
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	why := ReasonPingTimeout
	switch {
	case s.paused && s.gone():
		why = ReasonTransportClose
	case s.paused: // the pong cannot be read; the client wants its pings all the same
		s.timer.Reset(s.srv.opt.PingInterval)
		why = ""
	case !s.pinged:
		s.timer.Reset(s.srv.opt.PingTimeout)
		why = ""
	}
	if why != "" {
		s.mu.Unlock()
		s.fail(why)
		return
	}
	s.pinged = true
	s.push(pingMessage)
	s.flush()
	s.mu.Unlock()
}

var pingMessage, noopMessage, closeMessage = control(packetPing, ""), control(packetNoop, ""), control(packetClose, "")

func (s *Session) pong() {
	s.mu.Lock()
	if s.pinged && s.state == stateOpen {
		s.pinged = false
		s.timer.Reset(s.srv.opt.PingInterval)
	}
	s.mu.Unlock()
}

// receive handles a packet of the session's transport. An error of the layer above has closed the
// session already when receive returns.
func (s *Session) receive(p packet) {
	switch p.kind {
	case packetMessage:
		if m := s.srv.opt.Metrics; m != nil {
			m.Packets(true, 1, len(p.data))
		}
		if err := s.recv.Message(p.data, p.binary); err != nil {
			s.srv.opt.Log.Debug("engineio: closing a session after a bad message", "sid", s.id, "error", err)
			s.closeWith(ReasonForcedClose)
		}
	case packetPong:
		s.pong()
	case packetPing: // only servers ping
		s.closeWith(ReasonTransportError)
	case packetClose:
		s.leftByClient()
	}
}

// leftByClient ends a session that its client has closed. A poll that is pending, or that the client
// sent just before and that is still on its way, is let go.
func (s *Session) leftByClient() {
	s.mu.Lock()
	s.left, s.queue, s.queued = s.ws == nil, nil, 0
	s.mu.Unlock()
	s.closeWith(ReasonTransportClose)
}

// Close ends the session after what is queued has been sent.
func (s *Session) Close() { s.closeWith(ReasonForcedClose) }

// leave moves the session out of the open state, once.
func (s *Session) leave(next uint8) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen {
		return false
	}
	s.state = next
	if s.timer != nil {
		s.timer.Stop()
	}
	return true
}

func (s *Session) closeWith(why Reason) {
	if !s.leave(stateClosing) {
		return
	}
	s.mu.Lock()
	if s.probe != nil {
		s.probe.link.Close()
		s.probe = nil
	}
	s.unpause() // what is read does not count any more, but the answer to the close frame
	if w := s.ws; w != nil {
		w.shutting = true
		w.timer = time.AfterFunc(closeAnswer, w.link.Close)
		s.flush()
		s.mu.Unlock()
		s.srv.remove(s)
	} else {
		s.timer = time.AfterFunc(closeLinger, func() { s.srv.remove(s) })
		s.flush()
		s.mu.Unlock()
	}
	s.told(why)
}

// Fail ends the session at once with the given reason: what is queued is lost.
func (s *Session) Fail(why Reason) { s.fail(why) }

// fail ends the session at once: what is queued is lost.
func (s *Session) fail(why Reason) {
	if !s.leave(stateClosed) {
		return
	}
	s.mu.Lock()
	for _, w := range []*wsConn{s.ws, s.probe} {
		if w != nil {
			w.link.Close()
		}
	}
	s.unpause()
	s.probe, s.queue, s.queued = nil, nil, 0
	if s.poll != nil {
		close(s.poll)
		s.poll = nil
	}
	s.mu.Unlock()
	s.srv.remove(s)
	s.told(why)
}

func (s *Session) told(why Reason) {
	if m := s.srv.opt.Metrics; m != nil {
		m.Closed(why)
	}
	s.recv.Closed(why)
}
