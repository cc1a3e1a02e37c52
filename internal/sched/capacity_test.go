package sched

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestNothingThatFitsIsLeft: strategies only rank instances and never prevent a placement. Equal tasks are
// placed as long as any instance has room, so their number is the sum of what each instance has room for
// (ecs.md 2.1).
func TestNothingThatFitsIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		n := naive{w: copyWorld(w), placed: map[string]int{}}
		capacity := 0
		for k := range n.w.Instances {
			for i := n.w.Instances[k]; capacity < r.Count && n.fits(i, r); capacity++ {
				n.put(i, r)
			}
		}
		if got := len(Plan(w, []Request{r}).Placements); got != min(capacity, r.Count) {
			t.Fatalf("%d placed, %d asked for, room for %d", got, r.Count, capacity)
		}
	})
}

// TestMoreTasksOnlyAdd: the plan for fewer tasks is the beginning of the plan for more tasks.
func TestMoreTasksOnlyAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		more := Plan(w, []Request{r}).Placements
		r.Count = rapid.IntRange(0, r.Count).Draw(t, "fewer")
		fewer := Plan(w, []Request{r}).Placements
		if want := more[:min(len(more), r.Count)]; !slices.Equal(fewer, want) {
			t.Fatalf("got %v, want %v", fewer, want)
		}
	})
}

// TestPlanContinues: a second plan, for the rest of the tasks, counts the first tasks in the world. Both
// plans together choose the same instances as one plan for all, unless a strategy is random. So a service
// controller may start its tasks in several steps.
func TestPlanContinues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		r.Strategies = append(slices.DeleteFunc(r.Strategies,
			func(s Strategy) bool { return s.kind == byChance }), Strategy{kind: byInstance})
		whole := Plan(w, []Request{r}).Placements
		first := rapid.IntRange(0, len(whole)).Draw(t, "first")
		now := naive{w: copyWorld(w), placed: map[string]int{}}
		for _, p := range whole[:first] {
			now.put(now.w.Instances[index(now.w, p.InstanceARN)], r)
		}
		r.Count -= first
		if rest := Plan(now.w, []Request{r}).Placements; !slices.Equal(rest, whole[first:]) {
			t.Fatalf("got %v, want %v", rest, whole[first:])
		}
	})
}

// TestTreeEqualsScan: the two implementations of ranking agree wherever both can rank, when tasks are added
// and when they are removed.
func TestTreeEqualsScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(8).Draw(t, "world")
		spreads := rapid.SliceOfN(rapid.SampledFrom(strategySamples[:2]), 0, 3).Draw(t, "spreads")
		tail := rapid.SliceOfN(rapid.SampledFrom(strategySamples[2:]), 0, 2).Draw(t, "tail")
		dir := rapid.SampledFrom([]direction{gaining, losing}).Draw(t, "direction")
		stays := rapid.SliceOfN(rapid.IntRange(0, 3), 20, 20).Draw(t, "stays")
		run := func(make func(nodes []*node) ranking) []string {
			nodes := newNodes(w)
			for _, n := range nodes {
				n.group = n.TaskGroups["service:web"]
				if len(tail) > 0 {
					n.nextArrival()
				}
			}
			rank := make(nodes)
			var order []string
			for k := range stays {
				n := rank.best()
				if n == nil {
					break
				}
				order = append(order, n.ARN)
				n.own()
				n.Free.CPU -= 64 * int(dir)
				n.gain(int(dir))
				rank.changed(stays[k] > 0)
			}
			return order
		}
		chain := append(slices.Clone(spreads), tail...)
		a := run(func(nodes []*node) ranking { return newTree(nodes, nodes, spreads, order{tail, dir}) })
		b := run(func(nodes []*node) ranking { return newScan(nodes, nodes, chain, dir) })
		if !slices.Equal(a, b) {
			t.Fatalf("tree %v\nscan %v", a, b)
		}
	})
}

// TestStartIsAPlanOfOne: StartTask on one instance succeeds if and only if a plan in a cluster of that
// instance alone would succeed. Otherwise it fails with the first reason of that plan (ecs.md 1.6).
func TestStartIsAPlanOfOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(4).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		for _, i := range w.Instances {
			out := Start(w, r, []string{i.ARN})
			r.Count = 1
			plan := Plan(World{[]*Instance{i}}, []Request{r})
			if len(out.Placements) != len(plan.Placements) {
				t.Fatalf("start %+v, plan %+v", out, plan)
			}
			if why := Explain(i, &r); len(why) > 0 &&
				(out.Failures[0].Reason != why[0].Code || out.Failures[0].Detail != why[0].Detail) {
				t.Fatalf("%+v, reasons %+v", out.Failures, why)
			}
		}
	})
}

// TestEligibleIsWider: every instance that can take a daemon's task now is eligible. Reasons that keep the
// task from other eligible instances are never about the kind of instance.
func TestEligibleIsWider(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		wanted := Eligible(w, r)
		if !slices.IsSorted(wanted) {
			t.Fatal(wanted)
		}
		for _, i := range w.Instances {
			kinds := []string{ReasonInactive, ReasonLocation, ReasonAttribute, ReasonMemberOf}
			refused := slices.ContainsFunc(Explain(i, &r),
				func(x Reason) bool { return slices.Contains(kinds, x.Code) })
			if slices.Contains(wanted, i.ARN) == refused {
				t.Fatalf("%s: eligible %v, refused for its kind %v", i.ARN, !refused, refused)
			}
		}
	})
}

// TestRebalancingEnds: repeated moves end when the zones differ by at most one task. There are fewer moves
// than tasks, and no task is moved back (ecs.md 2.8).
func TestRebalancingEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := cluster(rapid.IntRange(1, 9).Draw(t, "instances"))
		total := 0
		for k := range w.Instances {
			n := rapid.IntRange(0, 6).Draw(t, "tasks")
			w.Instances[k].TaskGroups = map[string]int{"service:web": n}
			total += n
		}
		r := Request{Group: "service:web", DefaultSpread: true}
		for moves := 0; ; moves++ {
			m, ok := Rebalance(w, r)
			if !ok {
				break
			}
			if moves > total {
				t.Fatal("the moves do not end")
			}
			w.Instances[index(w, m.InstanceARN)].TaskGroups["service:web"]++
			from := slices.IndexFunc(w.Instances,
				func(i *Instance) bool { return i.Zone == m.From && i.TaskGroups["service:web"] > 0 })
			w.Instances[from].TaskGroups["service:web"]--
		}
		least, most := math.MaxInt, 0
		for _, n := range tasksByZone(w, r) {
			least, most = min(least, n), max(most, n)
		}
		if most-least > 1 {
			t.Fatalf("%d to %d tasks in a zone", least, most)
		}
	})
}

// TestZoneWithoutAttribute: strategies and constraints can use the zone also if the instance has no attribute
// for it.
func TestZoneWithoutAttribute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		with := copyWorld(w)
		for k := range with.Instances {
			i := with.Instances[k]
			i.Attributes = map[string]string{zoneAttribute: i.Zone}
			for name, v := range w.Instances[k].Attributes {
				i.Attributes[name] = v
			}
		}
		if a, b := Plan(w, requests), Plan(with, requests); !reflect.DeepEqual(a, b) {
			t.Fatalf("without %+v\nwith %+v", a, b)
		}
	})
}
