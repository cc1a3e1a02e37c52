// Package link turns an accepted connection into a byte stream that uses no goroutine and no buffer while it is idle.
//
// A Link is read by callbacks and written without ever blocking the writer. On Linux a plain TCP or
// Unix connection is parked in epoll: no goroutine and no buffer belong to it between two bursts.
// Everywhere else, and for connections that are not a bare socket (TLS, pipes in tests), a goroutine
// reads and a second one, alive only while there is something to send, writes.
//
// The package knows nothing of HTTP, WebSocket or sessions. All callbacks of one Sink come from one
// goroutine at a time except Writable, which may run beside Readable on the portable path.
package link

import (
	"errors"
	"net"
	"sync"
)

// Sink is the owner's side of a Link.
type Sink interface {
	// Readable hands over received bytes. p is valid only during the call. It must not block.
	Readable(p []byte)
	// Writable says that a Link which took less than it was given takes bytes again.
	Writable()
	// Broken is the last call: the peer has gone (io.EOF) or the connection failed or was closed.
	Broken(err error)
}

// Link is the sending side of a connection. Its methods are safe for concurrent use.
type Link interface {
	// Write takes as much of p as is possible without waiting and reports how much; when that is
	// less than len(p) with a nil error, Sink.Writable follows. It does not keep p.
	Write(p []byte) (int, error)
	// Pause stops reading, so that the peer, in the end, cannot send any more; Resume goes on. Readable
	// may come once more after Pause, if it was on its way. The end of the peer's stream is not seen
	// meanwhile but by HungUp; a failure is, if the system reports it.
	Pause()
	Resume()
	// HungUp reports whether the peer of a paused link has ended its stream, where that can be known.
	HungUp() bool
	// Close ends the connection in both directions. Sink.Broken follows, also if it was called before
	// the peer closed. Bytes the kernel has taken are still delivered.
	Close()
}

// ErrClosed is what Write and Attach return after Close.
var ErrClosed = errors.New("link: closed")

// A Group owns the loops and goroutines of many links. The zero value is ready to use.
type Group struct {
	// NewWorker, when set before the first link is attached, makes a worker for each goroutine that serves links of
	// a loop. Links that have a goroutine of their own have no worker.
	NewWorker func() Worker

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
	poll   parking
	plain  map[*routine]struct{}
}

// Attach takes over c. It calls open for the owner's side, hands it the bytes that had been read too
// early, if any, and then starts reading. c must not be used afterwards.
func (g *Group) Attach(c net.Conn, early []byte, open func(Link) Sink) error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		c.Close()
		return ErrClosed
	}
	l, err := g.park(c)
	if l == nil && err == nil {
		l = g.routine(c)
	}
	g.wg.Add(1) // keeps Close waiting until the link is started
	g.mu.Unlock()
	defer g.wg.Done()
	if err != nil {
		return err
	}
	s := open(l)
	if len(early) > 0 {
		s.Readable(early)
	}
	return l.start(s)
}

// starter is a link that does not read yet.
type starter interface {
	Link
	start(Sink) error
}

func (g *Group) routine(c net.Conn) *routine {
	r := &routine{conn: c, group: g}
	r.resumed.L = &r.mu
	if g.plain == nil {
		g.plain = make(map[*routine]struct{})
	}
	g.plain[r] = struct{}{}
	return r
}

// Close closes every link and waits until the last callback has returned.
func (g *Group) Close() {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		for r := range g.plain {
			r.Close()
		}
		g.stop()
	}
	g.mu.Unlock()
	g.wg.Wait()
}

func (g *Group) forget(r *routine) {
	g.mu.Lock()
	delete(g.plain, r)
	g.mu.Unlock()
}
