package rollout

import (
	"cmp"
	"slices"

	"github.com/berthhq/berth/internal/ecs"
)

// replica plans a REPLICA service. It stops what is in the way, judges the deployment, starts and
// retires tasks, and starts again where retiring made room; then it corrects the number and the
// zones of the tasks.
func (s *scheduler) replica() {
	for _, t := range s.pick(draining, pending) {
		s.stop(t, CauseDraining) // ecs.md 1.3.12
	}
	s.stopUnhealthy()
	s.judge()
	s.startMissing()
	s.retire()
	s.startMissing()
	s.rebalance()
	s.scaleIn()
	s.shrinkOld()
}

// room returns how many more tasks maximumPercent allows.
func (s *scheduler) room() int { return max(0, s.upper-s.number()-s.started(nil)) }

// missing returns how many tasks the primary deployment lacks. A failed deployment lacks none,
// because nothing more is started for it (ecs.md 3.5.2).
func (s *scheduler) missing() int {
	if s.primary.RolloutState == ecs.RolloutFailed {
		return 0
	}
	return max(0, s.desired-s.number(s.current, good)-s.started(s.primary))
}

// wanted returns how many tasks the primary deployment lacks and could launch now if there were
// room.
func (s *scheduler) wanted() int {
	n := s.missing()
	if until := s.heldUntil(s.primary); n > 0 && s.now.Before(until) {
		s.wake(until)
		return 0
	}
	return n
}

// stopUnhealthy stops failing tasks whose replacement is healthy. If there is no room to start a
// replacement, it stops one task, and the next one only when no task is starting (ecs.md 3.2.4).
func (s *scheduler) stopUnhealthy() {
	before := len(s.out.Stop)
	if s.number(healthy) >= s.lower {
		s.stopFirst(s.pick(s.old, unhealthy), unlimited, CauseUnhealthy)
	}
	excess := s.number(s.current, healthy, good) + s.number(s.current, unhealthy) - s.desired
	s.stopFirst(s.pick(s.current, unhealthy), excess, CauseUnhealthy)
	full := s.room() == 0 || s.v.Progress.Unplaced > 0
	if len(s.out.Stop) == before && full && s.wanted() > 0 && s.number(starting) == 0 {
		s.stopFirst(s.pick(unhealthy), 1, CauseUnhealthy)
	}
}

// stopFirst stops the first n tasks of the list.
func (s *scheduler) stopFirst(list []*task, n int, cause Cause) {
	for _, t := range list[:max(0, min(n, len(list)))] {
		s.stop(t, cause)
	}
}

// startMissing starts the tasks that the primary deployment lacks. Before that, if too few tasks
// would be healthy, it replaces those that older deployments lost; a replacement has the revision
// of the task that it replaces (ecs.md 3.2.4).
func (s *scheduler) startMissing() {
	if d := s.reliable(); d != nil {
		of := func(t *task) bool { return t.of == d }
		lost := d.DesiredCount - s.number(of) - s.started(d)
		short := s.lower - s.number(healthy) - s.number(s.leaving, starting) - s.started(d)
		s.launch(d, min(lost, short))
	}
	s.launch(s.primary, s.missing())
}

// launch starts up to n tasks of the deployment, if there is room and its failures do not delay it.
func (s *scheduler) launch(d *Deployment, n int) {
	n = min(n, s.room())
	if n <= 0 {
		return
	}
	if until := s.heldUntil(d); s.now.Before(until) {
		s.wake(until)
		return
	}
	s.start(d, n)
}

// fallback returns the newest deployment, other than the primary, that was completed; nil if none
// was.
func (s *scheduler) fallback() *Deployment {
	for _, d := range s.deployments {
		if d != s.primary && d.CanReturn() {
			return d
		}
	}
	return nil
}

// reliable returns the older deployment whose lost tasks are replaced: the fallback, unless its own
// tasks have failed often enough to fail a deployment. Its replacements would then take the room of
// the deployment that fixes it.
func (s *scheduler) reliable() *Deployment {
	if d := s.fallback(); d != nil && d.FailedTasks < (ecs.CircuitBreaker{}).Threshold(s.desired) {
		return d
	}
	return nil
}

// retire stops tasks of older deployments and tasks on draining instances. Of the healthy ones it
// stops as many as exceed the desired count or are in the way of new ones, but never goes below the
// lower bound. Of those whose health is not known yet it keeps as many as may be needed for that
// bound, but none of a deployment that is not reliable.
func (s *scheduler) retire() {
	list := s.byDispensability(s.pick(s.leaving))
	spare := s.number(s.leaving, starting) - max(0, s.lower-s.number(healthy))
	serving := min(max(s.number(healthy)-s.desired, s.inTheWay()), s.number(healthy)-s.lower)
	above := s.number() - s.upper
	for _, t := range list {
		hopeless := s.old(t) && (t.of == nil || t.of != s.reliable())
		switch {
		case s.protected(t):
			s.wake(t.ProtectedUntil)
			continue
		case s.primary.RolloutState == ecs.RolloutFailed && !t.draining && above <= 0:
			continue
		case t.health == Starting && (hopeless || spare > 0):
			spare--
		case t.health == Healthy && serving > 0:
			serving--
		default:
			continue
		}
		above--
		s.stop(t, causeOf(t))
	}
	s.stuck = s.number(starting) == 0 && s.number(s.leaving, s.unprotected) > 0 && s.missing() > 0 && s.room() == 0
}

// leaving reports whether a task is to be replaced: by a newer deployment, or because its instance
// drains.
func (s *scheduler) leaving(t *task) bool { return t.draining || s.old(t) }

// inTheWay returns how many tasks would have to stop for all wanted ones to start.
func (s *scheduler) inTheWay() int {
	if s.v.Progress.Unplaced > 0 {
		return s.wanted() + s.started(s.primary)
	}
	return s.wanted() - s.room()
}

func causeOf(t *task) Cause {
	if t.draining {
		return CauseDraining
	}
	return CauseDeployment
}

// byDispensability orders tasks by what is stopped first: pending, draining, older deployment,
// rank, newest.
func (s *scheduler) byDispensability(list []*task) []*task {
	s.rank(list)
	slices.SortStableFunc(list, s.moreDispensable)
	return list
}

// rank gets the ranks of the tasks in the list, if there are more tasks than desired. Otherwise
// tasks are only stopped for others to take their place, and ranks would not be worth a look at the
// whole cluster.
func (s *scheduler) rank(list []*task) {
	if len(list) < 2 || len(s.tasks) <= s.desired || s.v.deleting() {
		return
	}
	candidates := make([]Candidate, len(list))
	for i, t := range list {
		candidates[i] = Candidate{Task: t.Task, Age: s.ageOf(t), Health: t.health, Protected: s.protected(t)}
		if s.current(t) {
			candidates[i].Age = len(s.deployments) + 1
		}
	}
	for i, rank := range s.v.Cluster.StopRanks(candidates) {
		list[i].rank = rank
	}
}

func (s *scheduler) moreDispensable(a, b *task) int {
	return cmp.Or(
		compareBool(!pending(a), !pending(b)),
		compareBool(!a.draining, !b.draining),
		cmp.Compare(s.ageOf(a), s.ageOf(b)),
		cmp.Compare(a.rank, b.rank),
		b.CreatedAt.Compare(a.CreatedAt),
		cmp.Compare(a.TaskARN, b.TaskARN),
	)
}

// ageOf returns the index of a task's deployment among all, the oldest first.
func (s *scheduler) ageOf(t *task) int {
	if t.of == nil {
		return -1
	}
	return len(s.deployments) - slices.Index(s.deployments, t.of)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// scaleIn stops tasks of the primary deployment above the desired count (ecs.md 2.7, 3.10).
func (s *scheduler) scaleIn() {
	extra := s.number(s.current, good) - s.desired
	if s.out.Rebalancing {
		extra = min(extra, s.number(s.current, healthy, good)-s.desired)
	}
	if extra <= 0 || s.started(s.primary) > 0 {
		return
	}
	list := s.byDispensability(s.pick(s.current, good))
	serving := s.number(healthy) - s.lower
	for _, t := range list {
		switch {
		case extra == 0:
			return
		case s.protected(t):
			s.wake(t.ProtectedUntil)
			continue
		case t.health == Healthy && serving <= 0:
			continue
		case t.health == Healthy:
			serving--
		}
		s.stop(t, CauseScaleIn)
		extra--
	}
	s.blocked = extra > 0 && s.number(s.protected) > s.desired
}

// shrinkOld records how many tasks the older deployments have left, so that only later losses are
// replaced.
func (s *scheduler) shrinkOld() {
	for _, d := range s.deployments {
		if d == s.primary {
			d.DesiredCount = s.desired
		} else {
			d.DesiredCount = s.number(func(t *task) bool { return t.of == d }) + s.started(d)
		}
	}
}
