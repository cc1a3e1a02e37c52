package redisadapter

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
)

// Options of a cluster. The zero value fits servers that use the JavaScript adapter's defaults.
type Options struct {
	// Prefix of all channels. Default "socket.io".
	Prefix string
	// RequestTimeout for requests whose context has no deadline. Default 5 s.
	RequestTimeout time.Duration
	// OwnResponseChannel has answers sent to who asked alone. All servers understand it.
	OwnResponseChannel bool
	// MaxQueue is how many bytes may wait to be published; more are dropped. Default 16 MiB.
	MaxQueue int
	// OnChange, when set, is called when Redis is lost and when it is back. It must be quick.
	OnChange func(lost bool)
	// Log is told of the loss and return of Redis. Default: nothing is logged.
	Log *slog.Logger
}

// Cluster is this server's membership, for all of its namespaces.
type Cluster struct {
	client redis.UniversalClient
	opt    Options
	log    *slog.Logger
	lost   atomic.Bool

	mu     sync.Mutex
	ps     *redis.PubSub
	routes map[string]*adapter // by channel or pattern
	open   int
	queue  []message
	queued int
	full   bool
	wake   chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type message struct {
	channel string
	body    []byte
}

// New makes a cluster on client, which stays the caller's to close, after the last server is closed.
func New(client redis.UniversalClient, opt Options) *Cluster {
	if opt.Prefix == "" {
		opt.Prefix = "socket.io"
	}
	if opt.RequestTimeout <= 0 {
		opt.RequestTimeout = 5 * time.Second
	}
	if opt.MaxQueue <= 0 {
		opt.MaxQueue = 16 << 20
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Cluster{client: client, opt: opt, log: opt.Log, routes: make(map[string]*adapter), wake: make(chan struct{}, 1)}
}

// Connect is the socketio.Connector of the cluster.
func (c *Cluster) Connect(node socketio.Node) (socketio.Adapter, error) {
	a := newAdapter(c, node)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open++; c.open == 1 {
		c.start()
	}
	for _, ch := range a.channels() {
		c.routes[ch] = a
	}
	c.routes[a.pattern()] = a
	// Failing now, the channels are still remembered and subscribed once Redis is there.
	ctx, cancel := context.WithTimeout(context.Background(), subscribeTimeout)
	defer cancel()
	if err := c.subscribe(ctx, a); err != nil {
		c.down(err)
	}
	return a, nil
}

const subscribeTimeout = 2 * time.Second

func (c *Cluster) subscribe(ctx context.Context, a *adapter) error {
	if err := c.ps.PSubscribe(ctx, a.pattern()); err != nil {
		_ = c.ps.Subscribe(ctx, a.channels()...)
		return err
	}
	return c.ps.Subscribe(ctx, a.channels()...)
}

// start is called with the lock held.
func (c *Cluster) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	ps := c.client.Subscribe(ctx)
	c.ps = ps
	c.wg.Go(func() { c.receive(ctx, ps) })
	c.wg.Go(func() { c.publish(ctx) })
}

// leave ends the membership of one namespace, and with the last one everything.
func (c *Cluster) leave(a *adapter) error {
	c.mu.Lock()
	for _, ch := range append(a.channels(), a.pattern()) {
		delete(c.routes, ch)
	}
	c.open--
	last := c.open == 0
	ctx, cancel := context.WithTimeout(context.Background(), subscribeTimeout)
	defer cancel()
	if !last {
		_ = c.ps.PUnsubscribe(ctx, a.pattern())
		_ = c.ps.Unsubscribe(ctx, a.channels()...)
	}
	c.mu.Unlock()
	if !last {
		return nil
	}
	c.cancel()
	err := c.ps.Close() // wakes the receiver
	c.wg.Wait()
	return err
}

func (c *Cluster) route(channel string) *adapter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.routes[channel]
}

// down and up log a change of state, once each.
func (c *Cluster) down(err error) {
	if !c.lost.Swap(true) {
		c.changed(true)
		c.log.Warn("redis is gone: local clients are served, other servers are not reached", "error", err)
	}
}

func (c *Cluster) up() {
	if c.lost.Swap(false) {
		c.changed(false)
		c.log.Info("redis is back: other servers are reached again")
	}
}

func (c *Cluster) changed(lost bool) {
	if c.opt.OnChange != nil {
		c.opt.OnChange(lost)
	}
}

// Lost tells whether Redis is out of reach.
func (c *Cluster) Lost() bool { return c.lost.Load() }
