package socketio

import "sync"

// door lets clients into their namespaces: so many at a time, the others in the order in which they came.
// Who waits costs a Socket and no goroutine. A storm of clients that come back thus meets middlewares,
// and what stands behind them, at a bounded rate.
type door struct {
	most, room int

	mu     sync.Mutex
	inside int
	line   []*Socket
}

// come starts s now or when it is its turn.
func (d *door) come(s *Socket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside >= d.most {
		d.line = append(d.line, s)
		return
	}
	d.inside++
	s.ns.srv.wg.Go(s.start)
}

// next is called by who has been let in or turned away. Those that have given up waiting are passed over.
func (d *door) next() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.line) > 0 {
		s := d.line[0]
		d.line[0] = nil
		if d.line = d.line[1:]; len(d.line) == 0 {
			d.line = nil
		}
		if !s.left() {
			s.ns.srv.wg.Go(s.start)
			return
		}
	}
	d.inside--
}

// full tells whether so many wait that others had better come back later.
func (d *door) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.line) >= d.room
}
