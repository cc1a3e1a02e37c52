package alarm

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/compare"
	"github.com/berthhq/berth/internal/scaling"
)

// An alarm on metric math compares the result of its expression. Where one of the metrics has no data, the
// result has none either. These are treated like missing data of a metric (ecs.md 7.4, 7.6).
func TestMetricMath(t *testing.T) {
	w := newWorld(t)
	measure := func(name string) *alarm.Measure {
		return &alarm.Measure{Metric: alarm.Metric{Namespace: "App", Name: name}, Statistic: "Sum"}
	}
	a := sample("rate", func(a *alarm.Alarm) {
		a.Measure, a.Condition.Threshold, a.Condition.Periods = alarm.Measure{}, 10, 2
		a.Queries = []alarm.Query{
			{ID: "e2", Expression: "e1 * 100"},
			{ID: "e1", Expression: "m1 / m2", Hidden: true},
			{ID: "m1", Measure: measure("errors"), Period: time.Minute, Hidden: true},
			{ID: "m2", Measure: measure("requests"), Period: time.Minute, Hidden: true},
		}
	})
	w.put(scaling.InsufficientData, a)
	put := func(name string, value float64) {
		t.Helper()
		m := compare.Metric(a, alarm.Metric{Namespace: "App", Name: name}, scaling.PaceOfAWS)
		if err := w.points.Put(w.now, []meter.Datum{{Metric: m, Unit: "Count", At: w.now,
			Summary: meter.Values([]float64{value}, nil)}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, errors := range []float64{5, 15, 20, 5, -1, -1, -1, -1, -1, -1} {
		put("requests", 100)
		if errors >= 0 {
			put("errors", errors)
		}
		w.run(w.now.Add(time.Minute))
	}
	const want = "INSUFFICIENT_DATA to OK, OK to ALARM, ALARM to OK, OK to INSUFFICIENT_DATA"
	if got := w.history("rate"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for h := range w.store.View().AlarmHistory.Prefix(alarm.HistoryPrefix(a.ARN)) {
		if h.Summary == "Alarm updated from OK to ALARM" && (!strings.Contains(h.Data,
			`"stateReason":"Threshold Crossed: 2 datapoints [20.0 (29/11/26 08:02:00), 15.0 (29/11/26 08:01:00)] were `+
				`greater than the threshold (10.0)."`) || strings.Contains(h.Data, `"statistic"`)) {
			t.Error(h.Data)
		}
	}
}

// Periods of metric math start at multiples of their length: a period of five minutes at a multiple of five.
func TestPeriodsOfMetricMath(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a", func(a *alarm.Alarm) {
		m := a.Measure
		m.Statistic = "Sum"
		a.Measure, a.Condition.Threshold = alarm.Measure{}, 50
		a.Condition.Period, a.Condition.Periods = 5*time.Minute, 1
		a.Queries = []alarm.Query{{ID: "m1", Measure: &m, Period: 5 * time.Minute}}
		a.Condition.MissingData = scaling.MissingIgnored
	}))
	for i := range 5 { // 8:03 to 8:07: the sum of each period of the clock is at most 45
		w.measure(begin.Add(time.Duration(i+3)*time.Minute), 15)
	}
	w.run(begin.Add(12 * time.Minute))
	if got := w.history("a"); got != "" {
		t.Error(got)
	}
	for i := range 5 {
		w.measure(begin.Add(time.Duration(i+15)*time.Minute), 15)
	}
	w.run(begin.Add(22 * time.Minute))
	if s := w.status("a"); s.Value != scaling.InAlarm || !strings.Contains(s.Reason, "[75.0 (29/11/26 08:15:00)]") {
		t.Errorf("%+v", s)
	}
}
