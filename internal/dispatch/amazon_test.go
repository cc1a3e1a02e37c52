package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
	"github.com/berthhq/berth/internal/agent/runtime/runtimetest"
	"github.com/berthhq/berth/internal/ecs"
)

const amazonImage = "berth-amazonagenttest:1"

// An unmodified Amazon ECS agent joins, runs a bridge-mode task with a dynamic port, reports its health, and stops it:
// ecs-agent.md 11, as far as one machine can show it. BERTH_AMAZON_ECS_AGENT is the path of the agent's executable.
func TestAmazonAgent(t *testing.T) {
	agent := os.Getenv("BERTH_AMAZON_ECS_AGENT")
	if agent == "" {
		t.Skip("BERTH_AMAZON_ECS_AGENT does not name an Amazon ECS agent")
	}
	if os.Getuid() != 0 {
		t.Skip("a network namespace for the agent needs root")
	}
	e, err := docker.New("")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Ping(t.Context()); err != nil {
		t.Skipf("no Docker Engine: %v", err)
	}
	if err := e.Import(t.Context(), amazonImage, bytes.NewReader(runtimetest.SpecimenRootFS(t)),
		[]string{"/specimen"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAmazons(t, e) })

	w := newWorld(t, nil)
	w.run()
	w.listen(listenInNamespace(t, "berthamazon", "127.0.0.1:18080"))
	startAmazonAgent(t, agent, "berthamazon")
	ci := w.waitInstance()
	if ci.Registered.CPU == 0 || ci.AgentVersion == "" || ci.Zone() == "" {
		t.Errorf("registered as %+v", ci)
	}
	d := w.define(&ecs.TaskDefinition{
		Family: "amazon", Revision: 1, TaskRoleARN: "task",
		ContainerDefinitions: []ecs.ContainerDefinition{{
			Name: "web", Image: amazonImage, Essential: true, Memory: 64, CPU: 64, Command: []string{"serve"},
			PortMappings: []ecs.PortMapping{{ContainerPort: 8080, Protocol: "tcp"}},
			Environment:  []ecs.KeyValuePair{{Name: "FOO", Value: "bar"}},
			HealthCheck: &ecs.HealthCheck{Command: []string{
				"CMD", "/specimen", "get", "http://127.0.0.1:8080/",
			}, Interval: 5, Timeout: 2, Retries: 3},
			StopTimeout: 5,
		}},
	})
	arn := w.place(ci, d, "00000000000000000000000000000001", func(t *ecs.Task) {
		t.ServiceARN = "arn:aws:ecs:us-east-1:123456789012:service/agt/amazon"
	})
	task := w.waitStatus(arn, ecs.Running)
	if len(task.Containers[0].NetworkBindings) != 1 || task.Containers[0].RuntimeID == "" ||
		task.Connectivity != "CONNECTED" {
		t.Fatalf("it runs as %+v", task)
	}
	w.wait(arn, "health", func(t *ecs.Task) bool { return t.HealthStatus == ecs.Healthy })
	where := fmt.Sprintf("http://127.0.0.1:%d/", task.Containers[0].NetworkBindings[0].HostPort)
	resp, err := http.Get(where)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "hello\n" {
		t.Errorf("%s answers %q", where, body)
	}
	for u := range w.usage {
		if u.name.Metric == "MemoryUtilization" && u.Member == arn {
			break // it was measured as a task of its service
		}
	}
	w.stop(arn)
	task = w.waitStatus(arn, ecs.Stopped)
	if c := task.Containers[0]; c.ExitCode == nil || *c.ExitCode != 0 || task.StopCode != ecs.UserInitiated ||
		task.ExecutionStoppedAt.IsZero() {
		t.Errorf("it ended as %+v", task)
	}

	failing := w.define(&ecs.TaskDefinition{
		Family: "amazon", Revision: 2,
		ContainerDefinitions: []ecs.ContainerDefinition{
			{Name: "web", Image: amazonImage, Essential: true, Memory: 32, Command: []string{"exit", "3"}},
		},
	})
	arn = w.place(ci, failing, "00000000000000000000000000000002", nil)
	task = w.waitStatus(arn, ecs.Stopped)
	if task.StopCode != ecs.EssentialContainerExited || *task.Containers[0].ExitCode != 3 {
		t.Errorf("it ended as %+v", task)
	}
}

// listenInNamespace makes a network namespace with a loopback interface, and listens in it.
func listenInNamespace(t *testing.T, name, address string) net.Listener {
	t.Helper()
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	run("netns", "add", name)
	t.Cleanup(func() { exec.Command("ip", "netns", "delete", name).Run() })
	run("-n", name, "link", "set", "lo", "up")
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		// The thread is not unlocked: it stays in the namespace and ends with us.
		runtime.LockOSThread()
		ns, err := os.Open(filepath.Join("/var/run/netns", name))
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		l, err := net.Listen("tcp", address)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.l
}

func startAmazonAgent(t *testing.T, agent, namespace string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("nsenter", "--net=/var/run/netns/"+namespace, agent)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"ECS_CLUSTER=agt", "ECS_BACKEND_HOST=http://127.0.0.1:18080", "AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + keyID, "AWS_SECRET_ACCESS_KEY=" + keySecret, "ECS_EXTERNAL=true",
		"ECS_DATADIR=" + filepath.Join(dir, "data"), "ECS_HOST_DATA_DIR=" + dir, "ECS_LOGFILE=" +
			filepath.Join(dir, "agent.log"), "ECS_AUDIT_LOGFILE=" + filepath.Join(dir, "audit.log"),
		"ECS_LOGLEVEL=info", "ECS_IMAGE_PULL_BEHAVIOR=prefer-cached", "ECS_DISABLE_IMAGE_CLEANUP=true",
		"ECS_ENABLE_TASK_IAM_ROLE=true", "ECS_DYNAMIC_HOST_PORT_RANGE=18500-18599",
		"ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=1m",
	}
	os.MkdirAll(filepath.Join(dir, "data"), 0o755)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// removeAmazons removes the containers that the agent leaves, and the image.
func removeAmazons(t *testing.T, e *docker.Engine) {
	ctx := context.WithoutCancel(t.Context())
	containers, err := e.List(ctx, "com.amazonaws.ecs.task-definition-family", "amazon")
	if err != nil {
		t.Error(err)
	}
	for _, c := range containers {
		if err := e.Remove(ctx, c.ID); err != nil {
			t.Error(err)
		}
		if err := engine.RemoveGroup("/sys/fs/cgroup", c.Labels[engine.LabelTask]); err != nil {
			t.Error(err)
		}
	}
	if err := e.RemoveImage(ctx, amazonImage); err != nil {
		t.Error(err)
	}
}
