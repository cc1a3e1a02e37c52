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

// CORS says which pages of other origins may use the server over HTTP.
type CORS = engineio.CORS

// Options of a Server. The zero value has the reference server's defaults.
type Options struct {
	// Engine are the options of the layer below. Its Path is "/socket.io/" by default.
	Engine engineio.Options
	// ConnectTimeout is how long a client may stay without joining a namespace. Default 45 s.
	ConnectTimeout time.Duration
	// CORS answers cross-origin requests; nil leaves all CORS headers out. It is Engine.CORS, unless
	// that is set too.
	CORS *CORS
	// Adapter connects the server with others; nil means that it is alone.
	Adapter adapter.Connector
	// Recovery lets clients come back as the same; nil turns it off.
	Recovery *Recovery
	// KeepEmpty keeps namespaces made by a match when their last client has gone.
	KeepEmpty bool
	// Parser is the form of packets. Default Text.
	Parser Parser
	// NoClient keeps the client's bundle from being served below the path.
	NoClient bool
	// MaxNamespaces is how many namespaces one client may join. Default 100.
	MaxNamespaces int
	// MaxJoining is how many clients may be on their way into a namespace at a time: in its middlewares
	// or being recovered. Others wait their turn. Default 1,000.
	MaxJoining int
	// MaxWaiting is how many may wait; while there are more, handshakes get status 503 with Retry-After,
	// and clients come back by themselves. Default 10,000.
	MaxWaiting int
	// MaxPending is how many events of one socket may wait for their handler before nothing more is read
	// from its client, until half of them are handled. While an acknowledgement of the client is waited
	// for, reading goes on, up to twice as many; then it is disconnected with engineio.ReasonSlow.
	// Default 10,000.
	MaxPending int
	// MaxPendingBytes is the same in bytes. Default 8 MiB, or eight times Engine.MaxPayload if that is
	// more.
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

// New makes a server that refuses all namespaces but "/" and those named by Of.
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

// ServeHTTP serves the transports and the client's bundle below the path.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if srv.bundle != nil && clientdist.Has(srv.opt.Engine.Path, r.URL.Path) {
		if !srv.opt.Engine.CORS.Apply(w, r) {
			srv.bundle.ServeHTTP(w, r)
		}
		return
	}
	srv.engine.ServeHTTP(w, r)
}

// Of returns the namespace of that name and makes it if needed. A leading slash is added. If its adapter cannot be
// opened, that is logged, and the namespace does not reach other servers.
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

// Polling returns the number of those that are on long-polling.
func (srv *Server) Polling() int { return srv.engine.Polling() }

// OnNamespace calls f for every present namespace and for those that are made later. It must
// not call Of or OfMatch.
func (srv *Server) OnNamespace(f func(*Namespace)) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.onNamespace = append(srv.onNamespace, f)
	for _, ns := range srv.namespaces {
		f(ns)
	}
}

// Drain refuses new clients with status 503 and closes the connections of the present ones, evenly
// over the given time. Clients reconnect by themselves, to another server if there is one: they are
// not sent a DISCONNECT, which would keep them from reconnecting.
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
