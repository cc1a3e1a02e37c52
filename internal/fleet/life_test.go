package fleet

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/tag"
)

var address = netip.MustParseAddr("127.0.1.7")

func group() *AutoScalingGroup {
	return &AutoScalingGroup{
		Name: "web", ID: "4f8b1c52-0000-4000-8000-000000000001", Region: "us-east-1", Account: "123456789012",
		Desired: 2, Max: 4, Zones: []string{"us-east-1a", "us-east-1b"},
		Tags: tag.Set{{Key: "team", Value: "blue", Propagate: true}, {Key: "cost", Value: "7"}},
	}
}

// member returns a new instance in the group's first zone, as a launch makes it.
func member(t *testing.T, g *AutoScalingGroup) *Instance {
	t.Helper()
	slot, ok := ZoneSubnet(g.Region, g.Account, g.Zones[0])
	if !ok {
		t.Fatalf("no subnet in %s", g.Zones[0])
	}
	i := NewInstance("i-0123456789abcdef0", "r-1", slot, LaunchData{
		ImageID: "ami-1", TagSpecs: []TagSpec{
			{"instance", tag.FromMap(map[string]string{"own": "1", "team": "red"})},
			{"volume", tag.FromMap(map[string]string{"x": "1"})},
		},
	}, address, now)
	g.Join(i, LaunchSource{TemplateID: "lt-1", Version: "3"}, now.Add(-time.Hour))
	return i
}

// ecs.md 5.3: the values and the tags of a new instance of a group.
func TestNewMembers(t *testing.T) {
	g := group()
	i := member(t, g)
	vpc := DefaultVPC(g.Region, g.Account)
	if i.State != Pending || i.Desired != Running || i.Zone != "us-east-1a" || i.Address != address ||
		!i.LaunchedAt.Equal(now) || !slices.Equal(i.Launch.SecurityGroups, []string{vpc.SecurityGroup}) {
		t.Errorf("instance %+v", i)
	}
	want := map[string]string{"own": "1", "team": "blue", "aws:autoscaling:groupName": "web",
		"aws:ec2launchtemplate:id": "lt-1", "aws:ec2launchtemplate:version": "3"}
	if !maps.Equal(i.Tags.Map(), want) {
		t.Errorf("tags %v, want %v", i.Tags, want)
	}
	s := i.Scaling
	if s.Lifecycle != LifecyclePending || s.Health != Healthy || s.Protected || !s.Member() || !s.Counts() ||
		i.GroupKey() != g.Key() {
		t.Errorf("membership %+v of %s", s, i.GroupKey())
	}
	g.NewProtected = true
	if i := member(t, g); !i.Scaling.Protected {
		t.Error("a new instance of a group that protects new instances is not protected")
	}
	var alone Instance
	g.Join(&alone, LaunchSource{Configuration: "lc"}, now)
	tags := alone.Tags.Map()
	if _, template := tags["aws:ec2launchtemplate:id"]; template || tags["team"] != "blue" {
		t.Errorf("tags of an instance without its own, from a configuration: %v", alone.Tags)
	}
}

// A launch and a removal each have an activity that names the instance, in AWS's words (ecs.md 5.9, 5.11).
func TestActivitiesOfAnInstance(t *testing.T) {
	g := group()
	i := member(t, g)
	begun := g.Begin(i, "a-1", "At … it began.", now)
	if begun.Status != ActivityPreInService || begun.Progress() != 30 || !begun.Open() || begun.Instance != i.ID ||
		begun.Description != "Launching a new EC2 instance: i-0123456789abcdef0" || begun.Zone != "us-east-1a" ||
		i.Scaling.LaunchedBy != begun.Key() || begun.GroupARN != g.ARN() {
		t.Errorf("launch: %+v", begun)
	}
	done := begun.Finished(ActivitySuccessful, "", now.Add(time.Minute))
	if done.Open() || done.Progress() != 100 || !begun.Open() || done.Key() != begun.Key() {
		t.Errorf("finished: %+v; before %+v", done, begun)
	}
	if want := fmt.Sprintf(`{"Subnet ID":"%s","Availability Zone":"us-east-1a"}`, i.SubnetID); done.Details() != want {
		t.Errorf("details %s, want %s", done.Details(), want)
	}

	i.State, i.Scaling.Lifecycle = Running, LifecycleInService
	gone, ended := g.Retire(i, "a-2", "At … it ended.", now)
	if gone.Scaling.Lifecycle != LifecycleTerminating || gone.Desired != Running ||
		gone.Scaling.TerminatedBy != ended.Key() ||
		ended.Status != ActivityInProgress || ended.Progress() != 50 || gone.Scaling.Counts() ||
		!gone.Scaling.Member() ||
		ended.Description != "Terminating EC2 instance: i-0123456789abcdef0" {
		t.Errorf("retired: %+v, %+v", gone, ended)
	}
	if i.Scaling.Lifecycle != LifecycleInService || i.Desired != Running {
		t.Error("Retire changed its receiver")
	}
	gone.AskTermination(now)
	if gone.Desired != Terminated || gone.Reason != UserInitiated() ||
		gone.TransitionReason != "User initiated (2026-01-02 03:04:05 GMT)" {
		t.Errorf("to be terminated: %+v", gone)
	}
}

// A detached instance keeps running and belongs to no group. An attached one is in service at once.
func TestDetachAndAttach(t *testing.T) {
	g := group()
	i := member(t, g)
	i.State, i.Scaling.Lifecycle = Running, LifecycleInService
	for _, tt := range []struct {
		from, to int
		cause    string
	}{
		{2, 2, "At 2026-01-02T03:04:05Z instance i-0123456789abcdef0 was detached in response to a user request."},
		{2, 1, "At 2026-01-02T03:04:05Z instance i-0123456789abcdef0 was detached in response to a user request, " +
			"shrinking the capacity from 2 to 1."},
	} {
		free, a := g.Detach(i, "a", now, tt.from, tt.to)
		if a.Cause != tt.cause || a.Open() || a.Status != ActivitySuccessful {
			t.Errorf("detached from %d to %d: %+v", tt.from, tt.to, a)
		}
		if free.GroupKey() != "" || free.Scaling.Member() || free.Desired != Running ||
			free.Tags.Map()["team"] != "blue" || free.Tags.Map()["aws:autoscaling:groupName"] != "" {
			t.Errorf("detached: %+v", free)
		}
		if i.GroupKey() != g.Key() || i.Tags.Map()["aws:autoscaling:groupName"] != "web" {
			t.Error("Detach changed its receiver")
		}
		back, a := g.Attach(free, "a", now, 3)
		if back.Scaling.Lifecycle != LifecycleInService || !back.Scaling.InServiceAt.Equal(now) ||
			back.GroupKey() != g.Key() ||
			!strings.HasSuffix(a.Cause, "Keeping the capacity at the new 3.") || a.Open() {
			t.Errorf("attached: %+v, %+v", back, a)
		}
		if free.GroupKey() != "" {
			t.Error("Attach changed its receiver")
		}
	}
}

// The activities of a group that could not do what it should (ecs.md 5.8).
func TestActivitiesOfFailures(t *testing.T) {
	g := group()
	slot, _ := ZoneSubnet(g.Region, g.Account, "us-east-1b")
	failed := g.FailedLaunch("a", "cause", "there is no address left", slot, now)
	if failed.Status != ActivityFailed || failed.Open() || failed.Instance != "" || failed.Zone != "us-east-1b" ||
		failed.StatusMessage != "there is no address left" ||
		failed.Description != "Launching a new EC2 instance.  Status Reason: there is no address left" {
		t.Errorf("failed launch: %+v", failed)
	}
	g.Note = NoteExplicit(now, 4, 2)
	blocked := g.Blocked("a", 4, now)
	const want = "At 2026-01-02T03:04:05Z a user request explicitly set group desired capacity changing the desired " +
		"capacity from 4 to 2.  At 2026-01-02T03:04:05Z a difference between desired and actual capacity, shrinking " +
		"the capacity from 4 to 2."
	if blocked.Cause != want || blocked.Status != ActivityFailed || blocked.Open() ||
		!strings.Contains(blocked.StatusMessage, "protected from scale-in") {
		t.Errorf("blocked: %+v", blocked)
	}
	if reason := LaunchFailure("no disk"); reason.Code != "Server.InternalError" ||
		!strings.HasSuffix(reason.Message, "Internal error on launch: no disk") {
		t.Errorf("%+v", reason)
	}
}

// The pause is five seconds after the first failed launch and doubles with each further one, up to five
// minutes.
func TestLaunchPause(t *testing.T) {
	for n, want := range map[int]time.Duration{
		-1: 5 * time.Second, 0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 3: 20 * time.Second,
		6: 160 * time.Second, 7: 5 * time.Minute, 8: 5 * time.Minute, 1000: 5 * time.Minute,
	} {
		if got := LaunchPause(n); got != want {
			t.Errorf("after %d failures %v, want %v", n, got, want)
		}
	}
}

// The sentences of activities, as AWS writes them.
func TestCauses(t *testing.T) {
	g := &AutoScalingGroup{Min: 1, Max: 5, Desired: 3}
	const at = "At 2026-01-02T03:04:05Z "
	for got, want := range map[string]string{
		NoteCreated(now,
			2): at + "a user request created an AutoScalingGroup changing the desired capacity from 0 to 2.",
		NoteConstraints(now, g, 1): at + "a user request update of AutoScalingGroup constraints to min: 1, max: 5, " +
			"desired: 3 changing the desired capacity from 1 to 3.",
		causeLaunch(now, 0, 2): at + "an instance was started in response to a difference between desired and actual " +
			"capacity, increasing the capacity from 0 to 2.",
		causeReplace(now): at + "an instance was launched in response to an unhealthy instance needing to be replaced.",
		causeRebalance(now,
			"us-east-1b"): at + "an instance was launched to rebalance instances in zones that are not " +
			"balanced, in zone us-east-1b.",
		causeShrink(now, 2, 1,
			"i-1"): at + "an instance was taken out of service in response to a difference between " +
			"desired and actual capacity, shrinking the capacity from 2 to 1.  " + at +
			"instance i-1 was selected for termination.",
		CauseTaken(now, WhyGone): at + "an instance was taken out of service in response to an EC2 health check " +
			"indicating it has been terminated or stopped.",
		CauseUserRequest(now, 2, 2): at + "an instance was taken out of service in response to a user request.",
		CauseUserRequest(now, 2, 1): at + "an instance was taken out of service in response to a user request, " +
			"shrinking the capacity from 2 to 1.",
		withNote("Because.", "So."): "Because.  So.",
		withNote("", "So."):         "So.",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	zone := time.FixedZone("CET", 3600)
	if got := Stamp(time.Date(2026, 1, 2, 4, 4, 5, 9, zone)); got != "2026-01-02T03:04:05Z" {
		t.Errorf("a time elsewhere is written %s", got)
	}
}

// The keys of a group's activities sort by start time, and are a range of their own.
func TestActivityKeys(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var all []*Activity
		for i := range rapid.IntRange(2, 8).Draw(rt, "activities") {
			start := now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "start")))
			all = append(all, group().newActivity(fmt.Sprint("a-", i), start, ActivityInProgress))
		}
		slices.SortFunc(all, func(a, b *Activity) int { return strings.Compare(a.Key(), b.Key()) })
		for i, a := range all {
			if i > 0 && a.Start.Before(all[i-1].Start) {
				rt.Fatalf("%s comes after %s", a.Key(), all[i-1].Key())
			}
			if !strings.HasPrefix(a.Key(), ActivityPrefix("us-east-1", "123456789012", "web")) ||
				strings.HasPrefix(a.Key(), ActivityPrefix("us-east-1", "123456789012", "we")) {
				rt.Fatalf("key %s", a.Key())
			}
		}
	})
}

// Callers see a requested change of an instance's state at once.
func TestDescribed(t *testing.T) {
	for _, tt := range []struct{ desired, state, want InstanceState }{
		{Running, Pending, Pending}, {Running, Running, Running}, {Running, Stopped, Pending},
		{Running, Stopping, Stopping}, {Running, ShuttingDown, ShuttingDown}, {Running, Terminated, Terminated},
		{Stopped, Pending, Pending}, {Stopped, Running, Stopping}, {Stopped, Stopping, Stopping}, {Stopped, Stopped,
			Stopped},
		{Terminated, Pending, ShuttingDown}, {Terminated, Running, ShuttingDown}, {Terminated, Stopped, ShuttingDown},
		{Terminated, ShuttingDown, ShuttingDown}, {Terminated, Terminated, Terminated},
	} {
		i := &Instance{Desired: tt.desired, State: tt.state}
		if got := i.Described(); got != tt.want {
			t.Errorf("%s that is to be %s is told as %s, want %s", tt.state, tt.desired, got, tt.want)
		}
		if live := tt.state != ShuttingDown && tt.state != Terminated; i.Live() != live {
			t.Errorf("%s is live: %v", tt.state, i.Live())
		}
		for _, phase := range []Phase{PhaseUnknown, PhaseUp, PhaseRestarting, PhaseFailed} {
			i.Machine.Phase = phase
			if impaired := tt.state == Running && phase == PhaseFailed; i.Impaired() != impaired {
				t.Errorf("%s whose machine is %q is impaired: %v", tt.state, phase, i.Impaired())
			}
		}
	}
}

func TestMembership(t *testing.T) {
	for _, tt := range []struct {
		m              Membership
		member, counts bool
	}{
		{Membership{}, false, false},
		{Membership{Group: "g", Lifecycle: LifecyclePending}, true, true},
		{Membership{Group: "g", Lifecycle: LifecyclePending, Rebalancing: true}, true, false},
		{Membership{Group: "g", Lifecycle: LifecycleInService, Rebalancing: true}, true, true},
		{Membership{Group: "g", Lifecycle: LifecycleTerminating}, true, false},
		{Membership{Group: "g", Lifecycle: LifecyclePendingWait}, true, true},
		{Membership{Group: "g", Lifecycle: LifecyclePendingProceed, Rebalancing: true}, true, false},
		{Membership{Group: "g", Lifecycle: LifecycleTerminatingWait}, true, false},
		{Membership{Group: "g", Lifecycle: LifecycleTerminatingProceed}, true, false},
		{Membership{Group: "g", Lifecycle: LifecycleTerminated}, false, false},
	} {
		if tt.m.Member() != tt.member || tt.m.Counts() != tt.counts {
			t.Errorf("%+v is a member: %v, counts: %v", tt.m, tt.m.Member(), tt.m.Counts())
		}
		i := Instance{Region: "r", Account: "1", Scaling: tt.m}
		if (i.GroupKey() != "") != tt.member {
			t.Errorf("%+v is in group %q", tt.m, i.GroupKey())
		}
	}
}

// A clone shares no memory with the original that a caller could change.
func TestClones(t *testing.T) {
	i := &Instance{Scaling: Membership{Targets: []string{"t"}, Actions: []LifecycleAction{{Token: "t"}}}}
	c := i.Clone()
	c.Scaling.Targets[0], c.Scaling.Actions[0].Token = "u", "u"
	if i.Scaling.Targets[0] != "t" || !i.Scaling.HasToken("t") {
		t.Errorf("changing the copy changed the instance: %+v", i)
	}
	g := group()
	g.Suspended, g.Subnets, g.Policies = []SuspendedProcess{{Name: "Launch"}}, []string{"s"}, []string{"Default"}
	g.Metrics, g.TargetGroups = []string{"m"}, []string{"tg"}
	before := *g.Clone()
	copied := g.Clone()
	copied.Suspended[0].Name, copied.Subnets[0], copied.Policies[0], copied.Metrics[0] = "x", "x", "x", "x"
	copied.TargetGroups[0], copied.Zones[0] = "x", "x"
	if !reflect.DeepEqual(*g, before) {
		t.Errorf("changing the copy changed the group: %+v", g)
	}
	sg := DefaultSecurityGroup("us-east-1", "1")
	other := sg.Clone()
	other.Rules[0].Protocol = "tcp"
	if sg.Rules[0].Protocol != "-1" {
		t.Error("changing the copy changed the security group")
	}
}

func TestWellFormedID(t *testing.T) {
	for id, ok := range map[string]bool{
		"ami-12345678": true, "ami-0123456789abcdef0": true, "ami-": false, "ami-1234567": false,
		"ami-123456789": false,
		"ami-1234567G":  false, "i-12345678": false, "AMI-12345678": false, "": false,
	} {
		if WellFormedID("ami", id) != ok {
			t.Errorf("%q is an image's id: %v", id, !ok)
		}
	}
}
