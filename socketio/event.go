package socketio

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/packet"
)

// Event is an event of a client.
type Event struct {
	// Name of the event.
	Name string
	// Args are its arguments. They stay valid after the handler has returned.
	Args Args

	socket   *Socket
	listener *listener // when the event came; nil if there was none
	id       uint64
	wantsAck bool
	answered atomic.Bool
	done     bool   // the handler keeps nothing of the event
	task     func() // instead of an event
	next     *Event
}

// ErrAnswered is returned by a second acknowledgement of one event.
var ErrAnswered = errors.New("socketio: event has been acknowledged already")

// WantsAck reports whether the client waits for an acknowledgement.
func (e *Event) WantsAck() bool { return e.wantsAck }

// Ack acknowledges the event. If the client did not ask for it nothing happens. It may be called
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

// ackValue acknowledges the event with one value, which v points to, and reports whether it has done so: not if that
// needs memory to be allocated for the value.
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

// events are events that nothing refers to any more, to be used again.
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
		e.Name = e.listener.event // costs no allocation
	} else {
		e.Name = string(name)
	}
	s.enqueue(e)
	return nil
}

// enqueue adds an event to the queue and starts a goroutine for the queue if there is none.
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

// dequeue takes the next event. When there is none, or none that a reader is to handle, it returns nil, and the
// caller must leave the queue alone.
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

// discard empties the queue of a socket that never joined. It is called with the lock held and returns the
// change for conn.adjustReading.
func (s *Socket) discard() (full int32) {
	s.head, s.tail, s.queued, s.queuedBytes = nil, nil, 0, 0
	if s.full {
		full = -1
	}
	s.full = false
	return full
}

// work handles queued events until there is none. One goroutine at a time does it. A reader, w, handles only those
// of quick handlers.
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
		if more && !corked { // answers to a burst leave together
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
	if e.done && len(h.useEvent)+len(h.any) == 0 { // nobody else has seen it
		*e = Event{}
		events.Put(e)
	}
}

func (s *Socket) catch(e *Event) {
	if p := recover(); p != nil {
		s.panicked(e.Name, p)
	}
}
