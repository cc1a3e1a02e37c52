package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHealthOf: the healthy test of ecs.md 3.2.3 and the grace period of 3.2.5.
func TestHealthOf(t *testing.T) {
	started := epoch
	tg := func(states ...string) []Target {
		var list []Target
		for _, s := range states {
			list = append(list, Target{State: s})
		}
		return list
	}
	for _, c := range []struct {
		name    string
		targets int
		checks  bool
		grace   time.Duration
		status  string
		health  string
		states  []Target
		age     time.Duration
		want    Health
		again   time.Duration // after the start
	}{
		{"pending", 0, false, 0, "PENDING", "UNKNOWN", nil, time.Hour, Starting, 0},
		{"activating", 1, false, 0, "ACTIVATING", "UNKNOWN", tg("healthy"), time.Hour, Starting, 0},
		{"no checks, young", 0, false, 0, "RUNNING", "UNKNOWN", nil, 39 * time.Second, Starting, 40 * time.Second},
		{"no checks, 40 s", 0, false, 0, "RUNNING", "UNKNOWN", nil, 40 * time.Second, Healthy, 0},
		{"no checks: a verdict for no check does not matter", 0, false, 0, "RUNNING", "UNHEALTHY", nil, time.Minute, Healthy, 0},
		{"container check passes at once", 0, true, 0, "RUNNING", "HEALTHY", nil, time.Second, Healthy, 0},
		{"container check without verdict", 0, true, 0, "RUNNING", "UNKNOWN", nil, time.Hour, Starting, 0},
		{"container check fails", 0, true, 0, "RUNNING", "UNHEALTHY", nil, time.Second, Unhealthy, 0},
		{"container check fails in the grace period", 0, true, time.Minute, "RUNNING", "UNHEALTHY", nil, time.Second, Starting, time.Minute},
		{"grace period over", 0, true, time.Minute, "RUNNING", "UNHEALTHY", nil, time.Minute, Unhealthy, 0},
		{"target healthy", 1, false, 0, "RUNNING", "UNKNOWN", tg("healthy"), time.Second, Healthy, 0},
		{"target healthy in the grace period", 1, false, time.Hour, "RUNNING", "UNKNOWN", tg("healthy"), time.Second, Healthy, 0},
		{"target initial", 1, false, 0, "RUNNING", "UNKNOWN", tg("initial"), time.Hour, Starting, 0},
		{"not registered yet", 1, false, 0, "RUNNING", "UNKNOWN", nil, time.Hour, Starting, 0},
		{"one of two targets", 2, false, 0, "RUNNING", "UNKNOWN", tg("healthy"), time.Hour, Starting, 0},
		{"both targets", 2, false, 0, "RUNNING", "UNKNOWN", tg("healthy", "healthy"), time.Second, Healthy, 0},
		{"one target fails", 2, false, 0, "RUNNING", "UNKNOWN", tg("healthy", "unhealthy"), time.Second, Unhealthy, 0},
		{"target fails in the grace period", 1, false, time.Minute, "RUNNING", "UNKNOWN", tg("unhealthy"), time.Second, Starting, time.Minute},
		{"both kinds pass", 1, true, 0, "RUNNING", "HEALTHY", tg("healthy"), time.Second, Healthy, 0},
		{"target passes, container has no verdict", 1, true, 0, "RUNNING", "UNKNOWN", tg("healthy"), time.Hour, Starting, 0},
		{"target passes, container fails", 1, true, 0, "RUNNING", "UNHEALTHY", tg("healthy"), time.Second, Unhealthy, 0},
		{"container passes, target draining", 1, true, 0, "RUNNING", "HEALTHY", tg("draining"), time.Second, Starting, 0},
	} {
		v := View{HealthyAfter: 40 * time.Second, Service: Service{GracePeriod: c.grace}}
		d := Deployment{Targets: c.targets, ContainerChecks: c.checks}
		got, again := HealthOf(&v, &d, &Task{Status: c.status, Health: c.health, Targets: c.states, StartedAt: started}, started.Add(c.age))
		var want time.Time
		if c.again > 0 {
			want = started.Add(c.again)
		}
		if got != c.want || !again.Equal(want) {
			t.Errorf("%s: got %v again at %v, want %v at %v", c.name, got, again, c.want, want)
		}
	}
}

// TestThreshold: ecs.md 3.5.1.
func TestThreshold(t *testing.T) {
	for _, c := range []struct {
		b             Breaker
		desired, want int
	}{
		{Breaker{}, 1, 3}, {Breaker{}, 25, 13}, {Breaker{}, 400, 200}, {Breaker{}, 800, 200}, {Breaker{}, 0, 3}, {Breaker{}, 7, 4},
		{Breaker{Type: BoundedPercent, Value: 10}, 100, 10}, {Breaker{Type: BoundedPercent, Value: 1}, 100, 3},
		{Breaker{Type: UnboundedPercent, Value: 1}, 100, 1}, {Breaker{Type: UnboundedPercent}, 800, 400}, {Breaker{Type: UnboundedPercent, Value: 10}, 0, 1},
		{Breaker{Type: Count, Value: 2}, 800, 2}, {Breaker{Type: Count, Value: 500}, 1, 500},
	} {
		if got := c.b.Threshold(c.desired); got != c.want {
			t.Errorf("%+v of %d: got %d, want %d", c.b, c.desired, got, c.want)
		}
	}
}

// settledService is a service with its tasks running well for a minute.
func settledService(desired int) *sim {
	s := newSim(Service{Desired: desired, MinimumHealthyPercent: 100, MaximumPercent: 200})
	s.deploy("ecs-svc/1")
	for !s.run(1, nil) {
	}
	return s
}

// TestSteadyIsToldEverySixHours: and not in between (ecs.md 1.7.4).
func TestSteadyIsToldEverySixHours(t *testing.T) {
	s := settledService(1)
	told := s.Service.SteadyAt
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {time.Hour, 0}, {6*time.Hour - time.Second, 0}, {6 * time.Hour, 1}} {
		p := Next(s.View, told.Add(c.after))
		if len(p.Event) != c.want {
			t.Errorf("after %v: events %v", c.after, p.Event)
		}
		if want := p.SteadyAt.Add(6 * time.Hour); !p.WakeAt.Equal(want) {
			t.Errorf("after %v: wakes at %v, want %v", c.after, p.WakeAt, want)
		}
	}
	s.Tasks[0].Status = "STOPPING"
	if p := Next(s.View, told); !p.SteadyAt.IsZero() {
		t.Error("steady with a task that goes")
	}
}

// TestFailuresAreCountedOnce: a failed launch is in the marks with its task named, and not again once that is kept.
func TestFailuresAreCountedOnce(t *testing.T) {
	s := settledService(1)
	failed := Task{ID: "x", DeploymentID: "ecs-svc/1", Status: "STOPPED", Desired: "STOPPED", StopCode: "TaskFailedToStart", CreatedAt: s.now}
	for _, c := range []struct {
		name   string
		change func(*Task)
		want   int
	}{
		{"failed to start", func(*Task) {}, 1},
		{"essential container exited before the task ran", func(t *Task) { t.StopCode = "EssentialContainerExited" }, 1},
		{"counted already", func(t *Task) { t.Counted = true }, 0},
		{"it ran for less than 40 s", func(t *Task) { t.StartedAt, t.EndedAt = s.now.Add(-39*time.Second), s.now }, 1},
		{"it ran for 40 s", func(t *Task) { t.StartedAt, t.EndedAt = s.now.Add(-40*time.Second), s.now }, 0},
		{"stopped by us", func(t *Task) { t.StopCode = "ServiceSchedulerInitiated" }, 0},
		{"stopped by a user", func(t *Task) { t.StopCode = "UserInitiated" }, 0},
		{"of a deployment that is gone", func(t *Task) { t.DeploymentID = "ecs-svc/0" }, 0},
	} {
		task := failed
		c.change(&task)
		v := s.View
		v.Tasks = append(slices.Clone(s.Tasks), task)
		p := Next(v, s.now)
		got := 0
		for _, m := range p.Mark {
			got += m.FailedTasks
		}
		if named := slices.Contains(p.Counted, "x"); got != c.want || named == task.Counted {
			t.Errorf("%s: %d failed, named %v", c.name, got, named)
		}
	}
}

// TestRoundsOfFailures: tasks that fail together delay the next attempt once; the delay doubles from the base to 15 minutes
// (ecs.md 3.4).
func TestRoundsOfFailures(t *testing.T) {
	s := newSim(Service{Desired: 8, MinimumHealthyPercent: 100, MaximumPercent: 200})
	s.deploy("ecs-svc/1")
	var delays []time.Duration
	for range 9 {
		s.step()
		for k := range s.Tasks { // half now, half a little later
			if k%2 == 0 {
				s.exit(&s.Tasks[k], "EssentialContainerExited")
			}
		}
		s.now = s.now.Add(time.Second)
		p := s.step()
		delays = append(delays, p.WakeAt.Sub(s.now))
		s.now = s.now.Add(time.Second)
		for k := range s.Tasks {
			s.exit(&s.Tasks[k], "EssentialContainerExited")
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
		t.Errorf("complains of %q", p.Complaint)
	}
	s.deploy("ecs-svc/2")
	if p := s.step(); len(p.Start) != 1 || p.Start[0].DeploymentID != "ecs-svc/2" || p.Start[0].Count != 8 {
		t.Errorf("a new deployment is not held back: %+v", p)
	}
}

// TestKeepFailures: with resetOnHealthyTask off, a healthy task does not make failures forgotten (ecs.md 3.5.1).
func TestKeepFailures(t *testing.T) {
	for _, keep := range []bool{false, true} {
		s := newSim(Service{Desired: 2, MinimumHealthyPercent: 100, MaximumPercent: 200, Breaker: Breaker{Enable: true, Keep: keep}})
		s.deploy("ecs-svc/1", func(d *Deployment) { d.FailedTasks = 2 })
		s.step()
		s.pass(time.Second)
		s.now = s.now.Add(time.Minute)
		p := s.step()
		if got, want := p.Mark[0].FailedTasks, map[bool]int{false: 0, true: 2}[keep]; got != want {
			t.Errorf("keep %v: %d failed tasks", keep, got)
		}
	}
}

// TestNewestWins: a deployment that starts while another is on its way replaces it; tasks without a verdict of the one that
// never was completed go at once, those of the completed one serve on (ecs.md 3.1.4).
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
		stopped = append(stopped, x.TaskID)
	}
	if want := []string{"t03", "t04"}; !slices.Equal(stopped, want) {
		t.Errorf("stops %v, want %v", stopped, want)
	}
	if len(p.Start) != 1 || p.Start[0].DeploymentID != "ecs-svc/3" || p.Start[0].Count != 2 {
		t.Errorf("starts %+v", p.Start)
	}
}

// TestStalledDeployment: a failed deployment that may not roll back launches nothing. Tasks of the completed one serve on and
// are replaced by their like (ecs.md 3.2.4, 3.5.2); scaling to nothing still works.
func TestStalledDeployment(t *testing.T) {
	s := settledService(2)
	s.Service.Breaker = Breaker{Enable: true}
	s.pass(time.Second)
	s.deploy("ecs-svc/2", func(d *Deployment) { d.RolloutState, d.FailedTasks = Failed, 3 })
	if p := s.step(); len(p.Start)+len(p.Stop) > 0 {
		t.Errorf("a stalled deployment moves: %+v", p)
	}
	s.exit(&s.Tasks[0], "EssentialContainerExited")
	if p := s.step(); len(p.Start) != 1 || p.Start[0].DeploymentID != "ecs-svc/1" || p.Start[0].Count != 1 {
		t.Errorf("starts %+v", p.Start)
	}
	s.Service.Desired = 0
	if p := s.step(); len(p.Stop) != 2 {
		t.Errorf("stops %+v", p.Stop)
	}
}

// TestNoPrimaryNoPlan: a service of another deployment controller has none.
func TestNoPrimaryNoPlan(t *testing.T) {
	if p := Next(View{Service: Service{Desired: 3}}, epoch); len(p.Start)+len(p.Mark)+len(p.Event) > 0 {
		t.Errorf("%+v", p)
	}
}

// BenchmarkNext plans a rolling update of 1,000 tasks.
func BenchmarkNext(b *testing.B) {
	s := settledService(1000)
	s.pass(time.Second)
	s.deploy("ecs-svc/2")
	b.ReportAllocs()
	for b.Loop() {
		if p := Next(s.View, s.now); p.Start[0].Count != 1000 {
			b.Fatal(p.Start)
		}
	}
}

// TestScaleInSparesHealthyTasks: a rank may prefer a healthy task, but not if too few would be left (ecs.md 3.2.1).
func TestScaleInSparesHealthyTasks(t *testing.T) {
	s := settledService(2)
	s.Service.Desired = 3
	s.step()
	s.pass(time.Second)
	s.Service.Desired = 2
	s.Tasks[2].StopRank = 9
	if p := s.step(); len(p.Stop) != 1 || p.Stop[0].TaskID != "t03" {
		t.Errorf("stops %+v", p.Stop)
	}
}

// TestOldRevisionIsOnlyReplaced: tasks of an older deployment are started for those it lost, as far as they are missed, and not
// because more are desired now (ecs.md 3.2.4).
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
			s.Tasks = append(s.Tasks, Task{ID: "p" + string(rune('0'+k)), DeploymentID: "ecs-svc/1", Status: "PENDING", Desired: "RUNNING", CreatedAt: s.now})
		}
		s.deploy("ecs-svc/2")
		s.Service.Desired = c.desired
		s.Deployments[0].Desired = c.intended
		got := 0
		for _, x := range Next(s.View, s.now).Start {
			if x.DeploymentID == "ecs-svc/1" {
				got += x.Count
			}
		}
		if got != c.want {
			t.Errorf("%s: %d started, want %d", c.name, got, c.want)
		}
	}
}

// TestNothingStopsForWhatCannotStart: while launches are held back or the deployment stands still, failing and old tasks stay
// where no healthy ones replace them.
func TestNothingStopsForWhatCannotStart(t *testing.T) {
	for _, state := range []string{InProgress, Failed} {
		for _, scene := range []string{"failing tasks", "old tasks"} {
			s := newSim(Service{Desired: 2, MinimumHealthyPercent: 50, MaximumPercent: 100})
			s.deploy("ecs-svc/1", withTargets)
			s.run(20, nil)
			s.pass(time.Second)
			if scene == "old tasks" {
				s.deploy("ecs-svc/2", withTargets)
			} else {
				s.Tasks[0].Targets[0].State, s.Tasks[1].Targets[0].State = "unhealthy", "unhealthy"
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
	s.deployment("ecs-svc/2").RolloutState = Failed
	if p := s.step(); len(p.Stop) > 0 || s.healthy() != 4 {
		t.Errorf("%d healthy, stops %+v", s.healthy(), p.Stop)
	}
	s.Service.MaximumPercent = 150
	if p := s.step(); len(p.Stop) != 1 || !strings.HasPrefix(p.Stop[0].TaskID, "t01") {
		t.Errorf("stops %+v", p.Stop)
	}
}

// TestHungDeploymentMakesWay: tasks that never get their verdict do not block the deployment that mends them, even if there is
// no room beside them (ecs.md 3.1.4).
func TestHungDeploymentMakesWay(t *testing.T) {
	s := newSim(Service{Desired: 4, MinimumHealthyPercent: 100, MaximumPercent: 110})
	s.deploy("ecs-svc/1")
	s.delay["ecs-svc/1"] = 24 * time.Hour
	s.step()
	s.pass(time.Minute)
	s.deploy("ecs-svc/2")
	if p := s.step(); len(p.Stop) != 4 || len(p.Start) != 1 || p.Start[0].Count != 4 {
		t.Errorf("%+v", p)
	}
}

// TestBrokenRevisionMakesWay: a deployment that was completed and then began to fail does not take the room of the one that mends
// it, although few tasks are healthy and the maximum leaves no room beside.
func TestBrokenRevisionMakesWay(t *testing.T) {
	s := newSim(Service{Desired: 3, MinimumHealthyPercent: 50, MaximumPercent: 100})
	s.deploy("ecs-svc/1", withTargets)
	s.run(20, nil)
	s.broken["ecs-svc/1"] = failsChecks
	s.pass(time.Second)
	s.run(30, nil)
	s.deploy("ecs-svc/2", withTargets)
	if !s.run(30, nil) || s.deployment("ecs-svc/2").RolloutState != Completed {
		t.Errorf("%+v\n%+v", s.Deployments, s.Tasks)
	}
}
