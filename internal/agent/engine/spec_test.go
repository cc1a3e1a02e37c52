package engine

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
)

// watched records what the engine requests of the runtime.
type watched struct {
	*fake.Engine
	mu       *sync.Mutex
	specs    map[string]runtime.Spec // the latest of each container
	networks map[string]runtime.NetworkSpec
	volumes  map[string]runtime.VolumeSpec
}

func watch(b *bench) watched {
	w := watched{b.rt, new(sync.Mutex), map[string]runtime.Spec{}, map[string]runtime.NetworkSpec{},
		map[string]runtime.VolumeSpec{}}
	b.around = func(*fake.Engine) runtime.Runtime { return w }
	return w
}

func (w watched) Create(ctx context.Context, s runtime.Spec) (string, error) {
	w.mu.Lock()
	w.specs[s.Labels[LabelContainer]] = s
	w.mu.Unlock()
	return w.Engine.Create(ctx, s)
}

func (w watched) EnsureNetwork(ctx context.Context, s runtime.NetworkSpec) (runtime.Network, error) {
	w.mu.Lock()
	w.networks[s.Name] = s
	w.mu.Unlock()
	return w.Engine.EnsureNetwork(ctx, s)
}

func (w watched) EnsureVolume(ctx context.Context, s runtime.VolumeSpec) error {
	w.mu.Lock()
	w.volumes[s.Name] = s
	w.mu.Unlock()
	return w.Engine.EnsureVolume(ctx, s)
}

// elastic returns a network interface as the control plane sends it for an awsvpc task.
func elastic(address string) acs.NetworkInterface {
	return acs.NetworkInterface{ID: "eni-1", SubnetGateway: "172.31.0.1/20",
		DomainNameServers: []string{"172.31.0.2"}, IPv4: []acs.IPv4Address{{Primary: true, Address: address}}}
}

// Links, volumes of other containers and mounts have the runtime's names. The environment has the agent's
// address. Labels name the task that a container belongs to (ecs-agent.md 5.2 and 5.3).
func TestWhatAContainerIsMadeOf(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		w := watch(b)
		b.run()
		web, db := container("web", "serve:1"), container("db", "serve:1")
		web.Links, web.VolumesFrom = []string{"db:database", "db"}, []acs.VolumeFrom{
			{SourceContainer: "db", ReadOnly: true}, {SourceContainer: "db"},
		}
		web.Environment = map[string]string{"B": "2", "A": "1"}
		web.MountPoints = []acs.MountPoint{
			{SourceVolume: "host", ContainerPath: "/host"}, {
				SourceVolume: "empty", ContainerPath: "/empty", ReadOnly: true,
			}, {SourceVolume: "shared", ContainerPath: "/shared"},
			{SourceVolume: "mine", ContainerPath: "/mine"},
		}
		web.DependsOn = []acs.Dependency{{ContainerName: "db", Condition: acs.ConditionStart}}
		task := taskOf("a", web, db)
		task.RoleCredentials = &acs.RoleCredentials{ID: "secret"}
		task.Volumes = []acs.Volume{
			{Name: "host", Host: &acs.HostVolume{SourcePath: "/srv"}}, {Name: "empty", Host: &acs.HostVolume{}},
			{Name: "shared", Type: "docker", Docker: &acs.DockerVolume{Scope: acs.ScopeShared,
				Autoprovision: true, Driver: "local", Labels: map[string]string{"k": "v"}}},
			{Name: "mine", Type: "docker", Docker: &acs.DockerVolume{Scope: acs.ScopeTask, Driver: "nfs",
				DriverOpts: map[string]string{"o": "x"}, Labels: map[string]string{"k": "v"}}},
		}
		b.apply(task)
		b.settle(time.Second)
		r := b.record("a")
		if r.Status != StatusRunning {
			t.Fatalf("the task is %s: %s", r.Status, r.Reason)
		}
		got, dbName := w.specs["web"], r.Containers[1].Name
		own := func(volume string) string { return volumeName(r.Task, volume) }
		for what, pair := range map[string][2]any{
			"network": {got.Network, runtime.Attachment{
				Network: "berth-i-1", Links: []string{dbName + ":database", dbName + ":db"},
			}},
			"volumes from": {got.VolumesFrom, []string{dbName + ":ro", dbName}},
			"mounts": {got.Mounts, []runtime.Mount{{Source: "/srv", Target: "/host"}, {
				Source: own("empty"), Target: "/empty", ReadOnly: true,
			}, {Source: "shared", Target: "/shared"}, {Source: own("mine"), Target: "/mine"}}},
			"memory":     {got.MemoryBytes, int64(10 << 20)},
			"CPU shares": {got.CPUShares, int64(2)},
			"labels": {
				got.Labels, map[string]string{LabelTask: arnOf("a"), LabelContainer: "web", LabelFamily: "f",
					LabelVersion: "1", LabelCluster: "agt", LabelInstance: "i-1", LabelImage: "serve:1"},
			},
			"environment": {got.Env, []string{
				"A=1", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/secret",
				"AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1", "B=2",
				"ECS_AGENT_URI=http://169.254.170.2/api/" + r.Containers[0].EndpointID,
				"ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/" + r.Containers[0].EndpointID,
				"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/" + r.Containers[0].EndpointID,
			}},
			"the shared volume": {w.volumes["shared"],
				runtime.VolumeSpec{Name: "shared", Driver: "local", Labels: map[string]string{"k": "v"}}},
			"the task's volume": {w.volumes[own("mine")],
				runtime.VolumeSpec{Name: own("mine"), Driver: "nfs", Options: map[string]string{"o": "x"},
					Labels: map[string]string{"k": "v", LabelInstance: "i-1", LabelTask: arnOf("a")}}},
		} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%s: %+v\nwant %+v", what, pair[0], pair[1])
			}
		}
		// Volumes of the task are removed with it, and shared ones stay (ecs-agent.md 5.4).
		b.apply(stopOf("a"))
		b.settle(4 * time.Hour)
		for name, want := range map[string]bool{"shared": true, own("mine"): false, own("empty"): false} {
			if has, err := b.rt.HasVolume(t.Context(), name); err != nil || has != want {
				t.Errorf("volume %s is there: %v (%v), want %v", name, has, err, want)
			}
		}
	})
}

// The agent does not replace a region in a container's environment, nor a network in its HostConfig
// (ecs-agent.md 1.5, 5.3).
func TestWhatThePayloadSaysStands(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		w := watch(b)
		b.run()
		c := container("web", "serve:1")
		c.Environment = map[string]string{"AWS_REGION": "eu-west-2"}
		c.DockerConfig.HostConfig = `{"NetworkMode":"mine","LogConfig":{"Type":"awslogs",` +
			`"Config":{"awslogs-group":"g"}}}`
		b.apply(taskOf("a", c))
		b.settle(time.Second)
		got := w.specs["web"]
		if slices.ContainsFunc(got.Env, func(v string) bool { return strings.HasSuffix(v, "REGION=us-east-1") }) {
			t.Errorf("environment %q", got.Env)
		}
		if !reflect.DeepEqual(got.Network, runtime.Attachment{}) {
			t.Errorf("network %+v, want that of HostConfig", got.Network)
		}
		if got.Log == nil || got.Log.Type != "local" {
			t.Errorf("an awslogs container logs to %+v, want where the agent can read it", got.Log)
		}
		if driver, options := b.record("a").Containers[0].LogDriver(); driver != AwslogsDriver ||
			options["awslogs-group"] != "g" {
			t.Errorf("the driver asked for is %s %v", driver, options)
		}
	})
}

// An awsvpc task has the address from its payload, in the network of its zone. A container that does nothing
// has that address, and the task's containers share its network and its hosts file.
func TestAwsvpcTask(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		w := watch(b)
		b.run()
		task := taskOf("a", container("web", "serve:1"), container("side", "serve:1"))
		task.Containers[0].DockerConfig.HostConfig = `{"ExtraHosts":["a:1.1.1.1","b:2.2.2.2"]}`
		task.Containers[1].DockerConfig.HostConfig = `{"ExtraHosts":["a:1.1.1.1"]}`
		task.NetworkMode, task.NetworkInterfaces, task.PIDMode, task.IPCMode = networkAwsvpc,
			[]acs.NetworkInterface{elastic("172.31.5.6")}, "task", "host"
		b.apply(task)
		b.settle(time.Second)
		r := b.record("a")
		if r.Status != StatusRunning {
			t.Fatalf("the task is %s: %s", r.Status, r.Reason)
		}
		if address, ok := r.Address(); !ok || address.String() != "172.31.5.6" {
			t.Errorf("its address is %v, %v", address, ok)
		}
		zone := w.networks["berth-us-east-1a"]
		if zone.Subnet != netip.MustParsePrefix("172.31.0.0/20") ||
			zone.Gateway != netip.MustParseAddr("172.31.0.1") || zone.Labels[LabelNetwork] != "zone" {
			t.Errorf("the zone's network is %+v", zone)
		}
		pause := w.specs[pauseName]
		if want := (runtime.Attachment{
			Network: "berth-us-east-1a", Address: netip.MustParseAddr("172.31.5.6"),
		}); !reflect.DeepEqual(pause.Network, want) {
			t.Errorf("it is attached to %+v, want %+v", pause.Network, want)
		}
		if pause.Image != PauseImage ||
			pause.HostConfig != `{"ExtraHosts":["a:1.1.1.1","b:2.2.2.2"],"Dns":["172.31.0.2"]}` {
			t.Errorf("%s has the HostConfig %s", pause.Image, pause.HostConfig)
		}
		holder := r.Containers[0].RuntimeID
		for _, name := range []string{"web", "side"} {
			s := w.specs[name]
			if s.Network.Container != holder || s.PIDMode != "container:"+holder ||
				s.IPCMode != "host" || len(s.Ports) != 0 {
				t.Errorf("%s: network %+v, PID %s, IPC %s, ports %v", name, s.Network, s.PIDMode, s.IPCMode, s.Ports)
			}
		}
		if got := strings.Join(b.statuses("a"), "\n"); strings.Contains(got, pauseName) ||
			!strings.Contains(got, "web=RUNNING") {
			t.Errorf("reported %q, want the container of the user alone", got)
		}
	})
}

// If something cannot be prepared, the task ends with the reason before any container is made (ecs-agent.md 6).
func TestWhatCannotBePrepared(t *testing.T) {
	unresolved := "resource cannot be initialized for task " + arnOf("a") + `: container "web": `
	for name, c := range map[string]struct {
		change func(*acs.Task)
		want   string
	}{
		"no interface": {func(x *acs.Task) { x.NetworkMode = networkAwsvpc },
			"ResourceInitializationError: the awsvpc task has no network interface"},
		"no gateway": {func(x *acs.Task) {
			x.NetworkMode = networkAwsvpc
			x.NetworkInterfaces = []acs.NetworkInterface{{}}
		}, "ResourceInitializationError: gateway of the network interface: "},
		"no address": {func(x *acs.Task) {
			x.NetworkMode = networkAwsvpc
			x.NetworkInterfaces = []acs.NetworkInterface{{SubnetGateway: "172.31.0.1/20"}}
		}, "ResourceInitializationError: the network interface has no primary address"},
		"a broken address": {func(x *acs.Task) {
			x.NetworkMode = networkAwsvpc
			x.NetworkInterfaces = []acs.NetworkInterface{elastic("nowhere")}
		}, "ResourceInitializationError: "},
		"an unknown volume": {func(x *acs.Task) { x.Volumes = []acs.Volume{{Name: "v", Type: "efs"}} },
			`ResourceInitializationError: volume "v": volumes of type efs are not supported by this agent`},
		"no shared volume": {func(x *acs.Task) {
			x.Volumes = []acs.Volume{{Name: "v", Type: "docker", Docker: &acs.DockerVolume{Scope: acs.ScopeShared}}}
		}, `ResourceInitializationError: volume "v": the shared volume is not there and autoprovision is off`},
		"a mount of nothing": {func(x *acs.Task) {
			x.Containers[0].MountPoints = []acs.MountPoint{{SourceVolume: "v"}}
		}, unresolved + `its mount point names volume "v", which the task does not have`},
		"a link to nobody": {func(x *acs.Task) { x.Containers[0].Links = []string{"db:x"} },
			`TaskFailedToStart: dependency "db" is not a container of the task`},
		"nobody's volumes": {func(x *acs.Task) {
			x.Containers[0].VolumesFrom = []acs.VolumeFrom{{SourceContainer: "db"}}
		}, `TaskFailedToStart: dependency "db" is not a container of the task`},
		"nobody to wait for": {func(x *acs.Task) {
			x.Containers[0].DependsOn = []acs.Dependency{{ContainerName: "db", Condition: acs.ConditionStart}}
		}, unresolved + `it depends on "db", which is not a container of the task`},
		"a check of nothing": {func(x *acs.Task) { x.Containers[0].HealthCheckType = acs.HealthCheckDocker },
			"CannotCreateContainerError: the container is to be health checked, but its Config has no Healthcheck"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				w := watch(b)
				b.run()
				task := taskOf("a", container("web", "serve:1"))
				c.change(&task)
				b.apply(task)
				b.settle(time.Second)
				r := b.record("a")
				if r.Status != StatusStopped || !strings.HasPrefix(r.Reason, c.want) &&
					!strings.HasPrefix(r.Containers[0].Reason, c.want) {
					t.Errorf("the task is %s: %q, its container %q, want %q", r.Status, r.Reason,
						r.Containers[0].Reason, c.want)
				}
				if made, err := w.List(t.Context(), LabelTask, arnOf("a")); err != nil || len(made) != 0 {
					t.Errorf("there are containers %v, %v", made, err)
				}
				if len(b.statuses("a")) != 1 {
					t.Errorf("reported %q, want its end once", b.statuses("a"))
				}
			})
		})
	}
}

// A shared volume that exists already is used without changes.
func TestSharedVolumeIsFound(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		w := watch(b)
		if err := b.rt.EnsureVolume(t.Context(), runtime.VolumeSpec{Name: "v"}); err != nil {
			t.Fatal(err)
		}
		b.run()
		task := taskOf("a", container("web", "serve:1"))
		task.Volumes = []acs.Volume{
			{Name: "v", Type: "docker", Docker: &acs.DockerVolume{Scope: acs.ScopeShared, Driver: "other"}},
		}
		b.apply(task)
		b.settle(time.Second)
		b.wantReports("a", "RUNNING web=RUNNING")
		if made, ok := w.volumes["v"]; ok {
			t.Errorf("it was made again: %+v", made)
		}
	})
}

// The limits of a task are those of a control group above the groups of its containers (ecs-agent.md 5.1). It
// is made before them and removed after them. On a machine without control groups, each container has the
// limits.
func TestLimitsOfATask(t *testing.T) {
	for version, files := range map[int]map[string]string{
		1: {"cpu/ecs/%s/cpu.cfs_quota_us": "50000", "memory/ecs/%s/memory.limit_in_bytes": "67108864"},
		2: {"ecs/%s/cpu.max": "50000 100000", "ecs/%s/memory.max": "67108864"},
	} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				w := watch(b)
				b.cfg.CgroupRoot = t.TempDir()
				b.rt.Description.CgroupVersion, b.rt.Description.CgroupDriver = version, "cgroupfs"
				b.run()
				task := taskOf("a", container("web", "serve:1"))
				task.CPU, task.Memory = 0.5, 64
				b.apply(task)
				b.settle(time.Second)
				b.wantReports("a", "RUNNING web=RUNNING")
				if s := w.specs["web"]; s.CgroupParent != "/ecs/a" || s.CPULimit != 0 || s.MemoryBytes != 10<<20 {
					t.Errorf("the container is in %q with %v CPU, %d bytes", s.CgroupParent, s.CPULimit, s.MemoryBytes)
				}
				for file, want := range files {
					path := filepath.Join(b.cfg.CgroupRoot, fmt.Sprintf(file, "a"))
					if got, err := os.ReadFile(path); err != nil || string(got) != want {
						t.Errorf("%s holds %q, %v, want %q", file, got, err, want)
					}
					os.Remove(path) // a real control group is removed with its files
				}
				b.apply(stopOf("a"))
				b.settle(4 * time.Hour)
				left, err := filepath.Glob(filepath.Join(b.cfg.CgroupRoot, "*", "ecs", "*"))
				below, err2 := filepath.Glob(filepath.Join(b.cfg.CgroupRoot, "ecs", "*"))
				if err != nil || err2 != nil || len(left)+len(below) > 0 {
					t.Errorf("groups are left: %v %v", left, below)
				}
			})
		})
	}
	t.Run("without groups", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			w := watch(b)
			b.rt.Description.CgroupVersion, b.rt.Description.CgroupDriver = 2, "systemd"
			b.cfg.CgroupRoot = t.TempDir()
			b.run()
			task := taskOf("a", container("web", "serve:1"), container("side", "serve:1"))
			task.CPU, task.Memory, task.Containers[1].Memory = 0.5, 64, 0
			b.apply(task)
			b.settle(time.Second)
			for name, memory := range map[string]int64{"web": 10 << 20, "side": 64 << 20} {
				if s := w.specs[name]; s.CgroupParent != "" || s.CPULimit != 0.5 || s.MemoryBytes != memory {
					t.Errorf("%s is in %q with %v CPU, %d bytes, want %d", name, s.CgroupParent, s.CPULimit,
						s.MemoryBytes, memory)
				}
			}
		})
	})
}
