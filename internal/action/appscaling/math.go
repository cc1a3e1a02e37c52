package appscaling

import (
	"regexp"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/meter/compare"
)

// parseMath reads metric math: metrics and expressions, of which exactly one is compared with the target (ecs.md 6.15).
// It refuses what the alarms of the policy could not evaluate.
func parseMath(in *shape.CustomizedMetricSpecification) ([]alarm.Query, error) {
	if in.Namespace != nil || in.MetricName != nil || in.Statistic != "" || in.Unit != nil || in.Dimensions != nil {
		return nil, invalid("A CustomizedMetricSpecification has either Metrics or MetricName, Namespace, " +
			"Dimensions, Statistic and Unit.")
	}
	if len(in.Metrics) == 0 {
		return nil, invalid("The collection Metrics must have at least one element.")
	}
	var all []alarm.Query
	for _, one := range in.Metrics {
		q, err := parseMathQuery(one)
		if err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	period, problem := compare.Check((&appscaling.Tracking{Math: all}).Queries(time.Minute))
	switch {
	case problem != "":
		return nil, invalid("The metric math is invalid: %s", problem)
	case period != time.Minute:
		return nil, invalid("The metric math is invalid: its result has a period of %v, and it must be a minute.",
			period)
	}
	return all, nil
}

var mathID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

func parseMathQuery(in shape.TargetTrackingMetricDataQuery) (alarm.Query, error) {
	q := alarm.Query{ID: *in.Id, Label: request.Value(in.Label), Expression: request.Value(in.Expression),
		Hidden: in.ReturnData != nil && !*in.ReturnData}
	switch {
	case !mathID.MatchString(q.ID):
		return q, invalid("The Id %q in Metrics is invalid: it begins with a lower-case letter and has letters, "+
			"digits and underscores.", q.ID)
	case (in.MetricStat == nil) == (in.Expression == nil):
		return q, invalid("The element %s of Metrics needs either MetricStat or Expression.", q.ID)
	case in.Expression != nil:
		return q, nil
	}
	m := in.MetricStat.Metric
	q.Measure = &alarm.Measure{Statistic: *in.MetricStat.Stat, Unit: request.Value(in.MetricStat.Unit),
		Metric: alarm.Metric{Namespace: request.Value(m.Namespace), Name: request.Value(m.MetricName)}}
	for _, d := range m.Dimensions {
		q.Measure.Metric.Dimensions = append(q.Measure.Metric.Dimensions,
			alarm.Dimension{Name: *d.Name, Value: *d.Value})
	}
	if err := request.CheckMeasure(q.Measure); err != nil {
		return q, invalid("The element %s of Metrics is invalid: %v.", q.ID, err)
	}
	return q, nil
}

func answerMath(q alarm.Query) shape.TargetTrackingMetricDataQuery {
	out := shape.TargetTrackingMetricDataQuery{Id: &q.ID, Label: request.Optional(q.Label),
		Expression: request.Optional(q.Expression), ReturnData: new(!q.Hidden)}
	m := q.Measure
	if m == nil {
		return out
	}
	out.MetricStat = &shape.TargetTrackingMetricStat{Stat: &m.Statistic, Unit: request.Optional(m.Unit),
		Metric: &shape.TargetTrackingMetric{Namespace: &m.Metric.Namespace, MetricName: &m.Metric.Name,
			Dimensions: request.Answers(m.Metric.Dimensions, answerMathDimension)}}
	return out
}

func answerMathDimension(d alarm.Dimension) shape.TargetTrackingMetricDimension {
	return shape.TargetTrackingMetricDimension{Name: &d.Name, Value: &d.Value}
}
