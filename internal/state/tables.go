package state

import "github.com/berthhq/berth/internal/ecs"

// Tables is everything there is. A table is a field here and a line in define.
type Tables struct {
	Clusters           Table[ecs.Cluster]
	TaskDefinitions    Table[ecs.TaskDefinition]
	Services           Table[ecs.Service]
	Tasks              Table[ecs.Task]
	ContainerInstances Table[ecs.ContainerInstance]
}

// Index names a secondary index. Which tables have it, define says.
type Index string

// Secondary indexes, by what their entries are.
const (
	ByCluster     Index = "cluster"      // cluster ARN
	ByInstance    Index = "instance"     // container instance ARN
	ByService     Index = "service"      // service ARN
	ByEC2Instance Index = "ec2-instance" // EC2 instance id
	ByTargetGroup Index = "target-group" // target group ARN
)

// define makes the empty tables. A table's name is in every journal and must
// never change; indexes are not kept and may come and go.
func define() Tables {
	return Tables{
		Clusters: table("ecs.clusters", func(c *ecs.Cluster) string { return c.ClusterARN }),
		TaskDefinitions: table("ecs.task-definitions",
			func(d *ecs.TaskDefinition) string { return d.TaskDefinitionARN }),
		Services: table("ecs.services", func(s *ecs.Service) string { return s.ServiceARN },
			by(ByCluster, func(s *ecs.Service) string { return s.ClusterARN }),
			byEach(ByTargetGroup, func(s *ecs.Service) []string { return targetGroups(s.LoadBalancers) })),
		Tasks: table("ecs.tasks", func(t *ecs.Task) string { return t.TaskARN },
			by(ByCluster, func(t *ecs.Task) string { return t.ClusterARN }),
			by(ByInstance, func(t *ecs.Task) string { return t.ContainerInstanceARN }),
			by(ByService, func(t *ecs.Task) string { return t.ServiceARN }),
			byEach(ByTargetGroup, func(t *ecs.Task) []string { return targetGroups(t.LoadBalancers) })),
		ContainerInstances: table("ecs.container-instances",
			func(i *ecs.ContainerInstance) string { return i.ContainerInstanceARN },
			by(ByCluster, func(i *ecs.ContainerInstance) string { return i.ClusterARN }),
			by(ByEC2Instance, func(i *ecs.ContainerInstance) string { return i.EC2InstanceID })),
	}
}

func targetGroups(lbs []ecs.LoadBalancer) []string {
	arns := make([]string, len(lbs))
	for i, lb := range lbs {
		arns[i] = lb.TargetGroupARN
	}
	return arns
}
