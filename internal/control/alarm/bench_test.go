package alarm

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/compare"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// Issue 9, section 8: one minute of alarms with a period of a minute and three periods, each on its own
// metric with data. The cost of an evaluation must not depend on the number of alarms.
func BenchmarkMinuteOfAlarms(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			var data []meter.Datum
			w.update(func(tx *state.Tx) {
				for i := range n {
					a := sample(fmt.Sprint("alarm", i), func(a *alarm.Alarm) {
						a.Measure.Unit = "Percent"
						a.Measure.Metric.Dimensions = []alarm.Dimension{{Name: "N", Value: fmt.Sprint(i)}}
					})
					s := alarm.NewStatus(a.ARN, a.UpdatedAt)
					s.Value = scaling.OK
					tx.Alarms.Put(a)
					tx.AlarmStatus.Put(s)
					data = append(data, meter.Datum{Unit: "Percent",
						Metric:  compare.Metric(a, a.Measure.Metric, scaling.PaceOfAWS),
						Summary: meter.Values([]float64{50}, nil)})
				}
			})
			measured := func() {
				for i := range data {
					data[i].At = w.now
				}
				if err := w.points.Put(w.now, data); err != nil {
					b.Fatal(err)
				}
				if err := w.points.Tick(w.now); err != nil {
					b.Fatal(err)
				}
			}
			for range 5 {
				measured()
				w.run(w.now.Add(time.Minute))
			}
			changes := w.store.View().AlarmHistory.Len()
			w.steps = 0
			minutes := 0
			for b.Loop() {
				b.StopTimer()
				measured()
				b.StartTimer()
				w.run(w.now.Add(time.Minute))
				minutes++
			}
			if w.steps != minutes*n || w.store.View().AlarmHistory.Len() > changes {
				b.Fatalf("%d evaluations in %d minutes, or a state changed", w.steps, minutes)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(w.steps), "ns/evaluation")
		})
	}
}
