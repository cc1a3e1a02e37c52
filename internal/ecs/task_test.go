package ecs

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ecs.md 1.3.6
func TestNeed(t *testing.T) {
	d := &TaskDefinition{NetworkMode: NetworkBridge, ContainerDefinitions: []ContainerDefinition{
		{Name: "a", CPU: 512, Memory: 1024, MemoryReservation: 256,
			PortMappings: []PortMapping{{ContainerPort: 80, HostPort: 8080}, {ContainerPort: 81}}},
		{Name: "b", CPU: 128, Memory: 128,
			PortMappings: []PortMapping{{ContainerPort: 53, HostPort: 53, Protocol: "udp"}}},
	}}
	got := d.Need(Overrides{})
	if got.CPU != 640 || got.Memory != 384 || !slices.Equal(got.PortsTCP, []int{8080}) ||
		!slices.Equal(got.PortsUDP, []int{53}) || got.ENIs != 0 {
		t.Errorf("Need = %+v", got)
	}
	got = d.Need(Overrides{ContainerOverrides: []ContainerOverride{
		{Name: "a", CPU: new(0), MemoryReservation: new(100)},
	}, Memory: "2048"})
	if got.CPU != 128 || got.Memory != 2048 {
		t.Errorf("Need with overrides = %+v, want 128 units and 2048 MiB", got)
	}
	d.NetworkMode = NetworkAwsvpc
	if got := d.Need(Overrides{}); len(got.PortsTCP) != 0 || got.ENIs != 1 {
		t.Errorf("Need in awsvpc = %+v, want no ports and one interface", got)
	}
}

func TestOverridesMergeEnvironment(t *testing.T) {
	c := ContainerDefinition{Name: "a", Environment: []KeyValuePair{{"A", "1"}, {"B", "2"}}}
	got := Overrides{ContainerOverrides: []ContainerOverride{
		{Name: "a", Environment: []KeyValuePair{{"B", "3"}, {"C", "4"}}},
	}}.Apply(c)
	if !slices.Equal(got.Environment, []KeyValuePair{{"A", "1"}, {"B", "3"}, {"C", "4"}}) {
		t.Errorf("environment = %v", got.Environment)
	}
	if !slices.Equal(c.Environment, []KeyValuePair{{"A", "1"}, {"B", "2"}}) {
		t.Error("Apply changed the definition")
	}
}

// A task's status only moves forward, and the first reason to stop it is never replaced.
func TestTaskMovesForward(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		task := &Task{LastStatus: rapid.SampledFrom(taskOrder).Draw(rt, "status"), DesiredStatus: Running}
		if rapid.Bool().Draw(rt, "targets") {
			task.Targets = []TaskTarget{{ID: "i-1"}}
		}
		reason := ""
		for _, op := range rapid.SliceOfN(rapid.SampledFrom([]string{"stop", "end"}), 1, 6).Draw(rt, "ops") {
			before := *task
			switch op {
			case "stop":
				task = task.Stop(UserInitiated, op, time.Unix(1, 0))
			case "end":
				task = task.Ended(EssentialContainerExited, op, time.Unix(2, 0))
			}
			if task.LastStatus.Before(before.LastStatus) {
				rt.Fatalf("%s moved %s back to %s", op, before.LastStatus, task.LastStatus)
			}
			if reason == "" {
				reason = task.StoppedReason
			}
			if reason != "" && task.StoppedReason != reason {
				rt.Fatalf("the reason changed from %q to %q", reason, task.StoppedReason)
			}
			if len(before.Targets) > 0 && op == "stop" && before.LastStatus.Before(Deactivating) && task.MayStop() {
				rt.Fatal("a task with targets passed the stop gate (ecs.md 3.2.6)")
			}
		}
	})
}

// ecs.md 1.4.15
func TestTaskHealth(t *testing.T) {
	d := &TaskDefinition{ContainerDefinitions: []ContainerDefinition{
		{Name: "a", Essential: true}, {Name: "b", Essential: true}, {Name: "c"},
	}}
	for _, tt := range []struct{ a, b, c, want string }{
		{Healthy, Healthy, Unhealthy, Healthy}, {Healthy, UnknownHealth, Healthy, UnknownHealth},
		{UnknownHealth, Unhealthy, Healthy, Unhealthy},
	} {
		got := TaskHealth(d, []Container{
			{Name: "a", HealthStatus: tt.a}, {Name: "b", HealthStatus: tt.b}, {Name: "c", HealthStatus: tt.c},
		})
		if got != tt.want {
			t.Errorf("TaskHealth(%s, %s, %s) = %s, want %s", tt.a, tt.b, tt.c, got, tt.want)
		}
	}
}
