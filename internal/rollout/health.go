package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
)

// Health is the judgement on a live task.
type Health int

// Values of Health.
const (
	Starting  Health = iota // not known yet
	Healthy                 // counts towards minimumHealthyPercent
	Unhealthy               // to be replaced
)

// String returns the name of the value.
func (h Health) String() string { return [...]string{"starting", "healthy", "unhealthy"}[h] }

// healthOf judges a task of a deployment (ecs.md 3.2.3, 3.2.5). again is when the result may change
// without a change of the view; zero if it cannot.
func (v *View) healthOf(d *Deployment, t *ecs.Task, now time.Time) (h Health, again time.Time) {
	if t.LastStatus != ecs.Running {
		return Starting, time.Time{}
	}
	if !d.ContainerChecks && d.targets() == 0 {
		after := v.healthyAfter(d)
		if ripe := t.StartedAt.Add(after); now.Before(ripe) && !(t.WasHealthy && after == v.HealthyAfter) {
			return Starting, ripe
		}
		return Healthy, time.Time{}
	}
	passing, fails := v.checks(d, t)
	if fails {
		if over := t.StartedAt.Add(v.gracePeriod()); now.Before(over) {
			return Starting, over
		}
		return Unhealthy, time.Time{}
	}
	if d.ContainerChecks && t.HealthStatus != healthyStatus || passing < d.targets() {
		return Starting, time.Time{}
	}
	return Healthy, time.Time{}
}

// Health statuses of tasks in the API.
const (
	healthyStatus   = "HEALTHY"
	unhealthyStatus = "UNHEALTHY"
)

// checks returns how many of a task's targets are healthy, and whether any of its checks fails.
func (v *View) checks(d *Deployment, t *ecs.Task) (passing int, fails bool) {
	if d.targets() > 0 {
		for _, target := range t.Targets {
			switch v.Cluster.TargetHealth(target).State {
			case elb.Healthy:
				passing++
			case elb.Unhealthy:
				fails = true
			}
		}
	}
	return passing, fails || d.ContainerChecks && t.HealthStatus == unhealthyStatus
}

// healthyAfter returns how long a task without checks must run to be healthy. After an early end,
// it is as long as an end counts as early, because the next task is likely to end like the last
// one. So it is where the circuit breaker or an alarm may roll back, because the deployment to
// return to is deleted once this one is completed.
func (v *View) healthyAfter(d *Deployment) time.Duration {
	returns := func(o Deployment) bool {
		return o.ID != d.ID && o.Status != ecs.DeploymentInactive && o.RolloutState == ecs.RolloutCompleted
	}
	breaks := (v.breaker().Enable || v.BakeTime > 0) && d.RolloutState == ecs.RolloutInProgress
	if breaks && slices.ContainsFunc(v.Deployments, returns) || d.Attempts > 0 {
		return max(v.HealthyAfter, v.StableAfter)
	}
	return v.HealthyAfter
}

// failure returns the stop reason of a task with a failing check (ecs.md 1.5.4), and the detail
// that the check gives, if any.
func (v *View) failure(d *Deployment, t *ecs.Task) (reason, detail string) {
	for _, target := range t.Targets {
		if h := v.Cluster.TargetHealth(target); d.targets() > 0 && h.State == elb.Unhealthy {
			return fmt.Sprintf("Task failed ELB health checks in (target-group %s)", target.TargetGroupARN),
				cmp.Or(h.Description, h.Reason)
		}
	}
	return "Task failed container health checks", ""
}

// tellUnhealthy adds the events about a task's failing checks.
func (s *scheduler) tellUnhealthy(t *task) {
	id := arn.LastID(t.TaskARN)
	for _, target := range t.Targets {
		if h := s.v.Cluster.TargetHealth(target); h.State == elb.Unhealthy {
			s.addEvent("", "(task %s) (port %d) is unhealthy in (target-group %s) due to (reason %s)",
				id, target.Port, target.TargetGroupARN, cmp.Or(h.Description, h.Reason))
		}
	}
	if t.of.ContainerChecks && t.HealthStatus == unhealthyStatus {
		s.addEvent("", "(task %s) failed container health checks.", id)
	}
}
