package scale

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// ecs.md 9.2: AWS needs 363 s from a step of the load to the new desired count with metrics of a minute, and 386 s
// until the tasks run. Whenever in a minute the load comes, Berth is not later. ecs.md 6.6: four tasks at 90 with a
// target of 60 become six. The activity has AWS's words, before and after the tasks run.
func TestLoadStep(t *testing.T) {
	for _, at := range []time.Duration{0, time.Second, 31 * time.Second, 59 * time.Second} {
		w := newWorld(t)
		w.serve(4, scaling.Bounds{Min: 2, Max: 10})
		w.cpu("cpu", 60)
		w.load = 4 * 55
		w.run(10*time.Minute + at)
		if w.history() != "" {
			t.Fatalf("before the load: %s", w.history())
		}
		w.load = 4 * 90
		for w.desired() == 4 {
			w.run(w.now.Sub(begin) + time.Second)
		}
		took := w.now.Sub(begin.Add(10*time.Minute + at))
		if took < 3*time.Minute || took > 363*time.Second || w.desired() != 6 {
			t.Errorf("a load at %v: %d tasks are desired after %v", at, w.desired(), took)
		}
		const cause = "monitor alarm TargetTracking-service/prod/chat-AlarmHigh-hcpu in state ALARM triggered " +
			"policy cpu"
		if got, want := w.told(), "InProgress: Setting desired count to 6. | "+cause+
			" | Successfully set desired count to 6. Waiting for change to be fulfilled by ecs.\n"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if e := w.store.View().LastEvent(serviceARN); e == nil || e.Message != "Message: Successfully set desired "+
			"count "+
			"to 6. Waiting for change to be fulfilled by ecs. Cause: "+cause {
			t.Errorf("%+v", e)
		}
		w.run(w.now.Sub(begin) + 23*time.Second)
		if w.running() != 6 || w.now.Sub(begin.Add(10*time.Minute+at)) > 386*time.Second {
			t.Errorf("%d tasks run after %v", w.running(), w.now.Sub(begin))
		}
		if got, want := w.told(), "Successful: Setting desired count to 6. | "+cause+
			" | Successfully set desired count to 6. Change successfully fulfilled by ecs.\n"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		w.run(w.now.Sub(begin) + time.Hour)
		if w.desired() != 6 || len(w.changes) != 1 {
			t.Errorf("under a constant load: %s", w.history())
		}
	}
}

// When the load leaves, the low alarm needs 15 minutes (ecs.md 6.5). The policy then scales in to what the load needs,
// and at the minimum it says so once.
func TestLoadLeaves(t *testing.T) {
	w := newWorld(t)
	w.serve(6, scaling.Bounds{Min: 2, Max: 10})
	w.cpu("cpu", 60)
	w.load = 6 * 58
	w.run(20 * time.Minute)
	w.load = 6 * 30
	w.run(34 * time.Minute)
	if w.history() != "" {
		t.Errorf("14 minutes after the load left: %s", w.history())
	}
	w.run(37 * time.Minute)
	if w.desired() != 3 {
		t.Errorf("17 minutes after the load left: %s", w.history())
	}
	w.load = 6
	w.run(100 * time.Minute)
	if w.desired() != 2 || len(w.changes) != 2 {
		t.Errorf("%s", w.history())
	}
	low := "monitor alarm TargetTracking-service/prod/chat-AlarmLow-lcpu in state ALARM triggered policy cpu"
	if got, want := w.told(), "Successful: Setting desired count to 3. | "+low+" | Successfully set desired count "+
		"to 3. "+
		"Change successfully fulfilled by ecs.\nSuccessful: Setting desired count to 2. | "+low+
		" | Successfully set desired count to 2. Change successfully fulfilled by ecs.\n"+
		"Failed: Attempting to scale due to alarm triggered | "+low+" | AlreadyAtMinCapacity min 2\n"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// At the maximum the activities and the events of the service say why nothing happens, once while it lasts.
func TestAtTheMaximum(t *testing.T) {
	w := newWorld(t)
	w.serve(4, scaling.Bounds{Min: 2, Max: 5})
	w.cpu("cpu", 60)
	w.load = 4 * 200
	w.run(time.Hour)
	if w.history() == "" || w.desired() != 5 || len(w.changes) != 1 {
		t.Errorf("%s", w.history())
	}
	if got := w.told(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "Failed: Attempting to scale due "+
		"to alarm "+
		"triggered | monitor alarm TargetTracking-service/prod/chat-AlarmHigh-hcpu in state ALARM triggered "+
		"policy cpu | "+
		"AlreadyAtMaxCapacity max 5") {
		t.Error(got)
	}
	events := 0
	for e := range w.store.View().ServiceEvents.By(state.ServiceEventsByService, serviceARN) {
		if strings.Contains(e.Message, "its maximum capacity is 5") {
			events++
		}
	}
	if events != 1 {
		t.Errorf("%d events say it", events)
	}
}

// ecs.md 6.8: within the cooldown only a larger request acts, and what was added counts as done.
func TestCooldowns(t *testing.T) {
	w := newWorld(t)
	w.serve(2, scaling.Bounds{Min: 1, Max: 40})
	w.cpu("cpu", 50, func(t *appscaling.Tracking) { t.OutCooldown, t.InCooldown = new(1200), new(600) })
	w.load = 2 * 100
	w.run(10 * time.Minute)
	if w.desired() != 4 || len(w.changes) != 1 {
		t.Fatalf("the first step: %s", w.history())
	}
	w.load = 4 * 75 // the first step was for two tasks: 2 x 75 / 50 is less than what is there
	w.run(20 * time.Minute)
	if w.desired() != 4 {
		t.Errorf("within the cooldown: %s", w.history())
	}
	w.load = 4 * 175 // 2 x 175 / 50 is more
	w.run(26 * time.Minute)
	if w.desired() != 7 || len(w.changes) != 2 {
		t.Errorf("a larger request within the cooldown: %s", w.history())
	}
	w.run(60 * time.Minute)
	if w.desired() != 14 {
		t.Errorf("after the cooldown: %s", w.history())
	}
}

// ecs.md 6.12: in only if all policies that track a target agree, and then to the largest capacity.
func TestSeveralPolicies(t *testing.T) {
	w := newWorld(t)
	w.serve(10, scaling.Bounds{Min: 1, Max: 20})
	w.cpu("one", 60)
	w.cpu("two", 40)
	w.load = 10 * 38 // below 0.9 x 60, and not below 0.9 x 40
	w.run(time.Hour)
	if w.history() != "" {
		t.Errorf("one policy does not agree: %s", w.history())
	}
	p, _ := w.store.View().ScalingProgress.Get(key)
	if p.Held != scaling.NotAll {
		t.Errorf("%+v", p)
	}
	w.load = 10 * 20 // one proposes 4, the other 5
	w.run(2 * time.Hour)
	if w.desired() != 5 || len(w.changes) != 1 {
		t.Errorf("both agree: %s", w.history())
	}
	w.load = 5 * 50
	w.run(3 * time.Hour)
	if w.desired() != 7 || len(w.changes) != 2 {
		t.Errorf("one of them scales out: %s", w.history())
	}
}

// Of two policies that were not called and propose the same count, always the same one decides on the cooldown, so that
// a simulation with the same seed has the same output.
func TestTiesOfPolicies(t *testing.T) {
	for range 40 {
		w := newWorld(t)
		w.serve(10, scaling.Bounds{Min: 1, Max: 20})
		called := w.cpu("one", 60) // proposes 4, the others 5
		for name, seconds := range map[string]int{"two": 100, "three": 900} {
			w.cpu(name, 40, func(t *appscaling.Tracking) { t.InCooldown = &seconds })
		}
		w.update(func(tx *state.Tx) {
			for a := range tx.Alarms.All() {
				if strings.Contains(a.Name, "-AlarmLow-") {
					tx.AlarmStatus.Put(&alarm.Status{ARN: a.ARN, Value: scaling.InAlarm, Recent: []float64{20}})
				}
			}
			tx.DueActions.Put(&alarm.Due{Action: called.ARN(), Kind: alarm.ServicePolicy, To: scaling.InAlarm,
				AlarmARN: called.AlarmARNs()[1], Recent: []float64{20}, At: w.now})
		})
		control.Drain(t.Context(), w.loops[1])
		p, _ := w.store.View().ScalingProgress.Get(key)
		if w.desired() != 5 || p.Last.Until != begin.Add(900*time.Second) {
			t.Fatalf("%d tasks, %+v; want 5, and the cooldown of the policy with the first ARN", w.desired(), p.Last)
		}
	}
}

// ecs.md 6.9: alarms of users call step policies, again in every minute of the state, and the cooldown counts what was
// added as part of the next step.
func TestStepPolicy(t *testing.T) {
	w := newWorld(t)
	w.serve(4, scaling.Bounds{Min: 1, Max: 20})
	f := func(v float64) *float64 { return &v }
	w.step("out", scaling.StepRule{Adjustment: scaling.ChangeInCapacity, Steps: []scaling.Step{{Lower: f(0),
		Upper: f(20),
		By:    2}, {Lower: f(20), By: 3}}}, scaling.Condition{Comparison: scaling.Greater, Threshold: 70,
		Period:  time.Minute,
		Periods: 2})
	w.load = 4 * 80
	w.run(3 * time.Minute)
	if w.desired() != 6 || len(w.changes) != 1 {
		t.Fatalf("%s", w.history())
	}
	w.load = 6 * 100
	w.run(6 * time.Minute)
	if w.desired() != 7 || len(w.changes) != 2 { // +2, and then +3 of before: one more
		t.Errorf("within the cooldown: %s", w.history())
	}
	if got := w.told(); !strings.Contains(got, "monitor alarm out-alarm in state ALARM triggered policy out") {
		t.Error(got)
	}
	var items []string
	for h := range w.store.View().AlarmHistory.Prefix(alarm.HistoryPrefix(alarm.ARN(region, account, "out-alarm"))) {
		if h.Type == alarm.ActionItem {
			items = append(items, h.Summary)
		}
	}
	if len(items) != 1 || items[0] != "Successfully executed action arn:aws:autoscaling:us-east-1:123456789012:"+
		"scalingPolicy:out:resource/ecs/service/prod/chat:policyName/out" {
		t.Errorf("%q", items)
	}
}

// ecs.md 6.11: while a deployment is under way nothing is scaled in, and out goes on.
func TestDeployments(t *testing.T) {
	w := newWorld(t)
	w.serve(6, scaling.Bounds{Min: 2, Max: 20})
	w.cpu("cpu", 60)
	rollout := func(rolls string) {
		w.update(func(tx *state.Tx) {
			tx.ServiceProgress.Put(&ecs.ServiceProgress{ServiceARN: serviceARN, Deployments: []ecs.Deployment{
				{ID: "d", Status: ecs.DeploymentPrimary, RolloutState: rolls}}})
		})
	}
	rollout(ecs.RolloutInProgress)
	w.load = 6 * 10
	w.run(time.Hour)
	if w.history() != "" {
		t.Errorf("scaled in: %s", w.history())
	}
	w.load = 6 * 90
	w.run(70 * time.Minute)
	if w.desired() != 9 {
		t.Errorf("out: %s", w.history())
	}
	rollout(ecs.RolloutCompleted)
	w.load = 9 * 10
	w.run(2 * time.Hour)
	if w.desired() != 2 {
		t.Errorf("after the deployment: %s", w.history())
	}
}

// ecs.md 6.1: suspended directions are not scaled, and everything goes on when they are resumed.
func TestSuspension(t *testing.T) {
	w := newWorld(t)
	w.serve(4, scaling.Bounds{Min: 1, Max: 20})
	w.cpu("cpu", 60)
	suspend := func(s appscaling.Suspension) {
		w.update(func(tx *state.Tx) {
			old, _ := tx.ScalableTargets.Get(key)
			c := *old
			c.Suspended = s
			tx.ScalableTargets.Put(&c)
		})
	}
	suspend(appscaling.Suspension{Out: true})
	w.load = 4 * 90
	w.run(20 * time.Minute)
	if w.history() != "" || w.told() != "" {
		t.Errorf("suspended out: %s, %s", w.history(), w.told())
	}
	suspend(appscaling.Suspension{In: true})
	w.run(22 * time.Minute)
	if w.desired() != 6 {
		t.Errorf("resumed: %s", w.history())
	}
	w.load = 6
	w.run(time.Hour)
	if w.desired() != 6 {
		t.Errorf("suspended in: %s", w.history())
	}
	suspend(appscaling.Suspension{})
	w.run(62 * time.Minute)
	if w.desired() != 1 {
		t.Errorf("resumed: %s", w.history())
	}
}

// ecs.md 6.13: new bounds move the desired count to the nearest one, when they are written. A count that a user writes
// later stays.
func TestNewBounds(t *testing.T) {
	w := newWorld(t)
	w.serve(4, scaling.Bounds{Min: 1, Max: 8})
	bounds := func(b scaling.Bounds) {
		w.update(func(tx *state.Tx) {
			old, _ := tx.ScalableTargets.Get(key)
			c := *old
			c.Bounds = b
			tx.ScalableTargets.Put(&c)
		})
	}
	w.run(time.Second)
	bounds(scaling.Bounds{Min: 6, Max: 8})
	w.run(time.Minute)
	bounds(scaling.Bounds{Min: 2, Max: 3})
	w.run(2 * time.Minute)
	if got, want := w.told(), "Successful: Setting desired count to 6. | minimum capacity was set to 6 | "+
		"Successfully set "+
		"desired count to 6. Change successfully fulfilled by ecs.\nSuccessful: Setting desired count to 3. | maximum "+
		"capacity was set to 3 | Successfully set desired count to 3. Change successfully fulfilled by "+
		"ecs.\n"; want != got {
		t.Errorf("%s\nwant %s", got, want)
	}
	w.update(func(tx *state.Tx) {
		old, _ := tx.Services.Get(serviceARN)
		c := *old
		c.DesiredCount = 12
		tx.Services.Put(&c)
	})
	w.run(time.Hour)
	if w.desired() != 12 {
		t.Errorf("the user's count is %d now", w.desired())
	}
	w.restart()
	w.run(2 * time.Hour)
	if w.desired() != 12 {
		t.Errorf("after a restart the user's count is %d", w.desired())
	}
}

// A change before the tasks run ends the activity as Overridden, in AWS's words.
func TestOverridden(t *testing.T) {
	w := newWorld(t)
	w.starts = time.Hour
	w.serve(4, scaling.Bounds{Min: 6, Max: 8})
	w.run(time.Second)
	w.update(func(tx *state.Tx) {
		old, _ := tx.Services.Get(serviceARN)
		c := *old
		c.DesiredCount = 7
		tx.Services.Put(&c)
	})
	w.run(2 * time.Second)
	if got, want := w.told(), "Overridden: Setting desired count to 6. | minimum capacity was set to 6 | "+
		"Successfully set "+
		"desired count to 6. Found it was later changed to 7.\n"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// An alarm may name a policy that does not exist, and a service may be gone: its history says why nothing was done.
func TestWhatCannotBeDone(t *testing.T) {
	w := newWorld(t)
	w.serve(4, scaling.Bounds{Min: 1, Max: 8})
	p := w.cpu("cpu", 60)
	call := func(name, policy string) string {
		t.Helper()
		a := &alarm.Alarm{ARN: alarm.ARN(region, account, name), Name: name, Region: region, Account: account,
			ActionsEnabled: true, AlarmActions: []string{policy}, UpdatedAt: w.now, Condition: scaling.Condition{
				Comparison: scaling.Greater, Threshold: 1, Period: time.Hour, Periods: 1}}
		w.update(func(tx *state.Tx) {
			tx.PutAlarm(a, w.now)
			s := tx.StatusOf(a)
			tx.SetAlarmStatus(a, s, s.Next(scaling.InAlarm, "by hand", `{"recentDatapoints":[90]}`, w.now))
		})
		w.run(w.now.Sub(begin))
		h, _ := w.store.View().AlarmHistory.Last(alarm.HistoryPrefix(a.ARN))
		if w.store.View().DueActions.Len() != 0 || h.Type != alarm.ActionItem {
			t.Errorf("%d actions are due, and the history ends with %+v", w.store.View().DueActions.Len(), h)
		}
		return h.Summary
	}
	for _, c := range []struct{ name, policy, want string }{
		{"unknown", strings.Replace(p.ARN(), "policyName/cpu", "policyName/none", 1), "there is no such scaling " +
			"policy"},
		{"no target", strings.Replace(p.ARN(), "chat", "other", 1), "there is no such scaling policy"},
		{"another alarm", p.ARN(), "a policy that tracks a target is called by its own alarms only"},
	} {
		if got := call(c.name, c.policy); !strings.HasPrefix(got, "Failed to execute action "+c.policy) ||
			!strings.Contains(got, c.want) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	step := w.step("more", scaling.StepRule{Adjustment: scaling.ChangeInCapacity, Steps: []scaling.Step{{By: 1}}},
		scaling.Condition{Comparison: scaling.Greater, Threshold: 1, Period: time.Hour, Periods: 1})
	w.update(func(tx *state.Tx) { tx.Services.Delete(serviceARN) })
	if got := call("gone", step.ARN()); !strings.Contains(got, "ECS service doesn't exist: service/prod/chat") {
		t.Error(got)
	}
}

// A service that is created again has no cooldown of the one before, and its target goes on.
func TestServiceCreatedAgain(t *testing.T) {
	w := newWorld(t)
	w.serve(2, scaling.Bounds{Min: 1, Max: 20})
	w.cpu("cpu", 50, func(t *appscaling.Tracking) { t.OutCooldown = new(100_000) })
	w.load = 2 * 100
	w.run(10 * time.Minute)
	if w.desired() != 4 {
		t.Fatal(w.history())
	}
	w.update(func(tx *state.Tx) {
		tx.Services.Put(&ecs.Service{ServiceARN: serviceARN, ServiceName: "chat", Status: ecs.ServiceActive,
			DesiredCount: 3, CreatedAt: w.now})
	})
	w.load = 3 * 100
	w.run(20 * time.Minute)
	if w.desired() != 6 {
		t.Errorf("%s", w.history())
	}
}
