package docker

import (
	"context"
	"time"
)

// goneAfter is how long a call that makes something may go on after its caller was told to end; less than an agent is given to end.
const goneAfter = 5 * time.Second

// whole is the context of a call that makes something. The engine finishes such a call also when nobody waits for it any more, so an agent that ends
// waits for it: whoever cleans up after the agent then finds all that was made.
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
