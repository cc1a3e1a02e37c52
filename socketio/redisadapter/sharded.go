package redisadapter

import (
	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio/adapter"
)

// Mode says which rooms have channels of their own in a sharded cluster, so that a broadcast to a
// room reaches only the servers that have it. All servers of a cluster must have the same mode.
type Mode int

const (
	// Dynamic: public rooms, which are those that are not a socket's id. The JavaScript default.
	Dynamic Mode = iota
	// Static: no rooms.
	Static
)

// idLength is the length of a socket's id. A room whose name has this length counts as a socket's own room.
const idLength = 20

// Sharded is this server's membership in a cluster of the sharded format, which needs Redis 7.
type Sharded struct {
	*hub
	mode Mode
}

// NewSharded returns a cluster. client still belongs to the caller, who may close it after the
// server. On Redis Cluster there is a connection for each master.
func NewSharded(client redis.UniversalClient, mode Mode, opt Options) *Sharded {
	h := newHub(client, opt)
	h.sharded = true
	return &Sharded{h, mode}
}

// Connect returns the adapter.Connector of the cluster. It works also while Redis cannot be reached.
func (s *Sharded) Connect(node adapter.Node) (adapter.Adapter, error) {
	a := &shardedAdapter{peer: newPeer(s.hub, node, false), mode: s.mode}
	s.join(a, "", a.all, a.own)
	return a, nil
}

type shardedAdapter struct {
	*peer
	mode Mode
}

// Publish implements adapter.Adapter.
func (a *shardedAdapter) Publish(op *adapter.Op) (bool, error) {
	e, err := pack(op)
	if err != nil {
		return false, err
	}
	channel := a.all
	if op.Kind == adapter.Broadcast && a.mode == Dynamic && len(op.Target.Rooms) == 1 &&
		len(op.Target.Rooms[0]) != idLength {
		channel += op.Target.Rooms[0] + "#"
	}
	return false, a.publish(channel, e)
}

// RoomsCreated implements adapter.RoomWatcher.
func (a *shardedAdapter) RoomsCreated(rooms []string) {
	if a.mode != Dynamic {
		return
	}
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	if ch := a.channelsOf(rooms, true); len(ch) > 0 {
		a.h.listen(a, "", ch)
	}
}

// RoomsDeleted implements adapter.RoomWatcher.
func (a *shardedAdapter) RoomsDeleted(rooms []string) {
	if a.mode != Dynamic {
		return
	}
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	if ch := a.channelsOf(rooms, false); len(ch) > 0 {
		a.h.unlisten("", ch)
	}
}

// channelsOf leaves out the rooms that have changed again meanwhile: two changes of a room may be reported
// in the wrong order.
func (a *shardedAdapter) channelsOf(rooms []string, exist bool) []string {
	var channels []string
	for _, r := range rooms {
		if a.node.HasRoom(r) == exist {
			channels = append(channels, a.all+r+"#")
		}
	}
	return channels
}

// Close implements adapter.Adapter.
func (a *shardedAdapter) Close() error { return a.h.leave("", a.all, a.own) }
