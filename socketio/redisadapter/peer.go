package redisadapter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio/adapter"
)

// peer is the membership of one namespace in a cluster of the newer format: one channel for all
// servers, one for answers to this server.
type peer struct {
	h    *hub
	node adapter.Node
	uid  string
	all  string
	own  string
	// packed says that everything on the channels is MessagePack.
	packed bool

	mu      sync.Mutex
	pending map[string]chan<- adapter.Reply
}

func newUID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func newPeer(h *hub, node adapter.Node, packed bool) *peer {
	uid := newUID()
	all := h.opt.Prefix + "#" + node.Name() + "#"
	return &peer{h: h, node: node, uid: uid, all: all, own: all + uid + "#", packed: packed,
		pending: make(map[string]chan<- adapter.Reply)}
}

func (p *peer) receive(ctx context.Context, channel string, raw []byte) {
	e, err := decodeEnvelope(raw)
	if err == nil && e.UID != p.uid {
		err = p.handle(ctx, e)
	}
	if err != nil {
		p.h.log.Warn("redisadapter: not understood", "channel", channel, "bytes", len(raw), "error", err)
	}
}

// handle carries out another server's request, or takes its answer. It does not wait for clients.
func (p *peer) handle(ctx context.Context, e *envelope) error {
	if r, ok := e.reply(); ok {
		p.deliver(e.Data.RequestID, r)
		return nil
	}
	op, err := e.op()
	if err != nil || op == nil {
		return err
	}
	if e.Data.RequestID == "" {
		p.node.Apply(op)
		return nil
	}
	p.h.wg.Go(func() { p.answer(ctx, e, op) })
	return nil
}

func (p *peer) answer(ctx context.Context, e *envelope, op *adapter.Op) {
	wait := p.h.opt.RequestTimeout
	if op.Flags.Timeout > 0 {
		wait = op.Flags.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	p.node.Answer(ctx, op, func(r adapter.Reply) {
		out := &envelope{Data: &body{RequestID: e.Data.RequestID}}
		switch {
		case op.Kind == adapter.Fetch:
			out.Type, out.Data.Sockets = msgFetchAnswer, append([]adapter.Socket{}, r.Sockets...)
		case r.ClientCount != nil:
			out.Type, out.Data.ClientCount = msgClientCount, r.ClientCount
		case r.Answer != nil:
			out.Type = msgAck
			if op.Kind == adapter.ServerSideEmit {
				out.Type = msgServerSideAnswer
			}
			out.Data.Packet, out.attachments = r.Answer.JSON, r.Answer.Attachments
		default:
			return
		}
		if err := p.publish(p.all+e.UID+"#", out); err != nil {
			p.h.log.Debug("redisadapter: not answered", "error", err)
		}
	})
}

func (p *peer) publish(channel string, e *envelope) error {
	e.UID, e.NSP = p.uid, p.node.Name()
	raw, err := e.encode(p.packed)
	if err != nil {
		return err
	}
	return p.h.send(channel, raw)
}

func (p *peer) deliver(id string, r adapter.Reply) {
	p.mu.Lock()
	c := p.pending[id]
	p.mu.Unlock()
	if c == nil {
		return
	}
	select {
	case c <- r:
	default:
		p.h.log.Warn("redisadapter: an answer was dropped: too many wait to be read")
	}
}

// Request implements adapter.Adapter.
func (p *peer) Request(ctx context.Context, op *adapter.Op, each func(adapter.Reply)) error {
	if p.h.Lost() {
		return ErrLost
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.h.opt.RequestTimeout)
		defer cancel()
	}
	e, err := pack(op)
	if err != nil {
		return err
	}
	e.Data.RequestID = newUID()
	answers := make(chan adapter.Reply, maxPending)
	p.mu.Lock()
	p.pending[e.Data.RequestID] = answers
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pending, e.Data.RequestID)
		p.mu.Unlock()
	}()
	return p.h.ask(ctx, op.Kind, p.all, func() error { return p.publish(p.all, e) }, answers, each)
}

// subscribers returns the number of servers that listen to a channel, on all masters of a Redis
// Cluster. It waits no longer than ctx, whatever the Redis client does, and only few calls wait at
// a time.
func (h *hub) subscribers(ctx context.Context, channel string) (int, error) {
	select {
	case h.counts <- struct{}{}:
	case <-ctx.Done():
		return 0, errNoCount
	}
	type answer struct {
		n   int
		err error
	}
	counted := make(chan answer, 1)
	h.wg.Go(func() {
		defer func() { <-h.counts }()
		n, err := h.count(ctx, channel)
		counted <- answer{n, err}
	})
	select {
	case a := <-counted:
		if a.err != nil && ctx.Err() != nil {
			return 0, errNoCount
		}
		return a.n, a.err
	case <-ctx.Done():
		return 0, errNoCount
	}
}

// errNoCount is returned when Redis did not answer how many servers there are.
var errNoCount = errors.New("the number of servers is not known")

func (h *hub) count(ctx context.Context, channel string) (int, error) {
	var mu sync.Mutex
	total := 0
	count := func(ctx context.Context, c redis.Cmdable) error {
		num := c.PubSubNumSub
		if h.sharded {
			num = c.PubSubShardNumSub
		}
		n, err := num(ctx, channel).Result()
		mu.Lock()
		total += int(n[channel])
		mu.Unlock()
		return err
	}
	var err error
	if cc, ok := h.client.(*redis.ClusterClient); ok {
		err = cc.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return count(ctx, c) })
	} else {
		err = count(ctx, h.client)
	}
	if err != nil {
		return 0, fmt.Errorf("redisadapter: counting servers: %w", err)
	}
	return total, nil
}

// overdue returns the error for a request that was not answered in time, with the text of the
// JavaScript adapters.
func overdue(kind adapter.Kind, got, want int) error {
	text := "operation has timed out"
	switch kind {
	case adapter.Fetch:
		text = "timeout reached while waiting for fetchSockets response"
	case adapter.ListRooms:
		text = "timeout reached while waiting for allRooms response"
	case adapter.ServerSideEmit:
		text = fmt.Sprintf("timeout reached: only %d responses received out of %d", got, want)
	}
	return fmt.Errorf("redisadapter: %s: %w", text, adapter.ErrTimeout)
}

// ask counts the other servers, asks them and passes their answers on.
func (h *hub) ask(ctx context.Context, kind adapter.Kind, channel string, publish func() error,
	answers <-chan adapter.Reply, each func(adapter.Reply)) error {
	n, err := h.subscribers(ctx, channel)
	switch {
	case errors.Is(err, errNoCount):
		return fmt.Errorf("%w: %w", overdue(kind, 0, 0), err)
	case err != nil || n <= 1:
		return err
	}
	if err := publish(); err != nil {
		return err
	}
	return collect(ctx, kind, n-1, answers, each)
}

// collect passes answers on until every server, and for broadcasts every client, has answered.
func collect(
	ctx context.Context, kind adapter.Kind, servers int, answers <-chan adapter.Reply, each func(adapter.Reply),
) error {
	asked, clients := servers, 0
	for servers > 0 || clients > 0 {
		select {
		case <-ctx.Done():
			return overdue(kind, asked-max(servers, 0), asked)
		case r := <-answers:
			switch {
			case r.ClientCount != nil:
				servers--
				clients += *r.ClientCount
			case kind == adapter.Broadcast:
				clients--
			default:
				servers--
			}
			each(r)
		}
	}
	return nil
}
