package sched

import (
	"cmp"
	"slices"
	"strings"
)

// scan ranks nodes by comparing all of them for each task. It is linear, and used for chains that
// tree cannot represent.
type scan struct {
	chain  []Strategy
	nodes  []*node
	dir    direction
	chosen int
}

// newScan counts tasks per group of nodes. A spread counts within the groups of the spreads before
// it, since each strategy narrows the choice of the previous ones.
func newScan(all, fit []*node, chain []Strategy, dir direction) *scan {
	s := &scan{chain: chain, nodes: slices.Clone(fit), dir: dir}
	shared := map[string]*int{}
	for _, n := range all {
		var path strings.Builder
		list := make([]*int, len(chain))
		for k, st := range chain {
			if st.kind != byAttribute {
				continue
			}
			v, _ := n.attribute(st.attribute)
			path.WriteString(st.attribute + "\x00" + v + "\x00")
			if shared[path.String()] == nil {
				shared[path.String()] = new(int)
			}
			list[k] = shared[path.String()]
			if n.Status == StatusActive {
				*list[k] += n.group
			}
		}
		n.shared = list
	}
	return s
}

func (s *scan) best() *node {
	s.chosen = -1
	for k, n := range s.nodes {
		if s.chosen < 0 || s.compare(n, s.nodes[s.chosen]) < 0 {
			s.chosen = k
		}
	}
	if s.chosen < 0 {
		return nil
	}
	return s.nodes[s.chosen]
}

func (s *scan) compare(a, b *node) int {
	for k := range s.chain {
		var c int
		if x := a.shared[k]; x != nil {
			c = int(s.dir) * cmp.Compare(*x, *b.shared[k])
		} else {
			c = compareBy(s.chain[k].kind, s.dir, a, b)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(a.index, b.index)
}

func (s *scan) changed(more bool) {
	for _, count := range s.nodes[s.chosen].shared {
		if count != nil {
			*count += int(s.dir)
		}
	}
	if !more {
		s.skip()
	}
}

func (s *scan) skip() { s.nodes = slices.Delete(s.nodes, s.chosen, s.chosen+1) }
