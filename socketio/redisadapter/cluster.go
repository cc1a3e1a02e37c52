package redisadapter

import (
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
)

// Options of a cluster. The zero value fits servers that use the JavaScript adapters' defaults.
type Options struct {
	// Prefix of all channels. Default "socket.io".
	Prefix string
	// RequestTimeout for requests whose context has no deadline. Default 5 s.
	RequestTimeout time.Duration
	// OwnResponseChannel has answers sent to who asked alone, in the classic format. All servers
	// understand it.
	OwnResponseChannel bool
	// MaxQueue is how many bytes may wait to be sent to Redis; more are dropped. Default 16 MiB.
	MaxQueue int
	// OnChange, when set, is called when Redis is lost and when it is back. It must be quick.
	OnChange func(lost bool)
	// Log is told of the loss and return of Redis. Default: nothing is logged.
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
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return opt
}

// Cluster is this server's membership in a cluster of the classic format, for all of its namespaces.
type Cluster struct{ *hub }

// New makes a cluster on client, which stays the caller's to close, after the server is closed.
func New(client redis.UniversalClient, opt Options) *Cluster { return &Cluster{newHub(client, opt)} }

// Connect is the socketio.Connector of the cluster. Redis need not be there.
func (c *Cluster) Connect(node socketio.Node) (socketio.Adapter, error) {
	a := newAdapter(c.hub, node)
	c.join(a, a.pattern(), a.channels()...)
	return a, nil
}
