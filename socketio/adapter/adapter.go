// Package adapter has the interfaces between a Socket.IO server and the adapters that connect it with other servers.
// Only authors of adapters need it. Package redisadapter has adapters.
//
// For each namespace, the server calls the Connector of its options with a Node and gets an Adapter. The server passes
// operations for the other servers to the Adapter. The Adapter passes operations of other servers to the Node. Package
// adaptertest has the tests that an adapter must pass.
package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// ErrTimeout is returned when some clients or servers did not answer in time. The answers that arrived are returned
// with it.
var ErrTimeout = errors.New("socketio: operation has timed out")

// Adapter connects a namespace with the same namespace on other servers. It transports operations; the Nodes apply
// them. Its methods must be safe for concurrent use.
type Adapter interface {
	// Publish sends op to all other servers and does not wait for them. If it returns true, the adapter itself applies
	// op to the Node of this server, in the order that op has among the operations of all servers. If it returns
	// false, the caller applies it. After an error, other servers may not get op.
	Publish(op *Op) (applies bool, err error)
	// Request sends op to all other servers and calls each for every reply, until all have answered or ctx is done.
	// Calls of each do not overlap. If some servers did not answer, it returns an error.
	Request(ctx context.Context, op *Op, each func(Reply)) error
	// Close leaves the cluster.
	Close() error
}

// Node is a namespace of this server as its adapter sees it.
type Node interface {
	// Name returns the namespace's name, with its slash.
	Name() string
	// Apply applies op to the local sockets.
	Apply(op *Op)
	// Answer carries out a request of another server and calls reply for each part of the answer. It returns when there
	// are no more parts or ctx is done.
	Answer(ctx context.Context, op *Op, reply func(Reply))
	// HasRoom reports whether a local socket is in room.
	HasRoom(room string) bool
}

// Connector opens the adapter of a namespace.
type Connector func(Node) (Adapter, error)

// RoomWatcher is an Adapter that is informed when a room of this server gets its first local socket, and when it loses
// its last.
type RoomWatcher interface {
	RoomsCreated(rooms []string)
	RoomsDeleted(rooms []string)
}

// Op is an operation on the sockets of a namespace. Nobody changes it after it was passed on.
type Op struct {
	Kind   Kind
	Target Target
	Flags  Flags
	// Payload of Broadcast and ServerSideEmit, event name first.
	Payload Payload
	// Rooms of Join and Leave.
	Rooms []string
	// Close makes a Disconnect close the connections too.
	Close bool
	// Offset of a Broadcast that a Recoverer keeps; empty if it does not keep it.
	Offset string
}

// Kind says what an Op does.
type Kind uint8

// The kinds of operations. Adapter.Request gets Broadcast (to collect acknowledgements), Fetch, ServerSideEmit (to
// collect answers) and ListRooms. Adapter.Publish gets Broadcast, Join, Leave, Disconnect and ServerSideEmit.
const (
	Broadcast Kind = iota + 1
	Join
	Leave
	Disconnect
	Fetch
	ServerSideEmit
	ListRooms
)

// Target selects the sockets that are in any of Rooms, or all sockets if Rooms is empty, except those that are in any
// of Except.
type Target struct {
	Rooms, Except []string
}

// Flags modify how a broadcast is sent.
type Flags struct {
	// Volatile drops the event for each client to which it cannot be written at once.
	Volatile bool
	// Plain turns compression off for this event.
	Plain bool
	// Local says that the operation is for the sockets of this server only.
	Local bool
	// Single says that exactly one acknowledgement is expected.
	Single bool
	// Timeout is how long to wait for acknowledgements; 0 if the request has no deadline.
	Timeout time.Duration
}

// Reply is a part of the answer to a request.
type Reply struct {
	// ClientCount is how many clients of the answering server will acknowledge a broadcast. It is in the first reply of
	// each server, and nil in the others.
	ClientCount *int
	// Answer is the first argument of a client's acknowledgement or of a server's answer. Its JSON is one value, or
	// empty if there was no argument.
	Answer *Payload
	// Sockets of the answering server that a Fetch selects.
	Sockets []Socket
	// Rooms of the answering server, for ListRooms.
	Rooms []string
}

// Socket describes a client in a namespace to other servers.
type Socket struct {
	ID        string          `json:"id"`
	Handshake json.RawMessage `json:"handshake"`
	Rooms     []string        `json:"rooms"`
	Data      json.RawMessage `json:"data"`
}

// Payload is the content of an event or an acknowledgement: JSON, usually an array, and the binary attachments that the
// placeholders in it refer to.
type Payload struct {
	JSON        []byte
	Attachments [][]byte
}

// Size returns roughly how many bytes of memory the payload needs.
func (p Payload) Size() int {
	n := len(p.JSON) + 64
	for _, a := range p.Attachments {
		n += len(a)
	}
	return n
}
