package control

import "time"

// Backoff says how long to wait after repeated failures. A random part of up to half of a delay is
// left out, so that keys that failed together are not tried again together.
type Backoff struct {
	First time.Duration // after the first failure; each further one doubles it
	Cap   time.Duration // the longest delay
}

// DefaultBackoff waits from 100 ms up to 15 s.
func DefaultBackoff() Backoff {
	return Backoff{First: 100 * time.Millisecond, Cap: 15 * time.Second}
}

// delay returns the time to wait after the given number of failures in a row, which is at least 1.
// chance is in [0,1).
func (b Backoff) delay(failures int, chance float64) time.Duration {
	d := b.Cap
	if failures < 32 {
		d = min(b.Cap, b.First<<(failures-1))
	}
	return d - time.Duration(chance*float64(d)/2)
}
