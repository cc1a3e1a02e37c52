package socketio

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/packet"
)

// ServerHandler handles an event that another server of the cluster has sent.
type ServerHandler func(*ServerEvent)

// ServerEvent is an event that another server has sent with ServerSideEmit or ServerSideAsk.
type ServerEvent struct {
	// Name of the event.
	Name string
	// Args are its arguments.
	Args Args

	answer   func(v any) error // nil when the other server does not wait for an answer
	answered atomic.Bool
}

// WantsAck reports whether the other server waits for an answer.
func (e *ServerEvent) WantsAck() bool { return e.answer != nil }

// Ack answers the event with one value. It does nothing if the other server does not wait for an answer. It may be
// called after the handler has returned. A second call returns ErrAnswered.
func (e *ServerEvent) Ack(v any) error {
	if e.answer == nil {
		return nil
	}
	if e.answered.Swap(true) {
		return ErrAnswered
	}
	return e.answer(v)
}

// OnServer sets the handler of an event that other servers of the cluster send with ServerSideEmit or
// ServerSideAsk; nil removes it.
func (ns *Namespace) OnServer(event string, f ServerHandler) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.serverOn == nil {
		ns.serverOn = make(map[string]ServerHandler)
	}
	if ns.serverOn[event] = f; f == nil {
		delete(ns.serverOn, event)
	}
}

// ServerSideEmit sends an event to the same namespace of all other servers.
func (ns *Namespace) ServerSideEmit(event string, args ...any) error {
	p, err := payload(nil, event, true, args)
	if err != nil {
		return err
	}
	_, err = ns.adapter.Publish(&adapter.Op{Kind: adapter.ServerSideEmit, Payload: p})
	return err
}

// ServerSideAsk sends an event to the same namespace of all other servers and collects one answer from each, until all
// have answered or ctx is done.
func (ns *Namespace) ServerSideAsk(ctx context.Context, event string, args ...any) ([]*Args, error) {
	p, err := payload(nil, event, true, args)
	if err != nil {
		return nil, err
	}
	var answers []*Args
	err = ns.adapter.Request(ctx, &adapter.Op{Kind: adapter.ServerSideEmit, Payload: p}, func(r adapter.Reply) {
		if r.Answer != nil {
			answers = append(answers, argument(r.Answer))
		}
	})
	return answers, err
}

// answerServer calls the handler and waits for its answer. A server without a handler does not answer.
func (ns *Namespace) answerServer(ctx context.Context, p adapter.Payload, reply func(adapter.Reply)) {
	answered := make(chan *adapter.Payload, 1)
	ns.serverEvent(p, func(v any) error {
		out, err := payload(nil, "", false, []any{v})
		if err != nil {
			return err
		}
		answered <- elements(out).first()
		return nil
	})
	select {
	case a := <-answered:
		reply(adapter.Reply{Answer: a})
	case <-ctx.Done():
	}
}

// serverEvent calls the handler of an event of another server. If the handler panics, the panic is logged. (For a
// client's event, the client's connection is closed too.)
func (ns *Namespace) serverEvent(p adapter.Payload, answer func(v any) error) {
	pkt := packet.Packet{Type: packet.Event, Data: p.JSON}
	name, args, err := pkt.Name()
	if err != nil {
		ns.srv.log.Warn("socketio: another server sent an event without a name", "namespace", ns.name)
		return
	}
	ns.mu.Lock()
	f := ns.serverOn[string(name)]
	ns.mu.Unlock()
	if f == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			ns.srv.log.Error("socketio: handler panicked", "namespace", ns.name,
				"event of a server", string(name), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	f(&ServerEvent{
		Name: string(name), Args: Args{json: args, attachments: p.Attachments}, answer: answer,
	})
}
