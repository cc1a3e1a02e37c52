package socketio

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Gate limits how many new connections an http.Server accepts before it has read their requests. Without
// it, when many clients reconnect at once, the server accepts all of them, with a goroutine and buffers
// for each, and clients that are connected already wait behind them. Connections that are not accepted
// yet wait in the kernel's queue; when the queue is full, the client's kernel tries again.
//
// Connections on which nothing is sent do not block it: after gatePause the next one is accepted anyway.
type Gate struct {
	most int

	mu    sync.Mutex
	fresh map[net.Conn]struct{}
	freed chan struct{}
}

const (
	gateMost  = 128
	gatePause = 2 * time.Millisecond
)

// NewGate makes a gate for that many new connections at a time; 0 for the default of 128.
func NewGate(most int) *Gate {
	if most <= 0 {
		most = gateMost
	}
	return &Gate{most: most, fresh: make(map[net.Conn]struct{}), freed: make(chan struct{}, 1)}
}

// Serve is hs.Serve behind the gate. It must be called before hs serves anything else.
func (g *Gate) Serve(hs *http.Server, ln net.Listener) error { return hs.Serve(g.Guard(hs, ln)) }

// Guard returns the listener for one of the Serve methods of hs, whose ConnState it extends.
func (g *Gate) Guard(hs *http.Server, ln net.Listener) net.Listener {
	then := hs.ConnState
	hs.ConnState = func(c net.Conn, state http.ConnState) {
		g.note(c, state == http.StateNew)
		if then != nil {
			then(c, state)
		}
	}
	return guarded{ln, g}
}

func (g *Gate) note(c net.Conn, fresh bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fresh {
		g.fresh[c] = struct{}{}
		return
	}
	delete(g.fresh, c)
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

func (g *Gate) full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.fresh) >= g.most
}

// wait returns when there is room, or after the pause.
func (g *Gate) wait() {
	for until := (<-chan time.Time)(nil); g.full(); {
		if until == nil {
			until = time.After(gatePause)
		}
		select {
		case <-g.freed:
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
