package rollout

import "github.com/berthhq/berth/internal/ecs"

// rebalance moves tasks between availability zones one by one. In a steady service it starts one
// task too many; once that is healthy, scaleIn stops one where most are (ecs.md 2.8). A new
// deployment ends it. AWS does not publish the texts of its events; these are ours.
func (s *scheduler) rebalance() {
	going := s.v.Progress.Rebalancing
	if s.v.Service.AvailabilityZoneRebalancing != ecs.RebalancingEnabled && !going {
		return
	}
	switch {
	case s.primary.RolloutState != ecs.RolloutCompleted || s.v.deleting():
		s.stopRebalancing(going)
	case !s.balancedCount():
		s.out.Rebalancing = going
	case s.imbalanced():
		s.launch(s.primary, 1)
		s.out.Rebalancing = s.started(s.primary) > 0
		if s.out.Rebalancing && !going {
			s.addEvent("SERVICE_REBALANCING_STARTED", "has started to rebalance its tasks over the availability zones.")
		}
	default:
		s.stopRebalancing(going)
	}
}

func (s *scheduler) imbalanced() bool {
	is, again := s.v.Cluster.Imbalanced()
	s.wake(again)
	return is
}

func (s *scheduler) stopRebalancing(going bool) {
	if going {
		s.addEvent("SERVICE_REBALANCING_STOPPED", "has stopped rebalancing its tasks over the availability zones.")
	}
}

// balancedCount reports whether the service has exactly its desired tasks, all healthy and of the primary deployment.
func (s *scheduler) balancedCount() bool {
	return s.number() == s.desired && s.number(s.current, healthy, good) == s.desired
}
