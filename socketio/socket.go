package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/packet"
)

// Reason says why a socket was disconnected: one of engineio's reasons or one of these.
type Reason string

const (
	ReasonClientDisconnect Reason = "client namespace disconnect"
	ReasonServerDisconnect Reason = "server namespace disconnect"
)

const (
	socketJoining = iota
	socketJoined
	socketGone
)

// ErrDisconnected is returned by what waits for a client that has disconnected.
var ErrDisconnected = errors.New("socketio: socket has been disconnected")

// Socket is a client in a namespace.
type Socket struct {
	id        string
	pid       string // private id, with recovery
	recovered bool
	ns        *Namespace
	conn      *conn
	handshake Handshake
	rooms     []string // guarded by the namespace's rooms
	sent      *sent    // with recovery

	mu          sync.Mutex
	state       uint8
	running     bool // somebody works on the queue
	started     bool // run was called
	full        bool // so much is queued that reading is to stop
	queued      int
	queuedBytes int
	head        *Event
	tail        *Event
	acks        map[uint64]func(*Args, error)
	values      any
	ctx         context.Context
	cancel      context.CancelCauseFunc
}

func newSocket(ns *Namespace, c *conn, auth []byte) *Socket {
	s := &Socket{id: engineio.NewID(), ns: ns, conn: c, handshake: Handshake{req: c.handshake}}
	if len(auth) > 0 {
		s.handshake.Auth = json.RawMessage(auth)
	}
	if ns.keeper != nil {
		s.sent = &sent{}
	}
	s.running = true // the first run works on the queue too
	return s
}

// ID returns the socket's id. It is public: other clients may know it.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace that the socket is in.
func (s *Socket) Namespace() *Namespace { return s.ns }

// Recovered reports whether the client has come back and kept its id, rooms and data.
func (s *Socket) Recovered() bool { return s.recovered }

// Handshake returns what the client sent when it connected.
func (s *Socket) Handshake() Handshake { return s.handshake }

// Transport returns the present transport, engineio.Polling or engineio.WebSocket.
func (s *Socket) Transport() string { return s.conn.session.Transport() }

// SessionID returns the id of the connection. It is a secret between the client and the server.
func (s *Socket) SessionID() string { return s.conn.session.ID() }

// Connected reports whether the client is in the namespace.
func (s *Socket) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == socketJoined
}

// SetData keeps a value with the socket. Other servers get its JSON.
func (s *Socket) SetData(v any) {
	s.mu.Lock()
	s.values = v
	s.mu.Unlock()
}

// Data returns the value that SetData was given, or nil. For a client that was recovered on another server
// it is the value's JSON, a json.RawMessage; DataOf handles both.
func (s *Socket) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values
}

// DataOf returns what SetData was given, as a T. It decodes the value if the client has come from another
// server. It returns false when there is no value, or one of another type.
func DataOf[T any](s *Socket) (v T, ok bool) {
	kept := s.Data()
	if v, ok = kept.(T); ok {
		return v, true
	}
	text, ok := kept.(json.RawMessage)
	return v, ok && json.Unmarshal(text, &v) == nil
}

func (s *Socket) data() json.RawMessage {
	v := s.Data()
	if v == nil {
		return json.RawMessage("{}")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("{}")
	}
	return text
}

// Context ends when the client is disconnected; its cause wraps ErrDisconnected and names the reason.
func (s *Socket) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		if s.state == socketGone {
			s.cancel(ErrDisconnected)
		}
	}
	return s.ctx
}

// Rooms returns the rooms that the socket is in, its own first; after a disconnect, those it was in.
func (s *Socket) Rooms() []string { return s.ns.rooms.of(s) }

// Join puts the socket into rooms.
func (s *Socket) Join(rooms ...string) {
	joined, created := s.ns.rooms.join(s, rooms)
	if len(created) > 0 && s.ns.watcher != nil {
		s.ns.watcher.RoomsCreated(created)
	}
	s.ns.notifyRooms(s, joined, true)
}

// Leave takes it out of rooms.
func (s *Socket) Leave(rooms ...string) {
	left, emptied := s.ns.rooms.leave(s, rooms)
	s.ns.deleted(emptied)
	s.ns.notifyRooms(s, left, false)
}

func (ns *Namespace) deleted(rooms []string) {
	if len(rooms) > 0 && ns.watcher != nil {
		ns.watcher.RoomsDeleted(rooms)
	}
}

// Emit sends an event. Arguments are encoded as by encoding/json; []byte and Binary travel as binary
// attachments, *Args and json.RawMessage as they are. It does not wait for the client.
func (s *Socket) Emit(event string, args ...any) error {
	return s.emit(adapter.Flags{}, event, args)
}

// EmitVolatile is Emit that drops the event when it could not leave at once.
func (s *Socket) EmitVolatile(event string, args ...any) error {
	return s.emit(adapter.Flags{Volatile: true}, event, args)
}

func (s *Socket) emit(f adapter.Flags, event string, args []any) error {
	if s.ns.keeper != nil && !f.Volatile && s.Connected() {
		return s.emitRecorded(f, event, args) // which is a broadcast to one
	}
	s.outgoing(event, args)
	m, err := s.message(event, args)
	if err != nil {
		return err
	}
	s.send(m, f)
	return nil
}

// message encodes an event that is not kept.
func (s *Socket) message(event string, args []any) (*engineio.Message, error) {
	if s.ns.keeper == nil {
		return s.ns.srv.event(packet.Event, s.ns.name, 0, false, event, args)
	}
	p, err := payload(nil, event, true, args)
	if err != nil {
		return nil, err
	}
	return s.ns.srv.message(packet.Packet{Type: packet.Event, Namespace: s.ns.name}, withoutOffset(p)), nil
}

// emitRecorded sends an event that the client gets later if it is away now.
func (s *Socket) emitRecorded(f adapter.Flags, event string, args []any) error {
	p, err := payload(nil, event, true, args)
	if err != nil {
		return err
	}
	f.Local = s.ns.history != nil // nobody else could give it to the client
	Selection{
		ns: s.ns, target: adapter.Target{Rooms: []string{s.id}}, flags: f,
	}.run(&adapter.Op{Kind: adapter.Broadcast, Payload: p})
	return nil
}

func (s *Socket) outgoing(event string, args []any) {
	for _, f := range s.ns.hooks.Load().anyOutgoing {
		f(s, event, slices.Clone(args)) // args itself stays on the caller's stack
	}
}

// outgoing calls the hooks of OnAnyOutgoing for each local socket that gets a broadcast.
func (ns *Namespace) outgoing(p adapter.Payload, sockets []*Socket) {
	all := elements(p)
	var event string
	if all.Decode(0, &event) != nil {
		return // a number, of another server
	}
	args := all.From(1)
	for _, s := range sockets {
		s.outgoing(event, []any{args})
	}
}

func (s *Socket) send(m *engineio.Message, f adapter.Flags) {
	if f.Volatile {
		s.conn.session.SendVolatile(m)
		return
	}
	s.conn.session.Send(m)
}

// Disconnect makes the client leave the namespace; it will not come back by itself. With closing, it leaves
// all that it has joined, and the connection is closed.
func (s *Socket) Disconnect(closing bool) {
	if !closing {
		s.sendDisconnect()
		return
	}
	for _, other := range s.conn.all() {
		other.sendDisconnect()
	}
	s.conn.session.Close()
}

// CloseConnection closes the client's connection after what was sent to it. The client reconnects by itself,
// maybe to another server, and may be recovered.
func (s *Socket) CloseConnection() { s.conn.session.Close() }

// sendDisconnect sends the client a DISCONNECT: it leaves the namespace and does not reconnect by itself.
func (s *Socket) sendDisconnect() {
	s.mu.Lock()
	joined := s.state == socketJoined
	s.mu.Unlock()
	if joined {
		s.conn.session.Send(s.ns.srv.message(packet.Packet{
			Type: packet.Disconnect, Namespace: s.ns.name,
		}, adapter.Payload{}))
	}
	s.end(ReasonServerDisconnect)
}

// guard calls user code outside of events.
func (s *Socket) guard(what string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(what, p)
		}
	}()
	f()
}

// panicked logs a panic of user code and closes the connection, because the state of what the code was
// doing is not known.
func (s *Socket) panicked(what string, p any) {
	s.ns.srv.log.Error("socketio: handler panicked", "namespace", s.ns.name, "what", what,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	s.conn.session.Close()
}
