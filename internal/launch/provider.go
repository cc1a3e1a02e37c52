package launch

import (
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// Part is a number of tasks that run on the instances of one capacity provider, or on any instance.
type Part struct {
	Spec  Spec
	Count int
}

// Parts divides count tasks by the capacity provider strategy. have are the tasks that the strategy has divided before,
// by capacity provider. Without a strategy there is one part.
func (s *Spec) Parts(have map[string]int, count int) []Part {
	if len(s.Strategy) == 0 {
		return []Part{{*s, count}}
	}
	var parts []Part
	for k, n := range sched.Divide(Shares(s.Strategy), have, count) {
		if n > 0 {
			p := Part{*s, n}
			p.Spec.Provider = s.Strategy[k].CapacityProvider
			parts = append(parts, p)
		}
	}
	return parts
}

// Shares returns a capacity provider strategy as the scheduler has it.
func Shares(items []ecs.StrategyItem) []sched.Share {
	shares := make([]sched.Share, len(items))
	for k, i := range items {
		shares[k] = sched.Share{Provider: i.CapacityProvider, Base: i.Base, Weight: i.Weight}
	}
	return shares
}

// Waits reports whether tasks that find no room wait for the capacity provider to get it: ECS scales its group (ecs.md
// 4.11).
func (s *Spec) Waits(t *state.Tables) bool {
	if s.Provider == "" {
		return false
	}
	p, ok := provider.Named(t, s.Cluster, s.Provider)
	return ok && p.ScalesGroup()
}

// ProvisioningRoom returns how many more tasks of a cluster may wait for capacity (ecs.md 4.11).
func ProvisioningRoom(t *state.Tables, clusterARN string) int {
	waits := func(c ecs.TaskCount) bool { return c.LastStatus == ecs.Provisioning }
	return max(0, ecs.MaxProvisioning-t.TasksOfCluster(clusterARN).Count(waits))
}

// WaitingTask returns a task that waits for its capacity provider.
func (s *Spec) WaitingTask(ids IDs, now time.Time) (*ecs.Task, error) {
	a, err := arn.Parse(s.Cluster.ClusterARN)
	if err != nil {
		return nil, err
	}
	task := s.unplaced(a, ids, now)
	task.LastStatus = ecs.Provisioning
	task.Waiting = &ecs.Placement{Constraints: s.Constraints, Strategies: s.Strategies, DefaultSpread: s.DefaultSpread,
		NetworkConfiguration: s.NetworkConfiguration}
	return task, nil
}

// OfWaiting returns the Spec of a task that waits for its capacity provider. ok is false when its task definition or
// its cluster does not exist any more.
func OfWaiting(t *state.Tables, task *ecs.Task) (spec Spec, ok bool) {
	def, ok := t.TaskDefinitions.Get(task.TaskDefinitionARN)
	if !ok || task.Waiting == nil {
		return spec, false
	}
	c, ok := t.Clusters.Get(task.ClusterARN)
	if !ok {
		return spec, false
	}
	w := task.Waiting
	return Spec{
		Cluster: c, Definition: def, Overrides: task.Overrides, Group: task.Group, LaunchType: task.LaunchType,
		LoadBalancers: task.LoadBalancers, NetworkConfiguration: w.NetworkConfiguration, Constraints: w.Constraints,
		Strategies: w.Strategies, DefaultSpread: w.DefaultSpread, Provider: task.CapacityProviderName,
	}, true
}

// Place returns a task that has waited, as it is on the container instance that was found for it. In awsvpc mode it
// takes an address, as Task does.
func (s *Spec) Place(tx *state.Tx, task *ecs.Task, ci *ecs.ContainerInstance) (*ecs.Task, error) {
	a, err := arn.Parse(s.Cluster.ClusterARN)
	if err != nil {
		return nil, err
	}
	n := *task
	n.Containers = append([]ecs.Container(nil), task.Containers...)
	if err := s.put(tx, a, &n, ci); err != nil {
		return nil, err
	}
	n.Waiting, n.LastStatus = nil, ecs.Pending
	n.Version++
	return &n, nil
}
