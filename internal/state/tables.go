package state

import (
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/dashboard"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/topic"
)

// Tables is the whole state, for reading. A table is a field here and in writers, and a line in
// define.
type Tables struct {
	Clusters           Table[ecs.Cluster]
	CapacityProviders  Table[ecs.CapacityProvider]
	ManagedScaling     Table[ecs.ManagedScalingState]
	TaskDefinitions    Table[ecs.TaskDefinition]
	Services           Table[ecs.Service]
	ServiceProgress    Table[ecs.ServiceProgress]
	ServiceDeployments Table[ecs.ServiceDeployment]
	ServiceRevisions   Table[ecs.ServiceRevision]
	Tasks              Table[ecs.Task]
	ContainerInstances Table[ecs.ContainerInstance]
	Families           Table[ecs.Family]
	ServiceEvents      Table[ecs.Event]
	AccountSettings    Table[ecs.AccountSetting]
	Tokens             Table[ecs.Token] // of versions up to November 2026; Lead empties it

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
	MetricFilters          Table[loggroup.MetricFilter]
	CacheClusters          Table[cache.Cluster]
	CacheReplicationGroups Table[cache.ReplicationGroup]
	CacheSubnetGroups      Table[cache.SubnetGroup]
	Roles                  Table[role.Role]
	InstanceProfiles       Table[role.InstanceProfile]

	AutoScalingGroups    Table[fleet.AutoScalingGroup]
	LifecycleHooks       Table[fleet.Hook]
	GroupPolicies        Table[groupscaling.Policy]
	GroupSchedules       Table[groupscaling.Scheduled]
	LaunchConfigurations Table[fleet.LaunchConfiguration]
	LaunchTemplates      Table[fleet.LaunchTemplate]
	Instances            Table[fleet.Instance]
	Activities           Table[fleet.Activity]
	KeyPairs             Table[fleet.KeyPair]
	SecurityGroups       Table[fleet.SecurityGroup]
	ResourceTags         Table[fleet.ResourceTags]
	Networks             Table[fleet.Network]
	Blocks               Table[fleet.Block]

	Alarms       Table[alarm.Alarm]
	AlarmStatus  Table[alarm.Status]
	AlarmHistory Table[alarm.HistoryItem]
	DueActions   Table[alarm.Due]
	Dashboards   Table[dashboard.Dashboard]

	ScalableTargets   Table[appscaling.Target]
	ScalingPolicies   Table[appscaling.Policy]
	ScheduledActions  Table[appscaling.Scheduled]
	ScalingActivities Table[appscaling.Activity]
	ScalingProgress   Table[appscaling.Progress]

	Topics        Table[topic.Topic]
	Subscriptions Table[topic.Subscription]
	Publications  Table[topic.Publication]
	Deliveries    Table[topic.Delivery]
	SigningKeys   Table[topic.SigningKey]
}

// writers are the tables of a transaction, for writing: those of Tables, in the same order.
type writers struct {
	Clusters           Writable[ecs.Cluster]
	CapacityProviders  Writable[ecs.CapacityProvider]
	ManagedScaling     Writable[ecs.ManagedScalingState]
	TaskDefinitions    Writable[ecs.TaskDefinition]
	Services           Writable[ecs.Service]
	ServiceProgress    Writable[ecs.ServiceProgress]
	ServiceDeployments Writable[ecs.ServiceDeployment]
	ServiceRevisions   Writable[ecs.ServiceRevision]
	Tasks              Writable[ecs.Task]
	ContainerInstances Writable[ecs.ContainerInstance]
	Families           Writable[ecs.Family]
	ServiceEvents      Writable[ecs.Event]
	AccountSettings    Writable[ecs.AccountSetting]
	Tokens             Writable[ecs.Token]

	LoadBalancers  Writable[elb.LoadBalancer]
	Listeners      Writable[elb.Listener]
	Rules          Writable[elb.Rule]
	TargetGroups   Writable[elb.TargetGroup]
	Targets        Writable[elb.Target]
	TargetHealth   Writable[elb.TargetHealth]
	BoundListeners Writable[elb.BoundListener]

	Repositories           Writable[repository.Repository]
	Images                 Writable[repository.Image]
	LogGroups              Writable[loggroup.Group]
	LogStreams             Writable[loggroup.Stream]
	MetricFilters          Writable[loggroup.MetricFilter]
	CacheClusters          Writable[cache.Cluster]
	CacheReplicationGroups Writable[cache.ReplicationGroup]
	CacheSubnetGroups      Writable[cache.SubnetGroup]
	Roles                  Writable[role.Role]
	InstanceProfiles       Writable[role.InstanceProfile]

	AutoScalingGroups    Writable[fleet.AutoScalingGroup]
	LifecycleHooks       Writable[fleet.Hook]
	GroupPolicies        Writable[groupscaling.Policy]
	GroupSchedules       Writable[groupscaling.Scheduled]
	LaunchConfigurations Writable[fleet.LaunchConfiguration]
	LaunchTemplates      Writable[fleet.LaunchTemplate]
	Instances            Writable[fleet.Instance]
	Activities           Writable[fleet.Activity]
	KeyPairs             Writable[fleet.KeyPair]
	SecurityGroups       Writable[fleet.SecurityGroup]
	ResourceTags         Writable[fleet.ResourceTags]
	Networks             Writable[fleet.Network]
	Blocks               Writable[fleet.Block]

	Alarms       Writable[alarm.Alarm]
	AlarmStatus  Writable[alarm.Status]
	AlarmHistory Writable[alarm.HistoryItem]
	DueActions   Writable[alarm.Due]
	Dashboards   Writable[dashboard.Dashboard]

	ScalableTargets   Writable[appscaling.Target]
	ScalingPolicies   Writable[appscaling.Policy]
	ScheduledActions  Writable[appscaling.Scheduled]
	ScalingActivities Writable[appscaling.Activity]
	ScalingProgress   Writable[appscaling.Progress]

	Topics        Writable[topic.Topic]
	Subscriptions Writable[topic.Subscription]
	Publications  Writable[topic.Publication]
	Deliveries    Writable[topic.Delivery]
	SigningKeys   Writable[topic.SigningKey]
}

// Block returns the server's block of the machine's addresses; block 0 if there is no row.
func (t *Tables) Block() *fleet.Block {
	if b, ok := t.Blocks.Get(fleet.BlockKey); ok {
		return b
	}
	return &fleet.Block{}
}

// Secondary indexes. Their names begin with the table and end with what their entries are.
var (
	// ClustersByCapacityProvider finds clusters by the ARN of a capacity provider that they have.
	ClustersByCapacityProvider = byEach(func(c *ecs.Cluster) []string {
		arns := make([]string, len(c.CapacityProviders))
		for i, name := range c.CapacityProviders {
			arns[i] = ecs.ProviderARN(c.ClusterARN, name)
		}
		return arns
	})
	// CapacityProvidersByGroup finds those that are not deleted by the ARN of their Auto Scaling group.
	CapacityProvidersByGroup = by(func(p *ecs.CapacityProvider) string {
		return onlyIf(p.Status != ecs.CapacityProviderInactive, p.AutoScalingGroupProvider.AutoScalingGroupARN)
	})

	// CapacityProvidersByPolicy finds the capacity provider whose managed scaling has the policy with an ARN.
	CapacityProvidersByPolicy = by((*ecs.CapacityProvider).PolicyARN)

	ServicesByCluster = by(func(s *ecs.Service) string { return s.ClusterARN })
	// ServicesByClientToken finds services by TokenEntry.
	ServicesByClientToken = by(func(s *ecs.Service) string { return TokenEntry(s.ClusterARN, s.ClientToken) })

	// ServicesByCapacityProvider finds the services whose strategy has a capacity provider, by ecs.ProviderEntry.
	ServicesByCapacityProvider = byEach(func(s *ecs.Service) (entries []string) {
		if s.Status == ecs.ServiceInactive {
			return nil
		}
		for _, i := range s.CapacityProviderStrategy {
			entries = append(entries, ecs.ProviderEntry(s.ClusterARN, i.CapacityProvider))
		}
		return entries
	})

	// ServicesByAlarm finds the services whose deployments an alarm watches, by the alarm's ARN.
	ServicesByAlarm = byEach(alarmsOfService)

	ServiceProgressByTargetGroup    = byEach(targetGroupsOfProgress)
	ServiceProgressByTaskDefinition = byEach(taskDefinitionsOfProgress)
	ServiceDeploymentsByService     = by(func(d *ecs.ServiceDeployment) string { return d.ServiceARN })
	ServiceRevisionsByService       = by(func(r *ecs.ServiceRevision) string { return r.ServiceARN })
	ServiceEventsByService          = by(func(e *ecs.Event) string { return e.ServiceARN })

	TasksByCluster  = by(func(t *ecs.Task) string { return t.ClusterARN })
	TasksByInstance = by(func(t *ecs.Task) string { return t.ContainerInstanceARN })
	TasksByService  = by(func(t *ecs.Task) string { return t.ServiceARN })
	// TasksByClientToken finds tasks by TokenEntry.
	TasksByClientToken = by(func(t *ecs.Task) string { return TokenEntry(t.ClusterARN, t.ClientToken) })
	// TasksByServicePresent finds the tasks of a service that have not stopped.
	TasksByServicePresent = by(func(t *ecs.Task) string { return onlyIf(t.LastStatus != ecs.Stopped, t.ServiceARN) })
	// TasksByServiceUncounted finds the tasks of a service that have ended, or should, and are not
	// EndCounted.
	TasksByServiceUncounted = by(func(t *ecs.Task) string { return onlyIf(t.Uncounted(), t.ServiceARN) })
	// TasksByServiceUnproven finds the tasks of a service that run and never were healthy, by their start.
	TasksByServiceUnproven = inOrder(
		by(func(t *ecs.Task) string { return onlyIf(t.Unproven(), t.ServiceARN) }),
		func(t *ecs.Task) string { return t.StartedAt.UTC().Format("2006-01-02T15:04:05.000000000") })
	TasksByTaskDefinition = by(func(t *ecs.Task) string { return t.TaskDefinitionARN })
	// TasksByTarget finds the tasks that a target belongs to, by elb.TargetKey.
	TasksByTarget = byEach(func(t *ecs.Task) []string { return targetKeys(t.Targets) })

	// TasksByCapacityProvider finds the tasks of a capacity provider that have not stopped, by ecs.ProviderEntry.
	TasksByCapacityProvider = by(func(t *ecs.Task) string {
		return onlyIf(t.LastStatus != ecs.Stopped, ecs.ProviderEntry(t.ClusterARN, t.CapacityProviderName))
	})
	// TasksProvisioning finds the tasks of a cluster that wait for capacity, in the order in which they were made.
	TasksProvisioning = inOrder(
		by(func(t *ecs.Task) string { return onlyIf(t.Provisioning(), t.ClusterARN) }),
		func(t *ecs.Task) string { return t.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000000") })

	// TasksByServiceMoving finds the tasks of a service whose target registrations are out of date.
	TasksByServiceMoving = by(func(t *ecs.Task) string { return onlyIf(t.Moving(), t.ServiceARN) })
	// TasksByAttachment finds the task with an attachment, by the attachment's id.
	TasksByAttachment = byEach(func(t *ecs.Task) []string { return attachmentIDs(t.Attachments) })
	// TasksByAddress finds the tasks that have not stopped and have an address of their own, by
	// AddressEntry.
	TasksByAddress = by(func(t *ecs.Task) string {
		if t.LastStatus == ecs.Stopped || t.Address() == "" {
			return ""
		}
		a, _ := arn.Parse(t.TaskARN)
		return AddressEntry(a.Region, a.Account, t.Address())
	})

	ContainerInstancesByCluster = by(func(i *ecs.ContainerInstance) string { return i.ClusterARN })
	// ContainerInstancesDraining finds the DRAINING container instances of a cluster.
	ContainerInstancesDraining = by(func(i *ecs.ContainerInstance) string {
		return onlyIf(i.Status == ecs.InstanceDraining, i.ClusterARN)
	})
	ContainerInstancesByEC2Instance = by(func(i *ecs.ContainerInstance) string { return i.EC2InstanceID })
	// ContainerInstancesByClientToken finds container instances by TokenEntry.
	ContainerInstancesByClientToken = by(func(i *ecs.ContainerInstance) string {
		return TokenEntry(i.ClusterARN, i.ClientToken)
	})

	ListenersByLoadBalancer = by(func(l *elb.Listener) string { return l.LoadBalancerARN })
	RulesByListener         = by(func(r *elb.Rule) string { return r.ListenerARN })
	RulesByTargetGroup      = byEach(func(r *elb.Rule) []string { return elb.Uses(r.Actions) })
	TargetsByEC2Instance    = by(func(t *elb.Target) string { return t.ID })

	// RepositoriesByName finds the repositories of an account, in any region, by RepositoryEntry.
	RepositoriesByName = by(func(r *repository.Repository) string { return RepositoryEntry(r.Account, r.Name) })
	// ImagesByTag finds images by the ARN of their repository, ":" and a tag.
	ImagesByTag = byEach((*repository.Image).TagKeys)

	// AutoScalingGroupsByTargetGroup finds groups by the ARN of a target group attached to them.
	AutoScalingGroupsByTargetGroup = byEach(func(g *fleet.AutoScalingGroup) []string { return g.TargetGroups })

	// MetricFiltersByMetric finds metric filters by loggroup.MetricEntry.
	MetricFiltersByMetric = by((*loggroup.MetricFilter).MetricEntry)

	InstancesByID               = by(func(i *fleet.Instance) string { return i.ID })
	InstancesByAutoScalingGroup = by((*fleet.Instance).GroupKey)
	// InstancesByClientToken and LaunchTemplatesByClientToken find rows by TokenEntry.
	InstancesByClientToken = by(func(i *fleet.Instance) string {
		return TokenEntry(fleet.KeyPrefix(i.Region, i.Account), i.ClientToken)
	})
	LaunchTemplatesByClientToken = by(func(t *fleet.LaunchTemplate) string {
		return TokenEntry(fleet.KeyPrefix(t.Region, t.Account), t.ClientToken)
	})
	// InstancesByTarget finds the members of Auto Scaling groups that a target belongs to, by
	// elb.TargetKey.
	InstancesByTarget = byEach(func(i *fleet.Instance) []string { return i.Scaling.Targets })
	// InstancesByAddress finds instances by the text of their address. An instance that has ended keeps its
	// address until its row is deleted.
	InstancesByAddress = by(func(i *fleet.Instance) string { return onlyIf(i.Address.IsValid(), i.Address.String()) })

	// AlarmsByMetric finds alarms by alarm.MetricEntry.
	AlarmsByMetric = by((*alarm.Alarm).MetricEntry)
	// AlarmsByChild finds composite alarms by the ARN of an alarm in their rule.
	AlarmsByChild = byEach(func(a *alarm.Alarm) []string { return a.Children })
	// AlarmsByAction finds alarms by the ARN of an action for any state.
	AlarmsByAction = byEach((*alarm.Alarm).Actions)
	// DueActionsByAction finds due actions by their ARN.
	DueActionsByAction = by(func(d *alarm.Due) string { return d.Action })
	// DueActionsByTarget finds the due policies of a scalable target, by its key.
	DueActionsByTarget = by(appscaling.TargetKeyOf)
	// DueActionsByKind finds due actions by alarm.ActionKind.
	DueActionsByKind = by(func(d *alarm.Due) string { return string(d.Kind) })
	// DueActionsByGroup finds the due policies of an Auto Scaling group, by the group's key.
	DueActionsByGroup = by(groupscaling.GroupKeyOf)

	ScalableTargetsByARN = by((*appscaling.Target).ARN)

	// SubscriptionsByEndpoint finds the subscription of an endpoint by topic.EndpointEntry.
	SubscriptionsByEndpoint = by((*topic.Subscription).EndpointEntry)
	SubscriptionsByToken    = by(func(s *topic.Subscription) string { return s.Token })
	// DeliveriesByMessage finds the deliveries that are left of a publication, by its id.
	DeliveriesByMessage = by(func(d *topic.Delivery) string { return d.MessageID })
)

// onlyIf returns the entry for an index that only some values are in.
func onlyIf(in bool, entry string) string {
	if !in {
		return ""
	}
	return entry
}

// RepositoryEntry returns the index entry for the name of a repository.
func RepositoryEntry(account, name string) string { return account + "/" + name }

// TokenEntry returns the index entry for a client token in its scope, which is a cluster or a region
// and account; "" if there is no token.
func TokenEntry(scope, token string) string { return onlyIf(token != "", scope+" "+token) }

// define returns the empty tables. A table's name is in every journal and must never change.
// Indexes are not stored and may change.
func define() Tables {
	return Tables{
		Clusters: table("ecs.clusters", func(c *ecs.Cluster) string { return c.ClusterARN },
			ClustersByCapacityProvider),
		CapacityProviders: table("ecs.capacity-providers",
			func(p *ecs.CapacityProvider) string { return p.CapacityProviderARN }, CapacityProvidersByGroup,
			CapacityProvidersByPolicy),
		ManagedScaling: table("ecs.managed-scaling",
			func(m *ecs.ManagedScalingState) string { return m.CapacityProviderARN }),
		TaskDefinitions: table("ecs.task-definitions",
			func(d *ecs.TaskDefinition) string { return d.TaskDefinitionARN }),
		Families:        table("ecs.families", (*ecs.Family).Key),
		ServiceEvents:   table("ecs.service-events", (*ecs.Event).Key, ServiceEventsByService),
		AccountSettings: table("ecs.account-settings", (*ecs.AccountSetting).Key),
		Tokens:          table("ecs.tokens", (*ecs.Token).Key),
		Services: withSums(table("ecs.services", func(s *ecs.Service) string { return s.ServiceARN },
			ServicesByCluster, ServicesByClientToken, ServicesByCapacityProvider, ServicesByAlarm),
			// in the order of sumsOfActiveServices
			counts(serviceIn(ecs.ServiceActive)), counts(serviceIn(ecs.ServiceDraining))),
		ServiceProgress: table("ecs.service-progress", func(p *ecs.ServiceProgress) string { return p.ServiceARN },
			ServiceProgressByTargetGroup, ServiceProgressByTaskDefinition),
		ServiceDeployments: table("ecs.service-deployments",
			func(d *ecs.ServiceDeployment) string { return d.ServiceDeploymentARN }, ServiceDeploymentsByService),
		ServiceRevisions: table("ecs.service-revisions",
			func(r *ecs.ServiceRevision) string { return r.ServiceRevisionARN }, ServiceRevisionsByService),
		Tasks: withSums(table("ecs.tasks", func(t *ecs.Task) string { return t.TaskARN },
			TasksByCluster, TasksByInstance, TasksByService, TasksByServicePresent, TasksByServiceUncounted,
			TasksByServiceUnproven, TasksByTaskDefinition, TasksByTarget, TasksByAttachment, TasksByAddress,
			TasksByServiceMoving, TasksByClientToken, TasksByCapacityProvider, TasksProvisioning,
		), // in the order of sumsOfInstances, sumsOfServices and sumsOfClusters
			taskSums(func(t *ecs.Task) string { return t.ContainerInstanceARN },
				func(t *ecs.Task) (string, string) { return t.Group, "" }),
			taskSums(func(t *ecs.Task) string { return t.ServiceARN },
				func(t *ecs.Task) (string, string) { return t.StartedBy, t.AvailabilityZone }),
			taskSums(func(t *ecs.Task) string { return t.ClusterARN },
				func(*ecs.Task) (string, string) { return "", "" })),
		ContainerInstances: withSums(table("ecs.container-instances",
			func(i *ecs.ContainerInstance) string { return i.ContainerInstanceARN },
			ContainerInstancesByCluster, ContainerInstancesDraining, ContainerInstancesByEC2Instance,
			ContainerInstancesByClientToken), attributes(), zones(), registered(),
			counts(presentInstance)), // in the order of sumsOfAttributes

		LoadBalancers: table("elb.load-balancers", func(l *elb.LoadBalancer) string { return l.ARN }),
		Listeners: table("elb.listeners", func(l *elb.Listener) string { return l.ARN },
			ListenersByLoadBalancer),
		Rules: table("elb.rules", func(r *elb.Rule) string { return r.ARN },
			RulesByListener, RulesByTargetGroup),
		TargetGroups: table("elb.target-groups", func(g *elb.TargetGroup) string { return g.ARN }),
		Targets: withSums(table("elb.targets", (*elb.Target).Key, TargetsByEC2Instance),
			counts(registeredTarget)),
		TargetHealth:   table("elb.target-health", func(h *elb.TargetHealth) string { return h.Key }),
		BoundListeners: table("elb.bound-listeners", func(b *elb.BoundListener) string { return b.ListenerARN }),

		Repositories: table("ecr.repositories", func(r *repository.Repository) string { return r.ARN },
			RepositoriesByName),
		Images:     table("ecr.images", (*repository.Image).Key, ImagesByTag),
		LogGroups:  table("logs.groups", func(g *loggroup.Group) string { return g.ARN }),
		LogStreams: table("logs.streams", func(s *loggroup.Stream) string { return s.ARN }),
		MetricFilters: table("logs.metric-filters", func(f *loggroup.MetricFilter) string { return f.ARN },
			MetricFiltersByMetric),
		CacheClusters: table("elasticache.clusters", func(c *cache.Cluster) string { return c.ARN }),
		CacheReplicationGroups: table("elasticache.replication-groups",
			func(g *cache.ReplicationGroup) string { return g.ARN }),
		CacheSubnetGroups: table("elasticache.subnet-groups", func(g *cache.SubnetGroup) string { return g.ARN }),
		Roles:             table("iam.roles", (*role.Role).Key),
		InstanceProfiles:  table("iam.instance-profiles", (*role.InstanceProfile).Key),

		AutoScalingGroups: table("fleet.auto-scaling-groups", (*fleet.AutoScalingGroup).Key,
			AutoScalingGroupsByTargetGroup),
		GroupPolicies:        table("fleet.scaling-policies", (*groupscaling.Policy).Key),
		GroupSchedules:       table("fleet.scheduled-actions", (*groupscaling.Scheduled).Key),
		LifecycleHooks:       table("fleet.lifecycle-hooks", (*fleet.Hook).Key),
		LaunchConfigurations: table("fleet.launch-configurations", (*fleet.LaunchConfiguration).Key),
		LaunchTemplates: table("fleet.launch-templates", (*fleet.LaunchTemplate).Key,
			LaunchTemplatesByClientToken),
		Instances: withSums(table("fleet.instances", (*fleet.Instance).ARN,
			InstancesByID, InstancesByAutoScalingGroup, InstancesByClientToken, InstancesByTarget,
			InstancesByAddress), // in the order of sumsOfLiveInstances
			counts(liveInstance), counts(instanceAddressRange), counts(pendingInstance)),
		Activities:     withSums(table("fleet.activities", (*fleet.Activity).Key), counts(groupOfActivity)),
		KeyPairs:       table("fleet.key-pairs", (*fleet.KeyPair).Key),
		SecurityGroups: table("fleet.security-groups", (*fleet.SecurityGroup).Key),
		ResourceTags:   table("fleet.resource-tags", (*fleet.ResourceTags).Key),
		Networks:       table("fleet.networks", (*fleet.Network).Key),
		Blocks:         table("fleet.blocks", (*fleet.Block).Key),

		Alarms: table("cloudwatch.alarms", func(a *alarm.Alarm) string { return a.ARN }, AlarmsByMetric,
			AlarmsByChild, AlarmsByAction),
		AlarmStatus:  table("cloudwatch.alarm-status", func(s *alarm.Status) string { return s.ARN }),
		AlarmHistory: table("cloudwatch.alarm-history", (*alarm.HistoryItem).Key),
		DueActions: table("cloudwatch.due-actions", (*alarm.Due).Key, DueActionsByKind, DueActionsByAction,
			DueActionsByTarget, DueActionsByGroup),
		Dashboards: table("cloudwatch.dashboards", func(d *dashboard.Dashboard) string { return d.ARN }),

		ScalableTargets:   table("appscaling.targets", (*appscaling.Target).Key, ScalableTargetsByARN),
		ScalingPolicies:   table("appscaling.policies", (*appscaling.Policy).Key),
		ScheduledActions:  table("appscaling.scheduled-actions", (*appscaling.Scheduled).Key),
		ScalingActivities: table("appscaling.activities", (*appscaling.Activity).Key),
		ScalingProgress:   table("appscaling.progress", (*appscaling.Progress).Key),

		Topics: table("sns.topics", func(t *topic.Topic) string { return t.ARN }),
		Subscriptions: withSums(table("sns.subscriptions", func(s *topic.Subscription) string { return s.ARN },
			SubscriptionsByEndpoint, SubscriptionsByToken), counts(topicOf)),
		Publications: withSums(table("sns.publications", func(p *topic.Publication) string { return p.ID }),
			counted(publication, (*topic.Publication).Size)),
		Deliveries: withSums(table("sns.deliveries", (*topic.Delivery).Key, DeliveriesByMessage),
			counts(subscriptionOf)),
		SigningKeys: table("sns.signing-keys", func(k *topic.SigningKey) string { return k.ID }),
	}
}

// AddressEntry returns the index entry for an address in the network of a region and account.
func AddressEntry(region, account, address string) string {
	return region + " " + account + " " + address
}

// AddressTaken reports whether a task that has not stopped has the address in a network.
func (t *Tables) AddressTaken(region, account, address string) bool {
	for range t.Tasks.By(TasksByAddress, AddressEntry(region, account, address)) {
		return true
	}
	return false
}

func attachmentIDs(attachments []ecs.Attachment) []string {
	ids := make([]string, len(attachments))
	for i, a := range attachments {
		ids[i] = a.ID
	}
	return ids
}

func targetKeys(targets []ecs.TaskTarget) []string {
	keys := make([]string, len(targets))
	for i, t := range targets {
		keys[i] = elb.TargetKey(t.TargetGroupARN, t.ID, t.Port)
	}
	return keys
}

func targetGroupsOfProgress(p *ecs.ServiceProgress) []string {
	var arns []string
	for _, d := range p.Deployments {
		arns = append(arns, targetGroups(d.Revision.LoadBalancers)...)
	}
	return arns
}

func taskDefinitionsOfProgress(p *ecs.ServiceProgress) []string {
	var arns []string
	for _, d := range p.Deployments {
		arns = append(arns, d.Revision.TaskDefinition)
	}
	return arns
}

func targetGroups(lbs []ecs.LoadBalancer) []string {
	arns := make([]string, len(lbs))
	for i, lb := range lbs {
		arns[i] = lb.TargetGroupARN
	}
	return arns
}
