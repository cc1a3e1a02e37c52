package engineio

import (
	"sync"
	"time"
)

const (
	stateOpen    = iota
	stateClosing // the receiver knows; the client has not fetched what is queued and the end yet
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
	dirty   bool // a caller of Queue must still call Flush
	corked  bool // only Uncork flushes
	posting bool
	left    bool // the client has closed the session
	failed  bool // the session has ended at once: its polls are refused
	probing bool // the candidate has answered a probe: only the client decides what comes next
	paused  bool // nothing is read
	hungUp  bool // at the last heartbeat the peer had closed the connection
	ws      *wsConn
	probe   *wsConn // candidate of an upgrade
	poll    chan []*Message
	queue   []*Message
	one     [1]*Message // storage for a queue of one
	queued  int         // bytes in queue
	unsent  int         // bytes the kernel did not take
	timer   *time.Timer
	due     time.Duration // when the next ping is due, or the last one was, since the server's start
	corks   *time.Timer   // ends Cork, once that was used
	resumed chan struct{} // closed by Resume, when a POST waits for it
	decided chan struct{} // closed when probing ends, when Server.Close waits for it
}

// ID returns the session's id. It is a secret between server and client.
func (s *Session) ID() string { return s.id }

// Transport returns the present transport, Polling or WebSocket.
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

// Writable reports whether a message sent now would leave at once.
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

// Queue queues m and reports whether the caller must call Flush; if not, another caller will.
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

// Flush writes what is queued, as far as the transport accepts it. It does not wait for the client.
func (s *Session) Flush() {
	s.mu.Lock()
	s.flush()
	s.mu.Unlock()
}

// flush must be called with the lock held, and releases it while it writes.
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

// take empties the queue. A queue with one message is returned without a slice, which saves an
// allocation in broadcasts.
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

// scheduleBeat schedules the next ping. The lock must be held.
func (s *Session) scheduleBeat() {
	s.due = time.Since(s.srv.start) + s.srv.opt.PingInterval
	s.timer.Reset(s.srv.opt.PingInterval)
}

// pongWithin returns how long a pong may take from now. The time counts from when the ping was due,
// not from when a busy server sent it, but at least half of PingTimeout is left.
func (s *Session) pongWithin() time.Duration {
	most := s.srv.opt.PingTimeout
	return max(most-(time.Since(s.srv.start)-s.due), most/2)
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
	case s.paused: // the pong cannot be read; the client expects pings nevertheless
		s.scheduleBeat()
		why = ""
	case !s.pinged:
		s.timer.Reset(s.pongWithin())
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
		s.scheduleBeat()
	}
	s.mu.Unlock()
}

// isOpen reports whether packets of the client still count.
func (s *Session) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateOpen
}

// receive handles a packet of the session's transport. If the layer above returned an error, the
// session is closed when receive returns.
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
		s.closedByClient()
	}
}

// closedByClient ends a session that its client has closed. A pending poll, or one that the client
// sent just before, gets a noop.
func (s *Session) closedByClient() {
	s.mu.Lock()
	s.left = s.ws == nil
	s.dropQueue()
	if s.state == stateClosing {
		s.flush()
	}
	s.mu.Unlock()
	s.closeWith(ReasonTransportClose)
}

// Close ends the session after what is queued has been sent.
func (s *Session) Close() { s.closeWith(ReasonForcedClose) }

func (s *Session) closeWith(why Reason) {
	s.mu.Lock()
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	s.startClosing()
	s.mu.Unlock()
	s.notifyClosed(why)
}

// startClosing sends what is queued and then the end, on the transport that the client has or will
// have. The lock must be held and the session open.
//
// A WebSocket on which no probe was answered is closed: its client continues polling. One with an
// answered probe stays: its client has stopped polling or is about to, and would notice nothing on
// its old transport.
func (s *Session) startClosing() {
	s.leave(stateClosing)
	if w := s.probe; w != nil && !s.probing {
		s.dropProbe()
		w.hangUp(0)
	}
	if s.ws != nil {
		s.shutWebSocket()
		return
	}
	s.timer = time.AfterFunc(closeLinger, func() {
		s.mu.Lock()
		s.finish()
		s.mu.Unlock()
	})
	s.flush()
}

// shutWebSocket ends a closing session on its WebSocket. It is called with the lock held.
func (s *Session) shutWebSocket() {
	w := s.ws
	w.shutting = true
	w.timer = time.AfterFunc(closeAnswer, w.link.Close)
	s.srv.remove(s)
	s.flush()
}

// finish ends a closing session that is still on polling. It is called with the lock held.
func (s *Session) finish() {
	if s.state != stateClosing || s.ws != nil {
		return
	}
	s.state = stateClosed
	s.timer.Stop()
	if w := s.probe; w != nil {
		s.dropProbe()
		w.hangUp(0)
	}
	s.srv.remove(s)
}

// Fail ends the session at once with the given reason: what is queued is lost.
func (s *Session) Fail(why Reason) { s.fail(why) }

// fail ends the session at once: what is queued is lost.
func (s *Session) fail(why Reason) {
	s.mu.Lock()
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	s.dropQueue()
	switch {
	case s.probing && s.poll == nil:
		s.failed = true
		s.startClosing() // the client may be waiting for its WebSocket only
	default:
		s.cut()
	}
	s.mu.Unlock()
	s.notifyClosed(why)
}

// cut closes all connections of an open session. It is called with the lock held.
func (s *Session) cut() {
	s.leave(stateClosed)
	for _, w := range []*wsConn{s.ws, s.probe} {
		if w != nil {
			w.link.Close()
		}
	}
	s.dropProbe()
	if s.poll != nil {
		close(s.poll)
		s.poll = nil
	}
	s.srv.remove(s)
}

// leave moves the session out of the open state. It is called with the lock held.
func (s *Session) leave(next uint8) {
	s.state = next
	if s.timer != nil {
		s.timer.Stop()
	}
	s.unpause() // packets are ignored now, except that the client leaves or changes its transport
}

func (s *Session) dropQueue() { s.queue, s.queued = nil, 0 }

func (s *Session) notifyClosed(why Reason) {
	if m := s.srv.opt.Metrics; m != nil {
		m.Closed(why)
	}
	s.recv.Closed(why)
}
