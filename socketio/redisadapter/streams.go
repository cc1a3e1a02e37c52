package redisadapter

import (
	"context"
	"encoding/base64"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio/adapter"
)

// StreamOptions are further options of the streams format.
type StreamOptions struct {
	// Name of the stream. Default "socket.io".
	Name string
	// MaxLen is about how many entries are kept, for all namespaces. Default 10,000.
	MaxLen int64
	// Keep is how long sessions of clients that have gone are kept. Default socketio.Recovery's
	// MaxDisconnection, or 2 min.
	Keep time.Duration
	// SessionPrefix of their keys. Default "sio:session:".
	SessionPrefix string
}

// Streams is this server's membership in a cluster of the format of
// @socket.io/redis-streams-adapter 0.3. What changes clients goes through a stream, so that it
// survives a short loss of Redis, and any server can send clients what they missed. Requests go
// through publish/subscribe.
//
// A server applies its own operations when it reads them back, in the order of the stream, which
// all servers share. While Redis cannot be reached, they are applied locally at once.
type Streams struct {
	*hub
	so StreamOptions

	// order is held while an entry is applied; last is the entry that was applied before.
	order   sync.Mutex
	last    string
	applied atomic.Pointer[string] // the last entry that has been applied

	nodes map[string]*streamAdapter // by namespace, guarded by the hub's lock
}

// NewStreams returns a cluster. client still belongs to the caller, who may close it after the
// server. It needs a pool, because one connection always waits for the stream.
func NewStreams(client redis.UniversalClient, so StreamOptions, opt Options) *Streams {
	if so.Name == "" {
		so.Name = "socket.io"
	}
	if so.MaxLen <= 0 {
		so.MaxLen = 10_000
	}
	if so.SessionPrefix == "" {
		so.SessionPrefix = "sio:session:"
	}
	s := &Streams{hub: newHub(client, opt), so: so, nodes: make(map[string]*streamAdapter)}
	s.extra = []func(context.Context){s.read}
	return s
}

// Connect returns the adapter.Connector of the cluster. It works also while Redis cannot be reached.
func (s *Streams) Connect(node adapter.Node) (adapter.Adapter, error) {
	a := &streamAdapter{peer: newPeer(s.hub, node, true), s: s, out: make(map[uint64]struct{}),
		alone: make(map[uint64]struct{})}
	s.mu.Lock()
	s.nodes[node.Name()] = a
	s.mu.Unlock()
	if s.position() == "" { // before clients come, so that they miss nothing
		ctx, cancel := context.WithTimeout(context.Background(), subscribeTimeout)
		defer cancel()
		if err := s.settle(ctx); err != nil {
			s.down(err)
		}
	}
	s.join(a, "", a.all, a.own)
	return a, nil
}

type streamAdapter struct {
	*peer
	s *Streams

	mineMu sync.Mutex
	seq    uint64
	out    map[uint64]struct{} // entries of ours that have not come back, and whose outcome is not known
	alone  map[uint64]struct{} // entries of ours that were applied because Redis did not answer
}

// Close implements adapter.Adapter.
func (a *streamAdapter) Close() error {
	a.s.mu.Lock()
	delete(a.s.nodes, a.node.Name())
	a.s.mu.Unlock()
	return a.h.leave("", a.all, a.own)
}

// Publish implements adapter.Adapter.
func (a *streamAdapter) Publish(op *adapter.Op) (bool, error) {
	e, err := pack(op)
	if err != nil {
		return false, err
	}
	if op.Kind == adapter.ServerSideEmit {
		return false, a.publish(a.all, e)
	}
	if a.h.Lost() {
		return false, ErrLost
	}
	return true, a.append(op, e)
}

// append queues an entry for the stream. If it cannot be written, the operation is applied on this
// server only.
func (a *streamAdapter) append(op *adapter.Op, e *envelope) error {
	text, err := marshal(e.Data)
	if err != nil {
		return err
	}
	data := string(text)
	if len(e.attachments) > 0 {
		raw, err := (&packedBody{text, e.attachments}).encode()
		if err != nil {
			return err
		}
		data = base64.StdEncoding.EncodeToString(raw)
	}
	a.mineMu.Lock()
	a.seq++
	seq := a.seq
	a.out[seq] = struct{}{}
	a.mineMu.Unlock()
	args := &redis.XAddArgs{Stream: a.s.so.Name, MaxLen: a.s.so.MaxLen, Approx: true, Values: []any{
		"uid", a.uid, "nsp", a.node.Name(), "type", e.Type, "data", data, "tag", base36(seq),
	}}
	err = a.h.enqueue(command{
		size: len(data),
		add:  func(ctx context.Context, p redis.Pipeliner) { p.XAdd(ctx, args) },
		done: func(err error) {
			if a.settled(seq, err != nil) {
				a.node.Apply(op)
			}
		},
	})
	if err != nil { // it will not be read back
		a.settled(seq, false)
		a.h.inTurn(func() { a.node.Apply(op) })
	}
	return err
}

// mostAlone is the most entries that are remembered, because those that never reached Redis are not
// read back.
const mostAlone = 20_000

// settled records the outcome of an entry of ours, and reports whether to apply it now: it failed,
// as far as is known, and was not read back. If it is read back later, it is not applied again.
func (a *streamAdapter) settled(seq uint64, failed bool) bool {
	a.mineMu.Lock()
	defer a.mineMu.Unlock()
	_, out := a.out[seq]
	delete(a.out, seq)
	if !failed || !out {
		return false
	}
	if len(a.alone) >= mostAlone {
		maps.DeleteFunc(a.alone, func(n uint64, _ struct{}) bool { return n+mostAlone/2 < seq })
	}
	a.alone[seq] = struct{}{}
	return true
}

// back reports whether to apply an entry of ours that was read back.
func (a *streamAdapter) back(tag string) bool {
	seq, err := strconv.ParseUint(tag, 36, 64)
	if err != nil {
		return true // written by another server
	}
	a.mineMu.Lock()
	defer a.mineMu.Unlock()
	delete(a.out, seq)
	if _, done := a.alone[seq]; done {
		delete(a.alone, seq)
		return false
	}
	return true
}
