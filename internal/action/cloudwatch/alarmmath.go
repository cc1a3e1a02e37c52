package cloudwatch

import (
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter/query"
)

// maxAlarmQueries is the maximum number of metrics and expressions of an alarm (ecs.md 7.4).
const maxAlarmQueries = 10

// parseCompared reads what an alarm compares: a metric, or the result of Metrics. It returns the period in
// seconds.
func (a *api) parseCompared(call *awswire.Call, in *shape.PutMetricAlarmInput, row *alarm.Alarm) (*int32, error) {
	if in.Metrics == nil {
		return in.Period, parseMeasure(call, in, row)
	}
	for _, m := range []struct {
		name  string
		given bool
	}{
		{"Namespace", in.Namespace != nil}, {"MetricName", in.MetricName != nil}, {"Dimensions", in.Dimensions != nil},
		{"Period", in.Period != nil}, {"Unit", in.Unit != ""}, {"Statistic", in.Statistic != ""},
		{"ExtendedStatistic", in.ExtendedStatistic != nil},
		{"EvaluateLowSampleCountPercentile", in.EvaluateLowSampleCountPercentile != nil},
	} {
		if m.given {
			return nil, validation("The parameters Metrics and %s are mutually exclusive and you have specified both.",
				m.name)
		}
	}
	switch n := len(in.Metrics); {
	case n == 0:
		return nil, validation("The collection Metrics must have at least one element.")
	case n > maxAlarmQueries:
		return nil, validation("The collection Metrics must not have a size greater than %d.", maxAlarmQueries)
	}
	var queries []*asking
	for i, q := range in.Metrics {
		one, err := parseQuery(call, q, fmt.Sprintf("Metrics.member.%d", i+1))
		if err != nil {
			return nil, asValidation(err)
		}
		if slices.ContainsFunc(queries, func(other *asking) bool { return other.ID == one.ID }) {
			return nil, validation("The values for parameter id in Metrics are not unique.")
		}
		queries = append(queries, one)
		row.Queries = append(row.Queries, alarmQuery(q, one))
	}
	return a.comparedPeriod(call, queries)
}

// alarmQuery converts a query to the form in the alarm's row.
func alarmQuery(in shape.MetricDataQuery, q *asking) alarm.Query {
	out := alarm.Query{ID: q.ID, Label: q.label, Hidden: q.hidden, Period: q.Period,
		Expression: request.Value(in.Expression)}
	if q.Expr == nil {
		out.Measure = &alarm.Measure{Metric: alarmMetric(q.Metric), Statistic: *in.MetricStat.Stat, Unit: q.Unit}
	}
	return out
}

// comparedPeriod returns the period of the query that is compared. It evaluates the query without data, and
// so refuses an expression that could never be evaluated.
func (a *api) comparedPeriod(call *awswire.Call, queries []*asking) (*int32, error) {
	var shown []*asking
	for _, q := range queries {
		if !q.hidden {
			shown = append(shown, q)
		}
		if q.Expr != nil && q.Expr.Searches() {
			return nil, validation("The expression '%s' is invalid: SEARCH cannot be used in an alarm.", q.ID)
		}
	}
	if len(shown) != 1 {
		return nil, validation("Exactly one element of the metrics list should return data.")
	}
	r := query.New(a.points, scope(call), parsed(queries), call.Now, call.Now.Add(time.Second), call.Now)
	for _, q := range queries {
		found, err := r.Series(q.ID)
		if err != nil {
			return nil, wrong(err)
		}
		if q == shown[0] {
			if len(found) != 1 {
				return nil, validation("The expression '%s' is invalid: an alarm needs a single time series, and it "+
					"has %d.", q.ID, len(found))
			}
			return new(int32(max(found[0].Period, int64(q.Period/time.Second)))), nil
		}
	}
	return nil, nil
}
