package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/query"
)

// metricPages are the page sizes of ListMetrics. A call cannot set the size.
var metricPages = request.Pages{Default: 500, Least: 500, Most: 500}

func (a *api) listMetrics(
	_ context.Context, call *awswire.Call, in *shape.ListMetricsInput,
) (*shape.ListMetricsOutput, error) {
	if len(in.Dimensions) > 10 {
		return nil, invalid("The collection Dimensions must not have a size greater than 10.")
	}
	filter := []string{request.Value(in.Namespace), request.Value(in.MetricName), in.RecentlyActive}
	for _, d := range in.Dimensions {
		filter = append(filter, request.Value(d.Name), fmt.Sprint(d.Value != nil), request.Value(d.Value))
	}
	since := call.Now.Add(-query.Listed)
	if in.RecentlyActive != "" {
		since = call.Now.Add(-3 * time.Hour)
	}
	found := query.List(a.points, func(s meter.Series) bool {
		return s.Metric.Scope == scope(call) && !s.Last.Before(since) && matches(s.Metric, in)
	})
	shown, next, err := request.Cut(call, metricPages.Ask(nil, in.NextToken), slices.Values(found), query.Name,
		filter...)
	return &shape.ListMetricsOutput{Metrics: request.Answers(shown, answerMetric), NextToken: next}, err
}

func matches(m meter.Metric, in *shape.ListMetricsInput) bool {
	if in.Namespace != nil && m.Namespace != *in.Namespace || in.MetricName != nil && m.Name != *in.MetricName {
		return false
	}
	for _, f := range in.Dimensions {
		if !slices.ContainsFunc(m.Dimensions, func(d meter.Dimension) bool {
			return d.Name == request.Value(f.Name) && (f.Value == nil || d.Value == *f.Value)
		}) {
			return false
		}
	}
	return true
}

func answerMetric(m meter.Metric) shape.Metric {
	return shape.Metric{Namespace: &m.Namespace, MetricName: &m.Name,
		Dimensions: request.Answers(m.Dimensions, func(d meter.Dimension) shape.Dimension {
			return shape.Dimension{Name: &d.Name, Value: &d.Value}
		})}
}
