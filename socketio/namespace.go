package socketio

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/berthhq/berth/socketio/adapter"
)

// Handler handles an event of a client.
type Handler func(s *Socket, e *Event)

// Middleware is called when a client wants to join a namespace. It refuses the client by returning an error; the client
// gets the error's text. To send data too, return a *Refusal.
type Middleware func(s *Socket) error

// Refusal is an error of a Middleware that also sends data to the client.
type Refusal struct {
	Message string
	Data    any
}

func (r *Refusal) Error() string { return r.Message }

// Namespace is a part of a server with its own events and rooms. Clients join each namespace separately.
//
// Register handlers before the first client connects. A handler that is registered later is called for later events
// only.
type Namespace struct {
	name    string
	srv     *Server
	adapter adapter.Adapter
	watcher adapter.RoomWatcher // the adapter, if it is a RoomWatcher; else nil
	parent  *Namespace          // the template that it was made from; nil if it was made by Of
	keeper  keeper              // nil without recovery
	history *history            // the keeper, if the adapter is no Recoverer; else nil
	rooms   rooms
	clients atomic.Int64  // clients that have joined or are joining
	ackIDs  atomic.Uint64 // the next acknowledgement id; one for all sockets, because a broadcast has one id
	ready   atomic.Bool   // newNamespace has finished

	mu       sync.Mutex // held while hooks are replaced
	hooks    atomic.Pointer[hooks]
	serverOn map[string]ServerHandler // guarded by mu
}

// hooks are the registered functions. They never change: registering one makes a changed copy, so that events need no
// lock.
type hooks struct {
	use           []Middleware
	useEvent      []func(*Socket, *Event) error
	connect       []func(*Socket)
	events        map[string]*listener
	any           []Handler
	anyOutgoing   []func(s *Socket, event string, args []any)
	disconnecting []func(*Socket, Reason)
	disconnect    []func(*Socket, Reason)
	room          []func(s *Socket, room string, joined bool)
	upgrade       []func(*Socket)
	describe      []func(*Socket, json.RawMessage) json.RawMessage
}

func newNamespace(srv *Server, name string) *Namespace {
	ns := &Namespace{name: name, srv: srv}
	ns.rooms.sockets = make(map[string]*Socket)
	ns.rooms.members = make(map[string]*socketSet)
	ns.rooms.pids = make(map[string]*Socket)
	ns.hooks.Store(&hooks{})
	ns.adapter = noAdapter{}
	if open := srv.opt.Adapter; open != nil {
		a, err := open(node{ns})
		if err != nil {
			srv.log.Error("socketio: the namespace does not reach other servers", "namespace", name, "error", err)
		} else {
			ns.adapter = a
		}
	}
	ns.watcher, _ = ns.adapter.(adapter.RoomWatcher)
	if r := srv.opt.Recovery; r != nil {
		if k, ok := ns.adapter.(adapter.Recoverer); ok {
			ns.keeper = k
		} else {
			ns.history = newHistory(*r, srv.engine.Unnoticed())
			ns.keeper = ns.history
		}
	}
	ns.ready.Store(true)
	return ns
}

// Name returns the namespace's name, with its slash.
func (ns *Namespace) Name() string { return ns.name }

// change replaces the hooks by a changed copy.
func (ns *Namespace) change(f func(*hooks)) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	h := *ns.hooks.Load()
	f(&h)
	ns.hooks.Store(&h)
}

// Use adds a middleware. Before a client joins, middlewares are called in the order in which they were added. They may
// block.
func (ns *Namespace) Use(m Middleware) {
	ns.change(func(h *hooks) { h.use = append(h.use[:len(h.use):len(h.use)], m) })
}

// UseEvent adds a function that is called for each event before its handlers. If it returns an error, the handlers are
// not called, and the client gets {"error": text} if it waits for an acknowledgement.
func (ns *Namespace) UseEvent(f func(*Socket, *Event) error) {
	ns.change(func(h *hooks) { h.useEvent = append(h.useEvent[:len(h.useEvent):len(h.useEvent)], f) })
}

// OnConnect adds a function that is called for each client that has joined, before its first event.
func (ns *Namespace) OnConnect(f func(*Socket)) {
	ns.change(func(h *hooks) { h.connect = append(h.connect[:len(h.connect):len(h.connect)], f) })
}

// On sets the handler of an event; nil removes it.
func (ns *Namespace) On(event string, f Handler) {
	ns.change(func(h *hooks) {
		h.events = maps.Clone(h.events)
		if h.events == nil {
			h.events = make(map[string]*listener)
		}
		if h.events[event] = newListener(event, f); f == nil {
			delete(h.events, event)
		}
	})
}

// OnAny adds a handler that is called for every event, before the handler of that event.
func (ns *Namespace) OnAny(f Handler) {
	ns.change(func(h *hooks) { h.any = append(h.any[:len(h.any):len(h.any)], f) })
}

// OnAnyOutgoing adds a function that is called for every event that this server sends to a socket. For a broadcast,
// also one of another server, it is called once for each local socket, and args is a single *Args with all arguments.
// It must return quickly. If it broadcasts itself, it must do so in another namespace.
func (ns *Namespace) OnAnyOutgoing(f func(s *Socket, event string, args []any)) {
	ns.change(func(h *hooks) { h.anyOutgoing = append(h.anyOutgoing[:len(h.anyOutgoing):len(h.anyOutgoing)], f) })
}

// OnDisconnecting adds a function that is called when a client has left, before those of OnRoom and OnDisconnect.
func (ns *Namespace) OnDisconnecting(f func(*Socket, Reason)) {
	ns.change(func(h *hooks) {
		h.disconnecting = append(h.disconnecting[:len(h.disconnecting):len(h.disconnecting)], f)
	})
}

// OnDisconnect adds a function that is called when a client has left. Socket.Rooms still returns the rooms that it was
// in.
func (ns *Namespace) OnDisconnect(f func(*Socket, Reason)) {
	ns.change(func(h *hooks) { h.disconnect = append(h.disconnect[:len(h.disconnect):len(h.disconnect)], f) })
}

// OnRoom adds a function that is called when a socket has joined or left a room. It is also called for the room that
// each socket has to itself, whose name is the socket's id.
func (ns *Namespace) OnRoom(f func(s *Socket, room string, joined bool)) {
	ns.change(func(h *hooks) { h.room = append(h.room[:len(h.room):len(h.room)], f) })
}

// OnUpgrade adds a function that is called when a client has changed from long-polling to a WebSocket. It must not
// block.
func (ns *Namespace) OnUpgrade(f func(*Socket)) {
	ns.change(func(h *hooks) { h.upgrade = append(h.upgrade[:len(h.upgrade):len(h.upgrade)], f) })
}

// OnDescribe adds a function that may change the data that other servers get with the description of a socket. data is
// JSON; the function returns what is sent.
func (ns *Namespace) OnDescribe(f func(*Socket, json.RawMessage) json.RawMessage) {
	ns.change(func(h *hooks) { h.describe = append(h.describe[:len(h.describe):len(h.describe)], f) })
}

// notifyRooms calls the functions of OnRoom.
func (ns *Namespace) notifyRooms(s *Socket, rooms []string, joined bool) {
	for _, f := range ns.hooks.Load().room {
		for _, room := range rooms {
			s.guard("room", func() { f(s, room, joined) })
		}
	}
}

// Socket returns the local socket with that id, or nil.
func (ns *Namespace) Socket(id string) *Socket { return ns.rooms.get(id) }

// Sockets returns the local sockets, in no order.
func (ns *Namespace) Sockets() []*Socket { return ns.rooms.selected(adapter.Target{}) }

// Len returns the number of local sockets.
func (ns *Namespace) Len() int { return ns.rooms.len() }

// noAdapter is the adapter of a server without other servers.
type noAdapter struct{}

func (noAdapter) Publish(*adapter.Op) (bool, error)                               { return false, nil }
func (noAdapter) Request(context.Context, *adapter.Op, func(adapter.Reply)) error { return nil }
func (noAdapter) Close() error                                                    { return nil }

// node is a namespace as its adapter sees it.
type node struct{ ns *Namespace }

func (n node) Name() string             { return n.ns.name }
func (n node) HasRoom(room string) bool { return n.ns.rooms.has(room) }

func (n node) Apply(op *adapter.Op) {
	if n.ns.ready.Load() { // before that no client can have joined
		n.ns.apply(op)
	}
}

func (n node) Answer(ctx context.Context, op *adapter.Op, reply func(adapter.Reply)) {
	if !n.ns.ready.Load() {
		r := adapter.Reply{}
		if op.Kind == adapter.Broadcast {
			r.ClientCount = new(int)
		}
		reply(r)
		return
	}
	n.ns.answer(ctx, op, reply)
}

// RemoteSocket describes a socket of any server of the cluster.
type RemoteSocket struct {
	adapter.Socket

	ns *Namespace
}

// Describe returns the description of the socket that other servers get.
func (s *Socket) Describe() adapter.Socket {
	h, err := json.Marshal(s.handshake)
	if err != nil {
		h = json.RawMessage("{}")
	}
	data := s.data()
	for _, f := range s.ns.hooks.Load().describe {
		data = f(s, data)
	}
	return adapter.Socket{ID: s.id, Handshake: h, Rooms: s.Rooms(), Data: data}
}
