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

// Reason says why a socket was disconnected. It is one of the values below, or one of those of engineio.Reason.
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

// ErrDisconnected is returned to those that wait for a client that has disconnected.
var ErrDisconnected = errors.New("socketio: socket has been disconnected")

// Socket is a client in a namespace.
type Socket struct {
	id        string
	pid       string // private id, with recovery
	recovered bool
	ns        *Namespace
	conn      *conn
	handshake Handshake
	rooms     []string // guarded by the lock of the namespace's rooms
	sent      *sent    // nil without recovery

	mu          sync.Mutex
	state       uint8
	running     bool // the queue is being handled, or will be soon
	started     bool // run was called
	full        bool // so much is queued that the client must not be read from
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
	s.running = true // the first call of run handles the queue too
	return s
}

// ID returns the socket's id. It is not a secret: other clients may know it.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace that the socket is in.
func (s *Socket) Namespace() *Namespace { return s.ns }

// Recovered reports whether the client has reconnected and kept its id, rooms and data: see Recovery.
func (s *Socket) Recovered() bool { return s.recovered }

// Handshake returns what the client sent when it connected.
func (s *Socket) Handshake() Handshake { return s.handshake }

// Transport returns the current transport, engineio.Polling or engineio.WebSocket.
func (s *Socket) Transport() string { return s.conn.session.Transport() }

// SessionID returns the id of the connection. It is a secret between the client and the server.
func (s *Socket) SessionID() string { return s.conn.session.ID() }

// Connected reports whether the client is in the namespace.
func (s *Socket) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == socketJoined
}

// SetData stores a value with the socket. Other servers get its JSON.
func (s *Socket) SetData(v any) {
	s.mu.Lock()
	s.values = v
	s.mu.Unlock()
}

// Data returns the value that SetData stored, or nil. For a client that was recovered from another server it is the
// value's JSON, as a json.RawMessage; DataOf handles both.
func (s *Socket) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values
}

// DataOf returns the value that SetData stored, as a T. It decodes the value if the client was recovered from another
// server. It returns false if there is no value or if it has another type.
func DataOf[T any](s *Socket) (v T, ok bool) {
	kept := s.Data()
	if v, ok = kept.(T); ok {
		return v, true
	}
	text, ok := kept.(json.RawMessage)
	return v, ok && json.Unmarshal(text, &v) == nil
}

// data returns the JSON of the stored value, or an empty object if there is none or it cannot be encoded.
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

// Context returns a context that ends when the client is disconnected. Its cause wraps ErrDisconnected.
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

// Rooms returns the rooms that the socket is in. The first is the one whose name is the socket's id. After a disconnect
// it returns the rooms that the socket was in.
func (s *Socket) Rooms() []string { return s.ns.rooms.of(s) }

// Join puts the socket into rooms.
func (s *Socket) Join(rooms ...string) {
	joined, created := s.ns.rooms.join(s, rooms)
	if len(created) > 0 && s.ns.watcher != nil {
		s.ns.watcher.RoomsCreated(created)
	}
	s.ns.notifyRooms(s, joined, true)
}

// Leave takes the socket out of rooms.
func (s *Socket) Leave(rooms ...string) {
	left, emptied := s.ns.rooms.leave(s, rooms)
	s.ns.deleted(emptied)
	s.ns.notifyRooms(s, left, false)
}

// deleted reports rooms that have become empty to the adapter.
func (ns *Namespace) deleted(rooms []string) {
	if len(rooms) > 0 && ns.watcher != nil {
		ns.watcher.RoomsDeleted(rooms)
	}
}

// Emit sends an event. Arguments are encoded as by encoding/json, with these exceptions: []byte and Binary are sent as
// binary attachments; *Args and json.RawMessage are sent as they are. Emit does not wait for the client.
func (s *Socket) Emit(event string, args ...any) error {
	return s.emit(adapter.Flags{}, event, args)
}

// EmitVolatile is like Emit, but drops the event if it cannot be written at once.
func (s *Socket) EmitVolatile(event string, args ...any) error {
	return s.emit(adapter.Flags{Volatile: true}, event, args)
}

func (s *Socket) emit(f adapter.Flags, event string, args []any) error {
	if s.ns.keeper != nil && !f.Volatile && s.Connected() {
		return s.emitRecorded(f, event, args)
	}
	s.outgoing(event, args)
	m, err := s.message(event, args)
	if err != nil {
		return err
	}
	s.send(m, f)
	return nil
}

// message encodes an event that is not kept for recovery.
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

// emitRecorded sends an event that is kept for recovery, as a broadcast to the room of this socket.
func (s *Socket) emitRecorded(f adapter.Flags, event string, args []any) error {
	p, err := payload(nil, event, true, args)
	if err != nil {
		return err
	}
	f.Local = s.ns.history != nil // then only this server can recover the client
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
		return // another server has sent an event whose name is not a string
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

// Disconnect makes the client leave the namespace; it does not join again by itself. If closing is true, the client
// leaves all its namespaces, and its connection is closed.
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

// CloseConnection closes the client's connection when everything that was sent before has been written. The client
// reconnects by itself, maybe to another server, and may be recovered.
func (s *Socket) CloseConnection() { s.conn.session.Close() }

// sendDisconnect ends the socket and sends the client a DISCONNECT packet, after which it does not reconnect by itself.
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

// guard calls a function of the application that is no event handler, and handles a panic.
func (s *Socket) guard(what string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(what, p)
		}
	}()
	f()
}

// panicked logs a panic in a function of the application and closes the connection, because the function may have left
// its work half done.
func (s *Socket) panicked(what string, p any) {
	s.ns.srv.log.Error("socketio: handler panicked", "namespace", s.ns.name, "what", what,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	s.conn.session.Close()
}
