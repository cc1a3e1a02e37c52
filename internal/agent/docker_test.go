package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
	"github.com/berthhq/berth/internal/agent/runtime/runtimetest"
)

const specimen = "berth-agenttest:1"

// dockerEngine returns Docker with the specimen's image in it, or skips.
func dockerEngine(t testing.TB) *docker.Engine {
	t.Helper()
	e, err := docker.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if _, err := e.Ping(t.Context()); err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatalf("no Docker Engine: %v", err)
		}
		t.Skipf("no Docker Engine: %v", err)
	}
	importSpecimen(t, e)
	return e
}

// imported is true if this run of the tests has made the specimen's image. TestMain then removes it.
var imported bool

func importSpecimen(t testing.TB, e *docker.Engine) {
	t.Helper()
	if imported {
		return
	}
	if err := e.Import(t.Context(), specimen, bytes.NewReader(runtimetest.SpecimenRootFS(t)),
		[]string{"/specimen"}); err != nil {
		t.Fatal(err)
	}
	imported = true
}

// machine is an agent with Docker and an address of its own. Everything that it makes is removed at the end of the
// test.
func machine(t testing.TB, p *plane, e *docker.Engine, n int) Config {
	t.Helper()
	cfg := p.config(t.TempDir())
	cfg.InstanceID = fmt.Sprintf("i-agenttest%d", n)
	cfg.NetworkPrefix = "berth-agenttest"
	cfg.BindAddress = mustAddr(fmt.Sprintf("127.0.1.%d", 200+n))
	purge := func() {
		ctx := context.WithoutCancel(t.Context())
		if err := Purge(ctx, cfg.InstanceID, e, func() {}); err != nil {
			t.Errorf("Purge: %v", err)
		}
		if err := e.RemoveNetwork(ctx, cfg.NetworkPrefix+"-"+cfg.Zone); err != nil {
			t.Errorf("removing the zone's network: %v", err)
		}
	}
	purge()
	t.Cleanup(purge)
	return cfg
}

func get(t *testing.T, where string) (int, string) {
	t.Helper()
	resp, err := http.Get(where)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// fetch lets a container of the specimen get a URL.
func fetch(t *testing.T, container, what string) (int, string) {
	t.Helper()
	return get(t, container+"/fetch?url="+url.QueryEscape(what))
}

func environmentOf(t *testing.T, container string) map[string]string {
	t.Helper()
	_, text := get(t, container+"/env")
	env := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		env[name] = value
	}
	return env
}

func webTask(id string) acs.Task {
	return acs.Task{
		ARN: taskARN(id), ClusterARN: testCluster, DesiredStatus: acs.DesiredRunning, Family: "agenttest", Version: "1",
		Overrides: "{}", NetworkMode: "bridge", LaunchType: "EC2", Group: "family:agenttest",
		RoleCredentials: &acs.RoleCredentials{
			ID: "cred-" + id, RoleARN: "arn:aws:iam::123456789012:role/r", AccessKeyID: "ASIA",
			SecretAccessKey: "s", SessionToken: "t",
			Expiration: "2027-01-01T00:00:00Z",
		},
		Containers: []acs.Container{{
			Name: "web", Image: specimen, Essential: true, CPU: 128, Memory: 64, Command: []string{"serve"},
			Environment: map[string]string{"FOO": "bar"}, Overrides: "{}",
			PortMappings:    []acs.PortMapping{{ContainerPort: 8080, Protocol: "tcp"}},
			HealthCheckType: acs.HealthCheckDocker,
			DockerConfig: acs.DockerConfig{
				Version: "1.29", HostConfig: `{"NetworkMode":"bridge","LogConfig":{"Type":"json-file","Config":{}}}`,
				Config: `{"Labels":{"my.label":"v"},"Healthcheck":{"Test":["CMD","/specimen","get",` +
					`"http://127.0.0.1:8080/"],"Interval":200000000,"Timeout":2000000000,"Retries":3}}`,
			},
		}},
	}
}

func bindingURL(t *testing.T, r engine.Report) string {
	t.Helper()
	if len(r.Containers) == 0 || len(r.Containers[0].NetworkBindings) == 0 {
		t.Fatalf("no network bindings in %+v", r)
	}
	b := r.Containers[0].NetworkBindings[0]
	return fmt.Sprintf("http://%s:%d", b.BindIP, b.HostPort)
}

// A task runs from its start to its stop (ecs-agent.md appendix A).
func TestTaskOnDocker(t *testing.T) {
	e := dockerEngine(t)
	p := newPlane(t)
	cfg := machine(t, p, e, 1)
	startAgent(t, cfg, e, Surroundings{})
	task := webTask("11111111111111111111111111111111")
	p.run(1, task)
	running := p.waitFor(task.ARN, engine.StatusRunning)
	p.waitHealthy(task.ARN)
	web := bindingURL(t, running)
	if !strings.HasPrefix(web, "http://127.0.1.201:") {
		t.Errorf("published on %s", web)
	}
	if _, body := get(t, web+"/"); body != "hello\n" {
		t.Errorf("the container answers %q", body)
	}
	env := environmentOf(t, web)
	if env["FOO"] != "bar" || env["AWS_REGION"] != "us-east-1" {
		t.Errorf("environment %v", env)
	}
	status, body := fetch(t, web, "http://169.254.170.2"+env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])
	if status != 200 || !strings.Contains(body, `"AccessKeyId":"ASIA"`) {
		t.Errorf("credentials: %d %s", status, body)
	}
	status, body = fetch(t, web, env["ECS_CONTAINER_METADATA_URI_V4"]+"/task")
	if status != 200 || !strings.Contains(body, task.ARN) {
		t.Errorf("task metadata: %d %s", status, body)
	}
	p.run(2, acs.Task{ARN: task.ARN, DesiredStatus: acs.DesiredStopped, Containers: []acs.Container{}})
	stopped := p.waitFor(task.ARN, engine.StatusStopped)
	if c := stopped.Containers[0]; c.ExitCode == nil || *c.ExitCode != 0 || stopped.ExecutionStoppedAt == nil {
		t.Errorf("stopped: %+v", stopped)
	}
}

// waitHealthy waits until the agent reports on TCS that a container of the task is healthy.
func (p *plane) waitHealthy(arn string) {
	p.t.Helper()
	p.wait("health of "+arn, func() bool {
		for _, m := range p.onTCS {
			h, ok := m.(*acs.PublishHealth)
			if !ok {
				continue
			}
			for _, task := range h.Tasks {
				if task.TaskARN == arn && task.Containers[0].Status == acs.HealthHealthy {
					return true
				}
			}
		}
		return false
	})
}
