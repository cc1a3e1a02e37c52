package cloudwatch

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter/compare"
)

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
	if len(in.Metrics) == 0 {
		return nil, validation("The collection Metrics must have at least one element.")
	}
	for i, q := range in.Metrics {
		one, err := parseQuery(call, q, fmt.Sprintf("Metrics.member.%d", i+1))
		if err != nil {
			return nil, asValidation(err)
		}
		row.Queries = append(row.Queries, alarmQuery(q, one))
	}
	period, problem := compare.Check(row.Queries)
	if problem != "" {
		return nil, validation("%s", problem)
	}
	return new(int32(period / time.Second)), nil
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
