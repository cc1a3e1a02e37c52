package socketio

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Gate holds new connections of an http.Server back while there are many from which no request has been
// read yet. Without it a server takes all that a storm of clients brings at once, with a goroutine and
// buffers for each, and those who are connected wait behind them. What is held back waits in the
// kernel's queue, and what finds that full is tried again by the client's kernel.
//
// Connections that say nothing cannot shut it: after gatePause the next one is let in all the same.
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
