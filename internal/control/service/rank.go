package service

import (
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// rankForStop orders the tasks by how gladly they are given up (ecs.md 2.7). It is asked for only when there are more than desired: the
// order costs a look at the whole cluster.
func rankForStop(t *state.Tables, svc *ecs.Service, v *rollout.View, now time.Time) {
	live := 0
	for _, task := range v.Tasks {
		if task.Desired == string(ecs.Running) {
			live++
		}
	}
	if svc.SchedulingStrategy == ecs.Daemon || live <= svc.DesiredCount {
		return
	}
	strategies, err := launch.ParseStrategies(svc.PlacementStrategy)
	if err != nil {
		return // CreateService let none of these in
	}
	age := make(map[string]int)
	for i, d := range svc.Deployments { // newest first
		age[d.ID] = len(svc.Deployments) - i
	}
	byID := make(map[string]*rollout.Deployment)
	for i := range v.Deployments {
		byID[v.Deployments[i].ID] = &v.Deployments[i]
	}
	var tasks []sched.Task
	for i := range v.Tasks {
		task := &v.Tasks[i]
		if task.Desired != string(ecs.Running) {
			continue
		}
		row, _ := t.Tasks.Get(task.ID)
		healthy := true
		if d := byID[task.DeploymentID]; d != nil {
			h, _ := rollout.HealthOf(v, d, task, now)
			healthy = h != rollout.Unhealthy
		}
		tasks = append(tasks, sched.Task{
			ID: task.ID, InstanceARN: task.InstanceID, Needs: sched.Resources{CPU: row.Need.CPU, Memory: row.Need.Memory}, Deployment: age[task.DeploymentID],
			Running: task.Status == string(ecs.Running), Healthy: healthy, Protected: task.ProtectedUntil.After(now),
		})
	}
	rank := make(map[string]int)
	for i, victim := range sched.ScaleIn(launch.World(t, svc.ClusterARN), tasks, strategies, len(tasks), 0) {
		rank[victim.TaskID] = i + 1
	}
	for i := range v.Tasks {
		if v.Tasks[i].StopRank = rank[v.Tasks[i].ID]; v.Tasks[i].StopRank == 0 {
			v.Tasks[i].StopRank = len(v.Tasks) + 1
		}
	}
}
