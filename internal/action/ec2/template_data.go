package ec2

import (
	"github.com/berthhq/berth/internal/action/request"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
)

// laterTemplateFields are what has no meaning, or is not built, on a local machine.
func laterTemplateFields() []string {
	var fields []string
	for _, f := range []string{"CapacityReservationSpecification", "CpuOptions", "ElasticGpuSpecification",
		"ElasticInferenceAccelerator", "EnclaveOptions", "HibernationOptions",
		"InstanceMarketOptions", "InstanceRequirements", "KernelId", "LicenseSpecification",
		"MaintenanceOptions", "NetworkPerformanceOptions", "Operator", "PrivateDnsNameOptions", "RamDiskId",
		"SecondaryInterface", "SecurityGroup", "Placement.Affinity", "Placement.GroupId", "Placement.GroupName",
		"Placement.HostId", "Placement.HostResourceGroupArn", "Placement.PartitionNumber",
		"Placement.SpreadDomain", "Placement.AvailabilityZone", "Placement.AvailabilityZoneId",
		"NetworkInterface[].PrivateIpAddress", "NetworkInterface[].PrivateIpAddresses",
		"NetworkInterface[].NetworkInterfaceId", "NetworkInterface[].Ipv6AddressCount",
		"NetworkInterface[].Ipv6Addresses", "NetworkInterface[].SecondaryPrivateIpAddressCount",
		"NetworkInterface[].SubnetId", "NetworkInterface[].Ipv4Prefix", "NetworkInterface[].Ipv4PrefixCount",
		"NetworkInterface[].Ipv6Prefix", "NetworkInterface[].Ipv6PrefixCount"} {
		fields = append(fields, "LaunchTemplateData."+f)
	}
	return fields
}

func parseTemplateData(in *shape.RequestLaunchTemplateData) (d fleet.LaunchData, err error) {
	d = fleet.LaunchData{ImageID: request.Value(in.ImageId), InstanceType: in.InstanceType,
		KeyName:  request.Value(in.KeyName),
		UserData: request.Value(in.UserData), SecurityGroups: in.SecurityGroupIds,
		EBSOptimized: in.EbsOptimized, DisableAPITerm: in.DisableApiTermination,
		DisableAPIStop: in.DisableApiStop, ShutdownBehavior: in.InstanceInitiatedShutdownBehavior}
	if p := in.IamInstanceProfile; p != nil {
		d.Profile = request.Value(p.Arn) + request.Value(p.Name)
	}
	if in.Monitoring != nil {
		d.Monitoring = in.Monitoring.Enabled
	}
	if in.CreditSpecification != nil {
		d.Credits = request.Value(in.CreditSpecification.CpuCredits)
	}
	if in.Placement != nil {
		d.Tenancy = in.Placement.Tenancy
	}
	if m := in.MetadataOptions; m != nil {
		d.Metadata = &fleet.Metadata{Endpoint: m.HttpEndpoint, Tokens: m.HttpTokens, IPv6: m.HttpProtocolIpv6,
			Tags: m.InstanceMetadataTags, HopLimit: m.HttpPutResponseHopLimit}
	}
	for _, b := range in.BlockDeviceMappings {
		device := fleet.BlockDevice{Device: request.Value(b.DeviceName), Virtual: request.Value(b.VirtualName),
			NoDevice: request.Value(b.NoDevice)}
		if e := b.Ebs; e != nil {
			device.SnapshotID, device.KMSKeyID = request.Value(e.SnapshotId), request.Value(e.KmsKeyId)
			device.VolumeType, device.SizeGiB, device.IOPS = e.VolumeType, e.VolumeSize, e.Iops
			device.Throughput, device.DeleteOnTermination = e.Throughput, e.DeleteOnTermination
			device.Crypt = e.Encrypted
		}
		d.BlockDevices = append(d.BlockDevices, device)
	}
	for _, s := range in.TagSpecifications {
		tags, err := parseTags(s.Tags)
		if err != nil {
			return d, err
		}
		d.TagSpecs = append(d.TagSpecs, fleet.TagSpec{Resource: s.ResourceType, Tags: tags})
	}
	if err := parseTemplateInterfaces(&d, in.NetworkInterfaces); err != nil {
		return d, err
	}
	if d.Tenancy != "" && d.Tenancy != "default" {
		return d, fault.New("Unsupported",
			"The tenancy %q is not supported: instances share this machine. Use default.", d.Tenancy)
	}
	return d, checkUserData(d.UserData)
}

func parseTemplateInterfaces(
	d *fleet.LaunchData, nics []shape.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
) error {
	if len(nics) == 0 {
		return nil
	}
	if len(nics) > 1 || request.Value(nics[0].DeviceIndex) != 0 {
		return fault.New("UnsupportedOperation",
			"An instance of a local machine has one network interface, at device index 0.")
	}
	if len(d.SecurityGroups) > 0 {
		return fault.New("InvalidParameterCombination",
			"Network interfaces and an instance-level security groups may not be specified on the same request")
	}
	d.Interface, d.SecurityGroups, d.PublicIP = true, nics[0].Groups, nics[0].AssociatePublicIpAddress
	return nil
}

func answerTemplateData(d fleet.LaunchData) *shape.ResponseLaunchTemplateData {
	out := &shape.ResponseLaunchTemplateData{ImageId: request.Optional(d.ImageID), InstanceType: d.InstanceType,
		KeyName: request.Optional(d.KeyName), UserData: request.Optional(d.UserData), EbsOptimized: d.EBSOptimized,
		DisableApiTermination: d.DisableAPITerm, DisableApiStop: d.DisableAPIStop,
		InstanceInitiatedShutdownBehavior: d.ShutdownBehavior, SecurityGroupIds: d.SecurityGroups}
	if d.Interface {
		out.SecurityGroupIds = nil
		out.NetworkInterfaces = []shape.LaunchTemplateInstanceNetworkInterfaceSpecification{
			{DeviceIndex: new(int32(0)), Groups: d.SecurityGroups, AssociatePublicIpAddress: d.PublicIP},
		}
	}
	if d.Profile != "" {
		out.IamInstanceProfile = answerTemplateProfile(d.Profile)
	}
	if d.Monitoring != nil {
		out.Monitoring = &shape.LaunchTemplatesMonitoring{Enabled: d.Monitoring}
	}
	if d.Credits != "" {
		out.CreditSpecification = &shape.CreditSpecification{CpuCredits: &d.Credits}
	}
	if d.Tenancy != "" {
		out.Placement = &shape.LaunchTemplatePlacement{Tenancy: d.Tenancy}
	}
	if m := d.Metadata; m != nil {
		out.MetadataOptions = &shape.LaunchTemplateInstanceMetadataOptions{
			HttpEndpoint: m.Endpoint, HttpTokens: m.Tokens, HttpProtocolIpv6: m.IPv6,
			InstanceMetadataTags: m.Tags, HttpPutResponseHopLimit: m.HopLimit,
		}
	}
	for _, b := range d.BlockDevices {
		out.BlockDeviceMappings = append(out.BlockDeviceMappings, shape.LaunchTemplateBlockDeviceMapping{
			DeviceName: request.Optional(b.Device), VirtualName: request.Optional(b.Virtual),
			NoDevice: request.Optional(b.NoDevice),
			Ebs: &shape.LaunchTemplateEbsBlockDevice{SnapshotId: request.Optional(b.SnapshotID),
				VolumeType: b.VolumeType,
				KmsKeyId:   request.Optional(b.KMSKeyID), VolumeSize: b.SizeGiB, Iops: b.IOPS, Throughput: b.Throughput,
				DeleteOnTermination: b.DeleteOnTermination, Encrypted: b.Crypt}})
	}
	for _, s := range d.TagSpecs {
		out.TagSpecifications = append(out.TagSpecifications, shape.LaunchTemplateTagSpecification{
			ResourceType: s.Resource, Tags: request.AnswerTags[shape.Tag](s.Tags)})
	}
	return out
}

// answerTemplateProfile gives a profile back as it was named: by ARN or by name.
func answerTemplateProfile(p string) *shape.LaunchTemplateIamInstanceProfileSpecification {
	if len(p) > 4 && p[:4] == "arn:" {
		return &shape.LaunchTemplateIamInstanceProfileSpecification{Arn: &p}
	}
	return &shape.LaunchTemplateIamInstanceProfileSpecification{Name: &p}
}
