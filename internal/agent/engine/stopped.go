package engine

import (
	"slices"
	"sync"
)

// stopped are the tasks that have ended and are kept, with their containers, for those who want to
// look at them. It holds the longest-ended ones to be superfluous when there are more than limit.
type stopped struct {
	limit int

	mu    sync.Mutex // guards what follows
	tasks []*task    // in the order in which they ended
}

// add takes a task in that has just ended, and wakes the one that is superfluous now.
func (s *stopped) add(t *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = append(s.tasks, t)
	if n := len(s.tasks) - s.limit; n > 0 {
		kick(s.tasks[n-1].step)
	}
}

// superfluous reports whether the task is to be forgotten before its time.
func (s *stopped) superfluous(t *task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.tasks) - s.limit
	return n > 0 && slices.Contains(s.tasks[:n], t)
}

func (s *stopped) remove(t *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.tasks, t); i >= 0 {
		s.tasks = slices.Delete(s.tasks, i, i+1)
	}
}
