package rollout

// rebalance moves tasks between availability zones one by one: in a steady service it starts one more, and scaleIn stops
// one where most are once the new one is healthy (ecs.md 2.8). A new deployment ends it. AWS does not publish the texts of
// its events; these are ours.
func (s *step) rebalance() {
	going := s.v.Service.Rebalancing
	switch {
	case s.primary.RolloutState != Completed || s.v.Service.Deleting:
		s.stopRebalancing(going)
	case !s.balancedCount():
		s.out.Rebalancing = going
	case s.v.Service.Imbalanced:
		s.launch(s.primary, 1)
		s.out.Rebalancing = s.started(s.primary) > 0
		if s.out.Rebalancing && !going {
			s.tell("SERVICE_REBALANCING_STARTED", "has started to rebalance its tasks over the availability zones.")
		}
	default:
		s.stopRebalancing(going)
	}
}

func (s *step) stopRebalancing(going bool) {
	if going {
		s.tell("SERVICE_REBALANCING_STOPPED", "has stopped rebalancing its tasks over the availability zones.")
	}
}

// balancedCount reports whether the service has exactly its desired tasks, all healthy and of the primary deployment.
func (s *step) balancedCount() bool {
	return s.number() == s.desired && s.number(s.current, healthy, good) == s.desired
}
