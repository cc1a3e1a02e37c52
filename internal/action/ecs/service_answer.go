package ecs

import (
	"slices"

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
	answerDeploymentConfiguration(&out, s)

	sums := t.TasksOfService(s.ServiceARN)
	running, pending := sums.RunningAndPending(nil)
	out.RunningCount, out.PendingCount = new(int32(running)), new(int32(pending))
	out.Deployments = make([]shape.Deployment, 0, len(progress.Deployments))
	for _, d := range progress.Deployments {
		if s.Status == ecs.ServiceInactive {
			break
		}
		running, pending := sums.RunningAndPending(func(c ecs.TaskCount) bool { return c.Label == d.ID })
		out.Deployments = append(out.Deployments, answerDeployment(s, d, running, pending))
	}
	out.Events = answerEvents(t, s)
	if tags {
		out.Tags = answerTags(s.Tags)
	}
	return out
}

func answerDeploymentConfiguration(out *shape.Service, s *ecs.Service) {
	c := s.DeploymentConfiguration
	out.DeploymentConfiguration.MinimumHealthyPercent = new(int32(c.MinimumHealthyPercent))
	out.DeploymentConfiguration.MaximumPercent = new(int32(c.MaximumPercent))
	if c.DeploymentCircuitBreaker == nil {
		c.DeploymentCircuitBreaker = &ecs.CircuitBreaker{}
	}
	b := reshape.Out[shape.DeploymentCircuitBreaker](c.DeploymentCircuitBreaker)
	b.Enable, b.Rollback = &c.DeploymentCircuitBreaker.Enable, &c.DeploymentCircuitBreaker.Rollback
	out.DeploymentConfiguration.DeploymentCircuitBreaker = &b
	if out.DeploymentConfiguration.Strategy == "" {
		out.DeploymentConfiguration.Strategy = "ROLLING"
	}
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
