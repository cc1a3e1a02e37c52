package server

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Time limits for callers. Fields of http.Server would not do where bodies and answers have any size: those are
// bounded by their speed.
const (
	headerTime = 10 * time.Second // from the first byte of a request to the end of its header
	idleTime   = 90 * time.Second // between two requests of a connection
	stallTime  = 30 * time.Second // between two parts of a body, or of an answer of the registry
	unreadTime = time.Second      // for the rest of a body that the handler did not read; then the connection is closed
	answerTime = 2 * time.Minute  // from the end of the request to the end of the answer, except for the registry

	slowestBody = 64 << 10 // bytes a second that a body must have on average once stallTime has passed

	// maxHeaderSize is in bytes. A header is read before the caller is known, so the limit is close to what
	// clients send: a signature, a session token of some 2 kB, a presigned query.
	maxHeaderSize = 16 << 10
)

// connections bounds the number of connections of the API. At the limit a new connection replaces one that
// waits: the connection that has been idle for longest, or else the one whose request has been arriving for
// longest. So a health check is answered while a client holds connections open.
//
// WebSockets are not counted; only signed requests open them.
type connections struct {
	max       int // in all
	perSource int // from one address other than loopback

	mu      sync.Mutex // guards what follows and the fields of each connection
	all     map[net.Conn]*connection
	idle    list.List // of *connection: no request is under way; the one that has been idle for longest comes first
	sources map[netip.Addr]int
}

// connection is one that counts.
type connection struct {
	conn     net.Conn
	source   netip.Addr
	idle     *list.Element // nil while a request is under way
	arriving time.Time     // when the body began to arrive; zero if no body is arriving
}

func newConnections(max int) *connections {
	return &connections{max: max, perSource: max / 2, all: map[net.Conn]*connection{}, sources: map[netip.Addr]int{}}
}

// usable returns how many of the process's descriptors there are for connections; the others are for files.
func usable(descriptors uint64) uint64 { return max(descriptors, 96) - 64 }

// maxConnections leaves half of the usable descriptors, or more, for load balancers and WebSockets.
func maxConnections(descriptors uint64) int { return int(min(usable(descriptors), 32768) / 2) }

// perInstance is how many descriptors the server uses for a connected container instance: the two WebSockets
// of its agent. Calls of the API are not counted.
const perInstance = 2

// maxInstances estimates how many container instances can be connected at once. It gives them half of the
// usable descriptors that are not for callers of the API, and leaves the other half for load balancers.
func maxInstances(descriptors uint64) int {
	return int(usable(descriptors)-uint64(maxConnections(descriptors))) / 2 / perInstance
}

// fewInstances is the largest value of maxInstances for which logDescriptors warns.
const fewInstances = 500

// logDescriptors logs how many instances and callers of the API the limit on descriptors allows. It warns if
// these are few instances.
func (s *Server) logDescriptors(limit uint64) {
	log, most := s.cfg.Logger.Info, maxInstances(limit)
	var advice []any
	if most <= fewInstances {
		log = s.cfg.Logger.Warn
		advice = []any{"advice", "raise it with ulimit -n, or with LimitNOFILE= in a systemd unit"}
	}
	log("limit on open files and connections", append([]any{
		"limit", limit, "container_instances", most, "api_connections", maxConnections(limit)}, advice...)...)
}

type connectionKey struct{}

// context is an http.Server.ConnContext.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// follow is an http.Server.ConnState.
func (c *connections) follow(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.all[conn]
	switch state {
	case http.StateNew:
		x = &connection{conn: conn, source: sourceOf(conn)}
		c.makeRoom(x.source)
		if len(c.all) >= c.max+c.max/8+1 {
			conn.Close() // all are busy; the server's next read of this one fails
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

// forget removes a connection from the count.
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

// makeRoom closes connections until there is room for one from source. If all are busy with requests that have
// arrived completely, follow admits up to an eighth more for a moment.
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
		x.conn.Close() // a goroutine that waits for it gets an error
	}
}

// waiting returns the connection to close among those that match, or nil if none waits.
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

// arriving notes since when the body of a request on a connection has been arriving; the zero time means that
// it has arrived.
func (c *connections) arriving(ctx context.Context, since time.Time) {
	conn, _ := ctx.Value(connectionKey{}).(net.Conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.all[conn]; x != nil {
		x.arriving = since
	}
}

// sourceOf returns the IP address that a connection comes from.
func sourceOf(conn net.Conn) netip.Addr {
	addr, _ := netip.ParseAddrPort(conn.RemoteAddr().String()) // without an address, all of them count as one source
	return addr.Addr().Unmap()
}

// pace bounds the time for a request's body and its answer. Handlers that take over the connection set their
// own deadlines.
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
		_ = deadlines.SetWriteDeadline(end) // a connection without deadlines has no network to wait for
		if r.Body != http.NoBody {
			ctx, bounded := r.Context(), !end.IsZero()
			body := &pacedBody{ReadCloser: r.Body, deadlines: deadlines, began: now, whole: func() {
				c.arriving(ctx, time.Time{})
				if bounded { // the body has had its time
					_ = deadlines.SetWriteDeadline(time.Now().Add(answerTime))
				}
			}}
			c.arriving(ctx, now)
			defer body.leave()
			r.Body = body
			if r.Header.Get("Upgrade") == "" {
				w = &answerToBody{ResponseWriter: w, body: body}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// isRegistry reports whether a request is for the image registry, whose answers have any size.
func isRegistry(r *http.Request) bool {
	return len(r.URL.Path) >= 4 && r.URL.Path[:4] == "/v2/"
}

// pacedBody is a body that must keep arriving.
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

// leave bounds what package net/http reads of the body after the handler, before it sends the answer. Until
// then the connection counts as one whose request is arriving.
func (b *pacedBody) leave() {
	if b.whole != nil {
		_ = b.deadlines.SetReadDeadline(time.Now().Add(unreadTime))
	}
}

// finish reads the rest of the body if it is small and arrives soon.
func (b *pacedBody) finish() error {
	if b.whole == nil {
		return nil
	}
	_ = b.deadlines.SetReadDeadline(time.Now().Add(unreadTime))
	_, err := io.CopyN(io.Discard, b.ReadCloser, mostUnread+1)
	if err != io.EOF {
		return cmp.Or(err, errTooLong)
	}
	b.done()
	return nil
}

var errTooLong = errors.New("the rest of the body is too large to be read")

// done removes the deadline when the whole body has arrived: from then on, reads only notice that the caller
// has gone.
func (b *pacedBody) done() {
	if b.whole != nil {
		_ = b.deadlines.SetReadDeadline(time.Time{})
		b.whole()
		b.whole = nil
	}
}

// mostUnread is how many bytes of an unread body are read so that the connection can be used again.
const mostUnread = 256 << 10

// answerToBody is the answer to a request with a body. Package net/http reads the rest of the body before it
// sends the header of the answer, even while the handler writes, and without a time limit. So the rest is read
// here, within unreadTime; if it does not arrive, the connection is closed after the answer.
type answerToBody struct {
	http.ResponseWriter
	body  *pacedBody
	begun bool
}

// Unwrap implements the interface of http.ResponseController.
func (a *answerToBody) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answerToBody) begin() {
	if a.begun {
		return
	}
	a.begun = true
	if a.body.finish() != nil {
		a.Header().Set("Connection", "close")
	}
}

// WriteHeader implements http.ResponseWriter.
func (a *answerToBody) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.begin()
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (a *answerToBody) Write(p []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(p)
}

// pacedAnswer is an answer that the client must keep reading.
type pacedAnswer struct {
	http.ResponseWriter
	deadlines *http.ResponseController
}

// Unwrap implements the interface of http.ResponseController.
func (a *pacedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Write implements io.Writer.
func (a *pacedAnswer) Write(p []byte) (int, error) {
	_ = a.deadlines.SetWriteDeadline(time.Now().Add(stallTime))
	return a.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that the kernel can copy files to the network.
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
