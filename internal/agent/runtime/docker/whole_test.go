package docker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// If the agent has to end while a container is being created, the creation is completed, within a time limit.
func TestCallsThatMakeSomethingAreFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("stopped by the test")
		ctx, end := context.WithCancelCause(t.Context())
		own, done := whole(ctx)
		defer done()
		end(cause)
		time.Sleep(goneAfter - time.Nanosecond)
		synctest.Wait()
		if own.Err() != nil {
			t.Errorf("cut off at once: %v", context.Cause(own))
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !errors.Is(context.Cause(own), cause) {
			t.Errorf("not cut off in the end: %v", context.Cause(own))
		}
		late, done := whole(ctx)
		defer done()
		if late.Err() == nil {
			t.Error("a call was started after the end")
		}
	})
}
