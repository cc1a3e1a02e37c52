package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/route"
)

// Config is what an Edge is made of.
type Config struct {
	// Addr is the host listeners are bound on, "127.0.0.1" if empty.
	Addr string
	// Key seals stickiness cookies. It must stay the same over restarts for clients to stay with their targets.
	Key [32]byte
	// Reporter is told what the edge sees; nil tells nobody.
	Reporter Reporter
	// Record is called at the end of each request and of each WebSocket, from its goroutine; nil records nothing. It must be quick
	// and must not keep the entry.
	Record func(*Entry)
	// Certificate finds the certificate of an ARN; nil finds none, and HTTPS listeners are not served then.
	Certificate func(arn string) (*tls.Certificate, bool)
	Logger      *slog.Logger
	// Listen and Dial default to TCP.
	Listen func(address string) (net.Listener, error)
	Dial   func(ctx context.Context, address string) (net.Conn, error)
	// Grace is how long requests under way may go on when Run is told to end; 0 cuts them.
	Grace time.Duration
}

// A Reporter takes in what an edge sees. Report is called from one goroutine, must not wait for anything and must not call the edge.
type Reporter interface {
	Report(route.Report)
}

// Edge serves load balancers. Make one with New.
type Edge struct {
	cfg     Config
	log     *slog.Logger
	seal    *sealer
	applies chan application
	wake    chan struct{} // something was seen that the loop must act on
	done    chan struct{} // closed when Run has ended
	live    atomic.Pointer[live]
	clients clientSet
	buf     buffers

	// The rest belongs to the loop of Run.
	config    route.Config
	upstreams map[string]*upstream
	turns     map[string]*atomic.Uint64 // by target group ARN
	ports     map[int]*port
	own       map[netip.AddrPort]*port // of load balancers that have an address to themselves
	work      sync.WaitGroup           // accept loops and client connections
	probes    sync.WaitGroup
}

type application struct {
	config route.Config
	taken  chan struct{}
}

// New makes an edge that serves nothing yet. It does not listen before Run and Apply.
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
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	}
	e := &Edge{cfg: cfg, log: cfg.Logger, seal: seal,
		applies: make(chan application), wake: make(chan struct{}, 1), done: make(chan struct{}),
		upstreams: map[string]*upstream{}, turns: map[string]*atomic.Uint64{}, ports: map[int]*port{}, own: map[netip.AddrPort]*port{}}
	e.live.Store(e.compile())
	return e, nil
}

// ErrEnded is returned by Apply when Run has ended.
var ErrEnded = errors.New("the edge has ended")

// Apply makes the edge serve c. When it returns nil, new requests are routed by c and none goes to a target that c drains or does
// not have. It waits for Run to have been started.
func (e *Edge) Apply(ctx context.Context, c route.Config) error {
	a := application{c, make(chan struct{})}
	select {
	case e.applies <- a:
	case <-e.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-a.taken:
		return nil
	case <-e.done:
		return ErrEnded
	}
}

// Revision returns the revision of the configuration in use.
func (e *Edge) Revision() uint64 { return e.live.Load().table.Revision }

// Run serves until ctx ends, and returns when every goroutine it started has ended.
func (e *Edge) Run(ctx context.Context) error {
	probing, stopProbing := context.WithCancel(ctx)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	drain := time.NewTimer(0)
	defer drain.Stop()
	for ctx.Err() == nil {
		select {
		case a := <-e.applies:
			e.apply(probing, a.config)
			e.report() // before the answer, so that who asked finds where listeners are served
			close(a.taken)
		case <-e.wake:
			e.swap()
		case <-tick.C:
			e.sweep()
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

// sweepEvery is how often idle connections are looked through and ports that could not be bound are tried again.
const sweepEvery = 5 * time.Second

// shutDown stops accepting, lets requests under way end within the grace, and cuts what is left.
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
		for _, u := range e.upstreams { // whoever waits for a target does not see that its client is gone
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

// notice wakes the loop.
func (e *Edge) notice() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}
