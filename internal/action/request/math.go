package request

import (
	"fmt"
	"regexp"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/awswire/reshape"
	"github.com/berthhq/berth/internal/meter/compare"
)

// customized is the CustomizedMetricSpecification of a target tracking policy, of a service or of a group. It and the
// types in it have the names of the shapes of both, so that package reshape converts them.
type customized struct {
	Namespace, MetricName string
	Statistic, Unit       string
	Dimensions            []alarm.Dimension
	Period                *int // only groups have periods
	Metrics               []mathQuery
}

type mathQuery struct {
	ID         string
	Label      string
	Expression *string
	ReturnData *bool
	Period     *int
	MetricStat *metricStat
}

type metricStat struct {
	Metric     metric
	Stat, Unit string
	Period     *int
}

type metric struct {
	Namespace, MetricName string
	Dimensions            []alarm.Dimension
}

func (m metric) measure(statistic, unit string) *alarm.Measure {
	return &alarm.Measure{Statistic: statistic, Unit: unit, Metric: alarm.Metric{Namespace: m.Namespace,
		Name: m.MetricName, Dimensions: append([]alarm.Dimension(nil), m.Dimensions...)}}
}

// metricOf returns a metric as it is described: a list of dimensions without elements is there too.
func metricOf(m alarm.Metric) metric {
	return metric{m.Namespace, m.Name, append([]alarm.Dimension{}, m.Dimensions...)}
}

// ParseCustomized reads the shape of a CustomizedMetricSpecification: a metric, or metric math. problem is a sentence
// that says why it is refused, and "" if it is not.
func ParseCustomized(shape any, t *appscaling.Tracking) (problem string) {
	in, err := reshape.In[customized](shape)
	if err != nil {
		return fmt.Sprintf("The CustomizedMetricSpecification is invalid: %v.", err)
	}
	for _, period := range in.periods() {
		if period != nil && *period != 60 {
			return fmt.Sprintf("Berth supports a Period of 60 seconds only: %d", *period)
		}
	}
	t.Period = in.Period
	if in.Metrics != nil {
		t.Math, problem = in.math()
		return problem
	}
	t.Customized = metric{in.Namespace, in.MetricName, in.Dimensions}.measure(in.Statistic, in.Unit)
	if err := CheckMeasure(t.Customized); err != nil {
		return fmt.Sprintf("The customized metric is invalid: %v.", err)
	}
	return ""
}

func (in *customized) periods() []*int {
	all := []*int{in.Period}
	for _, q := range in.Metrics {
		all = append(all, q.Period)
		if q.MetricStat != nil {
			all = append(all, q.MetricStat.Period)
		}
	}
	return all
}

// math reads metric math: metrics and expressions, of which exactly one is compared with the target (ecs.md 6.15). It
// refuses what the alarms of the policy could not evaluate.
func (in *customized) math() (all []appscaling.Query, problem string) {
	switch {
	case in.Namespace != "" || in.MetricName != "" || in.Statistic != "" || in.Unit != "" || in.Dimensions != nil:
		return nil, "A CustomizedMetricSpecification has either Metrics or MetricName, Namespace, Dimensions, " +
			"Statistic and Unit."
	case len(in.Metrics) == 0:
		return nil, "The collection Metrics must have at least one element."
	}
	for _, one := range in.Metrics {
		q := one.query()
		if problem := one.problem(q.Measure); problem != "" {
			return nil, problem
		}
		all = append(all, q)
	}
	period, problem := compare.Check((&appscaling.Tracking{Math: all}).Queries(time.Minute))
	switch {
	case problem != "":
		return nil, "The metric math is invalid: " + problem
	case period != time.Minute:
		return nil, fmt.Sprintf("The metric math is invalid: its result has a period of %v, and it must be a minute.",
			period)
	}
	return all, ""
}

func (q mathQuery) query() appscaling.Query {
	out := appscaling.Query{GivenPeriod: q.Period, Query: alarm.Query{ID: q.ID, Label: q.Label,
		Expression: Value(q.Expression), Hidden: q.ReturnData != nil && !*q.ReturnData}}
	if s := q.MetricStat; s != nil {
		out.StatPeriod, out.Measure = s.Period, s.Metric.measure(s.Stat, s.Unit)
	}
	return out
}

var mathID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

// problem returns why an element is refused, or "" if it is not. m is its metric, if it has one.
func (q mathQuery) problem(m *alarm.Measure) string {
	switch {
	case !mathID.MatchString(q.ID):
		return fmt.Sprintf("The Id %q in Metrics is invalid: it begins with a lower-case letter and has letters, "+
			"digits and underscores.", q.ID)
	case (m == nil) == (q.Expression == nil):
		return fmt.Sprintf("The element %s of Metrics needs either MetricStat or Expression.", q.ID)
	case m == nil:
		return ""
	}
	if err := CheckMeasure(m); err != nil {
		return fmt.Sprintf("The element %s of Metrics is invalid: %v.", q.ID, err)
	}
	return ""
}

// AnswerCustomized returns the shape D of the CustomizedMetricSpecification of a policy without a predefined metric, as
// it was given.
func AnswerCustomized[D any](t *appscaling.Tracking) *D {
	out := customized{Period: t.Period}
	if m := t.Customized; m != nil {
		one := metricOf(m.Metric)
		out.Namespace, out.MetricName, out.Dimensions = one.Namespace, one.MetricName, one.Dimensions
		out.Statistic, out.Unit = m.Statistic, m.Unit
	}
	if t.Math != nil {
		out.Metrics = Answers(t.Math, answerQuery)
	}
	return new(reshape.Out[D](out))
}

func answerQuery(q appscaling.Query) mathQuery {
	out := mathQuery{ID: q.ID, Label: q.Label, Expression: Optional(q.Expression), ReturnData: new(!q.Hidden),
		Period: q.GivenPeriod}
	if m := q.Measure; m != nil {
		out.MetricStat = &metricStat{Metric: metricOf(m.Metric), Stat: m.Statistic, Unit: m.Unit, Period: q.StatPeriod}
	}
	return out
}
