package rollout

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// Next returns the next step of the service.
func Next(v View, now time.Time) Plan {
	s := newScheduler(&v, now)
	if s.primary == nil {
		return s.out
	}
	s.count()
	if v.Service.SchedulingStrategy == ecs.Daemon {
		s.daemon()
	} else {
		s.replica()
	}
	s.finish()
	return s.out
}

// scheduler makes one plan: it holds the view, sorted and counted, and the plan so far.
type scheduler struct {
	v   *View
	now time.Time
	out Plan

	deployments []*Deployment // copies, the newest first
	primary     *Deployment
	tasks       []*task         // live ones, the oldest first, including those that this plan stops
	draining    map[string]bool // container instances
	allPlaces   []Place         // of a DAEMON service

	desired, upper, lower int
	stuck                 bool // there is something left to do, and neither a start nor a stop is possible
	blocked               bool // protected tasks keep the service from its desired count

	lastDelay string // why this plan postpones the next start of the primary deployment
}

// task is a live task: it should run, and nothing has begun to stop it.
type task struct {
	*ecs.Task
	alike    int         // number of tasks that this entry stands for; more than 1 only if numbersSuffice
	of       *Deployment // nil if the deployment does not exist any more
	health   Health
	draining bool // its container instance is DRAINING
	stopped  bool // stopped by this plan
	rank     int  // from Cluster.StopRanks, among the tasks of one list; 0 before rank is called
}

func newScheduler(v *View, now time.Time) *scheduler {
	s := &scheduler{v: v, now: now, draining: v.Cluster.Draining()}
	byID := map[string]*Deployment{}
	for _, d := range v.Deployments {
		byID[d.ID] = &d
		s.deployments = append(s.deployments, &d)
		if d.Status == ecs.DeploymentPrimary {
			s.primary = &d
		}
	}
	slices.SortFunc(s.deployments, func(a, b *Deployment) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	s.bounds()
	if s.primary == nil {
		return s
	}
	s.countFailures() // first: while starts are delayed, each task is looked at
	if s.numbersSuffice() {
		s.group()
		return s
	}
	for t := range v.Tasks.Present() {
		if alive(t.DesiredStatus, t.LastStatus) {
			s.add(t, byID[t.StartedBy])
		}
	}
	slices.SortFunc(s.tasks, func(a, b *task) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.TaskARN, b.TaskARN))
	})
	return s
}

// add adds a live task. Its deployment is nil if that was deleted.
func (s *scheduler) add(t *ecs.Task, of *Deployment) {
	live := &task{Task: t, alike: 1, of: of, draining: s.draining[t.ContainerInstanceARN]}
	var again time.Time
	live.health, again = s.v.healthOf(cmp.Or(of, &Deployment{}), t, s.now)
	s.wake(again)
	s.tasks = append(s.tasks, live)
}

// alive reports whether a task with these statuses counts as RUNNING or PENDING for the bounds. A
// task that should stop does not: its resources are released at once (ecs.md 1.3.7, 3.2.2).
func alive(desired, last ecs.TaskStatus) bool {
	if desired != ecs.Running {
		return false
	}
	switch last {
	case ecs.Provisioning, ecs.Pending, ecs.Activating, ecs.Running:
		return true
	}
	return false
}

// bounds computes how many tasks are desired, and the upper and the lower bound (ecs.md 3.2.1).
func (s *scheduler) bounds() {
	s.desired = s.v.Service.DesiredCount
	if s.v.Service.SchedulingStrategy == ecs.Daemon {
		s.allPlaces, s.desired = s.v.Cluster.Places(), 0
		for _, p := range s.allPlaces {
			if p.Eligible {
				s.desired++
			}
		}
	}
	if s.v.deleting() {
		s.desired = 0
	}
	c := s.v.Service.DeploymentConfiguration
	s.upper = s.desired * c.MaximumPercent / 100
	s.lower = (s.desired*c.MinimumHealthyPercent + 99) / 100
}

// number counts the live tasks that meet all conditions, without those that this plan stops.
func (s *scheduler) number(conditions ...func(*task) bool) int {
	n := 0
	for _, t := range s.pick(conditions...) {
		n += t.alike
	}
	return n
}

// pick returns the live tasks that meet all conditions, without those that this plan stops, the
// oldest first.
func (s *scheduler) pick(conditions ...func(*task) bool) []*task {
	var list []*task
	for _, t := range s.tasks {
		if !t.stopped && !slices.ContainsFunc(conditions, func(c func(*task) bool) bool { return !c(t) }) {
			list = append(list, t)
		}
	}
	return list
}

func (s *scheduler) current(t *task) bool { return t.of == s.primary }
func (s *scheduler) old(t *task) bool     { return t.of != s.primary }

func (s *scheduler) protected(t *task) bool {
	return !s.v.deleting() && s.now.Before(t.ProtectedUntil)
}

func (s *scheduler) unprotected(t *task) bool { return !s.protected(t) }

func healthy(t *task) bool   { return t.health == Healthy }
func starting(t *task) bool  { return t.health == Starting }
func unhealthy(t *task) bool { return t.health == Unhealthy }
func draining(t *task) bool  { return t.draining }
func pending(t *task) bool   { return t.LastStatus != ecs.Running }

// good reports whether a task counts towards the desired ones: it neither fails nor leaves with a
// draining instance.
func good(t *task) bool { return t.health != Unhealthy && !t.draining }

// stop adds the stop of a task to the plan, unless the plan stops as many as it may. A task that is
// stopped for its health counts as a failure of its deployment (ecs.md 3.5.2).
func (s *scheduler) stop(t *task, cause Cause) {
	if s.v.MostStops > 0 && len(s.out.Stop) >= s.v.MostStops {
		return
	}
	reason := fmt.Sprintf("Scaling activity initiated by (deployment %s)", s.primary.ID)
	if s.v.deleting() {
		cause = CauseDeletion
	}
	if cause == CauseUnhealthy {
		var detail string
		reason, detail = s.v.failure(t.of, t.Task)
		t.of.addFailures(1)
		t.of.LastFailureReason = strings.TrimSuffix(reason+": "+detail, ": ")
		s.tellUnhealthy(t)
		s.delayReplacement(t, t.of.LastFailureReason)
	}
	t.stopped = true
	s.out.Stop = append(s.out.Stop, Stop{TaskARN: t.TaskARN, Cause: cause, Reason: reason})
}

// start adds tasks of a deployment to what this plan starts.
func (s *scheduler) start(d *Deployment, n int, instances ...string) {
	if d.CannotLaunch != "" {
		s.failLaunch(d, n)
		return
	}
	for k := range s.out.Start {
		if s.out.Start[k].DeploymentID == d.ID {
			s.out.Start[k].Count += n
			s.out.Start[k].InstanceARNs = append(s.out.Start[k].InstanceARNs, instances...)
			return
		}
	}
	s.out.Start = append(s.out.Start, Start{DeploymentID: d.ID, Count: n, InstanceARNs: instances})
}

// started returns how many tasks this plan starts, of one deployment or, if nil, of all.
func (s *scheduler) started(d *Deployment) int {
	n := 0
	for _, x := range s.out.Start {
		if d == nil || x.DeploymentID == d.ID {
			n += x.Count
		}
	}
	return n
}

// addEvent adds a service event.
func (s *scheduler) addEvent(name, format string, args ...any) {
	s.out.Event = append(s.out.Event, Event{
		name, fmt.Sprintf("(service %s) ", s.v.Service.ServiceName) + fmt.Sprintf(format, args...),
	})
}

// wake asks for Next to be called again at a time, if that is in the future.
func (s *scheduler) wake(at time.Time) {
	if at.After(s.now) && (s.out.WakeAt.IsZero() || at.Before(s.out.WakeAt)) {
		s.out.WakeAt = at
	}
}

// unlimited means as many as there are.
const unlimited = math.MaxInt
