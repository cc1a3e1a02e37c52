package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/arn"
)

// Health is the verdict on a live task.
type Health int

// Verdicts.
const (
	Starting  Health = iota // no verdict yet
	Healthy                 // counts for minimumHealthyPercent
	Unhealthy               // to be replaced
)

// String names the verdict.
func (h Health) String() string { return [...]string{"starting", "healthy", "unhealthy"}[h] }

// HealthOf judges a task of a deployment (ecs.md 3.2.3, 3.2.5). again is when time alone may change the verdict, zero if
// never.
func HealthOf(v *View, d *Deployment, t *Task, now time.Time) (h Health, again time.Time) {
	if t.Status != "RUNNING" {
		return Starting, time.Time{}
	}
	if !d.ContainerChecks && d.Targets == 0 {
		if ripe := t.StartedAt.Add(v.healthyAfter(d)); now.Before(ripe) {
			return Starting, ripe
		}
		return Healthy, time.Time{}
	}
	if failure(d, t) != "" {
		if over := t.StartedAt.Add(v.Service.GracePeriod); now.Before(over) {
			return Starting, over
		}
		return Unhealthy, time.Time{}
	}
	if d.ContainerChecks && t.Health != "HEALTHY" {
		return Starting, time.Time{}
	}
	passing := 0
	for _, target := range t.Targets {
		if target.State == "healthy" {
			passing++
		}
	}
	if passing < d.Targets {
		return Starting, time.Time{}
	}
	return Healthy, time.Time{}
}

// healthyAfter is how long a task that nothing checks must run to be healthy. It is as long as an end counts as early after
// such an end, because the next task is likely to end like the last, and where the circuit breaker may return to another
// deployment, because that is gone once this one is completed.
func (v *View) healthyAfter(d *Deployment) time.Duration {
	returns := func(o Deployment) bool { return o.ID != d.ID && o.Status != Inactive && o.RolloutState == Completed }
	breaks := v.Service.Breaker.Enable && d.RolloutState == InProgress && slices.ContainsFunc(v.Deployments, returns)
	if breaks || d.Attempts > 0 {
		return max(v.HealthyAfter, v.StableAfter)
	}
	return v.HealthyAfter
}

// failure returns the stop reason of a task with a failing check, "" if none fails (ecs.md 1.5.4).
func failure(d *Deployment, t *Task) string {
	for _, target := range t.Targets {
		if d.Targets > 0 && target.State == "unhealthy" {
			return fmt.Sprintf("Task failed ELB health checks in (target-group %s)", target.GroupARN)
		}
	}
	if d.ContainerChecks && t.Health == "UNHEALTHY" {
		return "Task failed container health checks"
	}
	return ""
}

// tellUnhealthy adds the events for a task's failing checks.
func (s *step) tellUnhealthy(t *task) {
	id := arn.LastID(t.ID)
	for _, target := range t.Targets {
		if target.State == "unhealthy" {
			s.tell("", "(task %s) (port %d) is unhealthy in (target-group %s) due to (reason %s)",
				id, target.Port, target.GroupARN, target.Reason)
		}
	}
	if t.of.ContainerChecks && t.Health == "UNHEALTHY" {
		s.tell("", "(task %s) failed container health checks.", id)
	}
}
