package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
)

// maxRetryDelay is the longest wait between launches (ecs.md 3.4).
const maxRetryDelay = 15 * time.Minute

// impairedAfter is how many rounds of launches fail before an event tells of it; AWS does not publish its number.
const impairedAfter = 3

// count takes in what became of tasks since the last plan: those that failed, and those that became healthy or stable.
func (s *step) count() {
	s.countFailures()
	for _, t := range s.tasks {
		if t.of == nil {
			continue
		}
		s.endRetries(t)
		if t.health != Healthy || t.WasHealthy {
			continue
		}
		s.out.Healthy = append(s.out.Healthy, t.ID)
		if !s.v.Service.Breaker.Keep {
			t.of.FailedTasks = 0 // ecs.md 3.1.3
		}
	}
	slices.Sort(s.out.Healthy)
}

// endRetries forgets the failures of a deployment once a task that was started after the last of them is stable.
func (s *step) endRetries(t *task) {
	if t.of.Attempts == 0 || !t.StartedAt.After(t.of.LastFailure) {
		return
	}
	if stable := t.StartedAt.Add(s.v.StableAfter); s.now.Before(stable) {
		s.wake(stable)
		return
	}
	t.of.Attempts, t.of.RetryAt = 0, time.Time{}
}

// countFailures counts the tasks that ended too early. Tasks that fail together are one failed round: a round begins with
// the first task created after the last failure.
func (s *step) countFailures() {
	grown := map[*Deployment]*Task{}
	for k := range s.v.Tasks {
		t := &s.v.Tasks[k]
		if t.Counted || t.Desired != "STOPPED" && t.Status != "STOPPED" {
			continue
		}
		s.out.Counted = append(s.out.Counted, t.ID)
		d := s.deployment(t.DeploymentID)
		if d == nil || asked(t) {
			continue
		}
		if s.failed(d, t) {
			d.FailedTasks++
			s.reopen(d)
		}
		last := grown[d]
		if (s.failed(d, t) || s.early(t)) && t.CreatedAt.After(d.LastFailure) && (last == nil || t.ID < last.ID) {
			grown[d] = t
		}
	}
	slices.Sort(s.out.Counted)
	for _, d := range s.deployments {
		if t := grown[d]; t != nil {
			s.delay(d, t)
		}
	}
}

// reopen takes back that a deployment is completed when one of its tasks fails so soon afterwards that it was believed too
// early.
func (s *step) reopen(d *Deployment) {
	if d == s.primary && d.RolloutState == Completed && s.now.Before(d.CompletedAt.Add(s.v.StableAfter)) {
		d.RolloutState, d.StateReason = InProgress, "ECS deployment "+d.ID+" in progress."
	}
}

// delay puts the next start of the deployment off, because of a task that failed (ecs.md 3.4).
func (s *step) delay(d *Deployment, t *Task) {
	d.Attempts++
	d.LastFailure = s.now
	wait := s.v.RetryBase
	for range d.Attempts - 1 {
		if wait *= 2; wait >= maxRetryDelay {
			break
		}
	}
	wait = min(wait, maxRetryDelay)
	d.RetryAt = s.now.Add(wait)
	if d == s.primary {
		s.lastDelay = fmt.Sprintf("(deployment %s) %d times in a row tasks ended too early, the last time (task %s) %s: %s. "+
			"The next start waits %s, and twice as long after each further failure, up to %s",
			d.ID, d.Attempts, arn.LastID(t.ID), t.age(), strings.TrimSuffix(t.StopReason, "."), wait, maxRetryDelay)
	}
}

// age tells how long a task that has ended ran.
func (t *Task) age() string {
	if t.StartedAt.IsZero() {
		return "before it was running"
	}
	return fmt.Sprintf("after %s", max(0, t.EndedAt.Sub(t.StartedAt)).Round(100*time.Millisecond))
}

func (s *step) deployment(id string) *Deployment {
	if k := slices.IndexFunc(s.deployments, func(d *Deployment) bool { return d.ID == id }); k >= 0 {
		return s.deployments[k]
	}
	return nil
}

// asked reports whether somebody asked an ended task to stop, or its instance was taken away.
func asked(t *Task) bool {
	return slices.Contains([]string{"ServiceSchedulerInitiated", "UserInitiated", "SpotInterruption", "TerminationNotice",
		"InfrastructureHealth"}, t.StopCode)
}

// early reports whether an ended task had not been running for as long as a stable one does.
func (s *step) early(t *Task) bool {
	return t.StartedAt.IsZero() || t.EndedAt.Sub(t.StartedAt) < s.v.StableAfter
}

// failed reports whether an ended task counts as failed: it never ran, or, unless AWS's rule is asked for, its checks never
// passed, or it ended early and nothing checked it.
func (s *step) failed(d *Deployment, t *Task) bool {
	if t.StartedAt.IsZero() || s.v.StableAfter == 0 || d.Targets == 0 && !d.ContainerChecks {
		return s.early(t)
	}
	return !t.WasHealthy
}

// heldUntil is when the next task of the deployment may be started (ecs.md 3.4).
func (s *step) heldUntil(d *Deployment) time.Time {
	if d.Attempts == 0 {
		return time.Time{}
	}
	return d.RetryAt
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
	s.tell("SERVICE_DEPLOYMENT_FAILED", "(deployment %s) deployment failed: tasks failed to start.", failed.ID)
	target := s.fallback()
	if !b.Rollback || target == nil {
		return
	}
	reason := "ECS deployment circuit breaker: rolling back to deploymentId " + target.ID + "."
	failed.Status, failed.StateReason = Active, reason
	target.Status, target.RolloutState, target.StateReason = Primary, InProgress, reason
	target.FailedTasks, target.Attempts, target.LastFailure, target.RetryAt = 0, 0, time.Time{}, time.Time{}
	s.primary = target
	s.tell("SERVICE_DEPLOYMENT_IN_PROGRESS", "rolling back to deployment %s.", target.ID)
}
