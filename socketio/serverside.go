package socketio

import (
	"context"
	"sync"

	"github.com/berthhq/berth/socketio/packet"
)

// OnServer sets the handler of an event that other servers of the cluster emit by ServerSideEmit;
// answer must be called once when the other side asked for an answer, and may always be.
func (ns *Namespace) OnServer(event string, f func(args *Args, answer func(any))) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.serverOn == nil {
		ns.serverOn = make(map[string]func(*Args, func(any)))
	}
	ns.serverOn[event] = f
}

// ServerSideEmit sends an event to the same namespace of all other servers.
func (ns *Namespace) ServerSideEmit(event string, args ...any) error {
	p, err := payload(nil, event, true, args)
	if err != nil {
		return err
	}
	_, err = ns.adapter.Publish(&Op{Kind: ServerSideEmit, Payload: p})
	return err
}

// ServerSideAsk is ServerSideEmit that collects one answer of every other server, until all have
// answered or ctx is done.
func (ns *Namespace) ServerSideAsk(ctx context.Context, event string, args ...any) ([]*Args, error) {
	p, err := payload(nil, event, true, args)
	if err != nil {
		return nil, err
	}
	var answers []*Args
	err = ns.adapter.Request(ctx, &Op{Kind: ServerSideEmit, Payload: p}, func(r Reply) {
		answers = append(answers, r.Answer)
	})
	return answers, err
}

// answerServer calls the handler and waits for its answer. A server without a handler does not answer.
func (ns *Namespace) answerServer(ctx context.Context, p Payload, reply func(Reply)) {
	answered := make(chan *Args, 1)
	var once sync.Once
	ns.serverEvent(p, func(v any) {
		once.Do(func() {
			out, err := payload(nil, "", false, []any{v})
			if err != nil {
				ns.srv.log.Warn("socketio: an answer to another server cannot be encoded", "namespace", ns.name, "error", err)
				return
			}
			answered <- out.Args()
		})
	})
	select {
	case a := <-answered:
		reply(Reply{Answer: a})
	case <-ctx.Done():
	}
}

// serverEvent hands an event of another server to its handler.
func (ns *Namespace) serverEvent(p Payload, answer func(any)) {
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
	if answer == nil {
		answer = func(any) {}
	}
	f(&Args{json: args, attachments: p.Attachments}, answer)
}
