package agent

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
)

// An awsvpc task has the address that the control plane gave it, and gets its credentials and metadata from that
// address.
func TestAwsvpcTaskOnDocker(t *testing.T) {
	e := dockerEngine(t)
	p := newPlane(t)
	startAgent(t, machine(t, p, e, 2), e, Surroundings{})
	task := webTask("22222222222222222222222222222222")
	task.NetworkMode = "awsvpc"
	task.NetworkInterfaces = []acs.NetworkInterface{{
		ID: "eni-0", MAC: "02:00:00:00:00:09",
		IPv4: []acs.IPv4Address{{Primary: true, Address: "10.214.16.9"}}, SubnetGateway: "10.214.16.1/24",
	}}
	task.Containers[0].DockerConfig.HostConfig = `{"ExtraHosts":["redis.example:10.9.8.7"]}`
	side := acs.Container{
		Name: "side", Image: specimen, Essential: false, Command: []string{"serve", "8081"}, Overrides: "{}",
		HealthCheckType: acs.HealthCheckDocker, DockerConfig: acs.DockerConfig{
			Config: `{"Healthcheck":{"Test":["CMD","/specimen","get","http://127.0.0.1:8081/"],` +
				`"Interval":200000000,"Timeout":2000000000,"Retries":3}}`,
		},
	}
	task.Containers = append(task.Containers, side)
	p.run(1, task)
	running := p.waitFor(task.ARN, engine.StatusRunning)
	for _, c := range running.Containers {
		if len(c.NetworkBindings) != 0 || c.Name == "~internal~ecs~pause" {
			t.Errorf("reported %+v", c)
		}
	}
	p.waitHealthy(task.ARN)
	p.waitHealthyContainer(task.ARN, "side")
	web := "http://10.214.16.9:8080"
	if status, body := get(t, web+"/"); status != http.StatusOK || body != "hello\n" {
		t.Errorf("it answers %d %q", status, body)
	}
	if status, body := fetch(t, web, "http://127.0.0.1:8081/"); status != http.StatusOK || body != "hello\n" {
		t.Errorf("containers of a task do not share 127.0.0.1: %d %q", status, body)
	}
	if _, hosts := get(t, web+"/file?path=/etc/hosts"); !strings.Contains(hosts, "10.9.8.7\tredis.example") {
		t.Errorf("/etc/hosts is %q", hosts)
	}
	env := environmentOf(t, web)
	if status, body := fetch(t, web, "http://169.254.170.2"+
		env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]); status != http.StatusOK {
		t.Errorf("credentials: %d %s", status, body)
	}
	if status, body := fetch(t, web, env["ECS_CONTAINER_METADATA_URI_V4"]); status != http.StatusOK ||
		!strings.Contains(body, `"10.214.16.9"`) {
		t.Errorf("metadata: %d %s", status, body)
	}
	p.run(2, acs.Task{ARN: task.ARN, DesiredStatus: acs.DesiredStopped})
	p.waitFor(task.ARN, engine.StatusStopped)
}

// Two agents of one machine publish the same port, each on its own address, and a container in the machine's own
// network gets its credentials from the right agent.
func TestTwoAgentsOnDocker(t *testing.T) {
	e := dockerEngine(t)
	planes := []*plane{newPlane(t), newPlane(t)}
	for i, p := range planes {
		startAgent(t, machine(t, p, e, 3+i), e, Surroundings{})
	}
	for i, p := range planes {
		task := webTask(fmt.Sprintf("%032x", 0x30+i))
		task.Containers[0].PortMappings[0].HostPort = 28080
		host := webTask(fmt.Sprintf("%032x", 0x40+i))
		where := fmt.Sprintf("127.0.1.%d:28470", 203+i)
		host.NetworkMode = "host"
		host.Containers[0].Command, host.Containers[0].PortMappings = []string{"serve", where}, nil
		host.Containers[0].DockerConfig.HostConfig = `{"NetworkMode":"host"}`
		host.Containers[0].DockerConfig.Config = strings.ReplaceAll(host.Containers[0].DockerConfig.Config,
			"127.0.0.1:8080", where)
		p.run(1, task, host)
	}
	for i, p := range planes {
		bridged, hosted := taskARN(fmt.Sprintf("%032x", 0x30+i)), taskARN(fmt.Sprintf("%032x", 0x40+i))
		running := p.waitFor(bridged, engine.StatusRunning)
		if where := bindingURL(t, running); where != fmt.Sprintf("http://127.0.1.%d:28080", 203+i) {
			t.Errorf("published on %s", where)
		}
		p.waitHealthy(bridged)
		p.waitHealthy(hosted)
		web := fmt.Sprintf("http://127.0.1.%d:28470", 203+i)
		env := environmentOf(t, web)
		if status, body := fetch(t, web,
			"http://169.254.170.2"+env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]); status != http.StatusOK {
			t.Errorf("agent %d, host mode: credentials: %d %s", i, status, body)
		}
		if status, body := fetch(t, web, env["ECS_CONTAINER_METADATA_URI_V4"]+
			"/task"); status != http.StatusOK || !strings.Contains(body, hosted) {
			t.Errorf("agent %d, host mode: metadata: %d %s", i, status, body)
		}
	}
}

// Containers in Docker have what the task definition says: volumes, links, order, limits, the OOM killer, and entry
// points that fail.
func TestContainerFeaturesOnDocker(t *testing.T) {
	e := dockerEngine(t)
	p := newPlane(t)
	startAgent(t, machine(t, p, e, 5), e, Surroundings{})

	ordered := webTask("51515151515151515151515151515151")
	ordered.Volumes = []acs.Volume{{Name: "data", Type: "host", Host: &acs.HostVolume{}}}
	web := ordered.Containers[0]
	web.Links = []string{"db:database"}
	web.DependsOn = []acs.Dependency{{ContainerName: "init", Condition: acs.ConditionSuccess},
		{ContainerName: "db", Condition: acs.ConditionHealthy}}
	web.VolumesFrom = []acs.VolumeFrom{{SourceContainer: "init", ReadOnly: true}}
	web.DockerConfig.HostConfig = `{"Ulimits":[{"Name":"nofile","Soft":999,"Hard":999}],"CapDrop":["ALL"]}`
	db := acs.Container{
		Name: "db", Image: specimen, Essential: true, Command: []string{"serve"}, Overrides: "{}",
		HealthCheckType: acs.HealthCheckDocker,
		DockerConfig:    web.DockerConfig,
	}
	init := acs.Container{
		Name: "init", Image: specimen, Command: []string{"touch", "/data/made"}, Overrides: "{}",
		MountPoints: []acs.MountPoint{{SourceVolume: "data", ContainerPath: "/data"}},
	}
	ordered.Containers = []acs.Container{web, db, init}
	p.run(1, ordered)
	running := p.waitFor(ordered.ARN, engine.StatusRunning)
	var where string
	p.wait("the web container", func() bool {
		for _, r := range p.reportsLocked(ordered.ARN) {
			for _, c := range r.Containers {
				if c.Name == "web" && len(c.NetworkBindings) > 0 {
					where = fmt.Sprintf("http://%s:%d", c.NetworkBindings[0].BindIP, c.NetworkBindings[0].HostPort)
				}
			}
		}
		return where != ""
	})
	if running.Status != engine.StatusRunning {
		t.Errorf("%+v", running)
	}
	p.waitHealthyContainer(ordered.ARN, "web")
	if status, _ := get(t, where+"/file?path=/data/made"); status != http.StatusOK {
		t.Errorf("the volume of another container: %d", status)
	}
	if status, body := fetch(t, where, "http://database:8080/"); status != http.StatusOK || body != "hello\n" {
		t.Errorf("the link: %d %q", status, body)
	}
	if _, limits := get(t, where+"/file?path=/proc/self/limits"); !strings.Contains(limits,
		"Max open files            999 ") {
		t.Errorf("limits: %s", limits)
	}

	for id, c := range map[string]struct {
		change func(*acs.Container)
		reason string
		exit   int
	}{
		"5a": {func(c *acs.Container) { c.Command, c.Memory = []string{"eat", "200"}, 32 },
			"OutOfMemoryError: Container killed due to memory usage", 137},
		"5b": {func(c *acs.Container) { c.EntryPoint = []string{"/nothing"} },
			"CannotStartContainerError: Error response from daemon: ", -1},
		"5c": {func(c *acs.Container) { c.Image = "127.0.0.1:1/nothing:1" },
			"CannotPullContainerError: Error response from daemon: ", -1},
		"5d": {func(c *acs.Container) { c.DockerConfig.HostConfig = "{" }, "HostConfigError: ", -1},
		// The kernel kills only a child process: the container itself ends with its own exit code.
		"5e": {func(c *acs.Container) { c.Command, c.Memory = []string{"survive", "200"}, 32 }, "", 0},
	} {
		task := webTask(strings.Repeat(id, 16))
		c.change(&task.Containers[0])
		p.run(2, task)
		stopped := p.waitFor(task.ARN, engine.StatusStopped)
		got := stopped.Containers[0]
		if !strings.HasPrefix(got.Reason, c.reason) || c.reason == "" && got.Reason != "" ||
			c.exit < 0 != (got.ExitCode == nil) || c.exit >= 0 && *got.ExitCode != c.exit {
			t.Errorf("%s: %+v", c.reason, got)
		}
	}
}

// A task's limits are a control group around its containers (ecs-agent.md 5.1).
func TestTaskLimitsOnDocker(t *testing.T) {
	e := dockerEngine(t)
	if info, err := e.Ping(t.Context()); err != nil || info.CgroupDriver != "cgroupfs" || info.CgroupVersion != 1 {
		t.Skipf("control groups are not those of version 1 by cgroupfs: %+v", info)
	}
	p := newPlane(t)
	startAgent(t, machine(t, p, e, 6), e, Surroundings{})
	task := webTask("66666666666666666666666666666666")
	task.PIDMode, task.IPCMode = "task", "task"
	task.CPU, task.Memory = 0.25, 128
	p.run(1, task)
	where := bindingURL(t, p.waitFor(task.ARN, engine.StatusRunning))
	p.waitHealthy(task.ARN)
	group := "/sys/fs/cgroup/%s/ecs/" + engine.TaskID(task.ARN)
	for file, want := range map[string]string{
		fmt.Sprintf(group, "cpu") + "/cpu.cfs_quota_us":         "25000\n",
		fmt.Sprintf(group, "memory") + "/memory.limit_in_bytes": "134217728\n",
	} {
		if got := readFile(t, file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	if _, groups := get(t, where+"/file?path=/proc/self/cgroup"); !strings.Contains(groups,
		"/ecs/"+engine.TaskID(task.ARN)+"/") {
		t.Errorf("its groups: %s", groups)
	}
	// In a namespace of the task's own, process 1 is not the container's.
	if _, first := get(t, where+"/file?path=/proc/1/cmdline"); first != "/pause\x00" {
		t.Errorf("process 1 is %q", first)
	}
	p.run(2, acs.Task{ARN: task.ARN, DesiredStatus: acs.DesiredStopped})
	p.waitFor(task.ARN, engine.StatusStopped)
}
