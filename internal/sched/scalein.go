package sched

import (
	"cmp"
	"fmt"
	"slices"
)

// Task is a task of a service, as a candidate to be stopped.
type Task struct {
	ID          string
	InstanceARN string    // "" or unknown to the world when it is not placed
	Provider    string    // capacity provider; "" if the service has none
	Needs       Resources // what its stop frees
	Deployment  int       // age of its deployment; tasks of lower numbers are older and are stopped sooner
	Running     bool      // last status is RUNNING
	Healthy     bool
	Protected   bool // task scale-in protection is in force now
}

// Victim is a task that [ScaleIn] chose, and the reason, without a full stop.
type Victim struct {
	TaskID string
	Detail string
}

// class is the first criterion by which victims are chosen; smaller ones are stopped first.
type class int

const (
	notRunning class = iota
	unhealthy
	leaving
	serving
)

// ScaleIn chooses up to n of a service's tasks to stop, in this order: tasks that are not running,
// unhealthy ones, those on instances that are not ACTIVE, those of older deployments, and then by
// the inverted strategies: from the fullest group of a spread, from the instance that binpack would
// leave emptiest (ecs.md 2.7). Each choice takes the earlier ones into account, so the result for a
// smaller n is the beginning of that for a larger n. Protected tasks are never chosen.
//
// The world counts all tasks of the group. The list of tasks needs to have only those that may be stopped.
func ScaleIn(w World, group string, tasks []Task, strategies []Strategy, n int, seed uint64) []Victim {
	return ScaleInShares(w, group, tasks, strategies, nil, n, seed)
}

// ScaleInShares is ScaleIn for a service with a capacity provider strategy: of tasks that differ in the strategies
// alone, those are chosen first whose capacity provider has more than its share of the given tasks. So the rest keeps
// the ratio of the weights (ecs.md 2.9).
func ScaleInShares(
	w World, group string, tasks []Task, strategies []Strategy, shares []Share, n int, seed uint64,
) []Victim {
	nodes := newNodes(w)
	byARN := make(map[string]*node, len(nodes))
	for _, x := range nodes {
		x.group = x.TaskGroups[group]
		byARN[x.ARN] = x
	}
	pool := make([]*candidate, 0, len(tasks))
	for _, t := range sortedTasks(tasks) {
		x := byARN[t.InstanceARN]
		if x == nil {
			x = &node{index: len(nodes), Instance: &Instance{ARN: t.InstanceARN}}
			nodes, byARN[t.InstanceARN] = append(nodes, x), x
		}
		if !t.Protected {
			pool = append(pool, &candidate{t, x, classOf(t, x)})
		}
	}
	slices.SortStableFunc(pool, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.Deployment, b.Deployment))
	})
	count, providerOf := map[string]int{}, map[string]string{}
	for _, t := range tasks {
		count[t.Provider]++
		providerOf[t.ID] = t.Provider
	}
	var out []Victim
	for len(pool) > 0 && len(out) < n {
		end := 1
		for end < len(pool) && pool[end].class == pool[0].class && pool[end].Deployment == pool[0].Deployment {
			end++
		}
		most := n - len(out)
		if len(shares) > 0 {
			most = end // all of them, to choose by provider
		}
		chosen := choose(nodes, pool[:end], effective(strategies, true), most, seed)
		out = append(out, interleave(chosen, providerOf, shares, count)...)
		pool = pool[end:]
	}
	return out[:min(max(n, 0), len(out))]
}

// candidate is a task that may be stopped, with the node it is on.
type candidate struct {
	Task
	node  *node
	class class
}

func sortedTasks(tasks []Task) []Task {
	return slices.SortedFunc(slices.Values(tasks), func(a, b Task) int { return cmp.Compare(a.ID, b.ID) })
}

func classOf(t Task, on *node) class {
	switch {
	case !t.Running:
		return notRunning
	case !t.Healthy:
		return unhealthy
	case on.Status != StatusActive:
		return leaving
	}
	return serving
}

// choose takes up to n of the candidates, which are all of one class, by the inverted strategies.
// While a node is in the ranking, its free resources include those of its next candidate, because
// binpack compares what would be free after the stop.
func choose(nodes []*node, pool []*candidate, chain []Strategy, n int, seed uint64) []Victim {
	queue := map[*node][]*candidate{}
	var fit []*node
	for _, c := range pool {
		if queue[c.node] == nil {
			fit = append(fit, c.node)
			c.node.own()
			c.node.Free = c.node.Free.plus(c.Needs)
		}
		queue[c.node] = append(queue[c.node], c)
	}
	rank := newRanking(nodes, fit, chain, losing, seed)
	var out []Victim
	for x := rank.best(); x != nil && len(out) < n; x = rank.best() {
		c, rest := queue[x][0], queue[x][1:]
		out = append(out, Victim{c.ID, c.detail()})
		x.gain(-1)
		if queue[x] = rest; len(rest) > 0 {
			x.Free = x.Free.plus(rest[0].Needs)
		}
		rank.changed(len(rest) > 0)
	}
	return out
}

func (c *candidate) detail() string {
	switch c.class {
	case notRunning:
		return "it does not run yet"
	case unhealthy:
		return "it is unhealthy"
	case leaving:
		return "its container instance is not ACTIVE"
	}
	return fmt.Sprintf("%d tasks of the service are on its container instance in %s", c.node.group, zoneName(c.node))
}

func zoneName(n *node) string {
	if z, ok := n.attribute(zoneAttribute); ok {
		return z
	}
	return "no zone"
}
