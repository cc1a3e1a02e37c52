package alarm

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/expr"
	"github.com/berthhq/berth/internal/meter/query"
	"github.com/berthhq/berth/internal/scaling"
)

// calculate does for an alarm with queries what measure does for others. Periods of metric math start at
// multiples of their length.
func (c *Controller) calculate(a *alarm.Alarm, e alarm.Evaluation) ([]scaling.Datapoint, error) {
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
	r := query.New(c.points, meter.Scope(a.Account, a.Region), queries, starts[0], e.End, e.At)
	found, err := r.Series(compared)
	if err != nil {
		return nil, err
	}
	points := make([]scaling.Datapoint, len(starts))
	for i := range points {
		points[i].Start = starts[i]
	}
	for _, s := range found { // there is exactly one
		for _, p := range s.Points {
			i := int(time.Unix(p.At, 0).Sub(starts[0]) / period)
			if i >= 0 && i < len(points) {
				points[i].Value, points[i].Known = p.Value, true
			}
		}
	}
	return points, nil
}

// parsed returns a query in the form that the meter reads. The query was checked when the alarm was put.
func parsed(a *alarm.Alarm, q alarm.Query, pace scaling.Pace) (out query.Query, err error) {
	out = query.Query{ID: q.ID, Period: pace.Period(q.Period)}
	if q.Measure == nil {
		out.Expr, err = expr.Parse(q.Expression)
	} else {
		out.Metric, out.Unit = metric(a, q.Measure.Metric, pace), q.Measure.Unit
		out.Stat, err = meter.ParseStatistic(q.Measure.Statistic)
	}
	if err != nil {
		return out, fmt.Errorf("query %s: %w", q.ID, err)
	}
	return out, nil
}
