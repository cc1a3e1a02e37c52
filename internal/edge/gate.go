package edge

import (
	"sync"
	"time"
)

// gate lets the heads of requests through to a target, or none any more. The upstream's mutex guards it.
type gate struct {
	closed bool      // no new request
	inside int       // heads that are being sent
	empty  sync.Cond // told when the last one has left
}

// enter lets a head be sent over c, and reports whether it does. Whoever was let in must leave. The deadline of the write is set
// before, so that the one that shut sets is the last.
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

// leave reports whether the gate was shut meanwhile.
func (u *upstream) leave(c *targetConn) (shut bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c.inGate = false
	if u.gate.inside--; u.gate.inside == 0 {
		u.gate.empty.Broadcast()
	}
	return u.gate.closed
}

// shut closes the gate, and reports whether it was open. When it returns, no head that was not wholly sent will be. It waits for no
// target: writes that are under way end at once, with what the connections have taken so far.
func (u *upstream) shut() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	was := u.gate.closed
	u.gate.closed = true
	for c := range u.active {
		if c.inGate {
			c.SetWriteDeadline(time.Unix(1, 0)) // an error is that of a closed connection, whose write ends as well
		}
	}
	for u.gate.inside > 0 {
		u.gate.empty.Wait()
	}
	return !was
}
