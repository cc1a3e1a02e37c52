package service

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// latest returns the service's latest service deployment.
func (w *world) latest() *ecs.ServiceDeployment {
	w.t.Helper()
	d := w.store.View().LatestDeployment(serviceARN)
	if d == nil {
		w.t.Fatal("the service has no service deployment")
	}
	return d
}

// A service deployment records the progress and the result of the service's change to its target revision (ecs.md 3.6).
func TestServiceDeploymentSucceeds(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(2, nil)
		if d := w.latest(); d.Status != ecs.ServiceDeploymentInProgress || d.Ended() {
			t.Errorf("%+v, want one in progress", d)
		}
		settle(10 * time.Second)
		first := w.latest()
		if first.Status != ecs.ServiceDeploymentSuccessful || !first.Ended() || first.Failed() ||
			first.TargetServiceRevision.RequestedTaskCount != 2 || first.TargetServiceRevision.RunningTaskCount != 2 {
			t.Errorf("%+v, want a success with two tasks", first)
		}
		w.deploy()
		settle(20 * time.Second)
		d := w.latest()
		if d.Status != ecs.ServiceDeploymentSuccessful || d.TargetServiceRevision.RunningTaskCount != 2 ||
			len(d.SourceServiceRevisions) != 1 ||
			d.SourceServiceRevisions[0].ARN != first.TargetServiceRevision.ARN ||
			w.store.View().ServiceDeployments.Len() != 2 {
			t.Errorf("%+v, want a success after the first one", d)
		}
	})
}

// A rollback is part of the service deployment that failed. It writes only the service's progress, and does not change
// what users requested.
func TestServiceDeploymentIsRolledBack(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.fails = func(task *ecs.Task) bool { return task.TaskDefinitionARN == definition(2) }
		w.service(2, breaker(true))
		settle(5 * time.Second)
		first := w.latest().TargetServiceRevision.ARN
		asked := w.wanted()
		w.deploy()
		settle(5 * time.Minute)
		d := w.latest()
		const why = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
		if d.Status != ecs.ServiceDeploymentRollbackSuccessful || !d.Ended() || !d.Failed() ||
			d.FailedTasks != 4 || d.StatusReason != why ||
			d.Rollback == nil || d.Rollback.ServiceRevisionARN != first || d.Rollback.Reason != why ||
			d.TargetServiceRevision.ARN == first {
			t.Errorf("%+v, rollback %+v", d, d.Rollback)
		}
		if now := w.wanted(); !reflect.DeepEqual(asked, now) {
			t.Errorf("what is asked for was %+v and is %+v", asked, now)
		}
	})
}

// A user can roll back a deployment in progress, also without a circuit breaker and although its tasks could still
// start (ecs.md 3.6).
func TestServiceDeploymentIsRolledBackOnRequest(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.fails = func(task *ecs.Task) bool { return task.TaskDefinitionARN == definition(2) }
		w.service(2, nil)
		settle(5 * time.Second)
		first := w.latest().TargetServiceRevision.ARN
		w.deploy()
		settle(5 * time.Second)
		before := w.latest()
		if before.Status != ecs.ServiceDeploymentInProgress {
			t.Fatalf("%+v, want it in progress", before)
		}
		w.put(func(tx *state.Tx) {
			d := *before
			d.RequestRollback(time.Now())
			tx.ServiceDeployments.Put(&d)
		})
		settle(10 * time.Second)
		d := w.latest()
		if d.ServiceDeploymentARN != before.ServiceDeploymentARN ||
			d.Status != ecs.ServiceDeploymentRollbackSuccessful ||
			d.FailedBy != ecs.FailedByRequest || d.Rollback == nil || d.Rollback.ServiceRevisionARN != first ||
			d.BreakerStatus() != ecs.MonitorDisabled {
			t.Errorf("%+v, rollback %+v", d, d.Rollback)
		}
	})
}

// alarm makes the alarm "slow", which evaluates five minutes, or changes its state.
func (w *world) alarm(value scaling.State) {
	w.t.Helper()
	w.put(func(tx *state.Tx) {
		a := &alarm.Alarm{ARN: alarm.ARN("us-east-1", "123456789012", "slow"), Name: "slow", Region: "us-east-1",
			Account: "123456789012", Condition: scaling.Condition{Period: time.Minute, Periods: 5}}
		if _, exists := tx.Alarms.Get(a.ARN); !exists {
			tx.PutAlarm(a, time.Now())
		}
		old := tx.StatusOf(a)
		tx.SetAlarmStatus(a, old, old.Next(value, "test", "", time.Now()))
	})
}

func watched(rollback bool) func(*ecs.Service) {
	return func(s *ecs.Service) {
		s.DeploymentConfiguration.Alarms = &ecs.DeploymentAlarms{
			AlarmNames: []string{"slow", "missing"}, Enable: true, Rollback: rollback,
		}
	}
}

// An alarm that goes into ALARM during a deployment makes it fail. The deployment is watched until the alarm
// has noticed what happened when its tasks began to run (ecs.md 3.5.3).
func TestAlarmsOfDeployments(t *testing.T) {
	for _, rollback := range []bool{true, false} {
		run(t, func(w *world) {
			w.instance("a", "us-east-1a")
			w.alarm(scaling.OK)
			w.service(2, watched(rollback))
			settle(6 * time.Minute)
			if d := w.latest(); d.Status != ecs.ServiceDeploymentInProgress ||
				d.AlarmStatus() != ecs.MonitorMonitoring {
				t.Errorf("%s, alarms %s after six minutes of seven", d.Status, d.AlarmStatus())
			}
			settle(time.Minute + 10*time.Second)
			first := w.latest()
			if first.Status != ecs.ServiceDeploymentSuccessful || first.AlarmStatus() != ecs.MonitorComplete {
				t.Errorf("%s, alarms %s after seven minutes", first.Status, first.AlarmStatus())
			}
			w.deploy()
			settle(time.Minute)
			w.alarm(scaling.InAlarm)
			settle(time.Minute)
			d := w.latest()
			if d.FailedBy != ecs.FailedByAlarm || d.AlarmStatus() != ecs.MonitorTriggered ||
				len(d.TriggeredAlarms) != 1 || d.TriggeredAlarms[0] != "slow" {
				t.Errorf("failed by %q, alarms %s %q", d.FailedBy, d.AlarmStatus(), d.TriggeredAlarms)
			}
			want := map[bool]string{true: ecs.ServiceDeploymentRollbackSuccessful, false: ecs.ServiceDeploymentStopped}
			if d.Status != want[rollback] {
				t.Errorf("%s, want %s", d.Status, want[rollback])
			}
		})
	}
}

// An alarm does not make a completed deployment fail that is set back to in progress: there is nothing to return to.
func TestAlarmAfterADeployment(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.alarm(scaling.OK)
		w.service(1, watched(true))
		settle(7*time.Minute + 2*time.Second)
		if d := w.latest(); d.Status != ecs.ServiceDeploymentSuccessful {
			t.Fatalf("%+v, want a success", d)
		}
		for task := range w.store.View().Tasks.All() {
			w.exit(task)
		}
		w.alarm(scaling.InAlarm)
		settle(2 * time.Minute)
		running := w.running(func(*ecs.Task) string { return "all" })["all"]
		if d := w.latest(); d.FailedBy != "" || running != 1 {
			t.Errorf("%s by %q, %d tasks run", d.Status, d.FailedBy, running)
		}
	})
}

// A deployment that starts while an alarm is in ALARM ignores the alarms.
func TestAlarmsAtTheStartOfADeployment(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.alarm(scaling.InAlarm)
		w.service(1, watched(true))
		settle(10 * time.Second)
		if d := w.latest(); d.Status != ecs.ServiceDeploymentSuccessful || d.AlarmStatus() != ecs.MonitorDisabled {
			t.Errorf("%s, alarms %s", d.Status, d.AlarmStatus())
		}
	})
}

// A deployment that fails without rollback is stopped. When a service is deleted, its current deployment is stopped.
func TestServiceDeploymentIsStopped(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.fails = func(task *ecs.Task) bool { return true }
		w.service(1, breaker(false))
		settle(time.Minute)
		if d := w.latest(); d.Status != ecs.ServiceDeploymentStopped || d.StoppedAt.IsZero() || d.FailedTasks != 3 ||
			d.StatusReason != "ECS deployment circuit breaker: task failed to start." {
			t.Errorf("%+v, want it stopped", d)
		}
		w.deploy()
		w.change(func(s *ecs.Service) { s.Status, s.DesiredCount = ecs.ServiceDraining, 0 })
		settle(time.Minute)
		if d := w.latest(); w.wanted().Status != ecs.ServiceInactive || !d.Ended() {
			t.Errorf("%s, %+v", w.wanted().Status, d)
		}
	})
}

// A deployment that was completed too early is set back to in progress.
func TestServiceDeploymentIsReopened(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(1, nil)
		settle(4 * time.Second)
		if d := w.latest(); d.Status != ecs.ServiceDeploymentSuccessful {
			t.Errorf("%+v, want a success", d)
		}
		for task := range w.store.View().Tasks.All() {
			w.exit(task)
		}
		settle(time.Millisecond)
		if d := w.latest(); d.Status != ecs.ServiceDeploymentInProgress || d.Ended() {
			t.Errorf("%s since %v after its task ended early", d.Status, d.FinishedAt)
		}
		settle(2 * time.Minute)
		if d := w.latest(); d.Status != ecs.ServiceDeploymentSuccessful {
			t.Errorf("%+v, want a success again", fmt.Sprint(d))
		}
	})
}
