package socketio

import "sync"

// joinQueue limits how many clients join namespaces at the same time; others wait in the order in which they came. A
// waiting client needs a Socket, but no goroutine. When many clients come back at once, middlewares, and the databases
// that they use, get only a limited number at a time.
type joinQueue struct {
	limit      int // how many clients may join at the same time
	maxWaiting int // from how many waiting clients on the queue is full

	mu      sync.Mutex
	joining int
	waiting []*Socket
}

// add lets s join at once, or when those before it have joined.
func (q *joinQueue) add(s *Socket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.joining >= q.limit {
		q.waiting = append(q.waiting, s)
		return
	}
	q.joining++
	s.ns.srv.wg.add(s)
}

// done must be called when a client has joined or was refused. It starts the next one that is still connected.
func (q *joinQueue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 {
		s := q.waiting[0]
		q.waiting[0] = nil
		if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
			q.waiting = nil
		}
		if !s.left() {
			s.ns.srv.wg.add(s)
			return
		}
	}
	q.joining--
}

// full reports whether so many clients wait that new clients must be refused.
func (q *joinQueue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) >= q.maxWaiting
}
