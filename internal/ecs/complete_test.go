package ecs

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// attributes returns the names of the attributes that a complete definition requires.
func attributes(edit func(*TaskDefinition)) (all []string) {
	d := good()
	d.ContainerDefinitions[0].LogConfiguration = nil
	d.ContainerDefinitions[1].HealthCheck = nil
	edit(d)
	d.Complete()
	for _, a := range d.RequiresAttributes {
		all = append(all, a.Name)
	}
	return all
}

// ecs.md 1.4.22: for each feature that a definition uses, the test has the capability that an instance must
// have. Every definition requires the lowest version of the Docker API.
func TestRequiredAttributes(t *testing.T) {
	const least = "com.amazonaws.ecs.capability.docker-remote-api.1.18"
	first := func(d *TaskDefinition) *ContainerDefinition { return &d.ContainerDefinitions[0] }
	for _, tt := range []struct {
		name string
		edit func(*TaskDefinition)
		want []string // in addition to the Docker API
	}{
		{"nothing", func(*TaskDefinition) {}, nil},
		{"a task role", func(d *TaskDefinition) { d.TaskRoleARN = "r" },
			[]string{"com.amazonaws.ecs.capability.task-iam-role"}},
		{"a task role in host mode", func(d *TaskDefinition) { d.TaskRoleARN, d.NetworkMode = "r", NetworkHost },
			[]string{"com.amazonaws.ecs.capability.task-iam-role",
				"com.amazonaws.ecs.capability.task-iam-role-network-host"}},
		{"awsvpc", func(d *TaskDefinition) { d.NetworkMode = NetworkAwsvpc }, []string{"ecs.capability.task-eni"}},
		{"a task's cpu", func(d *TaskDefinition) { d.CPU = "512" }, []string{"ecs.capability.task-cpu-mem-limit"}},
		{"a task's memory", func(d *TaskDefinition) { d.Memory = "1 GB" },
			[]string{"ecs.capability.task-cpu-mem-limit"}},
		{"pid", func(d *TaskDefinition) { d.PIDMode = "task" },
			[]string{"ecs.capability.pid-ipc-namespace-sharing"}},
		{"ipc", func(d *TaskDefinition) { d.IPCMode = "host" }, []string{"ecs.capability.pid-ipc-namespace-sharing"}},
		{"privileged", func(d *TaskDefinition) { first(d).Privileged = true },
			[]string{"com.amazonaws.ecs.capability.privileged-container"}},
		{"a log driver", func(d *TaskDefinition) { first(d).LogConfiguration = &LogConfiguration{LogDriver: "gelf"} },
			[]string{"com.amazonaws.ecs.capability.logging-driver.gelf"}},
		{"awslogs without an execution role",
			func(d *TaskDefinition) { first(d).LogConfiguration = &LogConfiguration{LogDriver: "awslogs"} },
			[]string{"com.amazonaws.ecs.capability.logging-driver.awslogs"}},
		{"awslogs with an execution role", func(d *TaskDefinition) {
			d.ExecutionRoleARN = "e"
			first(d).LogConfiguration = &LogConfiguration{LogDriver: "awslogs"}
		}, []string{"com.amazonaws.ecs.capability.logging-driver.awslogs", "ecs.capability.execution-role-awslogs"}},
		{"a health check", func(d *TaskDefinition) { first(d).HealthCheck = &HealthCheck{} },
			[]string{"ecs.capability.container-health-check"}},
		{"an order", func(d *TaskDefinition) { first(d).DependsOn = []ContainerDependency{{"side", ConditionStart}} },
			[]string{"ecs.capability.container-ordering"}},
		{"restarts", func(d *TaskDefinition) { first(d).RestartPolicy = &RestartPolicy{Enabled: true} },
			[]string{"ecs.capability.container-restart-policy"}},
		{"restarts that are off", func(d *TaskDefinition) { first(d).RestartPolicy = &RestartPolicy{} }, nil},
		{"the registry", func(d *TaskDefinition) {
			first(d).Image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/chat:1"
		}, []string{"com.amazonaws.ecs.capability.ecr-auth"}},
		{"another registry", func(d *TaskDefinition) { first(d).Image = "ghcr.io/mirror/app.dkr.ecr.copy:1" }, nil},
		{"the registry with an execution role", func(d *TaskDefinition) {
			d.ExecutionRoleARN = "e"
			first(d).Image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/chat:1"
		}, []string{"com.amazonaws.ecs.capability.ecr-auth", "ecs.capability.execution-role-ecr-pull"}},
		{"a range of ports", func(d *TaskDefinition) {
			first(d).PortMappings = []PortMapping{{ContainerPortRange: "1-9"}}
		}, []string{"ecs.capability.network.container-port-range"}},
		{"both containers the same", func(d *TaskDefinition) {
			d.ContainerDefinitions[0].Privileged, d.ContainerDefinitions[1].Privileged = true, true
		}, []string{"com.amazonaws.ecs.capability.privileged-container"}},
	} {
		want := append([]string{least}, tt.want...)
		slices.Sort(want)
		if got := attributes(tt.edit); !slices.Equal(got, want) {
			t.Errorf("%s requires %q, want %q", tt.name, got, want)
		}
	}
}

// ecs.md 1.4.8, 1.4.15 and 1.4.16: Complete sets values that are absent, and does not change those that are
// given.
func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		mode     string
		given    PortMapping
		hostPort int
		protocol string
	}{
		{"", PortMapping{ContainerPort: 80}, 0, "tcp"},
		{NetworkBridge, PortMapping{ContainerPort: 80, HostPort: 8080}, 8080, "tcp"},
		{NetworkHost, PortMapping{ContainerPort: 80}, 80, "tcp"},
		{NetworkAwsvpc, PortMapping{ContainerPort: 53, Protocol: "udp"}, 53, "udp"},
		{NetworkBridge, PortMapping{ContainerPort: 80, Protocol: "sctp"}, 0, "tcp"},
		{NetworkAwsvpc, PortMapping{ContainerPortRange: "1-2"}, 0, "tcp"},
	} {
		d := good()
		d.NetworkMode = tt.mode
		d.ContainerDefinitions[0].PortMappings = []PortMapping{tt.given}
		d.Complete()
		got := d.ContainerDefinitions[0].PortMappings[0]
		if got.HostPort != tt.hostPort || got.Protocol != tt.protocol || got.ContainerPort != tt.given.ContainerPort {
			t.Errorf("%q %+v becomes %+v", tt.mode, tt.given, got)
		}
	}
	d := good()
	d.NetworkMode = ""
	d.ContainerDefinitions[1].HealthCheck = &HealthCheck{Command: []string{"CMD", "x"}, Interval: 7, Retries: 2}
	d.ContainerDefinitions[0].RestartPolicy = &RestartPolicy{Enabled: true}
	d.ContainerDefinitions[1].RestartPolicy = &RestartPolicy{}
	d.Complete()
	if h := d.ContainerDefinitions[1].HealthCheck; h.Interval != 7 || h.Timeout != 5 || h.Retries != 2 ||
		h.StartPeriod != 0 {
		t.Errorf("health check %+v", h)
	}
	if a, b := d.ContainerDefinitions[0].RestartPolicy.RestartAttemptPeriod,
		d.ContainerDefinitions[1].RestartPolicy.RestartAttemptPeriod; a != 300 || b != 0 {
		t.Errorf("restart after %d and, where it is off, after %d seconds", a, b)
	}
	if d.NetworkMode != NetworkBridge || !slices.Equal(d.Compatibilities, []string{"EXTERNAL", "EC2"}) {
		t.Errorf("network mode %s, compatibilities %q", d.NetworkMode, d.Compatibilities)
	}
	d.NetworkMode = NetworkAwsvpc
	if d.Complete(); !slices.Equal(d.Compatibilities, []string{"EC2"}) {
		t.Errorf("compatibilities in awsvpc are %q", d.Compatibilities)
	}
}

// drawDefinition draws a definition that Validate accepts.
func drawDefinition(rt *rapid.T) *TaskDefinition {
	pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, name) }
	d := &TaskDefinition{
		Family: "f", NetworkMode: pick("mode", "", NetworkBridge, NetworkHost, NetworkAwsvpc),
		CPU: pick("cpu", "", "256", "0.5 vCPU"), Memory: pick("memory", "", "4096", "4 GB"),
		TaskRoleARN: pick("role", "", "r"), ExecutionRoleARN: pick("execution role", "", "e"),
		PIDMode: pick("pid", "", "host", "task"),
	}
	for i := range rapid.IntRange(1, 4).Draw(rt, "containers") {
		c := ContainerDefinition{Name: string(rune('a' + i)),
			Image:     pick("image", "x", "123456789012.dkr.ecr.us-east-1.amazonaws.com/x"),
			Essential: i == 0, CPU: rapid.IntRange(0, 256).Draw(rt, "container cpu"),
			MemoryReservation: rapid.IntRange(6, 200).Draw(rt, "reservation")}
		if rapid.Bool().Draw(rt, "hard limit") {
			c.Memory = c.MemoryReservation + rapid.IntRange(0, 100).Draw(rt, "more memory")
		}
		if rapid.Bool().Draw(rt, "port") {
			c.PortMappings = []PortMapping{{ContainerPort: 3000 + i, Protocol: pick("protocol", "", "tcp", "udp")}}
		}
		if rapid.Bool().Draw(rt, "health check") {
			c.HealthCheck = &HealthCheck{Command: []string{"CMD-SHELL", "true"},
				Interval: rapid.SampledFrom([]int{0, 5, 300}).Draw(rt, "interval")}
		}
		if i > 0 && rapid.Bool().Draw(rt, "depends") {
			c.DependsOn = []ContainerDependency{{string(rune('a' + i - 1)), ConditionStart}}
		}
		d.ContainerDefinitions = append(d.ContainerDefinitions, c)
	}
	return d
}

// A complete definition is valid. Completing it again changes nothing. A task of it needs the same resources
// as before.
func TestCompleteIsStable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawDefinition(rt)
		if err := d.Validate(); err != nil {
			rt.Fatalf("before Complete: %v", err)
		}
		before := d.Need(Overrides{})
		d.Complete()
		if err := d.Validate(); err != nil {
			rt.Fatalf("after Complete: %v", err)
		}
		after := d.Need(Overrides{})
		if before.ENIs != after.ENIs || !slices.Equal(before.PortsTCP, after.PortsTCP) ||
			!slices.Equal(before.PortsUDP, after.PortsUDP) || d.CPU == "" && before.CPU != after.CPU ||
			d.Memory == "" && before.Memory != after.Memory {
			rt.Fatalf("a task needs %+v, before Complete %+v", after, before)
		}
		text := marshal(rt, d)
		d.Complete()
		if again := marshal(rt, d); again != text {
			rt.Fatalf("completing it twice changes it:\n%s\n%s", text, again)
		}
	})
}

func marshal(rt *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		rt.Fatal(err)
	}
	return string(text)
}

// The resources that a task needs follow from ecs.md 1.3.6: the sizes of the task if it has them, otherwise
// the sums over its containers. For the memory of a container, its reservation counts before its limit.
func TestNeedIsTheSum(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawDefinition(rt)
		d.Complete()
		var cpu, memory int
		for _, c := range d.ContainerDefinitions {
			cpu += c.CPU
			memory += c.MemoryReservation
		}
		if d.CPU != "" {
			cpu, _ = ParseTaskCPU(d.CPU)
		}
		if d.Memory != "" {
			memory, _ = ParseTaskMemory(d.Memory)
		}
		need := d.Need(Overrides{})
		if need.CPU != cpu || need.Memory != memory {
			rt.Fatalf("need %+v, want %d units and %d MiB", need, cpu, memory)
		}
		if (need.ENIs == 1) != (d.NetworkMode == NetworkAwsvpc) {
			rt.Fatalf("%d network interfaces in mode %s", need.ENIs, d.NetworkMode)
		}
		if ports := len(need.PortsTCP) + len(need.PortsUDP); ports > 0 && d.NetworkMode != NetworkHost {
			rt.Fatalf("%d host ports in mode %s, but all ports are dynamic", ports, d.NetworkMode)
		}
		// Taking the resources of a task and adding them again changes nothing.
		free := Resources{CPU: 10000, Memory: 10000, ENIs: 3}
		left := free.Sub(need)
		if left.CPU+need.CPU != free.CPU || left.Memory+need.Memory != free.Memory ||
			left.ENIs+need.ENIs != free.ENIs ||
			len(left.PortsTCP) != len(need.PortsTCP) || len(left.PortsUDP) != len(need.PortsUDP) {
			rt.Fatalf("from %+v, a task that needs %+v leaves %+v", free, need, left)
		}
	})
}

func TestNeedOfGPUs(t *testing.T) {
	d := good()
	d.ContainerDefinitions[0].ResourceRequirements = []ResourceRequirement{{Type: "GPU", Value: "2"}}
	d.ContainerDefinitions[1].ResourceRequirements = []ResourceRequirement{{Type: "GPU", Value: "1"}}
	if n := d.Need(Overrides{}).GPUs; n != 3 {
		t.Errorf("%d GPUs, want 3", n)
	}
	over := Overrides{ContainerOverrides: []ContainerOverride{
		{Name: "side", ResourceRequirements: []ResourceRequirement{{Type: "GPU", Value: "4"}}}}}
	if n := d.Need(over).GPUs; n != 6 {
		t.Errorf("%d GPUs with an override, want 6", n)
	}
}

// ecs.md 1.4.23: overrides replace values, except the environment, which is merged by name. Containers that
// they do not name do not change.
func TestApply(t *testing.T) {
	c := ContainerDefinition{
		Name: "a", Image: "x", Command: []string{"serve"}, CPU: 10, Memory: 100, MemoryReservation: 50,
		Environment:          []KeyValuePair{{"A", "1"}},
		ResourceRequirements: []ResourceRequirement{{"GPU", "1"}},
	}
	for _, tt := range []struct {
		name string
		over ContainerOverride
		want func(*ContainerDefinition)
	}{
		{"nothing", ContainerOverride{Name: "a"}, func(*ContainerDefinition) {}},
		{"another container", ContainerOverride{Name: "b", CPU: new(99)}, func(*ContainerDefinition) {}},
		{"the command", ContainerOverride{Name: "a", Command: []string{"migrate", "--all"}},
			func(c *ContainerDefinition) { c.Command = []string{"migrate", "--all"} }},
		{"no command", ContainerOverride{Name: "a", Command: []string{}},
			func(c *ContainerDefinition) { c.Command = []string{} }},
		{"cpu of none", ContainerOverride{Name: "a", CPU: new(0)}, func(c *ContainerDefinition) { c.CPU = 0 }},
		{"memory", ContainerOverride{Name: "a", Memory: new(200), MemoryReservation: new(60)},
			func(c *ContainerDefinition) { c.Memory, c.MemoryReservation = 200, 60 }},
		{"the environment", ContainerOverride{Name: "a", Environment: []KeyValuePair{{"B", "2"}, {"A", ""}}},
			func(c *ContainerDefinition) { c.Environment = []KeyValuePair{{"A", ""}, {"B", "2"}} }},
		{"devices", ContainerOverride{Name: "a", ResourceRequirements: []ResourceRequirement{{"GPU", "3"}}},
			func(c *ContainerDefinition) { c.ResourceRequirements = []ResourceRequirement{{"GPU", "3"}} }},
		{"files", ContainerOverride{Name: "a", EnvironmentFiles: []EnvironmentFile{{"s3", "arn"}}},
			func(c *ContainerDefinition) { c.EnvironmentFiles = []EnvironmentFile{{"s3", "arn"}} }},
	} {
		want, before := c, text(t, c)
		tt.want(&want)
		got := Overrides{ContainerOverrides: []ContainerOverride{tt.over}}.Apply(c)
		if text(t, got) != text(t, want) {
			t.Errorf("%s: %s, want %s", tt.name, text(t, got), text(t, want))
		}
		if text(t, c) != before {
			t.Errorf("%s changed the definition", tt.name)
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	all, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// Override returns overrides in their stored form. It accepts them again unchanged, and the resources of a
// task with them are positive.
func TestOverrideIsStable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawDefinition(rt)
		d.Complete()
		o := Overrides{
			CPU:    rapid.SampledFrom([]string{"", "512", "1 vCPU", "1"}).Draw(rt, "cpu"),
			Memory: rapid.SampledFrom([]string{"", "6", "8 GB", "lots"}).Draw(rt, "memory"),
			ContainerOverrides: []ContainerOverride{{
				Name:   rapid.SampledFrom([]string{"a", "b", "ghost"}).Draw(rt, "container"),
				Memory: new(rapid.IntRange(0, 400).Draw(rt, "container memory")),
				Environment: []KeyValuePair{
					{rapid.SampledFrom([]string{"A", ""}).Draw(rt, "variable"), "1"}},
			}},
		}
		got, err := d.Override(o)
		if err != nil {
			return
		}
		again, err := d.Override(got)
		if err != nil || marshal(rt, again) != marshal(rt, got) {
			rt.Fatalf("stored overrides %+v became %+v, %v", got, again, err)
		}
		if strings.Contains(got.CPU, "vCPU") || strings.Contains(got.Memory, "GB") {
			rt.Fatalf("sizes are stored as %q and %q", got.CPU, got.Memory)
		}
		if n := d.Need(got); n.CPU < 0 || n.Memory < 0 || got.Memory != "" && n.Memory == 0 {
			rt.Fatalf("a task with %+v needs %+v", got, n)
		}
	})
}

// ecs.md 1.4.13: the containers that must start before a container, from dependsOn, links and volumesFrom.
func TestPredecessors(t *testing.T) {
	c := ContainerDefinition{
		DependsOn:   []ContainerDependency{{"db", ConditionHealthy}, {"migrate", ConditionSuccess}},
		Links:       []string{"cache:redis", "proxy"},
		VolumesFrom: []VolumeFrom{{SourceContainer: "files"}},
	}
	if got, want := c.Predecessors(), []string{"db", "migrate", "cache", "proxy", "files"}; !slices.Equal(got, want) {
		t.Errorf("predecessors %q, want %q", got, want)
	}
	if got := (&ContainerDefinition{}).Predecessors(); len(got) != 0 {
		t.Errorf("predecessors of a container that does not exist: %q", got)
	}
}

// A definition is refused for a cycle if and only if its containers cannot be put in an order.
func TestCyclesAreThoseWithoutAnOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(rt, "containers")
		d := &TaskDefinition{Family: "f"}
		name := func(i int) string { return string(rune('a' + i)) }
		for i := range n {
			d.ContainerDefinitions = append(d.ContainerDefinitions,
				ContainerDefinition{Name: name(i), Image: "x", Memory: 6, Essential: true})
		}
		for range rapid.IntRange(0, 6).Draw(rt, "edges") {
			from, to := rapid.IntRange(0, n-1).Draw(rt, "from"), rapid.IntRange(0, n-1).Draw(rt, "to")
			c := &d.ContainerDefinitions[from]
			switch rapid.IntRange(0, 2).Draw(rt, "kind") {
			case 0:
				c.DependsOn = append(c.DependsOn, ContainerDependency{name(to), ConditionStart})
			case 1:
				c.Links = append(c.Links, name(to)+":alias")
			default:
				c.VolumesFrom = append(c.VolumesFrom, VolumeFrom{SourceContainer: name(to)})
			}
		}
		err := d.checkDependencies()
		if ordered := order(d) == n; ordered != (err == nil) {
			rt.Fatalf("an order exists: %v, but checkDependencies returns %v", ordered, err)
		}
	})
}

// order starts each container after its predecessors, until none is left or none can start. It returns the
// number of containers that it started.
func order(d *TaskDefinition) int {
	started := map[string]bool{}
	for progress := true; progress; {
		progress = false
		for _, c := range d.ContainerDefinitions {
			waits := slices.ContainsFunc(c.Predecessors(), func(p string) bool { return !started[p] })
			if !started[c.Name] && !waits {
				started[c.Name], progress = true, true
			}
		}
	}
	return len(started)
}

func TestDefinitionNames(t *testing.T) {
	d := good()
	d.Revision = 12
	if d.Name() != "Socket:12" || d.Container("side") != &d.ContainerDefinitions[1] || d.Container("ghost") != nil {
		t.Errorf("name %s", d.Name())
	}
	if d.HasHealthCheck() {
		t.Error("the task has a health check, but only a container that is not essential has one")
	}
	d.ContainerDefinitions[0].HealthCheck = &HealthCheck{Command: []string{"CMD", "true"}}
	if !d.HasHealthCheck() {
		t.Error("the task has no health check, but an essential container has one")
	}
	for name, valid := range map[string]bool{
		"a": true, "A-b_9": true, strings.Repeat("n", 255): true, "-": true,
		"": false, "a b": false, "a/b": false, "ä": false, "a.b": false, strings.Repeat("n", 256): false, "a\n": false,
	} {
		if ValidName(name) != valid {
			t.Errorf("ValidName(%q) = %v", name, !valid)
		}
	}
}
