package control

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait after failures in a row.
type Backoff struct {
	First time.Duration // after the first failure; each further one doubles it
	Cap   time.Duration // never longer than this
	// Jitter returns a number in [0,1): which part of the last half of the
	// delay to leave out, so that keys which failed together do not return
	// together.
	Jitter func() float64
}

// DefaultBackoff waits from 100 ms up to 15 s.
func DefaultBackoff() Backoff {
	return Backoff{First: 100 * time.Millisecond, Cap: 15 * time.Second, Jitter: rand.Float64}
}

// delay is the time to wait after the given number of failures in a row, which
// is at least 1.
func (b Backoff) delay(failures int) time.Duration {
	d := b.Cap
	if failures < 32 {
		d = min(b.Cap, b.First<<(failures-1))
	}
	return d - time.Duration(b.Jitter()*float64(d)/2)
}
