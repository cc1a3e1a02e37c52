package edge

import (
	"sync"
	"time"
)

// gate lets heads of requests pass to a target until it is shut. The upstream's mutex guards it.
type gate struct {
	closed bool      // no new request passes
	inside int       // heads that are being sent
	empty  sync.Cond // signalled when the last one has left
}

// enter reports whether a head may be sent over c. If so, leave must be called. The write deadline is set
// before enter, so that a deadline set by shut is the last one.
func (u *upstream) enter(c *targetConn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gate.closed {
		return false
	}
	c.inGate = true
	u.gate.inside++
	return true
}

// leave reports whether the gate was shut after enter.
func (u *upstream) leave(c *targetConn) (shut bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c.inGate = false
	if u.gate.inside--; u.gate.inside == 0 {
		u.gate.empty.Broadcast()
	}
	return u.gate.closed
}

// shut closes the gate, and reports whether it was open. When it returns, no head is sent that was not
// completely sent before. It does not wait for the target: it interrupts writes, so that a target may have
// received part of a head.
func (u *upstream) shut() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	was := u.gate.closed
	u.gate.closed = true
	for c := range u.active {
		if c.inGate {
			c.SetWriteDeadline(time.Unix(1, 0)) // it fails only on a closed connection, whose writes end anyway
		}
	}
	for u.gate.inside > 0 {
		u.gate.empty.Wait()
	}
	return !was
}
