package rollout

import (
	"slices"
	"time"
)

// maxRetryDelay is the longest wait between launches (ecs.md 3.4).
const maxRetryDelay = 15 * time.Minute

// impairedAfter is how many rounds of launches fail before an event tells of it; AWS does not publish its number.
const impairedAfter = 3

// count takes in what became of tasks since the last plan: launches that failed, tasks that became healthy.
func (s *step) count() {
	s.countFailures()
	for _, t := range s.tasks {
		if t.health != Healthy || t.of == nil || t.Counted {
			continue
		}
		s.out.Counted = append(s.out.Counted, t.ID)
		if !s.v.Service.Breaker.Keep {
			t.of.FailedTasks = 0 // ecs.md 3.1.3
		}
	}
	for _, t := range s.tasks {
		if t.of != nil && t.StartedAt.After(t.of.LastFailure) {
			t.of.Attempts = 0
		}
	}
}

// countFailures counts the tasks that stopped without having run. Tasks that fail together are one failed round: a round
// begins with the first task created after the last failure.
func (s *step) countFailures() {
	grown := map[*Deployment]bool{}
	for k := range s.v.Tasks {
		t := &s.v.Tasks[k]
		if t.Counted || t.Status != "STOPPED" {
			continue
		}
		s.out.Counted = append(s.out.Counted, t.ID)
		d := s.deployment(t.DeploymentID)
		if d == nil || !failedToStart(t) {
			continue
		}
		d.FailedTasks++
		grown[d] = grown[d] || t.CreatedAt.After(d.LastFailure)
	}
	slices.Sort(s.out.Counted)
	for _, d := range s.deployments {
		if !grown[d] {
			continue
		}
		d.Attempts++
		d.LastFailure = s.now
		if d.Attempts == impairedAfter {
			s.tell("SERVICE_TASK_START_IMPAIRED", "is unable to consistently start tasks successfully.")
		}
	}
}

func (s *step) deployment(id string) *Deployment {
	if k := slices.IndexFunc(s.deployments, func(d *Deployment) bool { return d.ID == id }); k >= 0 {
		return s.deployments[k]
	}
	return nil
}

// failedToStart reports whether a stopped task never ran, and nobody asked it to stop.
func failedToStart(t *Task) bool {
	asked := []string{"ServiceSchedulerInitiated", "UserInitiated", "SpotInterruption", "TerminationNotice"}
	return t.StartedAt.IsZero() && !slices.Contains(asked, t.StopCode)
}

// heldUntil is when the next task of the deployment may be launched (ecs.md 3.4).
func (s *step) heldUntil(d *Deployment) time.Time {
	if d.Attempts == 0 || s.v.RetryBase <= 0 {
		return time.Time{}
	}
	delay := s.v.RetryBase
	for range d.Attempts - 1 {
		if delay *= 2; delay >= maxRetryDelay {
			break
		}
	}
	return d.LastFailure.Add(min(delay, maxRetryDelay))
}

// Threshold is the number of failed tasks that fails a deployment of so many tasks (ecs.md 3.5.1).
func (b Breaker) Threshold(desired int) int {
	value := b.Value
	if value == 0 {
		value = 50
	}
	share := (desired*value + 99) / 100
	switch b.Type {
	case Count:
		return max(1, b.Value)
	case UnboundedPercent:
		return max(1, share)
	}
	return min(max(share, 3), 200)
}

// trip fails the primary deployment when too many of its tasks failed, and rolls back to the newest completed one if that
// is asked for and there is one (ecs.md 3.5.2).
func (s *step) trip() {
	b, failed := s.v.Service.Breaker, s.primary
	if !b.Enable || failed.RolloutState != InProgress || failed.FailedTasks < b.Threshold(s.desired) {
		return
	}
	failed.RolloutState = Failed
	failed.StateReason = "ECS deployment circuit breaker: task failed to start."
	s.tell("SERVICE_DEPLOYMENT_FAILED", "deployment failed: tasks failed to start.")
	target := s.fallback()
	if !b.Rollback || target == nil {
		return
	}
	reason := "ECS deployment circuit breaker: rolling back to deploymentId " + target.ID + "."
	failed.Status, failed.StateReason = Active, reason
	target.Status, target.RolloutState, target.StateReason = Primary, InProgress, reason
	target.FailedTasks, target.Attempts, target.LastFailure = 0, 0, time.Time{}
	s.primary = target
	s.tell("SERVICE_DEPLOYMENT_IN_PROGRESS", "rolling back to deployment %s.", target.ID)
}
