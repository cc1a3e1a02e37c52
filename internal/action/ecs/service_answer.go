package ecs

import (
	"cmp"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// answerService gives a service as the API has it, with its counts and its newest events.
func answerService(t *state.Tables, s *ecs.Service, tags bool) shape.Service {
	progress := t.Progress(s.ServiceARN)
	current := progress.Current()
	plain := *s
	plain.Tags, plain.DeploymentController = nil, "" // these have other shapes, and are set below
	plain.DeploymentConfiguration = ecs.DeploymentConfiguration{}
	out := reshape.Out[shape.Service](&plain)
	out.TaskDefinition = &current.TaskDefinition
	out.LoadBalancers = reshape.Out[[]shape.LoadBalancer](current.LoadBalancers)
	if n := current.NetworkConfiguration; n != nil {
		out.NetworkConfiguration = new(reshape.Out[shape.NetworkConfiguration](n))
	}
	out.DeploymentController = &shape.DeploymentController{Type: s.DeploymentController}
	out.DesiredCount, out.EnableECSManagedTags, out.EnableExecuteCommand = new(
		int32(progress.DesiredCount(s))), &s.EnableECSManagedTags, &s.EnableExecuteCommand
	out.CapacityProviderStrategy = answerStrategy(s.CapacityProviderStrategy)
	out.DeploymentConfiguration = answerDeploymentConfiguration(s.DeploymentConfiguration)

	sums := t.TasksOfService(s.ServiceARN)
	running, pending := sums.RunningAndPending(nil)
	out.RunningCount, out.PendingCount = new(int32(running)), new(int32(pending))
	out.CurrentServiceDeployment = request.Optional(progress.ServiceDeploymentARN)
	out.Deployments = make([]shape.Deployment, 0, len(progress.Deployments))
	for _, d := range progress.Deployments {
		if s.Status == ecs.ServiceInactive {
			break
		}
		running, pending := sums.RunningAndPending(func(c ecs.TaskCount) bool { return c.Label == d.ID })
		shown := answerDeployment(s, d, running, pending)
		out.Deployments = append(out.Deployments, shown)
		out.CurrentServiceRevisions = append(out.CurrentServiceRevisions, shape.ServiceCurrentRevisionSummary{
			Arn: &d.Revision.ServiceRevisionARN, RequestedTaskCount: shown.DesiredCount,
			RunningTaskCount: shown.RunningCount, PendingTaskCount: shown.PendingCount,
		})
	}
	out.Events = answerEvents(t, s)
	if tags {
		out.Tags = answerTags(s.Tags)
	}
	return out
}

func answerDeploymentConfiguration(c ecs.DeploymentConfiguration) *shape.DeploymentConfiguration {
	b := c.Breaker()
	out := &shape.DeploymentConfiguration{
		MinimumHealthyPercent: new(int32(c.MinimumHealthyPercent)), MaximumPercent: new(int32(c.MaximumPercent)),
		Strategy: cmp.Or(c.Strategy, shape.DeploymentStrategyRolling),
		DeploymentCircuitBreaker: &shape.DeploymentCircuitBreaker{
			Enable: &b.Enable, Rollback: &b.Rollback, ResetOnHealthyTask: b.ResetOnHealthyTask,
		},
	}
	if t := b.ThresholdConfiguration; t != nil {
		out.DeploymentCircuitBreaker.ThresholdConfiguration = &shape.ThresholdConfiguration{
			Type: t.Type, Value: new(int32(t.Value)),
		}
	}
	if a := c.Alarms; a != nil {
		out.Alarms = &shape.DeploymentAlarms{AlarmNames: a.AlarmNames, Enable: &a.Enable, Rollback: &a.Rollback}
	}
	return out
}

func answerDeployment(s *ecs.Service, d ecs.Deployment, running, pending int) shape.Deployment {
	switch { // what was asked for a moment ago holds although control/service has not taken it up
	case s.Status == ecs.ServiceDraining:
		d.DesiredCount = 0
	case d.Status == ecs.DeploymentPrimary && s.SchedulingStrategy == ecs.Replica:
		d.DesiredCount = s.DesiredCount
	}
	out := reshape.Out[shape.Deployment](&d)
	out.TaskDefinition, out.LaunchType = &d.Revision.TaskDefinition, s.LaunchType
	out.CapacityProviderStrategy = answerStrategy(s.CapacityProviderStrategy)
	if n := d.Revision.NetworkConfiguration; n != nil {
		out.NetworkConfiguration = new(reshape.Out[shape.NetworkConfiguration](n))
	}
	out.RunningCount, out.PendingCount = new(int32(running)), new(int32(pending))
	out.DesiredCount, out.FailedTasks = new(int32(d.DesiredCount)), new(int32(d.FailedTasks))
	return out
}

// answerEvents has the newest first.
func answerEvents(t *state.Tables, s *ecs.Service) []shape.ServiceEvent {
	var out []shape.ServiceEvent
	for e := range t.ServiceEvents.By(state.ServiceEventsByService, s.ServiceARN) {
		out = append(out, shape.ServiceEvent{Id: &e.ID, CreatedAt: &e.CreatedAt, Message: &e.Message})
	}
	slices.Reverse(out)
	return out[:min(len(out), ecs.KeptEvents)]
}
