// Package link turns an accepted connection into a byte stream that uses no goroutine and no buffer while it is idle.
//
// Received bytes are passed to callbacks, and writing never blocks the writer. On Linux, TCP and Unix sockets are
// watched with epoll, and an idle connection has no goroutine and no buffer. On other systems, and for connections
// that are not plain sockets (TLS, and pipes in tests), one goroutine reads, and a second one writes while there is
// something to send.
//
// The package does not know HTTP, WebSocket or sessions. Callbacks of one Sink do not overlap, except that Writable may
// run at the same time as Readable for connections with goroutines of their own.
package link

import (
	"errors"
	"net"
	"sync"
)

// Sink is the owner's side of a Link.
type Sink interface {
	// Readable is called with received bytes. p is valid only during the call. It must not block.
	Readable(p []byte)
	// Writable is called when more can be written, after a Write that did not take all its bytes.
	Writable()
	// Broken is the last call. The peer has closed the connection (err is io.EOF), or it failed or was closed here.
	Broken(err error)
}

// Link is the sending side of a connection. Its methods are safe for concurrent use.
type Link interface {
	// Write takes as many bytes of p as it can without waiting, and returns how many. If it takes fewer than len(p) and
	// returns no error, Sink.Writable is called when more can be written. It does not keep p.
	Write(p []byte) (int, error)
	// Pause stops reading, so that the peer cannot send any more once the buffers are full. Resume starts it again.
	// Readable may be called once more after Pause, if it is under way. While a link is paused, only HungUp shows that
	// the peer has ended its stream. A failure of the connection is still reported, if the system reports it.
	Pause()
	Resume()
	// HungUp reports whether the peer of a paused link has ended its stream. It returns false if that cannot be known.
	HungUp() bool
	// Close closes the connection in both directions. Sink.Broken follows. Bytes that the kernel has accepted are still
	// sent.
	Close()
}

// ErrClosed is returned by Link.Write after the link was closed, and by Group.Attach after the group was closed.
var ErrClosed = errors.New("link: closed")

// A Group owns the loops and goroutines of many links. The zero value is ready to use.
type Group struct {
	// NewWorker, if not nil, makes a Worker for each goroutine that serves links with epoll. It must be set before the
	// first call of Attach. Links that have goroutines of their own have no worker.
	NewWorker func() Worker

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
	poll   parking
	plain  map[*routine]struct{} // links with goroutines of their own
}

// Attach makes a link of c, which must not be used afterwards. It calls open with the link, passes early, which are
// bytes that were read from c before, to the Sink that open returns, and then starts reading.
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
	g.wg.Add(1) // Close waits until the link is started
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
