package alarm

import (
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// Issue 9, section 5: at the pace of seconds an alarm of three minutes fires within five seconds of the load, its
// policy is due again in each second, and what Berth measures is read from its points of a second.
func TestPaceOfSeconds(t *testing.T) {
	w := newWorld(t)
	a := sample("quick", func(a *alarm.Alarm) {
		a.AlarmActions = []string{policy}
		a.Measure.Metric.Namespace = "AWS/ECS"
	})
	w.put(scaling.OK, a, sample("slow"))
	w.update(func(tx *state.Tx) {
		tx.ScalableTargets.Put(&appscaling.Target{Region: region, Account: account, ResourceID: "service/prod/chat",
			Tags: tag.Set{{Key: scaling.PaceTag, Value: "seconds"}}})
	})
	second := func(value float64) {
		t.Helper()
		m := meter.Metric{Scope: meter.Scope(account, region), Namespace: "Berth/Seconds/AWS/ECS", Name: "m"}
		if err := w.points.Put(w.now, []meter.Datum{{Metric: m, Unit: "Percent", At: w.now, Second: true,
			Summary: meter.Values([]float64{value}, nil)}}); err != nil {
			t.Fatal(err)
		}
		w.run(w.now.Add(time.Second))
	}
	for range 5 {
		second(50)
	}
	load, fired := w.now, time.Time{}
	repeats := make(map[time.Time]bool)
	for range 20 {
		second(90)
		if s := w.status("quick"); s.Value == scaling.InAlarm {
			fired = s.TransitionedAt
			for d := range w.store.View().DueActions.Prefix(alarm.DuePrefix(a.ARN)) {
				repeats[d.At] = true
			}
		}
	}
	if after := fired.Sub(load); after < 3*time.Second || after > 5*time.Second {
		t.Errorf("it fired after %v", after)
	}
	if len(repeats) < 15 {
		t.Errorf("its policy was due %d times in 20 seconds", len(repeats))
	}
	if s := w.status("quick"); len(s.Recent) != 3 || s.Recent[2] != 90 || s.Observation(a).Threshold != 70 {
		t.Errorf("%+v", s)
	}
	if s := w.status("slow"); s.Transitions > 1 {
		t.Errorf("the other alarm keeps the pace of AWS: %+v", s)
	}
}

// An alarm is evaluated every second as soon as the tag says so: its own, or that of the Auto Scaling group whose
// policy or managed scaling it calls, or that of the scalable target.
func TestPaceChanges(t *testing.T) {
	seconds := tag.Set{{Key: scaling.PaceTag, Value: "seconds"}}
	group := &fleet.AutoScalingGroup{Region: region, Account: account, Name: "g"}
	target := &appscaling.Target{Region: region, Account: account, ResourceID: "service/prod/chat"}
	ofTarget := &appscaling.Policy{Region: region, Account: account, ResourceID: target.ResourceID, Name: "p", ID: "1"}
	ofGroup := &groupscaling.Policy{Region: region, Account: account, Group: "g", Name: "p", ID: "1"}
	managed := &ecs.CapacityProvider{CapacityProviderARN: "cp", PolicyID: "2", AutoScalingGroupProvider: ecs.
		AutoScalingGroupProvider{AutoScalingGroupARN: group.ARN()}}
	for what, c := range map[string]struct {
		action string
		tag    func(*state.Tx)
	}{
		"the alarm": {topic, func(tx *state.Tx) {
			a, _ := tx.Alarms.Get(alarm.ARN(region, account, "a"))
			n := *a
			n.Tags = seconds
			tx.Alarms.Put(&n)
		}},
		"the group of a policy":        {ofGroup.ARN(), func(tx *state.Tx) { tagGroup(tx, group, seconds) }},
		"the group of managed scaling": {managed.PolicyARN(), func(tx *state.Tx) { tagGroup(tx, group, seconds) }},
		"the scalable target of a policy": {ofTarget.ARN(), func(tx *state.Tx) {
			n := *target
			n.Tags = seconds
			tx.ScalableTargets.Put(&n)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.update(func(tx *state.Tx) {
				tx.AutoScalingGroups.Put(group)
				tx.ScalableTargets.Put(target)
				tx.ScalingPolicies.Put(ofTarget)
				tx.GroupPolicies.Put(ofGroup)
				tx.CapacityProviders.Put(managed)
			})
			w.put(scaling.OK, sample("a", func(a *alarm.Alarm) { a.AlarmActions = []string{c.action} }))
			w.run(w.now.Add(5*time.Minute + 5*time.Second))
			before := w.steps
			w.run(w.now.Add(10 * time.Second))
			if w.steps != before {
				t.Fatalf("%d evaluations in 10 seconds at the pace of AWS", w.steps-before)
			}
			w.update(c.tag)
			w.run(w.now.Add(10 * time.Second))
			if n := w.steps - before; n < 9 || n > 12 {
				t.Errorf("%d evaluations in 10 seconds at the pace of seconds", n)
			}
		})
	}
}

func tagGroup(tx *state.Tx, g *fleet.AutoScalingGroup, tags tag.Set) {
	n := g.Clone()
	n.Tags = tags
	tx.AutoScalingGroups.Put(n)
}
