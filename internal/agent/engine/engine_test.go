package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
)

func inBubble(t *testing.T, test func(*testing.T, *bench)) {
	synctest.Test(t, func(t *testing.T) { test(t, newBench(t)) })
}

func TestTaskRunsAndStops(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		b.apply(taskOf("a", container("web", "serve:1")))
		b.apply(taskOf("a", container("web", "serve:1"))) // a message that is repeated is ignored (ecs-agent.md 6.1)
		b.settle(time.Second)
		b.wantReports("a", "RUNNING web=RUNNING")
		b.apply(stopOf("a"))
		b.apply(taskOf("a", container("web", "serve:1"))) // the task is not started again
		b.settle(time.Second)
		b.wantReports("a", "RUNNING web=RUNNING", "STOPPED web=STOPPED")
		if c := b.reports[1].Containers[0]; *c.ExitCode != 0 || b.reports[1].ExecutionStoppedAt == nil {
			t.Errorf("it stopped as %+v", b.reports[1])
		}
		b.settle(3 * time.Hour)
		if left, err := b.rt.List(t.Context(), LabelTask, arnOf("a")); err != nil || len(left) != 0 ||
			len(b.e.Tasks()) != 0 {
			t.Errorf("after the clean-up there are %v, %v, %v", left, err, b.e.Tasks())
		}
	})
}

// The stop of an unknown task is answered (ecs-agent.md 6.1).
func TestStopOfUnknownTaskIsAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		b.apply(stopOf("never"))
		b.settle(time.Second)
		b.wantReports("never", "STOPPED")
	})
}

// When an essential container ends, the others are stopped in reverse order, and each change is reported once
// (ecs-agent.md 6.3).
func TestEssentialExitStopsTheRest(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		app, db := container("app", "brief:1"), container("db", "serve:1")
		app.DependsOn = []acs.Dependency{{ContainerName: "db", Condition: acs.ConditionStart}}
		b.apply(taskOf("a", app, db))
		b.settle(7 * time.Minute)
		r := b.record("a")
		if r.Status != StatusStopped || *r.Containers[0].ExitCode != 1 || *r.Containers[1].ExitCode != 0 {
			t.Errorf("it is %+v", r)
		}
		if last := b.statuses("a")[len(b.statuses("a"))-1]; last != "STOPPED app=STOPPED db=STOPPED" {
			t.Errorf("the last report is %q", last)
		}
	})
}

func TestDependenciesAreWaitedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		app, init, db := container("app", "serve:1"), container("init", "done:1"), container("db", "serve:1")
		init.Essential = false
		db.HealthCheckType, db.DockerConfig.Config = acs.HealthCheckDocker, `{"Healthcheck":{"Test":["CMD","x"]}}`
		app.DependsOn = []acs.Dependency{{ContainerName: "init", Condition: acs.ConditionSuccess},
			{ContainerName: "db", Condition: acs.ConditionHealthy}}
		b.apply(taskOf("a", app, init, db))
		b.settle(time.Minute)
		r := b.record("a")
		if r.Containers[0].Phase != Pulled || r.Containers[1].Phase != Stopped || r.Status != StatusPending {
			t.Fatalf("before db is healthy: %+v", r)
		}
		b.rt.SetHealth(r.Containers[2].RuntimeID, runtime.HealthHealthy)
		b.settle(time.Second)
		if r := b.record("a"); r.Status != StatusRunning || r.Containers[2].Health != acs.HealthHealthy {
			t.Errorf("after: %+v", r)
		}
	})
}

func TestDependencyThatCannotBeMetFailsTheTask(t *testing.T) {
	for name, c := range map[string]struct {
		image     string
		condition string
		timeout   int64
		want      string
	}{
		"it failed":    {"fail:1", acs.ConditionSuccess, 0, `container "dep" stopped before it was SUCCESS`},
		"it timed out": {"serve:1", acs.ConditionHealthy, 20, `was not HEALTHY after its startTimeout of 20 seconds`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.run()
				app, dep := container("app", "serve:1"), container("dep", c.image)
				dep.Essential, dep.StartTimeout = false, c.timeout
				app.DependsOn = []acs.Dependency{{ContainerName: "dep", Condition: c.condition}}
				b.apply(taskOf("a", app, dep))
				b.settle(time.Minute)
				r := b.record("a")
				if r.Status != StatusStopped || !strings.Contains(r.Reason, c.want) || r.Containers[0].ExitCode != nil {
					t.Errorf("it is %s for %q", r.Status, r.Reason)
				}
			})
		})
	}
}

// ecs.md 1.4.16.
func TestRestartPolicy(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		brief, early := container("brief", "brief:1"), container("early", "fail:1")
		brief.RestartPolicy, early.RestartPolicy = &acs.RestartPolicy{Enabled: true}, &acs.RestartPolicy{Enabled: true}
		b.apply(taskOf("a", brief))
		b.apply(taskOf("b", early))
		b.settle(13 * time.Minute)
		if r := b.record("a"); r.Status != StatusRunning || r.Containers[0].Restarts != 2 ||
			r.Containers[0].Phase != Running {
			t.Errorf("it ran longer than the period: %+v", r.Containers[0])
		}
		if r := b.record("b"); r.Status != StatusStopped || r.Containers[0].Restarts != 0 {
			t.Errorf("it ran shorter than the period: %+v", r.Containers[0])
		}
		b.wantReports("a", "RUNNING brief=RUNNING")
		b.apply(stopOf("a"))
		b.settle(time.Second)
		b.wantReports("a", "RUNNING brief=RUNNING", "STOPPED brief=STOPPED")
	})
}

// A task for which there is no room waits, and does not block others (ecs.md 1.3.7).
func TestResourcesAreWaitedForWithoutAQueue(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		sized := func(id string, memory, port int64) acs.Task {
			c := container("web", "serve:1")
			c.Memory = memory
			if port != 0 {
				c.PortMappings = []acs.PortMapping{{ContainerPort: 80, HostPort: port}}
			}
			return taskOf(id, c)
		}
		b.apply(sized("first", 600, 3000))
		b.settle(time.Second)
		b.apply(sized("big", 600, 0))
		b.apply(sized("port", 100, 3000))
		b.apply(sized("small", 100, 0))
		b.settle(time.Second)
		b.wantReports("first", "RUNNING web=RUNNING")
		b.wantReports("big", "PENDING")
		b.wantReports("port", "PENDING")
		b.wantReports("small", "RUNNING web=RUNNING")
		if r := b.record("big"); r.Hold != "waiting for 600 of the instance's 1000 MiB of memory" {
			t.Errorf("big holds for %q", r.Hold)
		}
		if r := b.record("port"); r.Hold != "waiting for host port 3000/tcp" {
			t.Errorf("port holds for %q", r.Hold)
		}
		b.apply(stopOf("first"))
		b.settle(time.Second)
		for _, id := range []string{"big", "port"} {
			if got := b.statuses(id); got[len(got)-1] != "RUNNING web=RUNNING" {
				t.Errorf("%s: %q", id, got)
			}
		}
	})
}

func TestTasksThatNeverFitFail(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		big, looped := container("web", "serve:1"), container("web", "serve:1")
		big.Memory = 5000
		looped.DependsOn = []acs.Dependency{{ContainerName: "web", Condition: acs.ConditionStart}}
		secret := container("web", "serve:1")
		secret.Secrets = []acs.Secret{{Name: "x"}}
		lost := container("web", "serve:1")
		lost.MountPoints = []acs.MountPoint{{SourceVolume: "none"}}
		for id, c := range map[string]acs.Container{"big": big, "looped": looped, "secret": secret, "lost": lost} {
			b.apply(taskOf(id, c))
			b.settle(time.Second)
			if r := b.record(id); r.Status != StatusStopped || r.Reason == "" {
				t.Errorf("%s: %+v", id, r)
			}
		}
		b.apply(taskOf("empty"))
		b.settle(time.Second)
		b.wantReports("empty", "STOPPED")
	})
}

// While Docker is stopped, tasks wait with a reason. They continue when Docker runs again.
func TestRuntimeGoneAndBack(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		b.apply(taskOf("old", container("web", "serve:1")))
		b.apply(taskOf("dies", container("web", "serve:1")))
		b.settle(time.Second)
		b.rt.Down()
		b.apply(taskOf("new", container("web", "serve:1")))
		b.settle(time.Minute)
		if s := b.e.Runtime(); s.Status != acs.InstanceImpaired {
			t.Errorf("the runtime is %s", s.Status)
		}
		if r := b.record("new"); r.Status != StatusPending ||
			!strings.Contains(r.Hold, "the container runtime cannot be reached") {
			t.Errorf("new is %s, holds for %q", r.Status, r.Hold)
		}
		b.rt.Crash(b.record("dies").Containers[0].RuntimeID, 139)
		b.settle(time.Minute)
		if r := b.record("old"); r.Status != StatusRunning {
			t.Errorf("old is %s", r.Status)
		}
		b.rt.Up()
		b.settle(5 * time.Second)
		if s := b.e.Runtime(); s.Status != acs.InstanceOK {
			t.Errorf("the runtime is %s", s.Status)
		}
		if r := b.record("new"); r.Status != StatusRunning || r.Hold != "" {
			t.Errorf("new is %s, holds for %q", r.Status, r.Hold)
		}
		b.wantReports("old", "RUNNING web=RUNNING")
		b.wantReports("dies", "RUNNING web=RUNNING", "STOPPED web=STOPPED")
	})
}

// After a restart, the agent reports only changes that happened meanwhile (ecs-agent.md 10).
func TestRestartedEngineTakesItsTasksUp(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		stop := b.run()
		for _, id := range []string{"stays", "dies", "vanishes"} {
			b.apply(taskOf(id, container("web", "serve:1")))
		}
		b.settle(time.Second)
		dies, vanishes := b.record("dies").Containers[0].RuntimeID, b.record("vanishes").Containers[0].RuntimeID
		stop()
		b.rt.Crash(dies, 137)
		if err := b.rt.Remove(t.Context(), vanishes); err != nil {
			t.Fatal(err)
		}
		b.run()
		b.settle(5 * time.Second)
		b.wantReports("stays", "RUNNING web=RUNNING")
		b.wantReports("dies", "RUNNING web=RUNNING", "STOPPED web=STOPPED")
		b.wantReports("vanishes", "RUNNING web=RUNNING", "STOPPED web=STOPPED")
		if c := b.reports[len(b.reports)-1].Containers[0]; c.ExitCode == nil &&
			!strings.HasPrefix(c.Reason, "CannotInspectContainerError") {
			t.Errorf("a container that is gone is reported as %+v", c)
		}
		b.apply(stopOf("stays"))
		b.settle(time.Second)
		if r := b.record("stays"); r.Status != StatusStopped || *r.Containers[0].ExitCode != 0 {
			t.Errorf("stays is %+v", r)
		}
	})
}

// A report is repeated until it succeeds, or until it is refused with a final error (ecs-agent.md 3.3).
func TestReportsAreRepeatedUntilTheyArrive(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		b.refuse = errBusy
		b.apply(taskOf("a", container("web", "serve:1")))
		b.settle(24 * time.Hour)
		b.apply(stopOf("a"))
		b.settle(time.Hour)
		b.mu.Lock()
		b.refuse = nil
		b.mu.Unlock()
		b.settle(time.Minute)
		b.wantReports("a", "RUNNING web=RUNNING", "STOPPED web=STOPPED")
		b.mu.Lock()
		b.refuse = errors.Join(ErrDropped, errBusy)
		b.mu.Unlock()
		b.apply(taskOf("b", container("web", "serve:1")))
		b.settle(time.Minute)
		b.mu.Lock()
		b.refuse = nil
		b.mu.Unlock()
		b.settle(time.Hour)
		b.wantReports("b")
	})
}

func TestDynamicPortsGoRoundAndAvoidTakenOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.run()
		// Another program uses port 30004 in a way that only the runtime notices.
		id, err := b.rt.Create(t.Context(), runtime.Spec{Name: "other", Image: "serve:1", Ports: []runtime.Port{
			{HostIP: b.cfg.BindAddress, HostPort: 30004, ContainerPort: 1, Protocol: "tcp"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.rt.Start(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		web := container("web", "serve:1")
		web.PortMappings = []acs.PortMapping{{ContainerPort: 80}, {ContainerPortRange: "9000-9002", Protocol: "udp"}}
		b.apply(taskOf("a", web))
		b.settle(time.Second)
		b.apply(taskOf("b", web))
		b.settle(5 * time.Second)
		var hosts []int
		for _, id := range []string{"a", "b"} {
			for _, p := range b.record(id).Containers[0].Ports {
				hosts = append(hosts, p.HostPort)
			}
		}
		slices.Sort(hosts)
		if c := b.record("b").Containers[0]; len(slices.Compact(hosts)) != 4 ||
			c.Ports[0].HostPort == 30004 || c.PortTries != 1 {
			t.Errorf("host ports %v", hosts)
		}
		if got := b.statuses("b"); len(got) != 1 || got[0] != "RUNNING web=RUNNING" {
			t.Errorf("reported %q", got)
		}
		if r := b.reports[0].Containers[0].NetworkBindings[1]; r.ContainerPortRange != "9000-9002" ||
			r.Protocol != "udp" || r.HostPort != 0 {
			t.Errorf("the range is reported as %+v", r)
		}
	})
}

// ecs.md 1.3.14.
func TestPullBehavior(t *testing.T) {
	for behavior, want := range map[string]struct{ cached, published, both string }{
		PullDefault:      {StatusRunning, StatusRunning, "new"},
		PullAlways:       {StatusStopped, StatusRunning, "new"},
		PullPreferCached: {StatusRunning, StatusRunning, "old"},
		PullOnce:         {StatusStopped, StatusRunning, "new"},
	} {
		t.Run(behavior, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				if behavior == PullOnce {
					want.cached = StatusStopped
				}
				b.cfg.PullBehavior = behavior
				b.rt.Publish("both:1", fake.Serve)
				b.rt.Load("both:1", fake.Exit(9))
				b.rt.Publish("published:1", fake.Serve)
				b.run()
				b.apply(taskOf("cached", container("web", "serve:1")))
				b.apply(taskOf("published", container("web", "published:1")))
				b.apply(taskOf("both", container("web", "both:1")))
				b.settle(time.Minute)
				if got := b.record("cached"); got.Status != want.cached {
					t.Errorf("an image that is only on the machine: %s, %q", got.Status, got.Containers[0].Reason)
				}
				if got := b.record("published"); got.Status != want.published ||
					!strings.HasPrefix(got.Containers[0].Digest, "sha256:") {
					t.Errorf("an image that is only in the registry: %s %q", got.Status, got.Containers[0].Digest)
				}
				used := map[bool]string{true: "new", false: "old"}[b.record("both").Status == StatusRunning]
				if used != want.both {
					t.Errorf("of an image in both places the %s one was used", used)
				}
			})
		})
	}
}
