package socketio

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Gate limits how many connections an http.Server has accepted without having read a request from them. Without a
// Gate, when many clients reconnect at once, the server accepts all of them and has a goroutine and buffers for each,
// and clients that are already connected wait for their turn behind them. Connections that are not accepted yet wait
// in the kernel's queue; when the queue is full, the client's kernel tries again.
//
// Connections on which nothing is sent do not block a Gate for long: when the limit is reached, it accepts one more
// connection every 2 ms.
type Gate struct {
	limit int

	mu     sync.Mutex
	unread map[net.Conn]struct{} // accepted, and no request was read yet
	fewer  chan struct{}         // gets a value when a connection was taken out of unread
}

const (
	gateDefault = 128
	gatePause   = 2 * time.Millisecond
)

// NewGate returns a gate that lets limit connections be accepted and not yet read from. If limit is not positive, it
// is 128.
func NewGate(limit int) *Gate {
	if limit <= 0 {
		limit = gateDefault
	}
	return &Gate{limit: limit, unread: make(map[net.Conn]struct{}), fewer: make(chan struct{}, 1)}
}

// Serve calls hs.Serve with a listener that this gate limits. Call it before hs serves anything.
func (g *Gate) Serve(hs *http.Server, ln net.Listener) error { return hs.Serve(g.Guard(hs, ln)) }

// Guard returns a listener that this gate limits, for one of the Serve methods of hs. It sets hs.ConnState to a
// function that also calls the one that was set before. Call it before hs serves anything.
func (g *Gate) Guard(hs *http.Server, ln net.Listener) net.Listener {
	before := hs.ConnState
	hs.ConnState = func(c net.Conn, state http.ConnState) {
		g.note(c, state == http.StateNew)
		if before != nil {
			before(c, state)
		}
	}
	return guarded{ln, g}
}

// note records that no request was read from c yet, or that this is no longer so.
func (g *Gate) note(c net.Conn, unread bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if unread {
		g.unread[c] = struct{}{}
		return
	}
	delete(g.unread, c)
	select {
	case g.fewer <- struct{}{}:
	default:
	}
}

func (g *Gate) full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.unread) >= g.limit
}

// wait returns when one more connection may be accepted, or after gatePause.
func (g *Gate) wait() {
	for until := (<-chan time.Time)(nil); g.full(); {
		if until == nil {
			until = time.After(gatePause)
		}
		select {
		case <-g.fewer:
		case <-until:
			return
		}
	}
}

type guarded struct {
	net.Listener
	gate *Gate
}

func (l guarded) Accept() (net.Conn, error) {
	l.gate.wait()
	return l.Listener.Accept()
}
