package socketio

import (
	"errors"
	"sync/atomic"

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
	id       uint64
	wantsAck bool
	answered atomic.Bool
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

// onEvent queues an event for its handler.
func (s *Socket) onEvent(p *packet.Packet, attachments [][]byte) error {
	if len(p.Data) == 0 {
		return nil // the reference server ignores it
	}
	name, args, err := p.Name()
	if err != nil {
		return err
	}
	s.enqueue(&Event{Name: string(name), Args: Args{json: args, attachments: attachments}, socket: s, id: p.ID, wantsAck: p.HasID})
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
		s.conn.brake(1, 0)
	}
	if flood && s.conn.asks() {
		s.ns.srv.log.Warn("socketio: a client that is asked sends too much instead of its answer", "namespace", s.ns.name, "events", 2*opt.MaxPending, "bytes", 2*opt.MaxPendingBytes)
		s.ns.srv.wg.Go(func() { s.conn.session.Fail(engineio.ReasonSlow) })
	}
	if start {
		s.ns.srv.wg.Go(s.work)
	}
}

// dequeue takes the next event. When there is none it returns nil, and the caller's goroutine must end.
func (s *Socket) dequeue() (e *Event, more bool) {
	opt := &s.ns.srv.opt
	s.mu.Lock()
	e = s.head
	if e == nil {
		s.running = false
		s.mu.Unlock()
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
		s.conn.brake(-1, 0)
	}
	e.next = nil
	return e, more
}

// discard empties the queue of a socket that never joined. It is called with the lock held and returns the
// change for conn.brake.
func (s *Socket) discard() (full int32) {
	s.head, s.tail, s.queued, s.queuedBytes = nil, nil, 0, 0
	if s.full {
		full = -1
	}
	s.full = false
	return full
}

// work handles queued events until there is none. One goroutine at a time does it.
func (s *Socket) work() {
	corked := false
	for {
		e, more := s.dequeue()
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
	for _, f := range h.useEvent {
		if err := f(s, e); err != nil {
			e.fail(err)
			return
		}
	}
	for _, f := range h.any {
		f(s, e)
	}
	if f := h.events[e.Name]; f != nil {
		f(s, e)
	}
}

func (s *Socket) catch(e *Event) {
	if p := recover(); p != nil {
		s.panicked(e.Name, p)
	}
}
