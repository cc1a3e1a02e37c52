package alarm

import (
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
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
