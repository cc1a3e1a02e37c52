package fleet

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// step is what happens to one group at one moment, computed from the tables and put into them by apply. It changes nothing it reads.
type step struct {
	tables *state.Tables
	now    time.Time
	next   func(taken map[netip.Addr]bool) (netip.Addr, bool)
	ids    *ids // nil: count what is needed
	needed int

	g          *fleet.AutoScalingGroup // our copy
	was        fleet.AutoScalingGroup
	members    []*fleet.Instance // copies where changed
	instances  []*fleet.Instance // to put
	activities []*fleet.Activity // to put
	targets    []*elb.Target     // to put
	gone       bool              // the group is to be removed
	wake       time.Time
}

// newStep returns nil when there is no such group.
func (r *groups) newStep(t *state.Tables, key string, ids *ids, now time.Time) *step {
	g, ok := t.AutoScalingGroups.Get(key)
	if !ok {
		return nil
	}
	return &step{tables: t, now: now, next: r.addresses.NextAddress, ids: ids, g: g.Clone(), was: *g, members: slices.Collect(t.Instances.By(state.ByAutoScalingGroup, key))}
}

func (s *step) run() {
	s.settle()
	s.judgeByTargets()
	plan := fleet.PlanGroup(s.g, s.members, s.now)
	if !plan.Again.IsZero() {
		s.wakeAt(plan.Again)
	}
	s.remove(plan)
	s.serveTargets()
	s.launch(plan.Launch)
	s.tellBlocked(plan.Blocked)
	s.forgetNote(plan)
	s.gone = s.g.Status == fleet.DeleteInProgress && len(s.members) == 0
}

func (s *step) changed() bool {
	g := s.g
	return s.gone || len(s.instances) > 0 || len(s.activities) > 0 || len(s.targets) > 0 || g.Note != s.was.Note || g.NextLaunch != s.was.NextLaunch ||
		g.BlockedByProtect != s.was.BlockedByProtect || g.LaunchFailures != s.was.LaunchFailures || g.CooldownStart != s.was.CooldownStart
}

func (s *step) again() time.Duration {
	if s.wake.IsZero() {
		return 0
	}
	return max(s.wake.Sub(s.now), time.Millisecond)
}

func (s *step) apply(tx *state.Tx) {
	for _, i := range s.instances {
		tx.Instances.Put(i)
	}
	for _, a := range s.activities {
		tx.Activities.Put(a)
	}
	for _, t := range s.targets {
		tx.Targets.Put(t)
	}
	switch {
	case s.gone:
		tx.AutoScalingGroups.Delete(s.g.Key())
	case s.changed():
		tx.AutoScalingGroups.Put(s.g)
	}
}

// settle takes note of launches and terminations that have come to their end.
func (s *step) settle() {
	var left []*fleet.Instance
	for _, m := range s.members {
		switch {
		case m.Scaling.Lifecycle == fleet.LifecyclePending && m.State == fleet.Running:
			c := m.Clone()
			c.Scaling.Lifecycle, c.Scaling.InServiceAt, c.Scaling.Rebalancing = fleet.LifecycleInService, s.now, false
			s.finish(m.Scaling.LaunchedBy, fleet.ActivitySuccessful, "")
			s.g.LaunchFailures, s.g.NextLaunch = 0, time.Time{}
			m = s.put(c)
		case m.Scaling.Lifecycle == fleet.LifecyclePending && m.State == fleet.Terminated && m.Machine.Phase == fleet.PhaseFailed:
			s.finish(m.Scaling.LaunchedBy, fleet.ActivityFailed, m.Reason.Message+".  Launching EC2 instance failed.")
			s.failedLaunch()
			s.end(m)
			continue
		case m.Scaling.Lifecycle == fleet.LifecycleTerminating && m.State == fleet.Terminated:
			s.finish(m.Scaling.TerminatedBy, fleet.ActivitySuccessful, "")
			s.end(m)
			continue
		case m.Scaling.Lifecycle == fleet.LifecycleTerminating && m.State == fleet.ShuttingDown:
			s.tellWhy(m.Scaling.TerminatedBy, m.Machine.Reason)
		}
		left = append(left, m)
	}
	s.members = left
}

func (s *step) put(i *fleet.Instance) *fleet.Instance {
	s.instances = append(s.instances, i)
	return i
}

// end takes an instance out of the group's members for good.
func (s *step) end(m *fleet.Instance) {
	c := m.Clone()
	c.Scaling.Lifecycle = fleet.LifecycleTerminated
	s.put(c)
}

// finish ends an activity; one that was reaped or ended already stays as it is.
func (s *step) finish(key string, status fleet.ActivityStatus, message string) {
	a, ok := s.tables.Activities.Get(key)
	if !ok || !a.Open() {
		return
	}
	s.activities = append(s.activities, a.Finished(status, message, s.now))
	s.g.CooldownStart = s.now
}

// tellWhy writes into an activity why it takes so long.
func (s *step) tellWhy(key, reason string) {
	a, ok := s.tables.Activities.Get(key)
	if !ok || !a.Open() || a.StatusMessage == reason {
		return
	}
	c := *a
	c.StatusMessage = reason
	s.activities = append(s.activities, &c)
}

func (s *step) failedLaunch() {
	s.g.LaunchFailures++
	s.g.NextLaunch = s.now.Add(fleet.LaunchPause(s.g.LaunchFailures))
}

func (s *step) remove(plan fleet.GroupPlan) {
	for _, r := range plan.Remove {
		id, ok := s.uuid()
		if !ok {
			return
		}
		if r.Instance.Scaling.Lifecycle == fleet.LifecyclePending {
			s.finish(r.Instance.Scaling.LaunchedBy, fleet.ActivityCancelled, "The instance was taken out of service before it came into service.")
		}
		c, a := s.g.Retire(r.Instance, id, r.Cause, s.now)
		if r.Why != "" {
			c.Scaling.Health = fleet.Unhealthy
		}
		s.activities = append(s.activities, a)
		s.replace(c)
	}
}

// replace puts a changed member in the place of the one that was read, or of an earlier change of it.
func (s *step) replace(c *fleet.Instance) {
	same := func(i *fleet.Instance) bool { return i.ID == c.ID }
	s.instances = append(slices.DeleteFunc(s.instances, same), c)
	if i := slices.IndexFunc(s.members, same); i >= 0 {
		s.members[i] = c
	}
}

func (s *step) launch(launches []fleet.Launch) {
	if len(launches) == 0 {
		return
	}
	source, why := s.resolve()
	taken := map[netip.Addr]bool{}
	for i := range s.tables.Instances.All() {
		taken[i.Address] = true
	}
	for _, l := range launches {
		activity, ok := s.uuid()
		if !ok {
			return
		}
		addr, free := s.next(taken)
		if !free {
			why = "There are no free loopback addresses for more instances on this machine."
		}
		if why != "" {
			s.activities = append(s.activities, s.g.FailedLaunch(activity, l.Cause, why+"  Launching EC2 instance failed.", l.Slot, s.now))
			s.failedLaunch()
			s.wakeAt(s.g.NextLaunch)
			return
		}
		taken[addr] = true
		s.birth(l, source, addr, activity)
	}
}

func (s *step) birth(l fleet.Launch, source fleet.Resolved, addr netip.Addr, activity string) {
	n := len(s.activities)
	id, reservation := fmt.Sprint("i-", n), ""
	if s.ids != nil {
		id, reservation = s.ids.instances[0], s.ids.reservations[0]
		s.ids.instances, s.ids.reservations = s.ids.instances[1:], s.ids.reservations[1:]
	}
	i := fleet.NewInstance(id, reservation, l.Slot, source.Data, addr, s.now)
	s.g.Join(i, source.Source, source.At)
	i.Scaling.Rebalancing = l.Rebalancing
	s.activities = append(s.activities, s.g.Begin(i, activity, l.Cause, s.now))
	s.put(i)
	s.members = append(s.members, i)
}

// resolve finds what the group launches, or says why it cannot.
func (s *step) resolve() (r fleet.Resolved, why string) {
	src := s.g.Launch
	if src.Configuration != "" {
		c, ok := s.tables.LaunchConfigurations.Get(fleet.Key(s.g.Region, s.g.Account, src.Configuration))
		if !ok {
			return r, fmt.Sprintf("The launch configuration %s does not exist.", src.Configuration)
		}
		return fleet.ResolveConfiguration(c), ""
	}
	t, ok := s.tables.LaunchTemplates.Get(fleet.Key(s.g.Region, s.g.Account, src.TemplateID))
	if !ok {
		return r, fmt.Sprintf("The specified launch template, with template ID %s, does not exist.", src.TemplateID)
	}
	if r, ok = fleet.ResolveTemplate(t, src.Version); !ok {
		return r, fmt.Sprintf("The specified version %s of launch template %s does not exist.", src.Version, src.TemplateID)
	}
	if _, ok := fleet.FindInstanceType(r.Data.InstanceType); !ok {
		return r, fmt.Sprintf("The launch template %s version %s names no instance type that is known here (%q).", t.ID, r.Source.Version, r.Data.InstanceType)
	}
	return r, ""
}

// tellBlocked writes one activity when protection begins to keep the group from shrinking.
func (s *step) tellBlocked(blocked bool) {
	if blocked && !s.g.BlockedByProtect {
		id, ok := s.uuid()
		if !ok {
			return
		}
		counted := 0
		for _, m := range s.members {
			if m.Scaling.Counts() {
				counted++
			}
		}
		s.activities = append(s.activities, s.g.Blocked(id, counted, s.now))
	}
	s.g.BlockedByProtect = blocked
}

// forgetNote drops the note about who changed the capacity once it is in a cause, or there is nothing left to cause.
func (s *step) forgetNote(plan fleet.GroupPlan) {
	if plan.Blocked || len(plan.Launch) > 0 || plan.Again.IsZero() && !s.g.IsSuspended(fleet.ProcessLaunch) && !s.g.IsSuspended(fleet.ProcessTerminate) {
		s.g.Note = ""
	}
}

func (s *step) uuid() (string, bool) {
	s.needed++
	if s.ids == nil {
		return fmt.Sprint("planned-", s.needed), true
	}
	if len(s.ids.uuids) == 0 {
		return "", false
	}
	id := s.ids.uuids[0]
	s.ids.uuids = s.ids.uuids[1:]
	return id, true
}
