package dispatch

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/golden"
)

// everything is a task with all members of a task definition that are sent to an agent.
func everything() (*ecs.Task, *ecs.TaskDefinition) {
	d := &ecs.TaskDefinition{
		TaskDefinitionARN: "arn:aws:ecs:us-east-1:123456789012:task-definition/all:7",
		Family:            "all", Revision: 7, NetworkMode: ecs.NetworkBridge, CPU: "256", Memory: "512",
		PIDMode: "task", IPCMode: "host",
		Volumes: []ecs.Volume{
			{Name: "empty"}, {Name: "path", Host: &ecs.HostVolume{SourcePath: "/p"}},
			{Name: "shared", DockerVolumeConfiguration: &ecs.DockerVolumeConfiguration{
				Scope: "shared", Autoprovision: true, Driver: "local", DriverOpts: map[string]string{"o": "x"},
			}},
		},
		ContainerDefinitions: []ecs.ContainerDefinition{{
			Name: "web", Image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/web:1", CPU: 128, Memory: 64,
			MemoryReservation: 32, Essential: true, Links: []string{"db:database"}, EntryPoint: []string{"/e"},
			Command: []string{"c"}, User: "1000", WorkingDirectory: "/w", Hostname: "h",
			PortMappings: []ecs.PortMapping{{ContainerPort: 80, Protocol: "tcp"}, {
				ContainerPort: 53, HostPort: 5353, Protocol: "udp",
			}, {ContainerPortRange: "9000-9002", Protocol: "tcp"}},
			Environment:      []ecs.KeyValuePair{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
			MountPoints:      []ecs.MountPoint{{SourceVolume: "empty", ContainerPath: "/e", ReadOnly: true}},
			VolumesFrom:      []ecs.VolumeFrom{{SourceContainer: "db", ReadOnly: true}},
			DependsOn:        []ecs.ContainerDependency{{ContainerName: "db", Condition: ecs.ConditionHealthy}},
			StartTimeout:     60,
			StopTimeout:      20,
			Privileged:       true,
			DNSServers:       []string{"10.0.0.2"},
			DNSSearchDomains: []string{"example"},
			ExtraHosts:       []ecs.HostEntry{{Hostname: "x", IPAddress: "10.0.0.9"}},
			DockerLabels:     map[string]string{"l": "v"},
			Ulimits:          []ecs.Ulimit{{Name: "nofile", SoftLimit: 1, HardLimit: 2}},
			SystemControls:   []ecs.SystemControl{{Namespace: "net.core.somaxconn", Value: "1024"}},
			LinuxParameters: &ecs.LinuxParameters{
				Capabilities:       &ecs.KernelCapabilities{Add: []string{"SYS_PTRACE"}, Drop: []string{"ALL"}},
				InitProcessEnabled: true, SharedMemorySize: 16,
				Devices: []ecs.Device{{HostPath: "/dev/fuse", Permissions: []string{"read", "write"}}},
				Tmpfs:   []ecs.Tmpfs{{ContainerPath: "/t", Size: 8, MountOptions: []string{"noexec"}}},
				MaxSwap: new(36), Swappiness: new(10),
			},
			LogConfiguration: &ecs.LogConfiguration{LogDriver: "awslogs", Options: map[string]string{
				"awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs",
			}},
			HealthCheck: &ecs.HealthCheck{
				Command: []string{"CMD-SHELL", "true"}, Interval: 30, Timeout: 5, Retries: 3, StartPeriod: 10,
			},
			RestartPolicy: &ecs.RestartPolicy{Enabled: true, IgnoredExitCodes: []int{0}, RestartAttemptPeriod: 60},
		}, {Name: "db", Image: "redis:7", Memory: 32}},
	}
	t := &ecs.Task{
		TaskARN:    "arn:aws:ecs:us-east-1:123456789012:task/agt/0123",
		ClusterARN: "arn:aws:ecs:us-east-1:123456789012:cluster/agt", TaskDefinitionARN: d.TaskDefinitionARN,
		Group: "service:web", ServiceARN: "arn:aws:ecs:us-east-1:123456789012:service/agt/web",
		LaunchType: "EC2", AvailabilityZone: "us-east-1a", ExecutionCredentialsID: "exec",
		Overrides: ecs.Overrides{Memory: "1024", ContainerOverrides: []ecs.ContainerOverride{{
			Name: "web", Command: []string{"other"},
			Environment: []ecs.KeyValuePair{{Name: "B", Value: "3"}, {Name: "C", Value: "4"}},
		}}},
		Containers: []ecs.Container{
			{Name: "web", ContainerARN: "arn:aws:ecs:us-east-1:123456789012:container/agt/0123/c1"},
		},
	}
	return t, d
}

// The messages for a task are those of checklist 11 and 12 of ecs-agent.md 11. They are in testdata as text; -rewrite
// writes them again.
func TestTranslationGolden(t *testing.T) {
	task, d := everything()
	out, err := translate(task, d, options{
		hosts: []string{"cache.example:10.9.9.9"}, endpointURL: "http://10.0.0.1:4566",
	})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "translation.json", got.String())
}

// Amazon's agent gets addresses at which it reaches this control plane for images and logs, with and without an
// execution role.
func TestTranslationForAmazonAgents(t *testing.T) {
	g := greeting{agentHash: "8dfceca6", host: "berth.internal:4566"}
	for _, role := range []string{"", "exec"} {
		task, d := everything()
		task.ExecutionCredentialsID = role
		d.ContainerDefinitions[0].LogConfiguration.Options["awslogs-stream-prefix"] = "p"
		out, err := translate(task, d, options{reach: g.reach("http")})
		if err != nil {
			t.Fatal(err)
		}
		web, db := out.Containers[0], out.Containers[1]
		if web.Image != "berth.internal:4566/123456789012/us-east-1/web:1" || db.Image != "redis:7" ||
			db.RegistryAuth != nil {
			t.Errorf("images %s and %s, login %+v", web.Image, db.Image, db.RegistryAuth)
		}
		want := acs.ECRAuthData{RegistryID: "123456789012", Region: "us-east-1",
			EndpointOverride: "http://berth.internal:4566", UseExecutionRole: role != ""}
		if web.RegistryAuth == nil || web.RegistryAuth.Type != "ecr" || *web.RegistryAuth.ECR != want {
			t.Errorf("login %+v", web.RegistryAuth)
		}
		var host hostDocument
		if err := json.Unmarshal([]byte(web.DockerConfig.HostConfig), &host); err != nil {
			t.Fatal(err)
		}
		if log := host.LogConfig.Config; log["awslogs-endpoint"] != "http://berth.internal:4566" ||
			log["awslogs-stream"] != "p/web/0123" {
			t.Errorf("logs go to %v", log)
		}
		if d.ContainerDefinitions[0].LogConfiguration.Options["awslogs-endpoint"] != "" {
			t.Error("the task definition was changed")
		}
	}
	g.agentHash = acs.BerthAgent
	if g.reach("http") != nil {
		t.Error("Berth's own agent is sent values that only Amazon's agent needs")
	}
}

func TestAwsvpcTranslation(t *testing.T) {
	task, d := everything()
	subnets := fleet.Subnets("us-east-1", "123456789012")
	d.NetworkMode = ecs.NetworkAwsvpc
	task.Attachments = []ecs.Attachment{{ID: "a", Type: "ElasticNetworkInterface", Details: []ecs.KeyValuePair{
		{Name: "subnetId", Value: subnets[1].ID}, {Name: "privateIPv4Address", Value: "172.31.16.9"},
		{Name: "macAddress", Value: "02:00:00:00:00:01"},
	}}}
	out, err := translate(task, d, options{})
	if err != nil {
		t.Fatal(err)
	}
	n := out.NetworkInterfaces[0]
	if n.SubnetGateway != "172.31.16.1/20" || n.IPv4[0].Address != "172.31.16.9" || !n.IPv4[0].Primary {
		t.Errorf("the interface is %+v", n)
	}
	var host hostDocument
	if err := json.Unmarshal([]byte(out.Containers[0].DockerConfig.HostConfig), &host); err != nil ||
		host.NetworkMode != "" {
		t.Errorf("NetworkMode is %q (%v)", host.NetworkMode, err)
	}
	task.Attachments = nil
	if _, err := translate(task, d, options{}); err == nil {
		t.Error("an awsvpc task without an interface was translated")
	}
}
