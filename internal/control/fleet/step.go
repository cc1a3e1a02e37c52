package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// step is one step of one group.
type step struct {
	tx        *state.Tx
	m         control.Moment
	addresses machine.Addresses
	pace      scaling.Pace

	g       *fleet.AutoScalingGroup // a copy of the row
	members []*fleet.Instance
	wake    time.Time
}

func (s *step) run() {
	s.settle()
	s.schedule()
	s.policies()
	s.judgeByTargets()
	plan := fleet.PlanGroup(s.g, s.members, s.m.Now)
	if !plan.Again.IsZero() {
		s.wakeAt(plan.Again)
	}
	s.remove(plan)
	s.serveTargets()
	s.depart()
	s.launch(plan.Launch)
	s.tellBlocked(plan.Blocked)
	s.forgetNote(plan)
	if s.g.Status == fleet.DeleteInProgress && len(s.members) == 0 {
		s.tx.DeleteAutoScalingGroup(s.g, s.m.Now)
	} else {
		s.tx.AutoScalingGroups.Put(s.g)
	}
}

func (s *step) again() time.Duration {
	if s.wake.IsZero() {
		return 0
	}
	return max(s.wake.Sub(s.m.Now), time.Millisecond)
}

// settle ends the activities of launches and terminations that have come to an end.
func (s *step) settle() {
	var left []*fleet.Instance
	for _, m := range s.members {
		switch {
		case m.Scaling.Lifecycle.Launching() && m.State == fleet.Running && m.Desired == fleet.Running:
			m = s.arrive(m)
		case m.Scaling.Lifecycle == fleet.LifecycleEnteringStandby && len(m.Scaling.Targets) == 0:
			m = s.rest(m)
		case m.Scaling.Lifecycle == fleet.LifecyclePending && !m.Scaling.Returning && m.State == fleet.Terminated &&
			m.Machine.Phase == fleet.PhaseFailed:
			s.finish(m.Scaling.LaunchedBy, fleet.ActivityFailed, m.Reason.Message+".  Launching EC2 instance failed.")
			s.failedLaunch()
			s.end(m)
			continue
		case m.Scaling.Lifecycle.Leaving() && m.State == fleet.Terminated:
			s.finish(m.Scaling.TerminatedBy, fleet.ActivitySuccessful, "")
			s.end(m)
			continue
		case m.Scaling.Lifecycle.Leaving() && m.State == fleet.ShuttingDown:
			s.tx.ExplainActivity(m.Scaling.TerminatedBy, m.Machine.Reason)
		}
		left = append(left, m)
	}
	s.members = left
}

// end removes an instance from the group's members.
func (s *step) end(m *fleet.Instance) {
	c := m.Clone()
	c.Scaling.Lifecycle, c.Scaling.Actions = fleet.LifecycleTerminated, nil
	s.tx.Instances.Put(c)
}

// finish ends the activity of a launch or termination, and starts the cooldown (ecs.md 5.10).
func (s *step) finish(key string, status fleet.ActivityStatus, message string) {
	if s.conclude(key, status, message) {
		s.g.CooldownStart = s.m.Now
	}
}

// conclude ends an activity, and reports whether it was open. One that was deleted or has ended stays as it is.
func (s *step) conclude(key string, status fleet.ActivityStatus, message string) bool {
	a, ok := s.tx.Activities.Get(key)
	if !ok || !a.Open() {
		return false
	}
	s.tx.Activities.Put(a.Finished(status, message, s.m.Now))
	return true
}

func (s *step) failedLaunch() {
	s.g.LaunchFailures++
	s.g.NextLaunch = s.m.Now.Add(fleet.LaunchPause(s.g.LaunchFailures))
}

func (s *step) remove(plan fleet.GroupPlan) {
	for _, r := range plan.Remove {
		s.finish(r.Instance.Scaling.LaunchedBy, fleet.ActivityCancelled, r.Instance.Scaling.Lifecycle.Unfinished())
		c := s.retire(r.Instance, r.Cause)
		if r.Why != "" {
			c.Scaling.Health = fleet.Unhealthy
		}
		s.replace(c)
	}
}

// retire starts the activity that takes a member out of service, and returns the changed member.
func (s *step) retire(m *fleet.Instance, cause string) *fleet.Instance {
	c, a := s.g.Retire(m, newid.UUID(s.m.Random), cause, s.m.Now)
	s.tx.Activities.Put(a)
	return c
}

// replace puts a changed member in the place of the one that was read.
func (s *step) replace(c *fleet.Instance) {
	s.tx.Instances.Put(c)
	if i := slices.IndexFunc(s.members, func(m *fleet.Instance) bool { return m.ID == c.ID }); i >= 0 {
		s.members[i] = c
	}
}

func (s *step) launch(launches []fleet.Launch) {
	if len(launches) == 0 {
		return
	}
	source, why := s.resolve()
	if why == "" {
		source.Data, why = s.check(source.Data)
	}
	for _, l := range launches {
		activity := newid.UUID(s.m.Random)
		var addr netip.Addr
		if why == "" {
			addr, why = s.address()
		}
		if why != "" {
			s.tx.Activities.Put(s.g.FailedLaunch(activity, l.Cause,
				why+"  Launching EC2 instance failed.", l.Slot, s.m.Now))
			s.failedLaunch()
			s.wakeAt(s.g.NextLaunch)
			return
		}
		s.birth(l, source, addr, activity)
	}
}

// address returns an address for a new instance, or the reason why there is none.
func (s *step) address() (a netip.Addr, why string) {
	a, err := s.addresses.NextAddress(s.tx.InstanceAddresses())
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return a, f.Message
	}
	if err != nil {
		return a, fmt.Sprintf("There is no address for a new instance: %v.", err)
	}
	return a, ""
}

func (s *step) birth(l fleet.Launch, source fleet.Resolved, addr netip.Addr, activity string) {
	i := fleet.NewInstance(newid.EC2(s.m.Random, "i"), newid.EC2(s.m.Random, "r"), l.Slot, source.Data, addr, s.m.Now)
	s.g.Join(i, source.Source, source.At)
	i.Scaling.Rebalancing = l.Rebalancing
	s.tx.Activities.Put(s.g.Begin(i, activity, l.Cause, s.m.Now))
	s.tx.Instances.Put(i)
	s.members = append(s.members, i)
}

// resolve returns what the group launches, or why that cannot be found.
func (s *step) resolve() (r fleet.Resolved, why string) {
	src := s.g.Launch
	if src.Configuration != "" {
		c, ok := s.tx.LaunchConfigurations.Get(fleet.Key(s.g.Region, s.g.Account, src.Configuration))
		if !ok {
			return r, fmt.Sprintf("The launch configuration %s does not exist.", src.Configuration)
		}
		return fleet.ResolveConfiguration(c), ""
	}
	t, ok := s.tx.LaunchTemplates.Get(fleet.Key(s.g.Region, s.g.Account, src.TemplateID))
	if !ok {
		return r, fmt.Sprintf("The specified launch template, with template ID %s, does not exist.", src.TemplateID)
	}
	if r, ok = fleet.ResolveTemplate(t, src.Version); !ok {
		return r, fmt.Sprintf("The specified version %s of launch template %s does not exist.",
			src.Version, src.TemplateID)
	}
	return r, ""
}

// check returns the launch data with ids resolved, or what is missing for a launch.
func (s *step) check(d fleet.LaunchData) (fleet.LaunchData, string) {
	d, err := launch.CheckInstance(&s.tx.Tables, s.g.Region, s.g.Account, d)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return d, f.Message + "."
	}
	if err != nil {
		return d, fmt.Sprintf("The launch data cannot be used: %v.", err)
	}
	return d, ""
}

// tellBlocked writes one activity when protection starts to keep the group from shrinking.
func (s *step) tellBlocked(blocked bool) {
	if blocked && !s.g.BlockedByProtect {
		counted := 0
		for _, m := range s.members {
			if m.Scaling.Counts() {
				counted++
			}
		}
		s.tx.Activities.Put(s.g.Blocked(newid.UUID(s.m.Random), counted, s.m.Now))
	}
	s.g.BlockedByProtect = blocked
}

// forgetNote removes the note about who changed the capacity once a cause has it, or none will need
// it.
func (s *step) forgetNote(plan fleet.GroupPlan) {
	if plan.Blocked || len(plan.Launch) > 0 || plan.Again.IsZero() && !s.g.IsSuspended(fleet.ProcessLaunch) &&
		!s.g.IsSuspended(fleet.ProcessTerminate) {
		s.g.Note = ""
	}
}
