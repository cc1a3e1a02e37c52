package socketio

import "sync"

// joinQueue bounds how many clients join namespaces at a time; the others wait in the order in which
// they came. A client that waits costs a Socket and no goroutine. When many clients come back at once,
// middlewares, and the databases behind them, see them at a bounded rate.
type joinQueue struct {
	limit      int // of clients that join at a time
	maxWaiting int

	mu      sync.Mutex
	joining int
	waiting []*Socket
}

// add starts s now or when it is its turn.
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

// done must be called when a client has joined or was refused. It starts the next one that has not
// disconnected meanwhile.
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

// full reports whether so many clients wait that new ones should come back later.
func (q *joinQueue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) >= q.maxWaiting
}
