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
	plain := *s
	// These have other shapes on the wire, and are set below.
	plain.Tags, plain.Deployments, plain.DeploymentController = nil, nil, ""
	out := reshape.Out[shape.Service](plain)
	out.DeploymentController = &shape.DeploymentController{Type: s.DeploymentController}
	out.DesiredCount, out.EnableECSManagedTags, out.EnableExecuteCommand = new(int32(s.DesiredCount)), &s.EnableECSManagedTags, &s.EnableExecuteCommand
	out.LoadBalancers, out.ServiceRegistries = orEmpty(out.LoadBalancers), []shape.ServiceRegistry{}
	out.PlacementConstraints, out.PlacementStrategy = orEmpty(out.PlacementConstraints), orEmpty(out.PlacementStrategy)
	answerDeploymentConfiguration(&out, s)

	running, pending := make(map[string]int32), make(map[string]int32)
	var allRunning, allPending int32
	for task := range t.Tasks.By(state.ByService, s.ServiceARN) {
		switch r, p := counted(task); {
		case r:
			running[task.StartedBy]++
			allRunning++
		case p:
			pending[task.StartedBy]++
			allPending++
		}
	}
	out.RunningCount, out.PendingCount = &allRunning, &allPending
	out.Deployments = []shape.Deployment{}
	for _, d := range s.Deployments {
		out.Deployments = append(out.Deployments, answerDeployment(d, running[d.ID], pending[d.ID]))
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

func answerDeployment(d ecs.Deployment, running, pending int32) shape.Deployment {
	out := reshape.Out[shape.Deployment](d)
	out.RunningCount, out.PendingCount = &running, &pending
	out.DesiredCount, out.FailedTasks = new(int32(d.DesiredCount)), new(int32(d.FailedTasks))
	return out
}

// answerEvents has the newest first.
func answerEvents(t *state.Tables, s *ecs.Service) []shape.ServiceEvent {
	out := []shape.ServiceEvent{}
	for e := range t.ServiceEvents.By(state.ByService, s.ServiceARN) {
		out = append(out, reshape.Out[shape.ServiceEvent](e))
	}
	slices.Reverse(out)
	return out[:min(len(out), ecs.KeptEvents)]
}
