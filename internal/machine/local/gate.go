package local

import (
	"context"
	"sync"
)

// gate keeps agents from starting while something is removed that they could collide with, such as a container that still holds a port.
type gate struct {
	inside sync.RWMutex // held for reading while an agent is started

	mu     sync.Mutex
	closed int           // how many keep it closed; guarded by mu
	opens  chan struct{} // closed when closed becomes 0; guarded by mu
}

// enter waits until the gate is open and holds it open until leave is called.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
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

// close closes the gate and returns when nobody is inside. It may be closed several times; open is due for each.
func (g *gate) close() {
	g.mu.Lock()
	if g.closed++; g.closed == 1 {
		g.opens = make(chan struct{})
	}
	g.mu.Unlock()
	g.inside.Lock() // to have had it is enough: who comes later finds the gate closed
	defer g.inside.Unlock()
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed--; g.closed == 0 {
		close(g.opens)
	}
}
