package launch

import (
	"cmp"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// OfService is what the tasks of a service's deployment are made from. ok is false when there is no
// deployment or its task definition or cluster is gone.
func OfService(t *state.Tables, svc *ecs.Service, d *ecs.Deployment) (spec Spec, ok bool) {
	if d == nil {
		return spec, false
	}
	def, ok := t.TaskDefinitions.Get(d.TaskDefinition)
	if !ok {
		return spec, false
	}
	c, ok := t.Clusters.Get(svc.ClusterARN)
	if !ok {
		return spec, false
	}
	return Spec{
		Cluster: c, Definition: def, Group: "service:" + svc.ServiceName, StartedBy: d.ID, ServiceARN: svc.ServiceARN,
		LaunchType: cmp.Or(d.LaunchType, svc.LaunchType), LoadBalancers: d.LoadBalancers, NetworkConfiguration: d.NetworkConfiguration,
		Constraints: svc.PlacementConstraints, Strategies: svc.PlacementStrategy, DefaultSpread: true,
		Tags: tagsFor(svc, def), EnableExecuteCommand: svc.EnableExecuteCommand, Seed: uint64(svc.NextEvent),
	}, true
}

// tagsFor are the tags of a new task of the service (ecs.md 1.1.5).
func tagsFor(svc *ecs.Service, def *ecs.TaskDefinition) []ecs.Tag {
	var tags []ecs.Tag
	switch svc.PropagateTags {
	case "SERVICE":
		tags = append(tags, svc.Tags...)
	case "TASK_DEFINITION":
		tags = append(tags, def.Tags...)
	}
	if svc.EnableECSManagedTags {
		tags = append(tags, ecs.Tag{Key: "aws:ecs:clusterName", Value: arn.LastID(svc.ClusterARN)},
			ecs.Tag{Key: "aws:ecs:serviceName", Value: svc.ServiceName})
	}
	return tags
}
