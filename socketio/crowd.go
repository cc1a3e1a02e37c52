package socketio

// crowd is a set of sockets that lie in a row, in the order they came as long as nobody leaves. A broadcast walks them
// in that order, which is also the order in which they, their sessions and their sockets in the kernel were made:
// it costs fewer cache misses than the random order of a map.
type crowd struct {
	row []*Socket
	at  map[*Socket]int // places in row; nil while the crowd is small
}

// crowded is how many sockets are searched one by one.
const crowded = 8

// add must be called only with sockets that are not in the crowd.
func (c *crowd) add(s *Socket) {
	c.row = append(c.row, s)
	if c.at != nil {
		c.at[s] = len(c.row) - 1
		return
	}
	if len(c.row) > crowded {
		c.at = make(map[*Socket]int, 2*crowded)
		for i, s := range c.row {
			c.at[s] = i
		}
	}
}

// remove puts the last one into the place of s.
func (c *crowd) remove(s *Socket) {
	i := c.place(s)
	if i < 0 {
		return
	}
	last := len(c.row) - 1
	c.row[i] = c.row[last]
	c.row[last] = nil
	c.row = c.row[:last]
	if c.at != nil {
		delete(c.at, s)
		if i < last {
			c.at[c.row[i]] = i
		}
	}
}

func (c *crowd) place(s *Socket) int {
	if c.at != nil {
		if i, ok := c.at[s]; ok {
			return i
		}
		return -1
	}
	for i, other := range c.row {
		if other == s {
			return i
		}
	}
	return -1
}
