package rollout

import (
	"cmp"
	"slices"
)

// replica plans a REPLICA service: make way, judge the deployment, start, retire, and start again where retiring made
// room; then see to the number and the zones of what is there.
func (s *step) replica() {
	for _, t := range s.pick(draining, pending) {
		s.stop(t, CauseDraining) // ecs.md 1.3.12
	}
	s.stopUnhealthy()
	s.trip()
	s.startMissing()
	s.retire()
	s.startMissing()
	s.rebalance()
	s.scaleIn()
	s.shrinkOld()
}

// room is how many more tasks maximumPercent allows.
func (s *step) room() int { return max(0, s.upper-s.number()-s.started(nil)) }

// missing is how many tasks the primary deployment lacks. A failed deployment lacks nothing: it is at a standstill
// (ecs.md 3.5.2).
func (s *step) missing() int {
	if s.primary.RolloutState == Failed {
		return 0
	}
	return max(0, s.desired-s.number(s.current, good)-s.started(s.primary))
}

// wanted is how many tasks the primary deployment lacks and may launch now, were there room.
func (s *step) wanted() int {
	n := s.missing()
	if until := s.heldUntil(s.primary); n > 0 && s.now.Before(until) {
		s.wake(until)
		return 0
	}
	return n
}

// stopUnhealthy stops failing tasks whose replacement is healthy. If there is no room to start a replacement, it stops one,
// and the next only when nothing is starting any more (ecs.md 3.2.4).
func (s *step) stopUnhealthy() {
	before := len(s.out.Stop)
	if s.number(healthy) >= s.lower {
		s.stopFirst(s.pick(s.old, unhealthy), unlimited, CauseUnhealthy)
	}
	excess := s.number(s.current, healthy, good) + s.number(s.current, unhealthy) - s.desired
	s.stopFirst(s.pick(s.current, unhealthy), excess, CauseUnhealthy)
	full := s.room() == 0 || s.v.Service.Unplaced > 0
	if len(s.out.Stop) == before && full && s.wanted() > 0 && s.number(starting) == 0 {
		s.stopFirst(s.pick(unhealthy), 1, CauseUnhealthy)
	}
}

// stopFirst stops up to n of the tasks, the first ones.
func (s *step) stopFirst(list []*task, n int, cause Cause) {
	for _, t := range list[:max(0, min(n, len(list)))] {
		s.stop(t, cause)
	}
}

// startMissing starts what the primary deployment lacks. First it makes up for tasks that older deployments lost, if too
// few would be healthy without them: a replacement keeps the revision of what it replaces (ecs.md 3.2.4).
func (s *step) startMissing() {
	if d := s.reliable(); d != nil {
		of := func(t *task) bool { return t.of == d }
		lost := d.Desired - s.number(of) - s.started(d)
		short := s.lower - s.number(healthy) - s.number(s.leaving, starting) - s.started(d)
		s.launch(d, min(lost, short))
	}
	s.launch(s.primary, s.missing())
}

// launch starts up to n tasks of the deployment, as far as there is room and its failures do not hold it back.
func (s *step) launch(d *Deployment, n int) {
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

// fallback is the newest deployment but the primary that once was completed, nil if there is none.
func (s *step) fallback() *Deployment {
	for _, d := range s.deployments {
		if d != s.primary && d.Status != Inactive && d.RolloutState == Completed {
			return d
		}
	}
	return nil
}

// reliable is the deployment whose lost tasks are made up for: the one to fall back to, unless it began to fail itself, as often
// as would fail a deployment. Else it would take the room of the one that mends it.
func (s *step) reliable() *Deployment {
	if d := s.fallback(); d != nil && d.FailedTasks < (Breaker{}).Threshold(s.desired) {
		return d
	}
	return nil
}

// retire stops tasks of older deployments and on draining instances: healthy ones as many as there are above the desired
// count or as are in the way of new ones, but never below the lower bound. Of those without verdict it keeps what may
// yet be needed to reach that bound; of deployments that are not reliable it keeps none.
func (s *step) retire() {
	list := s.pick(s.leaving)
	slices.SortStableFunc(list, s.byDispensability)
	spare := s.number(s.leaving, starting) - max(0, s.lower-s.number(healthy))
	serving := min(max(s.number(healthy)-s.desired, s.inTheWay()), s.number(healthy)-s.lower)
	above := s.number() - s.upper
	for _, t := range list {
		hopeless := s.old(t) && (t.of == nil || t.of != s.reliable())
		switch {
		case s.protected(t):
			s.wake(t.ProtectedUntil)
			continue
		case s.primary.RolloutState == Failed && !t.Draining && above <= 0:
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

// leaving tasks are to be replaced: by a newer deployment, or because their instance drains.
func (s *step) leaving(t *task) bool { return t.Draining || s.old(t) }

// inTheWay is how many tasks would have to go for all wanted ones to start.
func (s *step) inTheWay() int {
	if s.v.Service.Unplaced > 0 {
		return s.wanted() + s.started(s.primary)
	}
	return s.wanted() - s.room()
}

func causeOf(t *task) Cause {
	if t.Draining {
		return CauseDraining
	}
	return CauseDeployment
}

// byDispensability orders tasks by who goes first: pending, draining, older deployment, rank, newest.
func (s *step) byDispensability(a, b *task) int {
	return cmp.Or(
		compareBool(!pending(a), !pending(b)),
		compareBool(!a.Draining, !b.Draining),
		s.ageOf(a).compare(s.ageOf(b)),
		cmp.Compare(a.StopRank, b.StopRank),
		b.CreatedAt.Compare(a.CreatedAt),
		cmp.Compare(a.ID, b.ID),
	)
}

// age is the place of a deployment among all, the oldest first.
type age int

func (a age) compare(b age) int { return cmp.Compare(a, b) }

func (s *step) ageOf(t *task) age {
	if t.of == nil {
		return -1
	}
	return age(len(s.deployments) - slices.Index(s.deployments, t.of))
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
func (s *step) scaleIn() {
	extra := s.number(s.current, good) - s.desired
	if s.out.Rebalancing {
		extra = min(extra, s.number(s.current, healthy, good)-s.desired)
	}
	if extra <= 0 || s.started(s.primary) > 0 {
		return
	}
	list := s.pick(s.current, good)
	slices.SortStableFunc(list, s.byDispensability)
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

// shrinkOld notes how many tasks older deployments are left with, so that only what is lost later is made up for.
func (s *step) shrinkOld() {
	for _, d := range s.deployments {
		if d == s.primary {
			d.Desired = s.desired
		} else {
			d.Desired = s.number(func(t *task) bool { return t.of == d }) + s.started(d)
		}
	}
}
