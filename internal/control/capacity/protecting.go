package capacity

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// protecting is managed termination protection (ecs.md 4.9): instances with tasks are protected from a scale-in of
// their group, and those that have none except for daemon tasks are not. It is a control.Planner whose keys are the
// ARNs of EC2 instances.
type protecting struct{ pace scaling.Pace }

// Keys implements control.Planner. It returns an instance when a task comes or goes, when it comes into service, and
// when its container instance or its protection changes; and the instances of a group when a capacity provider begins
// to protect them.
func (p protecting) Keys(c state.Change, s *state.Snapshot) (keys []string) {
	switch c := c.(type) {
	case state.Changed[ecs.Task]:
		if c.Old == nil || c.New == nil || c.Old.ContainerInstanceARN != c.New.ContainerInstanceARN ||
			(c.Old.LastStatus == ecs.Stopped) != (c.New.LastStatus == ecs.Stopped) {
			if ci, ok := s.ContainerInstances.Get(c.Last().ContainerInstanceARN); ok {
				return p.machine(s, ci)
			}
		}
	case state.Changed[ecs.ContainerInstance]:
		if c.New != nil && (c.Old == nil || c.Old.Status != c.New.Status ||
			c.Old.CapacityProviderName != c.New.CapacityProviderName) {
			return p.machine(s, c.New)
		}
	case state.Changed[fleet.Instance]:
		if i := c.New; i != nil && i.Scaling.Lifecycle == fleet.LifecycleInService && (c.Old == nil ||
			c.Old.Scaling.Lifecycle != i.Scaling.Lifecycle || c.Old.Scaling.Protected != i.Scaling.Protected) {
			return []string{c.Key}
		}
	case state.Changed[ecs.CapacityProvider]:
		if n := c.New; n != nil && n.ProtectsTasks() && (c.Old == nil || !c.Old.ProtectsTasks()) {
			return p.members(s, n)
		}
	case state.Changed[ecs.Cluster]:
		if c.New == nil || c.Old != nil && slices.Equal(c.Old.CapacityProviders, c.New.CapacityProviders) {
			return nil
		}
		for _, name := range c.New.CapacityProviders {
			if n, ok := provider.Named(&s.Tables, c.New, name); ok && n.ProtectsTasks() {
				keys = append(keys, p.members(s, n)...)
			}
		}
	}
	return keys
}

// machine returns the EC2 instance of a container instance that belongs to a capacity provider.
func (protecting) machine(s *state.Snapshot, ci *ecs.ContainerInstance) []string {
	if ci.CapacityProviderName == "" {
		return nil
	}
	if i, ok := provider.EC2Instance(&s.Tables, ci.ContainerInstanceARN, ci.EC2InstanceID); ok {
		return []string{i.ARN()}
	}
	return nil
}

// members returns the instances of a capacity provider.
func (protecting) members(s *state.Snapshot, p *ecs.CapacityProvider) (keys []string) {
	if g, ok := provider.Group(&s.Tables, p); ok {
		for i := range s.Instances.By(state.InstancesByAutoScalingGroup, g.Key()) {
			keys = append(keys, i.ARN())
		}
	}
	return keys
}

// All implements control.Planner.
func (p protecting) All(s *state.Snapshot) (keys []string) {
	for c := range s.CapacityProviders.All() {
		if c.ProtectsTasks() {
			keys = append(keys, p.members(s, c)...)
		}
	}
	return keys
}

// Step implements control.Planner. An instance that has not registered stays as it is while it counts as capacity to
// come.
func (p protecting) Step(tx *state.Tx, key string, m control.Moment) (time.Duration, error) {
	i, ok := tx.Instances.Get(key)
	if !ok || i.Scaling.Lifecycle != fleet.LifecycleInService {
		return 0, nil
	}
	g, c, ok := p.protects(&tx.Tables, i)
	if !ok {
		return 0, nil
	}
	ci := registered(&tx.Tables, c, i)
	if ci == nil {
		comes := i.Scaling.InServiceAt.Add(scaling.PaceFrom(g.Tags, p.pace).Of(registrationTime))
		if wait := comes.Sub(m.Now); wait > 0 {
			return wait, nil
		}
	}
	if protect := ci != nil && tx.OtherTasks(ci.ContainerInstanceARN) > 0; protect != i.Scaling.Protected {
		n := i.Clone()
		n.Scaling.Protected = protect
		tx.Instances.Put(n)
	}
	return 0, nil
}

// protects returns the group of an instance and the cluster whose tasks protect it. ok is false if ECS does not protect
// the instances of the group.
func (protecting) protects(t *state.Tables, i *fleet.Instance) (
	g *fleet.AutoScalingGroup, c *ecs.Cluster, ok bool,
) {
	g, ok = t.AutoScalingGroups.Get(i.GroupKey())
	if !ok {
		return nil, nil, false
	}
	for p := range t.CapacityProviders.By(state.CapacityProvidersByGroup, g.ARN()) {
		if c, ok = provider.Cluster(t, p); ok && p.ProtectsTasks() {
			return g, c, true
		}
	}
	return nil, nil, false
}
