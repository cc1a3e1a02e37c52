package link

import (
	"sync"
	"time"
)

// takeOverAfter is how long Worker.Work may take before another goroutine takes the loop over. That happens between
// once and twice this time. Go takes the processor from a goroutine that computes after about the same time.
const takeOverAfter = 10 * time.Millisecond

// shift replaces the worker of a loop if its work takes too long. It uses a timer, which is set only while there is
// work: an idle loop sets none, and a busy one sets a hundred a second.
type shift struct {
	loop *loop

	mu     sync.Mutex
	worker Worker // whose Work is running; nil if there is none
	batch  uint64 // counts calls of Work
	seen   uint64 // the value of batch when the timer was last set
	timer  *time.Timer
	set    bool // the timer is set
}

// begin is called before w.Work.
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

// end is called after w.Work. It returns false if w was replaced.
func (s *shift) end(w Worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker != w {
		return false
	}
	s.worker = nil
	return true
}

// look is called by the timer. If the same call of Work has been running since the timer was set, it replaces the
// worker.
func (s *shift) look() {
	s.mu.Lock()
	var slow Worker
	switch {
	case s.batch != s.seen:
	case s.worker == nil:
		s.set = false
	default:
		if ep, err := s.loop.poller(); err == nil { // otherwise no descriptor is free, and the timer tries again
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
