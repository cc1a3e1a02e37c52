package ecs

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) updateService(ctx context.Context, call *awswire.Call, in *shape.UpdateServiceInput) (*shape.UpdateServiceOutput, error) {
	change, err := parseServiceUpdate(in)
	if err != nil {
		return nil, err
	}
	deploymentID := newDeploymentID()
	var out shape.Service
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := activeService(&tx.Tables, call, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		s := *old
		redeploy, err := change(&tx.Tables, call, &s)
		if err != nil {
			return err
		}
		c, _ := tx.Clusters.Get(s.ClusterARN)
		d, ok := tx.TaskDefinitions.Get(s.TaskDefinition)
		if !ok {
			return client("TaskDefinition not found.")
		}
		if err := checkService(&tx.Tables, c, &s, d); err != nil {
			return err
		}
		if redeploy {
			s.Deployments = supersede(&s, newDeployment(&s, deploymentID, call.Now))
		} else if p := s.Primary(); p != nil && p.DesiredCount != s.DesiredCount {
			s.Deployments = slices.Clone(s.Deployments)
			s.Primary().DesiredCount, s.Primary().UpdatedAt = s.DesiredCount, call.Now
		}
		tx.Services.Put(&s)
		out = answerService(&tx.Tables, &s, true)
		return nil
	})
	return &shape.UpdateServiceOutput{Service: &out}, err
}

// supersede puts a new primary deployment in front; what was primary becomes ACTIVE until its tasks are gone (ecs.md 3.1.4).
func supersede(s *ecs.Service, d ecs.Deployment) []ecs.Deployment {
	out := []ecs.Deployment{d}
	for _, o := range s.Deployments {
		if o.Status == ecs.DeploymentPrimary {
			o.Status, o.UpdatedAt = ecs.DeploymentActive, d.CreatedAt
		}
		out = append(out, o)
	}
	return out
}

// serviceChange applies an update to a copy of the service and reports whether it starts a deployment (ecs.md 3.1.2).
type serviceChange func(t *state.Tables, call *awswire.Call, s *ecs.Service) (redeploy bool, err error)

func parseServiceUpdate(in *shape.UpdateServiceInput) (serviceChange, error) {
	if in.DesiredCount != nil && *in.DesiredCount < 0 {
		return nil, invalid("Invalid desired count %d: it must be 0 or more.", *in.DesiredCount)
	}
	if in.DeploymentController != nil && in.DeploymentController.Type != "" && in.DeploymentController.Type != "ECS" {
		return nil, invalid("The deployment controller %s is not available yet: use ECS.", in.DeploymentController.Type)
	}
	lbs, err := parseLoadBalancers(in.LoadBalancers)
	if err != nil {
		return nil, err
	}
	network, err := parseNetwork(in.NetworkConfiguration)
	if err != nil {
		return nil, err
	}
	grace, err := parseGrace(in.HealthCheckGracePeriodSeconds)
	if err != nil {
		return nil, err
	}
	constraints, err := reshape.In[[]ecs.PlacementConstraint](in.PlacementConstraints)
	if err != nil {
		return nil, invalid("%s", err)
	}
	strategy, err := reshape.In[[]ecs.PlacementStrategy](in.PlacementStrategy)
	if err != nil {
		return nil, invalid("%s", err)
	}
	return func(t *state.Tables, call *awswire.Call, s *ecs.Service) (bool, error) {
		redeploy := deref(in.ForceNewDeployment)
		if deref(in.TaskDefinition) != "" {
			d, err := usableTaskDefinition(t, call, in.TaskDefinition)
			if err != nil {
				return false, err
			}
			redeploy = redeploy || d.TaskDefinitionARN != s.TaskDefinition
			s.TaskDefinition = d.TaskDefinitionARN
		}
		if in.LoadBalancers != nil {
			s.LoadBalancers, redeploy = lbs, true
		}
		if network != nil {
			s.NetworkConfiguration, redeploy = network, true
		}
		if in.DesiredCount != nil {
			if s.SchedulingStrategy == ecs.Daemon {
				return false, invalid("The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again")
			}
			s.DesiredCount = int(*in.DesiredCount)
		}
		if in.PlacementConstraints != nil {
			s.PlacementConstraints = constraints
		}
		if in.PlacementStrategy != nil {
			if s.SchedulingStrategy == ecs.Daemon && len(strategy) > 0 {
				return false, invalid("The daemon scheduling strategy does not support placement strategies.")
			}
			s.PlacementStrategy = strategy
		}
		return redeploy, applyOptions(s, in, grace)
	}, nil
}

func applyOptions(s *ecs.Service, in *shape.UpdateServiceInput, grace *int) error {
	if grace != nil {
		s.HealthCheckGracePeriodSeconds = grace
	}
	if in.PropagateTags != "" {
		s.PropagateTags = in.PropagateTags
	}
	if in.EnableECSManagedTags != nil {
		s.EnableECSManagedTags = *in.EnableECSManagedTags
	}
	if in.EnableExecuteCommand != nil {
		s.EnableExecuteCommand = *in.EnableExecuteCommand
	}
	if in.AvailabilityZoneRebalancing != "" {
		s.AvailabilityZoneRebalancing = in.AvailabilityZoneRebalancing
		if err := checkRebalancing(s); err != nil {
			return err
		}
	}
	return applyDeploymentConfiguration(s, in.DeploymentConfiguration)
}
