package rollout

import "time"

// steadyEvery is how often the steady state is told again while it lasts (ecs.md 1.7.4).
const steadyEvery = 6 * time.Hour

// finish completes the deployment, tells of a steady or a stuck service and returns what changed.
func (s *step) finish() {
	idle := len(s.out.Start)+len(s.out.Stop)+s.stopping() == 0
	switch {
	case s.stuck && idle:
		s.complain("was unable to stop or start tasks during a deployment because of the service deployment configuration. " +
			"Update the minimumHealthyPercent or maximumPercent value and try again.")
	case s.blocked:
		s.complain("was unable to reach steady state because task set (" + s.primary.ID + ") was unable to scale in. " +
			"Reason: The number of protected tasks are more than the desired count of tasks.")
	case s.primary.Attempts >= impairedAfter && s.primary.RolloutState != Failed && s.desired > 0:
		s.complain("is unable to consistently start tasks successfully.")
		s.out.Detail = s.lastDelay
	}
	if idle && s.balancedCount() && !s.v.Service.Deleting {
		if s.primary.RolloutState == InProgress {
			s.complete()
		}
		s.steady()
	}
	s.mark()
}

func (s *step) complain(text string) {
	s.out.Complaint = "(service " + s.v.Service.Name + ") " + text
}

// stopping is how many tasks have yet to stop, not counting those this plan stops.
func (s *step) stopping() int {
	n := 0
	for k := range s.v.Tasks {
		if t := &s.v.Tasks[k]; !alive(t) && t.Status != "STOPPED" {
			n++
		}
	}
	return n
}

func (s *step) complete() {
	p := s.primary
	p.RolloutState, p.StateReason, p.CompletedAt = Completed, "ECS deployment "+p.ID+" completed.", s.now
	for _, d := range s.deployments {
		if d != p {
			d.Status = Inactive
		}
	}
	s.tell("SERVICE_DEPLOYMENT_COMPLETED", "(deployment %s) deployment completed.", p.ID)
}

func (s *step) steady() {
	s.out.SteadyAt = s.v.Service.SteadyAt
	if due := s.out.SteadyAt.Add(steadyEvery); s.out.SteadyAt.IsZero() || !s.now.Before(due) {
		s.out.SteadyAt = s.now
		s.tell("SERVICE_STEADY_STATE", "has reached a steady state.")
	}
	s.wake(s.out.SteadyAt.Add(steadyEvery))
}

// mark returns the deployments that this step changed. Older ones without tasks are no longer needed, but for the one
// that a rollback would return to.
func (s *step) mark() {
	present := map[string]bool{}
	for k := range s.v.Tasks {
		if s.v.Tasks[k].Status != "STOPPED" {
			present[s.v.Tasks[k].DeploymentID] = true
		}
	}
	for _, d := range s.deployments {
		if d.Status == Active && !present[d.ID] && s.started(d) == 0 && d != s.fallback() {
			d.Status = Inactive
		}
	}
	for _, d := range s.deployments {
		for k := range s.v.Deployments {
			if old := &s.v.Deployments[k]; old.ID == d.ID && *old != *d {
				s.out.Mark = append(s.out.Mark, *d)
			}
		}
	}
}
