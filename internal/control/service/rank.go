package service

import (
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/sched"
)

// StopRanks implements rollout.Cluster. The scheduler determines the ranks from the whole cluster (ecs.md 2.7).
func (c *cluster) StopRanks(tasks []rollout.Candidate) []int {
	ranks := make([]int, len(tasks))
	strategies, err := launch.ParseStrategies(c.svc.PlacementStrategy)
	if err != nil {
		return ranks // cannot happen: CreateService refuses such strategies
	}
	at := make(map[string]int, len(tasks))
	list := make([]sched.Task, len(tasks))
	for i, x := range tasks {
		at[x.Task.TaskARN], ranks[i] = i, len(tasks)+1
		list[i] = sched.Task{
			ID: x.Task.TaskARN, InstanceARN: x.Task.ContainerInstanceARN, Provider: x.Task.CapacityProviderName,
			Needs:      sched.Resources{CPU: x.Task.Need.CPU, Memory: x.Task.Need.Memory},
			Deployment: x.Age, Running: x.Task.LastStatus == ecs.Running,
			Healthy: x.Health != rollout.Unhealthy, Protected: x.Protected,
		}
	}
	world := c.worlds.of(c.t, c.svc.ClusterARN)
	shares := launch.Shares(c.svc.CapacityProviderStrategy)
	for i, victim := range sched.ScaleInShares(world, launch.GroupOf(c.svc), list, strategies, shares, len(list), 0) {
		ranks[at[victim.TaskID]] = i + 1
	}
	return ranks
}
