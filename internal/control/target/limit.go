package target

import (
	"fmt"
	"slices"

	"github.com/berthhq/berth/internal/elb"
)

// full says why a target group can take no more targets, "" if it can (alb.md 8.6).
func (s *step) full(group string) string {
	if s.registered(group) >= elb.MaxTargetsPerGroup {
		return fmt.Sprintf("A target group can have at most '%d' targets", elb.MaxTargetsPerGroup)
	}
	for _, lb := range s.tx.LoadBalancersOf(group) {
		n := 0
		for _, g := range s.tx.TargetGroupsOf(lb) {
			n += s.registered(g)
		}
		if n >= elb.MaxTargetsPerLB {
			return fmt.Sprintf("A load balancer can have at most '%d' targets in all its target groups: '%s'", elb.MaxTargetsPerLB, lb)
		}
	}
	return ""
}

// registered counts a group's targets once for the whole step; place keeps the count.
func (s *step) registered(group string) int {
	n, ok := s.counts[group]
	if !ok {
		n = s.tx.RegisteredTargets(group)
		if s.counts == nil {
			s.counts = make(map[string]int)
		}
		s.counts[group] = n
	}
	return n
}

// place registers targets, all of them or none; why not, if a group or a load balancer is full.
func (s *step) place(targets []*elb.Target) (group, why string) {
	isNew := func(t *elb.Target) bool {
		old, ok := s.tx.Targets.Get(t.Key())
		return !ok || old.IsDraining()
	}
	targets = slices.DeleteFunc(slices.Clone(targets), func(t *elb.Target) bool { return !isNew(t) })
	for i, t := range targets {
		if why := s.full(t.TargetGroupARN); why != "" {
			for _, back := range targets[:i] {
				s.counts[back.TargetGroupARN]--
			}
			return t.TargetGroupARN, why
		}
		s.counts[t.TargetGroupARN]++
	}
	for _, t := range targets {
		s.tx.Targets.Put(t)
	}
	return "", ""
}

// refuse says that a registration failed.
func (s *step) refuse(group, why string) {
	s.complain(fmt.Sprintf("(service %s) failed to register targets in (target-group %s) with (error %s)", s.name(), group, why))
}
