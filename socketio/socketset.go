package socketio

// socketSet is a set of sockets. It keeps them in a slice, in the order in which they were added as
// long as none is removed. A broadcast visits them in that order, which is also the order in which
// their sessions and their sockets in the kernel were made: it costs fewer cache misses than the random
// order of a map.
type socketSet struct {
	list  []*Socket
	index map[*Socket]int // places in list; nil while the set is small
}

// smallSet is how many sockets are searched one by one.
const smallSet = 8

// add must be called only with sockets that are not in the set.
func (c *socketSet) add(s *Socket) {
	c.list = append(c.list, s)
	if c.index != nil {
		c.index[s] = len(c.list) - 1
		return
	}
	if len(c.list) > smallSet {
		c.index = make(map[*Socket]int, 2*smallSet)
		for i, s := range c.list {
			c.index[s] = i
		}
	}
}

// remove puts the last socket into the place of s.
func (c *socketSet) remove(s *Socket) {
	i := c.place(s)
	if i < 0 {
		return
	}
	last := len(c.list) - 1
	c.list[i] = c.list[last]
	c.list[last] = nil
	c.list = c.list[:last]
	if c.index != nil {
		delete(c.index, s)
		if i < last {
			c.index[c.list[i]] = i
		}
	}
}

func (c *socketSet) place(s *Socket) int {
	if c.index != nil {
		if i, ok := c.index[s]; ok {
			return i
		}
		return -1
	}
	for i, other := range c.list {
		if other == s {
			return i
		}
	}
	return -1
}
