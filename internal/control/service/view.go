package service

import (
	"cmp"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// view shows a service to the rollout brain. changes is when time alone makes it another view; zero is never.
func (c *Controller) view(t *state.Tables, svc *ecs.Service, now time.Time) (v rollout.View, changes time.Time) {
	v = rollout.View{
		Service: rollout.Service{
			Name: svc.ServiceName, Strategy: svc.SchedulingStrategy, Deleting: svc.Status == ecs.ServiceDraining, Desired: svc.DesiredCount,
			MinimumHealthyPercent: svc.DeploymentConfiguration.MinimumHealthyPercent, MaximumPercent: svc.DeploymentConfiguration.MaximumPercent,
			Unplaced: svc.Unplaced, SteadyAt: svc.SteadyAt, Rebalancing: svc.Rebalancing,
		},
		HealthyAfter: c.config.HealthyAfter, RetryBase: c.config.RetryBase, StableAfter: c.config.StableAfter,
	}
	if g := svc.HealthCheckGracePeriodSeconds; g != nil {
		v.Service.GracePeriod = time.Duration(*g) * time.Second
	}
	if b := svc.DeploymentConfiguration.DeploymentCircuitBreaker; b != nil {
		v.Service.Breaker = breakerView(*b)
	}
	for _, d := range svc.Deployments {
		v.Deployments = append(v.Deployments, deploymentView(t, d))
	}
	for task := range t.Tasks.By(state.ByService, svc.ServiceARN) {
		if task.LastStatus != ecs.Stopped || !task.Counted {
			v.Tasks = append(v.Tasks, taskView(t, task))
		}
	}
	if svc.SchedulingStrategy == ecs.Daemon {
		v.Instances = instanceViews(t, svc)
	}
	rankForStop(t, svc, &v, now)
	v.Service.Imbalanced, changes = imbalanced(t, svc, now)
	return v, changes
}

func breakerView(b ecs.CircuitBreaker) rollout.Breaker {
	out := rollout.Breaker{Enable: b.Enable, Rollback: b.Rollback, Keep: b.ResetOnHealthyTask != nil && !*b.ResetOnHealthyTask}
	if t := b.ThresholdConfiguration; t != nil {
		out.Type, out.Value = t.Type, t.Value
	}
	return out
}

func deploymentView(t *state.Tables, d ecs.Deployment) rollout.Deployment {
	out := rollout.Deployment{
		ID: d.ID, Revision: d.TaskDefinition, Status: d.Status, Desired: d.DesiredCount, RolloutState: d.RolloutState, StateReason: d.RolloutStateReason,
		CreatedAt: d.CreatedAt, CompletedAt: d.CompletedAt, FailedTasks: d.FailedTasks, Attempts: d.Attempts, LastFailure: d.LastFailure, RetryAt: d.RetryAt,
		Targets: len(d.LoadBalancers),
	}
	if def, ok := t.TaskDefinitions.Get(d.TaskDefinition); ok {
		out.ContainerChecks = def.HasHealthCheck()
	}
	return out
}

func taskView(t *state.Tables, task *ecs.Task) rollout.Task {
	out := rollout.Task{
		ID: task.TaskARN, DeploymentID: task.StartedBy, Status: string(task.LastStatus), Desired: string(task.DesiredStatus), Health: task.HealthStatus,
		CreatedAt: task.CreatedAt, StartedAt: task.StartedAt, EndedAt: task.EndedAt(), StopCode: task.StopCode,
		InstanceID: task.ContainerInstanceARN, ProtectedUntil: task.ProtectedUntil,
		WasHealthy: task.WasHealthy, Counted: task.Counted,
	}
	if !out.EndedAt.IsZero() {
		out.StopReason = task.StoppedReason + task.ExitCodes()
	}
	if ci, ok := t.ContainerInstances.Get(task.ContainerInstanceARN); ok {
		out.Draining = ci.Status == ecs.InstanceDraining
	}
	for _, tt := range task.Targets {
		out.Targets = append(out.Targets, targetView(t, tt))
	}
	return out
}

func targetView(t *state.Tables, tt ecs.TaskTarget) rollout.Target {
	out := rollout.Target{GroupARN: tt.TargetGroupARN, Port: tt.Port}
	key := elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)
	target, ok := t.Targets.Get(key)
	if !ok {
		return out
	}
	seen, _ := t.TargetHealth.Get(key)
	used := false
	for range t.Rules.By(state.ByTargetGroup, tt.TargetGroupARN) {
		used = true
		break
	}
	h := elb.HealthOf(target, seen, used)
	out.State, out.Reason = h.State, cmp.Or(h.Description, h.Reason)
	return out
}

// instanceViews shows a daemon service the instances of its cluster.
func instanceViews(t *state.Tables, svc *ecs.Service) []rollout.Instance {
	eligible := make(map[string]bool)
	if spec, ok := launch.OfService(t, svc, svc.Primary()); ok {
		if req, err := spec.Request(1); err == nil {
			for _, a := range sched.Eligible(launch.World(t, svc.ClusterARN), req) {
				eligible[a] = true
			}
		}
	}
	var out []rollout.Instance
	for ci := range t.ContainerInstances.By(state.ByCluster, svc.ClusterARN) {
		if !ci.Present() {
			continue
		}
		in := rollout.Instance{ID: ci.ContainerInstanceARN, Eligible: eligible[ci.ContainerInstanceARN], Draining: ci.Status == ecs.InstanceDraining}
		for task := range t.Tasks.By(state.ByInstance, ci.ContainerInstanceARN) {
			if task.LastStatus != ecs.Stopped && !ofDaemon(t, task) {
				in.OtherTasks++
			}
		}
		out = append(out, in)
	}
	return out
}

func ofDaemon(t *state.Tables, task *ecs.Task) bool {
	s, ok := t.Services.Get(task.ServiceARN)
	return ok && s.SchedulingStrategy == ecs.Daemon
}
