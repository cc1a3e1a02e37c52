package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// Limits on connections to targets (alb.md 5.3).
const (
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	maxIdlePooled    = 60 * time.Second // a pooled connection is closed when it has been idle for longer
	maxPooled        = 256              // idle connections per target
	// surelyAlive is how long after its last use an idle connection is used again without a check.
	surelyAlive = 20 * time.Millisecond
)

// upstream is what is kept of a target across tables: its gate, connections, count of requests and health.
type upstream struct {
	edge    *Edge
	key     string
	id      stickyID
	address string
	tls     bool
	counts  *counts
	busy    atomic.Int64 // requests and WebSockets under way

	mu         sync.Mutex // guards what follows
	gate       gate
	idle       []*targetConn
	active     map[*targetConn]struct{}
	draining   bool
	drainUntil time.Time
	wasCut     bool
	health     elb.Verdict
	reported   elb.Verdict
	streak     streak
	probe      *probe
}

// targetConn is a connection to a target. It serves one request at a time.
type targetConn struct {
	net.Conn
	up     *upstream
	tally  tally // counts its end
	br     *bufio.Reader
	peek   peeker
	reused bool
	inGate bool        // a head is being sent over it; guarded by upstream.mu
	since  time.Time   // when it became idle
	cut    atomic.Bool // it was closed because the deregistration delay has ended
}

// Close closes the connection at once. It sends no end of TLS, for which it would have to wait until the target
// reads.
func (c *targetConn) Close() error {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		return secure.NetConn().Close()
	}
	return c.Conn.Close()
}

func newUpstream(e *Edge, t *route.Target, tls bool) *upstream {
	u := &upstream{edge: e, key: t.Key, id: idOf(t.Key), address: t.Address.String(), tls: tls,
		active: map[*targetConn]struct{}{},
		counts: e.countsOf(route.Subject{Target: t.Key})}
	u.gate.empty.L = &u.mu
	return u
}

// setDraining opens or closes the gate.
func (u *upstream) setDraining(draining bool, until time.Time) {
	u.mu.Lock()
	u.draining, u.drainUntil = draining, until
	if !draining {
		u.wasCut, u.gate.closed = false, false
	}
	u.mu.Unlock()
	if draining && u.shut() {
		u.closeIdle(time.Now())
	}
}

func (u *upstream) drainsUntil() (until time.Time, draining bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.drainUntil, u.draining && !u.wasCut
}

// retire closes the gate of a target that no rule leads to. Requests under way go on; the target may be used
// again.
func (u *upstream) retire() {
	u.stopProbe()
	u.shut()
	u.closeIdle(time.Now())
}

// remove closes the gate for good, ends probing and closes every connection.
func (u *upstream) remove() {
	u.stopProbe()
	u.shut()
	u.cut()
}

// cut closes every connection. Requests under way are answered with 502, WebSockets end (alb.md D3, D5).
func (u *upstream) cut() {
	u.closeIdle(time.Now())
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wasCut = true
	for c := range u.active {
		c.cut.Store(true)
		c.Close() // its request gets an error
	}
}

// begin counts a request, and end ends the count. When the last request of a draining target has ended, the
// target is drained.
func (u *upstream) begin() { u.busy.Add(1) }

func (u *upstream) end() {
	if u.busy.Add(-1) > 0 {
		return
	}
	u.mu.Lock()
	draining := u.draining
	u.mu.Unlock()
	if draining {
		u.edge.notice(u)
	}
}

// connect returns an idle connection to the target, or a new one if there is none or fresh is true.
func (u *upstream) connect(ctx context.Context, fresh bool, t tally) (*targetConn, error) {
	for !fresh {
		c := u.pop()
		if c == nil {
			break
		}
		if time.Since(c.since) < surelyAlive || c.peek.alive(c.Conn) {
			c.reused = true
			return c, nil
		}
		u.discard(c)
	}
	nc, err := u.dial(ctx)
	if err != nil {
		return nil, err
	}
	t.openTarget()
	c := &targetConn{Conn: nc, up: u, br: u.edge.buf.reader(nc), tally: t}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.active[c] = struct{}{}
	return c, nil
}

var errTLS = errors.New("TLS handshake with the target failed")

func (u *upstream) dial(ctx context.Context) (net.Conn, error) {
	dialing, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	nc, err := u.edge.cfg.Dial(dialing, u.address)
	if err != nil || !u.tls {
		return nc, err
	}
	// Certificates of targets are never verified (alb.md T4).
	secure := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	shaking, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(shaking); err != nil {
		nc.Close() // the handshake's error is returned
		return nil, errors.Join(errTLS, err)
	}
	return secure, nil
}

// pop returns the idle connection that was used last, so that the others grow old and are closed.
func (u *upstream) pop() *targetConn {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := len(u.idle)
	if n == 0 {
		return nil
	}
	c := u.idle[n-1]
	u.idle[n-1] = nil
	u.idle = u.idle[:n-1]
	u.active[c] = struct{}{}
	return c
}

// release returns a connection to the pool if it may carry another request.
func (u *upstream) release(c *targetConn) {
	u.mu.Lock()
	if u.draining || u.wasCut || len(u.idle) >= maxPooled || c.br.Buffered() > 0 || c.cut.Load() {
		u.mu.Unlock()
		u.discard(c)
		return
	}
	defer u.mu.Unlock()
	delete(u.active, c)
	c.since = time.Now()
	u.idle = append(u.idle, c)
}

// discard closes a connection.
func (u *upstream) discard(c *targetConn) {
	c.Close() // it is not used any more
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, open := u.active[c]; open {
		c.tally.closeTarget()
	}
	delete(u.active, c)
	if c.br != nil {
		u.edge.buf.putReader(c.br)
		c.br = nil
	}
}

// closeIdle closes pooled connections that have not been used since a time.
func (u *upstream) closeIdle(after time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	kept := u.idle[:0]
	for _, c := range u.idle {
		if c.since.After(after) {
			kept = append(kept, c)
			continue
		}
		c.Close() // it is not used any more
		c.tally.closeTarget()
		u.edge.buf.putReader(c.br)
	}
	clear(u.idle[len(kept):])
	u.idle = kept
}
