package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/route"
)

// Config configures an Edge.
type Config struct {
	// Addr is the IP address on which listeners are bound, "127.0.0.1" if empty.
	Addr string
	// Key encrypts stickiness cookies. It must stay the same over restarts so that clients stay with their
	// targets.
	Key [32]byte
	// Reporter gets what the edge sees; it may be nil.
	Reporter Reporter
	// Record, if not nil, is called at the end of each request and WebSocket, from its goroutine. It must be
	// quick and must not keep the entry.
	Record func(*Entry)
	// Certificate returns the certificate of an ARN. If it is nil, HTTPS listeners are not served.
	Certificate func(arn string) (*tls.Certificate, bool)
	Logger      *slog.Logger
	// Listen and Dial default to TCP.
	Listen func(address string) (net.Listener, error)
	Dial   func(ctx context.Context, address string) (net.Conn, error)
	// Grace is how long requests may go on after the context of Run has ended; 0 ends them at once.
	Grace time.Duration
}

// A Reporter gets what an edge sees. Report is called from one goroutine. It must not block and must not call
// the edge.
type Reporter interface {
	Report(route.Report)
}

// Edge serves load balancers. Use New to create one.
type Edge struct {
	cfg     Config
	log     *slog.Logger
	seal    *sealer
	applies chan application
	flushes chan chan struct{} // each is closed when the counters were reported
	wake    chan struct{}      // has a token when there are noticed upstreams
	done    chan struct{}      // closed when Run has ended
	live    atomic.Pointer[live]
	// revision is the revision of the configuration in use.
	revision atomic.Uint64
	epoch    int64
	byID     sync.Map // of stickyID and *upstream
	noticed  noticed
	clients  clientSet
	buf      buffers

	// Only the loop of Run uses the rest.
	compiler  *route.Compiler
	upstreams map[string]*upstream
	groups    map[string]*group // by target group ARN
	counts    map[route.Subject]*counts
	drains    drains
	ports     map[int]*port
	own       map[netip.AddrPort]*port // of load balancers with an address of their own
	// toReport are targets whose health may have to be reported; portsToReport is the same for listeners.
	toReport      []*upstream
	portsToReport bool
	work          sync.WaitGroup // accept loops and client connections
	probes        sync.WaitGroup
}

type application struct {
	config route.Config
	taken  chan error
}

// New returns an edge that serves nothing yet. It listens once it runs and Apply was called.
func New(cfg Config) (*Edge, error) {
	seal, err := newSealer(cfg.Key)
	if err != nil {
		return nil, err
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Listen == nil {
		cfg.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	if cfg.Dial == nil {
		var d net.Dialer
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", address)
		}
	}
	e := &Edge{cfg: cfg, log: cfg.Logger, seal: seal,
		applies: make(chan application), flushes: make(chan chan struct{}), epoch: time.Now().UnixNano(),
		counts: map[route.Subject]*counts{}, wake: make(chan struct{}, 1), done: make(chan struct{}),
		compiler: route.NewCompiler(), upstreams: map[string]*upstream{}, groups: map[string]*group{},
		ports: map[int]*port{}, own: map[netip.AddrPort]*port{}}
	e.live.Store(&live{table: e.compiler.Table()})
	return e, nil
}

// ErrEnded is returned by Apply when Run has ended.
var ErrEnded = errors.New("the edge has ended")

// Apply makes the edge serve c. When it returns nil, new requests are routed by c, and none is sent to a target
// that c drains or does not have. It returns route.ErrGap if c is a change of another configuration than the
// one in use. It blocks until Run has been called.
func (e *Edge) Apply(ctx context.Context, c route.Config) error {
	a := application{c, make(chan error, 1)}
	select {
	case e.applies <- a:
	case <-e.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-a.taken:
		return err
	case <-e.done:
		return ErrEnded
	}
}

// Revision returns the revision of the configuration in use.
func (e *Edge) Revision() uint64 { return e.revision.Load() }

// Run serves until ctx ends. It returns when every goroutine that it started has ended.
func (e *Edge) Run(ctx context.Context) error {
	probing, stopProbing := context.WithCancel(ctx)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	drain := time.NewTimer(0)
	defer drain.Stop()
	for ctx.Err() == nil {
		select {
		case a := <-e.applies:
			err := e.apply(probing, a.config)
			e.report() // before Apply returns, so that its caller finds where listeners are bound
			a.taken <- err
		case <-e.wake:
			e.judged()
		case done := <-e.flushes:
			e.reportCounts()
			close(done)
		case <-tick.C:
			e.sweep()
			e.reportCounts()
		case <-drain.C:
		case <-ctx.Done():
		}
		e.report()
		drain.Reset(e.cutExpired(time.Now()))
	}
	close(e.done)
	stopProbing()
	e.shutDown()
	return context.Cause(ctx)
}

// sweepEvery is how often idle connections are closed, and ports that could not be bound are tried again.
const sweepEvery = 5 * time.Second

// shutDown stops accepting, lets requests end within the grace, and closes the rest.
func (e *Edge) shutDown() {
	for _, p := range e.ports {
		p.close()
	}
	for _, p := range e.own {
		p.close()
	}
	e.clients.closeIdle()
	cut := time.AfterFunc(e.cfg.Grace, func() {
		e.clients.closeAll()
		for _, u := range e.upstreams { // goroutines that wait for a target do not notice that the client is gone
			u.cut()
		}
	})
	defer cut.Stop()
	e.work.Wait()
	for _, u := range e.upstreams {
		u.remove()
	}
	e.probes.Wait()
}

// noticed is the set of upstreams that the loop of Run has to look at.
type noticed struct {
	mu  sync.Mutex
	all map[*upstream]struct{}
}

func (n *noticed) add(u *upstream) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[*upstream]struct{}{}
	}
	n.all[u] = struct{}{}
}

func (n *noticed) take() []*upstream {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := slices.Collect(maps.Keys(n.all))
	n.all = nil
	return all
}

// notice makes the loop of Run look at the upstream.
func (e *Edge) notice(u *upstream) {
	e.noticed.add(u)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}
