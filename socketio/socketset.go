package socketio

// socketSet is a set of sockets in a slice. While none is removed, they are in the order in which they were added.
// That is also the order in which their sessions, and their sockets in the kernel, were made, so a broadcast that
// visits them in this order has fewer cache misses than in the random order of a map.
type socketSet struct {
	list  []*Socket
	index map[*Socket]int // where each socket is in list; nil while the set is small
}

// smallSet is up to how many sockets a set has no index and is searched from its beginning.
const smallSet = 8

// add adds a socket, which must not be in the set.
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

// remove removes s, if it is in the set, and moves the last socket to its place.
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

// place returns where s is in list, or -1.
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
