package logs

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore/filter"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) putMetricFilter(
	ctx context.Context, call *awswire.Call, in *shape.PutMetricFilterInput,
) (*shape.PutMetricFilterOutput, error) {
	row, err := parseMetricFilter(in)
	if err != nil {
		return nil, err
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, in.LogGroupName, nil)
		if err != nil {
			return err
		}
		put := *row
		put.GroupARN, put.ARN, put.CreatedAt = g.ARN, loggroup.FilterARN(g.ARN, row.Name), call.Now
		if _, ok := tx.MetricFilters.Get(put.ARN); !ok && tx.MetricFiltersOf(g.ARN) >= loggroup.MaxFilters {
			return fault.New(shape.CodeLimitExceededException, "Resource limit exceeded: a log group has at most %d "+
				"metric filters.", loggroup.MaxFilters)
		}
		tx.MetricFilters.Put(&put)
		return nil
	})
}

func parseMetricFilter(in *shape.PutMetricFilterInput) (*loggroup.MetricFilter, error) {
	if err := loggroup.ValidateFilterName(*in.FilterName); err != nil {
		return nil, err
	}
	if _, err := filter.Parse(*in.FilterPattern); err != nil {
		return nil, err
	}
	if n := len(in.MetricTransformations); n != 1 {
		return nil, unsatisfied(nil, "metricTransformations", "Member must have length equal to 1")
	}
	t, err := parseTransformation(in.MetricTransformations[0], *in.FilterPattern)
	return &loggroup.MetricFilter{Name: *in.FilterName, Pattern: *in.FilterPattern, Metric: t}, err
}

func parseTransformation(in shape.MetricTransformation, pattern string) (t loggroup.Transformation, err error) {
	t = loggroup.Transformation{
		Namespace: *in.MetricNamespace, Name: *in.MetricName, Value: *in.MetricValue,
		Default: in.DefaultValue, Unit: in.Unit,
	}
	for _, name := range slices.Sorted(maps.Keys(in.Dimensions)) {
		t.Dimensions = append(t.Dimensions, loggroup.FilterDimension{Name: name, Selector: in.Dimensions[name]})
	}
	if wrong := t.Check(); wrong != "" {
		return t, invalid("Invalid metric transformation: %s", wrong)
	}
	selectors := []string{}
	if _, ok := t.Number(); !ok {
		selectors = append(selectors, t.Value)
	}
	for _, d := range t.Dimensions {
		selectors = append(selectors, d.Selector)
	}
	for _, s := range selectors {
		if _, err := filter.ParseSelector(s); err != nil {
			return t, invalid("Invalid metric transformation: %q is neither a number nor a selector such as "+
				"$.member", s)
		}
		if !strings.HasPrefix(strings.TrimSpace(pattern), "{") {
			return t, invalid("Invalid metric transformation: the selector %q needs a pattern over JSON messages, "+
				"as in "+
				"{ $.member = value }", s)
		}
	}
	return t, nil
}

func (a *api) deleteMetricFilter(
	ctx context.Context, call *awswire.Call, in *shape.DeleteMetricFilterInput,
) (*shape.DeleteMetricFilterOutput, error) {
	if err := loggroup.ValidateFilterName(*in.FilterName); err != nil {
		return nil, err
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, in.LogGroupName, nil)
		if err != nil {
			return err
		}
		key := loggroup.FilterARN(g.ARN, *in.FilterName)
		if _, ok := tx.MetricFilters.Get(key); !ok {
			return loggroup.FilterNotFound()
		}
		tx.MetricFilters.Delete(key)
		return nil
	})
}

func (a *api) describeMetricFilters(
	_ context.Context, call *awswire.Call, in *shape.DescribeMetricFiltersInput,
) (*shape.DescribeMetricFiltersOutput, error) {
	tables := &a.store.View().Tables
	list, err := wantedFilters(tables, call, in)
	if err != nil {
		return nil, err
	}
	found, next, err := request.Cut(call, pages(50).Ask(in.Limit, in.NextToken), list,
		func(f *loggroup.MetricFilter) string { return f.ARN }, request.Value(in.LogGroupName),
		request.Value(in.FilterNamePrefix), request.Value(in.MetricNamespace), request.Value(in.MetricName))
	return &shape.DescribeMetricFiltersOutput{NextToken: next, MetricFilters: request.Answers(found, answerFilterRow)},
		err
}

// wantedFilters yields the filters that a request asks for, in the order of their keys.
func wantedFilters(
	tables *state.Tables, call *awswire.Call, in *shape.DescribeMetricFiltersInput,
) (iter.Seq[*loggroup.MetricFilter], error) {
	if (in.MetricName == nil) != (in.MetricNamespace == nil) {
		return nil, invalid("metricName and metricNamespace must be given together.")
	}
	region := strings.TrimSuffix(arn.New("logs", call.Region, call.Account, "").String(), ":")
	list := tables.MetricFilters.Prefix(region + ":log-group:")
	switch {
	case in.LogGroupName != nil:
		g, err := group(tables, call, in.LogGroupName, nil)
		if err != nil {
			return nil, err
		}
		list = tables.MetricFilters.Prefix(loggroup.FilterARN(g.ARN, request.Value(in.FilterNamePrefix)))
	case in.FilterNamePrefix != nil:
		return nil, invalid("filterNamePrefix needs a logGroupName.")
	case in.MetricName != nil:
		return tables.MetricFilters.By(state.MetricFiltersByMetric,
			loggroup.MetricEntry(region, *in.MetricNamespace, *in.MetricName)), nil
	}
	return request.Where(list, func(f *loggroup.MetricFilter) bool {
		return in.MetricName == nil || f.Metric.Name == *in.MetricName && f.Metric.Namespace == *in.MetricNamespace
	}), nil
}

func answerFilterRow(f *loggroup.MetricFilter) shape.MetricFilter {
	t := shape.MetricTransformation{
		MetricName: &f.Metric.Name, MetricNamespace: &f.Metric.Namespace, MetricValue: &f.Metric.Value,
		DefaultValue: f.Metric.Default, Unit: f.Metric.Unit,
	}
	if t.Unit == "" {
		t.Unit = shape.StandardUnitNone
	}
	for _, d := range f.Metric.Dimensions {
		if t.Dimensions == nil {
			t.Dimensions = make(map[string]string)
		}
		t.Dimensions[d.Name] = d.Selector
	}
	return shape.MetricFilter{
		FilterName: &f.Name, FilterPattern: &f.Pattern, LogGroupName: new(loggroup.NameOf(f.GroupARN)),
		CreationTime: new(f.CreatedAt.UnixMilli()), MetricTransformations: []shape.MetricTransformation{t},
	}
}

// maxTested is how many messages TestMetricFilter takes.
const maxTested = 50

func (a *api) testMetricFilter(
	_ context.Context, _ *awswire.Call, in *shape.TestMetricFilterInput,
) (*shape.TestMetricFilterOutput, error) {
	match, err := filter.Parse(*in.FilterPattern)
	if err != nil {
		return nil, err
	}
	if n := len(in.LogEventMessages); n < 1 || n > maxTested {
		return nil, unsatisfied(nil, "logEventMessages", "Member must have length between 1 and 50")
	}
	out := &shape.TestMetricFilterOutput{}
	selectors := filter.Selectors(*in.FilterPattern)
	for i, text := range in.LogEventMessages {
		if !match(text) {
			continue
		}
		values, m := make(map[string]string), filter.NewMessage(text)
		for _, name := range selectors {
			s, err := filter.ParseSelector(name)
			if err != nil {
				return nil, err
			}
			if value, ok := s.Text(m); ok {
				values[name] = value
			}
		}
		out.Matches = append(out.Matches, shape.MetricFilterMatchRecord{
			EventMessage: &in.LogEventMessages[i], EventNumber: new(int64(i + 1)), ExtractedValues: values,
		})
	}
	return out, nil
}
