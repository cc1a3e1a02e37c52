package target

import (
	"fmt"
	"slices"

	"github.com/berthhq/berth/internal/elb"
)

// full returns why a target group can take no more targets, including those that are planned; "" if
// it can (alb.md 8.6).
func (s *step) full(group string, planned []*elb.Target) string {
	registered := func(group string) int {
		n := s.tx.RegisteredTargets(group)
		for _, t := range planned {
			if t.TargetGroupARN == group {
				n++
			}
		}
		return n
	}
	if registered(group) >= elb.MaxTargetsPerGroup {
		return fmt.Sprintf("A target group can have at most '%d' targets", elb.MaxTargetsPerGroup)
	}
	for _, lb := range s.tx.LoadBalancersOf(group) {
		n := 0
		for _, g := range s.tx.TargetGroupsOf(lb) {
			n += registered(g)
		}
		if n >= elb.MaxTargetsPerLB {
			return fmt.Sprintf("A load balancer can have at most '%d' targets in all its target groups: '%s'",
				elb.MaxTargetsPerLB, lb)
		}
	}
	return ""
}

// place registers all targets or none. If a group or load balancer is full, it returns that group
// and why.
func (s *step) place(targets []*elb.Target) (group, why string) {
	isNew := func(t *elb.Target) bool {
		old, ok := s.tx.Targets.Get(t.Key())
		return !ok || old.IsDraining()
	}
	targets = slices.DeleteFunc(slices.Clone(targets), func(t *elb.Target) bool { return !isNew(t) })
	for i, t := range targets {
		if why := s.full(t.TargetGroupARN, targets[:i]); why != "" {
			return t.TargetGroupARN, why
		}
	}
	for _, t := range targets {
		s.tx.Targets.Put(t)
	}
	return "", ""
}

// refuse adds the event for a failed registration.
func (s *step) refuse(group, why string) {
	s.complain(fmt.Sprintf("(service %s) failed to register targets in (target-group %s) with (error %s)",
		s.name(), group, why))
}
