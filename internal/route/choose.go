package route

import (
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// Choose returns a group for a new client, with probabilities by weight. random must be uniform
// over all its values. The result is nil when every weight is 0.
func (f *Forward) Choose(random uint64) *Use {
	if len(f.upTo) == 0 || f.upTo[len(f.upTo)-1] == 0 {
		return nil
	}
	at := random % f.upTo[len(f.upTo)-1]
	for i, sum := range f.upTo {
		if at < sum {
			return f.uses[i]
		}
	}
	return nil
}

// Uses returns the groups of the action, including those of weight 0: a client that sticks to one
// of these stays with it (alb.md K21).
func (f *Forward) Uses() []*Use { return f.uses }

// Pick is what a choice among targets depends on besides the table.
type Pick struct {
	// Turn must grow by one with each choice in the group; Random must be uniform over all its
	// values.
	Turn, Random uint64
	Now          time.Time
	// Load returns how many requests a target is busy with; used by least_outstanding_requests
	// only.
	Load func(*Target) int64
	// Not is a target to avoid if there is any other; nil avoids none.
	Not *Target
}

// Choose returns the target for a request that is not bound to one, by the group's algorithm
// (alb.md B1-B3). It is nil when no target may be used.
func (g *Group) Choose(p Pick) *Target {
	n := uint64(len(g.choices))
	if n == 0 {
		return nil
	}
	var t *Target
	switch g.Algorithm {
	case elb.LeastOutstandingRequests:
		return g.least(p)
	case elb.WeightedRandom:
		t = g.choices[p.Random%n]
	default:
		t = g.inTurn(p)
	}
	if t == p.Not {
		t = g.choices[(uint64(g.position(t))+1)%n]
	}
	return t
}

// Find returns the target with the key if new requests may be sent to it, otherwise nil.
func (g *Group) Find(key string) *Target {
	if i, ok := find(g.choices, key); ok {
		return g.choices[i]
	}
	return nil
}

// Choices returns how many targets new requests may be sent to.
func (g *Group) Choices() int { return len(g.choices) }

// inTurn chooses round robin. It skips a target in slow start with a probability that shrinks as
// its share grows (alb.md S1). The skipped turn goes to a random other target, since the next one
// in order would otherwise get the whole rest of its share.
func (g *Group) inTurn(p Pick) *Target {
	n := uint64(len(g.choices))
	at := p.Turn % n
	first := g.choices[at]
	if n == 1 || g.takes(first, p, 0) {
		return first
	}
	begin := (p.Random >> 32) % (n - 1)
	for i := range n - 1 {
		if t := g.choices[(at+1+(begin+i)%(n-1))%n]; g.takes(t, p, i+1) {
			return t
		}
	}
	return first
}

// takes reports whether a target in slow start takes the request: its share must exceed the i-th
// random value derived from p.
func (g *Group) takes(t *Target, p Pick, i uint64) bool {
	since := p.Now.Sub(t.SlowStart)
	// SlowStart is never reset, and the multiplication below would overflow after some days
	if t.SlowStart.IsZero() || g.SlowStart <= 0 || since >= g.SlowStart {
		return true
	}
	const steps = 1 << 16
	grown := since * steps / g.SlowStart
	return time.Duration((p.Random>>(16*(i%4)))%steps) < grown
}

func (g *Group) least(p Pick) *Target {
	var best *Target
	var load int64
	n := uint64(len(g.choices))
	at := p.Turn % n // first, since p.Turn+i could overflow and name one target twice
	for i := range n {
		t := g.choices[(at+i)%n]
		if t == p.Not && n > 1 {
			continue
		}
		if l := p.Load(t); best == nil || l < load {
			best, load = t, l
		}
	}
	return best
}

func (g *Group) position(t *Target) int {
	for i, c := range g.choices {
		if c == t {
			return i
		}
	}
	return 0
}
