package service

import (
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// imbalanced reports whether moving a task would even out the availability zones of a service that asks for that (ecs.md 2.8). A protected
// task holds it off; again is then when the protection ends. The questions come in the order of their cost.
func imbalanced(t *state.Tables, svc *ecs.Service, now time.Time) (is bool, again time.Time) {
	if svc.AvailabilityZoneRebalancing != ecs.RebalancingEnabled || svc.Status != ecs.ServiceActive || launch.CheckRebalancing(svc) != nil || !uneven(t, svc) {
		return false, time.Time{}
	}
	if until := protectedUntil(t, svc); until.After(now) {
		return false, until
	}
	spec, ok := launch.OfService(t, svc, svc.Primary())
	if !ok {
		return false, time.Time{}
	}
	req, err := spec.Request(1)
	if err != nil {
		return false, time.Time{}
	}
	_, is = sched.Rebalance(launch.World(t, svc.ClusterARN), req)
	return is, time.Time{}
}

// uneven reports whether the service's tasks in two zones that have ACTIVE instances differ by more than one. Whether the emptier zone
// may and can host one more is the scheduler's business.
func uneven(t *state.Tables, svc *ecs.Service) bool {
	count := make(map[string]int)
	for ci := range t.ContainerInstances.By(state.ByCluster, svc.ClusterARN) {
		if ci.Status == ecs.InstanceActive && ci.Zone() != "" {
			count[ci.Zone()] = 0
		}
	}
	for task := range t.Tasks.By(state.ByService, svc.ServiceARN) {
		if _, ok := count[task.AvailabilityZone]; ok && task.Live() {
			count[task.AvailabilityZone]++
		}
	}
	least, most := -1, 0
	for _, n := range count {
		if most = max(most, n); least < 0 || n < least {
			least = n
		}
	}
	return most-least > 1 && least >= 0
}

// protectedUntil is when the last protection of a live task of the service ends.
func protectedUntil(t *state.Tables, svc *ecs.Service) time.Time {
	var last time.Time
	for task := range t.Tasks.By(state.ByService, svc.ServiceARN) {
		if task.Live() && task.ProtectedUntil.After(last) {
			last = task.ProtectedUntil
		}
	}
	return last
}
