package groupscaling

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
)

// Situation has everything that the policies of a group decide from.
type Situation struct {
	Group   *fleet.AutoScalingGroup
	Members []*fleet.Instance
	Busy    string // id of an activity that is in progress; "" if there is none
	Pace    scaling.Pace
	Now     time.Time
}

// Bounds returns the bounds of the group's capacity.
func (s Situation) Bounds() scaling.Bounds { return scaling.Bounds{Min: s.Group.Min, Max: s.Group.Max} }

// warmup returns how long after it came into service an instance is warm: the policy's setting, else that of the group,
// else the group's cooldown (ecs.md 5.10). At the pace of seconds it is a sixtieth of that.
func (s Situation) warmup(p *Policy) time.Duration {
	seconds := s.Group.Cooldown
	switch {
	case p.Warmup != nil:
		seconds = *p.Warmup
	case s.Group.Warmup != nil:
		seconds = *s.Group.Warmup
	}
	return s.Pace.Of(time.Duration(seconds) * time.Second)
}

// counts returns how many instances are warm, and how many are starting or warming up.
func (s Situation) counts(p *Policy) (warm, warming int) {
	for _, m := range s.Members {
		switch l := m.Scaling.Lifecycle; {
		case l == fleet.LifecycleInService && !s.Now.Before(m.Scaling.InServiceAt.Add(s.warmup(p))):
			warm++
		case l == fleet.LifecycleInService || l.Launching():
			warming++
		}
	}
	return warm, warming
}

// settles is the least time after a scale-in until a metric shows the smaller number of instances: the minute in which
// instances ended, and the next one. Within it, a policy that tracks a target would scale in twice for the same values
// (decision 0451).
const settles = 2 * time.Minute

// Propose returns a policy's proposal for the observation of an alarm. If it proposes nothing, problem is the reason.
func (s Situation) Propose(p *Policy, o scaling.Observation) (proposal scaling.Proposal, problem string) {
	if p.Type == Simple {
		return s.adjust(p), ""
	}
	warm, warming := s.counts(p)
	if p.Type == Step {
		var ok bool
		proposal, ok = p.Steps.Propose(p.ARN(), o, func(d scaling.Direction) int {
			if d == scaling.Out {
				// Added instances that are not warm yet, or not launched yet, count as part of this change (ecs.md
				// 5.10).
				return min(warm, s.Group.Desired)
			}
			return s.Group.Desired
		})
		if !ok {
			return proposal, "no step adjustment is for the value of the metric"
		}
	} else {
		metric, known := o.Latest()
		if !known {
			return proposal, "the value of the metric is not known"
		}
		proposal = p.Tracking.Propose(p.ARN(), warm, metric)
	}
	if until := s.Group.ScaledInAt.Add(max(s.warmup(p), s.Pace.Of(settles))); p.Tracking != nil &&
		proposal.Direction == scaling.In && !s.Group.ScaledInAt.IsZero() && s.Now.Before(until) {
		proposal.Direction = scaling.Hold
		return proposal, "the group has scaled in, and its metric is not that of fewer instances before " +
			fleet.Stamp(until)
	}
	if proposal.Direction == scaling.In && warming > 0 {
		proposal.Direction = scaling.Hold // ecs.md 5.10
		return proposal, fmt.Sprintf("%d instances are warming up, and the group does not scale in meanwhile", warming)
	}
	return proposal, ""
}

// adjust returns the proposal of a simple policy.
func (s Situation) adjust(p *Policy) scaling.Proposal {
	to := p.Adjusts.Adjustment.Adjust(s.Group.Desired, p.Adjusts.By, p.Adjusts.Magnitude)
	proposal := scaling.Proposal{Policy: p.ARN(), To: to}
	switch {
	case to > s.Group.Desired:
		proposal.Direction = scaling.Out
	case to < s.Group.Desired:
		proposal.Direction = scaling.In
	}
	return proposal
}

// Waits returns the reason why a policy may not act now, or "" if it may. A simple policy waits until activities of the
// group and the cooldown after them have ended (ecs.md 5.10).
func (s Situation) Waits(p *Policy) string {
	if p.Type != Simple {
		return ""
	}
	if s.Busy != "" {
		return "scaling activity " + s.Busy + " is in progress and blocks this action"
	}
	seconds := s.Group.Cooldown
	if p.Adjusts.Cooldown != nil {
		seconds = *p.Adjusts.Cooldown
	}
	until := s.Group.CooldownStart.Add(s.Pace.Of(time.Duration(seconds) * time.Second))
	if !s.Group.CooldownStart.IsZero() && s.Now.Before(until) {
		return "the cooldown of the group lasts until " + fleet.Stamp(until)
	}
	return ""
}

// Kept returns the proposal of a policy that no alarm has called. Other policies that track a target may scale in only
// if it agrees: if it tracks a target and scales in itself, its low alarm must be in the state ALARM. low is the
// observation of that alarm, or nil if it is in another state. ok is false for policies that do not have to agree.
func (s Situation) Kept(p *Policy, low *scaling.Observation) (proposal scaling.Proposal, ok bool) {
	if p.Type != TargetTracking || p.Disabled || p.Tracking.DisableScaleIn {
		return proposal, false
	}
	if low != nil {
		if proposal, problem := s.Propose(p, *low); problem == "" && proposal.Direction == scaling.In {
			return proposal, true
		}
	}
	return scaling.Proposal{Policy: p.ARN(), Tracking: true, To: s.Group.Desired}, true
}

// Decide combines proposals. The group grows if any policy proposes it, and shrinks only if all policies that track a
// target propose it. The largest proposed capacity is used, within the bounds of the group (ecs.md 5.10).
func (s Situation) Decide(proposals []scaling.Proposal) scaling.Decision {
	return scaling.Decide(scaling.Situation{Now: s.Now, Current: s.Group.Desired, Bounds: s.Bounds()}, proposals)
}
