package ecs

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) updateService(ctx context.Context, call *awswire.Call, in *shape.UpdateServiceInput) (*shape.UpdateServiceOutput, error) {
	u, err := parseServiceUpdate(in)
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
		redeploy, err := u.change(&tx.Tables, call, &s)
		if err != nil {
			return err
		}
		c, _ := tx.Clusters.Get(s.ClusterARN)
		d, ok := tx.TaskDefinitions.Get(s.TaskDefinition)
		if !ok {
			return client("TaskDefinition not found.")
		}
		if err := checkGrace(u.grace, &s, d); err != nil {
			return err
		}
		if err := checkService(&tx.Tables, c, &s, d); err != nil {
			return err
		}
		if redeploy && d.Status != ecs.TaskDefinitionActive {
			return client("TaskDefinition is inactive") // ecs.md 1.4.2
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

// serviceUpdate is an UpdateService with its nested members parsed; what is absent in the input is not changed.
type serviceUpdate struct {
	in            *shape.UpdateServiceInput
	loadBalancers []ecs.LoadBalancer
	network       *ecs.NetworkConfiguration
	constraints   []ecs.PlacementConstraint
	strategies    []ecs.PlacementStrategy
	grace         *int
}

func parseServiceUpdate(in *shape.UpdateServiceInput) (*serviceUpdate, error) {
	u := &serviceUpdate{in: in}
	err := checkController(in.DeploymentController)
	if err != nil {
		return nil, err
	}
	if u.loadBalancers, err = parseLoadBalancers(in.LoadBalancers); err != nil {
		return nil, err
	}
	if u.network, err = parseNetwork(in.NetworkConfiguration); err != nil {
		return nil, err
	}
	if u.constraints, u.strategies, err = parsePlacement(in.PlacementConstraints, in.PlacementStrategy); err != nil {
		return nil, err
	}
	u.grace, err = parseGrace(in.HealthCheckGracePeriodSeconds)
	return u, err
}

// change applies the update to a copy of the service and reports whether it starts a deployment (ecs.md 3.1.2).
func (u *serviceUpdate) change(t *state.Tables, call *awswire.Call, s *ecs.Service) (redeploy bool, err error) {
	before := *s
	if err := u.changeTasks(t, call, s); err != nil {
		return false, err
	}
	if err := u.changeCount(s); err != nil {
		return false, err
	}
	u.changeOptions(s)
	if u.in.AvailabilityZoneRebalancing != "" {
		if err := setRebalancing(s, u.in.AvailabilityZoneRebalancing); err != nil {
			return false, err
		}
	}
	redeploy = deref(u.in.ForceNewDeployment) || s.TaskDefinition != before.TaskDefinition ||
		!slices.Equal(s.LoadBalancers, before.LoadBalancers) || hashOf(s.NetworkConfiguration) != hashOf(before.NetworkConfiguration)
	return redeploy, nil
}

// changeTasks changes what new tasks are made from.
func (u *serviceUpdate) changeTasks(t *state.Tables, call *awswire.Call, s *ecs.Service) error {
	if u.in.TaskDefinition != nil {
		d, err := usableTaskDefinition(t, call, u.in.TaskDefinition)
		if err != nil {
			return err
		}
		s.TaskDefinition = d.TaskDefinitionARN
	}
	if u.in.LoadBalancers != nil {
		s.LoadBalancers = u.loadBalancers
	}
	if u.network != nil {
		s.NetworkConfiguration = u.network
	}
	return nil
}

// changeCount changes how many tasks there are to be, where, and within which bounds.
func (u *serviceUpdate) changeCount(s *ecs.Service) error {
	if err := setDesiredCount(s, u.in.DesiredCount); err != nil {
		return err
	}
	if u.in.PlacementConstraints != nil {
		s.PlacementConstraints = u.constraints
	}
	if u.in.PlacementStrategy != nil {
		if s.SchedulingStrategy == ecs.Daemon && len(u.strategies) > 0 {
			return invalid("The daemon scheduling strategy does not support placement strategies.")
		}
		s.PlacementStrategy = u.strategies
	}
	return setDeploymentConfiguration(s, u.in.DeploymentConfiguration)
}

func (u *serviceUpdate) changeOptions(s *ecs.Service) {
	if u.grace != nil {
		s.HealthCheckGracePeriodSeconds = u.grace
	}
	if u.in.PropagateTags != "" {
		s.PropagateTags = u.in.PropagateTags
	}
	if u.in.EnableECSManagedTags != nil {
		s.EnableECSManagedTags = *u.in.EnableECSManagedTags
	}
	if u.in.EnableExecuteCommand != nil {
		s.EnableExecuteCommand = *u.in.EnableExecuteCommand
	}
}
