package autoscaling

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

// maxUserData is EC2's limit, in bytes before base64.
const maxUserData = 16384

// maxLaunchConfigurations is the quota of a region, maxGroups that of groups.
const (
	maxLaunchConfigurations = 200
	maxGroups               = 500
)

func (a *api) createLaunchConfiguration(
	ctx context.Context, call *awswire.Call, in *shape.CreateLaunchConfigurationInput,
) (*shape.CreateLaunchConfigurationOutput, error) {
	if err := checkName("launch configuration name", request.Value(in.LaunchConfigurationName)); err != nil {
		return nil, err
	}
	data, err := parseLaunchConfiguration(call, in)
	if err != nil {
		return nil, err
	}
	c := &fleet.LaunchConfiguration{Name: *in.LaunchConfigurationName, ID: newid.UUID(call.Random), Region: call.Region,
		Account: call.Account, CreatedAt: call.Now, Data: data}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.LaunchConfigurations.Get(c.Key()); ok {
			return fault.New(shape.CodeAlreadyExists, "Launch Configuration by this name already exists - "+
				"A launch configuration already exists with the name %s", c.Name)
		}
		if n := count(tx.LaunchConfigurations.Prefix(
			fleet.KeyPrefix(call.Region, call.Account))); n >= maxLaunchConfigurations {
			return fault.New(shape.CodeLimitExceeded,
				"You have already reached the maximum of %d launch configurations.", maxLaunchConfigurations)
		}
		if err := asValidation(launch.CheckKeyPair(&tx.Tables, call.Region, call.Account, c.Data.KeyName)); err != nil {
			return err
		}
		if p := c.Data.Profile; p != "" && !launch.HasProfile(&tx.Tables, call.Account, p) {
			return invalid("Invalid IamInstanceProfile: %s", p)
		}
		if c.Data.SecurityGroups, err = securityGroups(&tx.Tables, call, c.Data.SecurityGroups); err != nil {
			return err
		}
		tx.LaunchConfigurations.Put(c)
		return nil
	})
}

func parseLaunchConfiguration(call *awswire.Call, in *shape.CreateLaunchConfigurationInput) (fleet.LaunchData, error) {
	d := fleet.LaunchData{
		ImageID: request.Value(in.ImageId), InstanceType: request.Value(in.InstanceType),
		KeyName:        request.Value(in.KeyName),
		SecurityGroups: in.SecurityGroups, UserData: request.Value(in.UserData),
		Profile:      request.Value(in.IamInstanceProfile),
		EBSOptimized: in.EbsOptimized, PublicIP: in.AssociatePublicIpAddress,
		Tenancy: request.Value(in.PlacementTenancy),
	}
	if in.InstanceMonitoring != nil {
		d.Monitoring = in.InstanceMonitoring.Enabled
	}
	if m := in.MetadataOptions; m != nil {
		d.Metadata = &fleet.Metadata{
			Endpoint: m.HttpEndpoint, Tokens: m.HttpTokens, HopLimit: m.HttpPutResponseHopLimit,
		}
	}
	for _, b := range in.BlockDeviceMappings {
		d.BlockDevices = append(d.BlockDevices, parseBlockDevice(b))
	}
	if d.ImageID == "" || d.InstanceType == "" {
		return d, invalid("Valid requests must contain either the InstanceID parameter or both the ImageId " +
			"and InstanceType parameters.")
	}
	if _, ok := fleet.FindImage(call.Region, d.ImageID); !ok {
		return d, invalid("Invalid id: \"%s\" (expecting \"ami-...\")", d.ImageID)
	}
	if _, ok := fleet.FindInstanceType(d.InstanceType); !ok {
		return d, invalid("Invalid InstanceType: %s. Berth knows the families %s.", d.InstanceType, families())
	}
	if d.Tenancy != "" && d.Tenancy != "default" {
		return d, invalid("The placement tenancy %q is not supported: instances share this "+
			"machine. Use default.", d.Tenancy)
	}
	raw, err := base64.StdEncoding.DecodeString(d.UserData)
	if err != nil {
		return d, invalid("Invalid BASE64 encoding of user data.")
	}
	if len(raw) > maxUserData {
		return d, invalid("User data is limited to %d bytes", maxUserData)
	}
	return d, nil
}

// asValidation is an error of EC2 as Auto Scaling answers it: with the same text.
func asValidation(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return invalid("%s", f.Message)
	}
	return err
}

func families() string {
	var names []string
	for _, t := range fleet.InstanceTypes() {
		if len(names) == 0 || names[len(names)-1] != t.Family() {
			names = append(names, t.Family())
		}
	}
	return strings.Join(names, ", ")
}

func parseBlockDevice(b shape.BlockDeviceMapping) fleet.BlockDevice {
	d := fleet.BlockDevice{Device: request.Value(b.DeviceName), Virtual: request.Value(b.VirtualName),
		SuppressDevice: b.NoDevice}
	if e := b.Ebs; e != nil {
		d.SnapshotID, d.VolumeType, d.SizeGiB, d.IOPS, d.Throughput = request.Value(e.SnapshotId),
			request.Value(e.VolumeType),
			e.VolumeSize, e.Iops, e.Throughput
		d.DeleteOnTermination, d.Crypt = e.DeleteOnTermination, e.Encrypted
	}
	return d
}

// securityGroups turns ids and names into ids of groups that exist.
func securityGroups(t *state.Tables, call *awswire.Call, given []string) ([]string, error) {
	var ids []string
	for _, s := range given {
		id, ok := fleet.FindSecurityGroup(t.SecurityGroups.Prefix(fleet.KeyPrefix(call.Region, call.Account)),
			call.Region, call.Account, s)
		if !ok {
			return nil, invalid("The security group '%s' does not exist in VPC '%s'", s,
				fleet.DefaultVPC(call.Region, call.Account).ID)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (a *api) deleteLaunchConfiguration(
	ctx context.Context, call *awswire.Call, in *shape.DeleteLaunchConfigurationInput,
) (*shape.DeleteLaunchConfigurationOutput, error) {
	name := request.Value(in.LaunchConfigurationName)
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		key := fleet.Key(call.Region, call.Account, name)
		if _, ok := tx.LaunchConfigurations.Get(key); !ok {
			return invalid("Launch configuration name not found - Launch configuration %s not found", name)
		}
		for g := range tx.AutoScalingGroups.Prefix(fleet.KeyPrefix(call.Region, call.Account)) {
			if g.Launch.Configuration == name {
				return fault.New(shape.CodeResourceInUse, "Cannot delete launch configuration %s because "+
					"it is attached to AutoScalingGroup %s", name, g.Name)
			}
		}
		tx.LaunchConfigurations.Delete(key)
		return nil
	})
}

func (a *api) describeLaunchConfigurations(
	_ context.Context, call *awswire.Call, in *shape.DescribeLaunchConfigurationsInput,
) (*shape.DescribeLaunchConfigurationsOutput, error) {
	all := a.store.View().LaunchConfigurations.Prefix(fleet.KeyPrefix(call.Region, call.Account))
	found, next, err := request.Cut(call, pages.Ask(in.MaxRecords, in.NextToken),
		named(all, in.LaunchConfigurationNames,
			func(c *fleet.LaunchConfiguration) string { return c.Name }), (*fleet.LaunchConfiguration).Key,
		in.LaunchConfigurationNames...)
	return &shape.DescribeLaunchConfigurationsOutput{
		LaunchConfigurations: request.Answers(found, answerLaunchConfiguration), NextToken: next,
	}, err
}

func answerLaunchConfiguration(c *fleet.LaunchConfiguration) shape.LaunchConfiguration {
	d := &c.Data
	out := shape.LaunchConfiguration{
		LaunchConfigurationName: &c.Name, LaunchConfigurationARN: new(c.ARN()), CreatedTime: &c.CreatedAt,
		ImageId: &d.ImageID, InstanceType: &d.InstanceType, KeyName: new(d.KeyName),
		SecurityGroups: d.SecurityGroups, UserData: new(d.UserData), IamInstanceProfile: request.Optional(d.Profile),
		EbsOptimized: new(request.Value(d.EBSOptimized)), AssociatePublicIpAddress: d.PublicIP,
		PlacementTenancy: request.Optional(d.Tenancy), KernelId: new(""), RamdiskId: new(""),
		InstanceMonitoring: &shape.InstanceMonitoring{Enabled: new(d.Monitoring == nil || *d.Monitoring)},
	}
	if m := d.Metadata; m != nil {
		out.MetadataOptions = &shape.InstanceMetadataOptions{
			HttpEndpoint: m.Endpoint, HttpTokens: m.Tokens, HttpPutResponseHopLimit: m.HopLimit,
		}
	}
	for _, b := range d.BlockDevices {
		m := shape.BlockDeviceMapping{DeviceName: &b.Device, VirtualName: request.Optional(b.Virtual),
			NoDevice: b.SuppressDevice}
		if b.Virtual == "" && !request.Value(b.SuppressDevice) {
			m.Ebs = &shape.Ebs{SnapshotId: request.Optional(b.SnapshotID), VolumeType: request.Optional(b.VolumeType),
				VolumeSize: b.SizeGiB, Iops: b.IOPS,
				Throughput: b.Throughput, DeleteOnTermination: b.DeleteOnTermination, Encrypted: b.Crypt}
		}
		out.BlockDeviceMappings = append(out.BlockDeviceMappings, m)
	}
	return out
}
