package socketio

import "sync"

// running runs handlers in goroutines and knows how many run. A goroutine that has finished a task goes on with the
// next one that waits; when none waits it is kept for later, because its stack has already grown to what handlers
// need. Tasks may block: while tasks wait, one goroutine without a task is always about to take the next one.
//
// Unlike a sync.WaitGroup it lets a task start while somebody waits and none runs: a request that is on its way out
// when the server closes may yet have a disconnect handler to call. It is safe for concurrent use.
type running struct {
	mu      sync.Mutex
	waiting queue[task]
	coming  bool            // a goroutine without a task has been started or woken
	kept    []chan struct{} // each wakes one goroutine that is kept; the last one was kept last
	n       int             // tasks that wait or run, and goroutines that are not kept and have no task
	closing bool            // no goroutine is kept any more
	idle    *sync.Cond      // nil as long as nobody has waited

	quick   queue[*Socket] // whose next event has a quick handler
	readers int            // that will take from quick before they read again
}

// A task is what a goroutine does before it looks for something else to do.
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

// maxKept is how many goroutines are kept: about as many as one turn of an event loop needs at most.
const maxKept = 128

// Go runs f in a goroutine.
func (r *running) Go(f func()) { r.add(taskFunc(f)) }

// add runs t in a goroutine.
func (r *running) add(t task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	r.wait(t)
}

// wait runs t, which is counted already, in a goroutine. The lock must be held.
func (r *running) wait(t task) {
	r.waiting.push(t)
	if !r.coming {
		r.call()
	}
}

// addQuick lets a reader that will call takeQuick handle the events of s, or a goroutine if there is none.
func (r *running) addQuick(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	if r.readers > 0 {
		r.quick.push(s)
	} else {
		r.wait(s)
	}
}

// expect is called by a reader that will call takeQuick until there is nothing more, and then unexpect.
func (r *running) expect() {
	r.mu.Lock()
	r.readers++
	r.mu.Unlock()
}

func (r *running) unexpect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.readers--; r.readers == 0 {
		r.release()
	}
}

// takeQuick returns a socket whose events the calling reader is to handle, or nil. The reader calls leave afterwards.
func (r *running) takeQuick() *Socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.quick.empty() {
		return nil
	}
	return r.quick.pop()
}

// release gives to goroutines what waits for readers. The lock is held.
func (r *running) release() {
	for !r.quick.empty() {
		r.wait(r.quick.pop())
	}
}

// call wakes or starts a goroutine. The lock is held.
func (r *running) call() {
	r.coming = true
	r.n++
	last := len(r.kept) - 1
	if last < 0 {
		go r.serve()
		return
	}
	wake := r.kept[last]
	r.kept = r.kept[:last]
	wake <- struct{}{} // has room for one
}

// serve runs tasks until the goroutine is neither needed nor kept.
func (r *running) serve() {
	defer r.leave() // also when a handler calls runtime.Goexit
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

// take returns the next task or keeps the calling goroutine, if that is still wanted, until a value comes on wake.
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
		r.call()
	}
	r.count(-1)
	return t, false
}

// leave is called at the end of a goroutine, or when a reader has handled the events of a socket.
func (r *running) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(-1)
}

// count changes n. The lock is held.
func (r *running) count(by int) {
	if r.n += by; r.n == 0 && r.idle != nil {
		r.idle.Broadcast()
	}
}

// Wait waits until no task waits or runs. From then on no goroutine is kept.
func (r *running) Wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle == nil {
		r.idle = sync.NewCond(&r.mu)
	}
	r.closing = true
	for len(r.kept) > 0 {
		r.call()
	}
	for r.n > 0 {
		r.idle.Wait()
	}
}
