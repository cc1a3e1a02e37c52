package sched

import "container/heap"

// tree ranks nodes under the spreads that lead a chain. Each level below the root groups the nodes
// by one attribute, and every group is a heap, ordered by the number of tasks in it and then by its
// best member. Adding or removing a task changes keys only on the path from the root to the chosen
// node, so it takes logarithmic time.
type tree struct {
	root  *branch
	order order
}

// branch is a group of nodes or, if node is set, a single node.
type branch struct {
	tree   *tree
	node   *node
	parent *branch
	at     int // index in the parent's kids
	count  int // tasks on all nodes of the group, also on those that have left kids
	kids   []*branch
}

func newTree(all, fit []*node, spreads []Strategy, o order) *tree {
	t := &tree{order: o}
	t.root = &branch{tree: t}
	groups := map[*branch]map[string]*branch{}
	leafOf := func(n *node) *branch {
		b := t.root
		for _, s := range spreads {
			v, _ := n.attribute(s.attribute)
			next := groups[b][v]
			if next == nil {
				next = &branch{tree: t, parent: b, at: -1}
				if groups[b] == nil {
					groups[b] = map[string]*branch{}
				}
				groups[b][v] = next
			}
			b = next
		}
		return b
	}
	for _, n := range all {
		if n.Status != StatusActive {
			continue
		}
		for b := leafOf(n); b != nil; b = b.parent {
			b.count += n.group
		}
	}
	single := make([]branch, len(fit)) // one allocation for all of them
	for k, n := range fit {
		b := leafOf(n)
		single[k] = branch{tree: t, node: n, parent: b, at: len(b.kids)}
		b.kids = append(b.kids, &single[k])
		for ; b.parent != nil && b.at < 0; b = b.parent {
			b.at = len(b.parent.kids)
			b.parent.kids = append(b.parent.kids, b)
		}
	}
	t.root.arrange()
	return t
}

// arrange makes every group a heap, from the leaves to the root.
func (b *branch) arrange() {
	for _, k := range b.kids {
		k.arrange()
	}
	heap.Init(b)
}

// first returns the best node of the group.
func (b *branch) first() *branch {
	for b.node == nil {
		b = b.kids[0]
	}
	return b
}

func (t *tree) best() *node {
	if len(t.root.kids) == 0 {
		return nil
	}
	return t.root.first().node
}

func (t *tree) changed(more bool) { t.update(int(t.order.dir), more) }

func (t *tree) skip() { t.update(0, false) }

// update adds tasks to the counts on the path from the best node to the root, and removes the node
// unless more is true.
func (t *tree) update(tasks int, more bool) {
	b := t.root.first()
	alive := more
	for ; b.parent != nil; b = b.parent {
		if alive {
			heap.Fix(b.parent, b.at)
		} else {
			heap.Remove(b.parent, b.at)
		}
		b.parent.count += tasks
		alive = len(b.parent.kids) > 0
	}
}

// The methods below make a branch a heap of its kids.

func (b *branch) Len() int { return len(b.kids) }

func (b *branch) Less(i, j int) bool {
	x, y := b.kids[i], b.kids[j]
	for x.node == nil {
		if x.count != y.count {
			return (x.count < y.count) == (b.tree.order.dir == gaining)
		}
		x, y = x.kids[0], y.kids[0]
	}
	return b.tree.order.compare(x.node, y.node) < 0
}

func (b *branch) Swap(i, j int) {
	b.kids[i], b.kids[j] = b.kids[j], b.kids[i]
	b.kids[i].at, b.kids[j].at = i, j
}

func (b *branch) Push(x any) { b.kids = append(b.kids, x.(*branch)) }

func (b *branch) Pop() any {
	last := b.kids[len(b.kids)-1]
	b.kids = b.kids[:len(b.kids)-1]
	return last
}
