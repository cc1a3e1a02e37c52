package control

import (
	"context"
	"time"
)

// middle is the time within a minute at which EachMinute calls. It leaves enough time before the minute's points are
// made.
const middle = 30 * time.Second

// EachMinute calls measure in the middle of every minute until ctx ends, and returns its cause. It calls it once a
// minute even if the clock goes back by up to a minute, as when it is slewed while the timer is not.
func EachMinute(ctx context.Context, now func() time.Time, measure func()) error {
	var last time.Time
	for {
		at := now()
		next := at.Add(-middle).Truncate(time.Minute).Add(time.Minute + middle)
		if next.Equal(last) {
			next = next.Add(time.Minute)
		}
		last = next
		timer := time.NewTimer(next.Sub(at))
		select {
		case <-timer.C:
			measure()
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
