package ecs

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// ecs.md 1.5.1: the statuses of a task in order.
func TestStatusesAreInOrder(t *testing.T) {
	want := []TaskStatus{"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING",
		"DEPROVISIONING", "STOPPED"}
	for i, a := range want {
		for j, b := range want {
			if a.Before(b) != (i < j) {
				t.Errorf("%s is before %s: %v", a, b, a.Before(b))
			}
		}
	}
}

// What each status of a task means to the scheduler, the service and the agent.
func TestWhatStatesMean(t *testing.T) {
	type state struct {
		last, desired       TaskStatus
		counted, wasHealthy bool
	}
	type meaning struct{ live, uncounted, unproven, mayStop bool }
	want := map[state]meaning{
		{Provisioning, Running, false, false}:   {live: true},
		{Pending, Running, false, false}:        {live: true},
		{Activating, Running, false, false}:     {live: true},
		{Running, Running, false, false}:        {live: true, unproven: true},
		{Running, Running, false, true}:         {live: true},
		{Running, Running, true, true}:          {live: true},
		{Stopped, Running, false, false}:        {uncounted: true},
		{Stopped, Running, true, false}:         {},
		{Provisioning, Stopped, false, false}:   {uncounted: true},
		{Pending, Stopped, true, false}:         {},
		{Activating, Stopped, false, false}:     {uncounted: true},
		{Running, Stopped, false, false}:        {uncounted: true},
		{Deactivating, Stopped, false, false}:   {uncounted: true},
		{Stopping, Stopped, false, false}:       {uncounted: true, mayStop: true},
		{Stopping, Stopped, true, true}:         {mayStop: true},
		{Deprovisioning, Stopped, false, false}: {uncounted: true, mayStop: true},
		{Stopped, Stopped, false, false}:        {uncounted: true, mayStop: true},
		{Stopped, Stopped, true, true}:          {mayStop: true},
	}
	for s, m := range want {
		task := &Task{LastStatus: s.last, DesiredStatus: s.desired, EndCounted: s.counted, WasHealthy: s.wasHealthy}
		if got := (meaning{task.Live(), task.Uncounted(), task.Unproven(), task.MayStop()}); got != m {
			t.Errorf("%+v means %+v, want %+v", s, got, m)
		}
	}
}

// ecs.md 3.2.6: a task behind a load balancer is deregistered before it stops. Other tasks stop at once.
func TestStop(t *testing.T) {
	targets := []TaskTarget{{TargetGroupARN: "tg", ID: "i-1", Port: 32768}}
	for _, tt := range []struct {
		last    TaskStatus
		targets []TaskTarget
		want    TaskStatus
	}{
		{Provisioning, nil, Stopping}, {Pending, nil, Stopping}, {Running, nil, Stopping}, {Stopping, nil, Stopping},
		{Deprovisioning, nil, Deprovisioning}, {Stopped, nil, Stopped},
		{Pending, targets, Deactivating}, {Activating, targets, Deactivating}, {Running, targets, Deactivating},
		{Stopping, targets, Stopping}, {Stopped, targets, Stopped},
	} {
		task := &Task{LastStatus: tt.last, DesiredStatus: Running, Targets: tt.targets, Version: 4}
		stopped := task.Stop(UserInitiated, "Task stopped by user", at(3))
		if stopped.LastStatus != tt.want || stopped.DesiredStatus != Stopped || stopped.StopCode != UserInitiated ||
			stopped.StoppedReason != "Task stopped by user" || !stopped.StoppingAt.Equal(at(3)) ||
			stopped.Version != 5 {
			t.Errorf("from %s with %d targets: %+v", tt.last, len(tt.targets), stopped)
		}
		if task.DesiredStatus != Running || task.Version != 4 || task.LastStatus != tt.last {
			t.Errorf("from %s: Stop changed its receiver", tt.last)
		}
		if again := stopped.Stop(ServiceSchedulerInitiated, "another reason", at(4)); again != stopped {
			t.Errorf("from %s: a second Stop changed the task", tt.last)
		}
	}
}

// A task that has ended has no running container, whatever their statuses were, and the first reason to stop.
func TestEnded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		task := &Task{
			LastStatus:    rapid.SampledFrom(taskOrder).Draw(rt, "last status"),
			DesiredStatus: rapid.SampledFrom([]TaskStatus{Running, Stopped}).Draw(rt, "desired status"),
		}
		if task.DesiredStatus == Stopped {
			task.StopCode, task.StoppedReason, task.StoppingAt = UserInitiated, "first", at(1)
		}
		for range rapid.IntRange(0, 3).Draw(rt, "containers") {
			task.Containers = append(task.Containers, Container{
				LastStatus: rapid.SampledFrom([]TaskStatus{Pending, Running, Stopped}).Draw(rt, "container")})
		}
		before := slices.Clone(task.Containers)
		ended := task.Ended(EssentialContainerExited, "second", at(2))
		switch {
		case task.LastStatus == Stopped:
			if ended != task {
				rt.Fatal("a task that has stopped was ended again")
			}
			return
		case ended.LastStatus != Stopped || ended.DesiredStatus != Stopped || !ended.StoppedAt.Equal(at(2)):
			rt.Fatalf("ended: %+v", ended)
		case ended.Version <= task.Version:
			rt.Fatalf("version %d after %d", ended.Version, task.Version)
		}
		want := "second"
		if task.DesiredStatus == Stopped {
			want = "first"
		}
		if ended.StoppedReason != want {
			rt.Fatalf("the reason is %q, want %q", ended.StoppedReason, want)
		}
		for i, c := range ended.Containers {
			if c.LastStatus != Stopped || task.Containers[i].LastStatus != before[i].LastStatus {
				rt.Fatalf("container %d is %s; before %s, now %s", i, c.LastStatus, before[i].LastStatus,
					task.Containers[i].LastStatus)
			}
		}
	})
}

func TestAddressAndExitCodes(t *testing.T) {
	task := &Task{
		Attachments: []Attachment{
			{Type: "Service Connect", Details: []KeyValuePair{{"privateIPv4Address", "10.0.0.1"}}},
			{Type: "ElasticNetworkInterface", Details: []KeyValuePair{
				{"subnetId", "subnet-1"}, {"privateIPv4Address", "172.31.0.5"}, {"macAddress", "02:42:ac:1f:00:05"}}},
		},
		Containers: []Container{{Name: "app", ExitCode: new(3)}, {Name: "never"}, {Name: "side", ExitCode: new(0)}},
	}
	if got := task.Address(); got != "172.31.0.5" {
		t.Errorf("address %q", got)
	}
	if got := task.Attachments[1].Detail("macAddress"); got != "02:42:ac:1f:00:05" {
		t.Errorf("detail %q", got)
	}
	if got := task.Attachments[1].Detail("nothing"); got != "" {
		t.Errorf("a detail that does not exist is %q", got)
	}
	if got := task.ExitCodes(); got != " (app: exit code 3) (side: exit code 0)" {
		t.Errorf("exit codes %q", got)
	}
	if bridge := (&Task{}); bridge.Address() != "" || bridge.ExitCodes() != "" {
		t.Errorf("a task that never ran has the address %q and the codes %q", bridge.Address(), bridge.ExitCodes())
	}
}

// The sizes of ecs.md 1.4.6 in their written forms, and texts that are not sizes.
func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		"512": 512, " 512 ": 512, "1": 1, "0.5 vCPU": 512, "0.5vcpu": 512, "1 VCPU": 1024, "2 vCPU": 2048,
		".25 vCPU": 256, "192 vCPU": 196608, "1e1 vCPU": 10240, "0.0005 vCPU": 1,
		"": 0, "0": 0, "-1": 0, "0 vCPU": 0, "-1 vCPU": 0, "vCPU": 0, "half": 0, "1.5": 0, "NaN vCPU": 0, "Inf vCPU": 0,
		"1 GB": 0, "0.0004 vCPU": 0, "9999999999 vCPU": 0, "1 vCPU more": 0,
	} {
		if got, ok := ParseTaskCPU(text); got != want && ok || ok != (want > 0) {
			t.Errorf("ParseTaskCPU(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for text, want := range map[string]int{
		"512": 512, "1 GB": 1024, "0.5gb": 512, "1.5 Gb": 1536, "512 MB": 0, "1 vCPU": 0, "": 0,
	} {
		if got, ok := ParseTaskMemory(text); got != want && ok || ok != (want > 0) {
			t.Errorf("ParseTaskMemory(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
}

// A size that is accepted is a positive number, and its stored form is read as the same number.
func FuzzSizes(f *testing.F) {
	for _, text := range []string{"512", "0.5 vCPU", "1 GB", "NaN gb", "1e309 vCPU", "0x1p-2 GB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (int, bool){ParseTaskCPU, ParseTaskMemory} {
			n, ok := parse(text)
			if ok && n < 1 {
				t.Errorf("%q is %d", text, n)
			}
			if again, same := parse(strconv.Itoa(n)); ok && (!same || again != n) {
				t.Errorf("%q is stored as %d, which reads as %d", text, n, again)
			}
		}
	})
}

func TestParsePortRange(t *testing.T) {
	for text, want := range map[string][2]int{
		"1-2": {1, 2}, "8000-8100": {8000, 8100}, "1-65535": {1, 65535},
		"": {}, "80": {}, "0-5": {}, "5-5": {}, "6-5": {}, "1-65536": {}, "a-b": {}, "1-2-3": {}, "-1-5": {},
		"1 - 2": {},
	} {
		first, last, ok := ParsePortRange(text)
		if ok != (want != [2]int{}) || ok && [2]int{first, last} != want {
			t.Errorf("ParsePortRange(%q) = %d, %d, %v", text, first, last, ok)
		}
	}
}
