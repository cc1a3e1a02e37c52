package redisadapter

import (
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio/adapter"
)

// Options of a cluster. The zero value fits servers that use the JavaScript adapters' defaults.
type Options struct {
	// Prefix of all channels. Default "socket.io".
	Prefix string
	// RequestTimeout for requests whose context has no deadline. Default 5 s.
	RequestTimeout time.Duration
	// OwnResponseChannel makes answers go to the asking server only, in the classic format. All
	// servers understand it.
	OwnResponseChannel bool
	// MaxQueue is how many bytes of memory may be used by what waits for Redis; more is dropped.
	// Default 16 MiB.
	MaxQueue int
	// MaxDelay is how long Redis may take for what is queued before it counts as slow: that is logged,
	// and in the streams format local clients do not wait for it any longer. Default 1 s.
	MaxDelay time.Duration
	// OnSlow, when set, is called when Redis has become slow, and OnCaughtUp when it keeps up again.
	// They must be quick.
	OnSlow, OnCaughtUp func()
	// OnLost, when set, is called when Redis cannot be reached, and OnBack when it can again. They
	// must be quick.
	OnLost, OnBack func()
	// Log is the logger for the loss and return of Redis, and its slowness. Default: nothing is
	// logged.
	Log *slog.Logger
}

func (opt Options) withDefaults() Options {
	if opt.Prefix == "" {
		opt.Prefix = "socket.io"
	}
	if opt.RequestTimeout <= 0 {
		opt.RequestTimeout = 5 * time.Second
	}
	if opt.MaxQueue <= 0 {
		opt.MaxQueue = 16 << 20
	}
	if opt.MaxDelay <= 0 {
		opt.MaxDelay = time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return opt
}

// Cluster is this server's membership in a cluster of the classic format, with all of its
// namespaces.
type Cluster struct{ *hub }

// New returns a cluster. client still belongs to the caller, who may close it after the server.
func New(client redis.UniversalClient, opt Options) *Cluster {
	h := newHub(client, opt)
	h.anyNode = true
	return &Cluster{h}
}

// Connect returns the adapter.Connector of the cluster. It works also while Redis cannot be reached.
func (c *Cluster) Connect(node adapter.Node) (adapter.Adapter, error) {
	a := newClassic(c.hub, node)
	c.join(a, a.pattern(), a.channels()...)
	return a, nil
}
