package capacity

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// registrationTime is how long an instance in service counts as capacity to come while its agent has not registered it.
// It is the default of instanceWarmupPeriod. After that time it no longer prevents the launch of other instances.
const registrationTime = 300 * time.Second

// situation returns the group of a capacity provider and what its tasks need. ok is false if ECS does not scale the
// group.
func situation(
	t *state.Tables, p *ecs.CapacityProvider, server scaling.Pace, now time.Time,
) (m scaling.Managed, c *ecs.Cluster, g *fleet.AutoScalingGroup, ok bool) {
	c, used := provider.Cluster(t, p)
	g, exists := provider.Group(t, p)
	if !used || !exists || !p.ScalesGroup() {
		return m, nil, nil, false
	}
	pace, s := scaling.PaceFrom(g.Tags, server), p.AutoScalingGroupProvider.ManagedScaling
	m = scaling.Managed{
		Provider: scaling.Provider{Target: float64(s.TargetCapacity), MinStep: s.MinimumScalingStepSize,
			MaxStep: s.MaximumScalingStepSize},
		Desired: g.Desired, Bounds: scaling.Bounds{Min: g.Min, Max: g.Max}, Quiet: pace.Of(scaling.ScaleInAfter),
	}
	if done, ok := t.ManagedScaling.Get(p.CapacityProviderARN); ok {
		m.ScaledOut = done.ScaledOutAt
	}
	m.Smallest, m.Largest = sizes(t, g)
	empty := 0
	warmup := time.Duration(s.InstanceWarmupPeriod) * time.Second
	for i := range t.Instances.By(state.InstancesByAutoScalingGroup, g.Key()) {
		switch {
		case i.Scaling.Lifecycle != fleet.LifecycleInService:
			m.Warming = m.Warming || i.Scaling.Counts()
			continue
		case i.Desired == fleet.Terminated:
			continue
		}
		m.InService++
		ci := registered(t, c, i)
		ready := warmup
		if ci == nil {
			ready = max(warmup, registrationTime)
		}
		m.Warming = m.Warming || now.Before(i.Scaling.InServiceAt.Add(pace.Of(ready)))
		if ci == nil || t.OtherTasks(ci.ContainerInstanceARN) == 0 { // ecs.md 4.4
			empty++
		}
		if ci != nil {
			m.Smallest, m.Largest = atMost(m.Smallest, ci.Registered), atLeast(m.Largest, ci.Registered)
		}
	}
	m.Needed, m.Fits = m.Instances(m.InService, empty, waiting(t, c, p.Name))
	return m, c, g, true
}

// registered returns the container instance of an EC2 instance in a cluster, or nil if there is none.
func registered(t *state.Tables, c *ecs.Cluster, i *fleet.Instance) *ecs.ContainerInstance {
	for ci := range t.ContainerInstances.By(state.ContainerInstancesByEC2Instance, i.ID) {
		if ci.ClusterARN == c.ClusterARN && ci.Present() {
			return ci
		}
	}
	return nil
}

// sizes returns the smallest and the largest resources that an instance launched by the group may have.
func sizes(t *state.Tables, g *fleet.AutoScalingGroup) (smallest, largest scaling.Resources) {
	var name string
	if c, ok := t.LaunchConfigurations.Get(fleet.Key(g.Region, g.Account, g.Launch.Configuration)); ok {
		name = c.Data.InstanceType
	}
	if l, ok := t.LaunchTemplates.Get(fleet.Key(g.Region, g.Account, g.Launch.TemplateID)); ok {
		if r, ok := fleet.ResolveTemplate(l, g.Launch.Version); ok {
			name = r.Data.InstanceType
		}
	}
	kind, ok := fleet.FindInstanceType(name)
	if !ok {
		return smallest, largest
	}
	r := scaling.Resources{CPU: kind.CPU(), Memory: kind.MemoryMiB}
	return r, r
}

// atMost and atLeast limit the resources of an instance type by those of a registered instance, because an agent
// registers less than its machine has.
func atMost(r scaling.Resources, o ecs.Resources) scaling.Resources {
	if r.CPU == 0 {
		return scaling.Resources{CPU: o.CPU, Memory: o.Memory, GPUs: o.GPUs}
	}
	r.CPU, r.Memory, r.GPUs = min(r.CPU, o.CPU), min(r.Memory, o.Memory), min(r.GPUs, o.GPUs)
	return r
}

func atLeast(r scaling.Resources, o ecs.Resources) scaling.Resources {
	if r.CPU == 0 {
		return scaling.Resources{CPU: o.CPU, Memory: o.Memory, GPUs: o.GPUs}
	}
	r.CPU, r.GPUs = max(r.CPU, o.CPU), max(r.GPUs, o.GPUs)
	r.Memory = min(r.Memory, o.Memory) // of one type, every instance offers the same
	return r
}

// waiting returns the tasks that wait for a capacity provider, those with equal needs together (ecs.md 4.3).
func waiting(t *state.Tables, c *ecs.Cluster, name string) []scaling.Group {
	at := make(map[scaling.Group]int)
	var all []scaling.Group
	for task := range t.Tasks.By(state.TasksProvisioning, c.ClusterARN) {
		if task.CapacityProviderName != name {
			continue
		}
		n := task.Need
		key := scaling.Group{Needs: scaling.Resources{CPU: n.CPU, Memory: n.Memory, GPUs: n.GPUs,
			Ports: len(n.PortsTCP) + len(n.PortsUDP)}, Apart: slices.ContainsFunc(task.Waiting.Constraints,
			func(c ecs.PlacementConstraint) bool { return c.Type == "distinctInstance" })}
		k, ok := at[key]
		if !ok {
			k = len(all)
			at[key], all = k, append(all, key)
		}
		all[k].Tasks++
	}
	return all
}
