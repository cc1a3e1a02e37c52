package ecs

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/fault"
)

// good returns a valid definition in the form of the article's.
func good() *TaskDefinition {
	return &TaskDefinition{
		Family: "Socket", NetworkMode: NetworkBridge, RequiresCompatibilities: []string{"EC2"},
		ContainerDefinitions: []ContainerDefinition{
			{Name: "socket", Image: "x", CPU: 512, MemoryReservation: 512, Essential: true,
				PortMappings: []PortMapping{{ContainerPort: 3000}},
				LogConfiguration: &LogConfiguration{LogDriver: "awslogs",
					Options: map[string]string{"awslogs-group": "g", "awslogs-region": "eu-west-2"}}},
			{Name: "side", Image: "y", Memory: 64, HealthCheck: &HealthCheck{Command: []string{"CMD", "true"}}},
		},
	}
}

func TestValidateAccepts(t *testing.T) {
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
}

// Each case of TestValidateRefuses breaks one rule of ecs.md 1.4.
func TestValidateRefuses(t *testing.T) {
	c := func(d *TaskDefinition) *ContainerDefinition { return &d.ContainerDefinitions[0] }
	for _, tt := range []struct {
		rule string
		edit func(*TaskDefinition)
		want string
	}{
		{"1.1.4 family", func(d *TaskDefinition) { d.Family = "a b" }, "Family contains invalid characters"},
		{"1.4.4 containers", func(d *TaskDefinition) { d.ContainerDefinitions = nil },
			"Container list cannot be empty."},
		{"1.4.4 unique", func(d *TaskDefinition) { d.ContainerDefinitions[1].Name = "socket" }, "must be unique"},
		{"1.4.4 essential", func(d *TaskDefinition) { c(d).Essential = false }, "must be essential"},
		{"1.4.1 ten", func(d *TaskDefinition) { d.ContainerDefinitions = make([]ContainerDefinition, 11) },
			"Too many containers."},
		{"1.4.5 memory", func(d *TaskDefinition) { c(d).MemoryReservation = 0 }, "Invalid setting for " +
			"container 'socket'. At least one of 'memory' or 'memoryReservation' must be specified."},
		{"1.4.5 order", func(d *TaskDefinition) { c(d).Memory = 256 }, "'memory' must be greater"},
		{"1.4.5 least", func(d *TaskDefinition) { d.ContainerDefinitions[1].Memory = 5 }, "at least 6"},
		{"1.4.5 task", func(d *TaskDefinition) { d.Memory = "512" }, "sum of the memory"},
		{"1.4.6 cpu range", func(d *TaskDefinition) { d.CPU = "127" }, "between 128 and 196608"},
		{"1.4.6 cpu words", func(d *TaskDefinition) { d.CPU = "many" }, "0.5 vCPU"},
		{"1.4.7 mode", func(d *TaskDefinition) { d.NetworkMode = "mesh" }, "Network mode 'mesh'"},
		{"1.4.8 awsvpc", func(d *TaskDefinition) { d.NetworkMode = NetworkAwsvpc; c(d).PortMappings[0].HostPort = 1 },
			"When networkMode=awsvpc, the host ports and container ports in port mappings must match."},
		{"1.4.8 host", func(d *TaskDefinition) { d.NetworkMode = NetworkHost; c(d).PortMappings[0].HostPort = 1 },
			"When networkMode=host,"},
		{"1.4.8 none", func(d *TaskDefinition) { d.NetworkMode = NetworkNone }, "networkMode=none"},
		{"1.4.8 range", func(d *TaskDefinition) { c(d).PortMappings[0].ContainerPort = 70000 }, "between 1 and 65535"},
		{"1.4.10 mixed", func(d *TaskDefinition) { c(d).PortMappings[0].ContainerPortRange = "1-2" },
			"cannot specify both single port and port range"},
		{"1.4.10 order", func(d *TaskDefinition) {
			c(d).PortMappings[0] = PortMapping{ContainerPortRange: "9-9"}
		}, "first < last"},
		{"1.4.10 overlap", func(d *TaskDefinition) {
			c(d).PortMappings = []PortMapping{{ContainerPortRange: "20-30"}, {ContainerPortRange: "1-20"}}
		}, "the port ranges 1-20 and 20-30 overlap"},
		{"1.4.10 mode", func(d *TaskDefinition) {
			d.NetworkMode = NetworkHost
			c(d).PortMappings[0] = PortMapping{ContainerPortRange: "1-2"}
		}, "only allowed with the bridge and awsvpc"},
		{"1.4.14 timeouts", func(d *TaskDefinition) { c(d).StopTimeout = -1 }, "must not be negative"},
		{"environment", func(d *TaskDefinition) { c(d).Environment = []KeyValuePair{{"", "x"}} }, "must have a name"},
		{"1.4.21 swappiness", func(d *TaskDefinition) {
			c(d).LinuxParameters = &LinuxParameters{Swappiness: new(101)}
		}, "swappiness must be between 0 and 100"},
		{"1.4.21 tmpfs", func(d *TaskDefinition) {
			c(d).LinuxParameters = &LinuxParameters{Tmpfs: []Tmpfs{{ContainerPath: "/t"}}}
		}, "a tmpfs needs a containerPath and a size"},
		{"1.4.21 device", func(d *TaskDefinition) {
			c(d).LinuxParameters = &LinuxParameters{
				Devices: []Device{{HostPath: "/dev/x", Permissions: []string{"eat"}}},
			}
		}, "the permission 'eat'"},
		{"1.4.11 name", func(d *TaskDefinition) { c(d).PortMappings[0].Name = "-x" }, "Port mapping name '-x'"},
		{"1.4.11 name of a range", func(d *TaskDefinition) {
			c(d).PortMappings[0] = PortMapping{ContainerPortRange: "1-2", Name: "X"}
		}, "Port mapping name 'X'"},
		{"1.4.12 hostname", func(d *TaskDefinition) { d.NetworkMode = NetworkAwsvpc; c(d).Hostname = "h" },
			"Hostname is not supported on container when networkMode=awsvpc."},
		{"1.4.12 links", func(d *TaskDefinition) { d.NetworkMode = NetworkHost; c(d).Links = []string{"side"} },
			"Links are not supported"},
		{"1.4.13 exists", func(d *TaskDefinition) { c(d).DependsOn = []ContainerDependency{{"ghost", "START"}} },
			"'ghost', which does not exist"},
		{"1.4.13 essential", func(d *TaskDefinition) {
			d.ContainerDefinitions[1].DependsOn = []ContainerDependency{{"socket", ConditionSuccess}}
		}, "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container."},
		{"1.4.13 healthy", func(d *TaskDefinition) {
			d.ContainerDefinitions[1].DependsOn = []ContainerDependency{{"socket", ConditionHealthy}}
		}, "has no health check"},
		{"1.4.13 cycle", func(d *TaskDefinition) {
			c(d).DependsOn = []ContainerDependency{{"side", ConditionStart}}
			d.ContainerDefinitions[1].Links = []string{"socket"}
		}, "cycle"},
		{"1.4.15 command", func(d *TaskDefinition) {
			d.ContainerDefinitions[1].HealthCheck.Command = []string{"true"}
		}, "CMD or CMD-SHELL"},
		{"1.4.15 interval", func(d *TaskDefinition) { d.ContainerDefinitions[1].HealthCheck.Interval = 4 },
			"interval must be between 5 and 300"},
		{"1.4.16 period", func(d *TaskDefinition) {
			c(d).RestartPolicy = &RestartPolicy{Enabled: true, RestartAttemptPeriod: 10}
		}, "between 60 and 1800"},
		{"1.4.17 mount", func(d *TaskDefinition) {
			c(d).MountPoints = []MountPoint{{SourceVolume: "v", ContainerPath: "/v"}}
		}, "Unknown volume 'v'"},
		{"1.4.17 volumesFrom", func(d *TaskDefinition) {
			c(d).VolumesFrom = []VolumeFrom{{SourceContainer: "ghost"}}
		}, "takes volumes from 'ghost'"},
		{"1.4.17 one kind", func(d *TaskDefinition) {
			d.Volumes = []Volume{
				{Name: "v", Host: &HostVolume{}, DockerVolumeConfiguration: &DockerVolumeConfiguration{}},
			}
		}, "only one of"},
		{"1.4.18 options", func(d *TaskDefinition) { delete(c(d).LogConfiguration.Options, "awslogs-group") },
			"Log driver awslogs requires options: awslogs-group"},
		{"1.4.18 more options", func(d *TaskDefinition) { c(d).LogConfiguration.Options["log_key"] = "x" },
			"Log driver awslogs disallows options: log_key"},
		{"1.4.18 create", func(d *TaskDefinition) { c(d).LogConfiguration.Options["awslogs-create-group"] = "false" },
			"Log driver awslogs option 'awslogs-create-group' should only be set to 'true', else omit option."},
		{"1.4.18 mode", func(d *TaskDefinition) { c(d).LogConfiguration.Options["mode"] = "loose" },
			"should be 'blocking' or 'non-blocking'"},
		{"1.4.18 driver", func(d *TaskDefinition) { c(d).LogConfiguration.LogDriver = "tape" }, "Log driver 'tape'"},
		{"1.4.19 secrets", func(d *TaskDefinition) { c(d).Secrets = []Secret{{"A", "b"}} },
			"secrets are not available yet"},
		{"1.4.20 type", func(d *TaskDefinition) {
			d.PlacementConstraints = []PlacementConstraint{{Type: "distinctInstance"}}
		}, "constraint.type 'distinctInstance' is not supported."},
		{"1.4.21 ulimit", func(d *TaskDefinition) { c(d).Ulimits = []Ulimit{{"nofile", 2, 1}} }, "soft limit"},
		{"1.4.21 ulimit without limit",
			func(d *TaskDefinition) { c(d).Ulimits = []Ulimit{{"nofile", -1, 1}} }, "soft limit"},
		{"1.4.22 fargate", func(d *TaskDefinition) { d.RequiresCompatibilities = []string{"FARGATE"} },
			"FARGATE is not available"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			d := good()
			tt.edit(d)
			err := d.Validate()
			if !errors.Is(err, fault.New("ClientException", "")) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate() = %v, want a ClientException with %q", err, tt.want)
			}
		})
	}
}

func TestCompleteComputesWhatAWSComputes(t *testing.T) {
	d := good()
	d.NetworkMode, d.CPU, d.Memory, d.TaskRoleARN, d.ExecutionRoleARN = NetworkAwsvpc, "1 vCPU", "2 GB", "r", "e"
	d.ContainerDefinitions[0].Image = "123456789012.dkr.ecr.eu-west-2.amazonaws.com/chat"
	d.Complete()
	if d.CPU != "1024" || d.Memory != "2048" {
		t.Errorf("cpu %q memory %q, want 1024 and 2048 (ecs.md 1.4.6)", d.CPU, d.Memory)
	}
	if p := d.ContainerDefinitions[0].PortMappings[0]; p.HostPort != 3000 || p.Protocol != "tcp" {
		t.Errorf("port mapping %+v, want host port 3000 and tcp", p)
	}
	if h := d.ContainerDefinitions[1].HealthCheck; h.Interval != 30 || h.Timeout != 5 || h.Retries != 3 {
		t.Errorf("health check %+v, want 30/5/3 (ecs.md 1.4.15)", h)
	}
	var names []string
	for _, a := range d.RequiresAttributes {
		names = append(names, a.Name)
	}
	for _, want := range []string{"ecs.capability.task-eni",
		"com.amazonaws.ecs.capability.logging-driver.awslogs", "com.amazonaws.ecs.capability.task-iam-role",
		"com.amazonaws.ecs.capability.ecr-auth", "ecs.capability.execution-role-ecr-pull",
		"ecs.capability.execution-role-awslogs"} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("requiresAttributes %v lacks %s (ecs.md 1.4.22)", names, want)
		}
	}
}

// ecs.md 1.4.23, 1.4.6
func TestOverride(t *testing.T) {
	d := good()
	d.Complete()
	o, err := d.Override(Overrides{CPU: "1 vCPU", Memory: "2 GB",
		ContainerOverrides: []ContainerOverride{{Name: "side", Memory: new(100)}}})
	if err != nil || o.CPU != "1024" || o.Memory != "2048" {
		t.Errorf("Override = %+v, %v", o, err)
	}
	if n := d.Need(o); n.CPU != 1024 || n.Memory != 2048 {
		t.Errorf("need %+v, want what was overridden", n)
	}
	for _, tt := range []struct {
		o    Overrides
		want string
	}{
		{Overrides{ContainerOverrides: []ContainerOverride{{Name: "ghost"}}}, "ghost is not a container"},
		{Overrides{ContainerOverrides: []ContainerOverride{{Name: "side", CPU: new(-1)}}},
			"'cpu' must not be negative"},
		{Overrides{ContainerOverrides: []ContainerOverride{{Name: "side", Memory: new(5)}}}, "at least 6"},
		{Overrides{Memory: "100"}, "sum of the memory"},
		{Overrides{CPU: "0.1 vCPU"}, "between 128 and 196608"},
		{Overrides{TaskRoleARN: strings.Repeat("x", MaxOverridesBytes)}, "longer than 8192"},
	} {
		if _, err := d.Override(tt.o); !errors.Is(err, fault.New("InvalidParameterException", "")) ||
			!strings.Contains(err.Error(), tt.want) {
			t.Errorf("Override(%+v) = %v, want %q", tt.o, err, tt.want)
		}
	}
}
