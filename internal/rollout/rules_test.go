package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// still returns a scene at epoch in which nothing has happened for a while.
func still(sv ecs.Service, deployments []Deployment, tasks ...sceneTask) *scene {
	return &scene{Service: sv, Deployments: deployments, Tasks: tasks, HealthyAfter: 40 * time.Second,
		RetryBase: 10 * time.Second, StableAfter: 40 * time.Second}
}

// revisions returns a completed deployment "1" and a newer primary one "2" in progress.
func revisions(change ...func(older, primary *Deployment)) []Deployment {
	list := []Deployment{
		{Deployment: ecs.Deployment{ID: "1", Status: ecs.DeploymentActive, RolloutState: ecs.RolloutCompleted,
			CreatedAt: epoch.Add(-2 * time.Hour), CompletedAt: epoch.Add(-2 * time.Hour)}},
		{Deployment: ecs.Deployment{ID: "2", Status: ecs.DeploymentPrimary, RolloutState: ecs.RolloutInProgress,
			CreatedAt: epoch.Add(-time.Hour)}},
	}
	for _, c := range change {
		c(&list[0], &list[1])
	}
	return list
}

// running returns a task that has run for a minute and is healthy. Changes may make it otherwise.
func running(id, of string, change ...func(*sceneTask)) sceneTask {
	x := sceneTask{Task: ecs.Task{TaskARN: id, StartedBy: of, LastStatus: ecs.Running, DesiredStatus: ecs.Running,
		HealthStatus: "UNKNOWN", CreatedAt: epoch.Add(-time.Minute), StartedAt: epoch.Add(-time.Minute),
		WasHealthy: true, ContainerInstanceARN: "i-" + id}}
	for _, c := range change {
		c(&x)
	}
	return x
}

func guarded(x *sceneTask) { x.ProtectedUntil = epoch.Add(10 * time.Minute) }
func drains(x *sceneTask)  { x.Draining = true }
func waits(x *sceneTask)   { x.LastStatus, x.StartedAt, x.WasHealthy = ecs.Pending, time.Time{}, false }

// ended changes a task to one that has stopped by itself and is not counted yet.
func ended(x *sceneTask) {
	x.LastStatus, x.DesiredStatus, x.StopCode = ecs.Stopped, ecs.Stopped, ecs.EssentialContainerExited
	x.StoppingAt, x.StoppedAt = epoch, epoch
}

// stopsOf lists the tasks that a plan stops, with the causes.
func stopsOf(p Plan) string {
	var list []string
	for _, x := range p.Stop {
		list = append(list, x.TaskARN+" "+string(x.Cause))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// TestWhatIsStopped: the tasks that a plan stops, and its complaint.
func TestWhatIsStopped(t *testing.T) {
	failed := func(_, primary *Deployment) { primary.RolloutState = ecs.RolloutFailed }
	checked := func(older, _ *Deployment) { older.ContainerChecks = true }
	daemon := func(list []Deployment, tasks ...sceneTask) *scene {
		s := still(daemonService(0), list, tasks...)
		s.Instances = []Place{{ContainerInstanceARN: "i-a", Eligible: true}}
		return s
	}
	says := func(status string) func(*sceneTask) { return func(x *sceneTask) { x.HealthStatus = status } }
	onA := func(x *sceneTask) { x.ContainerInstanceARN = "i-a" }
	for _, c := range []struct {
		says  string
		on    *scene
		stops string
	}{
		{"a draining instance is left before an older deployment (ecs.md 2.7)",
			still(service(2, 50, 100), revisions(), running("a", "1"), running("b", "2", drains)), "b draining"},
		{"a protected task does not make way for a deployment (3.10)",
			still(service(1, 100, 200), revisions(), running("a", "1", guarded), running("b", "2")), ""},
		{"neither a protected one that starts nor the last healthy one is too many (3.2.2, 3.10)",
			still(service(1, 100, 200), revisions()[1:], running("a", "2"), running("b", "2", waits, guarded)), ""},
		{"an unhealthy old task stays while too few are healthy (3.2.2)",
			still(service(2, 100, 200), revisions(checked),
				running("a", "1", says("UNHEALTHY")), running("b", "1", says("HEALTHY"))), ""},
		{"and goes when enough are", still(service(2, 50, 200), revisions(checked),
			running("a", "1", says("UNHEALTHY")), running("b", "1", says("HEALTHY"))), "a unhealthy"},
		{"of two daemons in one place one is too many (3.3)",
			daemon(revisions()[1:], running("a", "2"), running("b", "2", onA)), "b placement"},
		{"unless it is protected (3.10)",
			daemon(revisions()[1:], running("a", "2"), running("b", "2", onA, guarded)), ""},
		{"an old daemon makes way", daemon(revisions(), running("a", "1")), "a deployment"},
		{"but not for a deployment that failed (3.5.2)", daemon(revisions(failed), running("a", "1")), ""},
		{"nor is a place filled for one", daemon(revisions(failed)), ""},
	} {
		p := c.on.next(epoch)
		if got := stopsOf(p); got != c.stops || p.Complaint != "" {
			t.Errorf("%s: stops %q, want %q, complains %q", c.says, got, c.stops, p.Complaint)
		}
		if primary := c.on.Deployments[len(c.on.Deployments)-1]; primary.RolloutState == ecs.RolloutFailed &&
			len(p.Start) > 0 {
			t.Errorf("%s: starts %+v", c.says, p.Start)
		}
		kept := slices.ContainsFunc(c.on.Tasks, func(x sceneTask) bool { return !x.ProtectedUntil.IsZero() })
		if kept && c.on.Service.SchedulingStrategy == ecs.Replica && !p.WakeAt.Equal(epoch.Add(10*time.Minute)) {
			t.Errorf("%s: wakes at %v, want the end of the protection", c.says, p.WakeAt)
		}
	}
}

// TestLostTasksOfOlderDeployments: lost tasks of an older deployment are replaced while the new one waits.
// This ends when so many tasks of the older deployment have failed that it counts as failed, which is 3 for 2
// desired tasks (ecs.md 3.2.4, 3.5.1).
func TestLostTasksOfOlderDeployments(t *testing.T) {
	for failures, want := range map[int]int{0: 2, 2: 2, 3: 0, 4: 0} {
		s := still(service(2, 100, 200), revisions(func(older, primary *Deployment) {
			older.DesiredCount, older.FailedTasks = 2, failures
			primary.Attempts, primary.LastFailure, primary.RetryAt = 1, epoch, epoch.Add(time.Minute)
		}))
		got := 0
		for _, x := range s.next(epoch).Start {
			if got += x.Count; x.DeploymentID != "1" {
				t.Errorf("%d failures: starts %+v", failures, x)
			}
		}
		if got != want {
			t.Errorf("%d failures: %d tasks are replaced, want %d", failures, got, want)
		}
	}
}

// TestRebalancingNeedsRoom: rebalancing begins when one more task may be started, and has one event (ecs.md
// 2.8).
func TestRebalancingNeedsRoom(t *testing.T) {
	for _, c := range []struct {
		maximum       int
		going         bool
		starts, tells bool
	}{{100, false, false, false}, {150, false, true, true}, {150, true, true, false}} {
		sv := service(2, 50, c.maximum)
		sv.AvailabilityZoneRebalancing = ecs.RebalancingEnabled
		s := still(sv, revisions(func(_, primary *Deployment) { primary.RolloutState = ecs.RolloutCompleted })[1:],
			running("a", "2"), running("b", "2"))
		s.Uneven, s.Progress.Rebalancing = true, c.going
		p := s.next(epoch)
		tells := slices.ContainsFunc(p.Event, func(e Event) bool { return e.Name == "SERVICE_REBALANCING_STARTED" })
		if p.Rebalancing != c.starts || (len(p.Start) > 0) != c.starts || tells != c.tells {
			t.Errorf("%d %%, already %v: rebalances %v, starts %v, has an event %v", c.maximum, c.going, p.Rebalancing,
				p.Start, tells)
		}
	}
}

// TestWhatCountsAsFailed: which ends of tasks, with and without checks, count as failures. A failure soon
// after a deployment was completed sets the deployment back to IN_PROGRESS (View.StableAfter).
func TestWhatCountsAsFailed(t *testing.T) {
	for _, c := range []struct {
		says      string
		checks    bool
		was       bool          // whether it was healthy
		completed time.Duration // how long before the end the deployment was completed
		failed    int
		state     string
	}{
		{"checks never passed", true, false, 30 * time.Second, 1, ecs.RolloutInProgress},
		{"checks never passed, long after", true, false, 41 * time.Second, 1, ecs.RolloutCompleted},
		{"checks had passed", true, true, 30 * time.Second, 0, ecs.RolloutCompleted},
		{"no checks, ran for a minute", false, false, 30 * time.Second, 0, ecs.RolloutCompleted},
	} {
		list := revisions(func(_, primary *Deployment) {
			primary.ContainerChecks, primary.RolloutState = c.checks, ecs.RolloutCompleted
			primary.CompletedAt = epoch.Add(-c.completed)
		})[1:]
		s := still(service(1, 100, 200), list, running("a", "2", ended, func(x *sceneTask) { x.WasHealthy = c.was }))
		d := list[0].Deployment
		for _, x := range s.next(epoch).Update {
			d = x
		}
		if d.FailedTasks != c.failed || d.RolloutState != c.state {
			t.Errorf("%s: %d failed, %s, want %d, %s", c.says, d.FailedTasks, d.RolloutState, c.failed, c.state)
		}
	}
}

// TestHealthAfterAFailure: a task without checks is healthy after HealthyAfter. After a round of failures it
// is healthy only after StableAfter.
func TestHealthAfterAFailure(t *testing.T) {
	for attempts, want := range map[int]Health{0: Healthy, 1: Starting} {
		list := revisions(func(_, primary *Deployment) { primary.Attempts = attempts })[1:]
		s := still(service(1, 100, 200), list, running("a", "2", func(x *sceneTask) {
			x.StartedAt, x.WasHealthy = epoch.Add(-20*time.Second), false
		}))
		s.HealthyAfter = 10 * time.Second
		v := s.view()
		if got, _ := v.healthOf(&list[0], &s.Tasks[0].Task, epoch); got != want {
			t.Errorf("after %d failed rounds: %v, want %v", attempts, got, want)
		}
	}
}

// TestRollbackBeginsAfresh: earlier failures of the deployment that is rolled back to do not count against it
// (ecs.md 3.5.2).
func TestRollbackBeginsAfresh(t *testing.T) {
	s := still(withBreaker(service(1, 100, 200), breaker(true)), revisions(func(older, primary *Deployment) {
		older.FailedTasks, older.LastFailureReason, older.Attempts, older.RetryAt = 2, "old", 2, epoch.Add(time.Hour)
		primary.FailedTasks = 3
	}))
	p := s.next(epoch)
	k := slices.IndexFunc(p.Update, func(d ecs.Deployment) bool { return d.ID == "1" })
	if k < 0 || p.Update[k].Status != ecs.DeploymentPrimary || p.Update[k].FailedTasks != 0 ||
		p.Update[k].LastFailureReason != "" || p.Update[k].Attempts != 0 {
		t.Errorf("updates %+v", p.Update)
	}
	if len(p.Start) != 1 || p.Start[0].DeploymentID != "1" {
		t.Errorf("starts %+v", p.Start)
	}
}

// A rollback that a user asks for needs no circuit breaker. It ends the deployment in progress and no other (ecs.md
// 3.6).
func TestRollbackOnRequest(t *testing.T) {
	asked := func(edit ...func(older, primary *Deployment)) *scene {
		s := still(service(1, 100, 200), revisions(edit...), running("a", "2"))
		s.RollbackRequested = true
		return s
	}
	p := asked().next(epoch)
	states := updated(p)
	const why = "ECS deployment rollback requested: rolling back to deploymentId 1."
	if d := states["1"]; d.Status != ecs.DeploymentPrimary || d.RolloutState != ecs.RolloutInProgress ||
		d.RolloutStateReason != why {
		t.Errorf("the older deployment becomes %+v", d)
	}
	if d := states["2"]; d.Status != ecs.DeploymentActive || d.RolloutState != ecs.RolloutFailed ||
		d.FailedBy != ecs.FailedByRequest || d.RolloutStateReason != why {
		t.Errorf("the newer deployment becomes %+v", d)
	}
	if len(p.Start) != 1 || p.Start[0].DeploymentID != "1" {
		t.Errorf("starts %+v", p.Start)
	}
	p = asked(func(_, primary *Deployment) { primary.RolloutState = ecs.RolloutCompleted }).next(epoch)
	for _, d := range p.Update {
		if d.RolloutState == ecs.RolloutFailed {
			t.Errorf("a completed deployment becomes %+v", d)
		}
	}
}

// updated returns the deployments that a plan changes, by their ids.
func updated(p Plan) map[string]ecs.Deployment {
	all := make(map[string]ecs.Deployment)
	for _, d := range p.Update {
		all[d.ID] = d
	}
	return all
}

// An alarm that goes into ALARM makes the deployment in progress fail. It is rolled back only if the service asks for
// that (ecs.md 3.5.3).
func TestAlarmFailsADeployment(t *testing.T) {
	for _, rollback := range []bool{true, false} {
		s := still(service(1, 100, 200), revisions(), running("a", "2"))
		s.Service.DeploymentConfiguration.Alarms = &ecs.DeploymentAlarms{
			AlarmNames: []string{"errors", "slow"}, Enable: true, Rollback: rollback,
		}
		s.Firing, s.BakeTime = []string{"errors", "slow"}, time.Minute
		got := updated(s.next(epoch))
		failed := got["2"]
		if failed.RolloutState != ecs.RolloutFailed || failed.FailedBy != ecs.FailedByAlarm ||
			!slices.Equal(failed.TriggeredAlarms, s.Firing) {
			t.Errorf("rollback %v: the newer deployment becomes %+v", rollback, failed)
		}
		want := "ECS deployment alarm: errors, slow went into ALARM."
		if rollback {
			want = "ECS deployment alarm: rolling back to deploymentId 1."
		}
		if failed.RolloutStateReason != want {
			t.Errorf("rollback %v: the reason is %q, want %q", rollback, failed.RolloutStateReason, want)
		}
		if back := got["1"].Status == ecs.DeploymentPrimary; back != rollback {
			t.Errorf("rollback %v: the older deployment becomes %+v", rollback, got["1"])
		}
	}
}

// A deployment that alarms watch is completed when it has run well for the bake time, and not before (ecs.md 3.5.3).
func TestBakeTime(t *testing.T) {
	s := still(service(1, 100, 200), revisions(), running("a", "2"))
	s.BakeTime = 5 * time.Minute
	p := s.next(epoch)
	d := updated(p)["2"]
	if d.RolloutState != ecs.RolloutInProgress || !d.BakeUntil.Equal(epoch.Add(s.BakeTime)) ||
		p.WakeAt.IsZero() || p.WakeAt.After(d.BakeUntil) {
		t.Fatalf("the deployment becomes %+v, next look at %v", d, p.WakeAt)
	}
	s.Deployments[1].Deployment = d
	if d := updated(s.next(d.BakeUntil.Add(-time.Second)))["2"]; d.RolloutState == ecs.RolloutCompleted {
		t.Error("it is completed a second too early")
	}
	if d := updated(s.next(d.BakeUntil))["2"]; d.RolloutState != ecs.RolloutCompleted {
		t.Errorf("after the bake time it becomes %+v", d)
	}
	s.Tasks = append(s.Tasks, running("b", "2", func(x *sceneTask) {
		x.LastStatus, x.DesiredStatus, x.WasHealthy = ecs.Stopped, ecs.Stopped, false
		x.StopCode, x.StoppedAt = ecs.EssentialContainerExited, epoch
	}))
	if d := updated(s.next(d.BakeUntil))["2"]; d.FailedTasks != 1 || d.RolloutState == ecs.RolloutCompleted ||
		!d.BakeUntil.Equal(s.Deployments[1].BakeUntil.Add(s.BakeTime)) {
		t.Errorf("after a task failed at the end of the bake time it becomes %+v", d)
	}
}
