package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// TestHealthOf: when a task counts as healthy (ecs.md 3.2.3), and the grace period (ecs.md 3.2.5).
func TestHealthOf(t *testing.T) {
	started := epoch
	tg := func(states ...string) []string { return states }
	for _, c := range []struct {
		name    string
		targets int
		checks  bool
		grace   time.Duration
		status  ecs.TaskStatus
		health  string
		states  []string
		age     time.Duration
		want    Health
		again   time.Duration // after the start
	}{
		{"pending", 0, false, 0, ecs.Pending, "UNKNOWN", nil, time.Hour, Starting, 0},
		{"activating", 1, false, 0, ecs.Activating, "UNKNOWN", tg("healthy"), time.Hour, Starting, 0},
		{"no checks, young", 0, false, 0, ecs.Running, "UNKNOWN", nil, 39 * time.Second, Starting, 40 * time.Second},
		{"no checks, 40 s", 0, false, 0, ecs.Running, "UNKNOWN", nil, 40 * time.Second, Healthy, 0},
		{"no checks: a verdict for no check does not matter", 0, false, 0, ecs.Running, "UNHEALTHY", nil,
			time.Minute, Healthy, 0},
		{"container check passes at once", 0, true, 0, ecs.Running, "HEALTHY", nil, time.Second, Healthy, 0},
		{"container check without verdict", 0, true, 0, ecs.Running, "UNKNOWN", nil, time.Hour, Starting, 0},
		{"container check fails", 0, true, 0, ecs.Running, "UNHEALTHY", nil, time.Second, Unhealthy, 0},
		{"container check fails in the grace period", 0, true, time.Minute, ecs.Running, "UNHEALTHY", nil,
			time.Second, Starting, time.Minute},
		{"grace period over", 0, true, time.Minute, ecs.Running, "UNHEALTHY", nil, time.Minute, Unhealthy, 0},
		{"target healthy", 1, false, 0, ecs.Running, "UNKNOWN", tg("healthy"), time.Second, Healthy, 0},
		{"target healthy in the grace period", 1, false, time.Hour, ecs.Running, "UNKNOWN", tg("healthy"),
			time.Second, Healthy, 0},
		{"target initial", 1, false, 0, ecs.Running, "UNKNOWN", tg("initial"), time.Hour, Starting, 0},
		{"not registered yet", 1, false, 0, ecs.Running, "UNKNOWN", nil, time.Hour, Starting, 0},
		{"one of two targets", 2, false, 0, ecs.Running, "UNKNOWN", tg("healthy"), time.Hour, Starting, 0},
		{"both targets", 2, false, 0, ecs.Running, "UNKNOWN", tg("healthy", "healthy"), time.Second, Healthy, 0},
		{"one target fails", 2, false, 0, ecs.Running, "UNKNOWN", tg("healthy", "unhealthy"),
			time.Second, Unhealthy, 0},
		{"target fails in the grace period", 1, false, time.Minute, ecs.Running, "UNKNOWN", tg("unhealthy"),
			time.Second, Starting, time.Minute},
		{"both kinds pass", 1, true, 0, ecs.Running, "HEALTHY", tg("healthy"), time.Second, Healthy, 0},
		{"target passes, container has no verdict", 1, true, 0, ecs.Running, "UNKNOWN", tg("healthy"),
			time.Hour, Starting, 0},
		{"target passes, container fails", 1, true, 0, ecs.Running, "UNHEALTHY", tg("healthy"),
			time.Second, Unhealthy, 0},
		{"container passes, target draining", 1, true, 0, ecs.Running, "HEALTHY", tg("draining"),
			time.Second, Starting, 0},
	} {
		s := scene{HealthyAfter: 40 * time.Second}
		s.Service.HealthCheckGracePeriodSeconds = new(int(c.grace / time.Second))
		d := Deployment{ContainerChecks: c.checks}
		balanced(&d, c.targets)
		s.Tasks = []sceneTask{{Task: ecs.Task{LastStatus: c.status, HealthStatus: c.health, StartedAt: started}}}
		s.Tasks[0].register(c.states...)
		v := s.view()
		got, again := v.healthOf(&d, &s.Tasks[0].Task, started.Add(c.age))
		var want time.Time
		if c.again > 0 {
			want = started.Add(c.again)
		}
		if got != c.want || !again.Equal(want) {
			t.Errorf("%s: got %v again at %v, want %v at %v", c.name, got, again, c.want, want)
		}
	}
}

// settledService returns a service whose tasks have run well for a minute.
func settledService(desired int) *sim {
	s := newSim(service(desired, 100, 200))
	s.deploy("ecs-svc/1")
	for !s.run(1, nil) {
	}
	return s
}

// TestSteadyIsToldEverySixHours: the steady state has an event every six hours, and none in between (ecs.md
// 1.7.4).
func TestSteadyIsToldEverySixHours(t *testing.T) {
	s := settledService(1)
	told := s.Progress.SteadyAt
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {time.Hour, 0}, {6*time.Hour - time.Second, 0}, {6 * time.Hour, 1}} {
		p := s.next(told.Add(c.after))
		if len(p.Event) != c.want {
			t.Errorf("after %v: events %v", c.after, p.Event)
		}
		if want := p.SteadyAt.Add(6 * time.Hour); !p.WakeAt.Equal(want) {
			t.Errorf("after %v: wakes at %v, want %v", c.after, p.WakeAt, want)
		}
	}
	s.Tasks[0].LastStatus = ecs.Stopping
	if p := s.next(told); !p.SteadyAt.IsZero() {
		t.Error("steady although a task is stopping")
	}
}

// TestFailuresAreCountedOnce: a plan counts a failed task in its deployment and lists it as ended. A task
// that an earlier plan listed is not counted again.
func TestFailuresAreCountedOnce(t *testing.T) {
	s := settledService(1)
	failed := sceneTask{Task: ecs.Task{TaskARN: "x", StartedBy: "ecs-svc/1", LastStatus: ecs.Stopped,
		DesiredStatus: ecs.Stopped, StopCode: ecs.TaskFailedToStart, CreatedAt: s.now}}
	for _, c := range []struct {
		name   string
		change func(*sceneTask)
		want   int
	}{
		{"failed to start", func(*sceneTask) {}, 1},
		{"essential container exited before the task ran",
			func(t *sceneTask) { t.StopCode = ecs.EssentialContainerExited }, 1},
		{"counted already", func(t *sceneTask) { t.EndCounted = true }, 0},
		{"it ran for less than 40 s",
			func(t *sceneTask) { t.StartedAt, t.StoppingAt = s.now.Add(-39*time.Second), s.now }, 1},
		{"it ran for 40 s", func(t *sceneTask) { t.StartedAt, t.StoppingAt = s.now.Add(-40*time.Second), s.now }, 0},
		{"stopped by us", func(t *sceneTask) { t.StopCode = ecs.ServiceSchedulerInitiated }, 0},
		{"stopped by a user", func(t *sceneTask) { t.StopCode = ecs.UserInitiated }, 0},
		{"of a deployment that is gone", func(t *sceneTask) { t.StartedBy = "ecs-svc/0" }, 0},
	} {
		task := failed
		c.change(&task)
		v := s.clone()
		v.Tasks = append(v.Tasks, task)
		p := v.next(s.now)
		got := 0
		for _, m := range p.Update {
			got += m.FailedTasks
		}
		if named := slices.Contains(p.Ended, "x"); got != c.want || named == task.EndCounted {
			t.Errorf("%s: %d failed, listed as ended: %v", c.name, got, named)
		}
	}
}

// TestRoundsOfFailures: tasks that fail together delay the next attempt only once. The delay doubles from 10
// s up to 15 minutes (ecs.md 3.4).
func TestRoundsOfFailures(t *testing.T) {
	s := newSim(service(8, 100, 200))
	s.deploy("ecs-svc/1")
	var delays []time.Duration
	for range 9 {
		s.step()
		for k := range s.Tasks { // one half fails now and the other a little later
			if k%2 == 0 {
				s.exit(&s.Tasks[k], ecs.EssentialContainerExited)
			}
		}
		s.now = s.now.Add(time.Second)
		p := s.step()
		delays = append(delays, p.WakeAt.Sub(s.now))
		s.now = s.now.Add(time.Second)
		for k := range s.Tasks {
			s.exit(&s.Tasks[k], ecs.EssentialContainerExited)
		}
		s.step()
		s.now = p.WakeAt
	}
	var want []time.Duration
	for _, seconds := range []int{10, 20, 40, 80, 160, 320, 640, 900, 900} {
		want = append(want, time.Duration(seconds)*time.Second)
	}
	if !slices.Equal(delays, want) {
		t.Errorf("delays %v, want %v", delays, want)
	}
	if p := s.step(); !strings.Contains(p.Complaint, "is unable to consistently start tasks successfully.") {
		t.Errorf("the complaint is %q", p.Complaint)
	}
	s.deploy("ecs-svc/2")
	if p := s.step(); len(p.Start) != 1 || p.Start[0].DeploymentID != "ecs-svc/2" || p.Start[0].Count != 8 {
		t.Errorf("a new deployment, which should start at once, has the plan %+v", p)
	}
}

// TestKeepFailures: with resetOnHealthyTask off, a healthy task does not reset the number of failures (ecs.md
// 3.5.1).
func TestKeepFailures(t *testing.T) {
	for _, keep := range []bool{false, true} {
		s := newSim(withBreaker(service(2, 100, 200),
			&ecs.CircuitBreaker{Enable: true, ResetOnHealthyTask: new(!keep)}))
		s.deploy("ecs-svc/1", func(d *Deployment) { d.FailedTasks = 2 })
		s.step()
		s.pass(time.Second)
		s.now = s.now.Add(time.Minute)
		p := s.step()
		if got, want := p.Update[0].FailedTasks, map[bool]int{false: 0, true: 2}[keep]; got != want {
			t.Errorf("keep %v: %d failed tasks", keep, got)
		}
	}
}

// TestNewestWins: a deployment that starts while another is in progress replaces it. Tasks without a verdict
// are stopped at once if their deployment was never completed. Tasks of the completed deployment stay (ecs.md
// 3.1.4).
func TestNewestWins(t *testing.T) {
	s := settledService(2)
	s.pass(time.Second)
	s.deploy("ecs-svc/2")
	s.step()
	s.pass(time.Second)
	s.deploy("ecs-svc/3")
	p := s.step()
	var stopped []string
	for _, x := range p.Stop {
		stopped = append(stopped, x.TaskARN)
	}
	if want := []string{"t03", "t04"}; !slices.Equal(stopped, want) {
		t.Errorf("stops %v, want %v", stopped, want)
	}
	if len(p.Start) != 1 || p.Start[0].DeploymentID != "ecs-svc/3" || p.Start[0].Count != 2 {
		t.Errorf("starts %+v", p.Start)
	}
}

// TestStalledDeployment: a failed deployment without a rollback starts no tasks. Tasks of the completed
// deployment keep running, and lost ones are replaced by tasks of the same revision (ecs.md 3.2.4, 3.5.2).
// Scaling to zero still works.
func TestStalledDeployment(t *testing.T) {
	s := settledService(2)
	s.Service = withBreaker(s.Service, breaker(false))
	s.pass(time.Second)
	s.deploy("ecs-svc/2", func(d *Deployment) { d.RolloutState, d.FailedTasks = ecs.RolloutFailed, 3 })
	if p := s.step(); len(p.Start)+len(p.Stop) > 0 {
		t.Errorf("a stalled deployment has the plan %+v", p)
	}
	s.exit(&s.Tasks[0], ecs.EssentialContainerExited)
	if p := s.step(); len(p.Start) != 1 || p.Start[0].DeploymentID != "ecs-svc/1" || p.Start[0].Count != 1 {
		t.Errorf("starts %+v", p.Start)
	}
	s.Service.DesiredCount = 0
	if p := s.step(); len(p.Stop) != 2 {
		t.Errorf("stops %+v", p.Stop)
	}
}

// TestNoPrimaryNoPlan: a service with another deployment controller has no primary deployment and gets no
// plan.
func TestNoPrimaryNoPlan(t *testing.T) {
	if p := (&scene{Service: service(3, 100, 200)}).next(epoch); len(p.Start)+len(p.Update)+len(p.Event) > 0 {
		t.Errorf("%+v", p)
	}
}

// BenchmarkNext plans a rolling update of 1,000 tasks.
func BenchmarkNext(b *testing.B) {
	s := settledService(1000)
	s.pass(time.Second)
	s.deploy("ecs-svc/2")
	b.ReportAllocs()
	v := s.view()
	for b.Loop() {
		if p := Next(v, s.now); p.Start[0].Count != 1000 {
			b.Fatal(p.Start)
		}
	}
}

// TestScaleInSparesHealthyTasks: a healthy task may rank first, but it is not stopped if too few healthy ones
// would be left (ecs.md 3.2.1).
func TestScaleInSparesHealthyTasks(t *testing.T) {
	s := settledService(2)
	s.Service.DesiredCount = 3
	s.step()
	s.pass(time.Second)
	s.Service.DesiredCount = 2
	s.Tasks[2].Rank = 9
	if p := s.step(); len(p.Stop) != 1 || p.Stop[0].TaskARN != "t03" {
		t.Errorf("stops %+v", p.Stop)
	}
}

// TestOldRevisionIsOnlyReplaced: tasks of an older deployment are started only to replace those that it lost,
// as far as tasks are missing. They are not started because more tasks are desired now (ecs.md 3.2.4).
func TestOldRevisionIsOnlyReplaced(t *testing.T) {
	for _, c := range []struct {
		name     string
		desired  int // of the service
		intended int // tasks the old deployment should have
		healthy  int
		pending  int
		want     int // starts of the old deployment
	}{
		{"scaled out with the deployment", 10, 2, 2, 0, 0},
		{"one lost and missed", 3, 3, 2, 0, 1},
		{"one lost, its replacement is on its way", 3, 3, 2, 1, 0},
		{"one lost but not missed, as another comes and fewer are desired", 2, 3, 1, 1, 0},
		{"two lost, one of them missed", 2, 3, 1, 0, 1},
	} {
		s := settledService(3)
		s.pass(time.Second)
		s.Tasks = s.Tasks[:c.healthy]
		for k := range c.pending {
			s.Tasks = append(s.Tasks,
				sceneTask{Task: ecs.Task{TaskARN: "p" + string(rune('0'+k)), StartedBy: "ecs-svc/1",
					LastStatus: ecs.Pending, DesiredStatus: ecs.Running, CreatedAt: s.now}})
		}
		s.deploy("ecs-svc/2")
		s.Service.DesiredCount = c.desired
		s.Deployments[0].DesiredCount = c.intended
		got := 0
		for _, x := range s.next(s.now).Start {
			if x.DeploymentID == "ecs-svc/1" {
				got += x.Count
			}
		}
		if got != c.want {
			t.Errorf("%s: %d started, want %d", c.name, got, c.want)
		}
	}
}

// TestNothingStopsForWhatCannotStart: while starts are delayed or the deployment is stalled, failing and old
// tasks are not stopped, since no healthy ones would replace them.
func TestNothingStopsForWhatCannotStart(t *testing.T) {
	for _, state := range []string{ecs.RolloutInProgress, ecs.RolloutFailed} {
		for _, scene := range []string{"failing tasks", "old tasks"} {
			s := newSim(service(2, 50, 100))
			s.deploy("ecs-svc/1", withTargets)
			s.run(20, nil)
			s.pass(time.Second)
			if scene == "old tasks" {
				s.deploy("ecs-svc/2", withTargets)
			} else {
				s.Tasks[0].States[0].State, s.Tasks[1].States[0].State = "unhealthy", "unhealthy"
			}
			d := &s.Deployments[len(s.Deployments)-1]
			d.RolloutState, d.Attempts, d.LastFailure, d.RetryAt = state, 3, s.now, s.now.Add(time.Minute)
			if p := s.step(); len(p.Stop)+len(p.Start) > 0 {
				t.Errorf("%s, %s: %+v", scene, state, p)
			}
		}
	}
}

// TestStalledDeploymentKeepsBoth: healthy tasks of both deployments stay, up to the upper bound.
func TestStalledDeploymentKeepsBoth(t *testing.T) {
	s := settledService(2)
	s.pass(time.Second)
	s.deploy("ecs-svc/2")
	s.step()
	s.pass(time.Minute)
	s.pass(time.Minute)
	s.deployment("ecs-svc/2").RolloutState = ecs.RolloutFailed
	if p := s.step(); len(p.Stop) > 0 || s.healthy() != 4 {
		t.Errorf("%d healthy, stops %+v", s.healthy(), p.Stop)
	}
	s.Service.DeploymentConfiguration.MaximumPercent = 150
	if p := s.step(); len(p.Stop) != 1 || !strings.HasPrefix(p.Stop[0].TaskARN, "t01") {
		t.Errorf("stops %+v", p.Stop)
	}
}

// TestHungDeploymentMakesWay: tasks that never get a verdict do not block a newer deployment that fixes them,
// even if the bounds allow no additional task (ecs.md 3.1.4).
func TestHungDeploymentMakesWay(t *testing.T) {
	s := newSim(service(4, 100, 110))
	s.deploy("ecs-svc/1")
	s.delay["ecs-svc/1"] = 24 * time.Hour
	s.step()
	s.pass(time.Minute)
	s.deploy("ecs-svc/2")
	if p := s.step(); len(p.Stop) != 4 || len(p.Start) != 1 || p.Start[0].Count != 4 {
		t.Errorf("%+v", p)
	}
}

// TestBrokenRevisionMakesWay: a deployment was completed and then began to fail. It does not block the
// deployment that fixes it, although few tasks are healthy and the maximum allows no additional task.
func TestBrokenRevisionMakesWay(t *testing.T) {
	s := newSim(service(3, 50, 100))
	s.deploy("ecs-svc/1", withTargets)
	s.run(20, nil)
	s.broken["ecs-svc/1"] = failsChecks
	s.pass(time.Second)
	s.run(30, nil)
	s.deploy("ecs-svc/2", withTargets)
	if !s.run(30, nil) || s.deployment("ecs-svc/2").RolloutState != ecs.RolloutCompleted {
		t.Errorf("%+v\n%+v", s.Deployments, s.Tasks)
	}
}
