package ec2

import (
	"context"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

// Limits of one region.
const (
	maxInstances = 1000  // that have not ended
	maxRun       = 100   // in one call
	maxUserData  = 16384 // bytes before base64
)

// laterRunFields are what has no meaning, or is not built, on a local machine.
var laterRunFields = []string{
	"AdditionalInfo", "CapacityReservationSpecification", "CpuOptions", "ElasticGpuSpecification", "ElasticInferenceAccelerator", "EnablePrimaryIpv6", "EnclaveOptions", "HibernationOptions",
	"InstanceMarketOptions", "Ipv6AddressCount", "Ipv6Address", "KernelId", "LicenseSpecification", "MaintenanceOptions", "NetworkPerformanceOptions", "Operator", "PrivateDnsNameOptions",
	"PrivateIpAddress", "RamdiskId", "SecondaryInterface", "Placement.Affinity", "Placement.GroupId", "Placement.GroupName", "Placement.HostId", "Placement.HostResourceGroupArn",
	"Placement.PartitionNumber", "Placement.SpreadDomain", "NetworkInterface[].PrivateIpAddress", "NetworkInterface[].PrivateIpAddresses", "NetworkInterface[].NetworkInterfaceId",
	"NetworkInterface[].Ipv6AddressCount", "NetworkInterface[].Ipv6Addresses", "NetworkInterface[].SecondaryPrivateIpAddressCount", "NetworkInterface[].Ipv4Prefix", "NetworkInterface[].Ipv4PrefixCount",
	"NetworkInterface[].Ipv6Prefix", "NetworkInterface[].Ipv6PrefixCount", "NetworkInterface[].EnaSrdSpecification", "NetworkInterface[].ConnectionTrackingSpecification",
}

// launch is a parsed RunInstances.
type launch struct {
	host      machine.Addresses
	data      fleet.LaunchData
	names     []string // of security groups
	subnet    string
	zone      string
	min, max  int
	token     string
	template  *shape.LaunchTemplateSpecification
	ids       []string
	reserving string
}

func (a *api) runInstances(ctx context.Context, call *awswire.Call, in *shape.RunInstancesInput) (*shape.RunInstancesOutput, error) {
	l, err := a.parseRun(in)
	if err != nil {
		return nil, err
	}
	var made []*fleet.Instance
	out := &shape.RunInstancesOutput{OwnerId: &call.Account}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if made = earlier(tx, call, l.token); len(made) == 0 {
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

// earlier are the instances that a call with the same token has made.
func earlier(tx *state.Tx, call *awswire.Call, token string) []*fleet.Instance {
	var made []*fleet.Instance
	if token == "" {
		return nil
	}
	for i := range instancesOf(&tx.Tables, call) {
		if i.ClientToken == token {
			made = append(made, i)
		}
	}
	slices.SortFunc(made, func(a, b *fleet.Instance) int { return a.LaunchIndex - b.LaunchIndex })
	return made
}

func (a *api) parseRun(in *shape.RunInstancesInput) (*launch, error) {
	l := &launch{host: a.host, min: int(*in.MinCount), max: int(*in.MaxCount), token: str(in.ClientToken), subnet: str(in.SubnetId), names: in.SecurityGroups, template: in.LaunchTemplate, reserving: newID("r")}
	if l.min < 1 || l.max < l.min || l.max > maxRun {
		return nil, invalid("Value (%d) for parameter maxCount is invalid: 1 <= MinCount (%d) <= MaxCount <= %d.", l.max, l.min, maxRun)
	}
	if p := in.Placement; p != nil {
		l.zone = str(p.AvailabilityZone)
		if p.Tenancy != "" && p.Tenancy != "default" {
			return nil, fault.New("Unsupported", "The tenancy %q is not supported: instances share this machine. Use default.", p.Tenancy)
		}
	}
	d := &l.data
	d.ImageID, d.InstanceType, d.KeyName, d.UserData, d.SecurityGroups = str(in.ImageId), in.InstanceType, str(in.KeyName), str(in.UserData), in.SecurityGroupIds
	d.EBSOptimized, d.DisableAPITerm, d.DisableAPIStop, d.ShutdownBehavior = in.EbsOptimized, in.DisableApiTermination, in.DisableApiStop, in.InstanceInitiatedShutdownBehavior
	if in.IamInstanceProfile != nil {
		d.Profile = str(in.IamInstanceProfile.Arn) + str(in.IamInstanceProfile.Name)
	}
	if in.Monitoring != nil {
		d.Monitoring = in.Monitoring.Enabled
	}
	if in.CreditSpecification != nil {
		d.Credits = str(in.CreditSpecification.CpuCredits)
	}
	if m := in.MetadataOptions; m != nil {
		d.Metadata = &fleet.Metadata{Endpoint: m.HttpEndpoint, Tokens: m.HttpTokens, IPv6: m.HttpProtocolIpv6, Tags: m.InstanceMetadataTags, HopLimit: m.HttpPutResponseHopLimit}
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
	for range l.max {
		l.ids = append(l.ids, newID("i"))
	}
	return l, checkUserData(d.UserData)
}

// parseInterfaces reads what callers say about the network in a roundabout way.
func (l *launch) parseInterfaces(nics []shape.InstanceNetworkInterfaceSpecification) error {
	if len(nics) == 0 {
		return nil
	}
	if len(nics) > 1 || value(nics[0].DeviceIndex) != 0 {
		return fault.New("UnsupportedOperation", "An instance of a local machine has one network interface, at device index 0.")
	}
	n := nics[0]
	if len(l.data.SecurityGroups)+len(l.names) > 0 || l.subnet != "" {
		return fault.New("InvalidParameterCombination", "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request")
	}
	l.subnet, l.data.SecurityGroups, l.data.PublicIP = str(n.SubnetId), n.Groups, n.AssociatePublicIpAddress
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
	d := fleet.BlockDevice{Device: str(b.DeviceName), Virtual: str(b.VirtualName), NoDevice: str(b.NoDevice)}
	if e := b.Ebs; e != nil {
		d.SnapshotID, d.VolumeType, d.KMSKeyID, d.SizeGiB, d.IOPS, d.Throughput = str(e.SnapshotId), e.VolumeType, str(e.KmsKeyId), e.VolumeSize, e.Iops, e.Throughput
		d.DeleteOnTermination, d.Crypt = e.DeleteOnTermination, e.Encrypted
	}
	return d
}

// make checks what the launch relies on and puts the instances in the store.
func (l *launch) make(tx *state.Tx, call *awswire.Call) ([]*fleet.Instance, error) {
	data, template, err := l.resolve(&tx.Tables, call)
	if err != nil {
		return nil, err
	}
	slot, err := l.slot(call)
	if err != nil {
		return nil, err
	}
	taken, live := map[netip.Addr]bool{}, 0
	for i := range tx.Instances.All() {
		taken[i.Address] = true
		if i.Region == call.Region && i.Account == call.Account && i.Live() {
			live++
		}
	}
	n := min(l.max, maxInstances-live)
	if n < l.min {
		return nil, fault.New("InstanceLimitExceeded", "You have requested more instances (%d) than your current instance limit of %d allows for.", live+l.min, maxInstances)
	}
	var made []*fleet.Instance
	for index := range n {
		addr, ok := l.host.NextAddress(taken)
		if !ok {
			return nil, fault.New("InsufficientInstanceCapacity", "There are no free loopback addresses for more instances on this machine.")
		}
		taken[addr] = true
		i := fleet.NewInstance(l.ids[index], l.reserving, slot, data, addr, call.Now)
		i.LaunchIndex, i.ClientToken = index, l.token
		if template.TemplateID != "" {
			i.Tags["aws:ec2launchtemplate:id"], i.Tags["aws:ec2launchtemplate:version"] = template.TemplateID, template.Version
		}
		tx.Instances.Put(i)
		made = append(made, i)
	}
	return made, nil
}

// resolve lays the call's own parameters over its launch template and checks the result.
func (l *launch) resolve(t *state.Tables, call *awswire.Call) (data fleet.LaunchData, source fleet.LaunchSource, err error) {
	data = l.data
	if l.template != nil {
		r, err := findVersion(t, call, l.template)
		if err != nil {
			return data, source, err
		}
		data, source = r.Data.Merge(l.data), r.Source
	}
	if data.ImageID == "" {
		return data, source, fault.New("MissingParameter", "The request must contain the parameter ImageId")
	}
	if _, ok := fleet.FindImage(call.Region, data.ImageID); !ok {
		return data, source, fault.New("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", data.ImageID)
	}
	if data.InstanceType == "" {
		return data, source, fault.New("MissingParameter", "The request must contain the parameter InstanceType")
	}
	if _, ok := fleet.FindInstanceType(data.InstanceType); !ok {
		return data, source, fault.New("Unsupported", "The instance type '%s' is not supported here. DescribeInstanceTypes lists those that are.", data.InstanceType)
	}
	if data.KeyName != "" {
		if _, ok := t.KeyPairs.Get(fleet.Key(call.Region, call.Account, data.KeyName)); !ok {
			return data, source, fault.New("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", data.KeyName)
		}
	}
	if err := checkProfile(t, call.Account, data.Profile); err != nil {
		return data, source, err
	}
	var ids []string
	for _, g := range append(slices.Clone(data.SecurityGroups), l.names...) {
		id, ok := fleet.FindSecurityGroup(t.SecurityGroups.Prefix(fleet.KeyPrefix(call.Region, call.Account)), call.Region, call.Account, g)
		if !ok {
			return data, source, groupMissing(g)
		}
		ids = append(ids, id)
	}
	data.SecurityGroups = ids
	return data, source, nil
}

// checkProfile refuses an instance profile, given by name or ARN, that the account does not have.
func checkProfile(t *state.Tables, account, profile string) error {
	if profile == "" {
		return nil
	}
	found, ok := t.InstanceProfiles.Get(role.Key(account, arn.LastID(profile)))
	switch {
	case arn.Is(profile) && (!ok || found.ARN() != profile):
		return invalid("Value (%s) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN", profile)
	case !ok:
		return invalid("Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", profile)
	}
	return nil
}

// slot is the subnet to launch into: the one asked for, or the default one of the zone asked for, or that of the first zone.
func (l *launch) slot(call *awswire.Call) (fleet.Subnet, error) {
	if l.subnet != "" {
		s, ok := fleet.FindSubnet(call.Region, call.Account, l.subnet)
		if !ok {
			return s, notFound("InvalidSubnetID.NotFound", "subnet ID")([]string{l.subnet})
		}
		if l.zone != "" && l.zone != s.Zone.Name {
			return s, invalid("The availability zone %s is not that of the subnet %s, which is in %s", l.zone, s.ID, s.Zone.Name)
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

// parseTags reads tags of a thing that is being made, or that already is.
func parseTags(in []shape.Tag) ([]fleet.Tag, error) {
	var tags []fleet.Tag
	for _, t := range in {
		key := str(t.Key)
		if key == "" || len(key) > 127*4 || len(str(t.Value)) > 255*4 {
			return nil, invalid("Tag keys must have 1 to 127 characters and values 255 at most: %q", key)
		}
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, invalid("Value ( %s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use", key)
		}
		tags = append(tags, fleet.Tag{Key: key, Value: str(t.Value)})
	}
	if len(tags) > 50 {
		return nil, fault.New("TagLimitExceeded", "You have reached the maximum number of tags a resource can have: 50.")
	}
	return tags, nil
}

// tagsFor are the tags that the specifications put on one kind of resource.
func tagsFor(kind string, specs []shape.TagSpecification) (map[string]string, error) {
	parsed, err := parseTagSpecs(specs)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, s := range parsed {
		if s.Resource != kind {
			return nil, invalid("'%s' is not a valid taggable resource type for this operation.", s.Resource)
		}
		for _, t := range s.Tags {
			tags[t.Key] = t.Value
		}
	}
	return tags, nil
}
