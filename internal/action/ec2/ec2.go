// Package ec2 has the actions of the part of Amazon EC2 that people and tools use with ECS: instances, their
// types, images and key pairs, launch templates, the region's zones and its default VPC, security groups, and
// tags. Actions write what callers request; control/fleet starts and stops the instances.
//
// The answers show what is different from AWS because the machine is local: an instance's address is a
// loopback address, and it has no public one; security group rules are stored and not enforced; images stand
// for this machine; volumes do not exist; and the default VPC is the only one. The package has no state and
// is safe for concurrent use.
package ec2

import (
	"context"
	"net/http"
	"reflect"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/state"
)

type api struct {
	store *state.Store
	host  machine.Host
}

// Service returns the actions of EC2. Instances are made on host.
func Service(store *state.Store, host machine.Host) awswire.Service {
	a := &api{store: store, host: host}
	var ops []awswire.Operation
	ops = append(ops, a.instanceOperations()...)
	ops = append(ops, a.factOperations()...)
	ops = append(ops, a.securityOperations()...)
	ops = append(ops, a.templateOperations()...)
	ops = append(ops, awswire.Absent(shape.Absent)...)
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.EC2Query},
		Version: shape.APIVersion, Namespace: shape.XMLNamespace,
		RefusalCode: "UnsupportedOperation", Operations: ops,
	}
}

func (a *api) instanceOperations() []awswire.Operation {
	return []awswire.Operation{
		op("RunInstances", a.runInstances).Refuses(laterRunFields...),
		op("DescribeInstances", a.describeInstances),
		op("DescribeInstanceStatus", a.describeInstanceStatus),
		op("TerminateInstances", a.terminateInstances),
		op("StopInstances", a.stopInstances).Refuses("Hibernate"),
		op("StartInstances", a.startInstances).Refuses("AdditionalInfo"),
		op("RebootInstances", a.rebootInstances),
		op("DescribeInstanceAttribute", a.describeInstanceAttribute),
		op("ModifyInstanceAttribute", a.modifyInstanceAttribute).Refuses("Attribute", "Value",
			"BlockDeviceMapping", "EbsOptimized", "EnaSupport", "EnclaveOptions", "Kernel",
			"Ramdisk", "SriovNetSupport"),
		op("DescribeInstanceCreditSpecifications", a.describeCredits),
		op("MonitorInstances", a.monitorInstances),
		op("UnmonitorInstances", a.unmonitorInstances),
		op("GetConsoleOutput", a.getConsoleOutput),
		op("DescribeNetworkInterfaces", a.describeNetworkInterfaces),
		op("DescribeVolumes", a.describeVolumes),
		op("DescribeAddresses", a.describeAddresses),
	}
}

func (a *api) factOperations() []awswire.Operation {
	return []awswire.Operation{
		op("DescribeRegions", a.describeRegions),
		op("DescribeAvailabilityZones", a.describeZones),
		op("DescribeAccountAttributes", a.describeAccountAttributes),
		op("DescribeInstanceTypes", a.describeInstanceTypes),
		op("DescribeInstanceTypeOfferings", a.describeInstanceTypeOfferings),
		op("DescribeImages", a.describeImages),
		op("DescribeVpcs", a.describeVpcs),
		op("DescribeVpcAttribute", a.describeVpcAttribute),
		op("DescribeSubnets", a.describeSubnets),
		op("DescribeInternetGateways", a.describeInternetGateways),
		op("DescribeRouteTables", a.describeRouteTables),
		op("DescribeNetworkAcls", a.describeNetworkAcls),
		op("DescribeDhcpOptions", a.describeDhcpOptions),
		op("CreateTags", a.createTags),
		op("DeleteTags", a.deleteTags),
		op("DescribeTags", a.describeTags),
	}
}

func (a *api) securityOperations() []awswire.Operation {
	return []awswire.Operation{
		op("CreateSecurityGroup", a.createSecurityGroup),
		op("DeleteSecurityGroup", a.deleteSecurityGroup),
		op("DescribeSecurityGroups", a.describeSecurityGroups),
		op("DescribeSecurityGroupRules", a.describeSecurityGroupRules),
		op("AuthorizeSecurityGroupIngress", a.authorizeIngress).Refuses("SourceSecurityGroupName",
			"SourceSecurityGroupOwnerId"),
		op("AuthorizeSecurityGroupEgress", a.authorizeEgress).Refuses("SourceSecurityGroupName",
			"SourceSecurityGroupOwnerId", "CidrIp", "FromPort", "ToPort", "IpProtocol"),
		op("RevokeSecurityGroupIngress", a.revokeIngress).Refuses("SourceSecurityGroupName",
			"SourceSecurityGroupOwnerId"),
		op("RevokeSecurityGroupEgress", a.revokeEgress).Refuses("SourceSecurityGroupName",
			"SourceSecurityGroupOwnerId", "CidrIp", "FromPort", "ToPort", "IpProtocol"),
		op("CreateKeyPair", a.createKeyPair),
		op("ImportKeyPair", a.importKeyPair),
		op("DeleteKeyPair", a.deleteKeyPair),
		op("DescribeKeyPairs", a.describeKeyPairs),
	}
}

func (a *api) templateOperations() []awswire.Operation {
	return []awswire.Operation{
		op("CreateLaunchTemplate", a.createTemplate).Refuses(append(laterTemplateFields(), "Operator")...),
		op("CreateLaunchTemplateVersion", a.createTemplateVersion).Refuses(laterTemplateFields()...),
		op("ModifyLaunchTemplate", a.modifyTemplate),
		op("DeleteLaunchTemplate", a.deleteTemplate),
		op("DeleteLaunchTemplateVersions", a.deleteTemplateVersions),
		op("DescribeLaunchTemplates", a.describeTemplates),
		op("DescribeLaunchTemplateVersions", a.describeTemplateVersions).Refuses("ResolveAlias"),
	}
}

// op is awswire.Op for inputs with EC2's DryRun: such a call changes nothing, and the answer says that it
// would have been allowed to.
func op[I, O any](name string, fn func(context.Context, *awswire.Call, *I) (*O, error)) awswire.Operation {
	return awswire.Op(name, func(ctx context.Context, call *awswire.Call, in *I) (*O, error) {
		if dry, ok := reflect.ValueOf(in).Elem().FieldByName("DryRun").Interface().(*bool); ok && request.Value(dry) {
			return nil, fault.New("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").
				WithStatus(http.StatusPreconditionFailed)
		}
		return fn(ctx, call, in)
	})
}

// invalid is EC2's fault about a value.
func invalid(format string, args ...any) *fault.Error {
	return fault.New("InvalidParameterValue", format, args...)
}
