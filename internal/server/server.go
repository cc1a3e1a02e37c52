// Package server puts the house together: it opens the data directory, gives every room what it needs, and runs them until it is told to
// stop. It is the one place that knows everybody, and reads like a table of contents.
package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/audit"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/guard"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/backup"
	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/machine/local"
	"github.com/berthhq/berth/internal/oplog"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/internal/why"
)

// Config is what the command line says.
type Config struct {
	Data     string // data directory, absolute
	Listen   string // host:port of the API
	Region   string // of the registry's short names; the API serves every region
	Account  string // twelve digits
	EdgeAddr string // IP address that load balancers listen on; "" is the server's own loopback address
	// RegistryTLS is a host:port where images are served with TLS too, under the names of ECR; "" for nowhere.
	RegistryTLS string
	// DevCredentials accepts the key pair test/test, lets docker push without a login, and allows POST /_berth/reset.
	DevCredentials bool
	// DiskBudget bounds logs, images and history together, in bytes; 0 means what the disk has.
	DiskBudget int64
	// AWSRestarts keeps to AWS's rule for tasks that end soon after they ran: they are replaced at once and do not count as
	// failed. Without it they are slowed down and counted like tasks that never ran.
	AWSRestarts bool
	// AllowedHosts are more names that callers may know the server by, and AllowedOrigins the web origins whose pages may call it (package guard).
	AllowedHosts, AllowedOrigins []string
	// AgentCommand runs an agent process: an executable and its first arguments.
	AgentCommand []string
	Logger       *slog.Logger
}

// Server is a control plane and an edge, opened and ready to run.
type Server struct {
	cfg      Config
	dir      *config.Dir
	store    *state.Store
	journal  *file.Journal // the store's
	claim    *local.Claim
	gateway  *local.Gateway
	listener net.Listener
	http     *http.Server
	meters   *meters
	oplog    *oplog.Log
	audit    *audit.Log
	closers  []func() error
	stop     chan struct{} // receives when a caller with the owner's key asks the server to stop
	ready    chan struct{} // closed when the edge serves what the state says

	resetting  sync.Mutex     // one reset after the other, up to its answer; the sweep at the start counts as one
	background sync.WaitGroup // what goes on after a reset was answered; Run waits for it

	authorities authorities
	secure      *secureRegistry // nil without a TLS address
	parts
}

// New opens everything and listens; nothing runs yet. It fails when the data directory is in use, belongs to another account or is damaged,
// and when the address is taken.
func New(ctx context.Context, cfg Config) (s *Server, err error) {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	s = &Server{cfg: cfg, ready: make(chan struct{}), stop: make(chan struct{}, 1)}
	s.meters = newMeters(func() balancers { return stored{s.store.View()} })
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if cfg.Region != "" && !arn.ValidRegion(cfg.Region) {
		return s, fmt.Errorf("%q is not a region's name; a name such as us-east-1 is", cfg.Region)
	}
	if err := lostNothing(cfg.Data); err != nil {
		return s, err
	}
	if s.dir, err = config.Open(cfg.Data, cfg.Account); err != nil {
		return s, err
	}
	if err := s.openState(ctx); err != nil {
		return s, err
	}
	s.oplog = oplog.New(s.store, cfg.Logger)
	if err := s.claimBlock(ctx); err != nil {
		return s, err
	}
	if s.audit, err = audit.Open(s.dir.Sub("audit"), audit.Limits{}); err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.audit.Close)
	if s.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
		return s, fmt.Errorf("%w (is another server running? Choose another address with --listen)", err)
	}
	s.closers = append(s.closers, func() error { return ignoreClosed(s.listener.Close()) })
	if err := s.dir.Remember(config.Address{Listen: s.Addr(), Region: cfg.Region, RegistryTLS: cfg.RegistryTLS}); err != nil {
		// A full disk does not keep the server from serving what is there.
		cfg.Logger.Warn("the data directory does not say where its server listens; commands need the address", "err", err)
	}
	if err := s.openParts(); err != nil {
		return s, err
	}
	handler, err := s.routes()
	if err != nil {
		return s, err
	}
	s.http = s.front(handler, maxConnections(descriptors()))
	return s, nil
}

// front is an HTTP server whose callers have bounds (connections).
func (s *Server) front(h http.Handler, most int) *http.Server {
	callers := newConnections(most)
	return &http.Server{
		Handler: callers.pace(h), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaderSize,
		ConnState: callers.follow, ConnContext: callers.context, ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) openState(ctx context.Context) error {
	id, keys, err := config.Owner(s.dir.Path)
	if err != nil {
		return err
	}
	j, err := file.OpenFor(s.dir.Path, file.Owner{ID: id, Keys: keys})
	if errors.Is(err, file.ErrInUse) {
		return fmt.Errorf("another berth server is running with the data directory %s", s.dir.Path)
	}
	if err != nil {
		return err
	}
	if err := backup.Clean(s.dir.Path); err != nil {
		return errors.Join(err, j.Close())
	}
	s.journal = j
	s.store, err = state.Open(ctx, j, s.cfg.Logger.With("room", "state"))
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.dir.Sub(file.JournalFile), err), j.Close())
	}
	s.closers = append(s.closers, s.store.Close)
	return nil
}

// gate says who may push and pull images.
func (s *Server) gate() *registry.Gate {
	return &registry.Gate{Passwords: s.passwords, Keys: s.keys(), Open: s.cfg.DevCredentials, Now: time.Now}
}

// developmentKey is the ID and the secret of the access key that Config.DevCredentials accepts.
const developmentKey = "test"

// keys are the long-term access keys that may sign calls.
func (s *Server) keys() identity.KeyRing {
	if !s.cfg.DevCredentials {
		return identity.NewKeyRing(s.dir.AccessKey)
	}
	return identity.NewKeyRing(s.dir.AccessKey, identity.AccessKey{ID: developmentKey, Secret: developmentKey, Principal: identity.Root(s.cfg.Account)})
}

func (s *Server) routes() (http.Handler, error) {
	pageKey, err := s.derive("page tokens")
	if err != nil {
		return nil, err
	}
	api, err := awswire.NewHandler(awswire.Config{
		Verifier: s.verifier, Logger: s.cfg.Logger.With("room", "awswire"), PageKey: pageKey, Observe: s.called, Audit: s.recordCall,
	}, s.services()...)
	if err != nil {
		return nil, err
	}
	gate, err := guard.New(guard.Config{Hosts: s.cfg.AllowedHosts, Origins: s.cfg.AllowedOrigins, PublishedKeys: []string{developmentKey}})
	if err != nil {
		return nil, err
	}
	if err := s.openSecureRegistry(gate); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("POST /_berth/reset", s.recorded(http.HandlerFunc(s.resetHandler)))
	mux.Handle("POST /_berth/stop", s.recorded(http.HandlerFunc(s.stopHandler)))
	mux.Handle("GET /acs/ws", s.dispatch.ACS())
	mux.Handle("GET /tcs/ws", s.dispatch.TCS())
	mux.Handle("/v2/", s.recorded(registry.NewHandler(s.registry, s.gate(), s.cfg.Logger.With("room", "registry"))))
	mux.HandleFunc("GET /_berth/backup", s.backupHandler)
	mux.HandleFunc("GET /_berth/health", s.health)
	mux.Handle("GET /_berth/metrics", s.meters)
	mux.HandleFunc("GET /_berth/ca.pem", s.rootCertificate)
	mux.HandleFunc("GET /_berth/status", s.signed(s.status))
	mux.HandleFunc("GET /_berth/explain", s.signed(s.explain))
	mux.HandleFunc("GET /_berth/streams", s.signed(s.streams))
	return gate.Wrap(mux), nil
}

// called counts a call, and logs it when it was refused.
func (s *Server) called(o awswire.Outcome) {
	s.meters.call(o)
	if o.Code != "" {
		s.oplog.Refused(o.Call.Service, o.Call.Action, o.Code, o.Status, o.Call.Principal.ARN, o.Call.RequestID)
	}
}

// health answers 200 once load balancers are served too, so that whoever waits for a server that starts again finds all of it.
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

// signed lets only requests through that are signed with a key of this server.
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

// owner reports whether a request is signed with the access key of the data directory, which its owner
// alone can read: not with test/test, and not with credentials of a role.
func (s *Server) owner(r *http.Request) bool {
	who, err := s.verifier.Verify(r, sigv4.EmptyPayload, time.Now())
	return err == nil && who.AccessKeyID == s.dir.AccessKey.ID
}

// stopHandler is POST /_berth/stop: the server lets requests finish and ends, as with SIGTERM.
func (s *Server) stopHandler(w http.ResponseWriter, r *http.Request) {
	if !s.owner(r) {
		http.Error(w, "only the access key of this server's data directory may stop it", http.StatusForbidden)
		return
	}
	s.cfg.Logger.Info("stopping: a caller with the key of the data directory asked for it", "from", r.RemoteAddr)
	w.WriteHeader(http.StatusNoContent)
	select {
	case s.stop <- struct{}{}:
	default: // it is stopping already
	}
}

// status answers with what runs in the region that the request was signed for.
func (s *Server) status(w http.ResponseWriter, _ *http.Request, who sigv4.Identity) {
	w.Header().Set("Content-Type", "application/json")
	r := status.Of(&s.store.View().Tables, who.Principal.Account, who.Region, time.Now())
	r.Disk = s.diskUse()
	// The answer is on its way when writing it fails; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(r)
}

// explain answers why the service or task of that name does not run.
func (s *Server) explain(w http.ResponseWriter, r *http.Request, who sigv4.Identity) {
	s.about(w, r, who, func(t *state.Tables, subject why.Subject) any { return why.Of(t, subject, time.Now()) })
}

// streams answers where the service or task of that name writes its logs.
func (s *Server) streams(w http.ResponseWriter, r *http.Request, who sigv4.Identity) {
	s.about(w, r, who, func(t *state.Tables, subject why.Subject) any { return status.Streams(t, subject) })
}

// about answers with something about the service or task that a request names.
func (s *Server) about(w http.ResponseWriter, r *http.Request, who sigv4.Identity, answer func(*state.Tables, why.Subject) any) {
	t := &s.store.View().Tables
	subject, err := why.Find(t, who.Principal.Account, who.Region, r.FormValue("cluster"), r.FormValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer(t, subject)) // the caller has gone away when this fails
}

// Addr is the address the API is served at.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx is cancelled, then lets requests finish and returns. Containers and agents go on.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var rooms sync.WaitGroup
	for name, run := range s.rooms() {
		rooms.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	rooms.Go(func() { s.sweep(ctx) })
	if s.secure != nil {
		rooms.Go(func() {
			if err := s.secure.run(ctx.Done()); err != nil {
				cancel(fmt.Errorf("the registry with TLS: %w", err))
			}
		})
	}
	rooms.Go(func() {
		if s.publisher.Sync(ctx, s.store.View().Rev) == nil {
			close(s.ready)
		}
	})
	rooms.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			cancel(err)
		}
	})
	select {
	case <-ctx.Done():
	case <-s.stop:
		cancel(context.Canceled)
	}
	// Long polls and websockets do not end by themselves; what has not ended by now is cut.
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer done()
	if s.http.Shutdown(last) != nil {
		_ = s.http.Close() // the listener is closed already, and connections are not told of anything
	}
	rooms.Wait()
	s.background.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Close closes what New opened; Run must have returned.
func (s *Server) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}
