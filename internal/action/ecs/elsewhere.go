package ecs

import (
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
)

// These are not built, and are named in the errors of actions that need them.
const (
	managedDaemons = "managed daemons, which run on ECS Managed Instances alone (use a service with the " +
		"scheduling strategy DAEMON)"
	expressServices = "express gateway services"
	gateways        = "gateways"
)

// elsewhere are the actions on what AWS runs for its callers. They are refused by name.
func elsewhere() []awswire.Operation {
	return []awswire.Operation{
		refuse[shape.CreateDaemonInput, shape.CreateDaemonOutput]("CreateDaemon", managedDaemons),
		refuse[shape.UpdateDaemonInput, shape.UpdateDaemonOutput]("UpdateDaemon", managedDaemons),
		refuse[shape.DeleteDaemonInput, shape.DeleteDaemonOutput]("DeleteDaemon", managedDaemons),
		refuse[shape.DescribeDaemonInput, shape.DescribeDaemonOutput]("DescribeDaemon", managedDaemons),
		refuse[shape.ListDaemonsInput, shape.ListDaemonsOutput]("ListDaemons", managedDaemons),
		refuse[shape.DescribeDaemonDeploymentsInput, shape.DescribeDaemonDeploymentsOutput](
			"DescribeDaemonDeployments", managedDaemons),
		refuse[shape.ListDaemonDeploymentsInput, shape.ListDaemonDeploymentsOutput](
			"ListDaemonDeployments", managedDaemons),
		refuse[shape.DescribeDaemonRevisionsInput, shape.DescribeDaemonRevisionsOutput](
			"DescribeDaemonRevisions", managedDaemons),
		refuse[shape.RegisterDaemonTaskDefinitionInput, shape.RegisterDaemonTaskDefinitionOutput](
			"RegisterDaemonTaskDefinition", managedDaemons),
		refuse[shape.DeleteDaemonTaskDefinitionInput, shape.DeleteDaemonTaskDefinitionOutput](
			"DeleteDaemonTaskDefinition", managedDaemons),
		refuse[shape.DescribeDaemonTaskDefinitionInput, shape.DescribeDaemonTaskDefinitionOutput](
			"DescribeDaemonTaskDefinition", managedDaemons),
		refuse[shape.ListDaemonTaskDefinitionsInput, shape.ListDaemonTaskDefinitionsOutput](
			"ListDaemonTaskDefinitions", managedDaemons),

		refuse[shape.CreateExpressGatewayServiceInput, shape.CreateExpressGatewayServiceOutput](
			"CreateExpressGatewayService", expressServices),
		refuse[shape.UpdateExpressGatewayServiceInput, shape.UpdateExpressGatewayServiceOutput](
			"UpdateExpressGatewayService", expressServices),
		refuse[shape.DeleteExpressGatewayServiceInput, shape.DeleteExpressGatewayServiceOutput](
			"DeleteExpressGatewayService", expressServices),
		refuse[shape.DescribeExpressGatewayServiceInput, shape.DescribeExpressGatewayServiceOutput](
			"DescribeExpressGatewayService", expressServices),

		refuse[shape.CreateGatewayInput, shape.CreateGatewayOutput]("CreateGateway", gateways),
		refuse[shape.UpdateGatewayInput, shape.UpdateGatewayOutput]("UpdateGateway", gateways),
		refuse[shape.DeleteGatewayInput, shape.DeleteGatewayOutput]("DeleteGateway", gateways),
		refuse[shape.DescribeGatewayInput, shape.DescribeGatewayOutput]("DescribeGateway", gateways),
		refuse[shape.DescribeGatewayResourcesInput, shape.DescribeGatewayResourcesOutput](
			"DescribeGatewayResources", gateways),
		refuse[shape.DescribeGatewayRouteInput, shape.DescribeGatewayRouteOutput]("DescribeGatewayRoute", gateways),
		refuse[shape.ListGatewaysInput, shape.ListGatewaysOutput]("ListGateways", gateways),
		refuse[shape.ListGatewayRoutesInput, shape.ListGatewayRoutesOutput]("ListGatewayRoutes", gateways),
		refuse[shape.ListGatewayClusterAssociationsInput, shape.ListGatewayClusterAssociationsOutput](
			"ListGatewayClusterAssociations", gateways),
		refuse[shape.AssociateGatewayWithClusterInput, shape.AssociateGatewayWithClusterOutput](
			"AssociateGatewayWithCluster", gateways),
		refuse[shape.DisassociateGatewayFromClusterInput, shape.DisassociateGatewayFromClusterOutput](
			"DisassociateGatewayFromCluster", gateways),
	}
}
