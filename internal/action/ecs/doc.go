// Package ecs is the front desk of Amazon ECS: one file per group of actions on one thing, each
// action in three parts: parse what was asked and refuse what is wrong in AWS's words, run one
// transaction, answer.
//
// Actions write what callers want and never what was observed; they hold no state of their own and
// are safe for concurrent use.
package ecs

import (
	"slices"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/state"
)

type api struct {
	store *state.Store
}

// Service returns Amazon ECS's actions. more are operations of the same service that live in other
// rooms: those of the container agent.
func Service(store *state.Store, more ...awswire.Operation) awswire.Service {
	a := &api{store: store}
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.JSON11},
		TargetPrefix:   shape.TargetPrefix,
		ValidationCode: "InvalidParameterException", RefusalCode: "InvalidParameterException",
		TokenCode:  "InvalidParameterException",
		Operations: slices.Concat(a.operations(), a.notBuilt(), more),
	}
}

func (a *api) operations() []awswire.Operation {
	return []awswire.Operation{
		awswire.Op("CreateCluster", a.createCluster).Refuses("serviceConnectDefaults",
			"configuration.managedStorageConfiguration"),
		awswire.Op("UpdateCluster", a.updateCluster).Refuses("serviceConnectDefaults",
			"configuration.managedStorageConfiguration"),
		awswire.Op("UpdateClusterSettings", a.updateClusterSettings),
		awswire.Op("DeleteCluster", a.deleteCluster),
		awswire.Op("DescribeClusters", a.describeClusters),
		awswire.Op("ListClusters", a.listClusters),

		awswire.Op("CreateCapacityProvider", a.createCapacityProvider).Refuses("cluster", "managedInstancesProvider"),
		awswire.Op("UpdateCapacityProvider", a.updateCapacityProvider).Refuses("cluster", "managedInstancesProvider"),
		awswire.Op("DeleteCapacityProvider", a.deleteCapacityProvider).Refuses("cluster"),
		awswire.Op("DescribeCapacityProviders", a.describeCapacityProviders),
		awswire.Op("PutClusterCapacityProviders", a.putClusterCapacityProviders),

		awswire.Op("RegisterTaskDefinition", a.registerTaskDefinition).Refuses("ephemeralStorage",
			"inferenceAccelerators", "proxyConfiguration").
			Accepts("TaskDefinitionPlacementConstraintType", "distinctInstance"),
		awswire.Op("DeregisterTaskDefinition", a.deregisterTaskDefinition),
		awswire.Op("DeleteTaskDefinitions", a.deleteTaskDefinitions),
		awswire.Op("DescribeTaskDefinition", a.describeTaskDefinition),
		awswire.Op("ListTaskDefinitions", a.listTaskDefinitions),
		awswire.Op("ListTaskDefinitionFamilies", a.listTaskDefinitionFamilies),

		awswire.Op("RunTask", a.runTask).Refuses("platformVersion", "referenceId",
			"volumeConfigurations", "overrides.ephemeralStorage", "overrides.inferenceAcceleratorOverrides"),
		awswire.Op("StartTask", a.startTask).Refuses("referenceId", "volumeConfigurations",
			"overrides.ephemeralStorage", "overrides.inferenceAcceleratorOverrides"),
		awswire.Op("StopTask", a.stopTask),
		awswire.Op("DescribeTasks", a.describeTasks),
		awswire.Op("ListTasks", a.listTasks).Refuses("daemonName"),
		awswire.Op("GetTaskProtection", a.getTaskProtection),
		awswire.Op("UpdateTaskProtection", a.updateTaskProtection),

		awswire.Op("CreateService", a.createService).Refuses(laterServiceFields...),
		awswire.Op("UpdateService", a.updateService).Refuses(laterServiceFields...),
		awswire.Op("DeleteService", a.deleteService),
		awswire.Op("DescribeServices", a.describeServices),
		awswire.Op("ListServiceDeployments", a.listServiceDeployments),
		awswire.Op("DescribeServiceDeployments", a.describeServiceDeployments),
		awswire.Op("DescribeServiceRevisions", a.describeServiceRevisions),
		awswire.Op("StopServiceDeployment", a.stopServiceDeployment),
		awswire.Op("ListServices", a.listServices).Refuses("resourceManagementType"),

		awswire.Op("DescribeContainerInstances", a.describeContainerInstances),
		awswire.Op("ListContainerInstances", a.listContainerInstances),
		awswire.Op("UpdateContainerInstancesState", a.updateContainerInstancesState),
		awswire.Op("DeregisterContainerInstance", a.deregisterContainerInstance),
		awswire.Op("PutAttributes", a.putAttributes),
		awswire.Op("DeleteAttributes", a.deleteAttributes),
		awswire.Op("ListAttributes", a.listAttributes),

		awswire.Op("TagResource", a.tagResource),
		awswire.Op("UntagResource", a.untagResource),
		awswire.Op("ListTagsForResource", a.listTagsForResource),

		awswire.Op("PutAccountSetting", a.putAccountSetting),
		awswire.Op("PutAccountSettingDefault", a.putAccountSettingDefault),
		awswire.Op("ListAccountSettings", a.listAccountSettings),
		awswire.Op("DeleteAccountSetting", a.deleteAccountSetting),
	}
}

// laterServiceFields belong to capabilities that have a room waiting but are not built: they are refused by name.
var laterServiceFields = []string{
	"gatewayConnectors", "monitoring",
	"platformVersion", "serviceConnectConfiguration", "serviceRegistries", "volumeConfigurations",
	"vpcLatticeConfigurations", "deploymentConfiguration.bakeTimeInMinutes",
	"deploymentConfiguration.canaryConfiguration", "deploymentConfiguration.linearConfiguration",
	"deploymentConfiguration.lifecycleHooks", "deploymentConfiguration.earlySuccessCriteria",
	"loadBalancers[].advancedConfiguration", "loadBalancers[].loadBalancerName",
}
