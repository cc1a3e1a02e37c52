package rollout

import (
	"cmp"
	"slices"

	"github.com/berthhq/berth/internal/ecs"
)

// daemon plans a DAEMON service: one task of the primary deployment on each eligible instance (ecs.md 3.3).
func (s *scheduler) daemon() {
	places := s.places()
	for _, p := range places {
		s.clear(p)
	}
	s.judge()
	spare := -s.lower
	for _, p := range places {
		if p.serves() {
			spare++
		}
	}
	for _, p := range places {
		spare = s.renew(p, spare)
	}
	for _, p := range places {
		s.fill(p)
	}
	s.shrinkOld()
}

// place is an instance and the live tasks of the service there.
type place struct {
	Place
	tasks []*task
}

// places returns the instances of the cluster and those known only from tasks, ordered by ARN.
func (s *scheduler) places() []*place {
	byID := map[string]*place{}
	for _, p := range s.allPlaces {
		byID[p.ContainerInstanceARN] = &place{Place: p}
	}
	for _, t := range s.tasks {
		on := t.ContainerInstanceARN
		if byID[on] == nil {
			byID[on] = &place{Place: Place{ContainerInstanceARN: on}}
		}
		byID[on].tasks = append(byID[on].tasks, t)
	}
	list := make([]*place, 0, len(byID))
	for _, p := range byID {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *place) int { return cmp.Compare(a.ContainerInstanceARN, b.ContainerInstanceARN) })
	return list
}

// clear stops the tasks that should not be at a place: all of them where the service does not
// belong, failing tasks, and all but the best task. On a draining instance the daemon stays until
// the other tasks have ended.
func (s *scheduler) clear(p *place) {
	if !p.Eligible || s.v.deleting() {
		if p.Draining && p.OtherTasks > 0 && !s.v.deleting() {
			return
		}
		for _, t := range p.tasks {
			s.stop(t, map[bool]Cause{true: CauseDraining, false: CausePlacement}[p.Draining])
		}
		return
	}
	slices.SortStableFunc(p.tasks, func(a, b *task) int {
		return cmp.Or(compareBool(!healthy(a), !healthy(b)), compareBool(!s.current(a), !s.current(b)))
	})
	for k, t := range p.tasks {
		switch {
		case unhealthy(t):
			s.stop(t, CauseUnhealthy)
		case slices.ContainsFunc(p.tasks[:k], func(o *task) bool { return !o.stopped }) && s.unprotected(t):
			s.stop(t, CausePlacement)
		}
	}
}

// serves reports whether the place counts towards the lower bound.
func (p *place) serves() bool {
	return p.Eligible && slices.ContainsFunc(p.tasks, func(t *task) bool { return !t.stopped && healthy(t) })
}

// renew stops a place's task of an older deployment if its replacement may start at once and enough
// other places serve. spare is how many places may stop serving; renew returns what is left of it.
func (s *scheduler) renew(p *place, spare int) int {
	if !p.Eligible || s.primary.RolloutState == ecs.RolloutFailed {
		return spare
	}
	if until := s.heldUntil(s.primary); s.now.Before(until) {
		s.wake(until)
		return spare
	}
	for _, t := range p.tasks {
		switch {
		case t.stopped || s.current(t):
		case s.protected(t):
			s.wake(t.ProtectedUntil)
		case !healthy(t):
			s.stop(t, CauseDeployment)
		case spare > 0:
			spare--
			s.stop(t, CauseDeployment)
		default:
			s.stuck = s.number(starting) == 0
		}
	}
	return spare
}

// fill starts a task at an eligible place that has none.
func (s *scheduler) fill(p *place) {
	empty := !slices.ContainsFunc(p.tasks, func(t *task) bool { return !t.stopped })
	if !p.Eligible || !empty || s.v.deleting() || s.primary.RolloutState == ecs.RolloutFailed {
		return
	}
	if until := s.heldUntil(s.primary); s.now.Before(until) {
		s.wake(until)
		return
	}
	s.start(s.primary, 1, p.ContainerInstanceARN)
}
