package rollout

import (
	"cmp"
	"slices"
)

// daemon plans a DAEMON service: one task of the primary deployment on each eligible instance (ecs.md 3.3).
func (s *step) daemon() {
	places := s.places()
	for _, p := range places {
		s.clear(p)
	}
	s.trip()
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
	Instance
	known bool
	tasks []*task
}

// places returns the instances of the view and, behind them, those that only tasks know of, ordered by id.
func (s *step) places() []*place {
	byID := map[string]*place{}
	for _, i := range s.v.Instances {
		byID[i.ID] = &place{Instance: i, known: true}
	}
	for _, t := range s.tasks {
		if byID[t.InstanceID] == nil {
			byID[t.InstanceID] = &place{Instance: Instance{ID: t.InstanceID}}
		}
		byID[t.InstanceID].tasks = append(byID[t.InstanceID].tasks, t)
	}
	list := make([]*place, 0, len(byID))
	for _, p := range byID {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *place) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// clear stops what should not be at a place: everything where the service does not belong, failing tasks, and all but
// the best task. On a draining instance the daemon stays until the other tasks are gone.
func (s *step) clear(p *place) {
	if !p.Eligible || s.v.Service.Deleting {
		if p.Draining && p.OtherTasks > 0 && !s.v.Service.Deleting {
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

// serves reports whether the place counts for the lower bound.
func (p *place) serves() bool {
	return p.Eligible && slices.ContainsFunc(p.tasks, func(t *task) bool { return !t.stopped && healthy(t) })
}

// renew stops a place's task of an older deployment if the new one may start at once and enough other places serve. spare
// is how many may stop serving; what is left of it is returned.
func (s *step) renew(p *place, spare int) int {
	if !p.Eligible || s.primary.RolloutState == Failed {
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
func (s *step) fill(p *place) {
	empty := !slices.ContainsFunc(p.tasks, func(t *task) bool { return !t.stopped })
	if !p.Eligible || !empty || s.v.Service.Deleting || s.primary.RolloutState == Failed {
		return
	}
	if until := s.heldUntil(s.primary); s.now.Before(until) {
		s.wake(until)
		return
	}
	s.start(s.primary, 1, p.ID)
}
