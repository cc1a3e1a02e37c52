package autoscaling

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/fleet"
)

// An instance goes into standby and comes back; the capacity goes with it if the call asks for that (ecs.md 5.3).
func TestStandby(t *testing.T) {
	const enter, exit = "EnterStandby AutoScalingGroupName=g InstanceIds.member.1=i-1 ShouldDecrementDesiredCapacity=",
		"ExitStandby AutoScalingGroupName=g InstanceIds.member.1=i-1"
	d := newDesk(t)
	d.group("1", "2", "2")
	d.put("i-1", nil)
	d.put("i-2", nil)
	expect := func(line string, lifecycle fleet.Lifecycle, desired int, parts ...string) {
		t.Helper()
		out := d.ok(line)
		for _, part := range parts {
			if !strings.Contains(out, part) {
				t.Errorf("%s\nlacks %s:\n%s", line, part, out)
			}
		}
		if got := d.instance("i-1").Scaling.Lifecycle; got != lifecycle || d.theGroup().Desired != desired {
			t.Errorf("after %s it is %s, and the desired capacity is %d", line, got, d.theGroup().Desired)
		}
	}
	expect(enter+"true", fleet.LifecycleEnteringStandby, 1, "<Description>Moving EC2 instance to Standby: i-1<",
		"<StatusCode>InProgress<", "<Progress>50<",
		" instance i-1 was moved to standby in response to a user request, shrinking the capacity from 2 to 1.</Cause>")
	if got := d.call(exit); got != "ValidationError: The instance i-1 is not in Standby." {
		t.Errorf("while it enters standby: %s", got)
	}
	rest := func(i *fleet.Instance) { i.Scaling.Lifecycle = fleet.LifecycleStandby }
	d.put("i-1", rest)
	if out := d.ok("DescribeAutoScalingInstances InstanceIds.member.1=i-1"); !strings.Contains(out,
		"<LifecycleState>Standby<") {
		t.Errorf("described as %s", out)
	}
	expect(exit, fleet.LifecyclePending, 2, "<Description>Moving EC2 instance out of Standby: i-1<",
		"<StatusCode>PreInService<", "<Progress>30<", " instance i-1 was moved out of standby in response to a user "+
			"request, increasing the capacity from 1 to 2.</Cause>")

	d.put("i-1", nil)
	expect(enter+"false", fleet.LifecycleEnteringStandby, 2, " in response to a user request.</Cause>")
	d.put("i-1", rest)
	for line, want := range map[string]string{
		exit: "AutoScalingGroup g has min-size=1, max-size=2, and desired-size=2. To move out of standby 1 instance, " +
			"please update the AutoScalingGroup sizes appropriately.",
		enter + "true": "The instance i-1 is not in InService.",
		"EnterStandby AutoScalingGroupName=g ShouldDecrementDesiredCapacity=true": "The request must contain the " +
			"parameter InstanceIds",
		"EnterStandby AutoScalingGroupName=g ShouldDecrementDesiredCapacity=true InstanceIds.member.1=i-9": "The " +
			"instance i-9 is not part of Auto Scaling group g.",
		"EnterStandby AutoScalingGroupName=g ShouldDecrementDesiredCapacity=true InstanceIds.member.1=i-1 " +
			"InstanceIds.member.2=i-2": "AutoScalingGroup g has min-size=1, max-size=2, and desired-size=2. To place " +
			"into standby 2 instances, please update the AutoScalingGroup sizes appropriately.",
	} {
		if got := d.call(line); got != "ValidationError: "+want {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
	}
}

// The capacity does not count an instance in standby, so it does not shrink with one that leaves the group from there.
func TestLeavingFromStandby(t *testing.T) {
	rest := func(i *fleet.Instance) { i.Scaling.Lifecycle = fleet.LifecycleStandby }
	for _, line := range []string{
		"DetachInstances AutoScalingGroupName=g InstanceIds.member.1=i-1 ShouldDecrementDesiredCapacity=true",
		"TerminateInstanceInAutoScalingGroup InstanceId=i-1 ShouldDecrementDesiredCapacity=true",
	} {
		d := newDesk(t)
		d.group("1", "2", "1")
		d.put("i-1", rest)
		d.ok("SetInstanceProtection AutoScalingGroupName=g InstanceIds.member.1=i-1 ProtectedFromScaleIn=true")
		d.ok(line)
		if i := d.instance("i-1"); d.theGroup().Desired != 1 || i.Scaling.Lifecycle.Resting() {
			t.Errorf("after %s the desired capacity is %d: %+v", line, d.theGroup().Desired, i.Scaling)
		}
	}
}
