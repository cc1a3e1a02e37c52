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

// handler gets what comes on the channels it registered.
type handler interface {
	receive(ctx context.Context, channel string, body []byte)
}

// hub is what all adapters share: one subscribing connection, one queue of commands, and the knowledge
// whether Redis is there. Its goroutines live from the first registration to the last leave.
type hub struct {
	client  redis.UniversalClient
	opt     Options
	log     *slog.Logger
	sharded bool
	keyless bool                        // what is published may go to any node of a Redis Cluster
	extra   []func(ctx context.Context) // goroutines of a special adapter
	counts  chan struct{}               // bounds how many ask Redis for the number of servers
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
	told    []func()  // what is to be called, in order
	telling bool      // somebody does it
	dropped uint64
	full    bool
	slow    bool
	wake    chan struct{} // commands
	turn    chan struct{} // changes
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
		counts: make(chan struct{}, maxCounts), wake: make(chan struct{}, 1), turn: make(chan struct{}, 1),
	}
}

// join registers a namespace's channels, and starts everything with the first. It waits a moment until
// Redis has confirmed them, so that clients that come next miss nothing; without Redis it does not.
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

// confirm takes note of a subscription.
func (h *hub) confirm(channel string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.awaited[channel]; f != nil {
		delete(h.awaited, channel)
		f()
	}
}

// listen is called with the lock held. Subscribing itself never makes the caller wait.
func (h *hub) listen(to handler, pattern string, channels []string) {
	for _, ch := range channels {
		h.routes[ch] = to
	}
	if pattern != "" {
		h.routes[pattern] = to
	}
	h.changes = append(h.changes, change{pattern: pattern, channels: channels})
	poke(h.turn)
}

func (h *hub) mute(pattern string, channels []string) {
	for _, ch := range channels {
		delete(h.routes, ch)
	}
	delete(h.routes, pattern)
	h.changes = append(h.changes, change{off: true, pattern: pattern, channels: channels})
	poke(h.turn)
}

func poke(c chan struct{}) {
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

// leave takes a namespace out; with the last one everything ends, after what is queued was sent.
func (h *hub) leave(pattern string, channels ...string) error {
	h.mu.Lock()
	h.mute(pattern, channels)
	h.open--
	last, ps := h.open == 0, h.ps
	h.mu.Unlock()
	if !last {
		return nil
	}
	h.barrier(lastWords)
	h.cancel()
	var err error
	if ps != nil {
		err = ps.Close() // wakes the receiver
	}
	h.wg.Wait()
	return err
}

const (
	lastWords        = 2 * time.Second // for what is queued at the end
	subscribeTimeout = 2 * time.Second
	maxCounts        = 32
	lookAgain        = 20 * time.Millisecond // whether Redis is lost
)

// subscribe makes the changes of subscriptions. One that fails is remembered by the connection and made
// when Redis is there again.
func (h *hub) subscribe(ctx context.Context, ps *redis.PubSub) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.turn:
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

// Lost tells whether Redis is out of reach.
func (h *hub) Lost() bool { return h.lost.Load() }
