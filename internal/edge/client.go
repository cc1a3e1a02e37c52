package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
	"github.com/berthhq/berth/internal/route"
)

// client is the connection of a client. One goroutine serves its requests, one after another.
type client struct {
	e      *Edge
	socket net.Conn // as accepted; closing it ends everything
	nc     net.Conn // socket, or TLS over it
	peer   netip.AddrPort
	port   int                  // of the listener
	own    netip.AddrPort       // the address on which it was accepted, if that belongs to one load balancer
	bound  int                  // the port where the listener is bound
	tls    *tls.ConnectionState // nil for plain HTTP
	br     *bufio.Reader
	idle   time.Duration // the connection ends after this long without a byte
	left   bool          // a write failed: the client has closed the connection
	born   time.Time
	ipv6   bool
	// balancer has the counts for the connection; nil until the load balancer is known.
	balancer *counts

	resting atomic.Bool // between two requests
	// unfinished means that the response under way ends with the connection.
	unfinished atomic.Bool
	mu         sync.Mutex // guards the read deadline, which two goroutines set
	stopping   bool
}

// serve serves the requests of a connection until the client or the edge ends it.
func (e *Edge) serve(nc net.Conn, p *port, config *tls.Config) {
	c := &client{e: e, socket: nc, nc: nc, peer: peerOf(nc.RemoteAddr()), port: p.number, bound: p.bound,
		own: p.own, idle: time.Minute, born: time.Now()}
	c.ipv6 = c.peer.Addr().Is6() && !c.peer.Addr().Is4In6()
	x := &exchange{c: c, e: e}
	defer func() {
		if !x.handedOver { // otherwise the session closes it
			c.close()
		}
	}()
	defer e.survive()
	first := c.find(e.live.Load().table, "")
	if !e.clients.add(c) {
		t := tallyOf(first)
		t.addError(route.RejectedConnections)
		return
	}
	if config != nil && !c.handshake(config) {
		t := tallyOf(first)
		t.addError(route.ClientTLSErrors)
		return
	}
	if first != nil {
		c.idle = first.Idle
	}
	if c.own.IsValid() || len(e.live.Load().table.On(c.port)) == 1 {
		c.count(first)
	}
	c.br = e.buf.reader(c.nc)
	defer func() {
		if c.br != nil {
			e.buf.putReader(c.br)
		}
	}()
	for c.awaitRequest() && x.run() && e.clients.rest(c, true) {
	}
	if c.br != nil && !x.body.Done() && !c.unfinished.Load() {
		c.linger()
	}
}

// close ends the connection and forgets it.
func (c *client) close() {
	if c.unfinished.Load() {
		c.cut()
	}
	c.nc.Close() // the connection is not used any more
	c.e.clients.remove(c)
	if c.balancer == nil { // it sent no request
		c.count(c.find(c.e.live.Load().table, ""))
	}
	if c.balancer != nil {
		c.balancer.clients.Add(-1)
	}
}

// cut closes the socket so that a client cannot mistake it for the end of the response: TCP sends a reset, and
// TLS sends no closing message.
func (c *client) cut() {
	if tcp, ok := c.socket.(*net.TCPConn); ok && c.unfinished.Load() {
		tcp.SetLinger(0) // fails on a closed socket only
	}
	c.socket.Close() // ends the loop in serve
}

// Bounds on what is read from a client that is still sending after it was answered.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// linger closes the connection for writing and reads for a moment. If it were closed with unread bytes, the
// client would get a reset and might not see the answer.
func (c *client) linger() {
	if closeWrite(c.nc) != nil || c.nc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	io.CopyN(io.Discard, c.br, lingerBytes) // the connection is closed in any case
}

// survive recovers from a panic, which ends one connection only.
func (e *Edge) survive() {
	if p := recover(); p != nil {
		e.log.Error("a connection ended in a panic", "panic", p, "stack", string(debug.Stack()))
	}
}

func (c *client) handshake(config *tls.Config) bool {
	secure := tls.Server(c.nc, config)
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return false
	}
	state := secure.ConnectionState()
	c.nc, c.tls = secure, &state
	return true
}

// awaitRequest waits for the first byte of the next request.
func (c *client) awaitRequest() bool {
	if c.br.Buffered() == 0 {
		if err := c.nc.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
			return false
		}
		if _, err := c.br.Peek(1); err != nil {
			return false
		}
	}
	return c.e.clients.rest(c, false)
}

// setReadDeadline sets the deadline for reads from the client, unless stopReading was called.
func (c *client) setReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		t = time.Unix(1, 0)
	}
	return c.nc.SetReadDeadline(t)
}

// stopReading interrupts a read in another goroutine, and every later one until resume.
func (c *client) stopReading() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	return c.nc.SetReadDeadline(time.Unix(1, 0))
}

func (c *client) resumeReading() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = false
	return c.nc.SetReadDeadline(time.Time{})
}

// timedWriter gives each write to a connection as much time as the idle timeout.
type timedWriter struct {
	nc   net.Conn
	idle time.Duration
}

func (w timedWriter) Write(p []byte) (int, error) {
	if err := w.nc.SetWriteDeadline(time.Now().Add(w.idle)); err != nil {
		return 0, err
	}
	return w.nc.Write(p)
}

// Write writes to the client, within its idle timeout.
func (c *client) Write(p []byte) (int, error) {
	n, err := timedWriter{c.nc, c.idle}.Write(p)
	c.left = c.left || err != nil && !isTimeout(err)
	return n, err
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// asMalformed returns the *h1.Error in err, if there is one.
func asMalformed(err error) (*h1.Error, bool) { return errors.AsType[*h1.Error](err) }
