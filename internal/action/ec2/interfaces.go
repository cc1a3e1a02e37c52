package ec2

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/tag"
)

// describeNetworkInterfaces lists the one interface of each instance that has not ended. The
// interfaces of awsvpc tasks are not instances' and not here.
func (a *api) describeNetworkInterfaces(
	_ context.Context, call *awswire.Call, in *shape.DescribeNetworkInterfacesInput,
) (*shape.DescribeNetworkInterfacesOutput, error) {
	t := &a.store.View().Tables
	l := lister[*fleet.Instance]{
		id:      func(i *fleet.Instance) string { return nicOf(i).id },
		missing: notFound("InvalidNetworkInterfaceID.NotFound", "networkInterface ID"),
		sample:  &fleet.Instance{},
		tags:    func(i *fleet.Instance) tag.Set { return fixedTags(t, call, nicOf(i).id) },
		fields: func(i *fleet.Instance) map[string][]string {
			n, all := nicOf(i), instanceFields(t, i)
			return map[string][]string{"network-interface-id": {n.id},
				"attachment.attachment-id": {n.attachment}, "attachment.instance-id": {i.ID},
				"attachment.instance-owner-id": {i.Account},
				"attachment.status":            {"attached"},
				"mac-address":                  {n.mac}, "subnet-id": {i.SubnetID}, "vpc-id": all["vpc-id"],
				"availability-zone": {i.Zone}, "private-ip-address": all["private-ip-address"],
				"addresses.private-ip-address": all["private-ip-address"],
				"private-dns-name":             all["private-dns-name"], "group-id": all["group-id"],
				"group-name": all["group-name"], "status": {"in-use"}, "owner-id": {i.Account},
				"interface-type": {"interface"}, "requester-id": nil, "description": nil,
				"association.public-ip": nil, "requester-managed": {"false"}}
		},
	}
	all := slices.DeleteFunc(slices.Collect(instancesOf(t, call)),
		func(i *fleet.Instance) bool { return i.State == fleet.Terminated })
	found, next, err := l.find(call, all,
		query{in.NetworkInterfaceIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeNetworkInterfacesOutput{NextToken: next}
	for _, i := range found {
		n := answerInstanceInterface(t, i)
		out.NetworkInterfaces = append(out.NetworkInterfaces, shape.NetworkInterface{
			NetworkInterfaceId: n.NetworkInterfaceId, MacAddress: n.MacAddress, InterfaceType: "interface",
			OwnerId: n.OwnerId, PrivateIpAddress: n.PrivateIpAddress, PrivateDnsName: n.PrivateDnsName,
			SourceDestCheck: n.SourceDestCheck, Status: "in-use", SubnetId: n.SubnetId, VpcId: n.VpcId,
			Groups: n.Groups, AvailabilityZone: &i.Zone, Description: new(""), RequesterManaged: new(false),
			Attachment: &shape.NetworkInterfaceAttachment{AttachmentId: n.Attachment.AttachmentId,
				AttachTime: &i.LaunchedAt, DeleteOnTermination: new(true),
				DeviceIndex: new(int32(0)), InstanceId: &i.ID,
				InstanceOwnerId: &i.Account, Status: "attached", NetworkCardIndex: new(int32(0))},
			PrivateIpAddresses: []shape.NetworkInterfacePrivateIpAddress{
				{Primary: new(true), PrivateIpAddress: n.PrivateIpAddress, PrivateDnsName: n.PrivateDnsName},
			},
			TagSet: answerTags(fixedTags(t, call, *n.NetworkInterfaceId)),
		})
	}
	return out, err
}
