package ec2

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// fixedTags are the tags of a thing that has no row of its own.
func fixedTags(t *state.Tables, call *awswire.Call, id string) tag.Set {
	row, ok := t.ResourceTags.Get(fleet.Key(call.Region, call.Account, id))
	if !ok {
		return nil
	}
	return row.Tags
}

// network is where the region's VPC lies. The first look at it decides: what was answered once
// stays so. Reading works when nothing can be written; the decision then is the same until it is
// kept, as long as the machine's other networks are.
func (a *api) network(ctx context.Context, call *awswire.Call) (*fleet.Network, error) {
	n, isNew, err := launch.Network(&a.store.View().Tables, call.Region, call.Account, nil)
	if err != nil || !isNew {
		return n, err
	}
	busy := a.host.Busy(call.Region)
	full := a.store.Update(ctx, func(tx *state.Tx) error {
		if n, isNew, err = launch.Network(&tx.Tables, call.Region, call.Account, busy); isNew {
			tx.Networks.Put(n)
		}
		return err
	})
	if n != nil {
		return n, nil
	}
	return nil, full
}

func (a *api) describeVpcs(
	ctx context.Context, call *awswire.Call, in *shape.DescribeVpcsInput,
) (*shape.DescribeVpcsOutput, error) {
	network, err := a.network(ctx, call)
	if err != nil {
		return nil, err
	}
	view := a.store.View()
	l := lister[fleet.VPC]{
		id: func(v fleet.VPC) string { return v.ID }, missing: notFound("InvalidVpcID.NotFound", "vpc ID"),
		tags: func(v fleet.VPC) tag.Set { return fixedTags(&view.Tables, call, v.ID) },
		fields: func(v fleet.VPC) map[string][]string {
			return map[string][]string{"vpc-id": {v.ID}, "cidr": {network.CIDR.String()},
				"cidr-block-association.cidr-block": {network.CIDR.String()}, "is-default": {"true"},
				"isDefault": {"true"},
				"state":     {"available"}, "owner-id": {v.Account}, "dhcp-options-id": {v.DHCPOptions}}
		},
	}
	found, next, err := l.find(call, []fleet.VPC{fleet.DefaultVPC(call.Region, call.Account)},
		query{in.VpcIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeVpcsOutput{NextToken: next}
	for _, v := range found {
		cidr := network.CIDR.String()
		out.Vpcs = append(out.Vpcs, shape.Vpc{
			VpcId: new(v.ID), CidrBlock: &cidr, IsDefault: new(true), State: "available",
			OwnerId: new(v.Account), DhcpOptionsId: new(v.DHCPOptions), InstanceTenancy: "default",
			CidrBlockAssociationSet: []shape.VpcCidrBlockAssociation{
				{AssociationId: new(fleet.FixedID("vpc-cidr-assoc", v.Region, v.Account)), CidrBlock: &cidr,
					CidrBlockState: &shape.VpcCidrBlockState{State: "associated"}}},
			Tags: answerTags(fixedTags(&view.Tables, call, v.ID)),
		})
	}
	return out, err
}

func (a *api) describeVpcAttribute(
	_ context.Context, call *awswire.Call, in *shape.DescribeVpcAttributeInput,
) (*shape.DescribeVpcAttributeOutput, error) {
	if id := request.Value(in.VpcId); id != fleet.DefaultVPC(call.Region, call.Account).ID {
		return nil, notFound("InvalidVpcID.NotFound", "vpc ID")([]string{id})
	}
	out := &shape.DescribeVpcAttributeOutput{VpcId: in.VpcId}
	switch yes := (&shape.AttributeBooleanValue{Value: new(true)}); in.Attribute {
	case "enableDnsSupport":
		out.EnableDnsSupport = yes
	case "enableDnsHostnames":
		out.EnableDnsHostnames = yes
	default:
		out.EnableNetworkAddressUsageMetrics = &shape.AttributeBooleanValue{Value: new(false)}
	}
	return out, nil
}

func (a *api) describeSubnets(
	ctx context.Context, call *awswire.Call, in *shape.DescribeSubnetsInput,
) (*shape.DescribeSubnetsOutput, error) {
	network, err := a.network(ctx, call)
	if err != nil {
		return nil, err
	}
	view := a.store.View()
	l := lister[fleet.Subnet]{
		id: func(s fleet.Subnet) string { return s.ID }, missing: notFound("InvalidSubnetID.NotFound", "subnet ID"),
		tags: func(s fleet.Subnet) tag.Set { return fixedTags(&view.Tables, call, s.ID) },
		fields: func(s fleet.Subnet) map[string][]string {
			return map[string][]string{"subnet-id": {s.ID}, "vpc-id": {s.VPC},
				"availability-zone": {s.Zone.Name}, "availabilityZone": {s.Zone.Name},
				"availability-zone-id": {s.Zone.ID},
				"cidr-block":           {network.Part(s).String()}, "cidr": {network.Part(s).String()},
				"cidrBlock": {network.Part(s).String()}, "default-for-az": {"true"}, "defaultForAz": {"true"},
				"state": {"available"}, "owner-id": {s.Account}, "map-public-ip-on-launch": {"true"},
				"subnet-arn": {subnetARN(s)}}
		},
	}
	found, next, err := l.find(call, fleet.Subnets(call.Region, call.Account),
		query{in.SubnetIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeSubnetsOutput{NextToken: next}
	for _, s := range found {
		out.Subnets = append(out.Subnets, shape.Subnet{
			SubnetId: new(s.ID), SubnetArn: new(subnetARN(s)), VpcId: new(s.VPC),
			AvailabilityZone: new(s.Zone.Name), AvailabilityZoneId: new(s.Zone.ID),
			CidrBlock: new(network.Part(s).String()), AvailableIpAddressCount: new(int32(4091)),
			DefaultForAz: new(true), MapPublicIpOnLaunch: new(true), State: "available",
			OwnerId: new(s.Account), AssignIpv6AddressOnCreation: new(false), Ipv6Native: new(false),
			EnableDns64: new(false), Tags: answerTags(fixedTags(&view.Tables, call, s.ID)),
		})
	}
	return out, err
}

func subnetARN(s fleet.Subnet) string {
	return arn.New("ec2", s.Region, s.Account, "subnet/"+s.ID).String()
}

func (a *api) describeInternetGateways(
	_ context.Context, call *awswire.Call, in *shape.DescribeInternetGatewaysInput,
) (*shape.DescribeInternetGatewaysOutput, error) {
	view := a.store.View()
	l := lister[fleet.VPC]{
		id:      func(v fleet.VPC) string { return v.InternetGateway },
		missing: notFound("InvalidInternetGatewayID.NotFound", "internetGateway ID"),
		tags:    func(v fleet.VPC) tag.Set { return fixedTags(&view.Tables, call, v.InternetGateway) },
		fields: func(v fleet.VPC) map[string][]string {
			return map[string][]string{"internet-gateway-id": {v.InternetGateway},
				"attachment.vpc-id": {v.ID}, "attachment.state": {"available"}, "owner-id": {v.Account}}
		},
	}
	found, next, err := l.find(call, []fleet.VPC{fleet.DefaultVPC(call.Region, call.Account)},
		query{in.InternetGatewayIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeInternetGatewaysOutput{NextToken: next}
	for _, v := range found {
		out.InternetGateways = append(out.InternetGateways,
			shape.InternetGateway{InternetGatewayId: new(v.InternetGateway), OwnerId: new(v.Account),
				Attachments: []shape.InternetGatewayAttachment{{State: "available", VpcId: new(v.ID)}},
				Tags:        answerTags(fixedTags(&view.Tables, call, v.InternetGateway))})
	}
	return out, err
}

func (a *api) describeRouteTables(
	ctx context.Context, call *awswire.Call, in *shape.DescribeRouteTablesInput,
) (*shape.DescribeRouteTablesOutput, error) {
	network, err := a.network(ctx, call)
	if err != nil {
		return nil, err
	}
	view := a.store.View()
	main := fleet.FixedID("rtbassoc", call.Region, call.Account)
	l := lister[fleet.VPC]{
		id:      func(v fleet.VPC) string { return v.RouteTable },
		missing: notFound("InvalidRouteTableID.NotFound", "routeTable ID"),
		tags:    func(v fleet.VPC) tag.Set { return fixedTags(&view.Tables, call, v.RouteTable) },
		fields: func(v fleet.VPC) map[string][]string {
			return map[string][]string{"route-table-id": {v.RouteTable}, "vpc-id": {v.ID},
				"association.main": {"true"}, "owner-id": {v.Account}, "association.subnet-id": nil,
				"association.route-table-association-id": {main},
				"association.route-table-id":             {v.RouteTable},
				"route.gateway-id":                       {"local", v.InternetGateway},
				"route.destination-cidr-block":           {network.CIDR.String(), "0.0.0.0/0"},
				"route.state":                            {"active"}}
		},
	}
	found, next, err := l.find(call, []fleet.VPC{fleet.DefaultVPC(call.Region, call.Account)},
		query{in.RouteTableIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeRouteTablesOutput{NextToken: next}
	for _, v := range found {
		out.RouteTables = append(out.RouteTables, shape.RouteTable{
			RouteTableId: new(v.RouteTable), VpcId: new(v.ID), OwnerId: new(v.Account),
			Tags: answerTags(fixedTags(&view.Tables, call, v.RouteTable)),
			Associations: []shape.RouteTableAssociation{
				{Main: new(true), RouteTableAssociationId: &main, RouteTableId: new(v.RouteTable),
					AssociationState: &shape.RouteTableAssociationState{State: "associated"}}},
			Routes: []shape.Route{
				{DestinationCidrBlock: new(network.CIDR.String()), GatewayId: new("local"),
					Origin: "CreateRouteTable", State: "active"},
				{DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: new(v.InternetGateway),
					Origin: "CreateRoute", State: "active"},
			},
		})
	}
	return out, err
}

func (a *api) describeNetworkAcls(
	_ context.Context, call *awswire.Call, in *shape.DescribeNetworkAclsInput,
) (*shape.DescribeNetworkAclsOutput, error) {
	view := a.store.View()
	l := lister[fleet.VPC]{
		id:      func(v fleet.VPC) string { return v.NetworkACL },
		missing: notFound("InvalidNetworkAclID.NotFound", "networkAcl ID"),
		tags:    func(v fleet.VPC) tag.Set { return fixedTags(&view.Tables, call, v.NetworkACL) },
		fields: func(v fleet.VPC) map[string][]string {
			return map[string][]string{"network-acl-id": {v.NetworkACL}, "vpc-id": {v.ID},
				"default": {"true"}, "owner-id": {v.Account}, "association.network-acl-id": {v.NetworkACL}}
		},
	}
	found, next, err := l.find(call, []fleet.VPC{fleet.DefaultVPC(call.Region, call.Account)},
		query{in.NetworkAclIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeNetworkAclsOutput{NextToken: next}
	for _, v := range found {
		acl := shape.NetworkAcl{NetworkAclId: new(v.NetworkACL), VpcId: new(v.ID), IsDefault: new(true),
			OwnerId: new(v.Account), Tags: answerTags(fixedTags(&view.Tables, call, v.NetworkACL))}
		for _, s := range fleet.Subnets(v.Region, v.Account) {
			acl.Associations = append(acl.Associations, shape.NetworkAclAssociation{
				NetworkAclAssociationId: new(fleet.FixedID("aclassoc", v.Region, v.Account, s.ID)),
				NetworkAclId:            new(v.NetworkACL), SubnetId: new(s.ID)})
		}
		for _, egress := range []bool{true, false} {
			acl.Entries = append(acl.Entries,
				shape.NetworkAclEntry{CidrBlock: new("0.0.0.0/0"), Egress: &egress, Protocol: new("-1"),
					RuleAction: "allow", RuleNumber: new(int32(100))},
				shape.NetworkAclEntry{CidrBlock: new("0.0.0.0/0"), Egress: &egress, Protocol: new("-1"),
					RuleAction: "deny", RuleNumber: new(int32(32767))})
		}
		out.NetworkAcls = append(out.NetworkAcls, acl)
	}
	return out, err
}

// describeDhcpOptions answers the set that AWS gives to a default VPC: the domain of the region's instances, and
// Amazon's DNS server.
func (a *api) describeDhcpOptions(
	_ context.Context, call *awswire.Call, in *shape.DescribeDhcpOptionsInput,
) (*shape.DescribeDhcpOptionsOutput, error) {
	view := a.store.View()
	domain, servers := fleet.PrivateDomain(call.Region), "AmazonProvidedDNS"
	l := lister[fleet.VPC]{
		id:      func(v fleet.VPC) string { return v.DHCPOptions },
		missing: notFound("InvalidDhcpOptionID.NotFound", "dhcpOption ID"),
		tags:    func(v fleet.VPC) tag.Set { return fixedTags(&view.Tables, call, v.DHCPOptions) },
		fields: func(v fleet.VPC) map[string][]string {
			return map[string][]string{"dhcp-options-id": {v.DHCPOptions}, "owner-id": {v.Account},
				"key": {"domain-name", "domain-name-servers"}, "value": {domain, servers}}
		},
	}
	found, next, err := l.find(call, []fleet.VPC{fleet.DefaultVPC(call.Region, call.Account)},
		query{in.DhcpOptionsIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeDhcpOptionsOutput{NextToken: next}
	for _, v := range found {
		out.DhcpOptions = append(out.DhcpOptions, shape.DhcpOptions{
			DhcpOptionsId: new(v.DHCPOptions), OwnerId: new(v.Account),
			DhcpConfigurations: []shape.DhcpConfiguration{
				{Key: new("domain-name"), Values: []shape.AttributeValue{{Value: &domain}}},
				{Key: new("domain-name-servers"), Values: []shape.AttributeValue{{Value: &servers}}}},
			Tags: answerTags(fixedTags(&view.Tables, call, v.DHCPOptions)),
		})
	}
	return out, err
}

func (a *api) describeVolumes(
	_ context.Context, _ *awswire.Call, in *shape.DescribeVolumesInput,
) (*shape.DescribeVolumesOutput, error) {
	if len(in.VolumeIds) > 0 {
		return nil, fault.New("InvalidVolume.NotFound",
			"The volume '%s' does not exist: instances of a local machine have no volumes.", in.VolumeIds[0])
	}
	return &shape.DescribeVolumesOutput{}, nil
}

func (a *api) describeAddresses(
	_ context.Context, _ *awswire.Call, in *shape.DescribeAddressesInput,
) (*shape.DescribeAddressesOutput, error) {
	if len(in.AllocationIds) > 0 {
		return nil, fault.New("InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist: a "+
			"local machine has no elastic addresses.", in.AllocationIds[0])
	}
	if len(in.PublicIps) > 0 {
		return nil, fault.New("InvalidAddress.NotFound", "Address '%s' not found.", in.PublicIps[0])
	}
	return &shape.DescribeAddressesOutput{}, nil
}
