package ecs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// placed is a task with the keys under which TaskSums counts it.
type placed struct {
	task        *Task
	label, zone string
}

// drawTask draws a task, which may use host ports and may be protected.
func drawTask(rt *rapid.T, name string) placed {
	t := &Task{
		TaskARN:       name,
		LastStatus:    rapid.SampledFrom(taskOrder).Draw(rt, "last status"),
		DesiredStatus: rapid.SampledFrom([]TaskStatus{Running, Stopped}).Draw(rt, "desired status"),
		WasHealthy:    rapid.Bool().Draw(rt, "was healthy"),
		Need: Resources{
			CPU: rapid.IntRange(0, 512).Draw(rt, "cpu"), Memory: rapid.IntRange(6, 512).Draw(rt, "memory"),
			GPUs: rapid.IntRange(0, 1).Draw(rt, "gpus"), ENIs: rapid.IntRange(0, 1).Draw(rt, "enis"),
		},
	}
	if rapid.Bool().Draw(rt, "has ports") {
		t.Need.PortsTCP = []int{rapid.IntRange(1, 3).Draw(rt, "tcp")}
		t.Need.PortsUDP = rapid.SliceOfN(rapid.IntRange(1, 3), 0, 1).Draw(rt, "udp")
	}
	t.CapacityProviderName = rapid.SampledFrom([]string{"", "p"}).Draw(rt, "provider")
	if rapid.Bool().Draw(rt, "protected") {
		t.ProtectedUntil = at(60)
	}
	return placed{t, rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "label"),
		rapid.SampledFrom([]string{"", "us-east-1a"}).Draw(rt, "zone")}
}

// sumOf computes the sums from all tasks.
func sumOf(tasks map[string]placed) (used Resources, counts map[TaskCount]int, ports, protected []string) {
	counts = map[TaskCount]int{}
	for name, p := range tasks {
		t := p.task
		counts[TaskCount{Label: p.label, Zone: p.zone, Provider: t.CapacityProviderName,
			LastStatus: t.LastStatus, DesiredStatus: t.DesiredStatus,
			WasHealthy: t.WasHealthy}]++
		if t.DesiredStatus != Running || t.LastStatus == Stopped {
			continue // ecs.md 1.3.7
		}
		used.CPU += t.Need.CPU
		used.Memory += t.Need.Memory
		used.GPUs += t.Need.GPUs
		used.ENIs += t.Need.ENIs
		if len(t.Need.PortsTCP)+len(t.Need.PortsUDP) > 0 {
			ports = append(ports, name)
		}
		if !t.ProtectedUntil.IsZero() {
			protected = append(protected, name)
		}
	}
	slices.Sort(ports)
	slices.Sort(protected)
	return used, counts, ports, protected
}

func names(tasks []*Task) (all []string) {
	for _, t := range tasks {
		all = append(all, t.TaskARN)
	}
	return all
}

// Sums that are updated at every write of a task equal the sums computed from all tasks.
func TestTaskSumsEqualAWalk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s *TaskSums
		tasks := map[string]placed{}
		for range rapid.IntRange(0, 25).Draw(rt, "writes") {
			name := fmt.Sprint("t", rapid.IntRange(0, 7).Draw(rt, "task"))
			old, there := tasks[name]
			before := s
			counts := before.Count(func(TaskCount) bool { return true })
			if there {
				s = s.Remove(old.task, old.label, old.zone)
				delete(tasks, name)
			}
			if !there || rapid.Bool().Draw(rt, "write again") {
				p := drawTask(rt, name)
				s = s.Add(p.task, p.label, p.zone)
				tasks[name] = p
			}
			if before.Count(func(TaskCount) bool { return true }) != counts {
				rt.Fatal("sums that a caller has read have changed")
			}
			checkSums(rt, s, tasks)
		}
		for _, p := range tasks {
			s = s.Remove(p.task, p.label, p.zone)
		}
		if s != nil {
			rt.Fatalf("without tasks there is still %+v", s)
		}
	})
}

func checkSums(rt *rapid.T, s *TaskSums, tasks map[string]placed) {
	used, counts, ports, protected := sumOf(tasks)
	if len(tasks) == 0 {
		if s != nil {
			rt.Fatalf("the sums of no tasks are %+v", s)
		}
		return
	}
	if s.Used.CPU != used.CPU || s.Used.Memory != used.Memory || s.Used.GPUs != used.GPUs || s.Used.ENIs != used.ENIs {
		rt.Fatalf("used %+v, want %+v", s.Used, used)
	}
	if len(s.Counts) != len(counts) || !slices.IsSortedFunc(s.Counts, TaskCount.compare) {
		rt.Fatalf("counts %+v, want %v", s.Counts, counts)
	}
	for _, c := range s.Counts {
		n := c.Tasks
		if c.Tasks = 0; counts[c] != n {
			rt.Fatalf("%d tasks %+v, want %d", n, c, counts[c])
		}
	}
	if !slices.Equal(names(s.Ports), ports) || !slices.Equal(names(s.Protected), protected) {
		rt.Fatalf("ports of %v, protected %v, want %v and %v", names(s.Ports), names(s.Protected), ports, protected)
	}
	live := s.Count(TaskCount.Live)
	for _, p := range tasks {
		if p.task.Live() {
			live--
		}
	}
	if live != 0 {
		rt.Fatalf("%d live tasks too many", live)
	}
}

// ecs.md 1.3.5: the remaining CPU and memory get less, and the list of ports in use gets longer.
func TestRemaining(t *testing.T) {
	registered := Resources{CPU: 1024, Memory: 2048, PortsTCP: []int{22, 2375}, PortsUDP: []int{}, GPUs: 2, ENIs: 3}
	var none *TaskSums
	if got := none.Remaining(registered); got.CPU != 1024 || !slices.Equal(got.PortsTCP, []int{22, 2375}) {
		t.Errorf("an idle instance has %+v left", got)
	}
	live := &Task{TaskARN: "a", LastStatus: Pending, DesiredStatus: Running,
		Need: Resources{CPU: 100, Memory: 200, PortsTCP: []int{80, 443}, PortsUDP: []int{53}, GPUs: 1, ENIs: 1}}
	leaving := &Task{TaskARN: "b", LastStatus: Running, DesiredStatus: Stopped, Need: Resources{CPU: 1,
		PortsTCP: []int{81}}}
	s := none.Add(live, "", "").Add(leaving, "", "")
	got := s.Remaining(registered)
	if got.CPU != 924 || got.Memory != 1848 || got.GPUs != 1 || got.ENIs != 2 ||
		!slices.Equal(got.PortsTCP, []int{22, 2375, 80, 443}) || !slices.Equal(got.PortsUDP, []int{53}) {
		t.Errorf("left is %+v", got)
	}
	if !slices.Equal(registered.PortsTCP, []int{22, 2375}) {
		t.Error("the registered resources have changed")
	}
	if got := s.Remove(live, "", "").Remaining(registered); got.CPU != 1024 || len(got.PortsTCP) != 2 {
		t.Errorf("with a task that is to stop, %+v is left", got)
	}
}

// Each status counts as running or pending. A task that is being stopped counts as running until it has
// stopped.
func TestRunningAndPending(t *testing.T) {
	want := map[TaskStatus][2]int{
		Provisioning: {0, 1}, Pending: {0, 1}, Activating: {0, 1}, Running: {1, 0}, Deactivating: {1, 0},
		Stopping: {0, 0}, Deprovisioning: {0, 0}, Stopped: {0, 0},
	}
	var all *TaskSums
	for _, status := range taskOrder {
		task := &Task{TaskARN: string(status), LastStatus: status, DesiredStatus: Running}
		var s *TaskSums
		running, pending := s.Add(task, "", "").RunningAndPending(nil)
		if got := [2]int{running, pending}; got != want[status] {
			t.Errorf("%s counts as %v running and pending, want %v", status, got, want[status])
		}
		all = all.Add(task, "web", "z")
	}
	all = all.Add(&Task{TaskARN: "x", LastStatus: Running, DesiredStatus: Running}, "other", "z")
	if running, pending := all.RunningAndPending(nil); running != 3 || pending != 3 {
		t.Errorf("all: %d running, %d pending", running, pending)
	}
	running, pending := all.RunningAndPending(func(c TaskCount) bool { return c.Label == "other" })
	if running != 1 || pending != 0 {
		t.Errorf("of one label: %d running, %d pending", running, pending)
	}
	var none *TaskSums
	if running, pending := none.RunningAndPending(nil); running != 0 || pending != 0 {
		t.Errorf("of no tasks: %d running, %d pending", running, pending)
	}
}

// A service's events have numbers. A new event replaces the one a hundred before it (ecs.md 1.7.4), and the
// keys sort by age.
func TestEvents(t *testing.T) {
	var last *Event
	keys := map[string]bool{}
	var order []string
	for i := range KeptEvents + 20 {
		e := NextEvent(service, last, "(service shop) has reached a steady state.", at(i))
		if e.Sequence != int64(i+1) || e.ServiceARN != service || !e.CreatedAt.Equal(at(i)) || e.Message == "" {
			t.Fatalf("event %d: %+v", i, e)
		}
		if forgotten := keys[e.Forgets()]; forgotten != (i >= KeptEvents) {
			t.Errorf("event %d replaces %s, which existed: %v", i, e.Forgets(), forgotten)
		}
		delete(keys, e.Forgets())
		keys[e.Key()] = true
		order = append(order, e.Key())
		if last != nil && e.ID == last.ID {
			t.Errorf("two events have the id %s", e.ID)
		}
		if len(e.ID) != len("6f5a1d6c-9d3e-4a3c-8f2b-0123456789ab") {
			t.Errorf("id %s", e.ID)
		}
		last = e
	}
	if len(keys) != KeptEvents || !slices.IsSorted(order) {
		t.Errorf("%d events are stored, keys are sorted: %v", len(keys), slices.IsSorted(order))
	}
	if a, b := NextEvent(service, nil, "x", at(1)), NextEvent(service, nil, "x", at(1)); a.ID != b.ID {
		t.Error("the same event has two ids, so a step that runs twice would write two events")
	}
}

// Resources that AWS considers different have different keys, such as those of the same name in other regions
// or accounts.
func TestKeys(t *testing.T) {
	seen := map[string]string{}
	add := func(what, key string) {
		t.Helper()
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have the key %s", what, other, key)
		}
		seen[key] = what
	}
	for _, region := range []string{"us-east-1", "eu-west-2"} {
		for _, account := range []string{"123456789012", "210987654321"} {
			what := region + " " + account
			add("family "+what, (&Family{Region: region, Account: account, Name: "Socket"}).Key())
			for _, principal := range []string{"", "arn:aws:iam::123456789012:user/a"} {
				add("setting "+what+principal, (&AccountSetting{Region: region, Account: account,
					Name:         "containerInsights",
					PrincipalARN: principal}).Key())
			}
			for _, action := range []string{"RunTask", "CreateService"} {
				add("token "+what+action, (&Token{ClusterARN: ARN(region, account, TypeCluster, "c"), Action: action,
					ClientToken: "t"}).Key())
			}
		}
	}
}

func TestNamesInARNs(t *testing.T) {
	if got := ARN("us-east-1", "123456789012", TypeTask, "web/3f"); got !=
		"arn:aws:ecs:us-east-1:123456789012:task/web/3f" {
		t.Errorf("ARN = %s", got)
	}
	for text, want := range map[string]string{
		ARN("us-east-1", "1", TypeCluster, "web"):                   "web",
		ARN("us-east-1", "1", TypeTask, "web/3f"):                   "web",
		ARN("us-east-1", "1", TypeService, "web/shop"):              "web",
		ARN("us-east-1", "1", TypeContainer, "web/3f/5d"):           "web",
		ARN("us-east-1", "1", TypeContainerInstance, "default/abc"): "default",
		"web": "", "": "",
	} {
		if got := ClusterNameOf(text); got != want {
			t.Errorf("the cluster of %q is %q, want %q", text, got, want)
		}
	}
}

// ecs.md 1.2.3 and 1.3.8
func TestContainerInstance(t *testing.T) {
	i := &ContainerInstance{Attributes: []Attribute{
		{AttributeZone, "us-east-1b"}, {Name: AttributeExternal}, {AttributeInstanceType, "t3.medium"},
	}}
	if i.Zone() != "us-east-1b" || (&ContainerInstance{}).Zone() != "" {
		t.Errorf("zone %q", i.Zone())
	}
	for name, want := range map[string]struct {
		value string
		has   bool
	}{
		AttributeInstanceType: {"t3.medium", true}, AttributeExternal: {"", true}, AttributeAMI: {"", false},
	} {
		if value, has := i.Attribute(name); value != want.value || has != want.has {
			t.Errorf("attribute %s = %q, %v", name, value, has)
		}
	}
	for status, present := range map[string]bool{
		InstanceRegistering: false, InstanceActive: true, InstanceDraining: true, InstanceDeregistering: false,
		InstanceInactive: false,
	} {
		if got := (&ContainerInstance{Status: status}).Present(); got != present {
			t.Errorf("a %s instance counts to its cluster: %v", status, got)
		}
	}
}

// A task ends at the time that its containers report, unless the clock of the agent contradicts the server's.
func TestEndedAt(t *testing.T) {
	for _, tt := range []struct {
		name string
		task Task
		want time.Time
	}{
		{"it runs", Task{StartedAt: at(0)}, time.Time{}},
		{"it was asked to stop", Task{StartedAt: at(0), StoppingAt: at(9)}, at(9)},
		{"it ended by itself", Task{StartedAt: at(0), ExecutionStoppedAt: at(5), StoppingAt: at(9)}, at(5)},
		{"a clock that is late", Task{StartedAt: at(4), ExecutionStoppedAt: at(3), StoppingAt: at(9)}, at(9)},
		{"a clock that is early", Task{StartedAt: at(0), ExecutionStoppedAt: at(10), StoppingAt: at(9)}, at(9)},
	} {
		if got := tt.task.EndedAt(); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A task that counts like another one takes its place in the sums without a change of them. One with another status,
// need, port, protection or provider does not count like it.
func TestCountsLike(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		old, new := drawTask(rt, "t").task, drawTask(rt, "t").task
		if rapid.Bool().Draw(rt, "alike") {
			c := *old
			new = &c
			new.StartedAt, new.Containers = at(5), []Container{{Name: "c"}}
		}
		other := drawTask(rt, "other")
		before := (*TaskSums)(nil).Add(other.task, other.label, other.zone).Add(old, "l", "z")
		after := before.Remove(old, "l", "z").Add(new, "l", "z")
		same := fmt.Sprint(before) == fmt.Sprint(after) // prints the addresses of tasks
		if like := old.CountsLike(new); like && !same {
			rt.Fatalf("%+v counts like %+v, but the sums change from %+v to %+v", new, old, before, after)
		} else if listed := len(old.Need.PortsTCP) > 0 || !old.ProtectedUntil.IsZero(); !like && same && !listed &&
			old.Live() && old.Need.CPU > 0 {
			rt.Fatalf("%+v does not count like %+v, but the sums stay %+v", new, old, before)
		}
	})
}
