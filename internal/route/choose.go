package route

import (
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// Choose returns the group for a new client, by weights; random is uniform over all its values. It is nil when every weight is 0.
func (f *Forward) Choose(random uint64) *Group {
	if len(f.upTo) == 0 || f.upTo[len(f.upTo)-1] == 0 {
		return nil
	}
	at := random % f.upTo[len(f.upTo)-1]
	for i, sum := range f.upTo {
		if at < sum {
			return f.groups[i]
		}
	}
	return nil
}

// Group returns the group of the action with the ARN, even one of weight 0: a client that sticks to it stays (alb.md K21). It is
// nil when the action has no such group.
func (f *Forward) Group(arn string) *Group {
	for _, g := range f.groups {
		if g.ARN == arn {
			return g
		}
	}
	return nil
}

// Groups returns how many groups the action has.
func (f *Forward) Groups() int { return len(f.groups) }

// Pick is what a choice among targets rests on besides the table.
type Pick struct {
	// Turn grows by one per choice in the group; Random is uniform over all its values.
	Turn, Random uint64
	Now          time.Time
	// Load tells how many requests a target is busy with; used by least_outstanding_requests only.
	Load func(*Target) int64
	// Not is a target to avoid if there is any other; nil avoids none.
	Not *Target
}

// Choose returns the target for a request that is bound to none, by the group's algorithm (alb.md B1-B3). It is nil when no
// target may get one.
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

// Find returns the target with the key if new requests may go to it, nil otherwise.
func (g *Group) Find(key string) *Target { return g.byKey[key] }

// Choices returns how many targets new requests may go to.
func (g *Group) Choices() int { return len(g.choices) }

// inTurn passes over a target in slow start as often as its share has not grown yet (alb.md S1). A turn it is passed over in goes to any
// of the others: the next one alone would carry the rest of its share.
func (g *Group) inTurn(p Pick) *Target {
	n := uint64(len(g.choices))
	first := g.choices[p.Turn%n]
	if n == 1 || g.takes(first, p, 0) {
		return first
	}
	begin := (p.Random >> 32) % (n - 1)
	for i := range n - 1 {
		if t := g.choices[(p.Turn+1+(begin+i)%(n-1))%n]; g.takes(t, p, i+1) {
			return t
		}
	}
	return first
}

// takes reports whether a target's share has grown as far as the i-th throw of p's dice asks.
func (g *Group) takes(t *Target, p Pick, i uint64) bool {
	since := p.Now.Sub(t.SlowStart)
	if t.SlowStart.IsZero() || g.SlowStart <= 0 || since >= g.SlowStart { // SlowStart stays set, and times of days would overflow below
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
	for i := range n {
		t := g.choices[(p.Turn+i)%n]
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
