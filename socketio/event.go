package socketio

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/packet"
)

// Event is an event that a client has sent.
type Event struct {
	// Name of the event.
	Name string
	// Args are its arguments. They stay valid after the handler has returned.
	Args Args

	socket   *Socket
	listener *listener // registered for the event when it was received; nil if there was none
	id       uint64
	wantsAck bool
	answered atomic.Bool
	reusable bool   // the handler does not keep the Event
	task     func() // called instead of handlers; the other fields are not set
	next     *Event // in the socket's queue
}

// ErrAnswered is returned when an event is acknowledged a second time.
var ErrAnswered = errors.New("socketio: event has been acknowledged already")

// WantsAck reports whether the client waits for an acknowledgement.
func (e *Event) WantsAck() bool { return e.wantsAck }

// Ack acknowledges the event. It does nothing if the client does not wait for an acknowledgement. It may be called
// after the handler has returned.
func (e *Event) Ack(args ...any) error {
	if !e.wantsAck {
		return nil
	}
	if e.answered.Swap(true) {
		return ErrAnswered
	}
	m, err := e.socket.ns.srv.event(packet.Ack, e.socket.ns.name, e.id, true, "", args)
	if err != nil {
		return err
	}
	e.socket.conn.session.Send(m)
	return nil
}

// ackValue acknowledges the event with the value that v points to, if the value has one of the types that Server.ack
// encodes. It reports whether the event is acknowledged now or needs no acknowledgement.
func (e *Event) ackValue(v any) bool {
	if !e.wantsAck {
		return true
	}
	m := e.socket.ns.srv.ack(e.socket.ns.name, e.id, v)
	if m == nil {
		return false
	}
	if !e.answered.Swap(true) {
		e.socket.conn.session.Send(m)
	}
	return true
}

// events has events that nothing refers to any more, for reuse.
var events sync.Pool // of *Event

func newEvent() *Event {
	if e, ok := events.Get().(*Event); ok {
		return e
	}
	return &Event{}
}

// onEvent queues an event for its handler.
func (s *Socket) onEvent(p *packet.Packet, attachments [][]byte) error {
	if len(p.Data) == 0 {
		return nil // the reference server ignores it
	}
	name, args, err := p.Name()
	if err != nil {
		return err
	}
	e := newEvent()
	e.Args, e.socket, e.id, e.wantsAck = Args{json: args, attachments: attachments}, s, p.ID, p.HasID
	if e.listener = s.ns.hooks.Load().events[string(name)]; e.listener != nil {
		e.Name = e.listener.event // the same string, without an allocation
	} else {
		e.Name = string(name)
	}
	s.enqueue(e)
	return nil
}

// enqueue adds an event to the queue, and has the queue handled if that is not under way. It stops reading from the
// client when too much is queued.
func (s *Socket) enqueue(e *Event) {
	opt := &s.ns.srv.opt
	s.mu.Lock()
	if s.state == socketGone && e.task == nil {
		s.mu.Unlock()
		return
	}
	if s.tail == nil {
		s.head = e
	} else {
		s.tail.next = e
	}
	s.tail = e
	s.queued++
	s.queuedBytes += e.Args.size()
	full := e.task == nil && !s.full && (s.queued > opt.MaxPending || s.queuedBytes > opt.MaxPendingBytes)
	flood := e.task == nil && (s.queued > 2*opt.MaxPending || s.queuedBytes > 2*opt.MaxPendingBytes)
	s.full = s.full || full
	start := !s.running
	s.running = true
	s.mu.Unlock()
	if full {
		s.conn.adjustReading(1, 0)
	}
	if flood && s.conn.awaitsAck() {
		s.ns.srv.log.Warn("socketio: a client sends too many events while its acknowledgement is awaited",
			"namespace", s.ns.name, "events", 2*opt.MaxPending, "bytes", 2*opt.MaxPendingBytes)
		s.ns.srv.wg.Go(func() { s.conn.session.Fail(engineio.ReasonSlow) })
	}
	switch {
	case !start:
	case e.listener.quick():
		s.ns.srv.wg.addQuick(s)
	default:
		s.ns.srv.wg.add(s)
	}
}

// dequeue takes the next event, and reports whether more follow. It returns nil if there is none, or if a reader w
// calls it and the event has no quick handler; then another goroutine gets the queue, and the caller must not touch
// it any more.
func (s *Socket) dequeue(w *reader) (e *Event, more bool) {
	opt := &s.ns.srv.opt
	s.mu.Lock()
	e = s.head
	if e == nil {
		s.running = false
		s.mu.Unlock()
		return nil, false
	}
	if w != nil && !e.listener.quick() {
		s.mu.Unlock()
		s.ns.srv.wg.add(s)
		return nil, false
	}
	more = e.next != nil
	if s.head = e.next; s.head == nil {
		s.tail = nil
	}
	s.queued--
	s.queuedBytes -= e.Args.size()
	room := s.full && s.queued <= opt.MaxPending/2 && s.queuedBytes <= opt.MaxPendingBytes/2
	s.full = s.full && !room
	s.mu.Unlock()
	if room {
		s.conn.adjustReading(-1, 0)
	}
	e.next = nil
	return e, more
}

// discard empties the queue of a socket that never joined. It returns the change for conn.adjustReading. The caller
// holds the lock.
func (s *Socket) discard() (full int32) {
	s.head, s.tail, s.queued, s.queuedBytes = nil, nil, 0, 0
	if s.full {
		full = -1
	}
	s.full = false
	return full
}

// work handles queued events until there are no more. Only one goroutine at a time may call it. If it is a reader, w
// is that reader and only events with quick handlers are handled; otherwise w is nil.
func (s *Socket) work(w *reader) {
	corked := false
	for {
		e, more := s.dequeue(w)
		if e == nil {
			if corked {
				s.conn.session.Uncork()
			}
			return
		}
		if more && !corked { // the answers to a burst of events are sent together
			corked = true
			s.conn.session.Cork()
		}
		if w != nil {
			w.now.Store(e.listener)
		}
		s.handle(e)
	}
}

func (s *Socket) handle(e *Event) {
	defer s.catch(e)
	if e.task != nil {
		e.task()
		return
	}
	h := s.ns.hooks.Load()
	l := h.events[e.Name]
	if l != nil {
		defer l.noteSince(time.Now())
	}
	for _, f := range h.useEvent {
		if err := f(s, e); err != nil {
			e.fail(err)
			return
		}
	}
	for _, f := range h.any {
		f(s, e)
	}
	if l == nil {
		return
	}
	l.handler(s, e)
	if e.reusable && len(h.useEvent)+len(h.any) == 0 { // no other function has got the Event
		*e = Event{}
		events.Put(e)
	}
}

func (s *Socket) catch(e *Event) {
	if p := recover(); p != nil {
		s.panicked(e.Name, p)
	}
}
