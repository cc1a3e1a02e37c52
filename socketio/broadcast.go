package socketio

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/packet"
)

// Selection selects sockets of a namespace on all servers of the cluster: those in any of some rooms, or all of them,
// except those in other rooms. It also says how to send to them. Methods that change it return a changed copy.
type Selection struct {
	ns     *Namespace
	target adapter.Target
	flags  adapter.Flags
}

// To selects the sockets in any of the rooms.
func (ns *Namespace) To(rooms ...string) Selection {
	return Selection{ns: ns, target: adapter.Target{Rooms: rooms}}
}

// Except selects all sockets that are in none of the rooms.
func (ns *Namespace) Except(rooms ...string) Selection {
	return Selection{ns: ns, target: adapter.Target{Except: rooms}}
}

// All selects all sockets of the namespace.
func (ns *Namespace) All() Selection { return Selection{ns: ns} }

// Emit sends an event to all sockets of the namespace, on all servers.
func (ns *Namespace) Emit(event string, args ...any) error { return ns.All().Emit(event, args...) }

// To selects the other sockets in any of the rooms.
func (s *Socket) To(rooms ...string) Selection {
	return Selection{ns: s.ns, target: adapter.Target{Rooms: rooms, Except: []string{s.id}}}
}

// Broadcast selects all sockets of the namespace but this one.
func (s *Socket) Broadcast() Selection {
	return Selection{ns: s.ns, target: adapter.Target{Except: []string{s.id}}}
}

// To adds rooms.
func (b Selection) To(rooms ...string) Selection {
	b.target.Rooms = slices.Concat(b.target.Rooms, rooms)
	return b
}

// Except leaves out the sockets that are in any of the rooms. To leave out a single socket, use its id as the room.
func (b Selection) Except(rooms ...string) Selection {
	b.target.Except = slices.Concat(b.target.Except, rooms)
	return b
}

// Volatile makes Emit drop the event for each client to which it cannot be written at once.
func (b Selection) Volatile() Selection { b.flags.Volatile = true; return b }

// Compress says whether events may be compressed for clients that negotiated compression. By default they may.
func (b Selection) Compress(yes bool) Selection { b.flags.Plain = !yes; return b }

// Local leaves out the sockets of other servers.
func (b Selection) Local() Selection { b.flags.Local = true; return b }

// Emit sends an event to the selected sockets. It does not wait for clients or other servers.
func (b Selection) Emit(event string, args ...any) error {
	p, err := payload(nil, event, true, args)
	if err != nil {
		return err
	}
	b.run(&adapter.Op{Kind: adapter.Broadcast, Payload: p})
	return nil
}

// run publishes op to the other servers, unless the selection is local, and applies it to the local sockets. Some
// adapters apply it to the local sockets themselves.
func (b Selection) run(op *adapter.Op) {
	op.Target, op.Flags = b.target, b.flags
	if !b.flags.Local {
		applies, err := b.ns.adapter.Publish(op)
		if err != nil {
			b.ns.srv.log.Debug("socketio: could not publish to the other servers", "namespace", b.ns.name, "error", err)
		}
		if applies {
			return
		}
	}
	b.ns.apply(op)
}

// Join puts the selected sockets into rooms.
func (b Selection) Join(rooms ...string) { b.run(&adapter.Op{Kind: adapter.Join, Rooms: rooms}) }

// Leave takes the selected sockets out of rooms.
func (b Selection) Leave(rooms ...string) { b.run(&adapter.Op{Kind: adapter.Leave, Rooms: rooms}) }

// Disconnect makes the selected sockets leave the namespace. If closing is true, their clients leave all namespaces and
// their connections are closed.
func (b Selection) Disconnect(closing bool) {
	b.run(&adapter.Op{Kind: adapter.Disconnect, Close: closing})
}

// ErrTimeout is returned when some clients or servers did not answer in time. The answers that arrived are returned
// with it.
var ErrTimeout = adapter.ErrTimeout

// EmitWithAck sends an event and collects one acknowledgement from each client, until all have answered or ctx is
// done. An acknowledgement has at most one argument: servers exchange only the first.
func (b Selection) EmitWithAck(ctx context.Context, event string, args ...any) ([]*Args, error) {
	p, err := payload(nil, event, true, args)
	if err != nil {
		return nil, err
	}
	op := &adapter.Op{Kind: adapter.Broadcast, Payload: p, Target: b.target, Flags: b.flags}
	if until, ok := ctx.Deadline(); ok {
		op.Flags.Timeout = time.Until(until)
	}
	var answers []*Args
	expected := 0
	err = b.gather(ctx, op, func(r adapter.Reply) {
		if r.ClientCount != nil {
			expected += *r.ClientCount
		} else if r.Answer != nil {
			answers = append(answers, argument(r.Answer))
		}
	})
	if err == nil && len(answers) < expected {
		err = ErrTimeout
	}
	return answers, err
}

// Sockets returns descriptions of the selected sockets, on all servers. With an error it returns those of the servers
// that answered.
func (b Selection) Sockets(ctx context.Context) ([]RemoteSocket, error) {
	var all []RemoteSocket
	err := b.gather(ctx, &adapter.Op{Kind: adapter.Fetch, Target: b.target, Flags: b.flags}, func(r adapter.Reply) {
		for _, s := range r.Sockets {
			all = append(all, RemoteSocket{s, b.ns})
		}
	})
	return all, err
}

// argument returns the answer of a client or server as its only argument.
func argument(p *adapter.Payload) *Args { return &Args{json: p.JSON, attachments: p.Attachments} }

// gather sends a request to this server and to all others at the same time, unless the selection is local, and calls
// each for every reply. Calls of each do not overlap. It returns when all servers have answered or failed.
func (b Selection) gather(ctx context.Context, op *adapter.Op, each func(adapter.Reply)) error {
	replies := make(chan adapter.Reply, 16)
	result := make(chan error, 2)
	pass := func(r adapter.Reply) { replies <- r }
	left := 1
	b.ns.srv.wg.Go(func() { b.ns.answer(ctx, op, pass); result <- nil })
	if !op.Flags.Local {
		left++
		b.ns.srv.wg.Go(func() { result <- b.ns.adapter.Request(ctx, op, pass) })
	}
	var failed error
	for left > 0 {
		select {
		case r := <-replies:
			each(r)
		case err := <-result:
			left--
			failed = errors.Join(failed, err)
		}
	}
	for {
		select {
		case r := <-replies:
			each(r)
		default:
			return failed
		}
	}
}

// apply applies op to the local sockets.
func (ns *Namespace) apply(op *adapter.Op) {
	switch op.Kind {
	case adapter.Broadcast:
		switch {
		case ns.keeper == nil:
			ns.flush(ns.broadcast(op, op.Payload, ""))
		case op.Flags.Volatile:
			ns.flush(ns.broadcast(op, withoutOffset(op.Payload), ""))
		case op.Offset != "":
			ns.flush(ns.broadcast(op, withOffset(op.Payload, op.Offset), op.Offset))
		case ns.history != nil:
			var flush []*engineio.Session
			ns.history.add(op, func(offset string) {
				flush = ns.broadcast(op, withOffset(op.Payload, offset), offset)
			})
			ns.flush(flush)
		default: // the adapter could not store the event, so it has no offset
			ns.flush(ns.broadcast(op, withoutOffset(op.Payload), ""))
		}
	case adapter.Join:
		for _, s := range ns.rooms.selected(op.Target) {
			s.Join(op.Rooms...)
		}
	case adapter.Leave:
		for _, s := range ns.rooms.selected(op.Target) {
			s.Leave(op.Rooms...)
		}
	case adapter.Disconnect:
		for _, s := range ns.rooms.selected(op.Target) {
			s.Disconnect(op.Close)
		}
	case adapter.ServerSideEmit:
		ns.serverEvent(op.Payload, nil)
	}
}

// broadcast encodes a payload once and queues it for the selected local sockets. offset is the event's offset, or
// empty if the event is not kept for recovery. It returns the sessions that must be flushed.
func (ns *Namespace) broadcast(op *adapter.Op, p adapter.Payload, offset string) (flush []*engineio.Session) {
	if len(ns.hooks.Load().anyOutgoing) > 0 {
		ns.outgoing(op.Payload, ns.rooms.selected(op.Target))
	}
	m := ns.srv.message(packet.Packet{Type: packet.Event, Namespace: ns.name}, p)
	if op.Flags.Plain {
		m = m.Uncompressed()
	}
	return ns.queue(m, op.Flags, func(each func(*Socket)) {
		if offset == "" {
			ns.rooms.each(op.Target, each)
			return
		}
		ns.rooms.each(op.Target, func(s *Socket) {
			s.sent.add(&offset)
			each(s)
		})
	})
}

// answer carries out a request on the local sockets and passes the results to reply.
func (ns *Namespace) answer(ctx context.Context, op *adapter.Op, reply func(adapter.Reply)) {
	switch op.Kind {
	case adapter.Broadcast:
		ns.collect(ctx, op, reply)
	case adapter.Fetch:
		r := adapter.Reply{}
		for _, s := range ns.rooms.selected(op.Target) {
			r.Sockets = append(r.Sockets, s.Describe())
		}
		reply(r)
	case adapter.ListRooms:
		reply(adapter.Reply{Rooms: ns.rooms.names()})
	case adapter.ServerSideEmit:
		ns.answerServer(ctx, op.Payload, reply)
	}
}
