package rollout

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
)

// serviceGen draws a service without problems.
func serviceGen() *rapid.Generator[ecs.Service] {
	return rapid.Custom(func(t *rapid.T) ecs.Service {
		sv := service(rapid.IntRange(0, 12).Draw(t, "desired"),
			rapid.SampledFrom([]int{0, 25, 50, 75, 100}).Draw(t, "min"),
			rapid.SampledFrom([]int{100, 125, 150, 200, 300}).Draw(t, "max"))
		if rapid.Bool().Draw(t, "alarms") {
			sv.DeploymentConfiguration.Alarms = &ecs.DeploymentAlarms{
				AlarmNames: []string{"slow"}, Enable: true, Rollback: rapid.Bool().Draw(t, "rollback by alarm"),
			}
		}
		sv.HealthCheckGracePeriodSeconds = new(60 * rapid.IntRange(0, 2).Draw(t, "grace"))
		return withBreaker(sv, &ecs.CircuitBreaker{Enable: rapid.Bool().Draw(t, "breaker"),
			Rollback: rapid.Bool().Draw(t, "rollback"), ResetOnHealthyTask: new(!rapid.Bool().Draw(t, "keep"))})
	})
}

// movable returns the service with bounds that allow a deployment. Settings that allow neither a stop nor a
// start block deployments, as on AWS.
func movable(sv ecs.Service) ecs.Service {
	if lower, upper := within(sv); lower == upper {
		sv.DeploymentConfiguration.MinimumHealthyPercent = 0
	}
	return sv
}

var deploymentIDs = []string{"ecs-svc/1", "ecs-svc/2", "ecs-svc/3"}

// sceneGen draws any scene, also one that cannot occur, because safety must not depend on the history.
func sceneGen() *rapid.Generator[*scene] {
	return rapid.Custom(func(t *rapid.T) *scene {
		v := &scene{Service: serviceGen().Draw(t, "service"), HealthyAfter: 40 * time.Second,
			RetryBase:   10 * time.Second,
			StableAfter: rapid.SampledFrom([]time.Duration{0, 40 * time.Second}).Draw(t, "stable after"),
			Uneven:      rapid.IntRange(0, 5).Draw(t, "uneven") == 0}
		v.Service.AvailabilityZoneRebalancing = rapid.SampledFrom(
			[]string{ecs.RebalancingEnabled, ecs.RebalancingDisabled}).Draw(t, "asks for rebalancing")
		if rapid.IntRange(0, 9).Draw(t, "deleting") == 0 {
			v.Service.Status = ecs.ServiceDraining
		}
		v.Progress.Unplaced = rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "unplaced")
		v.Progress.Rebalancing = rapid.IntRange(0, 5).Draw(t, "rebalancing") == 0
		count := rapid.IntRange(1, 3).Draw(t, "deployments")
		for k := range count {
			d := deploymentGen(k).Draw(t, "deployment")
			if k == count-1 {
				d.Status = ecs.DeploymentPrimary
			}
			v.Deployments = append(v.Deployments, d)
		}
		for k := range rapid.IntRange(0, 20).Draw(t, "tasks") {
			v.Tasks = append(v.Tasks, taskGen(k).Draw(t, "task"))
		}
		v.MostStops = mostStops(t)
		if rapid.IntRange(0, 9).Draw(t, "firing") == 0 {
			v.Firing = []string{"slow"}
		}
		v.BakeTime = rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Minute}).Draw(t, "bake time")
		v.RollbackRequested = rapid.IntRange(0, 9).Draw(t, "rollback requested") == 0
		return v
	})
}

// mostStops draws the highest number of stops in a plan, or 0 for no limit.
func mostStops(t *rapid.T) int { return rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "most stops") }

func deploymentGen(k int) *rapid.Generator[Deployment] {
	return rapid.Custom(func(t *rapid.T) Deployment {
		d := Deployment{ContainerChecks: rapid.Bool().Draw(t, "checks"), Deployment: ecs.Deployment{
			ID: deploymentIDs[k], Status: ecs.DeploymentActive, CreatedAt: epoch.Add(time.Duration(k) * time.Minute),
			DesiredCount: rapid.IntRange(0, 12).Draw(t, "its desired"),
			RolloutState: rapid.SampledFrom([]string{
				ecs.RolloutInProgress, ecs.RolloutCompleted, ecs.RolloutFailed,
			}).Draw(t, "state"),
			FailedTasks: rapid.IntRange(0, 6).Draw(t, "failed"),
			Attempts:    rapid.IntRange(0, 4).Draw(t, "attempts"),
		}}
		balanced(&d, rapid.IntRange(0, 2).Draw(t, "targets"))
		d.LastFailure = epoch.Add(time.Duration(rapid.IntRange(-300, 0).Draw(t, "last failure")) * time.Second)
		if d.RolloutState == ecs.RolloutCompleted {
			d.CompletedAt = d.CreatedAt
		}
		if d.RolloutState == ecs.RolloutInProgress && rapid.Bool().Draw(t, "baking") {
			d.BakeUntil = epoch.Add(time.Duration(rapid.IntRange(-300, 300).Draw(t, "bake until")) * time.Second)
		}
		d.RetryAt = d.LastFailure.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "retry")) * time.Second)
		if rapid.IntRange(0, 5).Draw(t, "cannot launch") == 0 {
			d.CannotLaunch = "no role"
		}
		return d
	})
}

func taskGen(k int) *rapid.Generator[sceneTask] {
	return rapid.Custom(func(t *rapid.T) sceneTask {
		x := sceneTask{
			Draining: rapid.IntRange(0, 9).Draw(t, "draining") == 0,
			Rank:     rapid.IntRange(0, 3).Draw(t, "rank"),
		}
		x.Task = ecs.Task{
			TaskARN: "t" + string(rune('a'+k)), StartedBy: rapid.SampledFrom(deploymentIDs).Draw(t, "of"),
			LastStatus: rapid.SampledFrom([]ecs.TaskStatus{ecs.Provisioning, ecs.Pending, ecs.Activating, ecs.Running,
				ecs.Running, ecs.Running, ecs.Stopping, ecs.Stopped}).Draw(t, "status"),
			DesiredStatus: rapid.SampledFrom([]ecs.TaskStatus{
				ecs.Running, ecs.Running, ecs.Running, ecs.Stopped,
			}).Draw(t, "desired"),
			HealthStatus: rapid.SampledFrom([]string{"UNKNOWN", "HEALTHY", "HEALTHY", "UNHEALTHY"}).Draw(t, "health"),
			CreatedAt:    epoch.Add(-time.Duration(rapid.IntRange(0, 600).Draw(t, "age")) * time.Second),
			EndCounted:   rapid.Bool().Draw(t, "counted"), WasHealthy: rapid.Bool().Draw(t, "was healthy"),
			StopCode: rapid.SampledFrom([]string{
				"", ecs.EssentialContainerExited, ecs.UserInitiated,
			}).Draw(t, "code"),
			ContainerInstanceARN: rapid.SampledFrom([]string{"i1", "i2", "i3", "i4"}).Draw(t, "instance"),
		}
		if x.LastStatus == ecs.Running || rapid.Bool().Draw(t, "ran") {
			x.StartedAt = x.CreatedAt.Add(time.Second)
		}
		if x.DesiredStatus == ecs.Stopped {
			x.StoppingAt = epoch.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "ended")) * time.Second)
		}
		if rapid.IntRange(0, 3).Draw(t, "protected") == 0 {
			x.ProtectedUntil = epoch.Add(time.Duration(rapid.IntRange(-5, 60).Draw(t, "until")) * time.Minute)
		}
		x.register(rapid.SliceOfN(rapid.SampledFrom([]string{
			"initial", "healthy", "healthy", "unhealthy", "draining",
		}), 0, 2).Draw(t, "targets")...)
		return x
	})
}

// TestBounds: in any scene, a plan starts no task above the upper bound, and its stops leave at least the
// lower bound of healthy tasks (ecs.md 3.2.1, 3.2.2).
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := sceneGen().Draw(t, "scene")
		p := v.next(epoch)
		if v.MostStops > 0 && len(p.Stop) > v.MostStops {
			t.Fatalf("%d stops, at most %d allowed", len(p.Stop), v.MostStops)
		}
		s := &sim{scene: *v.clone(), now: epoch}
		liveBefore, healthyBefore := s.live(), s.healthy()
		s.apply(Plan{Stop: p.Stop})
		lower, upper := within(v.Service)
		healthyAfter := s.healthy()
		s.apply(Plan{Start: p.Start})
		if n := s.live(); len(p.Start) > 0 && n > upper {
			t.Fatalf("%d live tasks after starts, at most %d allowed (%d before)\n%+v", n, upper, liveBefore, p)
		}
		if healthyAfter < healthyBefore && healthyAfter < lower {
			t.Fatalf("stops leave %d of %d healthy tasks, at least %d needed\n%+v", healthyAfter,
				healthyBefore, lower, p)
		}
	})
}

// TestProtectedTasksStay: a protected task is not stopped by scale-in, deployments or draining. It is stopped
// when its health checks fail or its service is deleted (ecs.md 3.10).
func TestProtectedTasksStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := sceneGen().Draw(t, "scene")
		shown := v.view()
		for _, x := range Next(shown, epoch).Stop {
			task := v.Tasks[slices.IndexFunc(v.Tasks, func(t sceneTask) bool { return t.TaskARN == x.TaskARN })]
			allowed := x.Cause == CauseUnhealthy || x.Cause == CauseDeletion ||
				shown.Cluster.Draining()[task.ContainerInstanceARN] && task.LastStatus != ecs.Running
			if epoch.Before(task.ProtectedUntil) && !allowed {
				t.Fatalf("protected task stopped: %+v %+v", x, task)
			}
		}
	})
}

// TestPlanIsSound: the order of the scene does not change a plan. A plan stops only live tasks, each once,
// starts only tasks of existing deployments, wakes at a later time, and does not change the view.
func TestPlanIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := sceneGen().Draw(t, "scene")
		if rapid.Bool().Draw(t, "daemon") {
			v = asDaemon(t, v)
		}
		p := v.next(epoch)
		w := v.clone()
		w.Tasks = rapid.Permutation(v.Tasks).Draw(t, "tasks")
		w.Deployments = rapid.Permutation(v.Deployments).Draw(t, "deployments")
		kept, shown := w.view(), w.view()
		q := Next(shown, epoch)
		if !reflect.DeepEqual(kept, shown) {
			t.Fatal("the view was changed")
		}
		sortUpdates(p.Update)
		sortUpdates(q.Update)
		if !reflect.DeepEqual(p, q) {
			t.Fatalf("order matters:\n%+v\n%+v", p, q)
		}
		if !p.WakeAt.IsZero() && !p.WakeAt.After(epoch) {
			t.Fatalf("wakes at %v", p.WakeAt)
		}
		seen := map[string]bool{}
		for _, x := range p.Stop {
			task := v.Tasks[slices.IndexFunc(v.Tasks, func(t sceneTask) bool { return t.TaskARN == x.TaskARN })]
			if seen[x.TaskARN] || task.DesiredStatus != ecs.Running || x.Reason == "" ||
				strings.HasSuffix(x.Reason, "( )") {
				t.Fatalf("bad stop %+v of %+v", x, task)
			}
			seen[x.TaskARN] = true
		}
		for _, x := range p.Start {
			if x.Count <= 0 || !slices.ContainsFunc(v.Deployments,
				func(d Deployment) bool { return d.ID == x.DeploymentID }) {
				t.Fatalf("bad start %+v", x)
			}
		}
	})
}

// TestNothingIsLaunchedThatCannotBe: a deployment whose tasks cannot be launched starts none. Each round of
// failures has one event and sets the time of the next round.
func TestNothingIsLaunchedThatCannotBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := sceneGen().Draw(t, "scene")
		if rapid.Bool().Draw(t, "daemon") {
			v = asDaemon(t, v)
		}
		p := v.next(epoch)
		unable := 0
		for _, d := range v.Deployments {
			if d.CannotLaunch == "" {
				continue
			}
			unable++
			if slices.ContainsFunc(p.Start, func(x Start) bool { return x.DeploymentID == d.ID }) {
				t.Fatalf("started: %+v", p.Start)
			}
		}
		told := 0
		for _, e := range p.Event {
			if strings.Contains(e.Message, "failed to launch a task with (error no role).") {
				told++
			}
		}
		if told > unable || told > 0 && p.WakeAt.IsZero() {
			t.Fatalf("%d events of %d deployments, wakes at %v: %v", told, unable, p.WakeAt, p.Event)
		}
	})
}

// TestLaunchesThatFailAreSlowedDown: without the task role, a deployment fails in rounds. The wait doubles
// after each round, until the circuit breaker ends the deployment. When the role exists, the service becomes
// steady.
func TestLaunchesThatFailAreSlowedDown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		broken := breaker(false)
		broken.Enable = rapid.Bool().Draw(t, "breaker")
		sv := withBreaker(service(rapid.IntRange(1, 9).Draw(t, "desired"), 50, 200), broken)
		s := newSim(sv)
		s.deploy(deploymentIDs[0], func(d *Deployment) { d.CannotLaunch = "no role" })
		rounds, last := 0, time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			p := s.step()
			d := s.Deployments[0]
			if len(p.Start) > 0 || d.FailedTasks != d.Attempts*sv.DesiredCount {
				t.Fatalf("%+v of %+v", p, d)
			}
			if d.Attempts > rounds {
				if wait := min(10*time.Second<<max(0, rounds-1), maxRetryDelay); rounds > 0 &&
					s.now.Before(last.Add(wait)) {
					t.Fatalf("round %d started %v after the one before", d.Attempts, s.now.Sub(last))
				}
				rounds, last = d.Attempts, s.now
			}
			if failed := d.RolloutState == ecs.RolloutFailed; failed && !broken.Enable {
				t.Fatal("failed without a circuit breaker")
			}
			s.pass(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
		}
		if d := s.Deployments[0]; broken.Enable && d.FailedTasks >= broken.Threshold(sv.DesiredCount) {
			if s.step(); s.Deployments[0].RolloutState != ecs.RolloutFailed {
				t.Fatalf("%+v", s.Deployments[0])
			}
			return
		}
		s.Deployments[0].CannotLaunch = ""
		s.pass(maxRetryDelay)
		if !s.run(200, nil) || s.live() != sv.DesiredCount {
			t.Fatalf("%+v\n%+v", s.Deployments, s.Tasks)
		}
	})
}

func sortUpdates(list []ecs.Deployment) {
	slices.SortFunc(list, func(a, b ecs.Deployment) int { return strings.Compare(a.ID, b.ID) })
}

// TestConverges: if all started tasks become healthy, a service ends with exactly its desired tasks, all of
// the primary deployment. Deployments and new desired counts may come in between. The service then stays
// steady.
func TestConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sv := serviceGen().Draw(t, "service")
		sv = movable(sv)
		s := newSim(sv)
		flavour := rapid.SampledFrom([]func(*Deployment){func(*Deployment) {}, withTargets, withChecks})
		s.MostStops = mostStops(t)
		for _, id := range deploymentIDs[:rapid.IntRange(1, 3).Draw(t, "deployments")] {
			s.deploy(id, flavour.Draw(t, "flavour"))
			s.delay[id] = time.Duration(rapid.IntRange(0, 90).Draw(t, "delay")) * time.Second
			s.run(rapid.IntRange(0, 30).Draw(t, "steps"), nil)
			if k := rapid.IntRange(0, 20).Draw(t, "drained"); k < len(s.Tasks) {
				s.Tasks[k].Draining = true
			}
		}
		if !s.run(400, nil) {
			t.Fatalf("not steady: %+v\n%+v\n%v", s.Tasks, s.Deployments, s.events)
		}
		primary := s.Deployments[0]
		if len(s.Deployments) != 1 || primary.RolloutState != ecs.RolloutCompleted || primary.FailedTasks != 0 {
			t.Fatalf("deployments %+v", s.Deployments)
		}
		if s.live() != sv.DesiredCount || len(s.Tasks) != sv.DesiredCount {
			t.Fatalf("tasks %+v", s.Tasks)
		}
		for _, x := range s.Tasks {
			if x.StartedBy != primary.ID || x.Draining {
				t.Fatalf("task %+v", x)
			}
		}
		s.pass(time.Minute)
		if p := s.step(); len(p.Start)+len(p.Stop)+len(p.Update)+len(p.Event) > 0 {
			t.Fatalf("a steady service has the plan %+v", p)
		}
	})
}

// TestBreakerRollsBack: if all tasks of a new deployment fail, in any way, the circuit breaker trips exactly
// at its threshold. The service then returns to the deployment that was completed before (ecs.md 3.5.1,
// 3.5.2).
func TestBreakerRollsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sv := serviceGen().Draw(t, "service")
		sv.DesiredCount = max(1, sv.DesiredCount)
		sv = withBreaker(sv, breaker(true))
		sv = movable(sv)
		s := newSim(sv)
		s.MostStops = mostStops(t)
		s.deploy(deploymentIDs[0], withTargets)
		if !s.run(50, nil) {
			t.Fatal("the first deployment does not work")
		}
		s.deploy(deploymentIDs[1], withTargets)
		s.broken[deploymentIDs[1]] = rapid.SampledFrom(
			[]failing{neverStarts, failsChecks, exitsSoon}).Draw(t, "failing")
		tripped := false
		steady := s.run(2000, func(p Plan) {
			for _, m := range p.Update {
				if m.ID == deploymentIDs[1] && m.RolloutState == ecs.RolloutFailed && !tripped {
					tripped = true
					if m.FailedTasks < breaker(true).Threshold(sv.DesiredCount) {
						t.Fatalf("tripped at %d failed tasks", m.FailedTasks)
					}
				}
				if !tripped && m.ID == deploymentIDs[1] && m.FailedTasks >= breaker(true).Threshold(sv.DesiredCount) {
					t.Fatalf("not tripped at %d failed tasks", m.FailedTasks)
				}
			}
			for _, x := range p.Start {
				if tripped && x.DeploymentID == deploymentIDs[1] {
					t.Fatalf("a failed deployment starts tasks: %+v", p)
				}
			}
		})
		if !tripped || !steady {
			t.Fatalf("tripped %v, steady %v\n%+v\n%+v\n%v", tripped, steady, s.Tasks, s.Deployments, s.events)
		}
		if d := s.Deployments[0]; len(s.Deployments) != 1 || d.ID != deploymentIDs[0] ||
			d.RolloutState != ecs.RolloutCompleted || s.live() != sv.DesiredCount {
			t.Fatalf("ended with %+v\n%+v", s.Deployments, s.Tasks)
		}
	})
}

// A user may ask for a rollback, or an alarm may go off, at any step of a deployment, also while alarms watch it after
// its tasks have become healthy. The service ends with all tasks of the older revision if the deployment was in
// progress, and of the newer one otherwise (ecs.md 3.5.3, 3.6).
func TestRollsBackAtAnyStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sv := serviceGen().Draw(t, "service")
		sv.DesiredCount = max(1, sv.DesiredCount)
		sv = movable(sv)
		sv.DeploymentConfiguration.Alarms = &ecs.DeploymentAlarms{
			AlarmNames: []string{"slow"}, Enable: true, Rollback: true,
		}
		s := newSim(sv)
		s.deploy(deploymentIDs[0], withTargets)
		if !s.run(50, nil) {
			t.Fatal("the first deployment does not work")
		}
		s.BakeTime = rapid.SampledFrom([]time.Duration{0, time.Minute, 5 * time.Minute}).Draw(t, "bake time")
		s.deploy(deploymentIDs[1], withTargets)
		byAlarm, at := rapid.Bool().Draw(t, "by an alarm"), rapid.IntRange(0, 40).Draw(t, "step")
		want := deploymentIDs[1]
		for step := range 400 {
			d := s.deployment(deploymentIDs[1])
			if step == at && d.Status == ecs.DeploymentPrimary && d.RolloutState == ecs.RolloutInProgress {
				want, s.BakeTime = deploymentIDs[0], 0
				if s.RollbackRequested = !byAlarm; byAlarm {
					s.Firing = []string{"slow"}
				}
			}
			s.step()
			s.Firing, s.RollbackRequested = nil, false
			s.pass(20 * time.Second)
		}
		if d := s.Deployments[0]; len(s.Deployments) != 1 || d.ID != want || d.RolloutState != ecs.RolloutCompleted ||
			s.live() != sv.DesiredCount {
			t.Fatalf("ended with %+v\n%+v, want %s", s.Deployments, s.Tasks, want)
		}
	})
}

// asDaemon makes the scene's service a daemon and adds instances.
func asDaemon(t *rapid.T, v *scene) *scene {
	minimum := v.Service.DeploymentConfiguration.MinimumHealthyPercent
	v.Service.SchedulingStrategy, v.Service.DesiredCount = ecs.Daemon, 0
	v.Service.DeploymentConfiguration = daemonService(minimum).DeploymentConfiguration
	for _, id := range []string{"i1", "i2", "i3", "i4"}[:rapid.IntRange(0, 4).Draw(t, "instances")] {
		i := Place{ContainerInstanceARN: id, Eligible: rapid.IntRange(0, 3).Draw(t, "eligible") > 0,
			OtherTasks: rapid.IntRange(0, 1).Draw(t, "others")}
		i.Draining = !i.Eligible && rapid.Bool().Draw(t, "draining")
		v.Instances = append(v.Instances, i)
	}
	return v
}

// TestDaemonBounds: a daemon starts at most one task on each eligible instance and none elsewhere. Its stops
// for a new deployment leave enough instances with a healthy task (ecs.md 3.3).
func TestDaemonBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := asDaemon(t, sceneGen().Draw(t, "scene"))
		v.Service.Status = ecs.ServiceActive
		p := v.next(epoch)
		s := &sim{scene: *v.clone(), now: epoch}
		before := s.served()
		s.apply(Plan{Stop: p.Stop})
		after := s.served()
		s.apply(Plan{Start: p.Start})
		desired, starts := 0, map[string]bool{}
		for _, i := range v.Instances {
			if i.Eligible {
				desired++
			}
		}
		for _, x := range p.Start {
			if x.Count != len(x.InstanceARNs) {
				t.Fatalf("%+v", x)
			}
			for _, id := range x.InstanceARNs {
				k := slices.IndexFunc(v.Instances, func(i Place) bool { return i.ContainerInstanceARN == id })
				if k < 0 || !v.Instances[k].Eligible || starts[id] || len(s.on(id)) != 1 {
					t.Fatalf("start on %s: %+v", id, s.on(id))
				}
				starts[id] = true
			}
		}
		if lower := (desired*v.Service.DeploymentConfiguration.MinimumHealthyPercent +
			99) / 100; after < before && after < lower {
			t.Fatalf("%d of %d instances served, %d needed", after, before, lower)
		}
	})
}

// on returns the live tasks on an instance.
func (s *sim) on(instance string) []sceneTask {
	return slices.DeleteFunc(slices.Clone(s.Tasks),
		func(t sceneTask) bool { return t.ContainerInstanceARN != instance || !t.alive() })
}

// served counts the eligible instances with a healthy task.
func (s *sim) served() int {
	v, n := s.view(), 0
	for _, i := range s.Instances {
		if i.Eligible && slices.ContainsFunc(s.on(i.ContainerInstanceARN), func(t sceneTask) bool {
			h, _ := v.healthOf(s.deployment(t.StartedBy), &t.Task, s.now)
			return h == Healthy
		}) {
			n++
		}
	}
	return n
}

// TestDaemonConverges: after any instances were added and removed, each eligible instance has one task of the
// primary deployment, and no other instance has any.
func TestDaemonConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(daemonService(rapid.SampledFrom([]int{0, 25, 50}).Draw(t, "min")))
		for _, id := range deploymentIDs[:rapid.IntRange(1, 3).Draw(t, "deployments")] {
			s.deploy(id, rapid.SampledFrom([]func(*Deployment){
				func(*Deployment) {}, withTargets, withChecks,
			}).Draw(t, "flavour"))
			s.Instances = asDaemon(t, &scene{}).Instances
			s.run(rapid.IntRange(0, 12).Draw(t, "steps"), nil)
		}
		s.Instances = []Place{{ContainerInstanceARN: "i1", Eligible: true},
			{ContainerInstanceARN: "i2", Draining: true},
			{ContainerInstanceARN: "i3", Eligible: true}, {ContainerInstanceARN: "i4", Eligible: true}}
		if !s.run(100, nil) {
			t.Fatalf("not steady: %+v\n%+v\n%v", s.Tasks, s.Deployments, s.events)
		}
		if len(s.Deployments) != 1 || len(s.Tasks) != 3 || s.served() != 3 {
			t.Fatalf("%+v\n%+v", s.Deployments, s.Tasks)
		}
	})
}

// TestRebalancingEnds: when zones are uneven, tasks move one by one, with at least the desired number of
// healthy tasks and never more than the upper bound. When the zones are even, the service is steady and stays
// so (ecs.md 2.8).
func TestRebalancingEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desired := rapid.IntRange(2, 8).Draw(t, "desired")
		s := newSim(service(desired, 100, rapid.SampledFrom([]int{150, 200}).Draw(t, "max")))
		s.deploy("ecs-svc/1")
		s.run(20, nil)
		inA := func(x sceneTask) bool { return x.ContainerInstanceARN != "b" }
		for k := range s.Tasks {
			s.Tasks[k].ContainerInstanceARN = "a"
		}
		for range 40 * desired {
			a := 0
			for k := range s.Tasks {
				if s.Tasks[k].ContainerInstanceARN != "a" {
					s.Tasks[k].ContainerInstanceARN = "b" // the task is placed in the emptier zone
				}
				if inA(s.Tasks[k]) && s.Tasks[k].alive() {
					a++
				}
			}
			for k := range s.Tasks {
				s.Tasks[k].Rank = map[bool]int{true: 0, false: 1}[inA(s.Tasks[k]) == (2*a > s.live())]
			}
			b := s.live() - a
			s.Uneven = a-b > 1 || b-a > 1
			p := s.step()
			if n := s.live(); s.healthy() < desired || n > desired+1 {
				t.Fatalf("%d live, %d healthy, %d desired", n, s.healthy(), desired)
			}
			if !p.SteadyAt.IsZero() {
				if s.Uneven || p.Rebalancing || a-b > 1 || b-a > 1 {
					t.Fatalf("steady with %d and %d", a, b)
				}
				return
			}
			s.pass(20 * time.Second)
		}
		t.Fatalf("rebalancing does not end: %v", s.events)
	})
}

// TestEarlyEndsAreSlowedDown: tasks of a deployment exit or fail their checks early, and the desired count
// may change meanwhile. A round of starts comes only after the doubled delay since the round before (ecs.md
// 3.4). The next deployment starts without a delay.
func TestEarlyEndsAreSlowedDown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sv := serviceGen().Draw(t, "service")
		sv.DeploymentConfiguration.DeploymentCircuitBreaker = nil
		sv.DesiredCount = max(1, sv.DesiredCount)
		s := newSim(sv)
		s.broken[deploymentIDs[0]] = exitsSoon
		if rapid.Bool().Draw(t, "checked") {
			s.broken[deploymentIDs[0]] = failsChecks
			s.deploy(deploymentIDs[0], withTargets)
		} else {
			s.deploy(deploymentIDs[0])
		}
		rounds, last := 0, time.Time{}
		for range rapid.IntRange(20, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "scaled") == 0 {
				s.Service.DesiredCount = rapid.IntRange(1, 12).Draw(t, "desired")
			}
			p := s.step()
			if d := s.Deployments[0]; d.Attempts > rounds {
				rounds, last = d.Attempts, s.now
			}
			wait := min(10*time.Second<<max(0, rounds-1), 15*time.Minute)
			if rounds > 0 && len(p.Start) > 0 && s.now.Before(last.Add(wait)) {
				t.Fatalf("round %d failed at %v, the next starts at %v", rounds, last, s.now)
			}
			if !p.SteadyAt.IsZero() {
				t.Fatal("steady")
			}
			s.pass(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
		}
		s.deploy(deploymentIDs[1])
		s.Service = movable(s.Service)
		if !s.run(100, nil) || s.deployment(deploymentIDs[1]).RolloutState != ecs.RolloutCompleted {
			t.Fatalf("%+v\n%+v", s.Deployments, s.Tasks)
		}
	})
}
