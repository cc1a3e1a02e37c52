package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/autoscaling"
	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/action/ec2"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine/local"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// If this variable is set, the test binary acts as the agent of an instance.
const agentVariable = "FLEET_TEST_AGENT"

func TestMain(m *testing.M) {
	if socket := os.Getenv(agentVariable); socket != "" {
		playAgent(socket)
	}
	os.Exit(m.Run())
}

// playAgent prints its id, and exits with the code that it is given or when it is stopped.
func playAgent(socket string) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		os.Exit(99)
	}
	json.NewEncoder(c).Encode(map[string]string{
		"pid": fmt.Sprint(os.Getpid()), "instance": os.Getenv(local.EnvInstanceID), "cluster": os.Getenv("ECS_CLUSTER"),
		"address": os.Getenv(local.EnvBindAddress), "zone": os.Getenv(local.EnvAvailabilityZone),
		"api": os.Getenv("ECS_BACKEND_HOST"),
	})
	var code int
	if _, err := fmt.Fscan(c, &code); err != nil {
		select {} // until the process is stopped
	}
	os.Exit(code)
}

// agent is such a process, as the test sees it.
type agent struct {
	hello map[string]string
	conn  net.Conn
}

func (a agent) exit(code int) { fmt.Fprintln(a.conn, code) }

// site is a control plane that has only what fleet needs: front desk, store, controller, and instances on this machine.
type site struct {
	t      *testing.T
	store  *state.Store
	desk   *desktest.Desk
	driver *local.Driver
	cfg    local.Config
	l      net.Listener
	stop   func()
}

type noKeys struct{}

func (noKeys) InstanceKey(context.Context, *fleet.Instance) (local.AccessKey, error) {
	return local.AccessKey{ID: "AKIA", Secret: "secret"}, nil
}

func newSite(t *testing.T) *site {
	dir := t.TempDir()
	s := &site{t: t, store: desktest.Store(t)}
	var err error
	if s.l, err = net.Listen("unix", filepath.Join(dir, "s")); err != nil {
		t.Fatal(err)
	}
	s.cfg = local.Config{Dir: filepath.Join(dir, "instances"), Command: []string{os.Args[0]},
		ControlPlane: "http://127.0.0.1:4566", Credentials: noKeys{},
		Env:    []string{"PATH=/usr/bin", agentVariable + "=" + filepath.Join(dir, "s")},
		Logger: slog.New(slog.DiscardHandler), RestartMin: time.Millisecond}
	s.run()
	s.desk = desktest.New(t, autoscaling.Service(s.store, scaling.PaceOfAWS), ec2.Service(s.store, s.driver))
	t.Cleanup(func() {
		s.stop()
		s.l.Close()
		if err := s.driver.Clean(context.Background(), func(string) bool { return false }, func() {}); err != nil {
			t.Error(err)
		}
	})
	return s
}

// run starts the control plane. stop ends it.
func (s *site) run() {
	s.driver = local.New(s.cfg)
	c := New(control.System(s.store, slog.New(slog.DiscardHandler)), s.driver, s.driver, scaling.PaceOfAWS)
	ctx, cancel := context.WithCancelCause(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.driver.Run(ctx) })
	running.Go(func() { c.Run(ctx) })
	s.stop = func() { cancel(errors.New("the server stops")); running.Wait() }
}

// agent waits for the next agent that starts.
func (s *site) agent() agent {
	s.t.Helper()
	c, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadBytes('\n')
	a := agent{conn: c}
	if err != nil || json.Unmarshal(line, &a.hello) != nil {
		s.t.Fatalf("an agent said %q (%v)", line, err)
	}
	return a
}

// until waits until a condition on the tables is true. It looks at each change.
func (s *site) until(what string, wanted func(*state.Snapshot) bool) {
	s.t.Helper()
	sub := state.Subscribe(s.store, func(state.Change, *state.Snapshot) []string { return []string{"x"} })
	defer sub.Close()
	for !wanted(s.store.View()) {
		if _, err := sub.Next(s.t.Context()); err != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
	}
}

func inService(n int) func(*state.Snapshot) bool {
	return func(v *state.Snapshot) bool {
		members, up := slices.Collect(v.Instances.By(state.InstancesByAutoScalingGroup, groupKey)), 0
		for _, m := range members {
			if m.Scaling.Lifecycle == fleet.LifecycleInService && m.Machine.Phase == fleet.PhaseUp {
				up++
			}
		}
		return len(members) == n && up == n
	}
}

// The article's instances, from its launch configuration to the end of its group, by the AWS CLI, with agent processes.
func TestWalk(t *testing.T) {
	s := newSite(t)
	aws := func(words ...string) string { t.Helper(); return s.desk.JSON(t, words...) }
	aws("autoscaling", "create-launch-configuration", "--launch-configuration-name", "lc", "--image-id",
		fleet.Images(region)[0].ID, "--instance-type", "t2.micro",
		"--user-data", "#!/bin/bash\necho ECS_CLUSTER=socket-ecs-cluster >> /etc/ecs/ecs.config;echo "+
			"ECS_BACKEND_HOST= >> /etc/ecs/ecs.config;")
	aws("autoscaling create-auto-scaling-group --auto-scaling-group-name g --launch-configuration-name lc " +
		"--min-size 0 --max-size 4 --desired-capacity 2 --availability-zones us-east-1a us-east-1b")
	first, second := s.agent(), s.agent()
	for _, a := range []agent{first, second} {
		if a.hello["cluster"] != "socket-ecs-cluster" || a.hello["api"] != "http://127.0.0.1:4566" ||
			!strings.HasPrefix(a.hello["address"], "127.0.1.") {
			t.Errorf("agent %v", a.hello)
		}
	}
	if first.hello["zone"] == second.hello["zone"] || first.hello["address"] == second.hello["address"] {
		t.Errorf("agents %v and %v", first.hello, second.hello)
	}
	s.until("two in service", inService(2))
	console := aws("ec2", "get-console-output", "--instance-id", first.hello["instance"], "--query", "Output")
	if !strings.Contains(console, "part-001 finished") {
		t.Errorf("console %s", console)
	}

	// After a restart of the server there are the same agents and no new ones.
	s.stop()
	s.run()
	s.until("both found again", inService(2))

	// An agent that is killed is started again on the same instance.
	kill(t, first.hello["pid"])
	again := s.agent()
	if again.hello["instance"] != first.hello["instance"] {
		t.Errorf("instance %s came up, want %s", again.hello["instance"], first.hello["instance"])
	}

	// If an agent exits with the code that says that it cannot work, its instance is replaced. The exit code of an
	// agent that an earlier server has started is not known, so it is started once more.
	second.exit(local.ExitTerminal)
	s.agent().exit(local.ExitTerminal)
	replacement := s.agent()
	if id := replacement.hello["instance"]; id == first.hello["instance"] || id == second.hello["instance"] ||
		replacement.hello["zone"] != second.hello["zone"] {
		t.Errorf("replacement %v of %v", replacement.hello, second.hello)
	}
	s.until("the replacement in service", inService(2))
	causes := aws("autoscaling describe-scaling-activities --auto-scaling-group-name g --query Activities[].Cause")
	for _, want := range []string{fleet.WhyImpaired,
		"an instance was launched in response to an unhealthy instance needing to be replaced"} {
		if !strings.Contains(causes, want) {
			t.Errorf("causes %s lack %q", causes, want)
		}
	}

	aws("autoscaling set-desired-capacity --auto-scaling-group-name g --desired-capacity 1")
	s.until("one in service", inService(1))
	aws("autoscaling delete-auto-scaling-group --auto-scaling-group-name g --force-delete")
	s.until("the group gone", func(v *state.Snapshot) bool { return v.AutoScalingGroups.Len() == 0 })
	if got := aws("ec2", "describe-instances", "--query",
		"Reservations[].Instances[].State.Name"); got != `["terminated","terminated","terminated"]` {
		t.Errorf("instances %s", got)
	}
	for _, a := range []agent{again, replacement} {
		if running(a.hello["pid"]) {
			t.Errorf("agent %v outlives its group", a.hello)
		}
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	var n int
	fmt.Sscan(pid, &n)
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// running reports whether a process is there and no zombie: agents of an earlier driver are
// children of this process, and nothing waits for them.
func running(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
