package socketio

import "sync"

// running runs tasks in goroutines and counts them. A goroutine that has finished a task takes the next one. If there
// is none, the goroutine is kept for later, because its stack has already grown to the size that handlers need. Tasks
// may block: while tasks wait, there is always one goroutine without a task that is about to take the next one.
//
// Unlike a sync.WaitGroup, it allows a task to be added while Wait is called and no task runs: a request that ends
// while the server closes may still have a disconnect handler to call. It is safe for concurrent use.
type running struct {
	mu      sync.Mutex
	waiting queue[task]
	coming  bool            // a goroutine was started or woken and has not taken a task yet
	kept    []chan struct{} // a value on one of them wakes a goroutine that is kept; the last was kept last
	n       int             // tasks that wait or run, and goroutines that are not kept and have no task
	closing bool            // no goroutine is kept any more
	idle    *sync.Cond      // signalled when n becomes 0; nil before the first call of Wait

	quick   queue[*Socket] // sockets whose next event has a quick handler
	readers int            // readers that will call takeQuick before they read again
}

// A task is what running runs in a goroutine.
type task interface{ run() }

type taskFunc func()

func (f taskFunc) run() { f() }

// queue is a first-in first-out queue.
type queue[T any] struct {
	items []T // from index first on
	first int
}

func (q *queue[T]) push(v T) {
	if len(q.items) == cap(q.items) && q.first > len(q.items)/2 {
		left := copy(q.items, q.items[q.first:])
		clear(q.items[left:])
		q.items, q.first = q.items[:left], 0
	}
	q.items = append(q.items, v)
}

func (q *queue[T]) empty() bool { return q.first == len(q.items) }

// pop must not be called when the queue is empty.
func (q *queue[T]) pop() T {
	var none T
	v := q.items[q.first]
	q.items[q.first] = none
	if q.first++; q.empty() {
		q.items, q.first = q.items[:0], 0
	}
	return v
}

// maxKept is how many goroutines are kept without a task. One turn of an event loop rarely needs more.
const maxKept = 128

// Go runs f in a goroutine.
func (r *running) Go(f func()) { r.add(taskFunc(f)) }

// add runs t in a goroutine.
func (r *running) add(t task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	r.enqueue(t)
}

// enqueue has t, which n counts already, run in a goroutine. The caller holds the lock.
func (r *running) enqueue(t task) {
	r.waiting.push(t)
	if !r.coming {
		r.startOne()
	}
}

// addQuick has the events of s handled by a reader that will call takeQuick, or by a goroutine if there is no such
// reader.
func (r *running) addQuick(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	if r.readers > 0 {
		r.quick.push(s)
	} else {
		r.enqueue(s)
	}
}

// addReader announces a reader that will call takeQuick until it returns nil, and then removeReader.
func (r *running) addReader() {
	r.mu.Lock()
	r.readers++
	r.mu.Unlock()
}

func (r *running) removeReader() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.readers--; r.readers == 0 {
		r.release()
	}
}

// takeQuick returns a socket whose events the calling reader must handle, or nil if there is none. The reader calls
// done when it has handled them.
func (r *running) takeQuick() *Socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.quick.empty() {
		return nil
	}
	return r.quick.pop()
}

// release gives the sockets that wait for readers to goroutines. The caller holds the lock.
func (r *running) release() {
	for !r.quick.empty() {
		r.enqueue(r.quick.pop())
	}
}

// startOne wakes a goroutine that is kept, or starts one. The caller holds the lock.
func (r *running) startOne() {
	r.coming = true
	r.n++
	last := len(r.kept) - 1
	if last < 0 {
		go r.serve()
		return
	}
	wake := r.kept[last]
	r.kept = r.kept[:last]
	wake <- struct{}{} // does not block: the channel has room for one value
}

// serve runs tasks until there is none and the goroutine is not kept.
func (r *running) serve() {
	defer r.done() // also when a handler calls runtime.Goexit
	wake := make(chan struct{}, 1)
	for coming := true; ; {
		t, kept := r.take(coming, wake)
		switch {
		case t != nil:
			t.run()
			coming = false
		case kept:
			<-wake
			coming = true
		default:
			return
		}
	}
}

// take returns the next task. If there is none, it puts the calling goroutine among those that are kept, and returns
// true; the goroutine then waits for a value on wake. If no more goroutines are kept, it returns nil and false. coming
// says that startOne has started or woken the goroutine.
func (r *running) take(coming bool, wake chan struct{}) (t task, kept bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if coming {
		r.coming = false
	}
	if r.waiting.empty() {
		if r.closing || len(r.kept) == maxKept {
			return nil, false
		}
		r.kept = append(r.kept, wake)
		r.count(-1)
		return nil, true
	}
	t = r.waiting.pop()
	if !r.waiting.empty() && !r.coming {
		r.startOne()
	}
	r.count(-1)
	return t, false
}

// done is called at the end of a goroutine, and when a reader has handled the events of a socket.
func (r *running) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(-1)
}

// count adds to n and signals idle when n becomes 0. The caller holds the lock.
func (r *running) count(by int) {
	if r.n += by; r.n == 0 && r.idle != nil {
		r.idle.Broadcast()
	}
}

// Wait returns when no task waits or runs. From its call on, no goroutine is kept.
func (r *running) Wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle == nil {
		r.idle = sync.NewCond(&r.mu)
	}
	r.closing = true
	for len(r.kept) > 0 {
		r.startOne()
	}
	for r.n > 0 {
		r.idle.Wait()
	}
}
