package socketio

import (
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
