package autoscaling

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

const lcLine = "CreateLaunchConfiguration LaunchConfigurationName=lc ImageId=ami-0123456789abcdef0 " +
	"InstanceType=t2.micro"

// Faults have AWS's words. Each case starts from a group g of 1 to 3 instances, with the desired capacity 2
// and the instances i-1 and i-2.
func TestFaults(t *testing.T) {
	const groupLine = "CreateAutoScalingGroup AutoScalingGroupName=h LaunchConfigurationName=lc MinSize=1 MaxSize=2"
	for _, c := range []struct{ call, want string }{
		{lcLine, "AlreadyExists: Launch Configuration by this name already exists - A launch configuration " +
			"already exists with the name lc"},
		{"CreateLaunchConfiguration LaunchConfigurationName=x ImageId=ami-0123456789abcdef0",
			"ValidationError: Valid requests must contain either the InstanceID parameter or both the " +
				"ImageId and InstanceType parameters."},
		{"CreateLaunchConfiguration LaunchConfigurationName=x ImageId=nonsense InstanceType=t2.micro",
			`ValidationError: Invalid id: "nonsense" (expecting "ami-...")`},
		{"CreateLaunchConfiguration LaunchConfigurationName=x ImageId=ami-0123456789abcdef0 " +
			"InstanceType=z1.huge", "ValidationError: Invalid InstanceType: z1.huge. Berth knows the " +
			"families c5, c6i, m5, m6g, m6i, r5, t2, t3, t3a, t4g."},
		{"CreateLaunchConfiguration LaunchConfigurationName=x ImageId=ami-0123456789abcdef0 " +
			"InstanceType=t2.micro UserData=***", "ValidationError: Invalid BASE64 encoding of user data."},
		{"CreateLaunchConfiguration LaunchConfigurationName=x " +
			"ImageId=ami-0123456789abcdef0 InstanceType=t2.micro SpotPrice=0.1",
			`ValidationError: Berth does not support "SpotPrice" in CreateLaunchConfiguration. Leave it out.`},
		{"CreateLaunchConfiguration LaunchConfigurationName=a:b ImageId=ami-0123456789abcdef0 " +
			"InstanceType=t2.micro", `ValidationError: 1 validation error detected: the launch ` +
			`configuration name "a:b" must not contain a colon or a control character`},
		{strings.Replace(lcLine, "=lc", "=x", 1) + " KeyName=k", "ValidationError: The key pair 'k' does not exist"},
		{strings.Replace(lcLine, "=lc", "=x", 1) + " IamInstanceProfile=p",
			"ValidationError: Invalid IamInstanceProfile: p"},
		{strings.Replace(lcLine, "=lc", "=x", 1) +
			" IamInstanceProfile=arn:aws:iam::123456789012:instance-profile/p",
			"ValidationError: Invalid IamInstanceProfile: arn:aws:iam::123456789012:instance-profile/p"},
		{"DeleteLaunchConfiguration LaunchConfigurationName=lc", "ResourceInUse: Cannot delete launch " +
			"configuration lc because it is attached to AutoScalingGroup g"},
		{"DeleteLaunchConfiguration LaunchConfigurationName=x",
			"ValidationError: Launch configuration name not found - Launch configuration x not found"},

		{strings.Replace(groupLine, "=h", "=g", 1) + " AvailabilityZones.member.1=us-east-1a",
			"AlreadyExists: AutoScalingGroup by this name already exists - A group with the name g already exists"},
		{groupLine, "ValidationError: At least one Availability Zone or VPC Subnet is required."},
		{groupLine + " AvailabilityZones.member.1=eu-west-1a", "ValidationError: Invalid Availability " +
			"Zone: [eu-west-1a]. The zones of us-east-1 are us-east-1a, us-east-1b and us-east-1c"},
		{groupLine + " VPCZoneIdentifier=subnet-1", "ValidationError: The subnet ID 'subnet-1' does not exist"},
		{groupLine + " AvailabilityZones.member.1=us-east-1a DesiredCapacity=3",
			"ValidationError: Desired capacity:3 must be between the specified min size:1 and max size:2"},
		{strings.Replace(groupLine, "MinSize=1", "MinSize=3", 1) + " AvailabilityZones.member.1=us-east-1a",
			"ValidationError: Max bound, 2, must be greater than or equal to min bound, 3"},
		{strings.Replace(groupLine, "LaunchConfigurationName=lc", "", 1),
			"ValidationError: Valid requests must contain either LaunchTemplate, LaunchConfigurationName, " +
				"InstanceId or MixedInstancesPolicy parameter."},
		{strings.Replace(groupLine, "=lc", "=x", 1) + " AvailabilityZones.member.1=us-east-1a",
			"ValidationError: Launch configuration name not found - Launch configuration x not found"},
		{strings.Replace(groupLine, "LaunchConfigurationName=lc", "LaunchTemplate.LaunchTemplateName=x", 1) +
			" AvailabilityZones.member.1=us-east-1a",
			"ValidationError: The specified launch template, with template name x, does not exist."},
		{groupLine + " AvailabilityZones.member.1=us-east-1a ServiceLinkedRoleARN=arn:aws:iam::123456789012:role/r",
			"ValidationError: ARN specified for Service-Linked Role does not exist."},
		{"UpdateAutoScalingGroup AutoScalingGroupName=g ServiceLinkedRoleARN=arn:aws:iam::123456789012:role/r",
			"ValidationError: ARN specified for Service-Linked Role does not exist."},
		{groupLine + " AvailabilityZones.member.1=us-east-1a " +
			"TerminationPolicies.member.1=Default TerminationPolicies.member.2=OldestInstance",
			"ValidationError: The termination policy Default must be the last one of the list"},
		{groupLine + " AvailabilityZones.member.1=us-east-1a HealthCheckType=VPC_LATTICE",
			`ValidationError: The health check type "VPC_LATTICE" is not supported: use EC2 or ELB`},
		{groupLine + " AvailabilityZones.member.1=us-east-1a TargetGroupARNs.member.1=arn:x",
			"ValidationError: Provided Target Groups may not be valid. Please ensure they exist and try again."},
		{"DetachLoadBalancerTargetGroups AutoScalingGroupName=g TargetGroupARNs.member.1=arn:x",
			"ValidationError: Trying to remove Target Groups that are not part of the group."},
		{groupLine + " AvailabilityZones.member.1=us-east-1a LoadBalancerNames.member.1=x",
			`ValidationError: Berth does not support "LoadBalancerNames" in CreateAutoScalingGroup. Leave it out.`},
		{groupLine + " AvailabilityZones.member.1=us-east-1a Tags.member.1.Key=aws:x",
			`ValidationError: The tag key "aws:x" is not valid: keys that begin with aws: are reserved`},

		{"UpdateAutoScalingGroup AutoScalingGroupName=x",
			"ValidationError: AutoScalingGroup name not found - AutoScalingGroup 'x' not found"},
		{"UpdateAutoScalingGroup AutoScalingGroupName=g MaxInstanceLifetime=5",
			"ValidationError: MaxInstanceLifetime must be 0 or between 86400 and 31536000 seconds: 5"},
		{"SetDesiredCapacity AutoScalingGroupName=g DesiredCapacity=4",
			"ValidationError: New SetDesiredCapacity value 4 is above max value 3 for the AutoScalingGroup."},
		{"SetDesiredCapacity AutoScalingGroupName=g DesiredCapacity=0",
			"ValidationError: New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup."},
		{"DeleteAutoScalingGroup AutoScalingGroupName=g",
			"ResourceInUse: You cannot delete an AutoScalingGroup while there are instances or pending " +
				"Spot instance request(s) still in the group."},

		{"TerminateInstanceInAutoScalingGroup InstanceId=i-9 ShouldDecrementDesiredCapacity=false",
			"ValidationError: Instance Id not found - No managed instance found for instance ID: i-9"},
		{"SetInstanceHealth InstanceId=i-1 HealthStatus=Sick",
			`ValidationError: The health status "Sick" is not valid: use Healthy or Unhealthy`},
		{"SetInstanceProtection AutoScalingGroupName=g InstanceIds.member.1=i-9 ProtectedFromScaleIn=true",
			"ValidationError: The instance i-9 is not part of Auto Scaling group g."},
		{"AttachInstances AutoScalingGroupName=g InstanceIds.member.1=i-1",
			"ValidationError: Instance i-1 is already part of AutoScalingGroup:g"},
		{"AttachInstances AutoScalingGroupName=g InstanceIds.member.1=i-9",
			"ValidationError: Invalid Instance ID(s): [i-9] specified"},
		{"SuspendProcesses AutoScalingGroupName=g ScalingProcesses.member.1=Lunch", `ValidationError: The ` +
			`process "Lunch" is not valid. Valid ones are AddToLoadBalancer, AlarmNotification, AZRebalance, ` +
			`HealthCheck, InstanceRefresh, Launch, ReplaceUnhealthy, ScheduledActions, Terminate`},
		{"PutWarmPool AutoScalingGroupName=g", "UnsupportedOperation: Berth does not support warm pools: " +
			"PutWarmPool is not there yet."},
		{"DescribeAutoScalingGroups NextToken=nonsense",
			"InvalidNextToken: The nextToken is invalid. Use the value that the previous page of the same " +
				"listing returned, unchanged and with the same filters."},
		{"DescribeAutoScalingGroups MaxRecords=101", "ValidationError: MaxRecords must be between 1 and 100: 101"},
	} {
		t.Run(c.call, func(t *testing.T) {
			d := newDesk(t)
			d.group("1", "3", "2")
			d.put("i-1", nil)
			d.put("i-2", nil)
			if got := d.call(c.call); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNewBoundsTakeTheCapacityWithThem(t *testing.T) {
	d := newDesk(t)
	d.group("0", "5", "2")
	for _, c := range []struct {
		sizes string
		want  int
	}{{"MinSize=3", 3}, {"MaxSize=4 MinSize=0", 3}, {"MaxSize=1", 1}, {"DesiredCapacity=0", 0},
		{"MinSize=2 MaxSize=6 DesiredCapacity=5", 5}} {
		d.ok("UpdateAutoScalingGroup AutoScalingGroupName=g " + c.sizes)
		if got := d.theGroup().Desired; got != c.want {
			t.Errorf("after %s the desired capacity is %d, want %d", c.sizes, got, c.want)
		}
	}
	for _, part := range []string{"created an AutoScalingGroup changing the desired capacity from 0 to 2.  At",
		"constraints to min: 2, max: 6, desired: 5 changing the desired capacity from 0 to 5."} {
		if !strings.Contains(d.theGroup().Note, part) {
			t.Errorf("note %q lacks %q", d.theGroup().Note, part)
		}
	}
}

func TestTerminateInstance(t *testing.T) {
	d := newDesk(t)
	d.group("1", "3", "2")
	d.put("i-1", nil)
	d.put("i-2", nil)
	out := d.ok("TerminateInstanceInAutoScalingGroup InstanceId=i-1 ShouldDecrementDesiredCapacity=true")
	for _, want := range []string{"<Description>Terminating EC2 instance: i-1</Description>",
		"<StatusCode>InProgress</StatusCode>",
		"in response to a user request, shrinking the capacity from 2 to 1.</Cause>",
		`<Details>{&#34;Subnet ID&#34;:&#34;subnet-`} {
		if !strings.Contains(out, want) {
			t.Errorf("answer lacks %s:\n%s", want, out)
		}
	}
	if i := d.instance("i-1"); d.theGroup().Desired != 1 ||
		i.Scaling.Lifecycle != fleet.LifecycleTerminating || i.Desired != fleet.Running {
		t.Errorf("desired %d, instance %+v", d.theGroup().Desired, i.Scaling)
	}
	want := "ValidationError: Currently, desiredSize equals minSize (1). Terminating instance without " +
		"replacement will violate group's min size constraint. " +
		"Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
	if got := d.call("TerminateInstanceInAutoScalingGroup InstanceId=i-2 " +
		"ShouldDecrementDesiredCapacity=true"); got != want {
		t.Errorf("got %s", got)
	}
	d.ok("TerminateInstanceInAutoScalingGroup InstanceId=i-2 ShouldDecrementDesiredCapacity=false")
	if d.theGroup().Desired != 1 {
		t.Error("the desired capacity changed, though the call did not ask for it")
	}
}

// ecs.md 5.6: the grace period is respected unless the call asks not to.
func TestSetInstanceHealth(t *testing.T) {
	d := newDesk(t)
	d.group("1", "3", "1")
	d.ok("UpdateAutoScalingGroup AutoScalingGroupName=g HealthCheckGracePeriod=300")
	d.put("i-1", nil)
	health := func(line, want string) {
		t.Helper()
		d.ok("SetInstanceHealth InstanceId=i-1 " + line)
		if got := d.instance("i-1").Scaling.Health; got != want {
			t.Errorf("after %s it is %s, want %s", line, got, want)
		}
	}
	health("HealthStatus=Unhealthy", "Healthy")
	health("HealthStatus=Unhealthy ShouldRespectGracePeriod=false", "Unhealthy")
	health("HealthStatus=Healthy", "Healthy")
	d.put("i-1", func(i *fleet.Instance) { i.Scaling.InServiceAt = time.Now().Add(-time.Hour) })
	health("HealthStatus=Unhealthy", "Unhealthy")
}

func TestAttachAndDetach(t *testing.T) {
	d := newDesk(t)
	d.group("0", "2", "1")
	d.put("i-1", nil)
	d.put("i-2", func(i *fleet.Instance) { i.Scaling = fleet.Membership{} })
	d.ok("AttachInstances AutoScalingGroupName=g InstanceIds.member.1=i-2")
	if i := d.instance("i-2"); i.Scaling.Group != "g" || d.theGroup().Desired != 2 ||
		i.Tags.Map()["aws:autoscaling:groupName"] != "g" {
		t.Errorf("attached: %+v, desired %d", i.Scaling, d.theGroup().Desired)
	}
	twice := d.call("DetachInstances AutoScalingGroupName=g InstanceIds.member.1=i-2 InstanceIds.member.2=i-2 " +
		"ShouldDecrementDesiredCapacity=true")
	if !strings.Contains(twice, "The instance i-2 is named more than once.") || d.theGroup().Desired != 2 {
		t.Errorf("detaching an instance twice: %s, desired %d", twice, d.theGroup().Desired)
	}
	out := d.ok("DetachInstances AutoScalingGroupName=g InstanceIds.member.1=i-2 ShouldDecrementDesiredCapacity=true")
	if i := d.instance("i-2"); i.Scaling.Member() || d.theGroup().Desired != 1 ||
		i.Desired != fleet.Running || i.Tags.Map()["aws:autoscaling:groupName"] != "" {
		t.Errorf("detached: %+v, desired %d, tags %v", i.Scaling, d.theGroup().Desired, i.Tags)
	}
	if !strings.Contains(out, "Detaching EC2 instance: i-2") ||
		!strings.Contains(out, "<StatusCode>Successful</StatusCode>") {
		t.Errorf("answer %s", out)
	}
}

func TestTargetGroups(t *testing.T) {
	const arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef"
	d := newDesk(t)
	d.group("0", "2", "1")
	if err := d.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.TargetGroups.Put(&elb.TargetGroup{ARN: arn, Name: "web", Port: 80, TargetType: elb.TargetInstance})
		tx.Targets.Put(&elb.Target{TargetGroupARN: arn, ID: "i-1", Port: 80, Registered: time.Now()})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	d.ok("AttachLoadBalancerTargetGroups AutoScalingGroupName=g TargetGroupARNs.member.1=" + arn)
	d.put("i-1", nil)
	expect := func(want string) {
		t.Helper()
		if out := d.ok("DescribeLoadBalancerTargetGroups AutoScalingGroupName=g"); !strings.Contains(out,
			"<State>"+want+"</State>") {
			t.Errorf("want %s in %s", want, out)
		}
	}
	expect("Adding")
	d.put("i-1", func(i *fleet.Instance) { i.Scaling.Targets = []string{elb.TargetKey(arn, "i-1", 80)} })
	expect("Added")
	if out := d.ok("DescribeAutoScalingGroups"); !strings.Contains(out, "<TargetGroupARNs><member>"+arn) ||
		!strings.Contains(out, "<Type>elbv2</Type>") {
		t.Errorf("group %s", out)
	}
	d.ok("DetachInstances AutoScalingGroupName=g InstanceIds.member.1=i-1 ShouldDecrementDesiredCapacity=true")
	if target, ok := d.store.View().Targets.Get(elb.TargetKey(arn, "i-1", 80)); !ok || !target.IsDraining() {
		t.Errorf("the target of a detached instance: %+v", target)
	}
	d.ok("DetachLoadBalancerTargetGroups AutoScalingGroupName=g TargetGroupARNs.member.1=" + arn)
	if len(d.theGroup().TargetGroups) != 0 {
		t.Errorf("target groups %v", d.theGroup().TargetGroups)
	}
}

func TestDeleteGroup(t *testing.T) {
	d := newDesk(t)
	d.group("1", "3", "1")
	d.put("i-1", nil)
	d.ok("DeleteAutoScalingGroup AutoScalingGroupName=g ForceDelete=true")
	if g := d.theGroup(); g.Status != fleet.DeleteInProgress {
		t.Errorf("status %q", g.Status)
	}
	if got := d.call("SetDesiredCapacity AutoScalingGroupName=g DesiredCapacity=1"); !strings.HasPrefix(got,
		"ScalingActivityInProgress: ") {
		t.Errorf("changing a group that is being deleted answers %s", got)
	}
	e := newDesk(t)
	e.group("0", "0", "0")
	e.ok("DeleteAutoScalingGroup AutoScalingGroupName=g")
	if out := e.ok("DescribeAutoScalingGroups"); strings.Contains(out, "<AutoScalingGroupName>") {
		t.Errorf("an empty group was not deleted at once: %s", out)
	}
	e.ok("DeleteLaunchConfiguration LaunchConfigurationName=lc")
}

func TestHonorCooldown(t *testing.T) {
	d := newDesk(t)
	d.group("0", "3", "0")
	set := func(change func(*fleet.AutoScalingGroup)) {
		if err := d.store.Update(t.Context(), func(tx *state.Tx) error {
			g := d.theGroup().Clone()
			change(g)
			tx.AutoScalingGroups.Put(g)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	d.ok("SetDesiredCapacity AutoScalingGroupName=g DesiredCapacity=1 HonorCooldown=true")
	set(func(g *fleet.AutoScalingGroup) { g.CooldownStart = time.Now().Add(-time.Minute) })
	if got := d.call("SetDesiredCapacity AutoScalingGroupName=g DesiredCapacity=2 " +
		"HonorCooldown=true"); !strings.HasPrefix(got, "ScalingActivityInProgress: ") {
		t.Errorf("within the cooldown: %s", got)
	}
	d.ok("SetDesiredCapacity AutoScalingGroupName=g DesiredCapacity=2")
	set(func(g *fleet.AutoScalingGroup) { g.CooldownStart = time.Now().Add(-time.Hour) })
	d.ok("SetDesiredCapacity AutoScalingGroupName=g DesiredCapacity=3 HonorCooldown=true")
}

func TestActivitiesComeLatestFirstAndInPages(t *testing.T) {
	d := newDesk(t)
	d.group("0", "3", "0")
	if err := d.store.Update(t.Context(), func(tx *state.Tx) error {
		g, at := d.theGroup(), time.Now()
		for n := range 5 {
			i := &fleet.Instance{ID: fmt.Sprint("i-", n), Region: region, Account: account, Zone: "us-east-1a"}
			tx.Activities.Put(g.Begin(i, fmt.Sprint("act-", n), "cause", at.Add(time.Duration(n)*time.Second)))
		}
		old := &fleet.AutoScalingGroup{Name: "g", ID: "earlier", Region: region, Account: account}
		tx.Activities.Put(old.FailedLaunch("act-old", "cause", "why", fleet.Subnet{}, at.Add(-time.Hour)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var got []string
	token := ""
	for range 4 {
		form := url.Values{"Action": {"DescribeScalingActivities"}, "Version": {"2011-01-01"},
			"AutoScalingGroupName": {"g"}, "MaxRecords": {"2"}}
		if token != "" {
			form.Set("NextToken", token)
		}
		out := d.Query(t, "autoscaling", form)
		for _, part := range strings.Split(out, "<ActivityId>")[1:] {
			id, _, _ := strings.Cut(part, "<")
			got = append(got, id)
		}
		_, rest, more := strings.Cut(out, "<NextToken>")
		if !more {
			break
		}
		token, _, _ = strings.Cut(rest, "<")
	}
	if s := strings.Join(got, " "); s != "act-4 act-3 act-2 act-1 act-0" {
		t.Errorf("activities %s", s)
	}
	if out := d.ok("DescribeScalingActivities " +
		"AutoScalingGroupName=g IncludeDeletedGroups=true"); !strings.Contains(out, "act-old") ||
		!strings.Contains(out, "<AutoScalingGroupState>Deleted<") {
		t.Error("the activities of the earlier group are not shown on request")
	}
}

// A group refuses a launch template that no instance can be launched from. EC2 accepts such a template, since
// only a launch needs all its values.
func TestLaunchTemplateHasToBeFullyFormed(t *testing.T) {
	const image = "ami-0123456789abcdef0"
	const prefix = "ValidationError: You must use a valid fully-formed launch template. "
	profile := &role.InstanceProfile{Account: account, Name: "p", Path: "/"}
	for _, c := range []struct {
		data fleet.LaunchData
		want string
	}{
		{fleet.LaunchData{Profile: "q"}, prefix +
			"Value (q) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"},
		{fleet.LaunchData{Profile: profile.ARN() + "q"}, prefix + "Value (" + profile.ARN() +
			"q) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"},
		{fleet.LaunchData{KeyName: "k"}, prefix + "The key pair 'k' does not exist"},
		{fleet.LaunchData{SecurityGroups: []string{"sg-0123456789abcdef0"}},
			prefix + "The security group 'sg-0123456789abcdef0' does not exist"},
		{fleet.LaunchData{Profile: "p"}, "<CreateAutoScalingGroupResponse"},
		{fleet.LaunchData{Profile: profile.ARN()}, "<CreateAutoScalingGroupResponse"},
	} {
		d := newDesk(t)
		c.data.ImageID, c.data.InstanceType = image, "t2.micro"
		d.update(func(tx *state.Tx) {
			tx.InstanceProfiles.Put(profile)
			tx.LaunchTemplates.Put(&fleet.LaunchTemplate{ID: "lt-1", Name: "lt", Region: region,
				Account: account, Default: 1, Latest: 1,
				Versions: []fleet.TemplateVersion{{Number: 1, Data: c.data}}})
		})
		const create = "CreateAutoScalingGroup AutoScalingGroupName=g MinSize=0 MaxSize=2 " +
			"AvailabilityZones.member.1=us-east-1a LaunchTemplate.LaunchTemplateName=lt"
		if got := d.call(create); !strings.Contains(got, c.want) {
			t.Errorf("%+v\ngot  %s\nwant %s", c.data, got, c.want)
		}
	}
}

// Auto Scaling's service-linked role is made with the first group. A role that the caller names must exist.
func TestServiceLinkedRole(t *testing.T) {
	d := newDesk(t)
	d.group("0", "1", "0")
	r, ok := d.store.View().Roles.Get(role.Key(account, "AWSServiceRoleForAutoScaling"))
	if !ok || r.ARN() != d.theGroup().ServiceRole {
		t.Errorf("role %+v, the group has %s", r, d.theGroup().ServiceRole)
	}
	own, _ := role.NewLinked(account, role.ServiceAutoScaling, "own", time.Now())
	d.update(func(tx *state.Tx) { tx.Roles.Put(own) })
	d.ok("UpdateAutoScalingGroup AutoScalingGroupName=g ServiceLinkedRoleARN=" + own.ARN())
	if got := d.theGroup().ServiceRole; got != own.ARN() {
		t.Errorf("the group has %s", got)
	}
}

// The steps of the article's part on Auto Scaling, with the AWS CLI.
func TestCLI(t *testing.T) {
	d := newDesk(t)
	d.update(func(tx *state.Tx) { tx.KeyPairs.Put(&fleet.KeyPair{Name: "ssh", Region: region, Account: account}) })
	subnets := fleet.Subnets(region, account)
	run := func(line, want string) {
		t.Helper()
		out, err := d.CLI(t, "autoscaling "+line)
		if err != nil || strings.TrimSpace(out) != strings.TrimSpace(want) {
			t.Errorf("aws autoscaling %s\ngot  %s (%v)\nwant %s", line, out, err, want)
		}
	}
	run("create-launch-configuration --launch-configuration-name lc --image-id ami-0123456789abcdef0 "+
		"--instance-type t2.micro --key-name ssh --user-data "+"#!/bin/sh", "")
	run("create-auto-scaling-group --auto-scaling-group-name g --launch-configuration-name lc --min-size 1 "+
		"--max-size 4 --desired-capacity 2 --vpc-zone-identifier "+subnets[0].ID+","+subnets[1].ID+
		" --tags Key=Name,Value=socket,PropagateAtLaunch=true --new-instances-protected-from-scale-in", "")
	d.put("i-0123456789abcdef0", nil)
	run("describe-auto-scaling-groups --query "+
		"AutoScalingGroups[].[AutoScalingGroupName,MinSize,MaxSize,DesiredCapacity,AvailabilityZones[1],"+
		"Instances[0].LifecycleState,Tags[0].Value,NewInstancesProtectedFromScaleIn] --output text",
		"g\t1\t4\t2\tus-east-1b\tInService\tsocket\tTrue")
	run("describe-auto-scaling-instances --query AutoScalingInstances[].[InstanceId,HealthStatus,"+
		"LaunchConfigurationName] --output text", "i-0123456789abcdef0\tHEALTHY\tlc")
	run("set-desired-capacity --auto-scaling-group-name g --desired-capacity 3", "")
	run("update-auto-scaling-group --auto-scaling-group-name g --max-size 5 --health-check-grace-period 30", "")
	run("suspend-processes --auto-scaling-group-name g --scaling-processes AZRebalance", "")
	run("describe-auto-scaling-groups --auto-scaling-group-names g --query AutoScalingGroups[0].[MaxSize,"+
		"DesiredCapacity,SuspendedProcesses[0].ProcessName] --output text", "5\t3\tAZRebalance")
	run("terminate-instance-in-auto-scaling-group --instance-id "+
		"i-0123456789abcdef0 --should-decrement-desired-capacity --query Activity.Description --output text",
		"Terminating EC2 instance: i-0123456789abcdef0")
	run("describe-scaling-activities --auto-scaling-group-name g --query Activities[].StatusCode "+
		"--output text", "InProgress")
	run("delete-auto-scaling-group --auto-scaling-group-name g --force-delete", "")
	if out, err := d.CLI(t,
		"autoscaling set-desired-capacity --auto-scaling-group-name nope --desired-capacity 3"); err == nil ||
		!strings.Contains(out, "An error occurred (ValidationError) when calling the SetDesiredCapacity "+
			"operation: AutoScalingGroup name not found - AutoScalingGroup 'nope' not found") {
		t.Errorf("got %s", out)
	}
}
