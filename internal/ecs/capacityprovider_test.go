package ecs

import (
	"strings"
	"testing"
	"time"
)

// ecs.md 1.1.4
func TestProviderNames(t *testing.T) {
	for name, want := range map[string]bool{
		"mine": true, "my_provider-2": true, strings.Repeat("a", 255): true, "x-aws": true, "MyEcs": true,
		"": false, strings.Repeat("a", 256): false, "a b": false, "a.b": false,
		"aws": false, "AWS-mine": false, "ecs1": false, "Ecs": false, "fargate": false, "FARGATE_SPOT": false,
	} {
		if got := ValidProviderName(name); got != want {
			t.Errorf("ValidProviderName(%q) = %t", name, got)
		}
	}
}

// ecs.md 4.1: what is just allowed, and what is one beyond it.
func TestManagedScalingRanges(t *testing.T) {
	good := DefaultManagedScaling()
	good.Status, good.TargetCapacity = Enabled, 100
	for _, c := range []struct {
		change func(*ManagedScaling)
		want   string
	}{
		{func(*ManagedScaling) {}, ""},
		{func(m *ManagedScaling) { m.TargetCapacity = 1 }, ""},
		{func(m *ManagedScaling) { m.TargetCapacity = 0 }, "targetCapacity must be between 1 and 100, not 0"},
		{func(m *ManagedScaling) { m.TargetCapacity = 101 }, "targetCapacity must be"},
		{func(m *ManagedScaling) { m.Status, m.TargetCapacity = Disabled, 0 }, ""},
		{func(m *ManagedScaling) { m.MinimumScalingStepSize = 0 },
			"minimumScalingStepSize must be between 1 and 10000"},
		{func(m *ManagedScaling) { m.MaximumScalingStepSize = 10001 }, "maximumScalingStepSize must be between"},
		{func(m *ManagedScaling) { m.MaximumScalingStepSize = 0 }, "maximumScalingStepSize must be between"},
		{func(m *ManagedScaling) { m.MinimumScalingStepSize = 10001 }, "minimumScalingStepSize must be between"},
		{func(m *ManagedScaling) { m.MinimumScalingStepSize, m.MaximumScalingStepSize = 3, 2 }, "3 is more than 2"},
		{func(m *ManagedScaling) { m.MinimumScalingStepSize, m.MaximumScalingStepSize = 2, 2 }, ""},
		{func(m *ManagedScaling) { m.InstanceWarmupPeriod = 0 }, ""},
		{func(m *ManagedScaling) { m.InstanceWarmupPeriod = 10000 }, ""},
		{func(m *ManagedScaling) { m.InstanceWarmupPeriod = 10001 },
			"instanceWarmupPeriod must be between 0 and 10000"},
		{func(m *ManagedScaling) { m.InstanceWarmupPeriod = -1 }, "instanceWarmupPeriod must be"},
	} {
		m := good
		c.change(&m)
		said(t, m, m.Check(), c.want)
	}
}

func said(t *testing.T, of any, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%+v: %v, want %q", of, err, want)
	}
}

// ecs.md 2.9
func TestStrategies(t *testing.T) {
	many := make([]StrategyItem, 21)
	for i := range many {
		many[i] = StrategyItem{CapacityProvider: strings.Repeat("p", i+1), Weight: 1}
	}
	for _, c := range []struct {
		items  []StrategyItem
		want   string
		usable bool
	}{
		{nil, "", false},
		{[]StrategyItem{{"a", 0, 1}}, "", true},
		{[]StrategyItem{{"a", 100000, 1000}, {"b", 0, 0}}, "", true},
		{[]StrategyItem{{"a", 100001, 1}}, "the base of a capacity provider must be between 0 and 100000", true},
		{[]StrategyItem{{"a", -1, 1}}, "the base of", true},
		{[]StrategyItem{{"a", 0, 1001}}, "the weight of a capacity provider must be between 0 and 1000", true},
		{[]StrategyItem{{"a", 0, -1}}, "the weight of", false},
		{[]StrategyItem{{"a", 1, 1}, {"b", 1, 1}}, "only one capacity provider of a strategy can have a base", true},
		{[]StrategyItem{{"a", 0, 1}, {"a", 0, 1}}, "a is in the strategy twice", true},
		{[]StrategyItem{{"", 0, 1}}, "must name a capacity provider", true},
		{[]StrategyItem{{"a", 5, 0}}, "", false},
		{many[:20], "", true},
		{many, "at most 20 capacity providers, not 21", true},
	} {
		said(t, c.items, CheckStrategy(c.items), c.want)
		if got := UsableStrategy(c.items); got != c.usable {
			t.Errorf("UsableStrategy(%v) = %t", c.items, got)
		}
	}
}

// What ECS does with a group depends on three switches and on whether the provider is there (ecs.md 4.1, 4.9, 4.10).
func TestProviderSwitches(t *testing.T) {
	for _, c := range []struct {
		status, scaling, protection, draining string
		scales, protects, drains              bool
	}{
		{CapacityProviderActive, Enabled, Enabled, Enabled, true, true, true},
		{CapacityProviderActive, Disabled, Enabled, Disabled, false, false, false},
		{CapacityProviderActive, Enabled, Disabled, Disabled, true, false, false},
		{CapacityProviderActive, Disabled, Disabled, Enabled, false, false, true},
		{CapacityProviderInactive, Enabled, Enabled, Enabled, false, false, false},
	} {
		p := &CapacityProvider{Status: c.status, AutoScalingGroupProvider: AutoScalingGroupProvider{
			ManagedScaling:               ManagedScaling{Status: c.scaling},
			ManagedTerminationProtection: c.protection, ManagedDraining: c.draining}}
		if p.ScalesGroup() != c.scales || p.ProtectsTasks() != c.protects || p.Drains() != c.drains {
			t.Errorf("%+v: scales %t, protects %t, drains %t", c, p.ScalesGroup(), p.ProtectsTasks(), p.Drains())
		}
	}
	p := &CapacityProvider{PolicyID: "1d2c"}
	if p.PolicyName() != "ECSManagedAutoScalingPolicy-1d2c" { // ecs.md 4.6
		t.Errorf("the policy is %s", p.PolicyName())
	}
}

func TestProviderARNs(t *testing.T) {
	cluster := "arn:aws:ecs:eu-west-2:123456789012:cluster/c"
	if got := ProviderARN(cluster, "p"); got != "arn:aws:ecs:eu-west-2:123456789012:capacity-provider/p" {
		t.Errorf("the ARN is %s", got) // ecs.md 1.1.2
	}
	if ProviderEntry(cluster, "") != "" || ProviderEntry(cluster, "p") == ProviderEntry(cluster, "q") {
		t.Error("entries of providers")
	}
}

// A task that waits for capacity is not known to an agent, so its stop is its end (ecs.md 1.5.1, 4.11).
func TestStopOfATaskThatWaits(t *testing.T) {
	now := time.Unix(1700000000, 0)
	task := &Task{LastStatus: Provisioning, DesiredStatus: Running, CapacityProviderName: "p", Waiting: &Placement{},
		Containers: []Container{{LastStatus: Pending}}}
	if !task.Provisioning() || !task.Live() {
		t.Fatal("the task does not wait")
	}
	n := task.Stop(UserInitiated, "enough", now)
	if n.LastStatus != Stopped || n.DesiredStatus != Stopped || !n.StoppedAt.Equal(now) ||
		n.StopCode != UserInitiated ||
		n.StoppedReason != "enough" || n.Containers[0].LastStatus != Stopped || n.Provisioning() {
		t.Errorf("after the stop: %+v", n)
	}
	if task.Containers[0].LastStatus != Pending || task.Waiting == nil {
		t.Error("the stop changed the task itself")
	}
	if n.Version <= task.Version {
		t.Error("the version did not grow")
	}
}
