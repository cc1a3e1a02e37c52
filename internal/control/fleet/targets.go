package fleet

import (
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
)

// serveTargets keeps the group's instances registered with its target groups while they are in
// service. control/target deletes targets that have drained; this function only removes them from the
// instance's list.
func (s *step) serveTargets() {
	for _, m := range s.members {
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
		if slices.Equal(keys, m.Scaling.Targets) {
			continue
		}
		c := m.Clone()
		c.Scaling.Targets = keys
		s.replace(c)
	}
}

// wantedTargets returns the keys of the targets as which a member should be registered.
func (s *step) wantedTargets(m *fleet.Instance) []string {
	var keys []string
	if m.Scaling.Lifecycle != fleet.LifecycleInService {
		return nil
	}
	for _, arn := range s.g.TargetGroups {
		tg, ok := s.tx.TargetGroups.Get(arn)
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

// register registers a target if necessary, and reports whether it is registered.
func (s *step) register(m *fleet.Instance, key string) bool {
	arn := elb.GroupOfTargetKey(key)
	tg, ok := s.tx.TargetGroups.Get(arn)
	if !ok {
		return false
	}
	if t, ok := s.tx.Targets.Get(key); ok && !t.IsDraining() {
		return true
	}
	s.tx.Targets.Put(&elb.Target{
		TargetGroupARN: arn, ID: m.ID, Port: tg.Port, Address: m.Address.String(), Zone: m.Zone, Registered: s.m.Now,
	})
	return true
}

// release deregisters a target, and reports whether it still exists because it is draining.
func (s *step) release(key string) bool {
	t, ok := s.tx.Targets.Get(key)
	if !ok {
		return false
	}
	if t.IsDraining() {
		if seen, ok := s.tx.TargetHealth.Get(key); ok && seen.Drained && seen.Registered.Equal(t.Registered) {
			return false // nothing is left to wait for
		}
		s.wakeAt(t.DrainUntil)
		return s.m.Now.Before(t.DrainUntil)
	}
	delay := time.Duration(0)
	if tg, ok := s.tx.TargetGroups.Get(t.TargetGroupARN); ok {
		delay = tg.DeregistrationDelay()
	}
	s.tx.Targets.Put(t.Deregister(s.m.Now, delay))
	s.wakeAt(s.m.Now.Add(delay))
	return true
}

func (s *step) wakeAt(t time.Time) {
	if s.wake.IsZero() || t.Before(s.wake) {
		s.wake = t
	}
}

// judgeByTargets marks members as unhealthy whose targets are, in groups that use the health checks
// of load balancers (ecs.md 5.6).
func (s *step) judgeByTargets() {
	if !strings.Contains(s.g.HealthCheckType, "ELB") || s.g.IsSuspended(fleet.ProcessHealthCheck) {
		return
	}
	for _, m := range s.members {
		if m.Scaling.Lifecycle != fleet.LifecycleInService || m.Scaling.Health != fleet.Healthy ||
			!slices.ContainsFunc(m.Scaling.Targets, s.unhealthyTarget) {
			continue
		}
		if ripe := m.Scaling.InServiceAt.Add(time.Duration(s.g.GracePeriod) * time.Second); s.m.Now.Before(ripe) {
			s.wakeAt(ripe)
			continue
		}
		c := m.Clone()
		c.Scaling.Health, c.Scaling.HealthCause = fleet.Unhealthy, fleet.WhyELB
		s.replace(c)
	}
}

// unhealthyTarget reports whether the edge has found a target unhealthy since its registration.
func (s *step) unhealthyTarget(key string) bool {
	t, ok := s.tx.Targets.Get(key)
	seen, judged := s.tx.TargetHealth.Get(key)
	return ok && judged && !t.IsDraining() && seen.Registered.Equal(t.Registered) && seen.State == elb.Unhealthy
}
