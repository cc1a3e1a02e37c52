package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
)

const (
	minCount   = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"
	minPercent = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
)

var everyState = []string{"", elb.Initial, elb.Healthy, elb.Healthy, elb.Unhealthy, elb.Draining}

// groupOf compiles the group "tg" with the targets 10.0.0.1, 10.0.0.2 and so on in the given states.
func groupOf(attributes map[string]string, states ...string) *Group {
	w := newWorld()
	w.TargetGroups[0].Attributes = attributes
	for i, s := range states {
		w.target("tg", fmt.Sprint("10.0.0.", i+1), s)
	}
	return compile(w.Config).Group("tg")
}

// choosable returns the numbers of the targets that new requests may be sent to.
func choosable(g *Group, n int) (list []int) {
	for i := range n {
		if g.Find(elb.TargetKey("tg", fmt.Sprint("10.0.0.", i+1), 3000)) != nil {
			list = append(list, i+1)
		}
	}
	return list
}

// These are the targets that get new requests (alb.md F1 to F6, D1): the healthy ones; also the unhealthy
// ones if the number of healthy ones is below either threshold; and all registered ones if none is healthy
// and some are unhealthy. A draining target is not registered, so percentages do not count it.
func TestHealthEqualsTheReference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom(everyState), 0, 9).Draw(rt, "states")
		least := rapid.IntRange(1, 6).Draw(rt, "least")
		percent := rapid.SampledFrom([]int{0, 1, 25, 33, 34, 50, 51, 75, 99, 100}).Draw(rt, "percent")
		attributes := map[string]string{minCount: fmt.Sprint(least), minPercent: "off"}
		if percent > 0 {
			attributes[minPercent] = fmt.Sprint(percent)
		}
		in := func(wanted ...string) (list []int) {
			for i, s := range states {
				if slices.Contains(wanted, s) {
					list = append(list, i+1)
				}
			}
			return list
		}
		healthy, registered := in(elb.Healthy), in(elb.Healthy, elb.Unhealthy, elb.Initial, "")
		want, open := healthy, false
		if len(in(elb.Unhealthy)) > 0 {
			short := len(healthy) < least || float64(len(healthy))/float64(len(registered)) < float64(percent)/100
			switch {
			case len(healthy) == 0:
				want, open = registered, true // alb.md F1, F6
			case short:
				want, open = in(elb.Healthy, elb.Unhealthy), true // alb.md F3
			}
		}
		g := groupOf(attributes, states...)
		if got := choosable(g, len(states)); !slices.Equal(got, want) || g.FailOpen != open ||
			g.Choices() != len(want) {
			rt.Fatalf("%v, at least %d and %d %%: got %v, open %v, want %v, open %v", states, least, percent,
				got, g.FailOpen, want, open)
		}
		if len(g.Registered) != len(registered) {
			rt.Fatalf("%d registered of %v", len(g.Registered), states)
		}
	})
}

// A draining target changes nothing for the others (alb.md D1). One more healthy target never makes a group
// fail open, and never takes all requests from a healthy one.
func TestOneMoreTarget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom(everyState), 0, 7).Draw(rt, "states")
		attributes := map[string]string{minCount: fmt.Sprint(rapid.IntRange(1, 4).Draw(rt, "least")),
			minPercent: fmt.Sprint(rapid.IntRange(1, 100).Draw(rt, "percent"))}
		before := groupOf(attributes, states...)
		draining := groupOf(attributes, append(slices.Clone(states), elb.Draining)...)
		if a, b := choosable(before, 9), choosable(draining, 9); !slices.Equal(a, b) ||
			before.FailOpen != draining.FailOpen {
			rt.Fatalf("%v: choices %v become %v with a draining target", states, a, b)
		}
		more := groupOf(attributes, append(slices.Clone(states), elb.Healthy)...)
		if more.FailOpen && !before.FailOpen {
			rt.Fatalf("%v fails open with one more healthy target", states)
		}
		for i, s := range states {
			if s == elb.Healthy && !slices.Contains(choosable(more, 9), i+1) {
				rt.Fatalf("%v: target %d gets no requests", states, i+1)
			}
		}
	})
}

// With twice as many targets in each state, a percentage gives the same decision.
func TestTwiceTheTargets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom(everyState), 1, 5).Draw(rt, "states")
		percent := map[string]string{minPercent: fmt.Sprint(rapid.IntRange(1, 100).Draw(rt, "percent"))}
		once, twice := groupOf(percent, states...), groupOf(percent, slices.Concat(states, states)...)
		if once.FailOpen != twice.FailOpen || 2*once.Choices() != twice.Choices() {
			rt.Fatalf("%v: %d choices, open %v; twice: %d, open %v", states, once.Choices(), once.FailOpen,
				twice.Choices(), twice.FailOpen)
		}
	})
}

// least_outstanding_requests chooses the target with the fewest requests, and among several the first in
// turn. It chooses the target to avoid only if there is no other (alb.md B2).
func TestLeastOutstandingEqualsNaive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom(everyState), 1, 6).Draw(rt, "states")
		g := groupOf(map[string]string{"load_balancing.algorithm.type": elb.LeastOutstandingRequests}, states...)
		load := map[string]int64{}
		for _, x := range g.Registered {
			load[x.ID] = rapid.Int64Range(0, 2).Draw(rt, "load")
		}
		turn := rapid.OneOf(rapid.Uint64(), rapid.Just(uint64(1<<64-1))).Draw(rt, "turn")
		p := Pick{Turn: turn, Load: func(t *Target) int64 { return load[t.ID] }}
		if g.Choices() > 0 && rapid.Bool().Draw(rt, "avoid") {
			p.Not = g.choices[rapid.IntRange(0, g.Choices()-1).Draw(rt, "not")]
		}
		var want *Target
		for i := range g.Choices() {
			x := g.choices[(int(turn%uint64(g.Choices()))+i)%g.Choices()]
			if (x != p.Not || g.Choices() == 1) && (want == nil || load[x.ID] < load[want.ID]) {
				want = x
			}
		}
		if got := g.Choose(p); got != want {
			rt.Fatalf("turn %d, loads %v, not %+v: chose %+v, want %+v", turn, load, p.Not, got, want)
		}
	})
}

// With every algorithm, all targets get the same number of requests as long as none has fewer outstanding
// ones, also in a group that fails open (alb.md B1 to B3). A target to avoid is chosen only if there is no
// other. A choice also works in the last turn before the number overflows.
func TestEveryTargetGetsTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom(everyState), 1, 7).Draw(rt, "states")
		algorithm := rapid.SampledFrom([]string{elb.RoundRobin, elb.LeastOutstandingRequests, elb.WeightedRandom,
			""}).Draw(rt, "algorithm")
		attributes := map[string]string{"load_balancing.algorithm.type": algorithm}
		if algorithm == "" {
			attributes = nil // round robin is the default
		}
		g := groupOf(attributes, states...)
		n := uint64(g.Choices())
		begin := rapid.Uint64Range(0, 1<<63).Draw(rt, "begin") // far from the overflow, at which a turn may be skipped
		got := map[*Target]int{}
		for i := range 3 * n {
			p := Pick{Turn: begin + i, Random: begin + i, Load: func(*Target) int64 { return 7 }}
			x := g.Choose(p)
			if x == nil || g.Find(x.Key) != x {
				rt.Fatalf("chose %+v", x)
			}
			got[x]++
			p.Not = x
			if other := g.Choose(p); other == nil || (other == x) != (n == 1) {
				rt.Fatalf("of %d targets %s was to be avoided, and %+v was chosen", n, x.ID, other)
			}
		}
		for x, times := range got {
			if times != 3 || len(got) != int(n) {
				rt.Fatalf("%s was chosen %d times of %d, with %d others", x.ID, times, 3*n, len(got)-1)
			}
		}
		if n == 0 && g.Choose(Pick{Turn: begin}) != nil {
			rt.Fatal("a target was chosen in an empty group")
		}
		last := Pick{Turn: 1<<64 - 1, Random: 1<<64 - 1, Load: func(*Target) int64 { return 7 }}
		if n > 0 && g.Choose(last) == nil {
			rt.Fatal("no target was chosen in the last turn")
		}
	})
}

// With every algorithm, any targets in slow start and at any time, a request gets one of the targets that new
// requests may be sent to, and the target to avoid only if there is no other (alb.md B1 to B3, S1).
func TestThereIsAlwaysAChoice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		w.TargetGroups[0].Attributes = map[string]string{"slow_start.duration_seconds": "100",
			"load_balancing.algorithm.type": rapid.SampledFrom([]string{elb.RoundRobin, elb.LeastOutstandingRequests,
				elb.WeightedRandom}).Draw(rt, "algorithm")}
		states := rapid.SliceOfN(rapid.SampledFrom(everyState[1:]), 0, 6).Draw(rt, "states")
		load := map[string]int64{}
		for i, s := range states {
			id := fmt.Sprint("10.0.0.", i+1)
			w.target("tg", id, s)
			load[id] = rapid.Int64Range(0, 2).Draw(rt, "load")
			if rapid.Bool().Draw(rt, "slow") {
				since := rapid.IntRange(0, 150).Draw(rt, "since")
				w.Health[i].SlowStart = epoch.Add(-time.Duration(since) * time.Second)
			}
		}
		g := compile(w.Config).Group("tg")
		p := Pick{Turn: rapid.Uint64().Draw(rt, "turn"), Random: rapid.Uint64().Draw(rt, "random"), Now: epoch,
			Load: func(t *Target) int64 { return load[t.ID] }}
		if g.Choices() > 0 && rapid.Bool().Draw(rt, "avoid") {
			p.Not = g.choices[rapid.IntRange(0, g.Choices()-1).Draw(rt, "not")]
		}
		chosen := g.Choose(p)
		if g.Choices() == 0 {
			if chosen != nil {
				rt.Fatalf("with the states %v no target may be chosen, but %s was", states, chosen.ID)
			}
			return
		}
		if chosen == nil || g.Find(chosen.Key) != chosen || chosen == p.Not && g.Choices() > 1 {
			rt.Fatalf("with the states %v and %+v to avoid, %+v was chosen", states, p.Not, chosen)
		}
	})
}

// The share of a target in slow start grows in proportion to the time. This holds for any number of them, as
// long as one target is not in slow start. weighted_random has no slow start (alb.md S1, S4).
func TestSlowStartGrowsInProportion(t *testing.T) {
	const rounds = 20000
	dice := rand.New(rand.NewPCG(7, 7))
	for _, c := range []struct {
		targets   int // the first of them is not in slow start
		algorithm string
		after     time.Duration // since the start of the slow start, which lasts 100 s
		share     float64       // of each of the others; 1 is an equal share
	}{
		{2, elb.RoundRobin, 0, 0},
		{2, elb.RoundRobin, 10 * time.Second, 0.1},
		{2, elb.RoundRobin, 25 * time.Second, 0.25},
		{2, elb.RoundRobin, 50 * time.Second, 0.5},
		{2, elb.RoundRobin, 90 * time.Second, 0.9},
		{2, elb.RoundRobin, 100 * time.Second, 1},
		{2, elb.RoundRobin, 365 * 24 * time.Hour, 1},
		{4, elb.RoundRobin, 0, 0},
		{4, elb.RoundRobin, 100 * time.Second, 1},
		{4, elb.WeightedRandom, 0, 1},
		{4, elb.WeightedRandom, 50 * time.Second, 1},
	} {
		w := newWorld()
		w.TargetGroups[0].Attributes = map[string]string{"slow_start.duration_seconds": "100",
			"load_balancing.algorithm.type": c.algorithm}
		for i := range c.targets {
			w.target("tg", fmt.Sprint("10.0.0.", i+1), elb.Healthy)
			if i > 0 {
				w.Health[i].SlowStart = epoch
			}
		}
		g := compile(w.Config).Group("tg")
		got := map[string]int{}
		for i := range uint64(rounds) {
			got[g.Choose(Pick{Turn: i, Random: dice.Uint64(), Now: epoch.Add(c.after)}).ID]++
		}
		for i := 1; i < c.targets; i++ {
			share := float64(got[fmt.Sprint("10.0.0.", i+1)]) / (rounds / float64(c.targets))
			if share < c.share-0.04 || share > c.share+0.04 {
				t.Errorf("%d targets by %s after %v: target %d has %.3f of an equal share, want %.2f", c.targets,
					c.algorithm, c.after, i+1, share, c.share)
			}
		}
	}
}

// If all targets are in slow start, as in a group that was empty, they share as if none was. A single target
// gets all requests (alb.md S2).
func TestSlowStartOfAll(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 7))
	for _, n := range []int{1, 2, 5} {
		w := newWorld()
		w.TargetGroups[0].Attributes = map[string]string{"slow_start.duration_seconds": "100"}
		for i := range n {
			w.target("tg", fmt.Sprint("10.0.0.", i+1), elb.Healthy)
			w.Health[i].SlowStart = epoch
		}
		g := compile(w.Config).Group("tg")
		for _, after := range []time.Duration{0, 30 * time.Second} {
			got := map[string]int{}
			for i := range uint64(10000) {
				got[g.Choose(Pick{Turn: i, Random: dice.Uint64(), Now: epoch.Add(after)}).ID]++
			}
			for id, times := range got {
				if times < 9000/n || times > 11000/n || len(got) != n {
					t.Errorf("%d targets in slow start for %v: %s got %d of 10000", n, after, id, times)
				}
			}
		}
	}
}

// A sticky client stays with its target as long as that may get new requests. This is not the case if the
// target is draining or gone, nor if it is unhealthy or initial unless the group fails open (alb.md K4, K5,
// D1).
func TestWhoMayStayWithATarget(t *testing.T) {
	for _, c := range []struct {
		state  string
		others []string
		stays  bool
	}{
		{elb.Healthy, nil, true},
		{elb.Healthy, []string{elb.Unhealthy}, true},
		{elb.Unhealthy, []string{elb.Healthy}, false},
		{elb.Unhealthy, []string{elb.Unhealthy}, true},
		{elb.Unhealthy, []string{elb.Draining}, true},
		{elb.Initial, []string{elb.Healthy}, false},
		{elb.Initial, []string{elb.Initial}, false},
		{elb.Initial, []string{elb.Unhealthy}, true},
		{elb.Draining, []string{elb.Healthy}, false},
		{elb.Draining, nil, false},
	} {
		g := groupOf(map[string]string{"stickiness.enabled": "true"}, append([]string{c.state}, c.others...)...)
		target := g.Find(elb.TargetKey("tg", "10.0.0.1", 3000))
		if (target != nil) != c.stays || target != nil && target.ID != "10.0.0.1" {
			t.Errorf("%s beside %v: found %+v, want %v", c.state, c.others, target, c.stays)
		}
		if g.Find(elb.TargetKey("tg", "10.0.0.1", 3001)) != nil ||
			g.Find(elb.TargetKey("tg", "10.0.0.9", 3000)) != nil || g.Find("") != nil {
			t.Error("a target that is not registered is found")
		}
		if g.Stickiness != elb.LBCookie || g.StickyFor != 24*time.Hour {
			t.Errorf("K1: stickiness %q for %v", g.Stickiness, g.StickyFor)
		}
	}
}
