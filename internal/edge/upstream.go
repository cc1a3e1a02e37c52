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
	maxIdlePooled    = 60 * time.Second // a pooled connection is not kept longer than this without use
	maxPooled        = 256              // idle connections kept per target
	// surelyAlive is how long an idle connection is used again without a look at it.
	surelyAlive = 20 * time.Millisecond
)

// upstream is what is kept of a target beyond any table: its gate, connections, count of requests and health.
type upstream struct {
	edge    *Edge
	key     string
	id      stickyID
	address string
	tls     bool
	busy    atomic.Int64 // requests and WebSockets that were given to it and have not ended

	mu         sync.Mutex // guards what follows
	gate       gate
	idle       []*targetConn
	active     map[*targetConn]struct{}
	draining   bool
	drainUntil time.Time
	wasCut     bool
	health     elb.TargetHealth
	told       elb.TargetHealth
	streak     streak
	probe      *probe
}

// targetConn is a connection to a target. It serves one request at a time.
type targetConn struct {
	net.Conn
	up     *upstream
	br     *bufio.Reader
	peek   peeker
	reused bool
	inGate bool        // a head is being sent over it; guarded by upstream.mu
	since  time.Time   // when it became idle
	cut    atomic.Bool // closed because the deregistration delay is over
}

// Close closes the connection at once. A target is not told the end of TLS: that would have to wait until it reads.
func (c *targetConn) Close() error {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		return secure.NetConn().Close()
	}
	return c.Conn.Close()
}

func newUpstream(e *Edge, t *route.Target) *upstream {
	u := &upstream{edge: e, key: t.Key, id: idOf(t.Key), address: t.Address.String(), tls: t.Group.TLS, active: map[*targetConn]struct{}{}}
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

// retire closes the gate of a target that no rule leads to any more. What it is busy with goes on; it may come into use again.
func (u *upstream) retire() {
	u.stopProbe()
	u.shut()
	u.closeIdle(time.Now())
}

// remove closes the gate for good, ends probing and cuts every connection.
func (u *upstream) remove() {
	u.stopProbe()
	u.shut()
	u.cut()
}

// cut closes every connection, busy or not; requests under way are answered 502, WebSockets end (alb.md D3, D5).
func (u *upstream) cut() {
	u.closeIdle(time.Now())
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wasCut = true
	for c := range u.active {
		c.cut.Store(true)
		c.Close() // its request notices
	}
}

// begin counts a request in, end counts it out. The end of a target's last request may be the end of its draining.
func (u *upstream) begin() { u.busy.Add(1) }

func (u *upstream) end() {
	if u.busy.Add(-1) > 0 {
		return
	}
	u.mu.Lock()
	draining := u.draining
	u.mu.Unlock()
	if draining {
		u.edge.notice()
	}
}

// connect returns a connection to the target, an idle one if there is one and fresh is false.
func (u *upstream) connect(ctx context.Context, fresh bool) (*targetConn, error) {
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
	c := &targetConn{Conn: nc, up: u, br: u.edge.buf.reader(nc)}
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
		nc.Close() // the handshake's error is the one that matters
		return nil, errors.Join(errTLS, err)
	}
	return secure, nil
}

// pop takes the idle connection that was used last; the others may grow old and be closed.
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

// release puts a connection back that may carry another request.
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

// discard closes a connection for good.
func (u *upstream) discard(c *targetConn) {
	c.Close() // nothing more is wanted of it
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.active, c)
	if c.br != nil {
		u.edge.buf.putReader(c.br)
		c.br = nil
	}
}

// closeIdle closes pooled connections that were not used after the time.
func (u *upstream) closeIdle(after time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	kept := u.idle[:0]
	for _, c := range u.idle {
		if c.since.After(after) {
			kept = append(kept, c)
			continue
		}
		c.Close() // nothing more is wanted of it
		u.edge.buf.putReader(c.br)
	}
	clear(u.idle[len(kept):])
	u.idle = kept
}
