package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// Verifier checks who opens a session and who signed a telemetry frame.
type Verifier interface {
	Verify(r *http.Request, payloadHash string, now time.Time) (sigv4.Identity, error)
	VerifyFrame(handshake *http.Request, header http.Header, payload []byte, now time.Time) (sigv4.Identity, error)
}

// Minter makes the credentials of tasks' roles.
type Minter interface {
	Mint(roleARN, session string, expires time.Time) (identity.Credentials, error)
}

// Config is what a Dispatcher needs. Store, Verifier and Minter must be set.
type Config struct {
	Store    *state.Store
	Verifier Verifier
	Minter   Minter
	// Feed may be nil: measurements are then acknowledged and dropped.
	Feed Feed
	// Pace is that of services and Auto Scaling groups that have none of their own: at the pace of seconds agents
	// report every second.
	Pace scaling.Pace
	// Hosts returns the names that containers must be able to resolve, such as those of load
	// balancers and caches, sorted; it may be nil.
	Hosts func(t *state.Tables) []acs.HostEntry
	// EndpointURL is the value of AWS_ENDPOINT_URL for containers that do not set it; "" leaves it
	// out.
	EndpointURL string
	// Scheme is the scheme of the session endpoints; "" means "http".
	Scheme string
	// LostAfter is how long an agent may be without a session before it counts as disconnected; 0
	// means 10 s. StartGrace is the same after a start of the control plane; 0 means 30 s.
	LostAfter, StartGrace time.Duration
	Logger                *slog.Logger
}

// Dispatcher is the control plane's end of all sessions with agents.
type Dispatcher struct {
	cfg      Config
	store    *state.Store
	log      *slog.Logger
	work     sync.WaitGroup // running sessions
	presence *presence

	mu       sync.Mutex // guards what follows
	ctx      context.Context
	sessions map[string]*session // by container instance ARN
}

// New makes a Dispatcher.
func New(cfg Config) *Dispatcher {
	if cfg.Scheme == "" {
		cfg.Scheme = "http"
	}
	if cfg.LostAfter == 0 {
		cfg.LostAfter = 10 * time.Second
	}
	if cfg.StartGrace == 0 {
		cfg.StartGrace = 30 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Dispatcher{cfg: cfg, store: cfg.Store, log: cfg.Logger, sessions: map[string]*session{}}
	d.presence = newPresence(d)
	return d
}

// errReplaced ends a session when its agent has opened a newer one.
var errReplaced = errors.New("the agent has opened a newer session")

// Run serves sessions until ctx is cancelled, and waits for them.
func (d *Dispatcher) Run(ctx context.Context) error {
	sub := state.Subscribe(d.store, dirty)
	defer sub.Close()
	d.mu.Lock()
	d.ctx = ctx
	d.mu.Unlock()
	d.work.Go(func() { d.presence.run(ctx) })
	if d.cfg.Feed != nil {
		d.work.Go(func() { d.count(ctx) })
	}
	defer d.work.Wait()
	defer func() {
		d.mu.Lock()
		d.ctx = nil
		d.mu.Unlock()
	}()
	for {
		keys, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		d.mu.Lock()
		for _, key := range keys {
			if s := d.sessions[key.instance]; s != nil {
				s.wake(key.task)
			}
		}
		if slices.Contains(keys, everyone) {
			for _, s := range d.sessions {
				s.wake("")
			}
		}
		d.mu.Unlock()
	}
}

// concern names what a change concerns, by ARNs: a task on a container instance, or the instance
// itself if task is "".
type concern struct{ instance, task string }

// everyone stands for all sessions: the names that containers resolve have changed.
var everyone = concern{}

func dirty(c state.Change, _ *state.Snapshot) []concern {
	switch c := c.(type) {
	case state.Changed[ecs.Task]:
		return []concern{{c.Last().ContainerInstanceARN, c.Key}}
	case state.Changed[ecs.ContainerInstance]:
		return []concern{{c.Key, ""}}
	case state.Changed[elb.LoadBalancer], state.Changed[cache.Cluster], state.Changed[fleet.Block]:
		return []concern{everyone}
	}
	return nil
}

// begin adds a session to those that Run waits for, and returns the context that is cancelled when
// Run ends; nil while Run is not running. The caller holds d.mu, and calls d.work.Done at the end of
// the session.
func (d *Dispatcher) begin() context.Context {
	if d.ctx == nil || d.ctx.Err() != nil {
		return nil
	}
	d.work.Add(1)
	return d.ctx
}

// enter registers a session, which replaces an older one of the same instance. The context that it
// returns is cancelled when Run ends; leave must be called when the session ends. enter returns nil
// while Run is not running.
func (d *Dispatcher) enter(instance string, s *session) (ctx context.Context, leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	running := d.begin()
	if running == nil {
		return nil, nil
	}
	ctx, cancel := context.WithCancelCause(running)
	s.end = cancel
	if old := d.sessions[instance]; old != nil {
		old.end(errReplaced)
	}
	d.sessions[instance] = s
	return ctx, func() {
		cancel(nil)
		d.mu.Lock()
		current := d.sessions[instance] == s
		if current {
			delete(d.sessions, instance)
		}
		d.mu.Unlock()
		if current {
			d.presence.left(instance)
		}
		d.work.Done()
	}
}

// present reports whether the instance has a session.
func (d *Dispatcher) present(instance string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sessions[instance] != nil
}
