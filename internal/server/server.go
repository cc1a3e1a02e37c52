// Package server assembles the parts of a Berth server: it opens the data directory, passes to each part what
// it needs, and runs them until its context ends. Only this package knows all parts; parts.go lists them.
package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	actionsns "github.com/berthhq/berth/internal/action/sns"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/audit"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/guard"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/budget"
	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/edge"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/machine/local"
	"github.com/berthhq/berth/internal/machine/redis"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/feed"
	"github.com/berthhq/berth/internal/oplog"
	"github.com/berthhq/berth/internal/publish"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/internal/why"
)

// Config holds the settings of the command line.
type Config struct {
	Data     string // data directory, absolute
	Listen   string // host:port of the API
	Region   string // of the registry's short names; the API serves every region
	Account  string // twelve digits
	EdgeAddr string // IP address that load balancers listen on; "" is the server's own loopback address
	// RegistryTLS is a host:port where images are also served with TLS, under the names of ECR; "" for none.
	RegistryTLS string
	// DevCredentials accepts the key pair test/test, allows docker push without a login, and POST
	// /_berth/reset.
	DevCredentials bool
	// DiskBudget bounds logs, images and history together, in bytes; 0 means the size of the disk.
	DiskBudget int64
	// MetricsLimit bounds how much of the disk metrics take, in bytes; 0 means that only DiskBudget bounds them.
	MetricsLimit int64
	// AWSRestarts applies AWS's rule to tasks that end soon after they were RUNNING: they are replaced at once
	// and do not count as failed. Without it they count as failed and are restarted with increasing delays.
	AWSRestarts bool
	// Pace is how fast the rules of scaling run: alarms, cooldowns, and the points that Berth measures for them
	// (docs/scaling.md). Tags of alarms, scalable targets and Auto Scaling groups go before it.
	Pace scaling.Pace
	// AllowedHosts are more host names by which callers may reach the server. AllowedOrigins are the web
	// origins whose pages may call it (package guard).
	AllowedHosts, AllowedOrigins []string
	// Machines is where instances run; nil is this machine.
	Machines machine.Site
	// AgentCommand runs an agent process: an executable and its first arguments.
	AgentCommand []string
	Logger       *slog.Logger
}

// Server is a control plane and an edge, open and ready to run.
type Server struct {
	cfg    Config
	opened []part
	stop   chan struct{} // receives when a caller with the owner's key asks the server to stop
	ready  chan struct{} // closed when the edge serves the configuration of the state

	// Shared by the parts; each field is set by the open of one of them.
	dir      *config.Dir
	store    *state.Store
	journal  *file.Journal // that of store
	claim    *local.Claim
	gateway  *local.Gateway
	audit    *audit.Log
	listener net.Listener
	http     *http.Server
	secure   *secureRegistry // nil without a TLS address
	meters   *meters
	oplog    *oplog.Log
	minter   *identity.Minter
	verifier *sigv4.Verifier
	// signingSecret encrypts the key that signs messages of SNS.
	signingSecret []byte
	passwords     *registry.Passwords
	blobs         *blob.Store
	registry      *registry.Registry
	logs          *logstore.Store
	points        *meter.Store
	feed          *feed.Feed // what the server measures by itself
	budget        *budget.Budget
	machines      machine.Site
	dispatch      *dispatch.Dispatcher
	publisher     *publish.Publisher
	edge          *edge.Edge
	attached      *publish.Attachment // that of the edge in this process
	caches        *redis.Driver

	// Held by a reset until it answers, and by the sweep at the start.
	resetting   sync.Mutex
	background  sync.WaitGroup // what resets do after their answer; Run waits for it
	authorities authorities
}

// New opens everything and listens. Nothing runs yet, and nothing has been written into the state. It fails
// when the data directory is in use, belongs to another account or is damaged, or when the address is in use.
func New(ctx context.Context, cfg Config) (s *Server, err error) {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	s = &Server{cfg: cfg, ready: make(chan struct{}), stop: make(chan struct{}, 1)}
	s.meters = newMeters(func() []route.SubjectCounts { return s.publisher.Counts() })
	if cfg.Region != "" && !arn.ValidRegion(cfg.Region) {
		return s, fmt.Errorf("%q is not a region's name: use one of AWS's, such as us-east-1 or eu-central-1",
			cfg.Region)
	}
	if err := s.openAll(ctx); err != nil {
		return s, errors.Join(err, s.Close())
	}
	return s, nil
}

// openAPI makes the handler of the API from all other parts.
func (s *Server) openAPI(context.Context) error {
	handler, err := s.routes()
	if err != nil {
		return err
	}
	s.http = s.front(handler, maxConnections(descriptors()))
	s.logDescriptors(descriptors())
	return nil
}

// serveAPI answers calls until ctx ends, and then lets requests finish.
func (s *Server) serveAPI(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Long polls and WebSockets do not end by themselves; what is left is closed.
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer done()
	if s.http.Shutdown(last) != nil {
		_ = s.http.Close() // the listener is closed already
	}
	<-served
	return nil
}

// tellReady marks the server as ready once the edge serves the configuration of the state.
func (s *Server) tellReady(ctx context.Context) error {
	if s.publisher.Sync(ctx, s.store.View().Rev) == nil {
		close(s.ready)
	}
	return nil
}

// front returns an HTTP server with limits for callers (connections).
func (s *Server) front(h http.Handler, most int) *http.Server {
	callers := newConnections(most)
	return &http.Server{
		Handler: callers.pace(h), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaderSize,
		ConnState: callers.follow, ConnContext: callers.context,
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// access says who may push and pull images.
func (s *Server) access() *registry.Access {
	return &registry.Access{Passwords: s.passwords, Keys: s.keys(), Open: s.cfg.DevCredentials, Now: time.Now}
}

// developmentKey is the ID and the secret of the access key that Config.DevCredentials accepts.
const developmentKey = "test"

// keys are the long-term access keys that callers may sign with.
func (s *Server) keys() identity.KeyRing {
	if !s.cfg.DevCredentials {
		return identity.NewKeyRing(s.dir.AccessKey)
	}
	return identity.NewKeyRing(s.dir.AccessKey, identity.AccessKey{
		ID: developmentKey, Secret: developmentKey, Principal: identity.Root(s.cfg.Account),
	})
}

func (s *Server) routes() (http.Handler, error) {
	pageKey, err := s.derive("page tokens")
	if err != nil {
		return nil, err
	}
	api, err := awswire.NewHandler(awswire.Config{
		Verifier: s.verifier, Logger: s.cfg.Logger.With("part", "awswire"), PageKey: pageKey,
		Observe: s.called, Audit: s.recordCall,
	}, s.services()...)
	if err != nil {
		return nil, err
	}
	filter, err := s.guard()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.recorded(&actionsns.Links{
		Store: s.store, Logger: s.cfg.Logger.With("part", "sns"), Now: time.Now, Random: rand.Reader, Next: api,
	}))
	mux.Handle("POST /_berth/reset", s.recorded(http.HandlerFunc(s.resetHandler)))
	mux.Handle("POST /_berth/stop", s.recorded(http.HandlerFunc(s.stopHandler)))
	mux.Handle("GET /acs/ws", s.dispatch.ACS())
	mux.Handle("GET /tcs/ws", s.dispatch.TCS())
	mux.Handle("/v2/", s.recorded(registry.NewHandler(s.registry, s.access(), s.cfg.Logger.With("part", "registry"))))
	mux.HandleFunc("GET /_berth/backup", s.backupHandler)
	mux.HandleFunc("GET /_berth/health", s.health)
	mux.Handle("GET /_berth/metrics", s.meters)
	mux.HandleFunc("GET /_berth/ca.pem", s.rootCertificate)
	mux.HandleFunc("GET /_berth/status", s.signed(s.status))
	mux.HandleFunc("GET /_berth/explain", s.signed(s.explain))
	mux.HandleFunc("GET /_berth/streams", s.signed(s.streams))
	mux.HandleFunc("GET /_berth/blueprint", s.signed(s.blueprint))
	return filter.Wrap(mux), nil
}

// guard returns the filter for requests that come from web pages or to foreign host names.
func (s *Server) guard() (*guard.Guard, error) {
	return guard.New(guard.Config{
		Hosts: s.cfg.AllowedHosts, Origins: s.cfg.AllowedOrigins, PublishedKeys: []string{developmentKey},
	})
}

// called counts a call, and logs it when it was refused.
func (s *Server) called(o awswire.Outcome) {
	s.meters.call(o)
	if o.Code != "" {
		s.oplog.Refused(o.Call.Service, o.Call.Action, o.Code, o.Status, o.Call.Principal.ARN, o.Call.RequestID)
	}
}

// health answers 200 once load balancers are served too, so that callers who wait for a restarted server find
// everything.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	status := "ready"
	select {
	case <-s.ready:
	default:
		status = "starting"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintf(w, `{"status":%q,"pid":%d,"revision":%d}`+"\n", status, os.Getpid(), s.store.View().Rev)
}

// signed passes only requests that are signed with a key of this server.
func (s *Server) signed(next func(http.ResponseWriter, *http.Request, sigv4.Identity)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.verifier.Verify(r, sigv4.EmptyPayload, time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		next(w, r, who)
	}
}

// owner reports whether a request is signed with the access key of the data directory, which only its owner can
// read: not with test/test, and not with credentials of a role.
func (s *Server) owner(r *http.Request) bool {
	who, err := s.verifier.Verify(r, sigv4.EmptyPayload, time.Now())
	return err == nil && who.AccessKeyID == s.dir.AccessKey.ID
}

// mayNotStop is the answer to a caller who may not stop the server.
const mayNotStop = "only the access key of this server's data directory may stop it"

// stopHandler serves POST /_berth/stop: the server lets requests finish and ends, as on SIGTERM.
func (s *Server) stopHandler(w http.ResponseWriter, r *http.Request) {
	if !s.owner(r) {
		http.Error(w, mayNotStop, http.StatusForbidden)
		return
	}
	s.cfg.Logger.Info("stopping: a caller with the key of the data directory asked for it", "from", r.RemoteAddr)
	w.WriteHeader(http.StatusNoContent)
	select {
	case s.stop <- struct{}{}:
	default: // it is stopping already
	}
}

// status answers with a report on the region that the request was signed for.
func (s *Server) status(w http.ResponseWriter, _ *http.Request, who sigv4.Identity) {
	w.Header().Set("Content-Type", "application/json")
	r := status.Of(&s.store.View().Tables, who.Principal.Account, who.Region, time.Now())
	r.Disk = s.diskUse()
	// An error means that the caller has gone.
	_ = json.NewEncoder(w).Encode(r)
}

// explain answers why a service or task does not run.
func (s *Server) explain(w http.ResponseWriter, r *http.Request, who sigv4.Identity) {
	s.about(w, r, who, func(t *state.Tables, subject why.Subject) any { return why.Of(t, subject, time.Now()) })
}

// streams answers where a service or task writes its logs.
func (s *Server) streams(w http.ResponseWriter, r *http.Request, who sigv4.Identity) {
	s.about(w, r, who, func(t *state.Tables, subject why.Subject) any { return status.Streams(t, subject) })
}

// about answers with something about the service or task that the request names.
func (s *Server) about(
	w http.ResponseWriter, r *http.Request, who sigv4.Identity, answer func(*state.Tables, why.Subject) any,
) {
	t := &s.store.View().Tables
	subject, err := why.Find(t, who.Principal.Account, who.Region, r.FormValue("cluster"), r.FormValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer(t, subject)) // an error means that the caller has gone
}

// Addr returns the address where the API is served.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run leads and serves until ctx ends, then lets requests finish and returns. Containers and agents go on
// running.
func (s *Server) Run(ctx context.Context) error {
	if err := s.lead(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	running.Go(func() { s.runAll(ctx, false, cancel) })
	running.Go(func() { s.runAll(ctx, true, cancel) }) // with several servers, ctx is the leadership
	select {
	case <-ctx.Done():
	case <-s.stop:
		cancel(context.Canceled)
	}
	running.Wait()
	s.background.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
