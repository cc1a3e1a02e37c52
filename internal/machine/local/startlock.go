package local

import (
	"context"
	"sync"
)

// startLock keeps agents from starting while something is removed that they could collide with, such as a
// container that still has a port.
type startLock struct {
	inside sync.RWMutex // held for reading while an agent is started

	mu     sync.Mutex
	closed int           // how many callers of close there are; guarded by mu
	opens  chan struct{} // closed when closed becomes 0; guarded by mu
}

// enter waits until nobody holds the lock closed, and keeps it open until leave is called.
func (g *startLock) enter(ctx context.Context) (leave func(), err error) {
	for {
		g.inside.RLock()
		g.mu.Lock()
		closed, opens := g.closed > 0, g.opens
		g.mu.Unlock()
		if !closed {
			return g.inside.RUnlock, nil
		}
		g.inside.RUnlock()
		select {
		case <-opens:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// close keeps agents from starting, and returns when none is being started. open must be called as often as
// close.
func (g *startLock) close() {
	g.mu.Lock()
	if g.closed++; g.closed == 1 {
		g.opens = make(chan struct{})
	}
	g.mu.Unlock()
	g.inside.Lock() // holding it for a moment is enough: later callers of enter wait
	defer g.inside.Unlock()
}

func (g *startLock) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed--; g.closed == 0 {
		close(g.opens)
	}
}
