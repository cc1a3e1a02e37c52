package scale

import (
	"fmt"
	"maps"
	"slices"

	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/meter/compare"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// policies carries out the policies that alarms call (ecs.md 6.6 to 6.12).
func (s *step) policies() error {
	all := make(map[string]*appscaling.Policy)
	var called []due
	for d := range s.tx.Tables.DueActions.By(state.DueActionsByTarget, s.target.Key()) {
		if len(all) == 0 {
			for p := range s.tx.Tables.ScalingPolicies.Prefix(s.target.Key()) {
				all[p.ARN()] = p
			}
		}
		one := due{Due: d, policy: all[d.Action]}
		one.alarm, _ = s.tx.Alarms.Get(d.AlarmARN) // an alarm with due actions has a row
		problem := s.problem(one)
		if problem == "" {
			called = append(called, one)
		}
		s.tx.FinishDue(d, problem, s.m.Now)
	}
	if len(called) == 0 {
		return nil
	}
	return s.decide(called, all)
}

// problem returns why a policy cannot be carried out, or "" if it can.
func (s *step) problem(d due) string {
	switch {
	case d.alarm == nil || d.policy == nil:
		return noPolicy
	case s.service == nil:
		return "ECS service doesn't exist: " + s.target.ResourceID
	case d.policy.Tracking != nil && !slices.Contains(d.policy.AlarmARNs(), d.AlarmARN):
		return "a policy that tracks a target is called by its own alarms only"
	}
	return ""
}

// decide combines the proposals of the called policies with those of the target's other policies, and carries out the
// result.
func (s *step) decide(called []due, all map[string]*appscaling.Policy) error {
	now := s.situation()
	var proposals []scaling.Proposal
	acting := make(map[string]due)
	for _, d := range called {
		if p, ok := d.policy.Propose(now, s.running, d.Observation(d.alarm), s.pace); ok {
			proposals = append(proposals, p)
			acting[d.Action] = d
		}
	}
	if len(proposals) == 0 {
		return nil
	}
	for _, p := range inOrder(all) {
		if _, called := acting[p.ARN()]; called {
			continue
		}
		if kept, ok := p.Kept(now, s.running, s.lowAlarm(p), s.pace); ok {
			proposals = append(proposals, kept)
		}
	}
	var err error
	now.ProjectedLevel = func(capacity int) (high bool) {
		high, err = s.flaps(capacity, called, all)
		return high
	}
	decision := scaling.Decide(now, proposals)
	if err == nil {
		s.follows(decision, now, acting, called[0])
	}
	return err
}

// inOrder returns policies in the order of their ARNs, so that the decision between equal proposals, and a simulation,
// do not depend on the order of a map.
func inOrder(all map[string]*appscaling.Policy) (sorted []*appscaling.Policy) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[key])
	}
	return sorted
}

// situation returns everything that a decision depends on besides the proposals.
func (s *step) situation() scaling.Situation {
	return scaling.Situation{
		Now: s.m.Now, Current: s.service.DesiredCount, Bounds: s.target.Bounds, Last: s.progress.Last,
		NoOut: s.target.Suspended.Out, NoIn: s.target.Suspended.In,
		Deploying: s.tx.Progress(s.service.ServiceARN).Deploying(),
	}
}

// flaps reports whether a smaller capacity would put the metric of a policy above its target, so that it would scale
// out again (ecs.md 6.7). For a policy that was not called and never scales in, flaps reads the metric, because such a
// policy makes no proposal.
func (s *step) flaps(capacity int, called []due, all map[string]*appscaling.Policy) (bool, error) {
	seen := make(map[string]bool)
	for _, d := range called {
		seen[d.Action] = true
		if metric, known := d.Observation(d.alarm).Latest(); s.high(d.policy, metric, known, capacity) {
			return true, nil
		}
	}
	for _, p := range inOrder(all) {
		if p.Tracking == nil || seen[p.ARN()] || !p.Tracking.DisableScaleIn {
			continue
		}
		high, exists := s.tx.Alarms.Get(p.AlarmARNs()[0])
		if !exists {
			continue // a user has deleted it
		}
		last, _ := high.Last(s.m.Now, s.tx.PaceOf(high, s.server))
		points, err := compare.Read(s.points, high, last)
		if err != nil {
			return false, fmt.Errorf("policy %q: %w", p.Name, err)
		}
		newest := scaling.Observation{}
		for _, point := range high.Condition.Considered(points) {
			newest.Recent = append(newest.Recent, point.Value)
		}
		if metric, known := newest.Latest(); s.high(p, metric, known, capacity) {
			return true, nil
		}
	}
	return false, nil
}

func (s *step) high(p *appscaling.Policy, metric float64, known bool, capacity int) bool {
	return p.Tracking != nil && known && p.Tracking.Flaps(s.running, metric)(capacity)
}

// lowAlarm returns the last observation of a policy's low alarm, or nil if the alarm is not in the state ALARM.
func (s *step) lowAlarm(p *appscaling.Policy) *scaling.Observation {
	arns := p.AlarmARNs()
	if len(arns) < 2 {
		return nil
	}
	return s.tx.InAlarm(arns[1])
}

// follows carries out a decision, or notes why nothing was changed.
func (s *step) follows(d scaling.Decision, now scaling.Situation, acting map[string]due, first due) {
	by, ok := acting[d.Policy]
	if !ok {
		by = first // the proposal is from a policy that was not called; name one that was called
	}
	cause := appscaling.ByAlarm(by.alarm.Name, by.To, by.policy.Name)
	s.progress.Hold(d.Reason, s.m.Now)
	if d.To != now.Current {
		s.progress.Last = d.Last
		s.set(d.To, cause)
		return
	}
	a := appscaling.NotScaling(d.Reason, now, cause, s.m.Now)
	last, _ := s.tx.ScalingActivities.Last(s.target.Key())
	if a == nil || a.Repeats(last) {
		return
	}
	s.add(a)
	if d.Reason == scaling.AlreadyAtMax {
		s.tx.AddServiceEvent(s.service.ServiceARN, fmt.Sprintf("(service %s) was not scaled out: its maximum capacity "+
			"is %d. Cause: %s", s.service.ServiceName, now.Bounds.Max, cause), s.m.Now)
	}
}
