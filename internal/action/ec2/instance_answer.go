package ec2

import (
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// nic is an instance's one network interface. It has no row: everything about it follows from the instance.
type nic struct {
	id, attachment, mac string
}

func nicOf(i *fleet.Instance) nic {
	id := fleet.FixedID("eni", i.Region, i.Account, i.ID)
	mac := "02" // locally administered
	for n := 0; n < 10; n += 2 {
		mac += ":" + id[4+n:6+n]
	}
	return nic{id, fleet.FixedID("eni-attach", i.Region, i.Account, i.ID), mac}
}

func answerState(s fleet.InstanceState) *shape.InstanceState {
	return &shape.InstanceState{Name: string(s), Code: new(s.Code())}
}

// groupsOf are an instance's security groups with their names.
func groupsOf(t *state.Tables, i *fleet.Instance) []shape.GroupIdentifier {
	var out []shape.GroupIdentifier
	for _, id := range i.Launch.SecurityGroups {
		out = append(out, shape.GroupIdentifier{
			GroupId: new(id), GroupName: request.Optional(groupName(t, i.Region, i.Account, id)),
		})
	}
	return out
}

func answerInstance(t *state.Tables, i *fleet.Instance) shape.Instance {
	typ, _ := fleet.FindInstanceType(i.Launch.InstanceType)
	d := i.Launch
	out := shape.Instance{
		InstanceId: &i.ID, AmiLaunchIndex: new(int32(i.LaunchIndex)), Architecture: typ.Architecture,
		ClientToken: request.Optional(i.ClientToken), EbsOptimized: new(request.Value(d.EBSOptimized)),
		EnaSupport: new(true),
		Hypervisor: "xen", IamInstanceProfile: answerProfile(i), ImageId: request.Optional(d.ImageID),
		InstanceType: d.InstanceType, KeyName: request.Optional(d.KeyName), LaunchTime: &i.LaunchedAt,
		Monitoring: answerMonitoring(i), Placement: &shape.Placement{
			AvailabilityZone: &i.Zone, GroupName: new(""), Tenancy: "default",
		}, PlatformDetails: new("Linux/UNIX"), PublicDnsName: new(""), PrivateDnsName: new(i.DNSName()),
		RootDeviceName: new(rootDevice), RootDeviceType: "ebs", State: answerState(i.Described()),
		StateTransitionReason: new(i.TransitionReason), VirtualizationType: "hvm",
		CpuOptions:      &shape.CpuOptions{CoreCount: new(int32(typ.VCPUs)), ThreadsPerCore: new(int32(1))},
		MetadataOptions: answerMetadata(d.Metadata), Tags: answerTags(i.Tags), UsageOperation: new(
			"RunInstances"), HibernationOptions: &shape.HibernationOptions{Configured: new(false)},
		EnclaveOptions: &shape.EnclaveOptions{Enabled: new(false)},
	}
	if i.Reason.Code != "" {
		out.StateReason = &shape.StateReason{Code: new(i.Reason.Code), Message: new(i.Reason.Message)}
	}
	if i.Described() == fleet.Terminated {
		out.PrivateDnsName = new("")
		return out // a terminated instance has no network any more
	}
	out.SubnetId, out.VpcId, out.PrivateIpAddress, out.SourceDestCheck = &i.SubnetID,
		new(fleet.DefaultVPC(i.Region, i.Account).ID), new(i.Address.String()), new(true)
	out.SecurityGroups = groupsOf(t, i)
	out.NetworkInterfaces = []shape.InstanceNetworkInterface{answerInstanceInterface(t, i)}
	return out
}

func answerInstanceInterface(t *state.Tables, i *fleet.Instance) shape.InstanceNetworkInterface {
	n, addr, name := nicOf(i), i.Address.String(), i.DNSName()
	return shape.InstanceNetworkInterface{
		NetworkInterfaceId: &n.id, MacAddress: &n.mac, InterfaceType: new("interface"), OwnerId: &i.Account,
		PrivateIpAddress: &addr, PrivateDnsName: &name, SourceDestCheck: new(true), Status: "in-use",
		SubnetId: &i.SubnetID, VpcId: new(fleet.DefaultVPC(i.Region, i.Account).ID), Groups: groupsOf(t, i),
		Description: new(""),
		Attachment: &shape.InstanceNetworkInterfaceAttachment{
			AttachmentId: &n.attachment, AttachTime: &i.LaunchedAt, DeleteOnTermination: new(true),
			DeviceIndex: new(int32(0)), Status: "attached", NetworkCardIndex: new(int32(0)),
		},
		PrivateIpAddresses: []shape.InstancePrivateIpAddress{
			{Primary: new(true), PrivateIpAddress: &addr, PrivateDnsName: &name},
		},
	}
}

func answerProfile(i *fleet.Instance) *shape.IamInstanceProfile {
	p := profileARN(i)
	if p == "" {
		return nil
	}
	return &shape.IamInstanceProfile{
		Arn: &p, Id: new(strings.ToUpper(strings.Replace(fleet.FixedID("AIPA", i.Account, p), "-", "", 1))),
	}
}

// profileARN is the ARN of the instance profile, which callers may also give by its name.
func profileARN(i *fleet.Instance) string {
	if p := i.Launch.Profile; p == "" || arn.Is(p) {
		return p
	}
	return "arn:aws:iam::" + i.Account + ":instance-profile/" + i.Launch.Profile
}

func answerMonitoring(i *fleet.Instance) *shape.Monitoring {
	if request.Value(i.Launch.Monitoring) {
		return &shape.Monitoring{State: "enabled"}
	}
	return &shape.Monitoring{State: "disabled"}
}

func answerMetadata(m *fleet.Metadata) *shape.InstanceMetadataOptionsResponse {
	out := &shape.InstanceMetadataOptionsResponse{
		HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: new(int32(2)),
		HttpProtocolIpv6: "disabled", InstanceMetadataTags: "disabled", State: "applied",
	}
	if m == nil {
		return out
	}
	for _, f := range []struct {
		to   *string
		from string
	}{{&out.HttpEndpoint, m.Endpoint}, {&out.HttpTokens, m.Tokens}, {&out.HttpProtocolIpv6, m.IPv6},
		{&out.InstanceMetadataTags, m.Tags}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if m.HopLimit != nil {
		out.HttpPutResponseHopLimit = m.HopLimit
	}
	return out
}

// instanceFields are what DescribeInstances can filter by.
func instanceFields(t *state.Tables, i *fleet.Instance) map[string][]string {
	typ, _ := fleet.FindInstanceType(i.Launch.InstanceType)
	state, n := i.Described(), nicOf(i)
	var groupIDs, groupNames []string
	for _, g := range groupsOf(t, i) {
		groupIDs, groupNames = append(groupIDs, *g.GroupId), append(groupNames, request.Value(g.GroupName))
	}
	vpc, addr := fleet.DefaultVPC(i.Region, i.Account).ID, i.Address.String()
	return map[string][]string{
		"instance-id": {i.ID}, "instance-state-name": {string(state)},
		"instance-state-code": {fmt.Sprint(state.Code())}, "instance-type": {i.Launch.InstanceType},
		"image-id": one(i.Launch.ImageID), "availability-zone": {i.Zone},
		"private-ip-address": {addr}, "private-dns-name": {i.DNSName()}, "subnet-id": {i.SubnetID},
		"vpc-id": {vpc}, "key-name": one(i.Launch.KeyName), "reservation-id": {i.ReservationID},
		"owner-id": {i.Account}, "architecture": {typ.Architecture}, "client-token": one(i.ClientToken),
		"launch-index": {fmt.Sprint(i.LaunchIndex)}, "launch-time": {
			i.LaunchedAt.UTC().Format("2006-01-02T15:04:05.000Z"),
		}, "root-device-type": {"ebs"}, "root-device-name": {rootDevice}, "virtualization-type": {"hvm"},
		"hypervisor": {"xen"}, "tenancy": {"default"}, "monitoring-state": {answerMonitoring(i).State},
		"iam-instance-profile.arn": one(profileARN(i)), "reason": one(i.TransitionReason),
		"state-reason-code": one(i.Reason.Code), "state-reason-message": one(i.Reason.Message),
		"dns-name": nil, "ip-address": nil, "instance-lifecycle": nil, "platform": nil,
		"requester-id": nil, "placement-group-name": nil, "source-dest-check": {"true"}, "group-id": groupIDs,
		"group-name": groupNames, "instance.group-id": groupIDs, "instance.group-name": groupNames,
		"network-interface.network-interface-id": {n.id}, "network-interface.mac-address": {n.mac},
		"network-interface.vpc-id": {vpc}, "network-interface.subnet-id": {i.SubnetID},
		"network-interface.addresses.private-ip-address": {addr}, "network-interface.group-id": groupIDs,
		"network-interface.group-name": groupNames, "network-interface.status": {"in-use"},
		"metadata-options.http-tokens":   {answerMetadata(i.Launch.Metadata).HttpTokens},
		"metadata-options.http-endpoint": {answerMetadata(i.Launch.Metadata).HttpEndpoint},
	}
}

// impairedSince is when the status checks began to fail, or the zero time.
func impairedSince(i *fleet.Instance) time.Time {
	if !i.Impaired() {
		return time.Time{}
	}
	return i.Machine.Since
}
