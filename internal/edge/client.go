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
)

// client is a connection of a client. One goroutine serves its requests one after another.
type client struct {
	e      *Edge
	socket net.Conn // as accepted; closing it ends everything
	nc     net.Conn // what is spoken over: the socket, or TLS over it
	peer   netip.AddrPort
	port   int                  // of the listener
	own    netip.AddrPort       // where it was accepted, when a load balancer has that to itself
	bound  int                  // where the listener is really served
	tls    *tls.ConnectionState // nil when it is in clear text
	br     *bufio.Reader
	idle   time.Duration // no byte for this long ends it
	left   bool          // it took no more: the client has closed it
	born   time.Time

	resting atomic.Bool // between two requests
	// unfinished tells that a response is under way whose end is the end of the connection.
	unfinished atomic.Bool
	mu         sync.Mutex // guards the read deadline between two goroutines that set it
	stopping   bool
}

// serve carries a connection through its requests until either end wants no more.
func (e *Edge) serve(nc net.Conn, p *port, config *tls.Config) {
	c := &client{e: e, socket: nc, nc: nc, peer: peerOf(nc.RemoteAddr()), port: p.number, bound: p.bound, own: p.own, idle: time.Minute, born: time.Now()}
	x := &exchange{c: c, e: e}
	defer func() {
		if !x.handedOver { // else the session closes it
			c.close()
		}
	}()
	defer e.survive()
	if !e.clients.add(c) {
		return
	}
	if config != nil && !c.handshake(config) {
		return
	}
	if l := c.find(e.live.Load().table, ""); l != nil {
		c.idle = l.Idle
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
	c.nc.Close() // nothing more is wanted of it
	c.e.clients.remove(c)
}

// cut closes the socket at once. A client that waits for the end of the connection as the end of its response is shown that this is
// not it: TCP resets the connection, and TLS lacks its closing message.
func (c *client) cut() {
	if tcp, ok := c.socket.(*net.TCPConn); ok && c.unfinished.Load() {
		tcp.SetLinger(0) // fails on a closed socket only
	}
	c.socket.Close() // the client's loop notices
}

// Bounds on what is read of a client that is still sending when it has its answer.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// linger ends our side and reads on for a moment: to close a connection with unread bytes makes it break on the client's side, which
// then may never see the answer.
func (c *client) linger() {
	if closeWrite(c.nc) != nil || c.nc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	io.CopyN(io.Discard, c.br, lingerBytes) // whatever comes, or does not come, the connection is closed next
}

// survive makes a panic the end of one connection: the others are served on.
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

// setReadDeadline sets the deadline of reads from the client, unless somebody wants a read under way to end.
func (c *client) setReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		t = time.Unix(1, 0)
	}
	return c.nc.SetReadDeadline(t)
}

// stopReading ends a read under way in another goroutine, and every later one until resume.
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

// timedWriter gives each write to a connection as long as it may stay idle.
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

// Write writes straight to the client, which may take as long as it may stay idle.
func (c *client) Write(p []byte) (int, error) {
	n, err := timedWriter{c.nc, c.idle}.Write(p)
	c.left = c.left || err != nil && !isTimeout(err)
	return n, err
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// asMalformed returns the *h1.Error in err, if there is one.
func asMalformed(err error) (*h1.Error, bool) { return errors.AsType[*h1.Error](err) }
