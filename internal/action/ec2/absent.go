package ec2

import (
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
)

// absentOperations list what cannot exist here: gateways to other networks, endpoints, snapshots, Spot requests, reservations.
func absentOperations() []awswire.Operation {
	return []awswire.Operation{
		awswire.Nothing[shape.DescribeVpnGatewaysInput, shape.DescribeVpnGatewaysOutput]("DescribeVpnGateways",
			awswire.Unknown{Member: "VpnGatewayIds", Code: "InvalidVpnGatewayID.NotFound", Message: "The vpnGateway ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeVpnConnectionsInput, shape.DescribeVpnConnectionsOutput]("DescribeVpnConnections",
			awswire.Unknown{Member: "VpnConnectionIds", Code: "InvalidVpnConnectionID.NotFound", Message: "The vpnConnection ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeCustomerGatewaysInput, shape.DescribeCustomerGatewaysOutput]("DescribeCustomerGateways",
			awswire.Unknown{Member: "CustomerGatewayIds", Code: "InvalidCustomerGatewayID.NotFound", Message: "The customerGateway ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeNatGatewaysInput, shape.DescribeNatGatewaysOutput]("DescribeNatGateways",
			awswire.Unknown{Member: "NatGatewayIds", Code: "NatGatewayNotFound", Message: "The Nat Gateway %s was not found"}),
		awswire.Nothing[shape.DescribeVpcEndpointsInput, shape.DescribeVpcEndpointsOutput]("DescribeVpcEndpoints",
			awswire.Unknown{Member: "VpcEndpointIds", Code: "InvalidVpcEndpointId.NotFound", Message: "The Vpc Endpoint Id '%s' does not exist"}),
		awswire.Nothing[shape.DescribeVpcEndpointServiceConfigurationsInput, shape.DescribeVpcEndpointServiceConfigurationsOutput]("DescribeVpcEndpointServiceConfigurations",
			awswire.Unknown{Member: "ServiceIds", Code: "InvalidVpcEndpointServiceId.NotFound", Message: "The VpcEndpointService Id '%s' does not exist"}),
		awswire.Nothing[shape.DescribeVpcPeeringConnectionsInput, shape.DescribeVpcPeeringConnectionsOutput]("DescribeVpcPeeringConnections",
			awswire.Unknown{Member: "VpcPeeringConnectionIds", Code: "InvalidVpcPeeringConnectionID.NotFound", Message: "The vpcPeeringConnection ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeEgressOnlyInternetGatewaysInput, shape.DescribeEgressOnlyInternetGatewaysOutput]("DescribeEgressOnlyInternetGateways",
			awswire.Unknown{Member: "EgressOnlyInternetGatewayIds", Code: "InvalidGatewayID.NotFound", Message: "The eigw ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeFlowLogsInput, shape.DescribeFlowLogsOutput]("DescribeFlowLogs",
			awswire.Unknown{Member: "FlowLogIds", Code: "InvalidFlowLogId.NotFound", Message: "The flow log ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribePrefixListsInput, shape.DescribePrefixListsOutput]("DescribePrefixLists",
			awswire.Unknown{Member: "PrefixListIds", Code: "InvalidPrefixListId.NotFound", Message: "The prefix list ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeManagedPrefixListsInput, shape.DescribeManagedPrefixListsOutput]("DescribeManagedPrefixLists",
			awswire.Unknown{Member: "PrefixListIds", Code: "InvalidPrefixListID.NotFound", Message: "The prefix list ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeTransitGatewaysInput, shape.DescribeTransitGatewaysOutput]("DescribeTransitGateways",
			awswire.Unknown{Member: "TransitGatewayIds", Code: "InvalidTransitGatewayID.NotFound", Message: "Transit Gateway %s was deleted or does not exist."}),
		awswire.Nothing[shape.DescribeTransitGatewayAttachmentsInput, shape.DescribeTransitGatewayAttachmentsOutput]("DescribeTransitGatewayAttachments",
			awswire.Unknown{Member: "TransitGatewayAttachmentIds", Code: "InvalidTransitGatewayAttachmentID.NotFound", Message: "Transit Gateway Attachment %s was deleted or does not exist."}),
		awswire.Nothing[shape.DescribeTransitGatewayVpcAttachmentsInput, shape.DescribeTransitGatewayVpcAttachmentsOutput]("DescribeTransitGatewayVpcAttachments",
			awswire.Unknown{Member: "TransitGatewayAttachmentIds", Code: "InvalidTransitGatewayAttachmentID.NotFound", Message: "Transit Gateway Attachment %s was deleted or does not exist."}),
		awswire.Nothing[shape.DescribePlacementGroupsInput, shape.DescribePlacementGroupsOutput]("DescribePlacementGroups",
			awswire.Unknown{Member: "GroupNames", Code: "InvalidPlacementGroup.Unknown", Message: "The Placement Group '%s' is unknown."},
			awswire.Unknown{Member: "GroupIds", Code: "InvalidPlacementGroupId.Unknown", Message: "The Placement Group '%s' is unknown."}),
		awswire.Nothing[shape.DescribeSnapshotsInput, shape.DescribeSnapshotsOutput]("DescribeSnapshots",
			awswire.Unknown{Member: "SnapshotIds", Code: "InvalidSnapshot.NotFound", Message: "The snapshot '%s' does not exist."}),
		awswire.Nothing[shape.DescribeSpotInstanceRequestsInput, shape.DescribeSpotInstanceRequestsOutput]("DescribeSpotInstanceRequests",
			awswire.Unknown{Member: "SpotInstanceRequestIds", Code: "InvalidSpotInstanceRequestID.NotFound", Message: "The spot instance request ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeSpotFleetRequestsInput, shape.DescribeSpotFleetRequestsOutput]("DescribeSpotFleetRequests",
			awswire.Unknown{Member: "SpotFleetRequestIds", Code: "InvalidSpotFleetRequestId.NotFound", Message: "The spot fleet request ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeFleetsInput, shape.DescribeFleetsOutput]("DescribeFleets",
			awswire.Unknown{Member: "FleetIds", Code: "InvalidFleetId.NotFound", Message: "The fleet ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeCapacityReservationsInput, shape.DescribeCapacityReservationsOutput]("DescribeCapacityReservations",
			awswire.Unknown{Member: "CapacityReservationIds", Code: "InvalidCapacityReservationId.NotFound", Message: "The capacity reservation ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeHostsInput, shape.DescribeHostsOutput]("DescribeHosts",
			awswire.Unknown{Member: "HostIds", Code: "InvalidHostID.NotFound", Message: "The host ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeReservedInstancesInput, shape.DescribeReservedInstancesOutput]("DescribeReservedInstances",
			awswire.Unknown{Member: "ReservedInstancesIds", Code: "InvalidReservedInstancesID", Message: "The reserved instances ID '%s' does not exist"}),
		awswire.Nothing[shape.DescribeIamInstanceProfileAssociationsInput, shape.DescribeIamInstanceProfileAssociationsOutput]("DescribeIamInstanceProfileAssociations",
			awswire.Unknown{Member: "AssociationIds", Code: "InvalidAssociationID.NotFound", Message: "The association ID '%s' does not exist"}),
	}
}
