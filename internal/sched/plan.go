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

// Result is the outcome of [Plan]. Each request has as many placements and failures together as it
// asked for tasks.
type Result struct {
	Placements []Placement       // in the order of the decisions
	Failures   []Failure         // one per unplaced task
	Refusals   map[int][]Refusal // by index of a request with failures: why each instance takes no more of its tasks
}

// Plan places the tasks of the requests one after another; each sees the tasks placed before it.
// Only instances that pass every filter are used, and the strategies choose among those (ecs.md
// 2.1). If only some tasks of a request fit, those are placed.
func Plan(w World, requests []Request) Result {
	nodes := newNodes(w)
	var out Result
	for k := range requests {
		place(nodes, k, &requests[k], &out)
	}
	return out
}

// place puts the tasks of one request on the nodes. It changes the chosen node and, in network mode
// host, the other nodes of the same machine. Nodes only get fuller, so a node that cannot take a
// task now cannot take a later one of the same request either.
func place(nodes []*node, index int, r *Request, out *Result) {
	ownMachines(nodes, r)
	checks := filters()
	fit := make([]*node, 0, len(nodes))
	for _, n := range nodes {
		if offers(n.Instance, r) && admits(checks, n.Instance, r) {
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
		if n.machineOf(r) != nil && !portsFree(n.Instance, r) {
			rank.skip()
			left++
			continue
		}
		n.take(r)
		rank.changed(admits(checks, n.Instance, r))
		out.Placements = append(out.Placements, Placement{index, n.ARN})
	}
}

// fail records the same failure for all tasks that are left, since nothing will change for them.
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

// node is an instance with what the plan has put on it so far.
type node struct {
	*Instance      // shared with the World until own has copied it
	owned     bool // whether own has copied it
	index     int  // order by ARN; breaks the last tie
	group     int  // number of tasks of the request's group on this node

	// Used by scan only: per strategy, the count that this node shares with others; nil if the
	// strategy looks at this node alone.
	shared []*int

	seed    uint64 // of the random strategy; see nextArrival
	draws   uint64 // random draws so far; stays 0 if no strategy in use is random
	arrival float64
}

func newNodes(w World) []*node {
	list := make([]node, len(w.Instances))
	nodes := make([]*node, len(list))
	for k := range list {
		list[k].Instance = w.Instances[k]
		nodes[k] = &list[k]
	}
	slices.SortFunc(nodes, func(a, b *node) int { return cmp.Compare(a.ARN, b.ARN) })
	for k, n := range nodes {
		n.index = k
	}
	return nodes
}

// ownMachines gives the nodes copies of their machines, which a task of the request changes if it is in network
// mode host. Other tasks do not look at them.
func ownMachines(nodes []*node, r *Request) {
	if !r.HostNetwork {
		return
	}
	machines := map[*Machine]*Machine{}
	for _, n := range nodes {
		m := n.Machine
		if m == nil {
			continue
		}
		if machines[m] == nil {
			machines[m] = &Machine{HostTCP: cloned(m.HostTCP), HostUDP: cloned(m.HostUDP)}
		}
		n.own()
		n.Machine = machines[m]
	}
}

// own copies the instance so that it can be changed. The attributes are not copied; they never
// change.
func (n *node) own() {
	if n.owned {
		return
	}
	c := *n.Instance
	c.PortsTCP, c.PortsUDP, c.TaskGroups = cloned(c.PortsTCP), cloned(c.PortsUDP), cloned(c.TaskGroups)
	n.Instance, n.owned = &c, true
}

// take adds one task of the request to the node.
func (n *node) take(r *Request) {
	n.own()
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

// gain changes the number of the group's tasks on the node.
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
