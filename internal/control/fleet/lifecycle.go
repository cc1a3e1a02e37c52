package fleet

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
)

// arrive moves a running member one state on its way into service (ecs.md 5.3). Each state is
// written, and the change makes the group due again. A member that returns from standby was not launched: hooks do not
// hold it, and its activity starts no cooldown and does not end the pause after failed launches.
func (s *step) arrive(m *fleet.Instance) *fleet.Instance {
	switch m.Scaling.Lifecycle {
	case fleet.LifecyclePending:
		if m.Scaling.Returning {
			break
		}
		if held := s.hold(m, fleet.WhenLaunching, m.Scaling.LaunchedBy); held != nil {
			return held
		}
	case fleet.LifecyclePendingWait:
		return s.await(m)
	}
	c := m.Clone()
	c.Scaling.Lifecycle, c.Scaling.InServiceAt = fleet.LifecycleInService, s.m.Now
	c.Scaling.Rebalancing, c.Scaling.Returning = false, false
	if m.Scaling.Returning {
		s.conclude(m.Scaling.LaunchedBy, fleet.ActivitySuccessful, "")
	} else {
		s.finish(m.Scaling.LaunchedBy, fleet.ActivitySuccessful, "")
		s.g.LaunchFailures, s.g.NextLaunch = 0, time.Time{}
	}
	s.tx.Instances.Put(c)
	return c
}

// rest moves a member to standby. Its load balancers have drained it.
func (s *step) rest(m *fleet.Instance) *fleet.Instance {
	c := m.Clone()
	c.Scaling.Lifecycle = fleet.LifecycleStandby
	s.conclude(m.Scaling.LaunchedBy, fleet.ActivitySuccessful, "")
	s.tx.Instances.Put(c)
	return c
}

// await moves a member to its next state if the launching hooks that it waits for are completed.
func (s *step) await(m *fleet.Instance) *fleet.Instance {
	switch ended := m.Scaling.ActionsAt(s.m.Now); ended.Result {
	case fleet.Continue:
		m = s.proceed(m, fleet.LifecyclePendingProceed)
		s.progress(m.Scaling.LaunchedBy, fleet.ActivityPreInService)
	case fleet.Abandon:
		s.finish(m.Scaling.LaunchedBy, fleet.ActivityCancelled, fleet.FailedAction(ended.Why))
		s.failedLaunch()
		s.wakeAt(s.g.NextLaunch)
		m = s.retire(m, fleet.CauseTaken(s.m.Now, fleet.WhyAbandon))
		s.tx.Instances.Put(m)
	default:
		s.wakeAt(ended.Again)
	}
	return m
}

// depart terminates the members that are leaving, after load balancers have drained them and terminating hooks are
// completed (ecs.md 5.9). A member that does not run is terminated at once, and hooks do not hold the instances of a
// group that is being deleted.
func (s *step) depart() {
	for _, m := range slices.Clone(s.members) {
		if !m.Scaling.Lifecycle.Leaving() || m.Desired == fleet.Terminated || len(m.Scaling.Targets) > 0 {
			continue
		}
		if m.State == fleet.Running && m.Desired == fleet.Running && s.g.Status != fleet.DeleteInProgress {
			if m = s.leave(m); m == nil {
				continue
			}
		}
		c := m.Clone()
		c.AskTermination(s.m.Now)
		s.replace(c)
	}
}

// leave moves a leaving member to its next state. It returns the member if it can be terminated now, and nil otherwise.
func (s *step) leave(m *fleet.Instance) *fleet.Instance {
	switch m.Scaling.Lifecycle {
	case fleet.LifecycleTerminating:
		if held := s.hold(m, fleet.WhenTerminating, m.Scaling.TerminatedBy); held != nil {
			s.replace(held)
			return nil
		}
	case fleet.LifecycleTerminatingWait:
		ended := m.Scaling.ActionsAt(s.m.Now)
		if ended.Result == "" {
			s.wakeAt(ended.Again)
			return nil
		}
		s.progress(m.Scaling.TerminatedBy, fleet.ActivityInProgress)
		s.replace(s.proceed(m, fleet.LifecycleTerminatingProceed))
		return nil
	}
	return m
}

// hold makes a member wait for the group's hooks. It returns nil if there are none.
func (s *step) hold(m *fleet.Instance, t fleet.Transition, activity string) *fleet.Instance {
	hooks := slices.Collect(s.tx.HooksOf(s.g))
	held := m.HoldFor(t, hooks, func() string { return newid.UUID(s.m.Random) }, s.m.Now)
	if held == nil {
		return nil
	}
	s.progress(activity, fleet.ActivityMidLifecycle)
	s.wakeAt(held.Scaling.ActionsAt(s.m.Now).Again)
	s.tx.Instances.Put(held)
	return held
}

// proceed moves a member to the state after its wait.
func (s *step) proceed(m *fleet.Instance, to fleet.Lifecycle) *fleet.Instance {
	c := m.Clone()
	c.Scaling.Lifecycle, c.Scaling.Actions = to, nil
	s.tx.Instances.Put(c)
	return c
}

// progress writes the progress of an activity.
func (s *step) progress(key string, status fleet.ActivityStatus) {
	if a, ok := s.tx.Activities.Get(key); ok && a.Open() {
		c := *a
		c.Status = status
		s.tx.Activities.Put(&c)
	}
}
