package ecs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/fault"
)

// The limits of ecs.md 1.4: each is tested with the last value that is valid and the first that is not. want
// is "" for a valid value.
func TestTaskDefinitionLimits(t *testing.T) {
	c := func(d *TaskDefinition) *ContainerDefinition { return &d.ContainerDefinitions[0] }
	constraints := func(n int, expression string) func(*TaskDefinition) {
		return func(d *TaskDefinition) {
			for range n {
				d.PlacementConstraints = append(d.PlacementConstraints,
					PlacementConstraint{Type: "memberOf", Expression: expression})
			}
		}
	}
	containers := func(n int) func(*TaskDefinition) {
		return func(d *TaskDefinition) {
			for i := len(d.ContainerDefinitions); i < n; i++ {
				d.ContainerDefinitions = append(d.ContainerDefinitions,
					ContainerDefinition{Name: fmt.Sprint("c", i), Image: "x", Memory: 6})
			}
		}
	}
	volume := func(v DockerVolumeConfiguration) func(*TaskDefinition) {
		return func(d *TaskDefinition) { d.Volumes = []Volume{{Name: "v", DockerVolumeConfiguration: &v}} }
	}
	gpu := func(kind, value string) func(*TaskDefinition) {
		return func(d *TaskDefinition) { c(d).ResourceRequirements = []ResourceRequirement{{Type: kind, Value: value}} }
	}
	restart := func(codes, period int) func(*TaskDefinition) {
		return func(d *TaskDefinition) {
			c(d).RestartPolicy = &RestartPolicy{
				Enabled: true, IgnoredExitCodes: make([]int, codes), RestartAttemptPeriod: period,
			}
		}
	}
	// Two containers with the same host port.
	twoPorts := func(mode string, first, second int, protocol string) func(*TaskDefinition) {
		return func(d *TaskDefinition) {
			d.NetworkMode = mode
			c(d).PortMappings = []PortMapping{{ContainerPort: first, HostPort: 8080, Protocol: protocol}}
			d.ContainerDefinitions = append(d.ContainerDefinitions,
				ContainerDefinition{Name: "other", Image: "x", Memory: 6,
					PortMappings: []PortMapping{{ContainerPort: second, HostPort: 8080, Protocol: protocol}}})
		}
	}
	for _, tt := range []struct {
		rule string
		edit func(*TaskDefinition)
		want string
	}{
		{"1.1.4 no family", func(d *TaskDefinition) { d.Family = "" }, "Family should not be null or empty."},
		{"1.1.4 family of 255", func(d *TaskDefinition) { d.Family = strings.Repeat("f", 255) }, ""},
		{"1.1.4 family of 256", func(d *TaskDefinition) { d.Family = strings.Repeat("f", 256) },
			"Family contains invalid characters"},
		{"1.4.1 ten containers", containers(10), ""},
		{"1.4.1 eleven containers", containers(11), "Too many containers."},
		{"1.4.4 no name", func(d *TaskDefinition) { c(d).Name = "" }, "Container.name should not be null or empty."},
		{"1.4.4 a bad name", func(d *TaskDefinition) { c(d).Name = "a/b" }, "Container name 'a/b' is not valid"},
		{"1.4.4 no image", func(d *TaskDefinition) { c(d).Image = "" }, "Container.image should not be null or empty."},
		{"1.4.5 six MiB", func(d *TaskDefinition) { d.ContainerDefinitions[1].Memory = 6 }, ""},
		{"1.4.5 below none", func(d *TaskDefinition) { c(d).MemoryReservation = -1 }, "must not be negative"},
		{"1.4.5 as much as is reserved", func(d *TaskDefinition) { c(d).Memory = 512 }, ""},
		{"1.4.5 more than the task", func(d *TaskDefinition) { d.Memory = "600"; c(d).Memory = 601 },
			"The 'memory' setting for container 'socket' is greater than for the task."},
		{"1.4.5 all of the task", func(d *TaskDefinition) { d.Memory = "576" }, ""},
		{"1.4.5 one more than the task", func(d *TaskDefinition) { d.Memory = "575" },
			"sum of the memory of the containers (576 MiB)"},
		{"1.4.6 least CPU", func(d *TaskDefinition) { d.CPU = "0.125 vCPU" }, ""},
		{"1.4.6 most CPU", func(d *TaskDefinition) { d.CPU = "192 vCPU" }, ""},
		{"1.4.6 more CPU", func(d *TaskDefinition) { d.CPU = "196609" }, "between 128 and 196608"},
		{"1.4.6 CPU that is no number", func(d *TaskDefinition) { d.CPU = "NaN vCPU" },
			"Invalid 'cpu' setting for task: 'NaN vCPU'."},
		{"1.4.6 memory in words", func(d *TaskDefinition) { d.Memory = "lots" },
			"Invalid 'memory' setting for task: 'lots'."},
		{"1.4.6 memory in GB", func(d *TaskDefinition) { d.Memory = "1.5 GB" }, ""},
		{"1.4.17 scope", volume(DockerVolumeConfiguration{Scope: "world"}),
			"Docker volume scope 'world' of volume 'v' is not valid"},
		{"1.4.17 autoprovision", volume(DockerVolumeConfiguration{Autoprovision: true}),
			"autoprovision is only allowed when scope is shared"},
		{"1.4.17 shared", volume(DockerVolumeConfiguration{Scope: "shared", Autoprovision: true}), ""},
		{"1.4.17 a volume's name", func(d *TaskDefinition) { d.Volumes = []Volume{{Name: "a b"}} },
			"Volume name 'a b' is not valid"},
		{"1.4.17 a volume twice", func(d *TaskDefinition) { d.Volumes = []Volume{{Name: "v"}, {Name: "v"}} },
			"Volume names must be unique"},
		{"1.4.19 secret options", func(d *TaskDefinition) {
			c(d).LogConfiguration.SecretOptions = []Secret{{"A", "b"}}
		}, "secretOptions are not available yet (container 'socket')"},
		{"1.4.19 files", func(d *TaskDefinition) { c(d).EnvironmentFiles = []EnvironmentFile{{}} },
			"environmentFiles are not available yet (container 'socket')"},
		{"1.4.19 a registry's password",
			func(d *TaskDefinition) { c(d).RepositoryCredentials = &RepositoryCredentials{} },
			"repositoryCredentials are not available yet"},
		{"1.4.20 ten constraints", constraints(10, "attribute:a exists"), ""},
		{"1.4.20 eleven constraints", constraints(11, "attribute:a exists"), "at most 10 are allowed"},
		{"1.4.20 an expression of 2000", constraints(1, strings.Repeat("x", 2000)), ""},
		{"1.4.20 an expression of 2001", constraints(1, strings.Repeat("x", 2001)), "longer than 2000 characters"},
		{"1.4.20 no expression", constraints(1, " "), "needs an expression"},
		{"1.4.21 pid", func(d *TaskDefinition) { d.PIDMode = "world" }, "PidMode 'world' is not valid"},
		{"1.4.8 a TCP port twice", twoPorts("", 80, 80, "tcp"),
			"TCP host port '8080' is mapped multiple times in task."},
		{"1.4.8 a UDP port twice", twoPorts(NetworkBridge, 80, 81, "udp"),
			"UDP host port '8080' is mapped multiple times in task."},
		{"1.4.8 a host's port twice", func(d *TaskDefinition) {
			d.NetworkMode = NetworkHost
			d.ContainerDefinitions[0].PortMappings = []PortMapping{
				{ContainerPort: 80}, {ContainerPort: 80, HostPort: 80},
			}
		}, "TCP host port '80' is mapped multiple times in task."},
		{"1.4.8 dynamic ports", func(d *TaskDefinition) {
			d.ContainerDefinitions[0].PortMappings = []PortMapping{{ContainerPort: 80}, {ContainerPort: 81}}
		}, ""},
		{"1.4.8 two protocols", func(d *TaskDefinition) {
			d.ContainerDefinitions[0].PortMappings = []PortMapping{
				{ContainerPort: 80, HostPort: 8080}, {ContainerPort: 81, HostPort: 8080, Protocol: "udp"},
			}
		}, ""},
		{"1.4.21 ipc", func(d *TaskDefinition) { d.IPCMode = "world" }, "IpcMode 'world' is not valid"},
		{"1.4.21 ipc none", func(d *TaskDefinition) { d.IPCMode, d.PIDMode = "none", "task" }, ""},
		{"1.4.21 a GPU", gpu("GPU", "1"), ""},
		{"1.4.21 no GPU", gpu("GPU", "0"), "must be a positive integer, not '0'"},
		{"1.4.21 another device", gpu("InferenceAccelerator", "x"), "Resource requirement 'InferenceAccelerator'"},
		{"1.4.16 fifty codes", restart(50, 1800), ""},
		{"1.4.16 fifty-one codes", restart(51, 60), "at most 50 ignoredExitCodes"},
		{"1.4.16 the shortest period", restart(0, 60), ""},
		{"1.4.16 a longer period", restart(0, 1801), "between 60 and 1800"},
		{"1.4.22 external", func(d *TaskDefinition) { d.RequiresCompatibilities = []string{"EC2", "EXTERNAL"} }, ""},
		{"1.4.22 external awsvpc", func(d *TaskDefinition) {
			d.RequiresCompatibilities, d.NetworkMode = []string{"EXTERNAL"}, NetworkAwsvpc
		}, "not supported for EXTERNAL tasks"},
		{"1.4.22 windows", func(d *TaskDefinition) {
			d.RuntimePlatform = &RuntimePlatform{OperatingSystemFamily: "WINDOWS_SERVER_2022_CORE"}
		}, "container instances run LINUX"},
	} {
		d := good()
		tt.edit(d)
		err := d.Validate()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.rule, err)
		case tt.want != "" && (!errors.Is(err, fault.New("ClientException", "")) ||
			!strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want a ClientException with %q", tt.rule, err, tt.want)
		}
	}
}

// ecs.md 1.1.2: only resources that belong to a cluster have its name in their ARN.
func TestClusterOfAnARN(t *testing.T) {
	for s, want := range map[string]string{
		"arn:aws:ecs:us-east-1:123456789012:cluster/c":               "c",
		"arn:aws:ecs:us-east-1:123456789012:task/c/0123":             "c",
		"arn:aws:ecs:us-east-1:123456789012:container/c/0123/4567":   "c",
		ARN("us-east-1", "123456789012", TypeService, "c-d/service"): "c-d",
		"c": "", "": "",
	} {
		if got := ClusterNameOf(s); got != want {
			t.Errorf("ClusterNameOf(%q) = %q, want %q", s, got, want)
		}
	}
}

// ecs.md 1.7.4: only the last hundred events are stored: a new event replaces the one a hundred before it. No
// two events have the same id.
func TestEventsPushOthersOut(t *testing.T) {
	const service = "arn:aws:ecs:us-east-1:123456789012:service/c/s"
	var last *Event
	kept, ids := map[string]bool{}, map[string]bool{}
	now := time.Unix(5, 0)
	for i := range 250 {
		e := NextEvent(service, last, "again", now)
		last = e
		delete(kept, e.Forgets())
		kept[e.Key()] = true
		if ids[e.ID] {
			t.Fatalf("event %d has the same id as another one", i)
		}
		ids[e.ID] = true
	}
	if len(kept) != KeptEvents || !kept[(&Event{ServiceARN: service, Sequence: 250}).Key()] ||
		!kept[(&Event{ServiceARN: service, Sequence: 151}).Key()] {
		t.Errorf("%d events are stored, want the last %d", len(kept), KeptEvents)
	}
}
