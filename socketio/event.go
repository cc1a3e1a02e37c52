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

// ErrAnswered is a second answer to one event.
var ErrAnswered = errors.New("socketio: event has been acknowledged already")

// WantsAck tells whether the client waits for an acknowledgement.
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

// enqueue adds to the queue and sees to it that somebody works on it.
func (s *Socket) enqueue(e *Event) {
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
	flood := e.task == nil && (s.queued > s.ns.srv.opt.MaxPending || s.queuedBytes > s.ns.srv.opt.MaxPendingBytes)
	start := !s.running
	s.running = true
	s.mu.Unlock()
	if flood {
		s.ns.srv.log.Warn("socketio: a client sends faster than its events are handled", "namespace", s.ns.name, "events", s.ns.srv.opt.MaxPending, "bytes", s.ns.srv.opt.MaxPendingBytes)
		s.ns.srv.wg.Go(func() { s.conn.session.Fail(engineio.ReasonSlow) })
	}
	if start {
		s.ns.srv.wg.Go(s.work)
	}
}

// work handles queued events until there is none. One goroutine at a time does it.
func (s *Socket) work() {
	corked := false
	for {
		s.mu.Lock()
		e := s.head
		if e == nil {
			s.running = false
			s.mu.Unlock()
			if corked {
				s.conn.session.Uncork()
			}
			return
		}
		more := e.next != nil
		if s.head = e.next; s.head == nil {
			s.tail = nil
		}
		s.queued--
		s.queuedBytes -= e.Args.size()
		s.mu.Unlock()
		e.next = nil
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
