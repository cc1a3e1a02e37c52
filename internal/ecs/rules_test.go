package ecs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/fault"
)

// The rules of ecs.md 1.4 about parts of a container definition. Each case breaks one rule, or has a value
// that the rule still allows.
func TestContainerDetails(t *testing.T) {
	type edit = func(*ContainerDefinition)
	linux := func(l LinuxParameters) edit { return func(c *ContainerDefinition) { c.LinuxParameters = &l } }
	logs := func(driver string, options ...string) edit {
		return func(c *ContainerDefinition) {
			l := &LogConfiguration{LogDriver: driver, Options: map[string]string{}}
			for i := 0; i < len(options); i += 2 {
				l.Options[options[i]] = options[i+1]
			}
			c.LogConfiguration = l
		}
	}
	awslogs := func(options ...string) edit {
		return logs("awslogs", append([]string{"awslogs-group", "g", "awslogs-region", "r"}, options...)...)
	}
	ports := func(all ...PortMapping) edit { return func(c *ContainerDefinition) { c.PortMappings = all } }
	volumes := func(from string) edit {
		return func(c *ContainerDefinition) { c.VolumesFrom = []VolumeFrom{{SourceContainer: from}} }
	}
	depends := func(on, condition string) edit {
		return func(c *ContainerDefinition) { c.DependsOn = []ContainerDependency{{on, condition}} }
	}
	for name, c := range map[string]struct {
		edit edit
		want string // "" if it is valid
	}{
		"swappiness 0":   {linux(LinuxParameters{Swappiness: new(0)}), ""},
		"swappiness 100": {linux(LinuxParameters{Swappiness: new(100)}), ""},
		"swappiness -1": {linux(LinuxParameters{Swappiness: new(-1)}),
			"swappiness must be between 0 and 100, not -1"},
		"swappiness 101": {linux(LinuxParameters{Swappiness: new(101)}),
			"swappiness must be between 0 and 100, not 101"},
		"no swap":       {linux(LinuxParameters{MaxSwap: new(0)}), ""},
		"negative swap": {linux(LinuxParameters{MaxSwap: new(-1)}), "maxSwap must not be negative"},
		"negative shared": {linux(LinuxParameters{SharedMemorySize: -1}),
			"sharedMemorySize must not be negative"},
		"tmpfs":              {linux(LinuxParameters{Tmpfs: []Tmpfs{{ContainerPath: "/t", Size: 1}}}), ""},
		"tmpfs without path": {linux(LinuxParameters{Tmpfs: []Tmpfs{{Size: 1}}}), "a tmpfs needs a containerPath"},
		"tmpfs without size": {linux(LinuxParameters{Tmpfs: []Tmpfs{{ContainerPath: "/t"}}}),
			"size of at least 1 MiB"},
		"device": {linux(LinuxParameters{Devices: []Device{{HostPath: "/d",
			Permissions: []string{"read", "mknod"}}}}), ""},
		"device without path": {linux(LinuxParameters{Devices: []Device{{}}}), "a device needs a hostPath"},
		"device permission": {linux(LinuxParameters{Devices: []Device{{HostPath: "/d",
			Permissions: []string{"execute"}}}}),
			"the permission 'execute' of device /d is not valid"},

		"no log":         {logs("none"), ""},
		"gelf":           {logs("gelf", "gelf-address", "udp://x"), ""},
		"unknown driver": {logs("paper"), "Log driver 'paper' is not valid"},
		"firelens":       {logs("awsfirelens"), "awsfirelens is not available yet"},
		"awslogs": {awslogs("awslogs-stream-prefix", "p", "mode", "non-blocking",
			"awslogs-create-group", "true"), ""},
		"awslogs without group": {logs("awslogs", "awslogs-region", "r"), "requires options: awslogs-group"},
		"awslogs elsewhere":     {logs("awslogs", "awslogs-group", "g"), "requires options: awslogs-region"},
		"awslogs option":        {awslogs("tag", "x"), "Log driver awslogs disallows options: tag"},
		"awslogs create":        {awslogs("awslogs-create-group", "false"), "should only be set to 'true'"},
		"awslogs mode":          {awslogs("mode", "slow"), "should be 'blocking' or 'non-blocking', not 'slow'"},
		"awslogs two patterns": {awslogs("awslogs-datetime-format", "%d", "awslogs-multiline-pattern", "x"),
			"exclude each other"},

		"link": {func(c *ContainerDefinition) { c.Links = []string{"side:alias"} }, ""},
		"link to itself": {func(c *ContainerDefinition) { c.Links = []string{"socket"} },
			"Link 'socket' does not name another"},
		"link to nothing": {func(c *ContainerDefinition) { c.Links = []string{"x:side"} },
			"Link 'x:side' does not name another"},
		"volumes of nobody": {volumes("x"),
			"takes volumes from 'x', which is not another container"},
		"volumes of itself": {volumes("socket"),
			"takes volumes from 'socket', which is not another container"},
		"volumes of the other": {volumes("side"), ""},

		"after its start":  {depends("side", ConditionStart), ""},
		"after its health": {depends("side", ConditionHealthy), ""},
		"after its end":    {depends("side", ConditionComplete), ""},
		"after nobody":     {depends("x", ConditionStart), "depends on container 'x', which does not exist"},
		"after a whim": {depends("side", "READY"),
			"Dependency condition 'READY' of container 'socket' is not valid"},
		"after itself": {depends("socket", ConditionStart), "must not form a cycle"},

		"ports of one protocol": {ports(PortMapping{ContainerPort: 1},
			PortMapping{ContainerPort: 1, Protocol: "tcp"}), ""},
		"ports of two protocols": {ports(PortMapping{ContainerPort: 1},
			PortMapping{ContainerPort: 1, Protocol: "udp"}), ""},
		"application protocol": {ports(PortMapping{ContainerPort: 1, AppProtocol: "grpc"}), ""},
		"unknown application": {ports(PortMapping{ContainerPort: 1, AppProtocol: "smtp"}),
			"appProtocol 'smtp' is not valid"},
		"port name": {ports(PortMapping{ContainerPort: 1, Name: "web_1-a"}), ""},
		"port name in capitals": {ports(PortMapping{ContainerPort: 1, Name: "Web"}),
			"Port mapping name 'Web' is not valid"},
		"port name twice": {ports(PortMapping{ContainerPort: 1, Name: "a"},
			PortMapping{ContainerPort: 2, Name: "a"}),
			"not unique"},
		"range and port": {ports(PortMapping{ContainerPort: 1, ContainerPortRange: "2-3"}),
			"both single port and port range"},
		"no range": {ports(PortMapping{ContainerPortRange: "3-2"}), "Invalid containerPortRange '3-2'"},
		"ranges that touch": {ports(PortMapping{ContainerPortRange: "1-5"}, PortMapping{ContainerPortRange: "6-9"}),
			""},
		"ranges that overlap": {ports(PortMapping{ContainerPortRange: "5-9"},
			PortMapping{ContainerPortRange: "1-5"}),
			"the port ranges 1-5 and 5-9 overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			d := good()
			c.edit(&d.ContainerDefinitions[0])
			err := d.Validate()
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, fault.New("ClientException", "")) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Validate() = %v, want a ClientException with %q", err, c.want)
			}
		})
	}
}

// Whether a definition is valid does not depend on the order of its containers, their ports and their
// environment.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDefinition(t)
		if rapid.Bool().Draw(t, "break it") {
			c := &d.ContainerDefinitions[rapid.IntRange(0, len(d.ContainerDefinitions)-1).Draw(t, "broken")]
			c.PortMappings = append(c.PortMappings,
				PortMapping{ContainerPort: 3000, HostPort: rapid.IntRange(0, 1).Draw(t, "host")})
			c.DependsOn = append(c.DependsOn, ContainerDependency{"b", ConditionStart})
		}
		err := d.Validate()
		d.ContainerDefinitions = rapid.Permutation(d.ContainerDefinitions).Draw(t, "containers")
		for i := range d.ContainerDefinitions {
			c := &d.ContainerDefinitions[i]
			c.PortMappings = rapid.Permutation(c.PortMappings).Draw(t, "ports")
		}
		if again := d.Validate(); (err == nil) != (again == nil) {
			t.Fatalf("in one order: %v; in another: %v", err, again)
		}
	})
}

// Ranges of container ports are refused if and only if two of them overlap.
func TestPortRangesOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := good()
		c := &d.ContainerDefinitions[0]
		c.PortMappings = nil
		taken, twice := map[int]bool{}, false
		for range rapid.IntRange(1, 4).Draw(t, "ranges") {
			first := rapid.IntRange(1, 40).Draw(t, "first")
			last := first + rapid.IntRange(1, 10).Draw(t, "more")
			for p := first; p <= last; p++ {
				twice, taken[p] = twice || taken[p], true
			}
			c.PortMappings = append(c.PortMappings,
				PortMapping{ContainerPortRange: fmt.Sprintf("%d-%d", first, last)})
		}
		if err := d.Validate(); (err != nil) != twice || err != nil && !strings.Contains(err.Error(), "overlap") {
			t.Fatalf("%+v: %v, want an overlap: %v", c.PortMappings, err, twice)
		}
	})
}

// A host port is refused if and only if two mappings of the same protocol, in any containers, use it. 0 means
// any free port.
func TestHostPortsAreTakenOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := good()
		taken, twice := map[string]bool{}, false
		for i := range d.ContainerDefinitions {
			c := &d.ContainerDefinitions[i]
			c.PortMappings = nil
			for n := range rapid.IntRange(0, 3).Draw(t, "mappings") {
				p := PortMapping{ContainerPort: 1000 + n, HostPort: rapid.IntRange(0, 4).Draw(t, "host port"),
					Protocol: rapid.SampledFrom([]string{"", "tcp", "udp"}).Draw(t, "protocol")}
				c.PortMappings = append(c.PortMappings, p)
				if p.HostPort == 0 {
					continue
				}
				key := fmt.Sprint(p.Protocol == "udp", p.HostPort)
				twice, taken[key] = twice || taken[key], true
			}
		}
		err := d.Validate()
		if (err != nil) != twice || err != nil &&
			!strings.Contains(err.Error(), "is mapped multiple times in task") {
			t.Fatalf("%v, want a port twice: %v", err, twice)
		}
	})
}

// The names of volumes are unique, and a container mounts only declared volumes.
func TestVolumes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		d := good()
		declared, wrong := map[string]bool{}, false
		for range rapid.IntRange(0, 3).Draw(t, "volumes") {
			v := Volume{Name: name.Draw(t, "volume")}
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				v.Host = &HostVolume{SourcePath: "/x"}
			case 1:
				v.DockerVolumeConfiguration = &DockerVolumeConfiguration{Scope: rapid.SampledFrom([]string{"",
					"task",
					"shared"}).Draw(t, "scope"),
					Autoprovision: rapid.Bool().Draw(t, "autoprovision")}
				wrong = wrong || v.DockerVolumeConfiguration.Autoprovision &&
					v.DockerVolumeConfiguration.Scope != "shared"
			}
			wrong, declared[v.Name] = wrong || declared[v.Name], true
			d.Volumes = append(d.Volumes, v)
		}
		for range rapid.IntRange(0, 2).Draw(t, "mounts") {
			m := MountPoint{SourceVolume: name.Draw(t, "mounted"),
				ContainerPath: rapid.SampledFrom([]string{"/m", "/n", ""}).Draw(t, "path")}
			wrong = wrong || !declared[m.SourceVolume] || m.ContainerPath == ""
			d.ContainerDefinitions[0].MountPoints = append(d.ContainerDefinitions[0].MountPoints, m)
		}
		if err := d.Validate(); (err != nil) != wrong {
			t.Fatalf("volumes %+v, mounts %+v: %v, want an error: %v", d.Volumes,
				d.ContainerDefinitions[0].MountPoints, err, wrong)
		}
	})
}

// ecs.md 3.5.1: the number of failed tasks that fails a deployment is within its bounds. It does not fall
// when more tasks are desired or when the configured value rises.
func TestThresholdBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{ThresholdBoundedPercent, ThresholdUnboundedPercent,
			ThresholdCount}).Draw(t, "type")
		value, desired := rapid.IntRange(1, 100).Draw(t, "value"), rapid.IntRange(0, 5000).Draw(t, "desired")
		of := func(value, desired int) int {
			return CircuitBreaker{Enable: true,
				ThresholdConfiguration: &ThresholdConfiguration{kind, value}}.Threshold(desired)
		}
		n := of(value, desired)
		if more := of(value, desired+rapid.IntRange(0, 100).Draw(t, "more")); more < n {
			t.Fatalf("%d for %d tasks, but %d for more tasks", n, desired, more)
		}
		if value < 100 && of(value+1, desired) < n {
			t.Fatalf("%d for %d%%, but %d for a higher percentage", n, value, of(value+1, desired))
		}
		switch kind {
		case ThresholdBoundedPercent:
			if n < 3 || n > 200 {
				t.Fatalf("%d is out of bounds", n)
			}
		case ThresholdCount:
			if n != value {
				t.Fatalf("%d, want the count %d", n, value)
			}
		default:
			if n < 1 || desired > 0 && (n*100 < desired*value || (n-1)*100 >= desired*value && n > 1) {
				t.Fatalf("%d is not %d%% of %d, rounded up", n, value, desired)
			}
		}
	})
	for reset, keeps := range map[*bool]bool{nil: false, new(true): false, new(false): true} {
		if (CircuitBreaker{ResetOnHealthyTask: reset}).KeepsFailures() != keeps {
			t.Errorf("resetOnHealthyTask %v", reset)
		}
	}
}

// Moving reports whether a task is still to be registered with its target groups, because its containers run,
// or still to be deregistered, because it ends.
func TestMoving(t *testing.T) {
	all := []TaskStatus{Provisioning, Pending, Activating, Running, Deactivating, Stopping, Deprovisioning, Stopped}
	for _, last := range all {
		for _, desired := range []TaskStatus{Running, Stopped} {
			for _, registered := range []bool{false, true} {
				task := &Task{LastStatus: last, DesiredStatus: desired}
				if registered {
					task.Targets = []TaskTarget{{TargetGroupARN: "g", ID: "i", Port: 80}}
				}
				comes := last == Activating && desired == Running
				goes := desired == Stopped || slices.Contains([]TaskStatus{Stopping, Deprovisioning, Stopped}, last)
				if want := comes || last == Deactivating || registered && goes; task.Moving() != want {
					t.Errorf("a task that is %s, is to be %s, registered %v: moving %v", last, desired, registered,
						!want)
				}
			}
		}
	}
}

// Overrides replace variables of a container's environment or add new ones. The existing variables stay in
// order.
func TestEnvironmentIsMerged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) KeyValuePair {
			return KeyValuePair{Name: rapid.StringMatching(`[A-E]`).Draw(t, "name"),
				Value: rapid.StringN(0, 3, -1).Draw(t, "value")}
		}), func(p KeyValuePair) string { return p.Name })
		base, over := pairs.Draw(t, "base"), pairs.Draw(t, "over")
		before := slices.Clone(base)
		c := Overrides{ContainerOverrides: []ContainerOverride{{Name: "c", Environment: over}}}.Apply(
			ContainerDefinition{Name: "c", Environment: base})
		want, got := map[string]string{}, map[string]string{}
		for _, p := range append(slices.Clone(base), over...) {
			want[p.Name] = p.Value
		}
		for _, p := range c.Environment {
			got[p.Name] = p.Value
		}
		if !maps.Equal(got, want) || len(c.Environment) != len(want) {
			t.Fatalf("%v over %v is %v", over, base, c.Environment)
		}
		for i, p := range base {
			if c.Environment[i].Name != p.Name {
				t.Fatalf("%v over %v is %v: another order", over, base, c.Environment)
			}
		}
		if !slices.Equal(base, before) {
			t.Fatal("the definition's own environment has changed")
		}
	})
}
