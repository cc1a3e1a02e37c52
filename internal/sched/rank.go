package sched

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
)

// ranking keeps nodes in the order of the strategies while tasks are placed on them or taken away.
type ranking interface {
	best() *node       // the preferred node, nil when none is left
	skip()             // the best node leaves the ranking as it is
	changed(more bool) // the best node gained or lost a task and stays, or leaves the ranking
}

// direction is what happens to the best node: it gains tasks, or it loses them and every preference is inverted.
type direction int

const (
	gaining direction = 1
	losing  direction = -1
)

// newRanking ranks the fitting nodes. all nodes count for spreading, also those that are full.
func newRanking(all, fit []*node, chain []Strategy, dir direction, seed uint64) ranking {
	for _, n := range all {
		n.arrival, n.draws, n.seed = 0, 0, seed
	}
	if slices.ContainsFunc(chain, func(s Strategy) bool { return s.kind == byChance }) {
		for _, n := range fit {
			n.nextArrival()
		}
	}
	// The spreads over attributes that lead the chain nest into a tree of heaps. A shared count further down, behind a
	// key of the single node, would change the keys of many nodes at once: such rare chains are ranked by looking at all.
	lead := slices.IndexFunc(chain, func(s Strategy) bool { return s.kind != byAttribute })
	if lead < 0 {
		lead = len(chain)
	}
	if slices.ContainsFunc(chain[lead:], func(s Strategy) bool { return s.kind == byAttribute }) {
		return newScan(all, fit, chain, dir)
	}
	return newTree(all, fit, chain[:lead], order{chain[lead:], dir})
}

// order compares nodes by keys that belong to the single node.
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

// nextArrival draws the node's next turn under the random strategy. Turns of a node are the arrivals of a Poisson process;
// whichever nodes fit, the first to arrive is each of them with the same probability, and independent of the past. So a
// choice costs one draw, and the same seed makes the same choices.
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

// mix is the finaliser of splitmix64: every bit of the input changes half of the output's.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
