package rollout

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func serviceGen() *rapid.Generator[Service] {
	return rapid.Custom(func(t *rapid.T) Service {
		return Service{
			Name: "web", Strategy: Replica,
			Desired:               rapid.IntRange(0, 12).Draw(t, "desired"),
			MinimumHealthyPercent: rapid.SampledFrom([]int{0, 25, 50, 75, 100}).Draw(t, "min"),
			MaximumPercent:        rapid.SampledFrom([]int{100, 125, 150, 200, 300}).Draw(t, "max"),
			GracePeriod:           time.Duration(rapid.IntRange(0, 2).Draw(t, "grace")) * time.Minute,
			Breaker: Breaker{Enable: rapid.Bool().Draw(t, "breaker"), Rollback: rapid.Bool().Draw(t, "rollback"),
				Keep: rapid.Bool().Draw(t, "keep")},
			Unplaced:    rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "unplaced"),
			Rebalancing: rapid.IntRange(0, 5).Draw(t, "rebalancing") == 0,
			Imbalanced:  rapid.IntRange(0, 5).Draw(t, "imbalanced") == 0,
			Deleting:    rapid.IntRange(0, 9).Draw(t, "deleting") == 0,
		}
	})
}

var deploymentIDs = []string{"ecs-svc/1", "ecs-svc/2", "ecs-svc/3"}

// viewGen draws any view, also ones that no history leads to: safety must not depend on how one got there.
func viewGen() *rapid.Generator[View] {
	return rapid.Custom(func(t *rapid.T) View {
		v := View{Service: serviceGen().Draw(t, "service"), HealthyAfter: 40 * time.Second, RetryBase: 10 * time.Second,
			StableAfter: rapid.SampledFrom([]time.Duration{0, 40 * time.Second}).Draw(t, "stable after")}
		count := rapid.IntRange(1, 3).Draw(t, "deployments")
		for k := range count {
			d := Deployment{
				ID: deploymentIDs[k], Status: Active, CreatedAt: epoch.Add(time.Duration(k) * time.Minute),
				Desired:      rapid.IntRange(0, 12).Draw(t, "its desired"),
				RolloutState: rapid.SampledFrom([]string{InProgress, Completed, Failed}).Draw(t, "state"),
				FailedTasks:  rapid.IntRange(0, 6).Draw(t, "failed"),
				Attempts:     rapid.IntRange(0, 4).Draw(t, "attempts"),
				Targets:      rapid.IntRange(0, 2).Draw(t, "targets"), ContainerChecks: rapid.Bool().Draw(t, "checks"),
			}
			d.LastFailure = epoch.Add(time.Duration(rapid.IntRange(-300, 0).Draw(t, "last failure")) * time.Second)
			if d.RolloutState == Completed {
				d.CompletedAt = d.CreatedAt
			}
			d.RetryAt = d.LastFailure.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "retry")) * time.Second)
			if k == count-1 {
				d.Status = Primary
			}
			v.Deployments = append(v.Deployments, d)
		}
		for k := range rapid.IntRange(0, 20).Draw(t, "tasks") {
			v.Tasks = append(v.Tasks, taskGen(k).Draw(t, "task"))
		}
		return v
	})
}

func taskGen(k int) *rapid.Generator[Task] {
	return rapid.Custom(func(t *rapid.T) Task {
		x := Task{
			ID: "t" + string(rune('a'+k)), DeploymentID: rapid.SampledFrom(deploymentIDs).Draw(t, "of"),
			Status:    rapid.SampledFrom([]string{"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "RUNNING", "RUNNING", "STOPPING", "STOPPED"}).Draw(t, "status"),
			Desired:   rapid.SampledFrom([]string{"RUNNING", "RUNNING", "RUNNING", "STOPPED"}).Draw(t, "desired"),
			Health:    rapid.SampledFrom([]string{"UNKNOWN", "HEALTHY", "HEALTHY", "UNHEALTHY"}).Draw(t, "health"),
			CreatedAt: epoch.Add(-time.Duration(rapid.IntRange(0, 600).Draw(t, "age")) * time.Second),
			Draining:  rapid.IntRange(0, 4).Draw(t, "draining") == 0,
			StopRank:  rapid.IntRange(0, 3).Draw(t, "rank"),
			Counted:   rapid.Bool().Draw(t, "counted"), WasHealthy: rapid.Bool().Draw(t, "was healthy"),
			StopCode: rapid.SampledFrom([]string{"", "EssentialContainerExited", "UserInitiated"}).Draw(t, "code"),
		}
		x.InstanceID = rapid.SampledFrom([]string{"i1", "i2", "i3", "i4"}).Draw(t, "instance")
		if x.Status == "RUNNING" || rapid.Bool().Draw(t, "ran") {
			x.StartedAt = x.CreatedAt.Add(time.Second)
		}
		if x.Desired == "STOPPED" {
			x.EndedAt = epoch.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "ended")) * time.Second)
		}
		if rapid.IntRange(0, 3).Draw(t, "protected") == 0 {
			x.ProtectedUntil = epoch.Add(time.Duration(rapid.IntRange(-5, 60).Draw(t, "until")) * time.Minute)
		}
		for range rapid.IntRange(0, 2).Draw(t, "registered") {
			x.Targets = append(x.Targets, Target{"tg", 80, rapid.SampledFrom([]string{"initial", "healthy", "healthy", "unhealthy", "draining"}).Draw(t, "target"), "why"})
		}
		return x
	})
}

// TestBounds: whatever the view, a plan starts nothing above the upper bound, and no stop of ours takes the healthy tasks
// below the lower bound (ecs.md 3.2.1, 3.2.2).
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := viewGen().Draw(t, "view")
		p := Next(v, epoch)
		s := &sim{View: v, now: epoch}
		s.Tasks, s.Deployments = slices.Clone(v.Tasks), slices.Clone(v.Deployments)
		liveBefore, healthyBefore := s.live(), s.healthy()
		s.apply(Plan{Stop: p.Stop})
		desired := v.Service.Desired
		if v.Service.Deleting {
			desired = 0
		}
		upper, lower := desired*v.Service.MaximumPercent/100, (desired*v.Service.MinimumHealthyPercent+99)/100
		healthyAfter := s.healthy()
		s.apply(Plan{Start: p.Start})
		if n := s.live(); len(p.Start) > 0 && n > upper {
			t.Fatalf("%d live tasks after starts, at most %d allowed (%d before)\n%+v", n, upper, liveBefore, p)
		}
		if healthyAfter < healthyBefore && healthyAfter < lower {
			t.Fatalf("stops leave %d of %d healthy tasks, at least %d needed\n%+v", healthyAfter, healthyBefore, lower, p)
		}
	})
}

// TestProtectedTasksStay: protection keeps from scaling in, deployments and draining, not from failed health checks, and
// not when the service is deleted (ecs.md 3.10).
func TestProtectedTasksStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := viewGen().Draw(t, "view")
		for _, x := range Next(v, epoch).Stop {
			k := slices.IndexFunc(v.Tasks, func(t Task) bool { return t.ID == x.TaskID })
			task := v.Tasks[k]
			allowed := x.Cause == CauseUnhealthy || x.Cause == CauseDeletion || task.Draining && task.Status != "RUNNING"
			if epoch.Before(task.ProtectedUntil) && !allowed {
				t.Fatalf("protected task stopped: %+v %+v", x, task)
			}
		}
	})
}

// TestPlanIsSound: a plan is the same for the same view in any order, stops only live tasks and each once, starts only
// deployments that exist, wakes up later than now and leaves the view alone.
func TestPlanIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := viewGen().Draw(t, "view")
		if rapid.Bool().Draw(t, "daemon") {
			v = asDaemon(t, v)
		}
		p := Next(v, epoch)
		w := v
		w.Tasks = rapid.Permutation(v.Tasks).Draw(t, "tasks")
		w.Deployments = rapid.Permutation(v.Deployments).Draw(t, "deployments")
		kept := slices.Clone(w.Tasks)
		q := Next(w, epoch)
		if !reflect.DeepEqual(kept, w.Tasks) {
			t.Fatal("the view was changed")
		}
		sortMarks(p.Mark)
		sortMarks(q.Mark)
		if !reflect.DeepEqual(p, q) {
			t.Fatalf("order matters:\n%+v\n%+v", p, q)
		}
		if !p.WakeAt.IsZero() && !p.WakeAt.After(epoch) {
			t.Fatalf("wakes at %v", p.WakeAt)
		}
		seen := map[string]bool{}
		for _, x := range p.Stop {
			task := v.Tasks[slices.IndexFunc(v.Tasks, func(t Task) bool { return t.ID == x.TaskID })]
			if seen[x.TaskID] || task.Desired != "RUNNING" || x.Reason == "" || strings.HasSuffix(x.Reason, "( )") {
				t.Fatalf("bad stop %+v of %+v", x, task)
			}
			seen[x.TaskID] = true
		}
		for _, x := range p.Start {
			if x.Count <= 0 || !slices.ContainsFunc(v.Deployments, func(d Deployment) bool { return d.ID == x.DeploymentID }) {
				t.Fatalf("bad start %+v", x)
			}
		}
	})
}

func sortMarks(list []Deployment) {
	slices.SortFunc(list, func(a, b Deployment) int { return strings.Compare(a.ID, b.ID) })
}

// TestConverges: if all tasks that start become healthy, a service ends with exactly its desired tasks, all of the primary
// deployment, whatever deployments and counts come in between, and stays there.
func TestConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sv := serviceGen().Draw(t, "service")
		sv.Rebalancing, sv.Imbalanced, sv.Unplaced, sv.Deleting = false, false, 0, false
		// Settings under which nothing may stop or start block deployments, as on AWS.
		if lower, upper := (sv.Desired*sv.MinimumHealthyPercent+99)/100, sv.Desired*sv.MaximumPercent/100; lower == upper {
			sv.MinimumHealthyPercent = 0
		}
		s := newSim(sv)
		flavour := rapid.SampledFrom([]func(*Deployment){func(*Deployment) {}, withTargets, withChecks})
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
		if len(s.Deployments) != 1 || primary.RolloutState != Completed || primary.FailedTasks != 0 {
			t.Fatalf("deployments %+v", s.Deployments)
		}
		if s.live() != sv.Desired || len(s.Tasks) != sv.Desired {
			t.Fatalf("tasks %+v", s.Tasks)
		}
		for _, x := range s.Tasks {
			if x.DeploymentID != primary.ID || x.Draining {
				t.Fatalf("task %+v", x)
			}
		}
		s.pass(time.Minute)
		if p := s.step(); len(p.Start)+len(p.Stop)+len(p.Mark)+len(p.Event) > 0 {
			t.Fatalf("restless: %+v", p)
		}
	})
}

// TestBreakerRollsBack: if all tasks of a new deployment fail, in either way, the breaker trips exactly at its threshold
// and the service returns to the deployment that was completed before (ecs.md 3.5.1, 3.5.2).
func TestBreakerRollsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sv := serviceGen().Draw(t, "service")
		sv.Rebalancing, sv.Imbalanced, sv.Unplaced, sv.Deleting = false, false, 0, false
		sv.Desired = max(1, sv.Desired)
		sv.Breaker = Breaker{Enable: true, Rollback: true}
		if lower, upper := (sv.Desired*sv.MinimumHealthyPercent+99)/100, sv.Desired*sv.MaximumPercent/100; lower == upper {
			sv.MinimumHealthyPercent = 0
		}
		s := newSim(sv)
		s.deploy(deploymentIDs[0], withTargets)
		if !s.run(50, nil) {
			t.Fatal("the first deployment does not work")
		}
		s.deploy(deploymentIDs[1], withTargets)
		s.broken[deploymentIDs[1]] = rapid.SampledFrom([]failing{neverStarts, failsChecks, exitsSoon}).Draw(t, "failing")
		tripped := false
		steady := s.run(2000, func(before View, p Plan) {
			for _, m := range p.Mark {
				if m.ID == deploymentIDs[1] && m.RolloutState == Failed && !tripped {
					tripped = true
					if m.FailedTasks < sv.Breaker.Threshold(sv.Desired) {
						t.Fatalf("tripped at %d failed tasks", m.FailedTasks)
					}
				}
				if !tripped && m.ID == deploymentIDs[1] && m.FailedTasks >= sv.Breaker.Threshold(sv.Desired) {
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
		if d := s.Deployments[0]; len(s.Deployments) != 1 || d.ID != deploymentIDs[0] || d.RolloutState != Completed || s.live() != sv.Desired {
			t.Fatalf("ended with %+v\n%+v", s.Deployments, s.Tasks)
		}
	})
}

func asDaemon(t *rapid.T, v View) View {
	v.Service.Strategy, v.Service.Desired, v.Service.MaximumPercent = Daemon, 0, 100
	for _, id := range []string{"i1", "i2", "i3", "i4"}[:rapid.IntRange(0, 4).Draw(t, "instances")] {
		i := Instance{ID: id, Eligible: rapid.IntRange(0, 3).Draw(t, "eligible") > 0, OtherTasks: rapid.IntRange(0, 1).Draw(t, "others")}
		i.Draining = !i.Eligible && rapid.Bool().Draw(t, "draining")
		v.Instances = append(v.Instances, i)
	}
	return v
}

// TestDaemonBounds: a daemon has at most one new task on each eligible instance, none elsewhere, and its stops for a new
// deployment leave enough instances served (ecs.md 3.3).
func TestDaemonBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := asDaemon(t, viewGen().Draw(t, "view"))
		v.Service.Deleting = false
		p := Next(v, epoch)
		s := &sim{View: v, now: epoch}
		s.Tasks, s.Deployments = slices.Clone(v.Tasks), slices.Clone(v.Deployments)
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
			if x.Count != len(x.InstanceIDs) {
				t.Fatalf("%+v", x)
			}
			for _, id := range x.InstanceIDs {
				k := slices.IndexFunc(v.Instances, func(i Instance) bool { return i.ID == id })
				if k < 0 || !v.Instances[k].Eligible || starts[id] || len(s.on(id)) != 1 {
					t.Fatalf("start on %s: %+v", id, s.on(id))
				}
				starts[id] = true
			}
		}
		if lower := (desired*v.Service.MinimumHealthyPercent + 99) / 100; after < before && after < lower {
			t.Fatalf("%d of %d instances served, %d needed", after, before, lower)
		}
	})
}

// on returns the live tasks on an instance.
func (s *sim) on(instance string) []Task {
	return slices.DeleteFunc(slices.Clone(s.Tasks), func(t Task) bool { return t.InstanceID != instance || !alive(&t) })
}

// served counts the eligible instances with a healthy task.
func (s *sim) served() int {
	n := 0
	for _, i := range s.Instances {
		if i.Eligible && slices.ContainsFunc(s.on(i.ID), func(t Task) bool {
			h, _ := HealthOf(&s.View, s.deployment(t.DeploymentID), &t, s.now)
			return h == Healthy
		}) {
			n++
		}
	}
	return n
}

// TestDaemonConverges: whatever joins and leaves, in the end exactly the eligible instances have one task each, of the
// primary deployment.
func TestDaemonConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(Service{Strategy: Daemon, MaximumPercent: 100, MinimumHealthyPercent: rapid.SampledFrom([]int{0, 25, 50}).Draw(t, "min")})
		for _, id := range deploymentIDs[:rapid.IntRange(1, 3).Draw(t, "deployments")] {
			s.deploy(id, rapid.SampledFrom([]func(*Deployment){func(*Deployment) {}, withTargets, withChecks}).Draw(t, "flavour"))
			s.Instances = asDaemon(t, s.View).Instances
			s.run(rapid.IntRange(0, 12).Draw(t, "steps"), nil)
		}
		s.Instances = []Instance{{ID: "i1", Eligible: true}, {ID: "i2", Draining: true}, {ID: "i3", Eligible: true}, {ID: "i4", Eligible: true}}
		if !s.run(100, nil) {
			t.Fatalf("not steady: %+v\n%+v\n%v", s.Tasks, s.Deployments, s.events)
		}
		if len(s.Deployments) != 1 || len(s.Tasks) != 3 || s.served() != 3 {
			t.Fatalf("%+v\n%+v", s.Deployments, s.Tasks)
		}
	})
}

// TestRebalancingEnds: with zones out of balance, tasks move one by one, never below the desired count of healthy tasks nor
// above the upper bound, until they are even; then the service is steady and stays so (ecs.md 2.8).
func TestRebalancingEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desired := rapid.IntRange(2, 8).Draw(t, "desired")
		s := newSim(Service{Desired: desired, MinimumHealthyPercent: 100, MaximumPercent: rapid.SampledFrom([]int{150, 200}).Draw(t, "max")})
		s.deploy("ecs-svc/1")
		s.run(20, nil)
		inA := func(x Task) bool { return x.InstanceID != "b" }
		for k := range s.Tasks {
			s.Tasks[k].InstanceID = "a"
		}
		for range 40 * desired {
			a := 0
			for k := range s.Tasks {
				if s.Tasks[k].InstanceID != "a" {
					s.Tasks[k].InstanceID = "b" // placed in the emptier zone
				}
				if inA(s.Tasks[k]) && alive(&s.Tasks[k]) {
					a++
				}
			}
			for k := range s.Tasks {
				s.Tasks[k].StopRank = map[bool]int{true: 0, false: 1}[inA(s.Tasks[k]) == (2*a > s.live())]
			}
			b := s.live() - a
			s.Service.Imbalanced = a-b > 1 || b-a > 1
			p := s.step()
			if n := s.live(); s.healthy() < desired || n > desired+1 {
				t.Fatalf("%d live, %d healthy, %d desired", n, s.healthy(), desired)
			}
			if !p.SteadyAt.IsZero() {
				if s.Service.Imbalanced || p.Rebalancing || a-b > 1 || b-a > 1 {
					t.Fatalf("steady with %d and %d", a, b)
				}
				return
			}
			s.pass(20 * time.Second)
		}
		t.Fatalf("no end: %v", s.events)
	})
}

// TestEarlyEndsAreSlowedDown: however soon the tasks of a deployment exit, and whatever is desired meanwhile, starts of one
// round come no sooner than the doubled delay after the round before (ecs.md 3.4), and all of it is forgotten by the next
// deployment.
func TestEarlyEndsAreSlowedDown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sv := serviceGen().Draw(t, "service")
		sv.Rebalancing, sv.Imbalanced, sv.Unplaced, sv.Deleting, sv.Breaker.Enable = false, false, 0, false, false
		sv.Desired = max(1, sv.Desired)
		s := newSim(sv)
		s.deploy(deploymentIDs[0])
		s.broken[deploymentIDs[0]] = exitsSoon
		rounds, last := 0, time.Time{}
		for range rapid.IntRange(20, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "scaled") == 0 {
				s.Service.Desired = rapid.IntRange(1, 12).Draw(t, "desired")
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
		if lower, upper := (s.Service.Desired*sv.MinimumHealthyPercent+99)/100, s.Service.Desired*sv.MaximumPercent/100; lower == upper {
			s.Service.MinimumHealthyPercent = 0
		}
		if !s.run(100, nil) || s.deployment(deploymentIDs[1]).RolloutState != Completed {
			t.Fatalf("%+v\n%+v", s.Deployments, s.Tasks)
		}
	})
}
