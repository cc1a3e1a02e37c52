package ec2

import (
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

const runLine = "RunInstances ImageId=ami-0123456789abcdef0 InstanceType=t2.micro MinCount=1 MaxCount=1"

// Faults have EC2's codes and words. Each case starts with a security group "web" that has a rule, a key pair
// "ssh" and a launch template "tpl".
func TestFaults(t *testing.T) {
	vpc, group := fleet.DefaultVPC(region, account), fleet.DefaultSecurityGroup(region, account)
	const ingress = "AuthorizeSecurityGroupIngress GroupName=web IpPermissions.1.IpProtocol=tcp"
	for _, c := range []struct{ call, want string }{
		{"DescribeInstances InstanceId.1=i-0123456789abcdef0",
			"InvalidInstanceID.NotFound: The instance ID 'i-0123456789abcdef0' does not exist"},
		{"DescribeInstances InstanceId.1=i-0123456789abcdef0 InstanceId.2=i-0123456789abcdef1",
			"InvalidInstanceID.NotFound: The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist"},
		{"TerminateInstances InstanceId.1=nonsense", `InvalidInstanceID.Malformed: Invalid id: "nonsense"`},
		{"DescribeInstances Filter.1.Name=colour Filter.1.Value.1=red",
			"InvalidParameterValue: The filter 'colour' is invalid"},
		{"DescribeInstances MaxResults=4", "InvalidParameterValue: Value ( 4 ) for parameter maxResults is " +
			"invalid. Expecting a value between 5 and 1000."},
		{"DescribeInstances DryRun=true", "DryRunOperation: Request would have succeeded, but DryRun flag is set."},

		{"RunInstances InstanceType=t2.micro MinCount=1 MaxCount=1",
			"MissingParameter: The request must contain the parameter ImageId"},
		{"RunInstances ImageId=ami-0123456789abcdef0 MinCount=1 MaxCount=1",
			"MissingParameter: The request must contain the parameter InstanceType"},
		{"RunInstances ImageId=nonsense InstanceType=t2.micro MinCount=1 MaxCount=1",
			`InvalidAMIID.Malformed: Invalid id: "nonsense" (expecting "ami-...")`},
		{"RunInstances ImageId=ami-0123456789abcdef0 InstanceType=p5.48xlarge MinCount=1 MaxCount=1",
			"Unsupported: The instance type 'p5.48xlarge' is not supported here. DescribeInstanceTypes " +
				"lists those that are."},
		{"RunInstances ImageId=ami-0123456789abcdef0 InstanceType=t2.micro MinCount=2 MaxCount=1",
			"InvalidParameterValue: Value (1) for parameter maxCount is invalid: 1 <= MinCount (2) <= " +
				"MaxCount <= 100."},
		{runLine + " KeyName=x", "InvalidKeyPair.NotFound: The key pair 'x' does not exist"},
		{runLine + " SubnetId=subnet-0123456789abcdef0",
			"InvalidSubnetID.NotFound: The subnet ID 'subnet-0123456789abcdef0' does not exist"},
		{runLine + " SecurityGroupId.1=sg-0123456789abcdef0",
			"InvalidGroup.NotFound: The security group 'sg-0123456789abcdef0' does not exist"},
		{runLine + " Placement.AvailabilityZone=eu-west-1a",
			"InvalidParameterValue: Invalid availability zone: [eu-west-1a]"},
		{runLine + " UserData=***", "InvalidUserData.Malformed: Invalid BASE64 encoding of user data."},
		{runLine + " InstanceMarketOptions.MarketType=spot", `UnsupportedOperation: Berth does not support ` +
			`"InstanceMarketOptions" in RunInstances. Leave it out.`},
		{runLine + " LaunchTemplate.LaunchTemplateName=x", "InvalidLaunchTemplateName.NotFoundException: " +
			"The specified launch template, with template name x, does not exist."},
		{runLine + " LaunchTemplate.LaunchTemplateName=tpl LaunchTemplate.Version=9",
			"InvalidLaunchTemplateId.VersionNotFound: Could not find launch template version 9"},

		{"DescribeVpcs VpcId.1=vpc-1", "InvalidVpcID.NotFound: The vpc ID 'vpc-1' does not exist"},
		{"DescribeDhcpOptions DhcpOptionsId.1=dopt-1",
			"InvalidDhcpOptionID.NotFound: The dhcpOption ID 'dopt-1' does not exist"},
		{"DescribeSubnets SubnetId.1=subnet-1", "InvalidSubnetID.NotFound: The subnet ID 'subnet-1' does not exist"},
		{"DescribeAvailabilityZones ZoneName.1=x", "InvalidParameterValue: Invalid availability zone: [x]"},
		{"DescribeImages ImageId.1=x", `InvalidAMIID.Malformed: Invalid id: "x" (expecting "ami-...")`},
		{"DescribeVolumes VolumeId.1=vol-1", "InvalidVolume.NotFound: The volume 'vol-1' does not exist: " +
			"instances of a local machine have no volumes."},
		{"CreateTags ResourceId.1=x-1 Tag.1.Key=a Tag.1.Value=b", "InvalidID: The ID 'x-1' is not valid"},
		{"CreateTags ResourceId.1=" + vpc.ID + " Tag.1.Key=aws:a Tag.1.Value=b",
			"InvalidParameterValue: Value ( aws:a ) for parameter key is invalid. Tag keys starting with " +
				"'aws:' are reserved for internal use"},

		{"CreateSecurityGroup GroupName=web GroupDescription=d",
			"InvalidGroup.Duplicate: The security group 'web' already exists for VPC '" + vpc.ID + "'"},
		{"CreateSecurityGroup GroupName=x GroupDescription=d VpcId=vpc-1",
			"InvalidVpcID.NotFound: The vpc ID 'vpc-1' does not exist"},
		{"DeleteSecurityGroup GroupId=" + group.ID, `CannotDelete: the specified group: "` + group.ID +
			`" name: "default" cannot be deleted by a user`},
		{"DeleteSecurityGroup GroupName=x", "InvalidGroup.NotFound: The security group 'x' does not exist"},
		{ingress, "InvalidParameterValue: Invalid value 'Must specify both from and to ports with " +
			"TCP/UDP.' for portRange."},
		{ingress + " IpPermissions.1.FromPort=9 IpPermissions.1.ToPort=8 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
			"InvalidParameterValue: Invalid TCP port range (9:8)"},
		{ingress + " IpPermissions.1.FromPort=8 IpPermissions.1.ToPort=8 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0",
			"InvalidParameterValue: CIDR block 0.0.0.0 is malformed"},
		{ingress + " IpPermissions.1.FromPort=80 IpPermissions.1.ToPort=80 " +
			"IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0", `InvalidPermission.Duplicate: the specified ` +
			`rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists`},
		{"RevokeSecurityGroupIngress GroupName=web IpProtocol=tcp FromPort=81 ToPort=81 CidrIp=0.0.0.0/0",
			"InvalidPermission.NotFound: The specified rule does not exist in this security group."},

		{"CreateKeyPair KeyName=ssh", "InvalidKeyPair.Duplicate: The keypair 'ssh' already exists."},
		{"ImportKeyPair KeyName=x PublicKeyMaterial=bm9uc2Vuc2U=",
			"InvalidKey.Format: Key is not in valid OpenSSH public key format"},
		{"CreateLaunchTemplate LaunchTemplateName=tpl LaunchTemplateData.InstanceType=t2.micro",
			"InvalidLaunchTemplateName.AlreadyExistsException: Launch template name already in use."},
		{"CreateLaunchTemplate LaunchTemplateName=x LaunchTemplateData.InstanceType=t2.micro",
			"InvalidLaunchTemplateName.MalformedException: A launch template name must be between 3 and " +
				"128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _."},
		{"DeleteLaunchTemplate LaunchTemplateId=lt-1", "InvalidLaunchTemplateId.NotFound: The specified " +
			"launch template, with template ID lt-1, does not exist."},
		{"GetConsoleOutput InstanceId=i-0123456789abcdef0",
			"InvalidInstanceID.NotFound: The instance ID 'i-0123456789abcdef0' does not exist"},
		{"CreateVpc CidrBlock=10.0.0.0/16",
			"InvalidAction: The action CreateVpc is not valid for this web service: Berth does not have it."},
	} {
		t.Run(c.call, func(t *testing.T) {
			d := newDesk(t)
			d.ok("CreateSecurityGroup GroupName=web GroupDescription=d")
			d.ok("AuthorizeSecurityGroupIngress GroupName=web IpProtocol=tcp FromPort=80 ToPort=80 CidrIp=0.0.0.0/0")
			d.ok("CreateKeyPair KeyName=ssh KeyType=ed25519")
			d.ok("CreateLaunchTemplate LaunchTemplateName=tpl LaunchTemplateData.InstanceType=t2.micro")
			if got := d.call(c.call); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRunInstances(t *testing.T) {
	d := newDesk(t)
	const launch = "RunInstances ImageId=ami-0123456789abcdef0 InstanceType=m5.large MinCount=1 MaxCount=1 "
	for profile, want := range map[string]string{
		"IamInstanceProfile.Name=ecs":                                           "Invalid IAM Instance Profile name",
		"IamInstanceProfile.Arn=arn:aws:iam::123456789012:instance-profile/ecs": "Invalid IAM Instance Profile ARN",
	} {
		if got := d.call(launch + profile); !strings.Contains(got, "InvalidParameterValue") ||
			!strings.Contains(got, want) {
			t.Errorf("%s: %s", profile, got)
		}
	}
	err := d.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.InstanceProfiles.Put(&role.InstanceProfile{Account: account, Name: "ecs", Path: "/"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const call = "RunInstances ImageId=ami-0123456789abcdef0 InstanceType=m5.large MinCount=2 MaxCount=3 " +
		"Placement.AvailabilityZone=us-east-1b IamInstanceProfile.Name=ecs " +
		"UserData=IyEvYmluL3No TagSpecification.1.ResourceType=instance TagSpecification.1.Tag.1.Key=Name " +
		"TagSpecification.1.Tag.1.Value=x ClientToken=once"
	out := d.ok(call)
	ids, addresses := tags(out, "instanceId"), tags(out, "privateIpAddress")
	if len(ids) != 3 || element(out, "name") != "pending" || element(out, "availabilityZone") != "us-east-1b" ||
		element(out, "subnetId") != fleet.Subnets(region, account)[1].ID {
		t.Errorf("answer %s", out)
	}
	if addresses[0] != "127.0.1.2" || !strings.Contains(out, "127.0.1.3") || !strings.Contains(out, "127.0.1.4") {
		t.Errorf("addresses %v", addresses)
	}
	if !strings.Contains(out, "arn:aws:iam::123456789012:instance-profile/ecs") {
		t.Errorf("no instance profile in %s", out)
	}
	again := d.ok(call)
	if got := tags(again, "instanceId"); strings.Join(got, " ") != strings.Join(ids, " ") ||
		element(again, "reservationId") != element(out, "reservationId") {
		t.Errorf("the same token made other instances: %v, first %v", got, ids)
	}
	if out := d.call("RunInstances ImageId=ami-0123456789abcdef0 InstanceType=m5.large MinCount=2 MaxCount=3 " +
		"ClientToken=once"); !strings.HasPrefix(out, "IdempotentParameterMismatch") {
		t.Errorf("the token with other parameters: %s", out)
	}
	if n := d.store.View().Instances.Len(); n != 3 {
		t.Errorf("%d instances", n)
	}
}

// A call that is repeated with its client token makes nothing a second time. With other parameters it is
// refused.
func TestTemplatesAreMadeOnce(t *testing.T) {
	d := newDesk(t)
	const create = "CreateLaunchTemplate LaunchTemplateName=tpl LaunchTemplateData.InstanceType=t2.micro ClientToken=a"
	const version = "CreateLaunchTemplateVersion LaunchTemplateName=tpl LaunchTemplateData.InstanceType=t3.small " +
		"ClientToken=b"
	id := element(d.ok(create), "launchTemplateId")
	if again := d.ok(create); element(again, "launchTemplateId") != id {
		t.Errorf("the repeated call made another template: %s", again)
	}
	for range 2 {
		if out := d.ok(version); element(out, "versionNumber") != "2" {
			t.Errorf("the repeated call made another version: %s", out)
		}
	}
	for _, call := range []string{create, version} {
		if out := d.call(call + " VersionDescription=x"); !strings.HasPrefix(out, "IdempotentParameterMismatch") {
			t.Errorf("%s with other parameters: %s", call, out)
		}
	}
	if out := d.ok("DescribeLaunchTemplates"); element(out, "latestVersionNumber") != "2" ||
		len(tags(out, "launchTemplateId")) != 1 {
		t.Errorf("the templates are %s", out)
	}
}

// Pages of templates and versions may have one item. The latest version is the latest of all pages.
func TestTemplatePages(t *testing.T) {
	d := newDesk(t)
	d.ok("CreateLaunchTemplate LaunchTemplateName=tpl LaunchTemplateData.InstanceType=t2.micro")
	for range 2 {
		d.ok("CreateLaunchTemplateVersion LaunchTemplateName=tpl LaunchTemplateData.InstanceType=t3.small")
	}
	const page = "DescribeLaunchTemplateVersions LaunchTemplateName=tpl MaxResults="
	first := d.ok(page + "2")
	second := d.ok(page + "2 NextToken=" + element(first, "nextToken"))
	if got := append(tags(first, "versionNumber"), tags(second, "versionNumber")...); !slices.Equal(got,
		[]string{"3", "2", "1"}) {
		t.Errorf("versions %v", got)
	}
	if out := d.call(page + "0"); !strings.HasPrefix(out, "InvalidParameterValue") {
		t.Errorf("a page size of zero: %s", out)
	}
	d.ok("CreateLaunchTemplate LaunchTemplateName=other LaunchTemplateData.InstanceType=t2.micro")
	if out := d.ok("DescribeLaunchTemplates MaxResults=1"); len(tags(out, "launchTemplateId")) != 1 {
		t.Errorf("a page of one is %s", out)
	}
}

// Parameters of the call override those of the template.
func TestRunInstancesFromTemplate(t *testing.T) {
	d := newDesk(t)
	d.ok("CreateLaunchTemplate LaunchTemplateName=tpl LaunchTemplateData.InstanceType=t2.micro " +
		"LaunchTemplateData.ImageId=ami-0123456789abcdef0 LaunchTemplateData.UserData=IyEvYmluL3No " +
		"LaunchTemplateData.TagSpecification.1.ResourceType=instance " +
		"LaunchTemplateData.TagSpecification.1.Tag.1.Key=a " +
		"LaunchTemplateData.TagSpecification.1.Tag.1.Value=1")
	d.ok("CreateLaunchTemplateVersion LaunchTemplateName=tpl SourceVersion=1 LaunchTemplateData.InstanceType=t3.small")
	out := d.ok("RunInstances MinCount=1 MaxCount=1 LaunchTemplate.LaunchTemplateName=tpl " +
		"LaunchTemplate.Version=$Latest")
	if element(out, "instanceType") != "t3.small" || element(out, "imageId") != "ami-0123456789abcdef0" ||
		!strings.Contains(out, "<key>a</key><value>1</value>") ||
		!strings.Contains(out, "<key>aws:ec2launchtemplate:version</key><value>2</value>") {
		t.Errorf("answer %s", out)
	}
	out = d.ok("RunInstances MinCount=1 MaxCount=1 LaunchTemplate.LaunchTemplateName=tpl InstanceType=m5.large")
	if element(out, "instanceType") != "m5.large" {
		t.Errorf("answer %s", out)
	}
	d.ok("ModifyLaunchTemplate LaunchTemplateName=tpl SetDefaultVersion=2")
	out = d.ok("DeleteLaunchTemplateVersions LaunchTemplateName=tpl LaunchTemplateVersion.1=1 " +
		"LaunchTemplateVersion.2=2 LaunchTemplateVersion.3=7")
	if !strings.Contains(out, "<successfullyDeletedLaunchTemplateVersionSet><item>") || !strings.Contains(out,
		"cannot be deleted") || !strings.Contains(out, "Could not find launch template version 7") {
		t.Errorf("answer %s", out)
	}
	if got := tags(d.ok("DescribeLaunchTemplateVersions LaunchTemplateName=tpl"),
		"versionNumber"); len(got) != 1 || got[0] != "2" {
		t.Errorf("versions %v", got)
	}
}

func TestStatesOfAnInstance(t *testing.T) {
	d := newDesk(t)
	id := d.run("")
	expect := func(line, previous, current string) {
		t.Helper()
		names := tags(d.ok(line+" InstanceId.1="+id), "name")
		if len(names) != 2 || names[0] != current && names[1] != current ||
			names[0] != previous && names[1] != previous {
			t.Errorf("%s: states %v, want %s and %s", line, names, previous, current)
		}
	}
	if got := d.call("StopInstances InstanceId.1=" + id); !strings.HasPrefix(got, "IncorrectInstanceState: ") {
		t.Errorf("a pending instance was stopped: %s", got)
	}
	d.is(id, running)
	expect("StopInstances", "running", "stopping")
	d.is(id, func(i *fleet.Instance) { i.State = fleet.Stopped })
	d.ok("ModifyInstanceAttribute InstanceId=" + id + " InstanceType.Value=m5.large")
	expect("StartInstances", "stopped", "pending")
	d.is(id, running)
	d.ok("ModifyInstanceAttribute InstanceId=" + id + " DisableApiTermination.Value=true")
	if got := d.call("TerminateInstances InstanceId.1=" + id); !strings.HasPrefix(got, "OperationNotPermitted: ") {
		t.Errorf("a protected instance was terminated: %s", got)
	}
	d.ok("ModifyInstanceAttribute InstanceId=" + id + " DisableApiTermination.Value=false")
	d.ok("RebootInstances InstanceId.1=" + id)
	expect("TerminateInstances", "running", "shutting-down")
	d.is(id, func(i *fleet.Instance) { i.State = fleet.Terminated })
	out := d.ok("DescribeInstances InstanceId.1=" + id)
	if element(out, "name") != "terminated" || strings.Contains(out, "privateIpAddress") ||
		!strings.Contains(out, "Client.UserInitiatedShutdown") || element(out, "instanceType") != "m5.large" {
		t.Errorf("answer %s", out)
	}
}

func TestInstanceStatus(t *testing.T) {
	d := newDesk(t)
	id := d.run("")
	if got := tags(d.ok("DescribeInstanceStatus"), "instanceId"); len(got) != 0 {
		t.Errorf("a pending instance has a status: %v", got)
	}
	d.is(id, running)
	if got := d.ok("DescribeInstanceStatus"); strings.Count(got, "<status>ok</status>") != 2 ||
		strings.Count(got, "<status>passed</status>") != 2 {
		t.Errorf("status %v", got)
	}
	d.is(id, func(i *fleet.Instance) { i.Machine.Phase = fleet.PhaseFailed })
	out := d.ok("DescribeInstanceStatus Filter.1.Name=instance-status.status Filter.1.Value.1=impaired")
	if !strings.Contains(out, id) || !strings.Contains(out, "impairedSince") {
		t.Errorf("an impaired instance: %s", out)
	}
}

func TestFilters(t *testing.T) {
	d := newDesk(t)
	a, b := d.run("Placement.AvailabilityZone=us-east-1a TagSpecification.1.ResourceType=instance "+
		"TagSpecification.1.Tag.1.Key=Name TagSpecification.1.Tag.1.Value=web/1"),
		d.run("Placement.AvailabilityZone=us-east-1b")
	d.is(b, running)
	for filter, want := range map[string]string{
		"instance-state-name=running":           b,
		"instance-state-name=pending":           a,
		"availability-zone=us-east-1?":          a + " " + b,
		"tag:Name=web*":                         a,
		"tag:Name=*1":                           a,
		"tag:Name=w[eb*":                        "",
		"tag-key=Name":                          a,
		"tag-value=web/1":                       a,
		"private-ip-address=127.0.1.2":          a,
		"instance.group-name=default":           a + " " + b,
		"network-interface.status=in-use":       a + " " + b,
		"vpc-id=vpc-1":                          "",
		"key-name=x":                            "",
		"iam-instance-profile.arn=arn:aws:iam:": "",
	} {
		name, value, _ := strings.Cut(filter, "=")
		got := tags(d.ok("DescribeInstances Filter.1.Name="+name+" Filter.1.Value.1="+value), "instanceId")
		found := map[string]bool{}
		for _, id := range got {
			found[id] = true
		}
		wanted := strings.Fields(want)
		if len(found) != len(wanted) {
			t.Errorf("%s: %v, want %q", filter, got, want)
		}
		for _, id := range wanted {
			if !found[id] {
				t.Errorf("%s: %v, want %q", filter, got, want)
			}
		}
	}
}

func TestPages(t *testing.T) {
	d := newDesk(t)
	d.ok("RunInstances ImageId=ami-0123456789abcdef0 InstanceType=t2.micro MinCount=12 MaxCount=12")
	seen, token := map[string]bool{}, ""
	for range 4 {
		line := "DescribeInstances MaxResults=5"
		if token != "" {
			line += " NextToken=" + token
		}
		out := d.ok(line)
		for _, id := range tags(out, "instanceId") {
			if strings.HasPrefix(id, "i-") {
				seen[id] = true
			}
		}
		if token = element(out, "nextToken"); token == "" {
			break
		}
	}
	if len(seen) != 12 || token != "" {
		t.Errorf("%d instances in pages, token %q", len(seen), token)
	}
}

func TestSecurityGroups(t *testing.T) {
	d := newDesk(t)
	id := element(d.ok("CreateSecurityGroup GroupName=web "+
		"GroupDescription=d TagSpecification.1.ResourceType=security-group TagSpecification.1.Tag.1.Key=a "+
		"TagSpecification.1.Tag.1.Value=b"), "groupId")
	out := d.ok("AuthorizeSecurityGroupIngress GroupId=" + id + " IpPermissions.1.IpProtocol=6 " +
		"IpPermissions.1.FromPort=80 IpPermissions.1.ToPort=81 IpPermissions.1.IpRanges.1.CidrIp=10.1.2.3/8 " +
		"IpPermissions.1.IpRanges.1.Description=inside IpPermissions.1.Groups.1.GroupName=default " +
		"IpPermissions.2.IpProtocol=-1 IpPermissions.2.Ipv6Ranges.1.CidrIpv6=::/0")
	rules := tags(out, "securityGroupRuleId")
	if len(rules) != 3 || !strings.Contains(out, "<cidrIpv4>10.0.0.0/8</cidrIpv4>") {
		t.Fatalf("answer %s", out)
	}
	out = d.ok("DescribeSecurityGroups GroupId.1=" + id)
	for _, want := range []string{"<ipProtocol>tcp</ipProtocol>", "<description>inside</description>",
		"<cidrIpv6>::/0</cidrIpv6>", fleet.DefaultVPC(region, account).SecurityGroup, "<key>a</key>"} {
		if !strings.Contains(out, want) {
			t.Errorf("group lacks %s: %s", want, out)
		}
	}
	d.ok("RevokeSecurityGroupIngress GroupId=" + id + " SecurityGroupRuleId.1=" + rules[0])
	d.ok("RevokeSecurityGroupEgress GroupId=" + id +
		" IpPermissions.1.IpProtocol=-1 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0")
	if got := tags(d.ok("DescribeSecurityGroupRules Filter.1.Name=group-id Filter.1.Value.1="+id),
		"securityGroupRuleId"); len(got) != 2 {
		t.Errorf("rules left %v", got)
	}
	d.run("SecurityGroupId.1=" + id)
	if got := d.call("DeleteSecurityGroup GroupId=" + id); got != "DependencyViolation: resource "+id+
		" has a dependent object" {
		t.Errorf("got %s", got)
	}
	// The default group always exists and can be changed like any other.
	other := fleet.DefaultSecurityGroup(region, account).ID
	d.ok("AuthorizeSecurityGroupIngress GroupId=" + other + " IpProtocol=tcp FromPort=22 ToPort=22 CidrIp=0.0.0.0/0")
	if got := tags(d.ok("DescribeSecurityGroups GroupName.1=default"), "groupName"); len(got) == 0 {
		t.Error("no default group")
	}
	if got := tags(d.ok("DescribeSecurityGroups Filter.1.Name=ip-permission.from-port Filter.1.Value.1=22"),
		"groupDescription"); len(got) != 1 || got[0] != "default VPC security group" {
		t.Errorf("groups with port 22: %v", got)
	}
}

func TestTags(t *testing.T) {
	d := newDesk(t)
	id, vpc := d.run(""), fleet.DefaultVPC(region, account)
	for _, resource := range []string{id, vpc.ID, vpc.SecurityGroup, fleet.Subnets(region, account)[2].ID} {
		d.ok("CreateTags ResourceId.1=" + resource + " Tag.1.Key=team Tag.1.Value=chat Tag.2.Key=x Tag.2.Value=y")
		d.ok("DeleteTags ResourceId.1=" + resource + " Tag.1.Key=x Tag.1.Value=other")
		if got := tags(d.ok("DescribeTags Filter.1.Name=resource-id Filter.1.Value.1="+resource),
			"key"); len(got) != 2 {
			t.Errorf("%s has tags %v", resource, got)
		}
		d.ok("DeleteTags ResourceId.1=" + resource + " Tag.1.Key=x")
	}
	if got := tags(d.ok("DescribeTags Filter.1.Name=tag:team Filter.1.Value.1=ch*"), "resourceType"); len(got) != 4 {
		t.Errorf("tagged resources %v", got)
	}
	if got := tags(d.ok("DescribeVpcs Filter.1.Name=tag:team Filter.1.Value.1=chat"),
		"vpcId"); len(got) != 1 || got[0] != vpc.ID {
		t.Errorf("vpcs %v", got)
	}
}

// The set of DHCP options that the default VPC names exists.
func TestDhcpOptionsOfTheDefaultVPC(t *testing.T) {
	d := newDesk(t)
	id := element(d.ok("DescribeVpcs"), "dhcpOptionsId")
	d.ok("CreateTags ResourceId.1=" + id + " Tag.1.Key=team Tag.1.Value=chat")
	for _, which := range []string{"", " DhcpOptionsId.1=" + id, " Filter.1.Name=tag:team Filter.1.Value.1=chat",
		" Filter.1.Name=key Filter.1.Value.1=domain-name", " Filter.1.Name=value Filter.1.Value.1=AmazonProvidedDNS"} {
		out := d.ok("DescribeDhcpOptions" + which)
		for name, want := range map[string][]string{"dhcpOptionsId": {id}, "ownerId": {account},
			"key":   {"domain-name", "domain-name-servers", "team"},
			"value": {fleet.PrivateDomain(region), "AmazonProvidedDNS", "chat"}} {
			got := tags(out, name)
			if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("DescribeDhcpOptions%s has %s %q, want %q", which, name, got, want)
			}
		}
	}
	out := d.ok("DescribeDhcpOptions Filter.1.Name=owner-id Filter.1.Value.1=210987654321")
	if strings.Contains(out, "dopt-") || !strings.Contains(out, "<dhcpOptionsSet") {
		t.Errorf("with another owner: %s", out)
	}
}

func TestKeyPairs(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct{ kind, head string }{
		{"rsa", "-----BEGIN RSA PRIVATE KEY-----"}, {"ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----"},
	} {
		out := d.ok("CreateKeyPair KeyName=" + c.kind + " KeyType=" + c.kind)
		if material := element(out, "keyMaterial"); !strings.HasPrefix(material, c.head) ||
			element(out, "keyFingerprint") == "" {
			t.Errorf("answer %s", out)
		}
	}
	out := d.ok("DescribeKeyPairs IncludePublicKey=true")
	public := tags(out, "publicKey")
	if len(public) != 2 || !strings.HasPrefix(public[0], "ssh-ed25519 ") ||
		!strings.HasPrefix(public[1], "ssh-rsa ") || strings.Contains(out, "PRIVATE") {
		t.Errorf("keys %s", out)
	}
	d.ok("DeleteKeyPair KeyName=rsa")
	d.ok("DeleteKeyPair KeyName=rsa")
	if got := tags(d.ok("DescribeKeyPairs"), "keyName"); len(got) != 1 {
		t.Errorf("keys %v", got)
	}
}

// The calls of a tool that looks at the network before it creates anything, with the AWS CLI.
func TestCLI(t *testing.T) {
	d := newDesk(t)
	run := func(line string) string {
		t.Helper()
		out, err := d.CLI(t, "ec2 "+line)
		if err != nil {
			t.Errorf("aws ec2 %s: %v\n%s", line, err, out)
		}
		return strings.TrimSpace(out)
	}
	expect := func(line, want string) {
		t.Helper()
		if got := run(line); got != want {
			t.Errorf("aws ec2 %s\ngot  %s\nwant %s", line, got, want)
		}
	}
	vpc, subnets := fleet.DefaultVPC(region, account), fleet.Subnets(region, account)
	expect("describe-vpcs --filters Name=is-default,Values=true --query Vpcs[].[VpcId,CidrBlock] --output text",
		vpc.ID+"\t172.31.0.0/16")
	expect("describe-subnets --filters Name=vpc-id,Values="+vpc.ID+
		" Name=availability-zone,Values=us-east-1b --query Subnets[].[SubnetId,CidrBlock] --output text",
		subnets[1].ID+"\t172.31.16.0/20")
	expect("describe-availability-zones --query AvailabilityZones[].ZoneName --output text",
		"us-east-1a\tus-east-1b\tus-east-1c")
	expect("describe-instance-types --instance-types t2.micro --query "+
		"InstanceTypes[].[VCpuInfo.DefaultVCpus,MemoryInfo.SizeInMiB] --output text", "1\t1024")
	group := run("create-security-group --group-name web --description chat --query GroupId --output text")
	run("authorize-security-group-ingress --group-id " + group + " --protocol tcp --port 80 --cidr 0.0.0.0/0")
	id := run("run-instances --image-id ami-0123456789abcdef0 --instance-type " +
		"t2.micro --security-group-ids " + group + " --user-data #!/bin/sh --tag-specifications " +
		"ResourceType=instance,Tags=[{Key=Name,Value=one}] --query Instances[0].InstanceId --output text")
	expect("describe-instances --instance-ids "+id+" --query Reservations[].Instances[].[State.Name,"+
		"PrivateIpAddress,SecurityGroups[0].GroupName,Tags[0].Value] --output text",
		"pending\t127.0.1.2\tweb\tone")
	expect("get-console-output --instance-id "+id+" --output text --query Output", "console of "+id)
	expect("terminate-instances --instance-ids "+id+
		" --query TerminatingInstances[0].CurrentState.Name --output text", "shutting-down")
	if out, err := d.CLI(t, "ec2 describe-instances --instance-ids i-0123456789abcdef0"); err == nil ||
		!strings.Contains(out, "An error occurred (InvalidInstanceID.NotFound) when calling the "+
			"DescribeInstances operation: The instance ID 'i-0123456789abcdef0' does not exist") {
		t.Errorf("got %s", out)
	}
}
