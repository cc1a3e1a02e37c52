// Package adapter has the interfaces between a Socket.IO server and the adapters that connect it with others: package
// redisadapter, and adapters of your own. Applications do not need it.
//
// For each namespace the server calls the Connector of its options with a Node, and gets an Adapter. It
// gives the adapter operations for the other servers; the adapter gives the node those of others.
// Package adaptertest has the tests that an adapter must pass.
package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// ErrTimeout says that some clients or servers did not answer in time; what was answered is returned
// with it.
var ErrTimeout = errors.New("socketio: operation has timed out")

// Adapter connects a namespace with the same namespace on other servers. It carries operations; what
// they do to sockets is decided by the Node for which it was opened.
type Adapter interface {
	// Publish hands op to all other servers and does not wait for them. When it returns true the
	// adapter will itself have op applied here, in its order among those of other servers; otherwise
	// the caller does. An error means that the others may not get op.
	Publish(op *Op) (applies bool, err error)
	// Request hands op to all other servers and calls each for every reply, not at the same time,
	// until all have answered or ctx is done. When some did not answer it returns an error.
	Request(ctx context.Context, op *Op, each func(Reply)) error
	// Close leaves the cluster.
	Close() error
}

// Node is a namespace of this server as its adapter sees it.
type Node interface {
	// Name is the namespace's name, with its slash.
	Name() string
	// Apply does to the local sockets what op says.
	Apply(op *Op)
	// Answer does what op asks and reports what it learns, if anything. It returns when all is
	// reported or ctx is done.
	Answer(ctx context.Context, op *Op, reply func(Reply))
	// HasRoom reports whether a local socket is in room.
	HasRoom(room string) bool
}

// Connector opens the adapter of a namespace.
type Connector func(Node) (Adapter, error)

// RoomWatcher is an Adapter that wants to know which rooms this server has.
type RoomWatcher interface {
	RoomsCreated(rooms []string)
	RoomsDeleted(rooms []string)
}

// Op is an operation on the sockets of a namespace. It is not changed once it has been handed over.
type Op struct {
	Kind   Kind
	Target Target
	Flags  Flags
	// Payload of Broadcast and ServerSideEmit, event name first.
	Payload Payload
	// Rooms of Join and Leave.
	Rooms []string
	// Close the connection, not only the namespace, for Disconnect.
	Close bool
	// Offset of a Broadcast that a Recoverer keeps.
	Offset string
}

// Kind is what an Op does.
type Kind uint8

// The kinds of operations. Request is used with Broadcast, to collect acknowledgements, Fetch,
// ServerSideEmit and ListRooms; Publish with all others and with the same two emits.
const (
	Broadcast Kind = iota + 1
	Join
	Leave
	Disconnect
	Fetch
	ServerSideEmit
	ListRooms
)

// Target selects sockets: the union of Rooms, or all when there is none, without those in Except.
type Target struct {
	Rooms, Except []string
}

// Flags modify how a broadcast is sent.
type Flags struct {
	// Volatile drops it for clients that cannot take it at once.
	Volatile bool
	// Plain keeps it from being compressed.
	Plain bool
	// Local keeps it on this server.
	Local bool
	// Single says that one acknowledgement is expected.
	Single bool
	// Timeout for acknowledgements.
	Timeout time.Duration
}

// Reply is a part of the answer to a request.
type Reply struct {
	// ClientCount is how many clients of the answering server will acknowledge a broadcast. The
	// other replies of that server have nil.
	ClientCount *int
	// Answer is the first argument of a client's acknowledgement or of a server's answer: a payload
	// of one value, with no JSON if there is no argument.
	Answer *Payload
	// Sockets of the answering server.
	Sockets []Socket
	// Rooms of the answering server.
	Rooms []string
}

// Socket describes a client in a namespace to other servers.
type Socket struct {
	ID        string          `json:"id"`
	Handshake json.RawMessage `json:"handshake"`
	Rooms     []string        `json:"rooms"`
	Data      json.RawMessage `json:"data"`
}

// Payload is what an event or an acknowledgement carries on the wire: JSON, in general an array, and
// the binary attachments that its placeholders refer to.
type Payload struct {
	JSON        []byte
	Attachments [][]byte
}

// Size is about what the payload takes in memory, in bytes.
func (p Payload) Size() int {
	n := len(p.JSON) + 64
	for _, a := range p.Attachments {
		n += len(a)
	}
	return n
}
