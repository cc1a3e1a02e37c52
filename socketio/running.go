package socketio

import "sync"

// running counts the goroutines of handlers. It differs from a sync.WaitGroup in that a goroutine
// may start while somebody waits and none runs: a request that is on its way out when the server
// closes may yet have a disconnect handler to call. It is safe for concurrent use.
type running struct {
	mu   sync.Mutex
	n    int
	idle *sync.Cond // nil as long as nobody has waited
}

// Go runs f in a goroutine of its own.
func (r *running) Go(f func()) {
	r.mu.Lock()
	r.n++
	r.mu.Unlock()
	go func() {
		defer r.done()
		f()
	}()
}

func (r *running) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n == 0 && r.idle != nil {
		r.idle.Broadcast()
	}
}

// Wait waits until none runs.
func (r *running) Wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle == nil {
		r.idle = sync.NewCond(&r.mu)
	}
	for r.n > 0 {
		r.idle.Wait()
	}
}
