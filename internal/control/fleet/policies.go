package fleet

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// schedule carries out the scheduled actions that are due. An action whose time has passed several times while no
// server ran is carried out once.
func (s *step) schedule() {
	for row := range s.tx.SchedulesOf(s.g) {
		if s.m.Now.Before(row.Next) {
			s.wakeAt(row.Next)
			continue
		}
		if !s.g.IsSuspended(fleet.ProcessScheduled) {
			from := s.g.Desired
			row.Apply(s.g)
			if from != s.g.Desired {
				s.g.AddNote(fleet.NoteScheduled(s.m.Now, s.g, row.Name, from))
			}
		}
		next := *row
		if next.Next = row.After(s.m.Now); next.Next.IsZero() {
			s.tx.GroupSchedules.Delete(row.Key())
			continue
		}
		s.tx.GroupSchedules.Put(&next)
		s.wakeAt(next.Next)
	}
}

// called is a policy that an alarm calls.
type called struct {
	due    *alarm.Due
	alarm  *alarm.Alarm
	policy *groupscaling.Policy
}

// policies carries out the policies that alarms call (ecs.md 5.10). The new capacity, the new instances and the
// deletion of the due action are one transaction, so after a crash either all of them are written or nothing.
func (s *step) policies() {
	now := s.situation()
	var proposals []scaling.Proposal
	acting := make(map[string]called)
	var first called
	for d := range s.tx.Tables.DueActions.By(state.DueActionsByGroup, s.g.Key()) {
		if _, managed := s.tx.ManagedScalingOf(d.Action); managed {
			continue // control/capacity carries it out
		}
		c := called{due: d}
		c.alarm, _ = s.tx.Alarms.Get(d.AlarmARN)
		key, _, _ := groupscaling.KeyFromARN(d.Action)
		c.policy, _ = s.tx.GroupPolicies.Get(key)
		problem := s.problem(c)
		if problem == "" {
			problem = now.Waits(c.policy)
		}
		if problem == "" {
			var p scaling.Proposal
			if p, problem = now.Propose(c.policy, d.Observation(c.alarm)); problem == "" {
				if len(proposals) == 0 {
					first = c
				}
				proposals = append(proposals, p)
				acting[d.Action] = c
			}
		}
		s.tx.FinishDue(d, problem, s.m.Now)
	}
	if len(proposals) == 0 {
		return
	}
	for p := range s.tx.PoliciesOf(s.g) {
		if _, acts := acting[p.ARN()]; acts {
			continue
		}
		if kept, ok := now.Kept(p, s.lowAlarm(p)); ok {
			proposals = append(proposals, kept)
		}
	}
	s.follow(now.Decide(proposals), acting, first)
}

func (s *step) situation() groupscaling.Situation {
	now := groupscaling.Situation{Group: s.g, Members: s.members, Pace: s.pace, Now: s.m.Now}
	for _, m := range s.members {
		for _, key := range []string{m.Scaling.LaunchedBy, m.Scaling.TerminatedBy} {
			if a, ok := s.tx.Activities.Get(key); ok && a.Open() && now.Busy == "" {
				now.Busy = a.ID
			}
		}
	}
	return now
}

const noPolicy = "there is no such scaling policy"

// problem returns why a policy cannot be carried out, or "" if it can.
func (s *step) problem(c called) string {
	switch {
	case c.alarm == nil || c.policy == nil || c.policy.ARN() != c.due.Action:
		return noPolicy
	case s.g.Status == fleet.DeleteInProgress:
		return "the group is being deleted"
	case s.g.IsSuspended(fleet.ProcessAlarm):
		return "the process AlarmNotification of the group is suspended"
	case c.policy.Disabled:
		return "the scaling policy is disabled"
	case c.policy.Tracking != nil && !slices.Contains(c.policy.AlarmARNs(), c.due.AlarmARN):
		return "a policy that tracks a target is called by its own alarms only"
	}
	return ""
}

// lowAlarm returns the last observation of a policy's low alarm, or nil if the alarm is not in the state ALARM.
func (s *step) lowAlarm(p *groupscaling.Policy) *scaling.Observation {
	arns := p.AlarmARNs()
	if len(arns) < 2 {
		return nil
	}
	return s.tx.InAlarm(arns[1])
}

// follow carries out a decision. If the group is at its maximum, it writes an activity that says so, and no second one
// until the maximum or the capacity changes.
func (s *step) follow(d scaling.Decision, acting map[string]called, first called) {
	by, ok := acting[d.Policy]
	if !ok {
		by = first // the capacity is that of a policy that was not called; name one that was
	}
	switch {
	case d.To != s.g.Desired:
		s.g.AddNote(fleet.NoteAlarm(s.m.Now, by.alarm.Name, string(by.due.To), by.policy.Name, s.g.Desired, d.To))
		if d.To < s.g.Desired {
			s.g.ScaledInAt = s.m.Now
		}
		s.g.Desired, s.g.BlockedByMax = d.To, 0
	case d.Reason == scaling.AlreadyAtMax && s.g.BlockedByMax != s.g.Max:
		s.g.BlockedByMax = s.g.Max
		s.tx.Activities.Put(s.g.AtMaximum(newid.UUID(s.m.Random), by.alarm.Name, by.policy.Name, s.m.Now))
	}
}

// forget deletes the due actions of policies of a group that does not exist.
func forget(tx *state.Tx, group string, now time.Time) {
	for d := range tx.Tables.DueActions.By(state.DueActionsByGroup, group) {
		tx.FinishDue(d, noPolicy, now)
	}
}
