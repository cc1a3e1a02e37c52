package socketio

import (
	"context"
	"sync"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/packet"
)

// onAck passes an acknowledgement to the function that waits for it. An acknowledgement that nothing waits for is
// ignored.
func (s *Socket) onAck(p *packet.Packet, attachments [][]byte) {
	if !p.HasID || len(p.Data) == 0 {
		return
	}
	if done := s.takeAck(p.ID); done != nil {
		done(&Args{json: p.Args(), attachments: attachments}, nil)
	}
}

// takeAck removes and returns the function that waits for acknowledgement id, or nil if there is none.
func (s *Socket) takeAck(id uint64) func(*Args, error) {
	s.mu.Lock()
	done := s.acks[id]
	delete(s.acks, id)
	last := done != nil && len(s.acks) == 0
	s.mu.Unlock()
	if last {
		s.conn.adjustReading(0, -1)
	}
	return done
}

// onAnswer has done called once, with the client's acknowledgement of id or with an error. done must return quickly.
func (s *Socket) onAnswer(id uint64, done func(*Args, error)) {
	s.mu.Lock()
	gone := s.state == socketGone
	if !gone {
		if s.acks == nil {
			s.acks = make(map[uint64]func(*Args, error), 1)
		}
		s.acks[id] = done
	}
	first := len(s.acks) == 1
	s.mu.Unlock()
	switch {
	case gone:
		done(nil, ErrDisconnected)
	case first:
		s.conn.adjustReading(0, 1)
	}
}

// EmitWithAck sends an event and waits until the client acknowledges it, the client disconnects, or ctx is done.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (*Args, error) {
	type answer struct {
		args *Args
		err  error
	}
	c := make(chan answer, 1)
	id, err := s.emitAsk(event, args, func(a *Args, err error) { c <- answer{a, err} })
	if err != nil {
		return nil, err
	}
	select {
	case a := <-c:
		return a.args, a.err
	case <-ctx.Done():
		s.takeAck(id)
		return nil, context.Cause(ctx)
	}
}

// EmitAsk sends an event and does not wait. It calls done once, with the client's acknowledgement, or with an error
// if the client disconnects first. There is no time limit. done runs on a goroutine that serves other clients too, so
// it must return quickly.
func (s *Socket) EmitAsk(event string, done func(*Args, error), args ...any) error {
	_, err := s.emitAsk(event, args, done)
	return err
}

func (s *Socket) emitAsk(event string, args []any, done func(*Args, error)) (uint64, error) {
	s.outgoing(event, args)
	id := s.ns.ackIDs.Add(1) - 1
	m, err := s.ns.srv.event(packet.Event, s.ns.name, id, true, event, args)
	if err != nil {
		return 0, err
	}
	s.onAnswer(id, done)
	s.conn.session.Send(m)
	return id, nil
}

// collect sends a broadcast to the selected local sockets. It first reports how many there are, and then each answer.
// It returns when each of them has answered or disconnected, or when ctx is done.
func (ns *Namespace) collect(ctx context.Context, op *adapter.Op, reply func(adapter.Reply)) {
	id := ns.ackIDs.Add(1) - 1
	m := ns.srv.message(packet.Packet{Type: packet.Event, Namespace: ns.name, ID: id, HasID: true}, op.Payload)
	if op.Flags.Plain {
		m = m.Uncompressed()
	}
	all := ns.rooms.selected(op.Target)
	if len(ns.hooks.Load().anyOutgoing) > 0 {
		ns.outgoing(op.Payload, all)
	}
	count := len(all)
	reply(adapter.Reply{ClientCount: &count})
	var (
		mu   sync.Mutex
		left = len(all)
		done = make(chan struct{})
	)
	if left == 0 {
		return
	}
	finish := func(a *Args, err error) {
		mu.Lock()
		defer mu.Unlock()
		if left < 0 {
			return
		}
		if err == nil {
			reply(adapter.Reply{Answer: a.first()})
		}
		if left--; left == 0 {
			left = -1
			close(done)
		}
	}
	for _, s := range all {
		s.onAnswer(id, finish)
	}
	ns.deliver(m, adapter.Flags{}, func(each func(*Socket)) {
		for _, s := range all {
			each(s)
		}
	})
	select {
	case <-done:
	case <-ctx.Done():
		for _, s := range all {
			s.takeAck(id)
		}
		mu.Lock()
		left = -1
		mu.Unlock()
	}
}

// deliver queues m for each socket that sockets yields. Other goroutines write it, unless it is for one socket only.
func (ns *Namespace) deliver(m *engineio.Message, f adapter.Flags, sockets func(func(*Socket))) {
	ns.flush(ns.queue(m, f, sockets))
}

// queue queues m for each socket that sockets yields, and returns the sessions that must be flushed. A volatile
// message is left out for a session that cannot write at once.
func (ns *Namespace) queue(
	m *engineio.Message, f adapter.Flags, sockets func(func(*Socket)),
) (flush []*engineio.Session) {
	sockets(func(s *Socket) {
		session := s.conn.session
		if f.Volatile && !session.Writable() {
			return
		}
		if session.Queue(m) {
			flush = append(flush, session)
		}
	})
	return flush
}

func (ns *Namespace) flush(sessions []*engineio.Session) {
	if len(sessions) == 1 {
		sessions[0].Flush()
		return
	}
	ns.srv.engine.FlushLater(sessions)
}
