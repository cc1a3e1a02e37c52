package socketio

import (
	"sync/atomic"
	"time"
)

// A handler that returns quickly runs on the goroutine that has read its event from the client: starting another
// goroutine for it would cost more than the handler itself. Other handlers have goroutines of their own, so that a
// handler that waits, for a database for instance, keeps no other client waiting. Which handlers are quick is known
// from how long they have taken lately; one that has just become slow is noticed by package engineio, which lets
// another goroutine go on reading.

const (
	// quickMost is how long the calls of a quick handler take on average.
	quickMost = 100 * time.Microsecond
	// tookMost is what a longer call counts as.
	tookMost = 10 * time.Millisecond
	// tookWeight is how many calls the moving average remembers, more or less.
	tookWeight = 64
)

// listener is a registered handler of an event.
type listener struct {
	event   string
	handler Handler
	took    atomic.Int64 // moving average of what calls have taken, in nanoseconds
}

// newListener returns a listener that counts as slow until it has been called some 45 times.
func newListener(event string, f Handler) *listener {
	l := &listener{event: event, handler: f}
	l.took.Store(int64(2 * quickMost))
	return l
}

func (l *listener) quick() bool { return l != nil && l.took.Load() < int64(quickMost) }

// noteSince counts a call that ends now. Calls that end at the same time may be counted once: it is an estimate.
func (l *listener) noteSince(start time.Time) {
	took := time.Since(start)
	average := l.took.Load()
	if took < quickMost && average < int64(quickMost)/2 {
		return // it is quick, and stays so: processors need not exchange the average
	}
	l.took.Store(average + (int64(min(took, tookMost))-average)/tookWeight)
}

// slow makes the handler count as slow for some 150 calls.
func (l *listener) slow() { l.took.Store(int64(tookMost)) }

// reader runs tasks on a goroutine that reads from clients. It implements engineio.Worker.
type reader struct {
	running  *running
	now      atomic.Pointer[listener] // whose handler is running
	replaced atomic.Bool
}

// Begin implements engineio.Worker.
func (w *reader) Begin() { w.running.expect() }

// Work implements engineio.Worker.
func (w *reader) Work() {
	defer w.running.unexpect() // also when a handler calls runtime.Goexit
	for !w.replaced.Load() {
		s := w.running.takeQuick()
		if s == nil {
			return
		}
		w.work(s)
	}
}

func (w *reader) work(s *Socket) {
	defer w.running.leave()
	s.work(w)
}

// Replaced implements engineio.Worker. Nobody may look after the tasks that wait for this reader soon.
func (w *reader) Replaced() {
	w.replaced.Store(true)
	if l := w.now.Load(); l != nil {
		l.slow()
	}
	w.running.mu.Lock()
	w.running.release()
	w.running.mu.Unlock()
}
