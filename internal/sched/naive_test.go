package sched

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// naive is the specification of Plan: for each task it looks at every instance and counts everything again.
// It shares only the random numbers and the query language with the real implementation.
type naive struct {
	w      World
	placed map[string]int // by instance, in the current request
}

func naivePlan(w World, requests []Request) ([]Placement, []int) {
	n := naive{w: copyWorld(w)}
	var out []Placement
	failed := make([]int, len(requests))
	for k, r := range requests {
		n.placed = map[string]int{}
		for range r.Count {
			i := n.pick(r)
			if i == nil {
				failed[k]++
				continue
			}
			n.put(i, r)
			out = append(out, Placement{k, i.ARN})
		}
	}
	return out, failed
}

func copyWorld(w World) World {
	out := World{Instances: slices.Clone(w.Instances)}
	for k := range out.Instances {
		i := *out.Instances[k]
		out.Instances[k] = &i
		i.PortsTCP, i.PortsUDP, i.TaskGroups = cloned(i.PortsTCP), cloned(i.PortsUDP), cloned(i.TaskGroups)
	}
	return out
}

func (n *naive) put(i *Instance, r Request) {
	i.Free.CPU -= r.Needs.CPU
	i.Free.Memory -= r.Needs.Memory
	i.Free.GPU -= r.Needs.GPU
	i.Free.ENI -= r.Needs.ENI
	for _, p := range r.PortsTCP {
		i.PortsTCP[p] = r.Group
	}
	for _, p := range r.PortsUDP {
		i.PortsUDP[p] = r.Group
	}
	i.TaskGroups[r.Group]++
	i.RunningTasksCount++
	n.placed[i.ARN]++
}

// fits does not use the filters of the package, so that it can check them.
func (n *naive) fits(i *Instance, r Request) bool {
	if i.Status != "ACTIVE" || !i.AgentConnected {
		return false
	}
	for _, pair := range [][2]int{{r.Needs.CPU, i.Free.CPU}, {r.Needs.Memory, i.Free.Memory},
		{r.Needs.GPU, i.Free.GPU}, {r.Needs.ENI, i.Free.ENI}} {
		if pair[0] > 0 && pair[0] > pair[1] {
			return false
		}
	}
	for _, p := range r.PortsTCP {
		if _, used := i.PortsTCP[p]; used {
			return false
		}
	}
	for _, p := range r.PortsUDP {
		if _, used := i.PortsUDP[p]; used {
			return false
		}
	}
	if len(r.Zones) > 0 && !slices.Contains(r.Zones, i.Zone) {
		return false
	}
	for _, a := range r.RequiredAttributes {
		if v, ok := i.Attributes[a.Name]; !ok || a.Value != "" && v != a.Value {
			return false
		}
	}
	for _, c := range r.Constraints {
		if c.distinct && i.TaskGroups[r.Group] > 0 || c.expr != nil && !c.expr.Match(i.Subject()) {
			return false
		}
	}
	return true
}

func (n *naive) pick(r Request) *Instance {
	var best *Instance
	var bestKey []float64
	for k := range n.w.Instances {
		i := n.w.Instances[k]
		if !n.fits(i, r) {
			continue
		}
		key := n.key(i, r)
		c := slices.Compare(key, bestKey)
		if best == nil || c < 0 || c == 0 && cmp.Compare(i.ARN, best.ARN) < 0 {
			best, bestKey = i, key
		}
	}
	return best
}

// key returns what the strategies minimise, the most important value first.
func (n *naive) key(i *Instance, r Request) []float64 {
	var key []float64
	var fields []string
	for _, s := range effective(r.Strategies, r.DefaultSpread) {
		switch s.kind {
		case byAttribute:
			fields = append(fields, s.attribute)
			key = append(key, n.count(i, r.Group, fields))
		case byInstance:
			key = append(key, float64(i.TaskGroups[r.Group]))
		case byFreeCPU:
			key = append(key, float64(i.Free.CPU))
		case byFreeMemory:
			key = append(key, float64(i.Free.Memory))
		case byChance:
			var at float64
			for draw := range n.placed[i.ARN] + 1 {
				at += exponential(r.Seed, i.ARN, uint64(draw))
			}
			key = append(key, at)
		}
	}
	return key
}

// count returns the number of the group's tasks on ACTIVE instances that have the same values as like in all
// fields.
func (n *naive) count(like *Instance, group string, fields []string) float64 {
	sum := 0
	for k := range n.w.Instances {
		i := n.w.Instances[k]
		same := i.Status == "ACTIVE"
		for _, f := range fields {
			x, _ := i.attribute(f)
			y, _ := like.attribute(f)
			same = same && x == y
		}
		if same {
			sum += i.TaskGroups[group]
		}
	}
	return float64(sum)
}

// TestPlanEqualsNaive: the heaps and counters of Plan make it fast and do not change any choice (ecs.md
// 2.1-2.5).
func TestPlanEqualsNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		want, failed := naivePlan(w, requests)
		got := Plan(w, requests)
		if !reflect.DeepEqual(got.Placements, want) {
			t.Fatalf("placements\n got %v\nwant %v", got.Placements, want)
		}
		count := make([]int, len(requests))
		for _, f := range got.Failures {
			count[f.Request]++
		}
		if !slices.Equal(count, failed) {
			t.Fatalf("failures per request: got %v, want %v", count, failed)
		}
	})
}

// TestPlanLeavesItsArgumentsAlone: snapshots are shared, so Plan must not write to its arguments.
func TestPlanLeavesItsArgumentsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		before := copyWorld(w)
		for k := range before.Instances {
			before.Instances[k].Attributes = maps.Clone(w.Instances[k].Attributes)
		}
		Plan(w, requests)
		for k := range before.Instances {
			a, b := before.Instances[k], w.Instances[k]
			same := a.Free == b.Free && maps.Equal(a.PortsTCP, b.PortsTCP) && maps.Equal(a.PortsUDP, b.PortsUDP) &&
				maps.Equal(a.TaskGroups, b.TaskGroups) && maps.Equal(a.Attributes, b.Attributes) &&
				a.RunningTasksCount == b.RunningTasksCount
			if !same {
				t.Fatalf("instance changed from %+v to %+v", a, b)
			}
		}
	})
}
