package socketio

import (
	"sync/atomic"
	"time"
)

// A quick handler runs on the goroutine that has read its event from the client, because starting another goroutine
// would cost more than the handler itself. Other handlers run on other goroutines, so that a handler that waits, for
// instance for a database, does not delay other clients. A handler is quick if its calls have been short lately. If a
// quick handler becomes slow, package engineio notices it and lets another goroutine read from the clients.

const (
	// quickLimit is below what a handler's calls must take on average for the handler to be quick.
	quickLimit = 100 * time.Microsecond
	// maxCounted is how much a longer call adds to the average.
	maxCounted = 10 * time.Millisecond
	// averageOver is about how many calls the moving average is made of.
	averageOver = 64
)

// listener is a registered handler of an event.
type listener struct {
	event   string
	handler Handler
	average atomic.Int64 // moving average of the durations of calls, in nanoseconds
}

// newListener returns a listener that is not quick before it has been called about 45 times.
func newListener(event string, f Handler) *listener {
	l := &listener{event: event, handler: f}
	l.average.Store(int64(2 * quickLimit))
	return l
}

func (l *listener) quick() bool { return l != nil && l.average.Load() < int64(quickLimit) }

// noteSince adds a call to the average that began at start and ends now. Of calls that end at the same time some may be
// lost: the average is an estimate.
func (l *listener) noteSince(start time.Time) {
	took := time.Since(start)
	average := l.average.Load()
	if took < quickLimit && average < int64(quickLimit)/2 {
		return // the handler stays quick; not writing saves traffic between the processors' caches
	}
	l.average.Store(average + (int64(min(took, maxCounted))-average)/averageOver)
}

// markSlow makes the handler count as slow for about its next 150 calls.
func (l *listener) markSlow() { l.average.Store(int64(maxCounted)) }

// reader runs quick handlers on a goroutine that reads from clients. It implements engineio.Worker.
type reader struct {
	running  *running
	now      atomic.Pointer[listener] // its handler is running, or ran last
	replaced atomic.Bool              // another goroutine reads from the clients now
}

// Begin implements engineio.Worker.
func (w *reader) Begin() { w.running.addReader() }

// Work implements engineio.Worker.
func (w *reader) Work() {
	defer w.running.removeReader() // also when a handler calls runtime.Goexit
	for !w.replaced.Load() {
		s := w.running.takeQuick()
		if s == nil {
			return
		}
		w.work(s)
	}
}

func (w *reader) work(s *Socket) {
	defer w.running.done()
	s.work(w)
}

// Replaced implements engineio.Worker. Sockets that wait for this reader get goroutines instead, because no reader may
// come for them soon.
func (w *reader) Replaced() {
	w.replaced.Store(true)
	if l := w.now.Load(); l != nil {
		l.markSlow()
	}
	w.running.mu.Lock()
	w.running.release()
	w.running.mu.Unlock()
}
