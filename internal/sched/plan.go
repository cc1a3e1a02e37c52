package sched

import (
	"cmp"
	"maps"
	"slices"
)

// Placement is one task put on one instance.
type Placement struct {
	Request     int // index of the request
	InstanceARN string
}

// Result is the outcome of [Plan]: for each request, as many placements and failures together as tasks were asked for.
type Result struct {
	Placements []Placement       // in the order in which they were decided
	Failures   []Failure         // one per unplaced task
	Refusals   map[int][]Refusal // by request with failures: why each instance takes no more of its tasks
}

// Plan places the tasks of the requests one after another, each with the effect of those before it counted. Filters
// bind; strategies only choose among the instances that pass them (ecs.md 2.1). What fits is placed even if not all
// tasks of a request do.
func Plan(w World, requests []Request) Result {
	nodes := newNodes(w)
	var out Result
	for k := range requests {
		place(nodes, k, &requests[k], &out)
	}
	return out
}

// place puts the tasks of one request on the nodes. The chosen node changes, and in mode host the others of its machine. They
// only get fuller, so a node that takes no task now takes none later in the same request.
func place(nodes []*node, index int, r *Request, out *Result) {
	checks := filters()
	var fit []*node
	for _, n := range nodes {
		if admits(checks, &n.Instance, r) {
			fit = append(fit, n)
		}
	}
	for _, n := range nodes {
		n.group = n.TaskGroups[r.Group]
	}
	rank := newRanking(nodes, fit, effective(r.Strategies, r.DefaultSpread), gaining, r.Seed)
	for left := r.Count; left > 0; left-- {
		n := rank.best()
		if n == nil {
			fail(nodes, index, r, left, out)
			return
		}
		if n.machineOf(r) != nil && !portsFree(&n.Instance, r) {
			rank.skip()
			left++
			continue
		}
		n.take(r)
		rank.changed(admits(checks, &n.Instance, r))
		out.Placements = append(out.Placements, Placement{index, n.ARN})
	}
}

// fail notes the same failure for all tasks that are left: nothing changes any more.
func fail(nodes []*node, index int, r *Request, left int, out *Result) {
	why := explainAll(nodes, r)
	why.failure.Request = index
	for range left {
		out.Failures = append(out.Failures, why.failure)
	}
	if out.Refusals == nil {
		out.Refusals = map[int][]Refusal{}
	}
	out.Refusals[index] = why.refusals
}

// node is the working copy of an instance.
type node struct {
	Instance
	index int  // by ARN; the last tie-break
	owned bool // the maps are our own and may be written
	group int  // tasks of the counting set here

	shared []*int // of scan: per strategy the count shared with other nodes, nil if the strategy looks at this node only

	seed    uint64 // of the random strategy, see nextArrival
	draws   uint64 // 0 = the strategies in use do not ask for chance
	arrival float64
}

func newNodes(w World) []*node {
	list := make([]node, len(w.Instances))
	nodes := make([]*node, len(list))
	machines := map[*Machine]*Machine{}
	for k := range list {
		list[k].Instance = w.Instances[k]
		if m := list[k].Machine; m != nil {
			if machines[m] == nil {
				machines[m] = &Machine{HostTCP: cloned(m.HostTCP), HostUDP: cloned(m.HostUDP)}
			}
			list[k].Machine = machines[m]
		}
		nodes[k] = &list[k]
	}
	slices.SortFunc(nodes, func(a, b *node) int { return cmp.Compare(a.ARN, b.ARN) })
	for k, n := range nodes {
		n.index = k
		if _, ok := n.Attributes[zoneAttribute]; !ok && n.Zone != "" {
			n.Attributes = n.Subject().Attributes
		}
	}
	return nodes
}

// take counts one task of the request on the node.
func (n *node) take(r *Request) {
	if !n.owned {
		n.PortsTCP, n.PortsUDP, n.TaskGroups = cloned(n.PortsTCP), cloned(n.PortsUDP), cloned(n.TaskGroups)
		n.owned = true
	}
	n.Free = n.Free.minus(r.Needs)
	for _, p := range r.PortsTCP {
		n.PortsTCP[p] = r.Group
	}
	for _, p := range r.PortsUDP {
		n.PortsUDP[p] = r.Group
	}
	if m := n.machineOf(r); m != nil {
		for _, p := range r.PortsTCP {
			m.HostTCP[p] = r.Group
		}
		for _, p := range r.PortsUDP {
			m.HostUDP[p] = r.Group
		}
	}
	n.TaskGroups[r.Group]++
	n.RunningTasksCount++
	n.gain(1)
}

// gain changes the number of tasks of the counting set.
func (n *node) gain(tasks int) {
	n.group += tasks
	if n.draws > 0 {
		n.nextArrival()
	}
}

func cloned[M ~map[K]V, K comparable, V any](m M) M {
	if m == nil {
		return M{}
	}
	return maps.Clone(m)
}
