package launch

import (
	"cmp"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// OfService returns the Spec of the tasks of a service's deployment. ok is false when d is nil, or
// its task definition or cluster does not exist.
func OfService(t *state.Tables, svc *ecs.Service, d *ecs.Deployment) (spec Spec, ok bool) {
	if d == nil {
		return spec, false
	}
	def, ok := t.TaskDefinitions.Get(d.Revision.TaskDefinition)
	if !ok {
		return spec, false
	}
	c, ok := t.Clusters.Get(svc.ClusterARN)
	if !ok {
		return spec, false
	}
	var seed uint64
	if e := t.LastEvent(svc.ServiceARN); e != nil {
		seed = uint64(e.Sequence)
	}
	rev := d.Revision
	return Spec{
		Cluster: c, Definition: def, Group: GroupOf(svc), StartedBy: d.ID, ServiceARN: svc.ServiceARN,
		LaunchType: cmp.Or(rev.LaunchType, svc.LaunchType, "EC2"), Strategy: svc.CapacityProviderStrategy,
		LoadBalancers:        rev.LoadBalancers,
		NetworkConfiguration: rev.NetworkConfiguration, Constraints: svc.PlacementConstraints,
		Strategies: svc.PlacementStrategy, DefaultSpread: true, Tags: tagsFor(svc, def),
		EnableExecuteCommand: svc.EnableExecuteCommand, Seed: seed,
	}, true
}

// GroupOf returns the task group of a service's tasks.
func GroupOf(svc *ecs.Service) string { return "service:" + svc.ServiceName }

// tagsFor returns the tags of a new task of the service (ecs.md 1.1.5).
func tagsFor(svc *ecs.Service, def *ecs.TaskDefinition) (tags tag.Set) {
	switch svc.PropagateTags {
	case "SERVICE":
		tags = svc.Tags
	case "TASK_DEFINITION":
		tags = def.Tags
	}
	if svc.EnableECSManagedTags {
		tags = tags.With(tag.Tag{Key: "aws:ecs:clusterName", Value: arn.LastID(svc.ClusterARN)},
			tag.Tag{Key: "aws:ecs:serviceName", Value: svc.ServiceName})
	}
	return tags
}
