package ec2

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/tag"
)

// notFound makes the fault about ids that nothing has: "The vpc ID 'vpc-1' does not exist".
func notFound(code, what string) func([]string) error {
	return func(ids []string) error {
		if len(ids) == 1 {
			return fault.New(code, "The %s '%s' does not exist", what, ids[0])
		}
		return fault.New(code, "The %ss '%s' do not exist", what, join(ids))
	}
}

func join(ids []string) string {
	s := ids[0]
	for _, id := range ids[1:] {
		s += ", " + id
	}
	return s
}

func (a *api) describeRegions(
	_ context.Context, call *awswire.Call, in *shape.DescribeRegionsInput,
) (*shape.DescribeRegionsOutput, error) {
	l := lister[string]{
		id:      func(r string) string { return r },
		missing: func(ids []string) error { return invalid("Invalid region provided: [%s]", join(ids)) },
		fields: func(r string) map[string][]string {
			return map[string][]string{"region-name": {r}, "endpoint": {endpoint(r)}, "opt-in-status": {optedIn}}
		},
	}
	regions := fleet.Regions()
	if !slices.Contains(regions, call.Region) {
		regions = append(regions, call.Region)
	}
	found, _, err := l.find(call, regions, query{in.RegionNames, in.Filters, pages.Ask(nil, nil)})
	out := &shape.DescribeRegionsOutput{}
	for _, r := range found {
		out.Regions = append(out.Regions,
			shape.Region{RegionName: new(r), Endpoint: new(endpoint(r)), OptInStatus: new(optedIn)})
	}
	return out, err
}

const optedIn = "opt-in-not-required"

func endpoint(region string) string { return "ec2." + region + ".amazonaws.com" }

func (a *api) describeZones(
	_ context.Context, call *awswire.Call, in *shape.DescribeAvailabilityZonesInput,
) (*shape.DescribeAvailabilityZonesOutput, error) {
	names := in.ZoneNames
	for _, id := range in.ZoneIds {
		name := id // an unknown id is found missing below, by its own name
		for _, z := range fleet.Zones(call.Region) {
			if z.ID == id {
				name = z.Name
			}
		}
		names = append(names, name)
	}
	l := lister[fleet.Zone]{
		id:      func(z fleet.Zone) string { return z.Name },
		missing: func(ids []string) error { return invalid("Invalid availability zone: [%s]", join(ids)) },
		fields: func(z fleet.Zone) map[string][]string {
			return map[string][]string{"zone-name": {z.Name}, "zone-id": {z.ID}, "region-name": {z.Region},
				"state": {"available"}, "group-name": {z.Region},
				"opt-in-status": {optedIn}, "zone-type": {"availability-zone"}, "message": nil,
				"parent-zone-id": nil, "parent-zone-name": nil}
		},
	}
	found, _, err := l.find(call, fleet.Zones(call.Region), query{names, in.Filters, pages.Ask(nil, nil)})
	out := &shape.DescribeAvailabilityZonesOutput{}
	for _, z := range found {
		out.AvailabilityZones = append(out.AvailabilityZones, shape.AvailabilityZone{
			ZoneName: new(z.Name), ZoneId: new(z.ID), RegionName: new(z.Region), State: "available",
			GroupName: new(z.Region), NetworkBorderGroup: new(z.Region), OptInStatus: optedIn,
			ZoneType: new("availability-zone"),
		})
	}
	return out, err
}

func (a *api) describeAccountAttributes(
	_ context.Context, call *awswire.Call, in *shape.DescribeAccountAttributesInput,
) (*shape.DescribeAccountAttributesOutput, error) {
	all := []struct{ name, value string }{
		{"supported-platforms", "VPC"}, {"default-vpc", fleet.DefaultVPC(call.Region, call.Account).ID},
		{"max-instances", fmt.Sprint(maxInstances)}, {"vpc-max-security-groups-per-interface", "5"},
		{"max-elastic-ips", "0"}, {"vpc-max-elastic-ips", "0"},
	}
	out := &shape.DescribeAccountAttributesOutput{}
	for _, attr := range all {
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, attr.name) {
			out.AccountAttributes = append(out.AccountAttributes, shape.AccountAttribute{
				AttributeName:   new(attr.name),
				AttributeValues: []shape.AccountAttributeValue{{AttributeValue: new(attr.value)}}})
		}
	}
	return out, nil
}

func (a *api) describeInstanceTypes(
	_ context.Context, call *awswire.Call, in *shape.DescribeInstanceTypesInput,
) (*shape.DescribeInstanceTypesOutput, error) {
	l := lister[fleet.InstanceType]{
		id: func(t fleet.InstanceType) string { return t.Name },
		missing: func(ids []string) error {
			return fault.New("InvalidInstanceType",
				"The following supplied instance types do not exist: [%s]", join(ids))
		},
		fields: func(t fleet.InstanceType) map[string][]string {
			return map[string][]string{
				"instance-type": {t.Name}, "vcpu-info.default-vcpus": {fmt.Sprint(t.VCPUs)},
				"memory-info.size-in-mib":               {fmt.Sprint(t.MemoryMiB)},
				"processor-info.supported-architecture": {t.Architecture},
				"burstable-performance-supported":       boolean(t.Burstable), "current-generation": {"true"},
				"bare-metal": {"false"}, "network-info.maximum-network-interfaces": {fmt.Sprint(t.ENIs)},
				"supported-usage-class": {"on-demand"}, "supported-virtualization-type": {"hvm"},
				"supported-root-device-type": {"ebs"}, "instance-storage-supported": {"false"},
			}
		},
	}
	found, next, err := l.find(call, fleet.InstanceTypes(),
		query{in.InstanceTypes, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	return &shape.DescribeInstanceTypesOutput{InstanceTypes: request.Answers(found, answerType), NextToken: next}, err
}

func answerType(t fleet.InstanceType) shape.InstanceTypeInfo {
	return shape.InstanceTypeInfo{
		InstanceType: t.Name, BareMetal: new(false), BurstablePerformanceSupported: new(t.Burstable),
		CurrentGeneration: new(true), FreeTierEligible: new(t.Name == "t2.micro"),
		DedicatedHostsSupported: new(false), HibernationSupported: new(false),
		InstanceStorageSupported: new(false),
		MemoryInfo:               &shape.MemoryInfo{SizeInMiB: new(int64(t.MemoryMiB))},
		VCpuInfo: &shape.VCpuInfo{DefaultVCpus: new(int32(t.VCPUs)), DefaultCores: new(int32(t.VCPUs)),
			DefaultThreadsPerCore: new(int32(1))},
		NetworkInfo: &shape.NetworkInfo{MaximumNetworkInterfaces: new(int32(t.ENIs)),
			MaximumNetworkCards: new(int32(1)), Ipv4AddressesPerInterface: new(int32(1)),
			Ipv6Supported: new(false), EfaSupported: new(false)},
		ProcessorInfo:            &shape.ProcessorInfo{SupportedArchitectures: []string{t.Architecture}},
		SupportedRootDeviceTypes: []string{"ebs"}, SupportedUsageClasses: []string{"on-demand"},
		SupportedVirtualizationTypes: []string{"hvm"},
	}
}

func (a *api) describeInstanceTypeOfferings(
	_ context.Context, call *awswire.Call, in *shape.DescribeInstanceTypeOfferingsInput,
) (*shape.DescribeInstanceTypeOfferingsOutput, error) {
	locations := []string{call.Region}
	kind := in.LocationType
	if kind == "" {
		kind = "region"
	}
	if kind == "availability-zone" || kind == "availability-zone-id" {
		locations = nil
		for _, z := range fleet.Zones(call.Region) {
			if kind == "availability-zone" {
				locations = append(locations, z.Name)
			} else {
				locations = append(locations, z.ID)
			}
		}
	} else if kind != "region" {
		return &shape.DescribeInstanceTypeOfferingsOutput{}, nil // there are no outposts
	}
	type offering struct{ typ, location string }
	var all []offering
	for _, t := range fleet.InstanceTypes() {
		for _, l := range locations {
			all = append(all, offering{t.Name, l})
		}
	}
	l := lister[offering]{
		id: func(o offering) string { return o.typ + " " + o.location },
		fields: func(o offering) map[string][]string {
			return map[string][]string{"instance-type": {o.typ}, "location": {o.location}}
		},
	}
	found, next, err := l.find(call, all, query{nil, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeInstanceTypeOfferingsOutput{NextToken: next}
	for _, o := range found {
		out.InstanceTypeOfferings = append(out.InstanceTypeOfferings,
			shape.InstanceTypeOffering{InstanceType: o.typ, Location: new(o.location), LocationType: kind})
	}
	return out, err
}

func (a *api) describeImages(
	_ context.Context, call *awswire.Call, in *shape.DescribeImagesInput,
) (*shape.DescribeImagesOutput, error) {
	all := fleet.Images(call.Region)
	for _, id := range in.ImageIds {
		i, ok := fleet.FindImage(call.Region, id)
		if !ok {
			return nil, fault.New("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", id)
		}
		if !slices.ContainsFunc(all, func(o fleet.Image) bool { return o.ID == id }) {
			all = append(all, i)
		}
	}
	owners := in.Owners
	if len(owners) > 0 && !slices.Contains(owners, "amazon") && !slices.Contains(owners, imageOwner) &&
		!slices.Contains(owners, "self") {
		all = nil
	}
	if len(owners) == 1 && owners[0] == "self" {
		all = nil // images cannot be made here
	}
	l := lister[fleet.Image]{
		id: func(i fleet.Image) string { return i.ID }, tags: func(fleet.Image) tag.Set { return nil },
		fields: func(i fleet.Image) map[string][]string {
			return map[string][]string{"image-id": {i.ID}, "name": {i.Name}, "architecture": {i.Architecture},
				"description": {i.Description}, "state": {"available"}, "image-type": {"machine"},
				"is-public": {"true"}, "owner-alias": {"amazon"}, "owner-id": {imageOwner},
				"root-device-type": {"ebs"}, "virtualization-type": {"hvm"}, "hypervisor": {"xen"},
				"platform": nil, "ena-support": {"true"}, "root-device-name": {rootDevice},
				"creation-date": {imageDate}}
		},
	}
	found, next, err := l.find(call, all, query{in.ImageIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeImagesOutput{NextToken: next}
	for _, i := range found {
		out.Images = append(out.Images, shape.Image{
			ImageId: new(i.ID), Name: new(i.Name), Description: new(i.Description),
			Architecture: i.Architecture, State: "available", ImageType: "machine", Public: new(true),
			OwnerId: new(imageOwner), ImageOwnerAlias: new("amazon"), ImageLocation: new("amazon/" + i.Name),
			RootDeviceName: new(rootDevice), RootDeviceType: "ebs", VirtualizationType: "hvm",
			Hypervisor: "xen", EnaSupport: new(true), PlatformDetails: new("Linux/UNIX"),
			CreationDate: new(imageDate),
		})
	}
	return out, err
}

// Facts of the images: Amazon's own account for ECS-optimized ones, and the date in their name.
const (
	imageOwner = "591542846629"
	imageDate  = "2026-01-01T00:00:00.000Z"
	rootDevice = "/dev/xvda"
)
