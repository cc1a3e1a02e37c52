package autoscaling

import (
	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
)

// parseMath reads metric math, as request.ParseMath does. The periods of metrics are a minute.
func parseMath(in *shape.CustomizedMetricSpecification) ([]alarm.Query, error) {
	if in.Namespace != nil || in.MetricName != nil || in.Statistic != "" || in.Unit != nil || in.Dimensions != nil {
		return nil, invalid("A CustomizedMetricSpecification has either Metrics or MetricName, Namespace, " +
			"Dimensions, Statistic and Unit.")
	}
	for _, q := range in.Metrics {
		period := q.Period
		if q.MetricStat != nil && q.MetricStat.Period != nil {
			period = q.MetricStat.Period
		}
		if period != nil && *period != 60 {
			return nil, invalid("Berth supports a Period of 60 seconds only: %d", *period)
		}
	}
	all, problem := request.ParseMath(request.Answers(in.Metrics, mathQuery))
	if problem != "" {
		return nil, invalid("%s", problem)
	}
	return all, nil
}

func mathQuery(in shape.TargetTrackingMetricDataQuery) request.MathQuery {
	q := request.MathQuery{ID: *in.Id, Label: in.Label, Expression: in.Expression, ReturnData: in.ReturnData}
	if in.MetricStat == nil {
		return q
	}
	m := in.MetricStat.Metric
	q.Measure = &alarm.Measure{Statistic: *in.MetricStat.Stat, Unit: request.Value(in.MetricStat.Unit),
		Metric: alarm.Metric{Namespace: *m.Namespace, Name: *m.MetricName}}
	for _, d := range m.Dimensions {
		q.Measure.Metric.Dimensions = append(q.Measure.Metric.Dimensions,
			alarm.Dimension{Name: *d.Name, Value: *d.Value})
	}
	return q
}

func answerMath(q alarm.Query) shape.TargetTrackingMetricDataQuery {
	out := shape.TargetTrackingMetricDataQuery{Id: &q.ID, Label: request.Optional(q.Label),
		Expression: request.Optional(q.Expression), ReturnData: new(!q.Hidden)}
	if m := q.Measure; m != nil {
		out.MetricStat = &shape.TargetTrackingMetricStat{Stat: &m.Statistic, Unit: request.Optional(m.Unit),
			Metric: &shape.Metric{Namespace: &m.Metric.Namespace, MetricName: &m.Metric.Name,
				Dimensions: request.Answers(m.Metric.Dimensions, answerDimension)}}
	}
	return out
}

func answerDimension(d alarm.Dimension) shape.MetricDimension {
	return shape.MetricDimension{Name: &d.Name, Value: &d.Value}
}
