package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
)

// maxRetryDelay is the longest wait between launches (ecs.md 3.4).
const maxRetryDelay = 15 * time.Minute

// impairedAfter is how many rounds of starts must fail before an event reports it. AWS does not
// publish its number.
const impairedAfter = 3

// count records which tasks have become healthy or stable since the last plan.
func (s *scheduler) count() {
	for _, t := range s.tasks {
		if t.of == nil {
			continue
		}
		s.endRetries(t)
		if t.health != Healthy || t.WasHealthy {
			continue
		}
		s.out.Healthy = append(s.out.Healthy, t.TaskARN)
		if !s.v.breaker().KeepsFailures() {
			t.of.FailedTasks = 0 // ecs.md 3.1.3
		}
	}
	slices.Sort(s.out.Healthy)
	// The delay also ends when all desired tasks are stable: one that was started before the last failure may have
	// become healthy only now.
	if p := s.primary; p.Attempts > 0 && s.desired > 0 && s.number(s.current, s.stable) >= s.desired {
		p.Attempts, p.RetryAt = 0, time.Time{}
	}
}

// endRetries resets the failures of the task's deployment if the task is stable and was started after the last
// failure.
func (s *scheduler) endRetries(t *task) {
	if t.of.Attempts == 0 {
		return
	}
	started := t.StartedAt.After(t.of.LastFailure)
	if started || t.health == Healthy && !t.WasHealthy {
		s.wake(t.StartedAt.Add(s.v.StableAfter))
	}
	if started && s.stable(t) {
		t.of.Attempts, t.of.RetryAt = 0, time.Time{}
	}
}

// stable reports whether a task has run for StableAfter and is healthy. By AWS's rule (StableAfter is
// 0) it is enough that it runs.
func (s *scheduler) stable(t *task) bool {
	return !t.StartedAt.IsZero() && !s.now.Before(t.StartedAt.Add(s.v.StableAfter)) &&
		(t.health == Healthy || s.v.StableAfter == 0)
}

// countFailures counts the tasks that ended too early. Tasks that fail together are one failed
// round: a round begins with the first task that was created after the last failure.
func (s *scheduler) countFailures() {
	grown, last := map[*Deployment]*ecs.Task{}, map[*Deployment]*ecs.Task{}
	for t := range s.v.Tasks.Uncounted() {
		s.out.Ended = append(s.out.Ended, t.TaskARN)
		d := s.deployment(t.StartedBy)
		if d == nil || asked(t) {
			continue
		}
		if s.failed(d, t) {
			d.addFailures(1)
			s.reopen(d)
			if before := last[d]; before == nil || endedBefore(before, t) {
				last[d] = t
			}
		}
		first := grown[d]
		if (s.failed(d, t) || s.early(t)) && t.CreatedAt.After(d.LastFailure) &&
			(first == nil || t.TaskARN < first.TaskARN) {
			grown[d] = t
		}
	}
	slices.Sort(s.out.Ended)
	for _, d := range s.deployments {
		if t := last[d]; t != nil {
			d.LastFailureReason = stopReason(t)
		}
		if t := grown[d]; t != nil {
			s.delay(d, t, age(t), stopReason(t))
		}
	}
}

// endedBefore orders tasks by when they ended.
func endedBefore(a, b *ecs.Task) bool {
	return cmp.Or(a.EndedAt().Compare(b.EndedAt()), strings.Compare(a.TaskARN, b.TaskARN)) < 0
}

// stopReason returns why a task ended, with the exit codes of its containers.
func stopReason(t *ecs.Task) string { return strings.TrimSuffix(t.StoppedReason+t.ExitCodes(), ".") }

// addFailures counts tasks that failed. Alarms watch the deployment from the beginning again when all its tasks are
// healthy.
func (d *Deployment) addFailures(n int) {
	d.FailedTasks += n
	d.BakeUntil = time.Time{}
}

// reopen sets a completed deployment back to in progress when one of its tasks fails so early that
// the deployment was completed too soon.
func (s *scheduler) reopen(d *Deployment) {
	if d == s.primary && d.RolloutState == ecs.RolloutCompleted && s.now.Before(d.CompletedAt.Add(s.v.StableAfter)) {
		d.RolloutState, d.RolloutStateReason = ecs.RolloutInProgress, "ECS deployment "+d.ID+" in progress."
	}
}

// delay postpones the next start of the deployment after a task failed (ecs.md 3.4). when and reason
// say when in its life the task failed, and why.
func (s *scheduler) delay(d *Deployment, t *ecs.Task, when, reason string) {
	wait := s.hold(d, s.v.RetryBase)
	if d == s.primary {
		s.lastDelay = fmt.Sprintf(
			"(deployment %s) tasks ended too early %d times in a row, most recently (task %s) %s: %s. "+
				"The next start waits %s; each further failure doubles the wait, up to %s",
			d.ID, d.Attempts, arn.LastID(t.TaskARN), when, reason, wait, maxRetryDelay)
	}
}

// delayReplacement postpones the next start when a task is stopped whose checks never passed, because
// its replacement is likely to fail too. Tasks that fail together are one round, as in countFailures.
func (s *scheduler) delayReplacement(t *task, reason string) {
	if s.v.StableAfter > 0 && !t.WasHealthy && t.CreatedAt.After(t.of.LastFailure) {
		s.delay(t.of, t.Task, "before it was healthy", reason)
	}
}

// hold counts one more failed round and postpones the next start; the wait grows with each round.
func (s *scheduler) hold(d *Deployment, base time.Duration) (wait time.Duration) {
	d.Attempts++
	d.LastFailure = s.now
	wait = base
	for range d.Attempts - 1 {
		if wait *= 2; wait >= maxRetryDelay {
			break
		}
	}
	wait = min(wait, maxRetryDelay)
	d.RetryAt = s.now.Add(wait)
	return wait
}

// minLaunchDelay is the wait after a failed launch where failures cause no delay; without it the
// service would try again at once, without end.
const minLaunchDelay = time.Second

// failLaunch records that n tasks of a deployment could not be launched. They count as failed
// although no task was made, and the next try waits as after tasks that ended too early (ecs.md
// 3.4).
func (s *scheduler) failLaunch(d *Deployment, n int) {
	d.addFailures(n)
	d.LastFailureReason = d.CannotLaunch
	s.wake(s.now.Add(s.hold(d, max(s.v.RetryBase, minLaunchDelay))))
	s.addEvent("SERVICE_TASK_CONFIGURATION_FAILURE", "failed to launch a task with (error %s).", d.CannotLaunch)
}

// age says how long an ended task ran.
func age(t *ecs.Task) string {
	if t.StartedAt.IsZero() {
		return "before it was running"
	}
	return fmt.Sprintf("after %s", max(0, t.EndedAt().Sub(t.StartedAt)).Round(100*time.Millisecond))
}

func (s *scheduler) deployment(id string) *Deployment {
	if k := slices.IndexFunc(s.deployments, func(d *Deployment) bool { return d.ID == id }); k >= 0 {
		return s.deployments[k]
	}
	return nil
}

// asked reports whether an ended task was stopped on request, or with its instance.
func asked(t *ecs.Task) bool {
	return slices.Contains([]string{ecs.ServiceSchedulerInitiated, ecs.UserInitiated, "SpotInterruption",
		ecs.TerminationNotice, "InfrastructureHealth"}, t.StopCode)
}

// early reports whether an ended task ran for a shorter time than a stable one.
func (s *scheduler) early(t *ecs.Task) bool {
	return t.StartedAt.IsZero() || t.EndedAt().Sub(t.StartedAt) < s.v.StableAfter
}

// failed reports whether an ended task counts as failed. A task that never ran does. Unless AWS's
// rule is in force, so does one whose checks never passed, and one without checks that ended early.
func (s *scheduler) failed(d *Deployment, t *ecs.Task) bool {
	if t.StartedAt.IsZero() || s.v.StableAfter == 0 || d.targets() == 0 && !d.ContainerChecks {
		return s.early(t)
	}
	return !t.WasHealthy
}

// heldUntil returns when the next task of the deployment may be started (ecs.md 3.4).
func (s *scheduler) heldUntil(d *Deployment) time.Time {
	if d.Attempts == 0 {
		return time.Time{}
	}
	return d.RetryAt
}

// judge fails the primary deployment if too many of its tasks failed, if an alarm went off, or if a user asked for a
// rollback. It rolls back to the newest completed deployment if the service or the user asks for that and there is one
// (ecs.md 3.5.2, 3.5.3, 3.6).
func (s *scheduler) judge() {
	b, d := s.v.breaker(), s.primary
	switch {
	case d.RolloutState != ecs.RolloutInProgress || s.v.deleting():
	case s.v.RollbackRequested:
		s.fail(ecs.FailedByRequest, "ECS deployment rollback requested", "a rollback was requested")
		s.rollBack("ECS deployment rollback requested")
	case len(s.v.Firing) > 0:
		d.TriggeredAlarms = s.v.Firing
		s.fail(ecs.FailedByAlarm, "ECS deployment alarm: "+strings.Join(s.v.Firing, ", ")+" went into ALARM",
			"alarm detected")
		if s.v.Service.DeploymentConfiguration.Watched().Rollback {
			s.rollBack("ECS deployment alarm")
		}
	case b.Enable && d.FailedTasks >= b.Threshold(s.desired):
		s.fail(ecs.FailedByBreaker, "ECS deployment circuit breaker: task failed to start", "tasks failed to start")
		if b.Rollback {
			s.rollBack("ECS deployment circuit breaker")
		}
	}
}

// fail makes the primary deployment FAILED.
func (s *scheduler) fail(by, reason, event string) {
	d := s.primary
	d.RolloutState, d.FailedBy, d.RolloutStateReason = ecs.RolloutFailed, by, reason+"."
	s.addEvent("SERVICE_DEPLOYMENT_FAILED", "(deployment %s) deployment failed: %s.", d.ID, event)
}

// rollBack makes the newest completed deployment the primary one again, if there is one.
func (s *scheduler) rollBack(cause string) {
	failed, target := s.primary, s.fallback()
	if target == nil {
		return
	}
	reason := cause + ": rolling back to deploymentId " + target.ID + "."
	failed.Status, failed.RolloutStateReason = ecs.DeploymentActive, reason
	target.Status, target.RolloutState = ecs.DeploymentPrimary, ecs.RolloutInProgress
	target.RolloutStateReason = reason
	target.FailedTasks, target.LastFailureReason, target.BakeUntil = 0, "", time.Time{}
	target.Attempts, target.LastFailure, target.RetryAt = 0, time.Time{}, time.Time{}
	s.primary = target
	s.addEvent("SERVICE_DEPLOYMENT_IN_PROGRESS", "rolling back to deployment %s.", target.ID)
}
