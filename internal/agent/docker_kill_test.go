package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
)

// childEnv makes the test binary run as an agent.
const childEnv = "BERTH_AGENTTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		code := m.Run()
		if e, err := docker.New(""); err == nil {
			e.RemoveImage(context.Background(), specimen) // there is none without Docker
		}
		os.Exit(code)
	}
	cfg, err := NewConfig(os.Environ())
	if err == nil {
		var e *docker.Engine
		if e, err = docker.New(""); err == nil {
			err = Run(context.Background(), cfg, e, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startChild runs the agent as another process, and returns a function that kills it with SIGKILL.
func startChild(t *testing.T, cfg Config) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1", "ECS_CLUSTER=agt", "ECS_BACKEND_HOST="+cfg.BackendHost,
		"AWS_DEFAULT_REGION=us-east-1",
		"ECS_DATADIR="+cfg.DataDir, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE0000000AB", "AWS_SECRET_ACCESS_KEY=secretsecret",
		"ECS_IMAGE_PULL_BEHAVIOR=prefer-cached", "BERTH_CPU=4096",
		"BERTH_MEMORY=4096", "BERTH_INSTANCE_ID="+cfg.InstanceID, "BERTH_BIND_ADDR="+cfg.BindAddress.String(),
		"BERTH_NETWORK_PREFIX="+cfg.NetworkPrefix, "BERTH_AVAILABILITY_ZONE="+cfg.Zone)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	t.Cleanup(kill)
	return kill
}

// Containers continue when their agent is killed. The next agent finds them, reports only what happened meanwhile, and
// no log line is lost or stored twice (ecs-agent.md 10).
func TestKilledAgentOnDocker(t *testing.T) {
	e := dockerEngine(t)
	p := newPlane(t)
	cfg := machine(t, p, e, 7)
	kill := startChild(t, cfg)
	const lines = 2000
	talker, quiet := webTask("77777777777777777777777777777777"), webTask("78787878787878787878787878787878")
	talker.Containers[0].Command = []string{"count", fmt.Sprint(lines)}
	talker.Containers[0].HealthCheckType, talker.Containers[0].DockerConfig.Config = "", ""
	talker.Containers[0].DockerConfig.HostConfig = `{"LogConfig":{"Type":"awslogs","Config":{"awslogs-group":"g",` +
		`"awslogs-region":"us-east-1","awslogs-stream":"s/web/7","awslogs-create-group":"true"}}}`
	quiet.Containers[0].Command = []string{"stubborn"}
	quiet.Containers[0].HealthCheckType, quiet.Containers[0].DockerConfig.Config = "", ""
	p.run(1, talker, quiet)
	first := p.waitFor(talker.ARN, engine.StatusRunning)
	p.waitFor(quiet.ARN, engine.StatusRunning)
	for _, upTo := range []int{200, 600, 1000} {
		p.wait("lines of log", func() bool { return len(p.logs["s/web/7"]) > upTo })
		kill()
		kill = startChild(t, cfg)
	}
	kill()
	victim := p.waitFor(quiet.ARN, engine.StatusRunning).Containers[0].RuntimeID
	if err := e.Stop(t.Context(), victim, 0); err != nil {
		t.Fatal(err)
	}
	startChild(t, cfg)
	stopped := p.waitFor(quiet.ARN, engine.StatusStopped)
	if c := stopped.Containers[0]; c.ExitCode == nil || *c.ExitCode != 137 || c.RuntimeID != victim {
		t.Errorf("the container that ended meanwhile is reported as %+v", c)
	}
	p.wait("all lines of log", func() bool { return len(p.logs["s/web/7"]) >= lines })
	p.run(2, acs.Task{ARN: talker.ARN, DesiredStatus: acs.DesiredStopped})
	last := p.waitFor(talker.ARN, engine.StatusStopped)
	if last.Containers[0].RuntimeID != first.Containers[0].RuntimeID || *last.Containers[0].ExitCode != 0 {
		t.Errorf("the task was reported as %+v at first and %+v at last", first.Containers, last.Containers)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var got []string
	for _, event := range p.logs["s/web/7"] {
		got = append(got, event.Message)
	}
	for i, line := range got {
		if want := fmt.Sprintf("line %d", i); line != want {
			t.Fatalf("%d lines; at %d there is %q, want %q", len(got), i, line, want)
		}
	}
	if len(got) != lines {
		t.Errorf("%d lines, want %d", len(got), lines)
	}
	if n := len(p.reportsLocked(talker.ARN)); n != 2 {
		t.Errorf("%d reports of a task that only ran and stopped", n)
	}
	registrations := 0
	for _, c := range p.calls {
		if c.Action == "RegisterContainerInstance" {
			if registrations++; registrations > 1 && !strings.Contains(string(c.Body), testInstance) {
				t.Errorf("registered again with another identity: %s", c.Body)
			}
		}
	}
	if !slices.ContainsFunc(p.acsURL, func(u string) bool { return strings.Contains(u, "sendCredentials=true") }) {
		t.Errorf("the agent asked for no credentials: %v", p.acsURL)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// waitHealthyContainer is waitHealthy for a container that is named.
func (p *plane) waitHealthyContainer(arn, name string) {
	p.t.Helper()
	p.wait("health of "+name, func() bool {
		for _, m := range p.onTCS {
			h, ok := m.(*acs.PublishHealth)
			if !ok {
				continue
			}
			for _, task := range h.Tasks {
				healthy := slices.ContainsFunc(task.Containers, func(c acs.ContainerHealth) bool {
					return c.Name == name && c.Status == acs.HealthHealthy
				})
				if task.TaskARN == arn && healthy {
					return true
				}
			}
		}
		return false
	})
}
