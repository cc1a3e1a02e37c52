package main

import (
	"path"
	"strings"
)

const sdk = "github.com/aws/aws-sdk-go-v2/service/"

// service says where the shapes of a service come from, and which operations get shapes. To add an operation, add its
// name and run the generator again.
type service struct {
	Package, Title, Module, Version string
	// The names of JSON services are read from their schemas, those of others from their serializers. If a service has
	// JSON and Query, its shapes have names for both protocols (CloudWatch, whose older clients use Query).
	JSON, Query, EC2 bool
	// REST services have operations with methods and paths. Created are the operations that are answered with status
	// 201, if the SDK does not have their status.
	REST    bool
	Created string
	// Statuses generates a table of the HTTP statuses of errors, for services that have others than 400 and 500.
	Statuses bool
	// These are copied by hand, because the SDK has them in code and not in tables.
	SigningName, TargetPrefix, APIVersion, XMLNamespace string
	Operations                                          string
	// Absent are operations that list resources which cannot exist here, one per line. The generator checks that they
	// only read, and that their answers are lists. After the operation's name follow the members that name such a
	// resource, each with AWS's code of the fault that it does not exist.
	Absent string
	// Extra are members that real clients send although they are not in the public model, by the type that they belong
	// to. They are optional strings, with their names on the wire; the names in Go begin with an upper-case letter.
	Extra map[string][]string
	// OmitEmpty are the lists in answers, as Type.Member, that AWS leaves out when they are empty. "*" stands for every
	// type or member. AWS writes all other empty lists in XML, and those at the top of answers in JSON.
	OmitEmpty string
	// WriteEmpty are the lists below the top of answers in JSON, as Type.Member, that AWS writes when they are empty.
	WriteEmpty string
}

// omitsEmpty reports whether AWS leaves out a member that is an empty list.
func (s service) omitsEmpty(shape, member string) bool { return listed(s.OmitEmpty, shape, member) }

// writesEmpty reports whether AWS writes a member of JSON that is an empty list below the top of an answer.
func (s service) writesEmpty(shape, member string) bool { return listed(s.WriteEmpty, shape, member) }

// listed reports whether one of the patterns in a list matches the member of a type.
func listed(patterns, shape, member string) bool {
	for pattern := range strings.FieldsSeq(patterns) {
		if ok, _ := path.Match(pattern, shape+"."+member); ok {
			return true
		}
	}
	return false
}

// operations returns the names of all operations that get shapes.
func (s service) operations() []string {
	names := strings.Fields(s.Operations)
	for _, a := range s.absent() {
		names = append(names, a.Name)
	}
	return names
}

// absent is a line of service.Absent.
type absent struct {
	Name    string
	Unknown [][2]string // member and code
}

func (s service) absent() (list []absent) {
	for line := range strings.Lines(strings.TrimSpace(s.Absent)) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		a := absent{Name: words[0]}
		for _, w := range words[1:] {
			member, code, _ := strings.Cut(w, "=")
			a.Unknown = append(a.Unknown, [2]string{member, code})
		}
		list = append(list, a)
	}
	return list
}

// prefix returns the beginning of the names of the SDK's functions that serialize and deserialize.
func (s service) prefix() string {
	if s.EC2 {
		return "awsEc2query_"
	}
	return "awsAwsquery_"
}

var services = []service{
	{
		Package: "ecs", Title: "Amazon ECS", Module: sdk + "ecs", Version: "v1.104.2", JSON: true,
		SigningName: "ecs", TargetPrefix: "AmazonEC2ContainerServiceV20141113",
		Operations: `
			CreateCluster DeleteCluster UpdateCluster UpdateClusterSettings DescribeClusters ListClusters
			RegisterTaskDefinition DeregisterTaskDefinition DeleteTaskDefinitions DescribeTaskDefinition
			ListTaskDefinitions
			ListTaskDefinitionFamilies
			RunTask StartTask StopTask DescribeTasks ListTasks
			CreateService UpdateService DeleteService DescribeServices ListServices ListServicesByNamespace
			DescribeServiceDeployments ListServiceDeployments DescribeServiceRevisions StopServiceDeployment
			ContinueServiceDeployment
			DescribeContainerInstances ListContainerInstances UpdateContainerInstancesState UpdateContainerAgent
			RegisterContainerInstance DeregisterContainerInstance DiscoverPollEndpoint
			SubmitTaskStateChange SubmitContainerStateChange SubmitAttachmentStateChanges
			PutAttributes DeleteAttributes ListAttributes TagResource UntagResource ListTagsForResource
			PutAccountSetting PutAccountSettingDefault ListAccountSettings DeleteAccountSetting
			GetTaskProtection UpdateTaskProtection ExecuteCommand
			CreateCapacityProvider UpdateCapacityProvider DeleteCapacityProvider DescribeCapacityProviders
			PutClusterCapacityProviders
			CreateTaskSet UpdateTaskSet DeleteTaskSet DescribeTaskSets UpdateServicePrimaryTaskSet
			CreateDaemon UpdateDaemon DeleteDaemon DescribeDaemon ListDaemons
			DescribeDaemonDeployments ListDaemonDeployments DescribeDaemonRevisions
			RegisterDaemonTaskDefinition DeleteDaemonTaskDefinition DescribeDaemonTaskDefinition
			ListDaemonTaskDefinitions
			CreateExpressGatewayService UpdateExpressGatewayService DeleteExpressGatewayService
			DescribeExpressGatewayService
			CreateGateway UpdateGateway DeleteGateway DescribeGateway DescribeGatewayResources DescribeGatewayRoute
			ListGateways ListGatewayRoutes ListGatewayClusterAssociations AssociateGatewayWithCluster
			DisassociateGatewayFromCluster`,
		OmitEmpty: `DescribeTaskDefinitionOutput.Tags RegisterTaskDefinitionOutput.Tags`,
		WriteEmpty: `
			Cluster.Settings Cluster.Statistics Cluster.Tags
			Cluster.CapacityProviders Cluster.DefaultCapacityProviderStrategy CapacityProvider.Tags
			ContainerInstance.Attributes ContainerInstance.Attachments ContainerInstance.Tags
			ContainerDefinition.Environment ContainerDefinition.MountPoints ContainerDefinition.PortMappings
			ContainerDefinition.SystemControls ContainerDefinition.VolumesFrom
			TaskDefinition.PlacementConstraints TaskDefinition.Volumes
			TaskOverride.ContainerOverrides
			Container.NetworkBindings Container.NetworkInterfaces
			Service.Deployments Service.Events Service.LoadBalancers Service.PlacementConstraints
			Service.PlacementStrategy Service.ServiceRegistries`,
		Extra: map[string][]string{ // sent by Amazon's agent 1.105.1, ecs-agent.md 3
			"RegisterContainerInstanceInput": {"clientToken"},
			"DiscoverPollEndpointInput":      {"zoneId"},
		},
	},
	{
		Package: "elbv2", Title: "Elastic Load Balancing (version 2)", Module: sdk + "elasticloadbalancingv2",
		Version: "v1.63.9", SigningName: "elasticloadbalancing", APIVersion: "2015-12-01",
		XMLNamespace: "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
		Operations: `
			CreateLoadBalancer DeleteLoadBalancer DescribeLoadBalancers DescribeLoadBalancerAttributes
			ModifyLoadBalancerAttributes
			SetSubnets SetSecurityGroups SetIpAddressType DescribeCapacityReservation
			ModifyCapacityReservation ModifyIpPools
			CreateListener DeleteListener ModifyListener DescribeListeners DescribeListenerAttributes
			ModifyListenerAttributes
			AddListenerCertificates RemoveListenerCertificates DescribeListenerCertificates
			CreateRule DeleteRule ModifyRule DescribeRules SetRulePriorities
			CreateTargetGroup DeleteTargetGroup ModifyTargetGroup DescribeTargetGroups DescribeTargetGroupAttributes
			ModifyTargetGroupAttributes RegisterTargets DeregisterTargets DescribeTargetHealth
			AddTags RemoveTags DescribeTags DescribeSSLPolicies DescribeAccountLimits`,
		Absent: `
			DescribeTrustStores TrustStoreArns=TrustStoreNotFound Names=TrustStoreNotFound
			DescribeTrustStoreAssociations TrustStoreArn=TrustStoreNotFound
			DescribeTrustStoreRevocations TrustStoreArn=TrustStoreNotFound`,
		OmitEmpty: `
			*.RegexValues RuleCondition.Values Listener.Certificates Listener.AlpnPolicy
			LoadBalancer.SecurityGroups
			AvailabilityZone.SourceNatIpv6Prefixes Jwt*.* *CapacityReservationOutput.*`,
	},
	{
		Package: "autoscaling", Title: "Amazon EC2 Auto Scaling", Module: sdk + "autoscaling", Version: "v1.80.0",
		SigningName: "autoscaling", APIVersion: "2011-01-01",
		XMLNamespace: "http://autoscaling.amazonaws.com/doc/2011-01-01/",
		Operations: `
			CreateLaunchConfiguration DeleteLaunchConfiguration DescribeLaunchConfigurations
			CreateAutoScalingGroup UpdateAutoScalingGroup DeleteAutoScalingGroup DescribeAutoScalingGroups
			DescribeAutoScalingInstances DescribeScalingActivities SetDesiredCapacity SetInstanceHealth
			SetInstanceProtection
			TerminateInstanceInAutoScalingGroup AttachInstances DetachInstances EnterStandby ExitStandby
			AttachLoadBalancerTargetGroups DetachLoadBalancerTargetGroups DescribeLoadBalancerTargetGroups
			AttachLoadBalancers DetachLoadBalancers DescribeLoadBalancers
			AttachTrafficSources DetachTrafficSources DescribeTrafficSources
			PutScalingPolicy DeletePolicy DescribePolicies ExecutePolicy DescribeAdjustmentTypes
			PutLifecycleHook DeleteLifecycleHook DescribeLifecycleHooks DescribeLifecycleHookTypes
			CompleteLifecycleAction
			RecordLifecycleActionHeartbeat
			PutScheduledUpdateGroupAction DeleteScheduledAction DescribeScheduledActions
			BatchPutScheduledUpdateGroupAction
			BatchDeleteScheduledAction
			CreateOrUpdateTags DeleteTags DescribeTags SuspendProcesses ResumeProcesses DescribeScalingProcessTypes
			StartInstanceRefresh CancelInstanceRefresh RollbackInstanceRefresh DescribeInstanceRefreshes
			EnableMetricsCollection DisableMetricsCollection DescribeMetricCollectionTypes
			DescribeTerminationPolicyTypes
			PutNotificationConfiguration DeleteNotificationConfiguration DescribeNotificationConfigurations
			DescribeAutoScalingNotificationTypes DescribeAccountLimits PutWarmPool DeleteWarmPool DescribeWarmPool`,
		OmitEmpty: `
			AutoScalingGroup.AvailabilityZoneIds InstanceRequirements.* CpuPerformanceFactorRequest.*
			RefreshPreferences.*
			CustomizedMetricSpecification.* Predictive*.* CapacityReservationTarget.* AlarmSpecification.*
			*Distribution*.* Metric.*
			LaunchConfiguration.ClassicLinkVPCSecurityGroups`,
	},
	{
		Package: "ec2", Title: "Amazon EC2", Module: sdk + "ec2", Version: "v1.344.2", EC2: true,
		SigningName: "ec2", APIVersion: "2016-11-15", XMLNamespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
		Operations: `
			DescribeInstances DescribeInstanceStatus RunInstances TerminateInstances StopInstances
			StartInstances RebootInstances
			DescribeInstanceTypes DescribeInstanceTypeOfferings DescribeInstanceAttribute ModifyInstanceAttribute
			DescribeAvailabilityZones DescribeRegions DescribeAccountAttributes
			DescribeVpcs DescribeVpcAttribute DescribeSubnets DescribeInternetGateways DescribeRouteTables
			DescribeNetworkInterfaces DescribeAddresses DescribeNetworkAcls DescribeVolumes DescribeDhcpOptions
			GetConsoleOutput DescribeInstanceCreditSpecifications MonitorInstances UnmonitorInstances
			DescribeSecurityGroups DescribeSecurityGroupRules CreateSecurityGroup DeleteSecurityGroup
			AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupIngress
			RevokeSecurityGroupEgress
			DescribeImages DescribeKeyPairs CreateKeyPair ImportKeyPair DeleteKeyPair
			CreateTags DeleteTags DescribeTags
			CreateLaunchTemplate DeleteLaunchTemplate ModifyLaunchTemplate DescribeLaunchTemplates
			CreateLaunchTemplateVersion DeleteLaunchTemplateVersions DescribeLaunchTemplateVersions`,
		Absent: `
			DescribeVpnGateways VpnGatewayIds=InvalidVpnGatewayID.NotFound
			DescribeVpnConnections VpnConnectionIds=InvalidVpnConnectionID.NotFound
			DescribeCustomerGateways CustomerGatewayIds=InvalidCustomerGatewayID.NotFound
			DescribeNatGateways NatGatewayIds=NatGatewayNotFound
			DescribeVpcEndpoints VpcEndpointIds=InvalidVpcEndpointId.NotFound
			DescribeVpcEndpointServiceConfigurations ServiceIds=InvalidVpcEndpointServiceId.NotFound
			DescribeVpcPeeringConnections VpcPeeringConnectionIds=InvalidVpcPeeringConnectionID.NotFound
			DescribeEgressOnlyInternetGateways EgressOnlyInternetGatewayIds=InvalidGatewayID.NotFound
			DescribeFlowLogs FlowLogIds=InvalidFlowLogId.NotFound
			DescribePrefixLists PrefixListIds=InvalidPrefixListId.NotFound
			DescribeManagedPrefixLists PrefixListIds=InvalidPrefixListID.NotFound
			DescribeTransitGateways TransitGatewayIds=InvalidTransitGatewayID.NotFound
			DescribeTransitGatewayAttachments TransitGatewayAttachmentIds=InvalidTransitGatewayAttachmentID.NotFound
			DescribeTransitGatewayVpcAttachments TransitGatewayAttachmentIds=InvalidTransitGatewayAttachmentID.NotFound
			DescribePlacementGroups GroupNames=InvalidPlacementGroup.Unknown GroupIds=InvalidPlacementGroupId.Unknown
			DescribeSnapshots SnapshotIds=InvalidSnapshot.NotFound
			DescribeSpotInstanceRequests SpotInstanceRequestIds=InvalidSpotInstanceRequestID.NotFound
			DescribeSpotFleetRequests SpotFleetRequestIds=InvalidSpotFleetRequestId.NotFound
			DescribeFleets FleetIds=InvalidFleetId.NotFound
			DescribeCapacityReservations CapacityReservationIds=InvalidCapacityReservationId.NotFound
			DescribeHosts HostIds=InvalidHostID.NotFound
			DescribeReservedInstances ReservedInstancesIds=InvalidReservedInstancesID
			DescribeIamInstanceProfileAssociations AssociationIds=InvalidAssociationID.NotFound
			DescribeVolumesModifications VolumeIds=InvalidVolume.NotFound
			DescribeVolumeStatus VolumeIds=InvalidVolume.NotFound
			DescribeCarrierGateways CarrierGatewayIds=InvalidCarrierGatewayID.NotFound
			DescribeLocalGateways LocalGatewayIds=InvalidLocalGatewayID.NotFound
			DescribeTransitGatewayRouteTables TransitGatewayRouteTableIds=InvalidRouteTableID.NotFound
DescribeTransitGatewayPeeringAttachments TransitGatewayAttachmentIds=InvalidTransitGatewayAttachmentID.NotFound
			DescribeTransitGatewayConnects TransitGatewayAttachmentIds=InvalidTransitGatewayAttachmentID.NotFound
DescribeTransitGatewayMulticastDomains TransitGatewayMulticastDomainIds=InvalidTransitGatewayMulticastDomainId.NotFound
			DescribeClientVpnEndpoints ClientVpnEndpointIds=InvalidClientVpnEndpointId.NotFound
			DescribeVpcEndpointConnections
			DescribeVpcEndpointConnectionNotifications ConnectionNotificationId=InvalidConnectionNotification
			DescribeInstanceConnectEndpoints InstanceConnectEndpointIds=InvalidInstanceConnectEndpointId.NotFound
			DescribeSpotPriceHistory
			DescribeReservedInstancesListings ReservedInstancesListingId=InvalidReservedInstancesListingId
DescribeReservedInstancesModifications ReservedInstancesModificationIds=InvalidReservedInstancesModificationId
			DescribeHostReservations HostReservationIdSet=InvalidHostReservationId
			DescribeScheduledInstances ScheduledInstanceIds=InvalidScheduledInstanceId
			DescribeCapacityReservationFleets CapacityReservationFleetIds=InvalidCapacityReservationFleetId.NotFound
			DescribeBundleTasks BundleIds=InvalidBundleID.NotFound
			DescribeConversionTasks ConversionTaskIds=InvalidConversionTaskId
			DescribeExportTasks ExportTaskIds=InvalidExportTaskID.NotFound
			DescribeImportImageTasks ImportTaskIds=InvalidConversionTaskId
			DescribeImportSnapshotTasks ImportTaskIds=InvalidConversionTaskId
			DescribeFastSnapshotRestores
			DescribeSnapshotTierStatus
			DescribeReplaceRootVolumeTasks ReplaceRootVolumeTaskIds=InvalidReplaceRootVolumeTaskId.NotFound
			DescribeIpv6Pools PoolIds=InvalidPoolID.NotFound
			DescribePublicIpv4Pools PoolIds=InvalidPoolID.NotFound
			DescribeAddressTransfers
			DescribeNetworkInterfacePermissions NetworkInterfacePermissionIds=InvalidPermissionID.NotFound
			DescribeNetworkInsightsPaths NetworkInsightsPathIds=InvalidNetworkInsightsPathId.NotFound
			DescribeNetworkInsightsAnalyses NetworkInsightsAnalysisIds=InvalidNetworkInsightsAnalysisId.NotFound
			DescribeTrafficMirrorSessions TrafficMirrorSessionIds=InvalidTrafficMirrorSessionId.NotFound
			DescribeTrafficMirrorTargets TrafficMirrorTargetIds=InvalidTrafficMirrorTargetId.NotFound
			DescribeTrafficMirrorFilters TrafficMirrorFilterIds=InvalidTrafficMirrorFilterId.NotFound
			DescribeIpams IpamIds=InvalidIpamId.NotFound
			DescribeIpamPools IpamPoolIds=InvalidIpamPoolId.NotFound
			DescribeIpamScopes IpamScopeIds=InvalidIpamScopeId.NotFound
			DescribeInstanceEventWindows InstanceEventWindowIds=InvalidInstanceEventWindowID.NotFound
			DescribeVerifiedAccessInstances VerifiedAccessInstanceIds=InvalidVerifiedAccessInstanceId.NotFound`,
		OmitEmpty: `
			Instance.Tags Vpc.Tags Subnet.Tags SecurityGroup.Tags LaunchTemplate.Tags Volume.Tags Image.Tags
			Address.Tags
			CreateKeyPairOutput.Tags CreateSecurityGroupOutput.Tags VpcEncryptionControl.Tags
			AvailabilityZone.*Geography Region.Geography Image.ProductCodes Image.ImageWatermarks
			Instance.Elastic* Instance.Licenses Instance.SecondaryInterfaces *.Ipv?Prefixes
			NetworkInterface.AssociatedSubnets
			Vpc.Ipv6CidrBlockAssociationSet InstanceStatus.Events *.UnknownIpPermissions
			DescribeInstanceAttributeOutput.*
			ResponseLaunchTemplateData.* LaunchTemplate*Specification.* InstanceRequirements.* CpuPerformanceFactor.*
			EbsInfo.* FpgaInfo.* Gpu*Info.* *AcceleratorInfo.* NetworkCardInfo.* NetworkInfo.* NeuronInfo.*
			NitroTpmInfo.* ProcessorInfo.*
			VCpuInfo.* InstanceStorageInfo.*`,
	},
	{
		Package: "ecr", Title: "Amazon ECR", Module: sdk + "ecr", Version: "v1.67.5", JSON: true,
		SigningName: "ecr", TargetPrefix: "AmazonEC2ContainerRegistry_V20150921",
		Operations: `
			CreateRepository DeleteRepository DescribeRepositories DescribeRegistry GetAuthorizationToken
			DescribeImages ListImages BatchGetImage BatchDeleteImage PutImage PutImageTagMutability
			PutImageScanningConfiguration
			BatchCheckLayerAvailability InitiateLayerUpload UploadLayerPart CompleteLayerUpload GetDownloadUrlForLayer
			GetLifecyclePolicy PutLifecyclePolicy DeleteLifecyclePolicy
			GetRepositoryPolicy SetRepositoryPolicy DeleteRepositoryPolicy
			TagResource UntagResource ListTagsForResource`,
		Absent: `
			DescribePullThroughCacheRules EcrRepositoryPrefixes=PullThroughCacheRuleNotFoundException
			DescribeRepositoryCreationTemplates Prefixes=TemplateNotFoundException`,
		OmitEmpty:  `PutImageTagMutabilityOutput.*`,
		WriteEmpty: `ReplicationConfiguration.Rules`,
	},
	{
		Package: "logs", Title: "Amazon CloudWatch Logs", Module: sdk + "cloudwatchlogs", Version: "v1.92.1",
		JSON: true, SigningName: "logs", TargetPrefix: "Logs_20140328",
		Operations: `
			CreateLogGroup DeleteLogGroup DescribeLogGroups ListLogGroups CreateLogStream DeleteLogStream
			DescribeLogStreams
			PutLogEvents GetLogEvents FilterLogEvents PutRetentionPolicy DeleteRetentionPolicy
			TagLogGroup UntagLogGroup ListTagsLogGroup TagResource UntagResource ListTagsForResource
			PutMetricFilter DescribeMetricFilters DeleteMetricFilter TestMetricFilter
			StartLiveTail StartQuery StopQuery GetQueryResults`,
		Absent: `
			DescribeSubscriptionFilters
			DescribeDestinations
			DescribeExportTasks
			DescribeResourcePolicies
			DescribeQueryDefinitions
			DescribeQueries
			DescribeAccountPolicies
			DescribeDeliveries
			DescribeDeliveryDestinations
			DescribeDeliverySources
			DescribeFieldIndexes
			DescribeIndexPolicies
			ListLogAnomalyDetectors
			ListIntegrations`,
	},
	{
		Package: "elasticache", Title: "Amazon ElastiCache", Module: sdk + "elasticache", Version: "v1.64.5",
		SigningName: "elasticache", APIVersion: "2015-02-02",
		XMLNamespace: "http://elasticache.amazonaws.com/doc/2015-02-02/",
		Operations: `
			CreateCacheCluster ModifyCacheCluster DeleteCacheCluster DescribeCacheClusters RebootCacheCluster
			CreateReplicationGroup ModifyReplicationGroup DeleteReplicationGroup DescribeReplicationGroups
			CreateCacheSubnetGroup ModifyCacheSubnetGroup DeleteCacheSubnetGroup DescribeCacheSubnetGroups
			DescribeCacheEngineVersions DescribeCacheParameterGroups DescribeEvents
			AddTagsToResource RemoveTagsFromResource ListTagsForResource`,
		Absent: `
			DescribeServerlessCaches ServerlessCacheName=ServerlessCacheNotFoundFault
			DescribeServerlessCacheSnapshots ServerlessCacheSnapshotName=ServerlessCacheSnapshotNotFoundFault
			DescribeSnapshots SnapshotName=SnapshotNotFoundFault
			DescribeUsers UserId=UserNotFound
			DescribeUserGroups UserGroupId=UserGroupNotFound
			DescribeGlobalReplicationGroups GlobalReplicationGroupId=GlobalReplicationGroupNotFoundFault
			DescribeReservedCacheNodes ReservedCacheNodeId=ReservedCacheNodeNotFound
			DescribeUpdateActions
			DescribeCacheSecurityGroups CacheSecurityGroupName=CacheSecurityGroupNotFound
			DescribeServiceUpdates ServiceUpdateName=ServiceUpdateNotFoundFault
			DescribeReservedCacheNodesOfferings ReservedCacheNodesOfferingId=ReservedCacheNodesOfferingNotFound`,
		OmitEmpty: `
			CacheCluster.CacheNodes *PendingModifiedValues.* ReplicationGroup.MemberClustersOutpostArns
			ReplicationGroup.UserGroupIds
			UserGroupsUpdateStatus.* *.SupportedNetworkTypes`,
	},
	{
		Package: "sts", Title: "AWS STS", Module: sdk + "sts", Version: "v1.51.9",
		SigningName: "sts", APIVersion: "2011-06-15", XMLNamespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		Operations: `GetCallerIdentity AssumeRole GetSessionToken GetAccessKeyInfo`,
	},
	{
		Package: "iam", Title: "AWS IAM", Module: sdk + "iam", Version: "v1.64.9",
		SigningName: "iam", APIVersion: "2010-05-08", XMLNamespace: "https://iam.amazonaws.com/doc/2010-05-08/",
		Operations: `
			CreateRole GetRole DeleteRole ListRoles UpdateRole UpdateAssumeRolePolicy TagRole UntagRole ListRoleTags
			CreateServiceLinkedRole DeleteServiceLinkedRole GetServiceLinkedRoleDeletionStatus
			AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies
			PutRolePolicy GetRolePolicy DeleteRolePolicy ListRolePolicies
			CreateInstanceProfile GetInstanceProfile DeleteInstanceProfile ListInstanceProfiles
			ListInstanceProfilesForRole
			AddRoleToInstanceProfile RemoveRoleFromInstanceProfile GetUser ListAccountAliases`,
		Absent: `
			ListUsers
			ListGroups
			ListPolicies
			ListServerCertificates
			ListOpenIDConnectProviders
			ListSAMLProviders
			ListMFADevices UserName=NoSuchEntity
			ListVirtualMFADevices
			ListAccessKeys UserName=NoSuchEntity
			ListGroupsForUser UserName=NoSuchEntity
			ListAttachedUserPolicies UserName=NoSuchEntity
			ListUserPolicies UserName=NoSuchEntity
			ListUserTags UserName=NoSuchEntity
			ListAttachedGroupPolicies GroupName=NoSuchEntity
			ListGroupPolicies GroupName=NoSuchEntity
			ListPolicyVersions PolicyArn=NoSuchEntity
			ListPolicyTags PolicyArn=NoSuchEntity
			ListEntitiesForPolicy PolicyArn=NoSuchEntity
			ListSSHPublicKeys UserName=NoSuchEntity
			ListSigningCertificates UserName=NoSuchEntity
			ListServiceSpecificCredentials UserName=NoSuchEntity`,
		OmitEmpty: `
			Role.Tags User.Tags InstanceProfile.Tags`,
	},
	{
		Package: "route53", Title: "Amazon Route 53", Module: sdk + "route53", Version: "v1.71.0", REST: true,
		SigningName: "route53", APIVersion: "2013-04-01", XMLNamespace: "https://route53.amazonaws.com/doc/2013-04-01/",
		Operations: `
			CreateHostedZone GetHostedZone DeleteHostedZone ListHostedZones ListHostedZonesByName GetHostedZoneCount
			UpdateHostedZoneComment ChangeResourceRecordSets ListResourceRecordSets GetChange
			ChangeTagsForResource ListTagsForResource`,
		Created: `CreateHostedZone`,
	},
	{
		Package: "lambda", Title: "AWS Lambda", Module: sdk + "lambda", Version: "v1.115.0", JSON: true, REST: true,
		Statuses: true, SigningName: "lambda", APIVersion: "2015-03-31",
		Operations: `
			CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration
			DeleteFunction ListFunctions Invoke TagResource UntagResource ListTags`,
	},
	{
		Package: "appscaling", Title: "Application Auto Scaling", Module: sdk + "applicationautoscaling",
		Version: "v1.51.12", JSON: true,
		SigningName: "application-autoscaling", TargetPrefix: "AnyScaleFrontendService",
		Operations: `
			RegisterScalableTarget DeregisterScalableTarget DescribeScalableTargets
			PutScalingPolicy DeleteScalingPolicy DescribeScalingPolicies
			PutScheduledAction DeleteScheduledAction DescribeScheduledActions
			DescribeScalingActivities GetPredictiveScalingForecast
			TagResource UntagResource ListTagsForResource`,
	},
	{
		Package: "sns", Title: "Amazon SNS", Module: sdk + "sns", Version: "v1.47.10",
		SigningName: "sns", APIVersion: "2010-03-31",
		XMLNamespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		Operations: `
			CreateTopic DeleteTopic ListTopics GetTopicAttributes SetTopicAttributes
			Subscribe ConfirmSubscription Unsubscribe ListSubscriptions ListSubscriptionsByTopic
			GetSubscriptionAttributes SetSubscriptionAttributes Publish PublishBatch
			TagResource UntagResource ListTagsForResource`,
	},
	{
		Package: "cloudwatch", Title: "Amazon CloudWatch", Module: sdk + "cloudwatch", Version: "v1.75.6",
		JSON: true, Query: true, Statuses: true, SigningName: "monitoring",
		TargetPrefix: "GraniteServiceVersion20100801",
		APIVersion:   "2010-08-01",
		XMLNamespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
		Operations: `
			PutMetricAlarm DeleteAlarms DescribeAlarms DescribeAlarmsForMetric DescribeAlarmHistory SetAlarmState
			EnableAlarmActions DisableAlarmActions PutCompositeAlarm
			PutDashboard GetDashboard ListDashboards DeleteDashboards
			PutMetricData GetMetricData GetMetricStatistics ListMetrics TagResource UntagResource ListTagsForResource`,
		WriteEmpty: `
			*Alarm.AlarmActions *Alarm.OKActions *Alarm.InsufficientDataActions
			MetricDataResult.Timestamps MetricDataResult.Values`,
	},
}
