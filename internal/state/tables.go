package state

import (
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/role"
)

// Tables is everything there is. A table is a field here and a line in define.
type Tables struct {
	Clusters           Table[ecs.Cluster]
	TaskDefinitions    Table[ecs.TaskDefinition]
	Services           Table[ecs.Service]
	Tasks              Table[ecs.Task]
	ContainerInstances Table[ecs.ContainerInstance]
	Families           Table[ecs.Family]
	ServiceEvents      Table[ecs.Event]
	AccountSettings    Table[ecs.AccountSetting]
	Tokens             Table[ecs.Token]

	LoadBalancers  Table[elb.LoadBalancer]
	Listeners      Table[elb.Listener]
	Rules          Table[elb.Rule]
	TargetGroups   Table[elb.TargetGroup]
	Targets        Table[elb.Target]
	TargetHealth   Table[elb.TargetHealth]
	BoundListeners Table[elb.BoundListener]

	Repositories           Table[repository.Repository]
	Images                 Table[repository.Image]
	LogGroups              Table[loggroup.Group]
	LogStreams             Table[loggroup.Stream]
	CacheClusters          Table[cache.Cluster]
	CacheReplicationGroups Table[cache.ReplicationGroup]
	CacheSubnetGroups      Table[cache.SubnetGroup]
	Roles                  Table[role.Role]
	InstanceProfiles       Table[role.InstanceProfile]

	AutoScalingGroups    Table[fleet.AutoScalingGroup]
	LaunchConfigurations Table[fleet.LaunchConfiguration]
	LaunchTemplates      Table[fleet.LaunchTemplate]
	Instances            Table[fleet.Instance]
	Activities           Table[fleet.Activity]
	KeyPairs             Table[fleet.KeyPair]
	SecurityGroups       Table[fleet.SecurityGroup]
	ResourceTags         Table[fleet.ResourceTags]
	Networks             Table[fleet.Network]
	Blocks               Table[fleet.Block]
}

// Block is the server's part of what servers of one machine share; block 0 unless a row says otherwise.
func (t *Tables) Block() *fleet.Block {
	if b, ok := t.Blocks.Get(fleet.BlockKey); ok {
		return b
	}
	return &fleet.Block{}
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

	ByLoadBalancer Index = "load-balancer" // load balancer ARN
	ByListener     Index = "listener"      // listener ARN

	ByImageTag Index = "image-tag" // repository ARN, ":" and a tag

	ByAutoScalingGroup Index = "auto-scaling-group" // fleet.Key of the group
)

// define makes the empty tables. A table's name is in every journal and must
// never change; indexes are not kept and may come and go.
func define() Tables {
	return Tables{
		Clusters: table("ecs.clusters", func(c *ecs.Cluster) string { return c.ClusterARN }),
		TaskDefinitions: table("ecs.task-definitions",
			func(d *ecs.TaskDefinition) string { return d.TaskDefinitionARN }),
		Families:        table("ecs.families", (*ecs.Family).Key),
		ServiceEvents:   table("ecs.service-events", (*ecs.Event).Key, by(ByService, func(e *ecs.Event) string { return e.ServiceARN })),
		AccountSettings: table("ecs.account-settings", (*ecs.AccountSetting).Key),
		Tokens:          table("ecs.tokens", (*ecs.Token).Key),
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

		LoadBalancers: table("elb.load-balancers", func(l *elb.LoadBalancer) string { return l.ARN }),
		Listeners: table("elb.listeners", func(l *elb.Listener) string { return l.ARN },
			by(ByLoadBalancer, func(l *elb.Listener) string { return l.LoadBalancerARN })),
		Rules: table("elb.rules", func(r *elb.Rule) string { return r.ARN },
			by(ByListener, func(r *elb.Rule) string { return r.ListenerARN }),
			byEach(ByTargetGroup, func(r *elb.Rule) []string { return elb.Uses(r.Actions) })),
		TargetGroups:   table("elb.target-groups", func(g *elb.TargetGroup) string { return g.ARN }),
		Targets:        table("elb.targets", (*elb.Target).Key),
		TargetHealth:   table("elb.target-health", func(h *elb.TargetHealth) string { return h.Key }),
		BoundListeners: table("elb.bound-listeners", func(b *elb.BoundListener) string { return b.ListenerARN }),

		Repositories: table("ecr.repositories", func(r *repository.Repository) string { return r.ARN }),
		Images: table("ecr.images", (*repository.Image).Key,
			byEach(ByImageTag, (*repository.Image).TagKeys)),
		LogGroups:              table("logs.groups", func(g *loggroup.Group) string { return g.ARN }),
		LogStreams:             table("logs.streams", func(s *loggroup.Stream) string { return s.ARN }),
		CacheClusters:          table("elasticache.clusters", func(c *cache.Cluster) string { return c.ARN }),
		CacheReplicationGroups: table("elasticache.replication-groups", func(g *cache.ReplicationGroup) string { return g.ARN }),
		CacheSubnetGroups:      table("elasticache.subnet-groups", func(g *cache.SubnetGroup) string { return g.ARN }),
		Roles:                  table("iam.roles", (*role.Role).Key),
		InstanceProfiles:       table("iam.instance-profiles", (*role.InstanceProfile).Key),

		AutoScalingGroups:    table("fleet.auto-scaling-groups", (*fleet.AutoScalingGroup).Key),
		LaunchConfigurations: table("fleet.launch-configurations", (*fleet.LaunchConfiguration).Key),
		LaunchTemplates:      table("fleet.launch-templates", (*fleet.LaunchTemplate).Key),
		Instances: table("fleet.instances", (*fleet.Instance).ARN,
			by(ByAutoScalingGroup, (*fleet.Instance).GroupKey)),
		Activities:     table("fleet.activities", (*fleet.Activity).Key),
		KeyPairs:       table("fleet.key-pairs", (*fleet.KeyPair).Key),
		SecurityGroups: table("fleet.security-groups", (*fleet.SecurityGroup).Key),
		ResourceTags:   table("fleet.resource-tags", (*fleet.ResourceTags).Key),
		Networks:       table("fleet.networks", (*fleet.Network).Key),
		Blocks:         table("fleet.blocks", (*fleet.Block).Key),
	}
}

func targetGroups(lbs []ecs.LoadBalancer) []string {
	arns := make([]string, len(lbs))
	for i, lb := range lbs {
		arns[i] = lb.TargetGroupARN
	}
	return arns
}
