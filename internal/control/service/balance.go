package service

import (
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// Imbalanced reports whether the service has Availability Zone rebalancing enabled and moving a task would make its
// zones more equal (ecs.md 2.8). While a task of the service is protected, it returns false, and again is the time at
// which the last protection ends.
func (c *cluster) Imbalanced() (is bool, again time.Time) {
	if c.svc.AvailabilityZoneRebalancing != ecs.RebalancingEnabled || c.svc.Status != ecs.ServiceActive ||
		launch.CheckRebalancing(c.svc) != nil || !uneven(c.t, c.svc) {
		return false, time.Time{}
	}
	if until := protectedUntil(c.t, c.svc); until.After(c.now) {
		return false, until
	}
	req, ok := c.spec()
	if !ok {
		return false, time.Time{}
	}
	_, is = sched.Rebalance(c.worlds.of(c.t, c.svc.ClusterARN), req)
	return is, time.Time{}
}

// uneven reports whether the numbers of the service's tasks in two zones with ACTIVE instances differ by more than one.
// It does not check whether the zone with fewer tasks has room for another one; the scheduler does.
func uneven(t *state.Tables, svc *ecs.Service) bool {
	count := make(map[string]int)
	for zone := range t.ActiveInZones(svc.ClusterARN) {
		count[zone] = 0
	}
	if sums := t.TasksOfService(svc.ServiceARN); sums != nil {
		for _, c := range sums.Counts {
			if _, ok := count[c.Zone]; ok && c.Live() {
				count[c.Zone] += c.Tasks
			}
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

// protectedUntil returns when the last protection of a live task of the service ends.
func protectedUntil(t *state.Tables, svc *ecs.Service) time.Time {
	var last time.Time
	if sums := t.TasksOfService(svc.ServiceARN); sums != nil {
		for _, task := range sums.Protected {
			if task.ProtectedUntil.After(last) {
				last = task.ProtectedUntil
			}
		}
	}
	return last
}
