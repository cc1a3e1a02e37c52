package e2e

import (
	"testing"
	"time"
)

// until asks look again and again until it gives no reason to wait any longer. It fails the test with the last reason when the time is over.
func until(t *testing.T, limit time.Duration, what string, look func() (reason string)) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for {
		reason := look()
		if reason == "" {
			return
		}
		select {
		case <-over:
			t.Fatalf("%s: not within %v: %s", what, limit, reason)
		case <-tick.C:
		}
	}
}
