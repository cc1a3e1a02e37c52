package fleet

import (
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
)

// serveTargets keeps the group's instances registered with its target groups while they are in service, and lets one that terminates end once
// the load balancers are done with it. What drains is removed by control/target; here it only goes from the instance's list.
func (s *step) serveTargets() {
	for i, m := range s.members {
		if len(s.g.TargetGroups) == 0 && len(m.Scaling.Targets) == 0 {
			continue
		}
		want := s.wantedTargets(m)
		keys := slices.DeleteFunc(slices.Clone(m.Scaling.Targets), func(key string) bool {
			return !slices.Contains(want, key) && !s.release(key)
		})
		for _, key := range want {
			if s.register(m, key) && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
		ends := m.Scaling.Lifecycle == fleet.LifecycleTerminating && m.Desired != fleet.Terminated && len(keys) == 0
		if !ends && slices.Equal(keys, m.Scaling.Targets) {
			continue
		}
		c := m.Clone()
		c.Scaling.Targets = keys
		if ends {
			c.AskTermination(s.now)
		}
		s.members[i] = c
		s.replace(c)
	}
}

// wantedTargets are the keys of the targets that a member should be.
func (s *step) wantedTargets(m *fleet.Instance) []string {
	var keys []string
	if m.Scaling.Lifecycle != fleet.LifecycleInService {
		return nil
	}
	for _, arn := range s.g.TargetGroups {
		tg, ok := s.tables.TargetGroups.Get(arn)
		if !ok {
			continue
		}
		key := elb.TargetKey(arn, m.ID, tg.Port)
		if slices.Contains(m.Scaling.Targets, key) || !s.g.IsSuspended(fleet.ProcessAddToLB) {
			keys = append(keys, key)
		}
	}
	return keys
}

// register makes sure of a target and reports whether it is there.
func (s *step) register(m *fleet.Instance, key string) bool {
	arn := elb.GroupOfTargetKey(key)
	tg, ok := s.tables.TargetGroups.Get(arn)
	if !ok {
		return false
	}
	if t, ok := s.tables.Targets.Get(key); ok && !t.IsDraining() {
		return true
	}
	s.targets = append(s.targets, &elb.Target{TargetGroupARN: arn, ID: m.ID, Port: tg.Port, Address: m.Address.String(), Zone: m.Zone, Registered: s.now})
	return true
}

// release deregisters a target, or goes on waiting for one that drains, and reports whether it is still there.
func (s *step) release(key string) bool {
	t, ok := s.tables.Targets.Get(key)
	if !ok {
		return false
	}
	if t.IsDraining() {
		if seen, ok := s.tables.TargetHealth.Get(key); ok && seen.Drained && seen.Registered.Equal(t.Registered) {
			return false // nothing is left to wait for
		}
		s.wakeAt(t.DrainUntil)
		return s.now.Before(t.DrainUntil)
	}
	delay := time.Duration(0)
	if tg, ok := s.tables.TargetGroups.Get(t.TargetGroupARN); ok {
		delay = tg.DeregistrationDelay()
	}
	s.targets = append(s.targets, t.Deregister(s.now, delay))
	s.wakeAt(s.now.Add(delay))
	return true
}

func (s *step) wakeAt(t time.Time) {
	if s.wake.IsZero() || t.Before(s.wake) {
		s.wake = t
	}
}

// judgeByTargets marks members unhealthy that a load balancer finds so, where the group listens to load balancers (ecs.md 5.6).
func (s *step) judgeByTargets() {
	if !strings.Contains(s.g.HealthCheckType, "ELB") || s.g.IsSuspended(fleet.ProcessHealthCheck) {
		return
	}
	for i, m := range s.members {
		if m.Scaling.Lifecycle != fleet.LifecycleInService || m.Scaling.Health != fleet.Healthy || !slices.ContainsFunc(m.Scaling.Targets, s.unhealthyTarget) {
			continue
		}
		if ripe := m.Scaling.InServiceAt.Add(time.Duration(s.g.GracePeriod) * time.Second); s.now.Before(ripe) {
			s.wakeAt(ripe)
			continue
		}
		c := m.Clone()
		c.Scaling.Health, c.Scaling.HealthCause = fleet.Unhealthy, fleet.WhyELB
		s.members[i] = c
		s.replace(c)
	}
}

// unhealthyTarget reports whether the edge has found a target unhealthy since it was registered.
func (s *step) unhealthyTarget(key string) bool {
	t, ok := s.tables.Targets.Get(key)
	seen, judged := s.tables.TargetHealth.Get(key)
	return ok && judged && !t.IsDraining() && seen.Registered.Equal(t.Registered) && seen.State == elb.Unhealthy
}
