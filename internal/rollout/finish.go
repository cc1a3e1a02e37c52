package rollout

import (
	"reflect"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// steadyEvery is how often the event of the steady state is repeated (ecs.md 1.7.4).
const steadyEvery = 6 * time.Hour

// finish completes the deployment, reports a steady or a stuck service, and lists what changed.
func (s *scheduler) finish() {
	idle := len(s.out.Start)+len(s.out.Stop)+s.stopping() == 0
	switch {
	case s.stuck && idle:
		s.complain("was unable to stop or start tasks during a deployment because of the service " +
			"deployment configuration. " +
			"Update the minimumHealthyPercent or maximumPercent value and try again.")
	case s.blocked:
		s.complain("was unable to reach steady state because task set (" + s.primary.ID + ") was unable to scale in. " +
			"Reason: The number of protected tasks are more than the desired count of tasks.")
	case s.primary.Attempts >= impairedAfter && s.primary.RolloutState != ecs.RolloutFailed && s.desired > 0:
		s.complain("is unable to consistently start tasks successfully.")
		s.out.Detail = s.lastDelay
	}
	if idle && s.balancedCount() && !s.v.deleting() {
		if s.primary.RolloutState == ecs.RolloutInProgress && s.baked() {
			s.complete()
		}
		s.steady()
	}
	s.mark()
}

func (s *scheduler) complain(text string) {
	s.out.Complaint = "(service " + s.v.Service.ServiceName + ") " + text
}

// stopping counts the tasks that are still to stop, without those that this plan stops.
func (s *scheduler) stopping() int {
	return s.v.Tasks.Sums().Count(func(c ecs.TaskCount) bool {
		return !alive(c.DesiredStatus, c.LastStatus) && c.LastStatus != ecs.Stopped
	})
}

// baked reports whether alarms have watched the primary deployment for long enough. The time begins when baked is first
// called: all its tasks are healthy then, and those of others have ended (ecs.md 3.5.3).
func (s *scheduler) baked() bool {
	p := s.primary
	if s.v.BakeTime == 0 {
		return true
	}
	if p.BakeUntil.IsZero() {
		p.BakeUntil = s.now.Add(s.v.BakeTime)
	}
	s.wake(p.BakeUntil)
	return !s.now.Before(p.BakeUntil)
}

func (s *scheduler) complete() {
	p := s.primary
	p.RolloutState, p.RolloutStateReason = ecs.RolloutCompleted, "ECS deployment "+p.ID+" completed."
	p.CompletedAt = s.now
	for _, d := range s.deployments {
		if d != p {
			d.Status = ecs.DeploymentInactive
		}
	}
	s.addEvent("SERVICE_DEPLOYMENT_COMPLETED", "(deployment %s) deployment completed.", p.ID)
}

func (s *scheduler) steady() {
	s.out.SteadyAt = s.v.Progress.SteadyAt
	if due := s.out.SteadyAt.Add(steadyEvery); s.out.SteadyAt.IsZero() || !s.now.Before(due) {
		s.out.SteadyAt = s.now
		s.addEvent("SERVICE_STEADY_STATE", "has reached a steady state.")
	}
	s.wake(s.out.SteadyAt.Add(steadyEvery))
}

// mark lists the deployments that this plan changes. Older ones without tasks are no longer needed,
// except the one that a rollback would return to.
func (s *scheduler) mark() {
	for _, d := range s.deployments {
		present := s.v.Tasks.Sums().Count(func(c ecs.TaskCount) bool {
			return c.Label == d.ID && c.LastStatus != ecs.Stopped
		})
		if d.Status == ecs.DeploymentActive && present == 0 && s.started(d) == 0 && d != s.fallback() {
			d.Status = ecs.DeploymentInactive
		}
	}
	for _, d := range s.deployments {
		for k := range s.v.Deployments {
			old := &s.v.Deployments[k]
			if old.ID == d.ID && !reflect.DeepEqual(old.Deployment, d.Deployment) {
				d.UpdatedAt = s.now
				s.out.Update = append(s.out.Update, d.Deployment)
			}
		}
	}
}
