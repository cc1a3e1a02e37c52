package cloudwatch

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// alarmPages are the page sizes of DescribeAlarms and DescribeAlarmHistory.
var alarmPages = request.Pages{Default: 50, Least: 1, Most: 100, Refuse: func(size, least, most int32) error {
	if size < least {
		return fault.Unsatisfied(shape.CodeValidationException, size, "maxRecords",
			"Member must have value greater than or equal to %d", least)
	}
	return fault.Unsatisfied(shape.CodeValidationException, size, "maxRecords",
		"Member must have value less than or equal to %d", most)
}}

func (a *api) describeAlarms(
	_ context.Context, call *awswire.Call, in *shape.DescribeAlarmsInput,
) (*shape.DescribeAlarmsOutput, error) {
	if in.ChildrenOfAlarmName != nil || in.ParentsOfAlarmName != nil {
		return a.related(call, in)
	}
	tables := &a.store.View().Tables
	list, err := wantedAlarms(tables, call, in)
	if err != nil {
		return nil, err
	}
	bound := []string{in.StateValue, request.Value(in.ActionPrefix), request.Value(in.AlarmNamePrefix)}
	bound = append(append(bound, in.AlarmTypes...), in.AlarmNames...)
	found, next, err := request.Cut(call, alarmPages.Ask(in.MaxRecords, in.NextToken), list, alarmARN, bound...)
	out := described(next)
	for _, row := range found {
		if row.Composite() {
			out.CompositeAlarms = append(out.CompositeAlarms, answerComposite(tables, row))
		} else {
			out.MetricAlarms = append(out.MetricAlarms, answerAlarm(tables, row))
		}
	}
	return out, err
}

// described returns an answer without alarms yet. next is the token of the next page.
func described(next *string) *shape.DescribeAlarmsOutput {
	return &shape.DescribeAlarmsOutput{NextToken: next}
}

func alarmARN(row *alarm.Alarm) string { return row.ARN }

// wantedAlarms yields the alarms that a request asks for, sorted by name.
func wantedAlarms(
	tables *state.Tables, call *awswire.Call, in *shape.DescribeAlarmsInput,
) (iter.Seq[*alarm.Alarm], error) {
	if in.AlarmNames != nil && in.AlarmNamePrefix != nil {
		return nil, combination("AlarmNames and AlarmNamePrefix are mutually exclusive and you have specified both.")
	}
	arns, err := alarmARNs(call, in.AlarmNames)
	if err != nil {
		return nil, err
	}
	list := tables.Alarms.Prefix(alarm.ARN(call.Region, call.Account, request.Value(in.AlarmNamePrefix)))
	if arns != nil {
		list = rows(&tables.Alarms, slices.Sorted(slices.Values(arns)))
	}
	types := in.AlarmTypes
	if len(types) == 0 {
		types = []string{shape.AlarmTypeMetricAlarm}
	}
	return request.Where(list, func(row *alarm.Alarm) bool {
		return slices.Contains(types, typeOf(row.Composite())) &&
			(in.ActionPrefix == nil || row.HasAction(*in.ActionPrefix)) &&
			(in.StateValue == "" || in.StateValue == string(tables.StatusOf(row).Value))
	}), nil
}

// typeOf returns the AlarmType of an alarm.
func typeOf(composite bool) string {
	if composite {
		return shape.AlarmTypeCompositeAlarm
	}
	return shape.AlarmTypeMetricAlarm
}

// rows yields the rows with the given keys, and skips keys without a row.
func rows[T any](table *state.Table[T], keys []string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, key := range keys {
			if row, ok := table.Get(key); ok && !yield(row) {
				return
			}
		}
	}
}

func answerAlarm(tables *state.Tables, row *alarm.Alarm) shape.MetricAlarm {
	s, c := tables.StatusOf(row), row.Condition
	out := shape.MetricAlarm{
		AlarmArn: &row.ARN, AlarmName: &row.Name, AlarmDescription: request.Optional(row.Description),
		AlarmConfigurationUpdatedTimestamp: &row.UpdatedAt, ActionsEnabled: &row.ActionsEnabled,
		OKActions: row.OKActions, AlarmActions: row.AlarmActions,
		InsufficientDataActions: row.InsufficientDataActions,
		StateValue:              string(s.Value), StateReason: &s.Reason, StateReasonData: request.Optional(s.Data),
		StateUpdatedTimestamp: &s.UpdatedAt, StateTransitionedTimestamp: &s.TransitionedAt,
		EvaluationPeriods: new(int32(c.Periods)), DatapointsToAlarm: request.Optional(int32(c.ToAlarm)),
		Threshold: &c.Threshold, ComparisonOperator: string(c.Comparison),
		TreatMissingData:                 request.Optional(string(c.MissingData)),
		EvaluateLowSampleCountPercentile: request.Optional(row.LowSamples),
	}
	if row.Queries != nil {
		out.Metrics = request.Answers(row.Queries, answerQuery)
		return out
	}
	m := row.Measure
	out.Namespace, out.MetricName, out.Unit = &m.Metric.Namespace, &m.Metric.Name, m.Unit
	out.Dimensions = request.Answers(m.Metric.Dimensions, answerDimension)
	out.Period = new(int32(c.Period / time.Second))
	if slices.Contains(shape.EnumValues("Statistic"), m.Statistic) {
		out.Statistic = m.Statistic
	} else {
		out.ExtendedStatistic = &m.Statistic
	}
	return out
}

func answerQuery(q alarm.Query) shape.MetricDataQuery {
	out := shape.MetricDataQuery{Id: &q.ID, Label: request.Optional(q.Label), ReturnData: new(!q.Hidden),
		Expression: request.Optional(q.Expression)}
	seconds := request.Optional(int32(q.Period / time.Second))
	if m := q.Measure; m != nil {
		out.MetricStat = &shape.MetricStat{Period: seconds, Stat: &m.Statistic, Unit: m.Unit, Metric: &shape.Metric{
			Namespace: &m.Metric.Namespace, MetricName: &m.Metric.Name,
			Dimensions: request.Answers(m.Metric.Dimensions, answerDimension),
		}}
	} else {
		out.Period = seconds
	}
	return out
}

func answerDimension(d alarm.Dimension) shape.Dimension {
	return shape.Dimension{Name: &d.Name, Value: &d.Value}
}
