package link

import (
	"sync"
	"time"
)

// takeOverAfter is how long the work of a loop may take before another goroutine takes the loop over. It takes
// twice as long at most. A handler that computes keeps its processor for about as long before Go gives it to others.
const takeOverAfter = 10 * time.Millisecond

// shift knows which worker a loop has, and replaces it if its work takes too long. A timer looks after that; it is
// set only while there is work, so that a quiet loop costs nothing and a busy one a hundred timers a second.
type shift struct {
	loop *loop

	mu     sync.Mutex
	worker Worker // that works now; nil between two batches
	batch  uint64 // counts calls of Work
	seen   uint64 // batch, when the timer was last set
	timer  *time.Timer
	set    bool
}

// begin is called before w works.
func (s *shift) begin(w Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worker = w
	s.batch++
	if s.set {
		return
	}
	s.set, s.seen = true, s.batch
	if s.timer == nil {
		s.timer = time.AfterFunc(takeOverAfter, s.look)
		return
	}
	s.timer.Reset(takeOverAfter)
}

// end is called when w has worked. It reports whether w has not been replaced.
func (s *shift) end(w Worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker != w {
		return false
	}
	s.worker = nil
	return true
}

// look runs when the timer fires. It replaces a worker that has been at the same work since the timer was set.
func (s *shift) look() {
	s.mu.Lock()
	var slow Worker
	switch {
	case s.batch != s.seen:
	case s.worker == nil:
		s.set = false
	default:
		if ep, err := s.loop.poller(); err == nil { // no descriptor is free: try again
			slow, s.worker = s.worker, nil
			s.loop.group.wg.Go(func() { s.loop.run(ep) }) // the goroutine that is replaced has not ended yet
		}
	}
	s.seen = s.batch
	if s.set {
		s.timer.Reset(takeOverAfter)
	}
	s.mu.Unlock()
	if slow != nil {
		slow.Replaced()
	}
}
