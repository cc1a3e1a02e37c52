package sim

import (
	"fmt"
	"hash/fnv"
	"math"
	"time"
)

// Load is the load of a service over time.
type Load struct {
	Service string // its name, or CLUSTER/NAME where two clusters have one
	Curve   Curve
	// Clients is 0 if the curve is in requests per second. Otherwise the curve is a number of connected clients, and
	// Clients is how many requests per second each of them makes. A client stays with its task until the client leaves
	// or the task ends, as with Socket.IO.
	Clients float64
	// Noise is the largest random deviation of a minute's load from the curve, as a part of it: from 0 to 1.
	Noise float64
	Cost  Cost
}

// Cost is what a request, a client and a task without load use.
type Cost struct {
	CPU        time.Duration // of one core, for a request
	Memory     float64       // MiB for a request that is being answered, or for a connected client
	Cores      float64       // the most cores that a task can use, 1 for Node.js; 0 means all of its instance
	IdleCPU    float64       // units of a task that does nothing; 1024 are a core
	IdleMemory float64       // MiB of a task that does nothing
}

// UsualCost returns the cost for a small web service.
func UsualCost() Cost {
	return Cost{CPU: 10 * time.Millisecond, Memory: 0.05, IdleCPU: 5, IdleMemory: 48}
}

// Bounds of loads.
const (
	maxLoad = 1e9
	maxCPU  = time.Minute
	maxRate = 1e4
)

func (l *Load) check() error {
	c := l.Cost
	for _, v := range []float64{c.Memory, c.Cores, c.IdleCPU, c.IdleMemory} {
		if !(v >= 0 && v <= maxLoad) {
			return fmt.Errorf("the load of %q: costs must be numbers from 0", l.Service)
		}
	}
	switch {
	case l.Curve == nil:
		return fmt.Errorf("the load of %q has no curve", l.Service)
	case c.CPU <= 0 || c.CPU > maxCPU:
		return fmt.Errorf("the load of %q: cpu must be more than 0 and at most %v", l.Service, maxCPU)
	case !(l.Clients >= 0 && l.Clients <= maxRate):
		return fmt.Errorf("the load of %q: clients must be from 0 to %v requests per second", l.Service, maxRate)
	case !(l.Noise >= 0 && l.Noise <= 1):
		return fmt.Errorf("the load of %q: noise must be from 0 to 1", l.Service)
	}
	return nil
}

// at returns the load at a time since the start, with noise. For a negative time it is the load at the start.
func (l *Load) at(t time.Duration, seed uint64) float64 {
	v := l.Curve.At(max(t, 0))
	if l.Noise > 0 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s %d", seed, l.Service, int64(t/time.Minute))
		v *= 1 + l.Noise*(float64(h.Sum64()%20001)/10000-1)
	}
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, 0), maxLoad)
}

// Curve is a load over time.
type Curve interface {
	// At returns the load at a time since the start, which is not negative.
	At(t time.Duration) float64
}

// Flat is a load that does not change.
type Flat float64

// At implements Curve.
func (f Flat) At(time.Duration) float64 { return float64(f) }

// Wave is a sine wave between Low and High. It is High at Peak, and again after each Period.
type Wave struct {
	Low, High    float64
	Period, Peak time.Duration
}

// At implements Curve.
func (w Wave) At(t time.Duration) float64 {
	phase := 2 * math.Pi * float64(t-w.Peak) / float64(w.Period)
	return w.Low + (w.High-w.Low)*(1+math.Cos(phase))/2
}

// Ramp rises from From to To between Begin and Begin+Rise, stays at To for Duration (0 means to the end), and falls
// back within Rise.
type Ramp struct {
	From, To       float64
	Begin          time.Duration
	Rise, Duration time.Duration
}

// At implements Curve.
func (r Ramp) At(t time.Duration) float64 {
	since := t - r.Begin
	down := since - r.Rise - r.Duration
	switch {
	case since < 0:
		return r.From
	case since < r.Rise:
		return r.From + (r.To-r.From)*float64(since)/float64(r.Rise)
	case r.Duration == 0 || down < 0:
		return r.To
	case down < r.Rise:
		return r.To + (r.From-r.To)*float64(down)/float64(r.Rise)
	}
	return r.From
}

// Recorded has values at ascending times. Between two times it is interpolated linearly; before the first and after the
// last time it is constant.
type Recorded struct {
	Times  []time.Duration
	Values []float64
}

// At implements Curve.
func (r Recorded) At(t time.Duration) float64 {
	lo, hi := 0, len(r.Times)
	for lo < hi {
		if mid := (lo + hi) / 2; r.Times[mid] <= t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	switch {
	case len(r.Times) == 0:
		return 0
	case lo == 0:
		return r.Values[0]
	case lo == len(r.Times):
		return r.Values[lo-1]
	}
	a, b := r.Times[lo-1], r.Times[lo]
	share := float64(t-a) / float64(b-a)
	return r.Values[lo-1] + share*(r.Values[lo]-r.Values[lo-1])
}
