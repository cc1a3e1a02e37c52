package link

import (
	"context"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/route"
)

// Lease is how long an edge serves after it has sent the last message that the control plane
// confirmed. It is longer than it takes to notice that a stream is dead and to connect again.
const Lease = 20 * time.Second

// leaseMargin is how much longer the control plane takes the edge to be serving: clocks differ in
// speed, and an edge needs a moment to stop.
const leaseMargin = 2 * time.Second

// lease is the edge's right to serve. When it ends, the edge is given an empty configuration: it
// closes its ports and its connections to targets.
//
// The control plane cannot tell an edge that has stopped from one that it cannot reach. So before it
// counts on an edge no more, it waits until the edge's lease has ended for certain: its own wait
// begins when it heard the edge, which is after the edge sent, where the edge's lease begins.
type lease struct {
	began time.Time // what the edge's clock counts from; never changes

	mu      sync.Mutex // guards what follows; held while the edge takes a configuration
	until   time.Time
	edge    Edge
	cut     context.CancelCauseFunc // ends the stream
	serving bool                    // the edge has a configuration
	timer   *time.Timer
}

func newLease() lease { return lease{began: time.Now()} }

// clock is the time since the edge began, and one nanosecond, since zero is no time in a message.
func (l *lease) clock() time.Duration { return time.Since(l.began) + 1 }

// begin says what to do when the lease ends.
func (l *lease) begin(e Edge, cut context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.edge, l.cut = e, cut
}

// extend is called when the control plane has confirmed the message that the edge sent at that time. A zero time is
// ignored.
func (l *lease) extend(heard time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.began.Add(heard - 1 + Lease)
	if heard <= 0 || heard > l.clock() || !until.After(l.until) {
		return
	}
	l.until = until
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(until), l.expire)
		return
	}
	l.timer.Reset(time.Until(until))
}

// apply gives the edge a configuration while the lease lasts.
func (l *lease) apply(ctx context.Context, c route.Config) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !time.Now().Before(l.until) {
		return ErrLeaseEnded
	}
	l.serving = true
	return l.edge.Apply(ctx, c)
}

// expire empties the edge unless the lease was extended meanwhile.
func (l *lease) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return
	}
	if l.serving {
		l.serving = false
		_ = l.edge.Apply(context.Background(), route.Config{}) // fails only when the edge has ended
	}
	l.cut(ErrLeaseEnded)
}
