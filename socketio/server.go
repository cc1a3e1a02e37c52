package socketio

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/internal/clientdist"
)

// CORS says which web pages of other origins may use the server over HTTP.
type CORS = engineio.CORS

// Options of a Server. The zero value has the defaults of the official Node.js server.
type Options struct {
	// Engine has the options of the Engine.IO server. Its Path is "/socket.io/" by default.
	Engine engineio.Options
	// ConnectTimeout is how long a client may be connected without having joined a namespace. Then its connection is
	// closed. Default 45 s.
	ConnectTimeout time.Duration
	// CORS says which web pages of other origins may use the server; nil sends no CORS headers. It is ignored if
	// Engine.CORS is set.
	CORS *CORS
	// Adapter connects the server with other servers. nil means that there are no others.
	Adapter adapter.Connector
	// Recovery lets clients that reconnect keep their id, rooms and data. nil turns it off.
	Recovery *Recovery
	// KeepEmpty keeps namespaces that were made by OfMatch when their last client has left.
	KeepEmpty bool
	// Parser is the format of packets. Default Text.
	Parser Parser
	// NoClient turns off serving the files of the JavaScript client below the path.
	NoClient bool
	// MaxNamespaces is how many namespaces one client may join. Default 100.
	MaxNamespaces int
	// MaxJoining is how many clients may be joining a namespace at the same time: their middlewares run, or they are
	// being recovered. Others wait. Default 1,000.
	MaxJoining int
	// MaxWaiting is how many clients may wait to join. While there are as many, new clients get status 503 with a
	// Retry-After header, and try again by themselves. Default 10,000.
	MaxWaiting int
	// MaxPending is how many events of one socket may wait for their handlers. When there are more, the server stops
	// reading from the client until half of them are handled. If the server waits for an acknowledgement of the
	// client, it goes on reading, and disconnects the client with engineio.ReasonSlow when there are twice as many.
	// Default 10,000.
	MaxPending int
	// MaxPendingBytes is the same limit in bytes of their arguments. Default 8 MiB, or eight times Engine.MaxPayload
	// if that is more.
	MaxPendingBytes int
	// Log is the logger. Default: nothing is logged.
	Log *slog.Logger
}

// Server is a Socket.IO server and an http.Handler. Make one with New and end it with Close.
type Server struct {
	opt    Options
	engine *engineio.Server
	bundle http.Handler
	log    *slog.Logger
	wg     running
	joins  joinQueue

	mu         sync.RWMutex
	namespaces map[string]*Namespace
	matches    []match

	onNamespace []func(*Namespace)
}

// New returns a server with the namespace "/". Other namespaces are made by Of and OfMatch; clients cannot join any
// that does not exist.
func New(opt Options) *Server {
	if opt.Engine.Path == "" {
		opt.Engine.Path = "/socket.io/"
	}
	if opt.ConnectTimeout <= 0 {
		opt.ConnectTimeout = 45 * time.Second
	}
	if opt.MaxNamespaces <= 0 {
		opt.MaxNamespaces = 100
	}
	if opt.MaxJoining <= 0 {
		opt.MaxJoining = 1000
	}
	if opt.MaxWaiting <= 0 {
		opt.MaxWaiting = 10_000
	}
	if opt.MaxPending <= 0 {
		opt.MaxPending = 10_000
	}
	if opt.MaxPendingBytes <= 0 {
		opt.MaxPendingBytes = max(8<<20, 8*opt.Engine.MaxPayload)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Engine.Log == nil {
		opt.Engine.Log = opt.Log
	}
	if opt.Engine.CORS == nil {
		opt.Engine.CORS = opt.CORS
	}
	srv := &Server{opt: opt, log: opt.Log, namespaces: make(map[string]*Namespace)}
	srv.joins.limit, srv.joins.maxWaiting = opt.MaxJoining, opt.MaxWaiting
	engine := opt.Engine
	engine.NewWorker = func() engineio.Worker { return &reader{running: &srv.wg} }
	engine.Full = func() bool { return srv.joins.full() || opt.Engine.Full != nil && opt.Engine.Full() }
	srv.engine = engineio.New(engine, srv.accept)
	if !opt.NoClient {
		srv.bundle = clientdist.Handler(opt.Engine.Path)
	}
	srv.Of("/")
	return srv
}

// ServeHTTP serves the transports, and the files of the JavaScript client below the path.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if srv.bundle != nil && clientdist.Has(srv.opt.Engine.Path, r.URL.Path) {
		if !srv.opt.Engine.CORS.Apply(w, r) {
			srv.bundle.ServeHTTP(w, r)
		}
		return
	}
	srv.engine.ServeHTTP(w, r)
}

// Of returns the namespace of that name, and makes it if it does not exist. It adds a leading slash if there is none.
// If the adapter cannot be opened, it logs the error, and the namespace does not reach other servers.
func (srv *Server) Of(name string) *Namespace {
	if name == "" || name[0] != '/' {
		name = "/" + name
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	ns := srv.namespaces[name]
	if ns == nil {
		ns = newNamespace(srv, name)
		srv.namespaces[name] = ns
		for _, f := range srv.onNamespace {
			f(ns)
		}
	}
	return ns
}

// Clients returns the number of connected clients, whatever namespaces they have joined.
func (srv *Server) Clients() int { return srv.engine.Len() }

// Polling returns the number of connected clients that use long-polling.
func (srv *Server) Polling() int { return srv.engine.Polling() }

// OnNamespace calls f for every existing namespace and for those that are made later. f must not call Of or OfMatch.
func (srv *Server) OnNamespace(f func(*Namespace)) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.onNamespace = append(srv.onNamespace, f)
	for _, ns := range srv.namespaces {
		f(ns)
	}
}

// Drain refuses new clients with status 503 and closes the connections of the others, evenly spread over the given
// time. The clients reconnect by themselves, to another server if there is one. They get no DISCONNECT packet, since
// after one they would not reconnect.
func (srv *Server) Drain(ctx context.Context, over time.Duration) error {
	return srv.engine.Drain(ctx, over)
}

// Close ends all connections and waits for the handlers that are running.
func (srv *Server) Close() {
	srv.engine.Close()
	srv.wg.Wait()
	srv.mu.Lock()
	all := maps.Clone(srv.namespaces)
	srv.mu.Unlock()
	for _, ns := range all {
		if err := ns.adapter.Close(); err != nil {
			srv.log.Warn("socketio: closing an adapter", "namespace", ns.name, "error", err)
		}
	}
}
