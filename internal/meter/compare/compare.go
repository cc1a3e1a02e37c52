// Package compare reads what alarms compare from the meter: the values of a metric or of metric math in the periods
// that an evaluation needs. The controllers of alarms and of scaling use it, and whoever shows what they would do.
package compare

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/expr"
	"github.com/berthhq/berth/internal/meter/query"
	"github.com/berthhq/berth/internal/scaling"
)

// Read returns the values of the periods that an evaluation needs, the oldest first.
func Read(store *meter.Store, a *alarm.Alarm, e alarm.Evaluation) ([]scaling.Datapoint, error) {
	if a.Queries != nil {
		return calculate(store, a, e)
	}
	return measure(store, a, e)
}

// measure is Read for an alarm on one metric.
func measure(store *meter.Store, a *alarm.Alarm, e alarm.Evaluation) ([]scaling.Datapoint, error) {
	stat, err := meter.ParseStatistic(a.Measure.Statistic)
	if err != nil {
		return nil, err
	}
	starts, period := e.Starts(a.Condition), e.Pace.Period(a.Condition.Period)
	found, err := query.Read(store, Metric(a, a.Measure.Metric, e.Pace), a.Measure.Unit, starts[0], e.End,
		step(period, e), stat.NeedsSpread())
	if err != nil {
		return nil, err
	}
	sums := make([]meter.Summary, len(starts))
	for _, buckets := range found { // without a unit, all units are added up, as GetMetricData does
		for _, b := range buckets {
			i := int(b.Start.Sub(starts[0]) / period)
			sums[i] = sums[i].Add(b.Summary)
		}
	}
	points := make([]scaling.Datapoint, len(starts))
	for i, sum := range sums {
		value, known := stat.Of(sum)
		points[i] = scaling.Datapoint{Start: starts[i], Value: value, Samples: sum.Count, Known: known}
	}
	return points, nil
}

// step returns the period with which the meter is read. It is the period of the alarm if the alarm's periods end
// at multiples of that, and otherwise a part of it, which is added up.
func step(period time.Duration, e alarm.Evaluation) time.Duration {
	switch {
	case e.End.Truncate(period).Equal(e.End):
		return period
	case e.Pace == scaling.PaceOfSeconds:
		return time.Second
	case period < time.Minute:
		return 10 * time.Second
	}
	return time.Minute
}

// Metric returns a metric of the alarm's account and region as the meter has it. What Berth measures by itself has
// points of a second in a namespace of its own.
func Metric(a *alarm.Alarm, m alarm.Metric, pace scaling.Pace) meter.Metric {
	out := meter.Metric{Scope: meter.Scope(a.Account, a.Region), Namespace: m.Namespace, Name: m.Name}
	if pace == scaling.PaceOfSeconds && alarm.HasSeconds(m.Namespace) {
		out.Namespace = meter.OfSeconds(m.Namespace)
	}
	for _, d := range m.Dimensions {
		out.Dimensions = append(out.Dimensions, meter.Dimension(d))
	}
	return out
}

// calculate is Read for an alarm with queries. The periods of metric math begin at multiples of their length.
func calculate(store *meter.Store, a *alarm.Alarm, e alarm.Evaluation) ([]scaling.Datapoint, error) {
	period := e.Pace.Period(a.Condition.Period)
	e.End = e.End.Truncate(period)
	starts := e.Starts(a.Condition)
	var queries []query.Query
	compared := ""
	for _, q := range a.Queries {
		one, err := parsed(a, q, e.Pace)
		if err != nil {
			return nil, err
		}
		if queries = append(queries, one); !q.Hidden {
			compared = q.ID
		}
	}
	r := query.New(store, meter.Scope(a.Account, a.Region), queries, starts[0], e.End, e.At)
	found, err := r.Series(compared)
	if err != nil {
		return nil, err
	}
	points := make([]scaling.Datapoint, len(starts))
	for i := range points {
		points[i].Start = starts[i]
	}
	for _, s := range found { // there is one
		for _, p := range s.Points {
			i := int(time.Unix(p.At, 0).Sub(starts[0]) / period)
			if i >= 0 && i < len(points) {
				points[i].Value, points[i].Known = p.Value, true
			}
		}
	}
	return points, nil
}

// parsed returns a query as the meter reads it. It was checked when the alarm was made.
func parsed(a *alarm.Alarm, q alarm.Query, pace scaling.Pace) (out query.Query, err error) {
	out = query.Query{ID: q.ID, Period: pace.Period(q.Period)}
	if q.Measure == nil {
		out.Expr, err = expr.Parse(q.Expression)
	} else {
		out.Metric, out.Unit = Metric(a, q.Measure.Metric, pace), q.Measure.Unit
		out.Stat, err = meter.ParseStatistic(q.Measure.Statistic)
	}
	if err != nil {
		return out, fmt.Errorf("query %s: %w", q.ID, err)
	}
	return out, nil
}
