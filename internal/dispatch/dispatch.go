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
	"github.com/berthhq/berth/internal/state"
)

// Verifier proves who opens a session and who signed a telemetry frame.
type Verifier interface {
	Verify(r *http.Request, payloadHash string, now time.Time) (sigv4.Identity, error)
	VerifyFrame(handshake *http.Request, header http.Header, payload []byte, now time.Time) (sigv4.Identity, error)
}

// Minter makes the credentials of tasks' roles.
type Minter interface {
	Mint(roleARN, session string, expires time.Time) (identity.Credentials, error)
}

// Metrics takes in what tasks use. Observe must be quick.
type Metrics interface {
	Observe(u Usage)
}

// Config is what a Dispatcher works with. Store, Verifier and Minter are needed.
type Config struct {
	Store    *state.Store
	Verifier Verifier
	Minter   Minter
	// Metrics may be nil: then measurements are acknowledged and dropped.
	Metrics Metrics
	// Hosts are names that containers are to resolve, such as those of load balancers and caches, sorted; nil for none.
	Hosts func(t *state.Tables) []acs.HostEntry
	// EndpointURL is put into containers as AWS_ENDPOINT_URL unless they set it; ""
	// leaves it out.
	EndpointURL string
	// Scheme of the session endpoints, "http" unless set.
	Scheme string
	// LostAfter is how long an agent may be away before it counts as disconnected
	// (10 s unless set), StartGrace the same after a start of the control plane (30 s).
	LostAfter, StartGrace time.Duration
	Logger                *slog.Logger
}

// Dispatcher is the control plane's end of all sessions.
type Dispatcher struct {
	cfg      Config
	store    *state.Store
	log      *slog.Logger
	work     sync.WaitGroup // sessions under way
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

// errReplaced ends a session whose agent has opened a newer one.
var errReplaced = errors.New("the agent has opened a newer session")

// Run serves sessions until ctx ends, and waits for them.
func (d *Dispatcher) Run(ctx context.Context) error {
	sub := d.store.Subscribe(dirty)
	defer sub.Close()
	d.mu.Lock()
	d.ctx = ctx
	d.mu.Unlock()
	d.work.Go(func() { d.presence.run(ctx) })
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
			if s := d.sessions[key]; s != nil {
				s.wake()
			}
		}
		if slices.Contains(keys, everyone) {
			for _, s := range d.sessions {
				s.wake()
			}
		}
		d.mu.Unlock()
	}
}

// everyone stands for all sessions: names that containers resolve have changed.
const everyone = ""

// dirty names the container instance whose session a change concerns.
func dirty(c state.Change) []string {
	switch v := c.New.(type) {
	case *ecs.Task:
		if v != nil {
			return []string{v.ContainerInstanceARN}
		}
		if old, ok := c.Old.(*ecs.Task); ok && old != nil {
			return []string{old.ContainerInstanceARN}
		}
	case *ecs.ContainerInstance:
		return []string{c.Key}
	case *elb.LoadBalancer, *cache.Cluster, *fleet.Block:
		return []string{everyone}
	}
	return nil
}

// enter takes a session up in the place of an older one of the same instance. The
// context it returns ends with Run; leave must be called at the session's end. It
// returns nil while Run is not running.
func (d *Dispatcher) enter(instance string, s *session) (ctx context.Context, leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil || d.ctx.Err() != nil {
		return nil, nil
	}
	d.work.Add(1)
	ctx, cancel := context.WithCancelCause(d.ctx)
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
