package dispatch_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func pending(containers ...ecs.ContainerDefinition) (*ecs.Task, *ecs.TaskDefinition) {
	d := &ecs.TaskDefinition{Family: "f", Revision: 1, ContainerDefinitions: containers}
	t := &ecs.Task{TaskARN: "arn:aws:ecs:us-east-1:123456789012:task/agt/1", LastStatus: ecs.Pending,
		DesiredStatus: ecs.Running, CreatedAt: epoch}
	for _, c := range containers {
		t.Containers = append(t.Containers,
			ecs.Container{Name: c.Name, LastStatus: ecs.Pending, HealthStatus: ecs.UnknownHealth})
	}
	return t, d
}

func essential(name string) ecs.ContainerDefinition {
	return ecs.ContainerDefinition{Name: name, Essential: true}
}

// Repeated and old statuses are accepted, and a task's status never moves back (checklist 5 of ecs-agent.md 11).
func TestStateOnlyMovesForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		task, d := pending(essential("a"), ecs.ContainerDefinition{Name: "b"})
		if rapid.Bool().Draw(t, "load balanced") {
			task.LoadBalancers = []ecs.LoadBalancer{{TargetGroupARN: "tg"}}
		}
		now := epoch
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now = now.Add(time.Second)
			before := *task
			before.Containers = append([]ecs.Container(nil), task.Containers...)
			next := task
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				next = task.Stop(ecs.UserInitiated, "why", now)
			case 1:
				next = dispatch.ObserveHealth(task, d, map[string]string{
					"a": rapid.SampledFrom([]string{ecs.Healthy, ecs.Unhealthy}).Draw(t, "health"),
				})
			default:
				next = dispatch.Observe(task, d, anyReport().Draw(t, "report"), now)
			}
			for _, v := range backwards(&before, next) {
				t.Fatal(v)
			}
			for _, v := range backwards(task, &before) {
				t.Fatalf("the task of the snapshot was changed: %s", v)
			}
			task = next
		}
	})
}

func anyReport() *rapid.Generator[dispatch.Report] {
	status := rapid.SampledFrom([]ecs.TaskStatus{ecs.Pending, ecs.Running, ecs.Stopped})
	return rapid.Custom(func(t *rapid.T) dispatch.Report {
		r := dispatch.Report{
			Status: status.Draw(t, "status"), Reason: rapid.SampledFrom([]string{"", "x"}).Draw(t, "reason"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "containers") {
			c := dispatch.ContainerReport{
				Name:   rapid.SampledFrom([]string{"a", "b", "?"}).Draw(t, "name"),
				Status: status.Draw(t, "container status"), RuntimeID: "id",
			}
			if c.Status == ecs.Stopped {
				c.ExitCode = new(rapid.IntRange(0, 2).Draw(t, "exit code"))
			}
			r.Containers = append(r.Containers, c)
		}
		if rapid.Bool().Draw(t, "timed") {
			r.PullStartedAt = epoch.Add(time.Duration(rapid.IntRange(1, 9).Draw(t, "pull")) * time.Second)
		}
		return r
	})
}

// The end of a task gets the right stop code and reason (ecs-agent.md 6.2, ecs.md 1.5.4).
func TestHowTasksEnd(t *testing.T) {
	exited := func(code int) dispatch.ContainerReport {
		return dispatch.ContainerReport{Name: "a", Status: ecs.Stopped, RuntimeID: "id", ExitCode: &code}
	}
	for name, c := range map[string]struct {
		reports      []dispatch.Report
		stop         bool
		code, reason string
		started      bool
	}{
		"an essential container exits": {
			reports: []dispatch.Report{
				{Status: ecs.Running, Containers: []dispatch.ContainerReport{
					{Name: "a", Status: ecs.Running, RuntimeID: "id"},
				}},
				{Status: ecs.Stopped, Containers: []dispatch.ContainerReport{exited(3)}},
			},
			code: ecs.EssentialContainerExited, reason: "Essential container in task exited", started: true,
		},
		"it exits before anybody saw it run": {
			reports: []dispatch.Report{{Status: ecs.Stopped, Containers: []dispatch.ContainerReport{exited(0)}}},
			code:    ecs.EssentialContainerExited, reason: "Essential container in task exited",
		},
		"the image is missing": {
			reports: []dispatch.Report{{Status: ecs.Stopped, Containers: []dispatch.ContainerReport{
				{Name: "a", Status: ecs.Stopped, Reason: "CannotPullContainerError: no such image"},
			}}},
			code: ecs.TaskFailedToStart, reason: "CannotPullContainerError: no such image",
		},
		"another container never becomes healthy": {
			reports: []dispatch.Report{{
				Status: ecs.Stopped, Reason: `TaskFailedToStart: container "b" cannot start: container "a" ` +
					`was not HEALTHY after its startTimeout of 3 seconds`,
				Containers: []dispatch.ContainerReport{exited(137)},
			}},
			code: ecs.TaskFailedToStart, reason: `TaskFailedToStart: container "b" cannot start: container ` +
				`"a" was not HEALTHY after its startTimeout of 3 seconds`,
		},
		"the agent cannot make sense of it": {
			reports: []dispatch.Report{{Status: ecs.Stopped, Reason: "UnrecogniedTaskError: x"}},
			code:    ecs.TaskFailedToStart, reason: "UnrecogniedTaskError: x",
		},
		"somebody stopped it": {
			reports: []dispatch.Report{{Status: ecs.Running},
				{Status: ecs.Stopped, Containers: []dispatch.ContainerReport{exited(137)}}},
			stop: true, code: ecs.UserInitiated, reason: "because", started: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			task, d := pending(essential("a"))
			for i, r := range c.reports {
				if c.stop && i == len(c.reports)-1 {
					task = task.Stop(ecs.UserInitiated, "because", epoch)
				}
				task = dispatch.Observe(task, d, r, epoch.Add(time.Minute))
			}
			if task.LastStatus != ecs.Stopped || task.DesiredStatus != ecs.Stopped ||
				task.StopCode != c.code || task.StoppedReason != c.reason {
				t.Errorf("it is %s, %s %q", task.LastStatus, task.StopCode, task.StoppedReason)
			}
			if task.StartedAt.IsZero() == c.started || task.StoppedAt.IsZero() {
				t.Errorf("started at %v, stopped at %v", task.StartedAt, task.StoppedAt)
			}
		})
	}
}

// A task with load balancers waits for them in ACTIVATING (ecs.md 1.5.1), and until then has no time of start.
func TestLoadBalancedTaskActivatesFirst(t *testing.T) {
	task, d := pending(essential("a"))
	task.LoadBalancers = []ecs.LoadBalancer{{TargetGroupARN: "tg"}}
	task = dispatch.Observe(task, d, dispatch.Report{Status: ecs.Running}, epoch)
	if task.LastStatus != ecs.Activating || !task.StartedAt.IsZero() {
		t.Errorf("it is %s, started at %v", task.LastStatus, task.StartedAt)
	}
}

// If a container is in a report twice, both changes are applied in order (ecs-agent.md 3.3).
func TestContainerEventsApplyInOrder(t *testing.T) {
	task, d := pending(essential("a"), ecs.ContainerDefinition{Name: "init"})
	bindings := []ecs.NetworkBinding{{BindIP: "0.0.0.0", ContainerPort: 80, HostPort: 32768, Protocol: "tcp"}}
	task = dispatch.Observe(task, d, dispatch.Report{Status: ecs.Pending, Containers: []dispatch.ContainerReport{
		{Name: "init", Status: ecs.Running, RuntimeID: "i", Bindings: bindings},
		{Name: "init", Status: ecs.Stopped, RuntimeID: "i", ExitCode: new(0)},
	}}, epoch)
	c := task.Containers[1]
	if task.LastStatus != ecs.Pending || c.LastStatus != ecs.Stopped || c.ExitCode == nil ||
		len(c.NetworkBindings) != 1 {
		t.Errorf("task %s, container %+v", task.LastStatus, c)
	}
}

// A waiting task has a reason, which is removed when it no longer waits.
func TestHoldIsToldAndForgotten(t *testing.T) {
	task, d := pending(essential("a"))
	task = dispatch.Observe(task, d, dispatch.Report{
		Status: ecs.Pending, Reason: "the container runtime cannot be reached",
	}, epoch)
	if task.Containers[0].Reason != "the container runtime cannot be reached" {
		t.Errorf("container %+v", task.Containers[0])
	}
	task = dispatch.Observe(task, d, dispatch.Report{
		Status: ecs.Running, Containers: []dispatch.ContainerReport{{Name: "a", Status: ecs.Running}},
	}, epoch)
	if task.Containers[0].Reason != "" {
		t.Errorf("container %+v", task.Containers[0])
	}
}

// ecs.md 1.4.15.
func TestHealthOfEssentialContainersIsTheTasks(t *testing.T) {
	task, d := pending(essential("a"), ecs.ContainerDefinition{Name: "b"})
	task = dispatch.ObserveHealth(task, d, map[string]string{"b": ecs.Unhealthy})
	if task.HealthStatus != ecs.UnknownHealth {
		t.Errorf("a non-essential container made it %s", task.HealthStatus)
	}
	task = dispatch.ObserveHealth(task, d, map[string]string{"a": ecs.Healthy})
	if task.HealthStatus != ecs.Healthy {
		t.Errorf("it is %s", task.HealthStatus)
	}
	if again := dispatch.ObserveHealth(task, d, map[string]string{"a": ecs.Healthy}); again != task {
		t.Error("a repeated report made a change")
	}
}
