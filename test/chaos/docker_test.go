package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// engine is a Docker Engine that only one test uses. Its containers go on when it is stopped, as on machines that are
// updated while they run. It changes neither the networks nor the iptables rules of the machine's own engine.
type engine struct {
	dir    string
	bridge string
	cmd    *exec.Cmd
	done   chan struct{}
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	harness.Need(t, harness.DockerEngine(), harness.OnPath("dockerd"), harness.OnPath("ip"))
	dir, err := os.MkdirTemp("", "bc") // short, since the names of sockets are
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{dir: dir, bridge: fmt.Sprintf("bc%d", os.Getpid())}
	// It has its own bridge, because an engine without one removes docker0, which the other engine uses.
	ip(t, "link", "add", e.bridge, "type", "bridge")
	ip(t, "address", "add", "10.213.255.1/24", "dev", e.bridge)
	t.Cleanup(func() {
		if e.cmd != nil {
			e.stop(t)
		}
		ip(t, "link", "delete", e.bridge)
		unmountBelow(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return e
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Errorf("ip %v: %v\n%s", args, err, out)
	}
}

func (e *engine) host() string { return "unix://" + filepath.Join(e.dir, "s") }

// start starts the engine and waits until it answers.
func (e *engine) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	e.cmd = exec.Command("dockerd", "--host", e.host(), "--data-root", filepath.Join(e.dir, "d"),
		"--exec-root", filepath.Join(e.dir, "x"),
		"--pidfile", filepath.Join(e.dir, "pid"), "--bridge", e.bridge, "--iptables=false",
		"--ip6tables=false", "--live-restore", "--default-address-pool", "base=10.213.0.0/16,size=24")
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.done = make(chan struct{})
	go func() {
		_ = e.cmd.Wait() // how it ended is in its log
		close(e.done)
	}()
	harness.Until(t, 30*time.Second, "the test's own Docker Engine answers", func() string {
		if out, err := exec.Command("docker", "--host", e.host(), "info").CombinedOutput(); err != nil {
			text, _ := os.ReadFile(filepath.Join(e.dir, "log"))
			return string(out) + harness.Tail(string(text), 10)
		}
		return ""
	})
}

// stop ends the engine. Its containers go on.
func (e *engine) stop(t *testing.T) {
	t.Helper()
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.done:
	case <-time.After(30 * time.Second):
		t.Fatal("dockerd did not end within 30 s of SIGTERM")
	}
	e.cmd = nil
}

// unmountBelow unmounts what an engine has left mounted in its directory.
func unmountBelow(t *testing.T, dir string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range harness.Lines(mounts) {
		if at := strings.Fields(line)[1]; strings.HasPrefix(at, dir+"/") {
			if err := syscall.Unmount(at, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", at, err)
			}
		}
	}
}

// says waits until the instance has the given health, and checks that berth status shows it when it is impaired.
func (k stack) says(t *testing.T, want string) {
	t.Helper()
	const notice = "the container runtime does not work"
	harness.Until(t, 40*time.Second, "the instance's container runtime is "+want, func() string {
		all, err := k.instancesOf()
		if err != nil || len(all) != 1 {
			return fmt.Sprint(all, err)
		}
		h := all[0].HealthStatus
		if len(h.Details) != 1 || h.Details[0].Type != "CONTAINER_RUNTIME" || h.Details[0].Status != want ||
			h.OverallStatus != want {
			return fmt.Sprintf("it is %+v", h)
		}
		out, err := k.Command("status")
		if err != nil || strings.Contains(unwrapped(out), notice) != (want == "IMPAIRED") {
			return fmt.Sprintf("berth status: %v\n%s", err, out)
		}
		return ""
	})
}

// waiting matches the line of a task that is starting, and the reason that berth status gives.
var waiting = regexp.MustCompile(`task \S+ (?:PENDING|PROVISIONING) [^(]*\([^)]*container runtime[^)]*`)

// unwrapped is the output of berth status as one line: it breaks long lines.
func unwrapped(out string) string { return strings.Join(strings.Fields(out), " ") }

// waits waits until the service has a task that is starting, and berth status says what it waits for.
func (k stack) waits(t *testing.T) {
	t.Helper()
	harness.Until(t, 20*time.Second, "a task waits and berth status says for what", func() string {
		s, err := k.service()
		if err != nil {
			return err.Error()
		}
		out, err := k.Command("status")
		if err != nil {
			return err.Error()
		}
		if reason := waiting.FindString(unwrapped(out)); reason != "" {
			t.Log(reason)
			return ""
		}
		return fmt.Sprintf("%+v\n%s", s, out)
	})
}

// Docker is not running at first, then starts, stops and starts again. The instance is there all the time and reports
// the health of its runtime, tasks wait with a reason and continue, and containers that ran before go on.
func TestDockerStopped(t *testing.T) {
	e := newEngine(t)
	s := harness.Start(t, harness.Config{Env: []string{"DOCKER_HOST=" + e.host()}})
	t.Cleanup(func() { // before the server's end, which needs Docker
		if e.cmd == nil {
			e.start(t)
		}
	})
	k := launch(t, s, 1)
	k.register(t, "web", k.Push(t, "web"), 3000)
	k.Connected(t, cluster, 1)
	k.says(t, "IMPAIRED")
	k.Call(t, "ecs", "CreateService", object{
		"cluster": cluster, "serviceName": service, "taskDefinition": "web", "desiredCount": 1,
	}, nil)
	k.waits(t)

	e.start(t)
	k.says(t, "OK")
	k.steady(t, 1)
	before := k.containers(t)
	k.See()

	e.stop(t)
	k.says(t, "IMPAIRED")
	k.Call(t, "ecs", "UpdateService", object{"cluster": cluster, "service": service, "desiredCount": 3}, nil)
	k.waits(t)
	e.start(t)
	k.says(t, "OK")
	k.steady(t, 3)
	k.same(t, before, "")
}
