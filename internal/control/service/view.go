package service

import (
	"iter"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// view returns the input of package rollout for a service.
func (c *Controller) view(t *state.Tables, svc *ecs.Service, now time.Time) rollout.View {
	v := rollout.View{
		Service: svc, Progress: t.Progress(svc.ServiceARN),
		Cluster: &cluster{t, svc, now, c.worlds}, Tasks: tasks{t, svc.ServiceARN},
		HealthyAfter: c.config.HealthyAfter, RetryBase: c.config.RetryBase, StableAfter: c.config.StableAfter,
		MostStops: StopsPerStep,
	}
	if latest := t.LatestDeployment(svc.ServiceARN); latest != nil {
		v.RollbackRequested = latest.Status == ecs.ServiceDeploymentRollbackRequested
		// A deployment that was completed once, and was set back to in progress, has no other to return to.
		first := v.Progress.Primary() != nil && v.Progress.Primary().CompletedAt.IsZero()
		if latest.Status == ecs.ServiceDeploymentInProgress && !latest.AlarmsIgnored && first {
			v.Firing, v.BakeTime = t.DeploymentAlarms(svc)
		}
	}
	for _, d := range v.Progress.Deployments {
		v.Deployments = append(v.Deployments, deployment(t, d))
	}
	return v
}

func deployment(t *state.Tables, d ecs.Deployment) rollout.Deployment {
	out := rollout.Deployment{Deployment: d}
	if def, ok := t.TaskDefinitions.Get(d.Revision.TaskDefinition); ok {
		out.ContainerChecks = def.HasHealthCheck()
		if r := launch.MissingRole(t, arn.Account(def.TaskDefinitionARN), def, ecs.Overrides{}); r != "" {
			out.CannotLaunch = launch.CannotAssume(r)
		}
	}
	return out
}

// tasks implements rollout.Tasks.
type tasks struct {
	t       *state.Tables
	service string // ARN
}

func (t tasks) Sums() *ecs.TaskSums { return t.t.TasksOfService(t.service) }

func (t tasks) Present() iter.Seq[*ecs.Task] {
	return t.t.Tasks.By(state.TasksByServicePresent, t.service)
}

func (t tasks) Uncounted() iter.Seq[*ecs.Task] {
	return t.t.Tasks.By(state.TasksByServiceUncounted, t.service)
}

func (t tasks) Unproven() iter.Seq[*ecs.Task] {
	return t.t.Tasks.By(state.TasksByServiceUnproven, t.service)
}

// cluster implements rollout.Cluster from the tables.
type cluster struct {
	t      *state.Tables
	svc    *ecs.Service
	now    time.Time
	worlds *worlds
}

func (c *cluster) TargetHealth(tt ecs.TaskTarget) elb.Health {
	key := elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)
	target, ok := c.t.Targets.Get(key)
	if !ok {
		return elb.Health{}
	}
	seen, _ := c.t.TargetHealth.Get(key)
	used := false
	for range c.t.Rules.By(state.RulesByTargetGroup, tt.TargetGroupARN) {
		used = true
		break
	}
	return elb.HealthOf(target, seen, used)
}

func (c *cluster) Draining() map[string]bool {
	ours := func(n ecs.TaskCount) bool { return n.Live() && n.Label == launch.GroupOf(c.svc) }
	draining := make(map[string]bool)
	for ci := range c.t.ContainerInstances.By(state.ContainerInstancesDraining, c.svc.ClusterARN) {
		if c.t.TasksOnInstance(ci.ContainerInstanceARN).Count(ours) > 0 {
			draining[ci.ContainerInstanceARN] = true
		}
	}
	return draining
}

// spec returns what a task of the primary deployment needs; ok is false if no task can be made.
func (c *cluster) spec() (req sched.Request, ok bool) {
	spec, ok := launch.OfService(c.t, c.svc, c.t.Progress(c.svc.ServiceARN).Primary())
	if !ok {
		return req, false
	}
	if len(spec.Strategy) == 1 {
		spec.Provider = spec.Strategy[0].CapacityProvider
	}
	req, err := spec.Request(1)
	return req, err == nil
}

func (c *cluster) Places() []rollout.Place {
	eligible := make(map[string]bool)
	if req, ok := c.spec(); ok {
		for _, a := range sched.Eligible(c.worlds.of(c.t, c.svc.ClusterARN), req) {
			eligible[a] = true
		}
	}
	var out []rollout.Place
	for ci := range c.t.ContainerInstances.By(state.ContainerInstancesByCluster, c.svc.ClusterARN) {
		if !ci.Present() {
			continue
		}
		p := rollout.Place{
			ContainerInstanceARN: ci.ContainerInstanceARN, Eligible: eligible[ci.ContainerInstanceARN],
			Draining: ci.Status == ecs.InstanceDraining,
		}
		if p.Draining {
			p.OtherTasks = c.t.OtherTasks(ci.ContainerInstanceARN)
		}
		out = append(out, p)
	}
	return out
}
