package sched

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// These tests change a world and its requests. The effect of the change on the plan is known, without knowing
// the plan.

// placed returns the placements as text, without reasons.
func placed(out Result) string { return fmt.Sprint(out.Placements, len(out.Failures)) }

// samePlan compares the placements before and after a change that should have no effect.
func samePlan(t *rapid.T, w World, requests []Request, w2 World, requests2 []Request) {
	t.Helper()
	if a, b := placed(Plan(w, requests)), placed(Plan(w2, requests2)); a != b {
		t.Fatalf("the plan changed\nfrom %s\nto   %s", a, b)
	}
}

func (r Resources) times(n int) Resources {
	return Resources{r.CPU * n, r.Memory * n, r.GPU * n, r.ENI * n}
}

// TestDoublingEverything: with all needs and free resources doubled, the plan, the closest instances and the
// reasons are the same.
func TestDoublingEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		factor := rapid.IntRange(2, 9).Draw(t, "factor")
		w2, requests2 := copyWorld(w), slices.Clone(requests)
		for k := range w2.Instances {
			w2.Instances[k].Free = w2.Instances[k].Free.times(factor)
		}
		for k := range requests2 {
			requests2[k].Needs = requests2[k].Needs.times(factor)
		}
		samePlan(t, w, requests, w2, requests2)
		a, b := Plan(w, requests).Failures, Plan(w2, requests2).Failures
		for k := range a {
			if a[k].InstanceARN != b[k].InstanceARN || a[k].Reason != b[k].Reason {
				t.Fatalf("closest was %+v, is %+v", a[k], b[k])
			}
		}
	})
}

// TestUselessInstance: an additional instance that runs no task and cannot take one changes no placement,
// whatever the reason. A DRAINING one may also run tasks, since they do not count.
func TestUselessInstance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		extra := instanceGen(99).Draw(t, "extra")
		extra.TaskGroups = nil
		switch rapid.IntRange(0, 3).Draw(t, "useless") {
		case 0:
			extra.Status = "DRAINING"
			extra.TaskGroups = map[string]int{"service:web": 5, "service:db": 5}
		case 1:
			extra.AgentConnected = false
		case 2:
			extra.Free.CPU = -1
			requests = slices.DeleteFunc(requests, func(r Request) bool { return r.Needs.CPU == 0 })
		case 3:
			for p := range uint16(100) {
				extra.PortsUDP = cloned(extra.PortsUDP)
				extra.PortsUDP[9000+p] = ""
			}
			for k := range requests {
				requests[k].PortsTCP = []uint16{3000}
			}
		}
		more := World{Instances: slices.Insert(slices.Clone(w.Instances),
			rapid.IntRange(0, len(w.Instances)).Draw(t, "at"), &extra)}
		samePlan(t, w, requests, more, requests)
	})
}

// TestNamesDoNotMatter: with other names of zones, racks and groups the plan is the same.
func TestNamesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		for k := range requests { // expressions contain the names
			requests[k].Constraints = slices.DeleteFunc(requests[k].Constraints,
				func(c Constraint) bool { return c.expr != nil })
			requests[k].RequiredAttributes = nil
		}
		turn := rapid.IntRange(1, 2).Draw(t, "turn")
		other := func(zone string) string { return zones[(slices.Index(zones, zone)+turn)%len(zones)] }
		w2, requests2 := copyWorld(w), slices.Clone(requests)
		for k := range w2.Instances {
			i := w2.Instances[k]
			i.Zone = other(i.Zone)
			i.Attributes = maps.Clone(i.Attributes)
			if v, ok := i.Attributes["rack"]; ok {
				i.Attributes["rack"] = "the " + v
			}
			groups := map[string]int{}
			for name, n := range i.TaskGroups {
				groups["other:"+name] = n
			}
			i.TaskGroups = groups
		}
		for k := range requests2 {
			r := &requests2[k]
			r.Group, r.Zones = "other:"+r.Group, slices.Clone(r.Zones)
			for z := range r.Zones {
				r.Zones[z] = other(r.Zones[z])
			}
		}
		samePlan(t, w, requests, w2, requests2)
	})
}

// TestProtocolsAreAlike: exchanging TCP and UDP everywhere changes nothing but the words in reasons.
func TestProtocolsAreAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		w2, requests2 := copyWorld(w), slices.Clone(requests)
		for k := range w2.Instances {
			i := w2.Instances[k]
			i.PortsTCP, i.PortsUDP = i.PortsUDP, i.PortsTCP
		}
		for k := range requests2 {
			r := &requests2[k]
			r.PortsTCP, r.PortsUDP = r.PortsUDP, r.PortsTCP
		}
		samePlan(t, w, requests, w2, requests2)
	})
}

// TestCPUAndMemoryAreAlike: exchanging CPU and memory in needs, free resources and binpack gives the same
// plan.
func TestCPUAndMemoryAreAlike(t *testing.T) {
	swap := func(r Resources) Resources { return Resources{r.Memory, r.CPU, r.GPU, r.ENI} }
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		w2, requests2 := copyWorld(w), slices.Clone(requests)
		for k := range w2.Instances {
			w2.Instances[k].Free = swap(w2.Instances[k].Free)
		}
		for k := range requests2 {
			r := &requests2[k]
			r.Needs, r.Strategies = swap(r.Needs), slices.Clone(r.Strategies)
			for s := range r.Strategies {
				switch r.Strategies[s].kind {
				case byFreeCPU:
					r.Strategies[s].kind = byFreeMemory
				case byFreeMemory:
					r.Strategies[s].kind = byFreeCPU
				}
			}
		}
		samePlan(t, w, requests, w2, requests2)
	})
}

// TestSaidTwice: repeating a strategy, a constraint, an attribute or a zone has no effect, since a strategy
// only breaks ties that the ones before it left (ecs.md 2.2).
func TestSaidTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		again := slices.Clone(requests)
		for k := range again {
			r := &again[k]
			r.Constraints = slices.Concat(r.Constraints, r.Constraints)
			r.RequiredAttributes = slices.Concat(r.RequiredAttributes, r.RequiredAttributes)
			r.Zones = slices.Concat(r.Zones, r.Zones)
			if n := len(r.Strategies); n > 0 {
				from := rapid.IntRange(0, n-1).Draw(t, "from")
				at := rapid.IntRange(from+1, n).Draw(t, "at")
				r.Strategies = slices.Insert(slices.Clone(r.Strategies), at, r.Strategies[from])
			}
		}
		samePlan(t, w, requests, w, again)
	})
}

// TestExpressionAndItsOpposite: an instance that can take a task can take it either with a constraint or with
// the opposite constraint, and never with both.
func TestExpressionAndItsOpposite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(8).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		text := rapid.SampledFrom(constraintSamples).Draw(t, "text")
		accepts := func(i *Instance, more ...Constraint) bool {
			one := r
			one.Count, one.Constraints = 1, slices.Concat(r.Constraints, more)
			return len(Plan(World{[]*Instance{i}}, []Request{one}).Placements) == 1
		}
		opposite := "not(" + text + ")"
		if inner, ok := strings.CutPrefix(text, "not("); ok { // "not(not(x))" is not valid
			opposite = strings.TrimSuffix(inner, ")")
		}
		for _, i := range w.Instances {
			with, without := accepts(i, memberOf(text)), accepts(i, memberOf(opposite))
			if with && without || (with || without) != accepts(i) {
				t.Fatalf("%s: %v, opposite: %v, neither: %v\n%+v", text, with, without, accepts(i), i)
			}
		}
	})
}

// TestMoreRoomPlacesMore: when an instance becomes larger, or a request needs less, at least as many tasks
// are placed.
func TestMoreRoomPlacesMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		r.Constraints = slices.DeleteFunc(r.Constraints, func(c Constraint) bool { return c.expr != nil })
		before := len(Plan(w, []Request{r}).Placements)
		w2, easier := copyWorld(w), r
		change := rapid.IntRange(0, 6).Draw(t, "change")
		if change < 4 && len(w2.Instances) > 0 {
			i := w2.Instances[rapid.IntRange(0, len(w2.Instances)-1).Draw(t, "instance")]
			switch change {
			case 0:
				i.Free = i.Free.plus(Resources{64, 64, 1, 1})
			case 1:
				i.PortsTCP, i.PortsUDP = nil, nil
			case 2:
				i.Status, i.AgentConnected = StatusActive, true
			case 3:
				i.Attributes = map[string]string{"rack": "r2"}
			}
		}
		switch change {
		case 4:
			easier.Constraints = nil
		case 5:
			easier.Zones, easier.RequiredAttributes = nil, nil
		case 6:
			easier.PortsTCP, easier.PortsUDP, easier.Needs.GPU = nil, nil, 0
		}
		if change == 3 && len(r.RequiredAttributes) == 0 {
			change = -1 // the change makes it neither easier nor harder
		}
		if after := len(Plan(w2, []Request{easier}).Placements); after < before {
			t.Fatalf("%d placed before, %d after change %d", before, after, change)
		}
	})
}

// TestSplitRequests: two requests of one group give the same plan as a single one for all tasks, unless a
// strategy is random (ecs.md 2.2).
func TestSplitRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		r.Strategies = slices.DeleteFunc(r.Strategies, func(s Strategy) bool { return s.kind == byChance })
		r.Strategies = append(r.Strategies, Strategy{kind: byInstance})
		first, second := r, r
		first.Count = rapid.IntRange(0, r.Count).Draw(t, "first")
		second.Count -= first.Count
		where := func(out Result) (ids []string) {
			for _, p := range out.Placements {
				ids = append(ids, p.InstanceARN)
			}
			return ids
		}
		one, two := Plan(w, []Request{r}), Plan(w, []Request{first, second})
		if !slices.Equal(where(one), where(two)) || len(one.Failures) != len(two.Failures) {
			t.Fatalf("one request: %v\ntwo requests: %v", where(one), where(two))
		}
	})
}

// TestStrangersDoNotMeet: the plan of a request does not change when a request for other zones and another
// group comes before it.
func TestStrangersDoNotMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(8).Draw(t, "world")
		a, b := requestGen().Draw(t, "a"), requestGen().Draw(t, "b")
		a.Zones, b.Zones = zones[:1], zones[1:]
		a.Group, b.Group = "service:a", "service:b"
		both, alone := Plan(w, []Request{b, a}), Plan(w, []Request{a})
		var ofA []string
		for _, p := range both.Placements {
			if p.Request == 1 {
				ofA = append(ofA, p.InstanceARN)
			}
		}
		var want []string
		for _, p := range alone.Placements {
			want = append(want, p.InstanceARN)
		}
		if !slices.Equal(ofA, want) {
			t.Fatalf("alone %v\nafter another request %v", want, ofA)
		}
	})
}
