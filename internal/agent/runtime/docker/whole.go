package docker

import (
	"context"
	"time"
)

// goneAfter is how long a call that creates something may go on after its context has ended. It is less than
// the time that an agent has to end.
const goneAfter = 5 * time.Second

// whole returns the context for a call that creates something. The engine completes such a call even if the
// client has gone, so an agent that ends waits for it: then a clean-up afterwards finds everything that was
// created.
func whole(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() != nil {
		return ctx, func() {}
	}
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(goneAfter, func() { cancel(context.Cause(ctx)) })
	})
	return own, func() { stop(); cancel(nil) }
}
