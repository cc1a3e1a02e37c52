package server

import (
	"container/list"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// How long callers may take. They are not fields of http.Server where bodies and answers of every
// size must pass: those are bounded by their pace.
const (
	headerTime = 10 * time.Second // from the first byte of a request to the end of its header
	idleTime   = 90 * time.Second // between two requests of a connection
	stallTime  = 30 * time.Second // between two parts of a body, or of an answer of the registry
	unreadTime = time.Second      // for the rest of a body that nobody wants, after which the connection ends
	answerTime = 2 * time.Minute  // from the end of the request to that of the answer, but for the registry's

	slowestBody = 64 << 10 // bytes a second that a body must have on average, after stallTime

	// maxHeaderSize is in bytes. A header is in memory before anybody is known, so it is bounded by
	// what clients send: a signature, a session token of some 2 kB, a presigned query.
	maxHeaderSize = 16 << 10
)

// connections bounds the connections of the API. At the bound, a new connection takes the place of
// one that waits: of the longest idle one, or else of the one whose request has been arriving for
// longest. So a health check is answered while somebody holds connections open.
//
// Websockets, which are opened by signed requests only, are not counted.
type connections struct {
	max       int // in all
	perSource int // from one address that is not loopback

	mu      sync.Mutex // guards what follows and the fields of each connection
	all     map[net.Conn]*connection
	idle    list.List // of *connection: no request is under way; the longest idle one is in front
	sources map[netip.Addr]int
}

// connection is one that is counted.
type connection struct {
	conn     net.Conn
	source   netip.Addr
	idle     *list.Element // nil while a request is under way
	arriving time.Time     // since when a body has been arriving; zero when none is
}

func newConnections(max int) *connections {
	return &connections{max: max, perSource: max / 2, all: map[net.Conn]*connection{}, sources: map[netip.Addr]int{}}
}

// maxConnections leaves half of a process's descriptors to load balancers, websockets and files.
func maxConnections(descriptors uint64) int {
	return int(min(max(descriptors, 96)-64, 32768) / 2)
}

type connectionKey struct{}

// context is for http.Server.ConnContext.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// follow is for http.Server.ConnState.
func (c *connections) follow(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.all[conn]
	switch state {
	case http.StateNew:
		x = &connection{conn: conn, source: sourceOf(conn)}
		c.makeRoom(x.source)
		if len(c.all) >= c.max+c.max/8+1 {
			conn.Close() // every one is busy; the server's next read of this one ends it
			return
		}
		c.all[conn] = x
		c.sources[x.source]++
		x.idle = c.idle.PushBack(x)
	case http.StateActive:
		if x != nil && x.idle != nil {
			c.idle.Remove(x.idle)
			x.idle = nil
		}
	case http.StateIdle:
		if x != nil && x.idle == nil {
			x.idle = c.idle.PushBack(x)
			x.arriving = time.Time{}
		}
	case http.StateClosed, http.StateHijacked:
		c.forget(x)
	}
}

// forget takes a connection out of the count.
func (c *connections) forget(x *connection) {
	if x == nil || c.all[x.conn] != x {
		return
	}
	delete(c.all, x.conn)
	if x.idle != nil {
		c.idle.Remove(x.idle)
		x.idle = nil
	}
	if c.sources[x.source]--; c.sources[x.source] == 0 {
		delete(c.sources, x.source)
	}
}

// makeRoom closes connections until one more from source may come. When every one is busy with a
// request that has arrived whole, follow takes some more for a moment, up to an eighth of the bound.
func (c *connections) makeRoom(source netip.Addr) {
	ofSource := func(x *connection) bool { return x.source == source }
	if source.IsValid() && !source.IsLoopback() && c.sources[source] >= c.perSource {
		c.close(c.waiting(ofSource))
	}
	if len(c.all) >= c.max {
		c.close(c.waiting(func(*connection) bool { return true }))
	}
}

func (c *connections) close(x *connection) {
	if x != nil {
		c.forget(x)
		x.conn.Close() // whoever waits for it learns of it by that
	}
}

// waiting picks the connection to give up among those that match, nil when none waits.
func (c *connections) waiting(match func(*connection) bool) (found *connection) {
	for e := c.idle.Front(); e != nil; e = e.Next() {
		if x := e.Value.(*connection); match(x) {
			return x
		}
	}
	for _, x := range c.all {
		if !x.arriving.IsZero() && match(x) && (found == nil || x.arriving.Before(found.arriving)) {
			found = x
		}
	}
	return found
}

// arriving notes since when the body of a request on a connection has been arriving; the zero time
// says that it is there.
func (c *connections) arriving(ctx context.Context, since time.Time) {
	conn, _ := ctx.Value(connectionKey{}).(net.Conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.all[conn]; x != nil {
		x.arriving = since
	}
}

// sourceOf is the address a connection comes from, without its port.
func sourceOf(conn net.Conn) netip.Addr {
	addr, _ := netip.ParseAddrPort(conn.RemoteAddr().String()) // one without an address is as good as any other
	return addr.Addr().Unmap()
}

// pace bounds the time that a request's body and its answer take. Handlers that take the connection
// over set deadlines of their own.
func (c *connections) pace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadlines := http.NewResponseController(w)
		now := time.Now()
		end := now.Add(answerTime)
		switch {
		case r.Header.Get("Upgrade") != "":
			end = time.Time{}
		case isRegistry(r):
			end = now.Add(stallTime)
			w = &pacedAnswer{ResponseWriter: w, deadlines: deadlines}
		}
		_ = deadlines.SetWriteDeadline(end) // a connection that has none has no network either
		if r.Body != http.NoBody {
			ctx, bounded := r.Context(), !end.IsZero()
			body := &pacedBody{ReadCloser: r.Body, deadlines: deadlines, began: now, whole: func() {
				c.arriving(ctx, time.Time{})
				if bounded { // the body has taken its time
					_ = deadlines.SetWriteDeadline(time.Now().Add(answerTime))
				}
			}}
			c.arriving(ctx, now)
			defer body.leave()
			r.Body = body
		}
		next.ServeHTTP(w, r)
	})
}

// isRegistry reports whether a request is for the image registry, whose answers have any size.
func isRegistry(r *http.Request) bool {
	return len(r.URL.Path) >= 4 && r.URL.Path[:4] == "/v2/"
}

// pacedBody is a body that must keep coming.
type pacedBody struct {
	io.ReadCloser
	deadlines *http.ResponseController
	began     time.Time
	size      int64
	whole     func()
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	now := time.Now()
	pace := b.began.Add(stallTime + time.Duration(b.size)*time.Second/slowestBody)
	if stall := now.Add(stallTime); stall.Before(pace) {
		pace = stall
	}
	_ = b.deadlines.SetReadDeadline(pace)
	n, err := b.ReadCloser.Read(p)
	b.size += int64(n)
	if err == io.EOF {
		b.done()
	}
	return n, err
}

// leave bounds what package net/http reads of the body after the handler, which it does before it
// sends the answer. The connection counts as one whose request is arriving until that is over.
func (b *pacedBody) leave() {
	if b.whole != nil {
		_ = b.deadlines.SetReadDeadline(time.Now().Add(unreadTime))
	}
}

// done takes the deadline away when the whole body is there: from now on the connection is read only
// to learn that the caller has gone.
func (b *pacedBody) done() {
	if b.whole != nil {
		_ = b.deadlines.SetReadDeadline(time.Time{})
		b.whole()
		b.whole = nil
	}
}

// pacedAnswer is an answer whose reader must keep reading.
type pacedAnswer struct {
	http.ResponseWriter
	deadlines *http.ResponseController
}

// Unwrap is for http.ResponseController.
func (a *pacedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Write implements io.Writer.
func (a *pacedAnswer) Write(p []byte) (int, error) {
	_ = a.deadlines.SetWriteDeadline(time.Now().Add(stallTime))
	return a.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that files still go from the disk to the network without a
// copy in memory.
func (a *pacedAnswer) ReadFrom(r io.Reader) (total int64, err error) {
	for {
		_ = a.deadlines.SetWriteDeadline(time.Now().Add(stallTime))
		n, err := io.CopyN(a.ResponseWriter, r, 1<<20)
		total += n
		if err != nil {
			return total, ignoreEnd(err)
		}
	}
}

func ignoreEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
