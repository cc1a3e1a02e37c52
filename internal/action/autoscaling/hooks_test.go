package autoscaling

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

const hookLine = "PutLifecycleHook AutoScalingGroupName=g LifecycleHookName=h"

// waits makes an instance wait for the hooks of the group at a transition.
func (d *desk) waits(id string, at fleet.Transition) {
	d.t.Helper()
	var hooks []*fleet.Hook
	for h := range d.store.View().HooksOf(d.theGroup()) {
		hooks = append(hooks, h)
	}
	d.put(id, func(i *fleet.Instance) {
		*i = *i.HoldFor(at, hooks, func() string { return "token-of-" + id }, time.Now())
	})
}

// ecs.md 5.9.
func TestHookFaults(t *testing.T) {
	const up = " LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING"
	for _, c := range []struct{ call, want string }{
		{hookLine, "ValidationError: The lifecycle hook h is new and must have a LifecycleTransition."},
		{hookLine + " LifecycleTransition=sleep", `ValidationError: The lifecycle transition "sleep" is not valid. ` +
			`Valid ` +
			"ones are autoscaling:EC2_INSTANCE_LAUNCHING and autoscaling:EC2_INSTANCE_TERMINATING."},
		{strings.Replace(hookLine, "=h", "=a:b", 1) + up, `ValidationError: The lifecycle hook name "a:b" is not ` +
			`valid: ` +
			"it has 1 to 255 of the characters A-Z, a-z, 0-9, hyphen, underscore and slash."},
		{hookLine + up + " HeartbeatTimeout=29", "ValidationError: HeartbeatTimeout must be between 30 and 7200 " +
			"seconds: 29"},
		{hookLine + up + " HeartbeatTimeout=7201",
			"ValidationError: HeartbeatTimeout must be between 30 and 7200 seconds: 7201"},
		{hookLine + up + " DefaultResult=STOP", `ValidationError: DefaultResult must be CONTINUE or ABANDON: "STOP"`},
		{hookLine + up + " NotificationMetadata=" + strings.Repeat("x", 4001),
			"ValidationError: NotificationMetadata has at most 4000 characters."},
		{hookLine + up + " NotificationTargetARN=arn:aws:sqs:us-east-1:123456789012:q",
			"ValidationError: The notification " +
				`target "arn:aws:sqs:us-east-1:123456789012:q" is refused: Berth does not support notifications of ` +
				`lifecycle ` +
				"hooks yet. Without a target the hook works: DescribeAutoScalingInstances shows which instances wait."},
		{strings.Replace(hookLine, "=g", "=x", 1) + up,
			"ValidationError: AutoScalingGroup name not found - AutoScalingGroup 'x' not found"},
		{"DeleteLifecycleHook AutoScalingGroupName=g LifecycleHookName=x",
			`ValidationError: No lifecycle hook found with name "x" in AutoScalingGroup g.`},
		{"DescribeLifecycleHooks AutoScalingGroupName=x",
			"ValidationError: AutoScalingGroup name not found - AutoScalingGroup 'x' not found"},
		{"CompleteLifecycleAction AutoScalingGroupName=g LifecycleHookName=k LifecycleActionResult=CONTINUE " +
			"InstanceId=i-1",
			"ValidationError: No active Lifecycle Action found with instance ID i-1"},
		{"CompleteLifecycleAction AutoScalingGroupName=g LifecycleHookName=k LifecycleActionResult=CONTINUE " +
			"LifecycleActionToken=t", "ValidationError: No active Lifecycle Action found with token t"},
		{"CompleteLifecycleAction AutoScalingGroupName=g LifecycleHookName=k LifecycleActionResult=MAYBE " +
			"InstanceId=i-1",
			`ValidationError: LifecycleActionResult must be CONTINUE or ABANDON: "MAYBE"`},
		{"RecordLifecycleActionHeartbeat AutoScalingGroupName=g LifecycleHookName=k",
			"ValidationError: Either the parameter InstanceId or the parameter LifecycleActionToken is required."},
		{"RecordLifecycleActionHeartbeat AutoScalingGroupName=g LifecycleHookName=x InstanceId=i-1",
			`ValidationError: No lifecycle hook found with name "x" in AutoScalingGroup g.`},
	} {
		t.Run(c.call[:min(len(c.call), 120)], func(t *testing.T) {
			d := newDesk(t)
			d.group("1", "3", "1")
			d.put("i-1", nil)
			d.ok(strings.Replace(hookLine, "=h", "=k", 1) + up)
			if got := d.call(c.call); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A hook has defaults; what an update leaves out stays (ecs.md 5.9).
func TestPutHook(t *testing.T) {
	d := newDesk(t)
	d.group("1", "3", "1")
	d.ok(hookLine + " LifecycleTransition=autoscaling:EC2_INSTANCE_TERMINATING " +
		"RoleARN=arn:aws:iam::123456789012:role/r")
	describe := func(want ...string) {
		t.Helper()
		out := d.ok("DescribeLifecycleHooks AutoScalingGroupName=g LifecycleHookNames.member.1=h")
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s is not in %s", w, out)
			}
		}
	}
	describe("<DefaultResult>ABANDON<", "<HeartbeatTimeout>3600<", "<GlobalTimeout>172800<",
		"<LifecycleTransition>autoscaling:EC2_INSTANCE_TERMINATING<", "<RoleARN>arn:aws:iam::123456789012:role/r<")
	d.ok(hookLine + " HeartbeatTimeout=60 DefaultResult=CONTINUE NotificationMetadata=m")
	describe("<DefaultResult>CONTINUE<", "<HeartbeatTimeout>60<", "<GlobalTimeout>6000<", "<NotificationMetadata>m<",
		"<LifecycleTransition>autoscaling:EC2_INSTANCE_TERMINATING<", "<RoleARN>arn:aws:iam::123456789012:role/r<")
	if out := d.ok("DescribeLifecycleHooks AutoScalingGroupName=g LifecycleHookNames.member.1=x"); strings.Contains(out,
		"<HeartbeatTimeout>") {
		t.Errorf("another hook: %s", out)
	}
	if out := d.ok("DescribeLifecycleHookTypes"); !strings.Contains(out,
		"<member>autoscaling:EC2_INSTANCE_LAUNCHING</member><member>autoscaling:EC2_INSTANCE_TERMINATING</member>") {
		t.Error(out)
	}
}

func TestMostHooks(t *testing.T) {
	d := newDesk(t)
	d.group("1", "3", "1")
	for n := range fleet.MaxHooks {
		d.ok(strings.Replace(hookLine, "=h", "=h"+strings.Repeat("x", n), 1) +
			" LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING")
	}
	if got := d.call(strings.Replace(hookLine, "=h", "=k", 1) +
		" LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING"); got !=
		"LimitExceeded: A group can have 50 lifecycle hooks at most." {
		t.Error(got)
	}
	d.ok(hookLine + " HeartbeatTimeout=60") // it is there already
	// The hook of managed draining does not count.
	err := d.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.LifecycleHooks.Put(&fleet.Hook{Region: region, Account: account, Group: "g", Name: fleet.DrainingHook,
			Transition: fleet.WhenTerminating})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.ok("DeleteLifecycleHook AutoScalingGroupName=g LifecycleHookName=h")
	d.ok(hookLine + " LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING")
	d.ok("DeleteAutoScalingGroup AutoScalingGroupName=g")
	if n := d.store.View().LifecycleHooks.Len(); n != 0 {
		t.Errorf("%d hooks outlive their group", n)
	}
}

// A group can be made with hooks; if one is wrong, nothing is made.
func TestGroupWithHooks(t *testing.T) {
	const line = "CreateAutoScalingGroup AutoScalingGroupName=g LaunchConfigurationName=lc MinSize=0 MaxSize=2 " +
		"AvailabilityZones.member.1=us-east-1a LifecycleHookSpecificationList.member.1.LifecycleHookName=a " +
		"LifecycleHookSpecificationList.member.1.LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING " +
		"LifecycleHookSpecificationList.member.2.LifecycleHookName=b LifecycleHookSpecificationList.member.2." +
		"HeartbeatTimeout=40 LifecycleHookSpecificationList.member.2.LifecycleTransition="
	d := newDesk(t)
	d.ok(lcLine)
	if got := d.call(line + "x"); !strings.HasPrefix(got, `ValidationError: The lifecycle transition "x"`) ||
		d.store.View().AutoScalingGroups.Len() != 0 || d.store.View().LifecycleHooks.Len() != 0 {
		t.Fatal(got)
	}
	d.ok(line + "autoscaling:EC2_INSTANCE_TERMINATING")
	out := d.ok("DescribeLifecycleHooks AutoScalingGroupName=g")
	if !strings.Contains(out, "<LifecycleHookName>a<") || !strings.Contains(out, "<HeartbeatTimeout>40<") {
		t.Error(out)
	}
}

// Actions are completed and kept alive by the instance's id or by their token.
func TestActions(t *testing.T) {
	for _, by := range []string{"InstanceId=i-1", "LifecycleActionToken=token-of-i-1"} {
		d := newDesk(t)
		d.group("1", "3", "2")
		d.ok(hookLine + " LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING HeartbeatTimeout=60")
		d.waits("i-1", fleet.WhenLaunching)
		d.waits("i-2", fleet.WhenLaunching)
		if out := d.ok("DescribeAutoScalingInstances"); !strings.Contains(out,
			"<LifecycleState>Pending:Wait</LifecycleState>") {
			t.Error(out)
		}
		before := d.instance("i-1").Scaling.Actions[0].Until
		d.ok("RecordLifecycleActionHeartbeat AutoScalingGroupName=g LifecycleHookName=h " + by)
		if after := d.instance("i-1").Scaling.Actions[0].Until; !after.After(before) {
			t.Errorf("%s: until %v, and then %v", by, before, after)
		}
		complete := "CompleteLifecycleAction AutoScalingGroupName=g LifecycleHookName=h " +
			"LifecycleActionResult=CONTINUE " + by
		d.ok(complete)
		if got := d.instance("i-1").Scaling.Actions[0].Result; got != fleet.Continue {
			t.Errorf("%s: %s", by, got)
		}
		if got := d.call(complete); !strings.HasPrefix(got, "ValidationError: No active Lifecycle Action found with ") {
			t.Errorf("an action was completed twice: %s", got)
		}
		if got := d.instance("i-2").Scaling.Actions[0].Result; got != "" {
			t.Errorf("%s: the other one has %s", by, got)
		}
	}
}

// Deleting a hook ends what waits for it: launches are abandoned, terminations continue.
func TestDeleteHook(t *testing.T) {
	for at, want := range map[fleet.Transition]fleet.HookResult{fleet.WhenLaunching: fleet.Abandon,
		fleet.WhenTerminating: fleet.Continue} {
		d := newDesk(t)
		d.group("1", "3", "1")
		d.ok(hookLine + " LifecycleTransition=" + string(at))
		d.waits("i-1", at)
		d.ok("DeleteLifecycleHook AutoScalingGroupName=g LifecycleHookName=h")
		if got := d.instance("i-1").Scaling.Actions[0].Result; got != want || d.store.View().LifecycleHooks.Len() != 0 {
			t.Errorf("%s: %s", at, got)
		}
	}
}
