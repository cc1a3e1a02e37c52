package sched

import (
	"cmp"
	"slices"
)

// Share is a capacity provider of a strategy (ecs.md 2.9).
type Share struct {
	Provider string
	Base     int // tasks that it gets before others are divided; at most one share of a strategy has one
	Weight   int // its part of the others; 0 means none
}

// Divide returns how many of n new tasks each share gets, if have are the tasks that there are already, by provider.
// The base comes first. Each further task goes to the share with the fewest tasks beyond its base for its weight, and
// of equal ones to the first. So the numbers of tasks beyond the base keep the ratio of the weights, and return to it
// as tasks are added. Without weights, what exceeds the base goes to no share.
func Divide(shares []Share, have map[string]int, n int) []int {
	got := make([]int, len(shares))
	for range n {
		next := nextShare(shares, func(k int) int { return have[shares[k].Provider] + got[k] })
		if next < 0 {
			break
		}
		got[next]++
	}
	return got
}

func nextShare(shares []Share, count func(int) int) int {
	best := -1
	for k, s := range shares {
		if count(k) < s.Base {
			return k
		}
		if s.Weight > 0 && (best < 0 || compareLoad(s, count(k)+1, shares[best], count(best)+1) < 0) {
			best = k
		}
	}
	return best
}

// compareLoad compares the numbers of tasks beyond the base of two shares, each divided by its weight.
func compareLoad(a Share, countA int, b Share, countB int) int {
	extraA, extraB := max(0, countA-a.Base), max(0, countB-b.Base)
	if a.Weight == 0 || b.Weight == 0 { // any task beyond the base is too many for a weight of 0
		return cmp.Compare(infinite(a, extraA), infinite(b, extraB))
	}
	return cmp.Compare(extraA*b.Weight, extraB*a.Weight)
}

func infinite(s Share, extra int) int {
	if s.Weight == 0 && extra > 0 {
		return 1
	}
	return 0
}

// mostLoaded returns the provider that a task is taken from, of those with candidates: one that is not in the strategy,
// else the one with the most tasks beyond its base for its weight, else the one with the base. count is the number of a
// provider's tasks now. So scaling in keeps the ratio of the weights and the base, as Divide does.
func mostLoaded(shares []Share, candidates []string, count map[string]int) string {
	best, bestShare := "", Share{}
	for _, s := range shares {
		if !slices.Contains(candidates, s.Provider) {
			continue
		}
		if best == "" || takenBefore(s, bestShare, count) {
			best, bestShare = s.Provider, s
		}
	}
	for _, p := range candidates {
		if !slices.ContainsFunc(shares, func(s Share) bool { return s.Provider == p }) {
			return p
		}
	}
	return best
}

// takenBefore reports whether a task is taken from share a before one is taken from b. Of equal ones the later in the
// strategy loses a task, since Divide gives to the earlier first.
func takenBefore(a, b Share, count map[string]int) bool {
	c := compareLoad(a, count[a.Provider], b, count[b.Provider])
	if c != 0 {
		return c > 0
	}
	return count[a.Provider] > a.Base || count[b.Provider] <= b.Base
}

// interleave puts victims of equal rank in the order that keeps the shares. count is the number of tasks of each
// provider before the first of them is stopped; it is updated.
func interleave(victims []Victim, providerOf map[string]string, shares []Share, count map[string]int) []Victim {
	if len(shares) == 0 {
		return victims
	}
	queues := map[string][]Victim{}
	var candidates []string
	for _, v := range victims {
		p := providerOf[v.TaskID]
		if queues[p] == nil {
			candidates = append(candidates, p)
		}
		queues[p] = append(queues[p], v)
	}
	out := make([]Victim, 0, len(victims))
	for len(out) < len(victims) {
		p := mostLoaded(shares, candidates, count)
		out = append(out, queues[p][0])
		count[p]--
		if queues[p] = queues[p][1:]; len(queues[p]) == 0 {
			candidates = slices.DeleteFunc(candidates, func(c string) bool { return c == p })
		}
	}
	return out
}
