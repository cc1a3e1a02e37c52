package rollout

import (
	"github.com/berthhq/berth/internal/ecs"
)

// numbersSuffice reports whether the plan needs only the numbers of the tasks. That is so if it
// will stop none: there are no more than desired, all of one deployment, and only time makes them
// healthy. It holds while a service starts, is steady, or has lost tasks. The cost of a plan then
// grows with the tasks that became healthy or ended, and not with all tasks.
func (s *scheduler) numbersSuffice() bool {
	p := s.primary
	if len(s.deployments) > 1 || p.ContainerChecks || p.targets() > 0 || p.Attempts > 0 ||
		s.v.Service.SchedulingStrategy == ecs.Daemon || s.v.deleting() || len(s.draining) > 0 {
		return false
	}
	sums := s.v.Tasks.Sums()
	live := func(c ecs.TaskCount) bool { return alive(c.DesiredStatus, c.LastStatus) }
	others := func(c ecs.TaskCount) bool { return live(c) && c.Label != p.ID }
	return sums.Count(live) <= s.desired && sums.Count(others) == 0
}

// group adds the live tasks by number: one entry for all that are alike, and one for each that has
// just become healthy.
func (s *scheduler) group() {
	proven := 0
	for t := range s.v.Tasks.Unproven() { // in the order in which they become healthy
		if s.add(t, s.primary); s.tasks[proven].health != Healthy {
			s.tasks = s.tasks[:proven]
			break
		}
		proven++
	}
	sums := s.v.Tasks.Sums()
	if sums == nil {
		return
	}
	for _, c := range sums.Counts {
		if !alive(c.DesiredStatus, c.LastStatus) {
			continue
		}
		health, n := Starting, c.Tasks
		switch {
		case c.LastStatus == ecs.Running && c.WasHealthy:
			health = Healthy
		case c.LastStatus == ecs.Running:
			// The counts are also by zone and the number of proven tasks is not: take those from
			// any zone.
			taken := min(n, proven)
			n, proven = n-taken, proven-taken
		}
		if n == 0 {
			continue
		}
		s.tasks = append(s.tasks, &task{
			Task:  &ecs.Task{LastStatus: c.LastStatus, DesiredStatus: c.DesiredStatus, WasHealthy: c.WasHealthy},
			alike: n, of: s.primary, health: health,
		})
	}
}
