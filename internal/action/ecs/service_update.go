package ecs

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/deploy"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) updateService(
	ctx context.Context, call *awswire.Call, in *shape.UpdateServiceInput,
) (*shape.UpdateServiceOutput, error) {
	u, err := parseServiceUpdate(in)
	if err != nil {
		return nil, err
	}
	ids := deploy.NewIDs(call.Random)
	var out shape.Service
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := activeService(&tx.Tables, call, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		s, rev := *old, tx.Progress(old.ServiceARN).Current()
		redeploy, err := u.change(&tx.Tables, call, &s, &rev)
		if err != nil {
			return err
		}
		c, _ := tx.Clusters.Get(s.ClusterARN)
		d, ok := tx.TaskDefinitions.Get(rev.TaskDefinition)
		if !ok {
			return client("TaskDefinition not found.")
		}
		if err := checkGrace(u.grace, &rev, d); err != nil {
			return err
		}
		if err := checkService(&tx.Tables, c, &s, &rev, d); err != nil {
			return err
		}
		if redeploy && d.Status != ecs.TaskDefinitionActive {
			return client("TaskDefinition is inactive") // ecs.md 1.4.2
		}
		tx.Services.Put(&s)
		switch {
		case redeploy:
			deploy.Start(tx, &s, rev, ids, call.Now)
		case in.DeploymentConfiguration != nil:
			deploy.Reconfigure(tx, &s, call.Now)
		}
		out = answerService(&tx.Tables, &s, true)
		return nil
	})
	return &shape.UpdateServiceOutput{Service: &out}, err
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

// change applies the update to copies of the service and of its current revision, and reports whether
// it starts a deployment (ecs.md 3.1.2).
func (u *serviceUpdate) change(
	t *state.Tables, call *awswire.Call, s *ecs.Service, rev *ecs.ServiceRevision,
) (redeploy bool, err error) {
	before := *rev
	if err := u.changeRevision(t, call, rev); err != nil {
		return false, err
	}
	if err := u.changeCount(s); err != nil {
		return false, err
	}
	u.changeOptions(s)
	if err := changeStrategy(t, call, s, u.in.CapacityProviderStrategy); err != nil {
		return false, err
	}
	rev.LaunchType = s.LaunchType
	if u.in.AvailabilityZoneRebalancing != "" {
		if err := setRebalancing(s, u.in.AvailabilityZoneRebalancing); err != nil {
			return false, err
		}
	}
	redeploy = request.Value(u.in.ForceNewDeployment) || rev.TaskDefinition != before.TaskDefinition ||
		!slices.Equal(rev.LoadBalancers, before.LoadBalancers) ||
		request.Hash(rev.NetworkConfiguration) != request.Hash(before.NetworkConfiguration)
	return redeploy, nil
}

// changeRevision changes what new tasks are made from.
func (u *serviceUpdate) changeRevision(t *state.Tables, call *awswire.Call, rev *ecs.ServiceRevision) error {
	if u.in.TaskDefinition != nil {
		d, err := usableTaskDefinition(t, call, u.in.TaskDefinition)
		if err != nil {
			return err
		}
		rev.TaskDefinition = d.TaskDefinitionARN
	}
	if u.in.LoadBalancers != nil {
		rev.LoadBalancers = u.loadBalancers
	}
	if u.network != nil {
		rev.NetworkConfiguration = u.network
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
