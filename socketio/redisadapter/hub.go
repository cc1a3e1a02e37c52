package redisadapter

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// handler receives the messages on the channels it has registered.
type handler interface {
	receive(ctx context.Context, channel string, body []byte)
}

// hub is what all adapters share: one subscribing connection, one queue of commands, and whether
// Redis can be reached. Its goroutines run from the first registration until the last leave.
type hub struct {
	client  redis.UniversalClient
	opt     Options
	log     *slog.Logger
	sharded bool
	anyNode bool                        // messages may be published through any node of a Redis Cluster
	extra   []func(ctx context.Context) // goroutines of a special adapter
	counts  chan struct{}               // limits how many calls ask Redis for the number of servers
	lost    atomic.Bool

	mu      sync.Mutex
	ps      *redis.PubSub      // nil for shards
	routes  map[string]handler // by channel or pattern
	awaited map[string]func()  // what to do when one is confirmed
	open    int
	changes []change // of subscriptions, in order
	queue   []command
	sending []command // taken from the queue and not answered yet
	queued  int       // bytes of both
	calls   []func()  // calls that are due, in order
	calling bool      // a goroutine is making them
	dropped uint64
	full    bool
	slow    bool
	wake    chan struct{} // commands
	changed chan struct{} // changes
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// change subscribes to channels or a pattern, or unsubscribes.
type change struct {
	off      bool
	pattern  string
	channels []string
}

func newHub(client redis.UniversalClient, opt Options) *hub {
	opt = opt.withDefaults()
	return &hub{
		client: client, opt: opt, log: opt.Log, routes: make(map[string]handler), awaited: make(map[string]func()),
		counts: make(chan struct{}, maxCounts), wake: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
}

// join registers a namespace's channels; the first call starts the goroutines. It waits a moment
// until Redis has confirmed the channels, so that new clients miss nothing; if Redis cannot be
// reached, it does not wait.
func (h *hub) join(to handler, pattern string, channels ...string) {
	h.mu.Lock()
	if h.open++; h.open == 1 {
		h.start()
	}
	expected := slices.Clone(channels)
	if pattern != "" {
		expected = append(expected, pattern)
	}
	confirmed := make(chan struct{})
	left := len(expected)
	for _, ch := range expected {
		h.awaited[ch] = func() { // called with the lock held, once
			if left--; left == 0 {
				close(confirmed)
			}
		}
	}
	h.listen(to, pattern, channels)
	h.mu.Unlock()
	for until := time.After(subscribeTimeout); ; {
		select {
		case <-confirmed:
			return
		case <-until:
			return
		case <-time.After(lookAgain):
			if h.Lost() {
				return
			}
		}
	}
}

// confirm records that a subscription was confirmed.
func (h *hub) confirm(channel string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.awaited[channel]; f != nil {
		delete(h.awaited, channel)
		f()
	}
}

// listen subscribes a handler. The lock must be held. It does not wait.
func (h *hub) listen(to handler, pattern string, channels []string) {
	for _, ch := range channels {
		h.routes[ch] = to
	}
	if pattern != "" {
		h.routes[pattern] = to
	}
	h.changes = append(h.changes, change{pattern: pattern, channels: channels})
	signal(h.changed)
}

func (h *hub) unlisten(pattern string, channels []string) {
	for _, ch := range channels {
		delete(h.routes, ch)
	}
	delete(h.routes, pattern)
	h.changes = append(h.changes, change{off: true, pattern: pattern, channels: channels})
	signal(h.changed)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// start is called with the lock held.
func (h *hub) start() {
	h.ctx, h.cancel = context.WithCancel(context.Background())
	ctx := h.ctx
	if cc, ok := h.client.(*redis.ClusterClient); ok && h.sharded {
		s := newShards(h, cc)
		h.wg.Go(func() { s.run(ctx) })
	} else {
		ps := h.client.Subscribe(ctx)
		h.ps = ps
		h.wg.Go(func() { h.receive(ctx, ps) })
		h.wg.Go(func() { h.subscribe(ctx, ps) })
	}
	h.wg.Go(func() { h.run(ctx) })
	for _, f := range h.extra {
		h.wg.Go(func() { f(ctx) })
	}
}

// leave removes a namespace; after the last one the queue is sent and everything ends.
func (h *hub) leave(pattern string, channels ...string) error {
	h.mu.Lock()
	h.unlisten(pattern, channels)
	h.open--
	last, ps := h.open == 0, h.ps
	h.mu.Unlock()
	if !last {
		return nil
	}
	h.barrier(closeTimeout)
	h.cancel()
	var err error
	if ps != nil {
		err = ps.Close() // wakes the receiver
	}
	h.wg.Wait()
	return err
}

const (
	closeTimeout     = 2 * time.Second // for what is queued at the end
	subscribeTimeout = 2 * time.Second
	maxCounts        = 32
	lookAgain        = 20 * time.Millisecond // whether Redis is lost
)

// subscribe makes the changes of subscriptions. The connection remembers one that fails, and makes
// it when Redis is back.
func (h *hub) subscribe(ctx context.Context, ps *redis.PubSub) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.changed:
		}
		h.mu.Lock()
		todo := h.changes
		h.changes = nil
		h.mu.Unlock()
		for _, c := range todo {
			if err := h.apply(ctx, ps, c); err != nil && ctx.Err() == nil {
				h.down(err)
			}
		}
	}
}

func (h *hub) apply(ctx context.Context, ps *redis.PubSub, c change) (err error) {
	ctx, cancel := context.WithTimeout(ctx, subscribeTimeout)
	defer cancel()
	if c.pattern != "" {
		if c.off {
			err = ps.PUnsubscribe(ctx, c.pattern)
		} else {
			err = ps.PSubscribe(ctx, c.pattern)
		}
	}
	if len(c.channels) == 0 {
		return err
	}
	do := ps.Subscribe
	switch {
	case h.sharded && c.off:
		do = ps.SUnsubscribe
	case h.sharded:
		do = ps.SSubscribe
	case c.off:
		do = ps.Unsubscribe
	}
	if err2 := do(ctx, c.channels...); err2 != nil {
		err = err2
	}
	return err
}

func (h *hub) route(channel string) handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.routes[channel]
}

// down and up log a change of state, once each.
func (h *hub) down(err error) {
	if !h.lost.Swap(true) {
		h.log.Warn("redis is gone: local clients are served, other servers are not reached", "error", err)
		if h.opt.OnLost != nil {
			h.opt.OnLost()
		}
	}
}

func (h *hub) up() {
	if h.lost.Swap(false) {
		h.log.Info("redis is back: other servers are reached again")
		if h.opt.OnBack != nil {
			h.opt.OnBack()
		}
	}
}

// Lost reports whether Redis cannot be reached.
func (h *hub) Lost() bool { return h.lost.Load() }
