package control

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/state"
)

// Manual is a controller that its caller runs step by step. It has no goroutine and no timer, and
// reads no clock but that of its Env. It must not be used concurrently.
type Manual[K comparable] struct {
	loop  Loop[K]
	sub   *state.Subscription[K]
	queue *queue[K]
}

// Manual returns the loop for a caller that runs it. Every key is dirty. The caller must close it.
func (l Loop[K]) Manual() *Manual[K] {
	sub, q := l.begin()
	return &Manual[K]{loop: l, sub: sub, queue: q}
}

// Step reconciles one key that is dirty or due. It reports whether there was one.
func (m *Manual[K]) Step(ctx context.Context) bool {
	m.queue.mark(m.sub.Take()...)
	key, ok := m.queue.next(m.loop.Env.Now())
	if !ok {
		return false
	}
	m.queue.start()
	again, err := m.loop.reconcile(ctx, key)
	m.queue.mark(m.sub.Take()...)
	m.loop.finish(ctx, m.queue, result[K]{key, again, err})
	return true
}

// Due returns when the next key is due if nothing changes before; false if no key waits for a time.
func (m *Manual[K]) Due() (time.Time, bool) { return m.queue.due() }

// Close ends the subscription.
func (m *Manual[K]) Close() { m.sub.Close() }

// Driven is a Manual with any type of key.
type Driven interface {
	Step(ctx context.Context) bool
	Due() (time.Time, bool)
	Close()
}

// Drain runs the controllers in turn, one key each, until none has anything to do or ctx ends. It
// returns when the next key is due, if any.
func Drain(ctx context.Context, all ...Driven) (next time.Time, ok bool) {
	for busy := true; busy; {
		busy = false
		for _, d := range all {
			busy = ctx.Err() == nil && d.Step(ctx) || busy
		}
	}
	for _, d := range all {
		if due, waits := d.Due(); waits && (!ok || due.Before(next)) {
			next, ok = due, true
		}
	}
	return next, ok
}
