package sched

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
)

// ranking keeps nodes in the order of the strategies while tasks are placed on them or taken away.
type ranking interface {
	best() *node       // the preferred node; nil when none is left
	skip()             // removes the best node from the ranking, unchanged
	changed(more bool) // the best node gained or lost a task; more says whether it stays in the ranking
}

// direction says whether tasks are added to the best node or taken from it. For taking, every
// preference is inverted.
type direction int

const (
	gaining direction = 1
	losing  direction = -1
)

// newRanking ranks the nodes in fit. A spread also counts the tasks on the other nodes in all,
// which may be full.
func newRanking(all, fit []*node, chain []Strategy, dir direction, seed uint64) ranking {
	for _, n := range all {
		n.arrival, n.draws, n.seed = 0, 0, seed
	}
	if slices.ContainsFunc(chain, func(s Strategy) bool { return s.kind == byChance }) {
		for _, n := range fit {
			n.nextArrival()
		}
	}
	// The spreads over attributes that lead the chain nest into a tree of heaps. One further down,
	// after a strategy that looks at single nodes, would change the keys of many nodes at once;
	// such chains are rare, so they are ranked by comparing all nodes.
	lead := slices.IndexFunc(chain, func(s Strategy) bool { return s.kind != byAttribute })
	if lead < 0 {
		lead = len(chain)
	}
	if slices.ContainsFunc(chain[lead:], func(s Strategy) bool { return s.kind == byAttribute }) {
		return newScan(all, fit, chain, dir)
	}
	return newTree(all, fit, chain[:lead], order{chain[lead:], dir})
}

// order compares nodes by values that belong to one node alone.
type order struct {
	chain []Strategy // none of byAttribute
	dir   direction
}

// compare is never 0 for different nodes.
func (o order) compare(a, b *node) int {
	for _, s := range o.chain {
		if c := compareBy(s.kind, o.dir, a, b); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.index, b.index)
}

func compareBy(kind strategyKind, dir direction, a, b *node) int {
	switch kind {
	case byInstance:
		return int(dir) * cmp.Compare(a.group, b.group)
	case byFreeCPU:
		return int(dir) * cmp.Compare(a.Free.CPU, b.Free.CPU)
	case byFreeMemory:
		return int(dir) * cmp.Compare(a.Free.Memory, b.Free.Memory)
	case byChance:
		return cmp.Compare(a.arrival, b.arrival)
	}
	return 0
}

// nextArrival draws the node's next turn under the random strategy. The turns of a node are the
// arrivals of a Poisson process: whichever nodes are left in the ranking, each is the first with
// the same probability, independent of the past. A choice therefore costs one draw, and the same
// seed makes the same choices.
func (n *node) nextArrival() {
	n.arrival += exponential(n.seed, n.ARN, n.draws)
	n.draws++
}

func exponential(seed uint64, name string, draw uint64) float64 {
	h := fnv.New64a()
	h.Write([]byte(name)) // never fails
	u := float64(mix(h.Sum64()^mix(seed^mix(draw)))>>11+1) / (1 << 53)
	return -math.Log(u)
}

// mix is the finaliser of splitmix64: changing one bit of the input changes about half of the
// output.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
