package rollout

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Next returns the next step of the service.
func Next(v View, now time.Time) Plan {
	s := newStep(&v, now)
	if s.primary == nil {
		return s.out
	}
	s.count()
	if v.Service.Strategy == Daemon {
		s.daemon()
	} else {
		s.replica()
	}
	s.finish()
	return s.out
}

// step is one decision in the making: the view, sorted and counted, and the plan so far.
type step struct {
	v   *View
	now time.Time
	out Plan

	deployments []*Deployment // copies, newest first
	primary     *Deployment
	tasks       []*task // live ones, oldest first; stopped by this plan or not

	desired, upper, lower int
	stuck                 bool // neither start nor stop is possible although something is left to do
	blocked               bool // protected tasks keep the service from its desired count

	lastDelay string // why this plan puts the next start of the primary deployment off
}

// task is a live task: it should run, and nothing has begun to end it.
type task struct {
	*Task
	of      *Deployment // nil when the deployment is gone
	health  Health
	stopped bool // by this plan
}

func newStep(v *View, now time.Time) *step {
	s := &step{v: v, now: now}
	byID := map[string]*Deployment{}
	for _, d := range v.Deployments {
		byID[d.ID] = &d
		s.deployments = append(s.deployments, &d)
		if d.Status == Primary {
			s.primary = &d
		}
	}
	slices.SortFunc(s.deployments, func(a, b *Deployment) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	for k := range v.Tasks {
		t := &v.Tasks[k]
		if !alive(t) {
			continue
		}
		live := &task{Task: t, of: byID[t.DeploymentID]}
		of := cmp.Or(live.of, &Deployment{})
		var again time.Time
		live.health, again = HealthOf(v, of, t, now)
		s.wake(again)
		s.tasks = append(s.tasks, live)
	}
	slices.SortFunc(s.tasks, func(a, b *task) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	s.bounds()
	return s
}

// alive reports whether a task counts as RUNNING or PENDING for the bounds. One that should stop does not: its resources
// are released optimistically (ecs.md 1.3.7, 3.2.2).
func alive(t *Task) bool {
	return t.Desired == "RUNNING" && slices.Contains([]string{"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"}, t.Status)
}

// bounds computes how many tasks there should, may and must be (ecs.md 3.2.1).
func (s *step) bounds() {
	sv := &s.v.Service
	s.desired = sv.Desired
	if sv.Strategy == Daemon {
		s.desired = 0
		for _, i := range s.v.Instances {
			if i.Eligible {
				s.desired++
			}
		}
	}
	if sv.Deleting {
		s.desired = 0
	}
	s.upper = s.desired * sv.MaximumPercent / 100
	s.lower = (s.desired*sv.MinimumHealthyPercent + 99) / 100
}

// number counts the live tasks, less those this plan stops, for which all conditions hold.
func (s *step) number(conditions ...func(*task) bool) int {
	n := 0
	for range s.pick(conditions...) {
		n++
	}
	return n
}

// pick returns the live tasks, less those this plan stops, for which all conditions hold, oldest first.
func (s *step) pick(conditions ...func(*task) bool) []*task {
	var list []*task
	for _, t := range s.tasks {
		if !t.stopped && !slices.ContainsFunc(conditions, func(c func(*task) bool) bool { return !c(t) }) {
			list = append(list, t)
		}
	}
	return list
}

func (s *step) current(t *task) bool { return t.of == s.primary }
func (s *step) old(t *task) bool     { return t.of != s.primary }

func (s *step) protected(t *task) bool {
	return !s.v.Service.Deleting && s.now.Before(t.ProtectedUntil)
}

func (s *step) unprotected(t *task) bool { return !s.protected(t) }

func healthy(t *task) bool   { return t.health == Healthy }
func starting(t *task) bool  { return t.health == Starting }
func unhealthy(t *task) bool { return t.health == Unhealthy }
func draining(t *task) bool  { return t.Draining }
func pending(t *task) bool   { return t.Status != "RUNNING" }

// good tasks are those that count towards the desired ones: neither failing nor on their way out with their instance.
func good(t *task) bool { return t.health != Unhealthy && !t.Draining }

// stop plans the end of a task. Tasks stopped for their health count as failures of their deployment (ecs.md 3.5.2).
func (s *step) stop(t *task, cause Cause) {
	reason := fmt.Sprintf("Scaling activity initiated by (deployment %s)", s.primary.ID)
	if s.v.Service.Deleting {
		cause = CauseDeletion
	}
	if cause == CauseUnhealthy {
		reason = failure(t.of, t.Task)
		t.of.FailedTasks++
		s.tellUnhealthy(t)
	}
	t.stopped = true
	s.out.Stop = append(s.out.Stop, Stop{TaskID: t.ID, Cause: cause, Reason: reason})
}

// start plans tasks of a deployment, adding to what this plan starts of it already.
func (s *step) start(d *Deployment, n int, instances ...string) {
	for k := range s.out.Start {
		if s.out.Start[k].DeploymentID == d.ID {
			s.out.Start[k].Count += n
			s.out.Start[k].InstanceIDs = append(s.out.Start[k].InstanceIDs, instances...)
			return
		}
	}
	s.out.Start = append(s.out.Start, Start{DeploymentID: d.ID, Revision: d.Revision, Count: n, InstanceIDs: instances})
}

// started is how many tasks this plan starts, of one deployment or (nil) of all.
func (s *step) started(d *Deployment) int {
	n := 0
	for _, x := range s.out.Start {
		if d == nil || x.DeploymentID == d.ID {
			n += x.Count
		}
	}
	return n
}

// tell adds a service event.
func (s *step) tell(name, format string, args ...any) {
	s.out.Event = append(s.out.Event, Event{name, fmt.Sprintf("(service %s) ", s.v.Service.Name) + fmt.Sprintf(format, args...)})
}

// wake asks to be called again at a time, if it lies ahead.
func (s *step) wake(at time.Time) {
	if at.After(s.now) && (s.out.WakeAt.IsZero() || at.Before(s.out.WakeAt)) {
		s.out.WakeAt = at
	}
}

// unlimited stands for "as many as there are".
const unlimited = math.MaxInt
