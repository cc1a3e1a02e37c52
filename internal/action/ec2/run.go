package ec2

import (
	"context"
	"encoding/base64"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// Limits of one region.
const (
	maxInstances = 1000  // that have not ended
	maxRun       = 100   // in one call
	maxUserData  = 16384 // bytes before base64
)

// laterRunFields are what has no meaning, or is not built, on a local machine.
var laterRunFields = []string{
	"AdditionalInfo", "CapacityReservationSpecification", "CpuOptions", "ElasticGpuSpecification",
	"ElasticInferenceAccelerator", "EnablePrimaryIpv6", "EnclaveOptions", "HibernationOptions",
	"InstanceMarketOptions", "Ipv6AddressCount", "Ipv6Address", "KernelId", "LicenseSpecification",
	"MaintenanceOptions", "NetworkPerformanceOptions", "Operator", "PrivateDnsNameOptions",
	"PrivateIpAddress", "RamdiskId", "SecondaryInterface", "Placement.Affinity", "Placement.GroupId",
	"Placement.GroupName", "Placement.HostId", "Placement.HostResourceGroupArn", "Placement.PartitionNumber",
	"Placement.SpreadDomain", "NetworkInterface[].PrivateIpAddress", "NetworkInterface[].PrivateIpAddresses",
	"NetworkInterface[].NetworkInterfaceId", "NetworkInterface[].Ipv6AddressCount",
	"NetworkInterface[].Ipv6Addresses", "NetworkInterface[].SecondaryPrivateIpAddressCount",
	"NetworkInterface[].Ipv4Prefix", "NetworkInterface[].Ipv4PrefixCount", "NetworkInterface[].Ipv6Prefix",
	"NetworkInterface[].Ipv6PrefixCount", "NetworkInterface[].EnaSrdSpecification",
	"NetworkInterface[].ConnectionTrackingSpecification",
}

// instanceRun is a parsed RunInstances.
type instanceRun struct {
	host      machine.Addresses
	data      fleet.LaunchData
	names     []string // of security groups
	subnet    string
	zone      string
	min, max  int
	token     string
	hash      string // of the parameters
	template  *shape.LaunchTemplateSpecification
	ids       []string
	reserving string
}

func (a *api) runInstances(
	ctx context.Context, call *awswire.Call, in *shape.RunInstancesInput,
) (*shape.RunInstancesOutput, error) {
	l, err := a.parseRun(call, in)
	if err != nil {
		return nil, err
	}
	var made []*fleet.Instance
	out := &shape.RunInstancesOutput{OwnerId: &call.Account}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if made, err = l.earlier(tx, call); err != nil {
			return err
		}
		if len(made) == 0 {
			if made, err = l.make(tx, call); err != nil {
				return err
			}
		}
		out.ReservationId, out.Instances = &made[0].ReservationID, nil
		for _, i := range made {
			out.Instances = append(out.Instances, answerInstance(&tx.Tables, i))
		}
		return nil
	})
	return out, err
}

// earlier returns the instances that a call with the same token has made.
func (l *instanceRun) earlier(tx *state.Tx, call *awswire.Call) ([]*fleet.Instance, error) {
	made, err := request.Made(tx.Instances.By(state.InstancesByClientToken, tokenEntry(call, l.token)), l.hash,
		func(i *fleet.Instance) string { return i.ParameterHash }, mismatch)
	slices.SortFunc(made, func(a, b *fleet.Instance) int { return a.LaunchIndex - b.LaunchIndex })
	return made, err
}

// tokenEntry returns the index entry of a client token, which is valid in one region and account.
func tokenEntry(call *awswire.Call, token string) string {
	return state.TokenEntry(fleet.KeyPrefix(call.Region, call.Account), token)
}

// mismatch returns EC2's fault for a client token that an earlier call used with other parameters.
func mismatch[T any]([]T) error {
	return fault.New("IdempotentParameterMismatch",
		"Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
}

func (a *api) parseRun(call *awswire.Call, in *shape.RunInstancesInput) (*instanceRun, error) {
	l := &instanceRun{host: a.host, min: int(*in.MinCount), max: int(*in.MaxCount),
		subnet: request.Value(in.SubnetId), names: in.SecurityGroups,
		template: in.LaunchTemplate, reserving: newid.EC2(call.Random, "r")}
	if l.min < 1 || l.max < l.min || l.max > maxRun {
		return nil, invalid("Value (%d) for parameter maxCount is invalid: 1 <= MinCount (%d) <= "+
			"MaxCount <= %d.", l.max, l.min, maxRun)
	}
	if p := in.Placement; p != nil {
		l.zone = request.Value(p.AvailabilityZone)
		if p.Tenancy != "" && p.Tenancy != "default" {
			return nil, fault.New("Unsupported",
				"The tenancy %q is not supported: instances share this machine. Use default.", p.Tenancy)
		}
	}
	l.token, l.hash = request.Token(in.ClientToken, in)
	d := &l.data
	d.ImageID, d.InstanceType, d.KeyName, d.UserData, d.SecurityGroups = request.Value(in.ImageId), in.InstanceType,
		request.Value(in.KeyName), request.Value(in.UserData), in.SecurityGroupIds
	d.EBSOptimized, d.DisableAPITerm, d.DisableAPIStop, d.ShutdownBehavior = in.EbsOptimized,
		in.DisableApiTermination, in.DisableApiStop, in.InstanceInitiatedShutdownBehavior
	if in.IamInstanceProfile != nil {
		d.Profile = request.Value(in.IamInstanceProfile.Arn) + request.Value(in.IamInstanceProfile.Name)
	}
	if in.Monitoring != nil {
		d.Monitoring = in.Monitoring.Enabled
	}
	if in.CreditSpecification != nil {
		d.Credits = request.Value(in.CreditSpecification.CpuCredits)
	}
	if m := in.MetadataOptions; m != nil {
		d.Metadata = &fleet.Metadata{Endpoint: m.HttpEndpoint, Tokens: m.HttpTokens, IPv6: m.HttpProtocolIpv6,
			Tags: m.InstanceMetadataTags, HopLimit: m.HttpPutResponseHopLimit}
	}
	for _, b := range in.BlockDeviceMappings {
		d.BlockDevices = append(d.BlockDevices, parseBlockDevice(b))
	}
	if err := l.parseInterfaces(in.NetworkInterfaces); err != nil {
		return nil, err
	}
	var err error
	if d.TagSpecs, err = parseTagSpecs(in.TagSpecifications); err != nil {
		return nil, err
	}
	l.ids = newid.EC2s(call.Random, "i", l.max)
	return l, checkUserData(d.UserData)
}

// parseInterfaces reads the subnet, the security groups and the public address from the one network
// interface with which a caller may give them instead.
func (l *instanceRun) parseInterfaces(nics []shape.InstanceNetworkInterfaceSpecification) error {
	if len(nics) == 0 {
		return nil
	}
	if len(nics) > 1 || request.Value(nics[0].DeviceIndex) != 0 {
		return fault.New("UnsupportedOperation",
			"An instance of a local machine has one network interface, at device index 0.")
	}
	n := nics[0]
	if len(l.data.SecurityGroups)+len(l.names) > 0 || l.subnet != "" {
		return fault.New("InvalidParameterCombination", "Network interfaces and an instance-level subnet "+
			"ID or security groups may not be specified on the same request")
	}
	l.subnet, l.data.SecurityGroups, l.data.PublicIP = request.Value(n.SubnetId), n.Groups, n.AssociatePublicIpAddress
	return nil
}

func checkUserData(s string) error {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return fault.New("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	if len(raw) > maxUserData {
		return invalid("User data is limited to %d bytes", maxUserData)
	}
	return nil
}

func parseBlockDevice(b shape.BlockDeviceMapping) fleet.BlockDevice {
	d := fleet.BlockDevice{Device: request.Value(b.DeviceName), Virtual: request.Value(b.VirtualName),
		NoDevice: request.Value(b.NoDevice)}
	if e := b.Ebs; e != nil {
		d.SnapshotID, d.KMSKeyID = request.Value(e.SnapshotId), request.Value(e.KmsKeyId)
		d.VolumeType, d.SizeGiB, d.IOPS, d.Throughput = e.VolumeType, e.VolumeSize, e.Iops, e.Throughput
		d.DeleteOnTermination, d.Crypt = e.DeleteOnTermination, e.Encrypted
	}
	return d
}

// make checks what the launch relies on and puts the instances in the store.
func (l *instanceRun) make(tx *state.Tx, call *awswire.Call) ([]*fleet.Instance, error) {
	data, template, err := l.resolve(&tx.Tables, call)
	if err != nil {
		return nil, err
	}
	slot, err := l.slot(call)
	if err != nil {
		return nil, err
	}
	live := tx.LiveInstances(call.Region, call.Account)
	n := min(l.max, maxInstances-live)
	if n < l.min {
		return nil, fault.New("InstanceLimitExceeded", "You have requested more instances (%d) than your "+
			"current instance limit of %d allows for.", live+l.min, maxInstances)
	}
	var made []*fleet.Instance
	for index := range n {
		addr, err := l.host.NextAddress(tx.InstanceAddresses())
		if err != nil {
			return nil, err
		}
		i := fleet.NewInstance(l.ids[index], l.reserving, slot, data, addr, call.Now)
		i.LaunchIndex, i.ClientToken, i.ParameterHash = index, l.token, l.hash
		if template.TemplateID != "" {
			i.Tags = i.Tags.With(fleet.TemplateTags(template.TemplateID, template.Version)...)
		}
		tx.Instances.Put(i)
		made = append(made, i)
	}
	return made, nil
}

// resolve lays the call's own parameters over its launch template and checks the result.
func (l *instanceRun) resolve(
	t *state.Tables, call *awswire.Call,
) (data fleet.LaunchData, source fleet.LaunchSource, err error) {
	data = l.data
	if l.template != nil {
		r, err := findVersion(t, call, l.template)
		if err != nil {
			return data, source, err
		}
		data, source = r.Data.Merge(l.data), r.Source
	}
	data.SecurityGroups = append(slices.Clone(data.SecurityGroups), l.names...)
	data, err = launch.CheckInstance(t, call.Region, call.Account, data)
	return data, source, err
}

// slot is the subnet to launch into: the one asked for, or the default one of the zone asked for,
// or that of the first zone.
func (l *instanceRun) slot(call *awswire.Call) (fleet.Subnet, error) {
	if l.subnet != "" {
		s, ok := fleet.FindSubnet(call.Region, call.Account, l.subnet)
		if !ok {
			return s, notFound("InvalidSubnetID.NotFound", "subnet ID")([]string{l.subnet})
		}
		if l.zone != "" && l.zone != s.Zone.Name {
			return s, invalid("The availability zone %s is not that of the subnet %s, which is in %s",
				l.zone, s.ID, s.Zone.Name)
		}
		return s, nil
	}
	if l.zone == "" {
		return fleet.Subnets(call.Region, call.Account)[0], nil
	}
	s, ok := fleet.ZoneSubnet(call.Region, call.Account, l.zone)
	if !ok {
		return s, invalid("Invalid availability zone: [%s]", l.zone)
	}
	return s, nil
}

func parseTagSpecs(specs []shape.TagSpecification) ([]fleet.TagSpec, error) {
	var out []fleet.TagSpec
	for _, s := range specs {
		tags, err := parseTags(s.Tags)
		if err != nil {
			return nil, err
		}
		out = append(out, fleet.TagSpec{Resource: s.ResourceType, Tags: tags})
	}
	return out, nil
}

// tagsFor are the tags that the specifications put on one kind of resource.
func tagsFor(kind string, specs []shape.TagSpecification) (tags tag.Set, err error) {
	parsed, err := parseTagSpecs(specs)
	if err != nil {
		return nil, err
	}
	for _, s := range parsed {
		if s.Resource != kind {
			return nil, invalid("'%s' is not a valid taggable resource type for this operation.", s.Resource)
		}
		tags = tags.With(s.Tags...)
	}
	return tags, nil
}
