package engine

import (
	"slices"
	"sync"
)

// stopped is the list of tasks that have ended and are kept, with their containers, for inspection. If there
// are more than limit, those that ended first are superfluous.
type stopped struct {
	limit int

	mu    sync.Mutex // guards what follows
	tasks []*task    // in the order in which they ended
}

// add adds a task that has just ended, and wakes one that has become superfluous.
func (s *stopped) add(t *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = append(s.tasks, t)
	if n := len(s.tasks) - s.limit; n > 0 {
		kick(s.tasks[n-1].step)
	}
}

// superfluous reports whether the task should be forgotten early.
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
