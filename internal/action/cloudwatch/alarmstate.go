package cloudwatch

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// Limits of SetAlarmState, in characters.
const (
	maxReason     = 1023
	maxReasonData = 4000
)

// setAlarmState sets a state that lasts until the next evaluation (ecs.md 7.5).
func (a *api) setAlarmState(
	ctx context.Context, call *awswire.Call, in *shape.SetAlarmStateInput,
) (*shape.SetAlarmStateOutput, error) {
	key, err := named(call, in.AlarmName)
	if err != nil {
		return nil, err
	}
	data := request.Value(in.StateReasonData)
	switch {
	case utf8.RuneCountInString(*in.StateReason) > maxReason:
		return nil, validation("The parameter StateReason has more than %d characters.", maxReason)
	case utf8.RuneCountInString(data) > maxReasonData:
		return nil, validation("The parameter StateReasonData has more than %d characters.", maxReasonData)
	case data != "" && !json.Valid([]byte(data)):
		return nil, fault.New(shape.CodeInvalidFormatFault, "The parameter StateReasonData is not JSON.")
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		row, ok := tx.Alarms.Get(key)
		if !ok {
			return unknown(key)
		}
		old := tx.StatusOf(row)
		tx.SetAlarmStatus(row, old, old.Next(scaling.State(in.StateValue), *in.StateReason, data, call.Now))
		return nil
	})
}

func (a *api) enableAlarmActions(
	ctx context.Context, call *awswire.Call, in *shape.EnableAlarmActionsInput,
) (*shape.EnableAlarmActionsOutput, error) {
	return nil, a.setActionsEnabled(ctx, call, in.AlarmNames, true)
}

func (a *api) disableAlarmActions(
	ctx context.Context, call *awswire.Call, in *shape.DisableAlarmActionsInput,
) (*shape.DisableAlarmActionsOutput, error) {
	return nil, a.setActionsEnabled(ctx, call, in.AlarmNames, false)
}

// setActionsEnabled ignores names without an alarm, because AWS documents no error for them.
func (a *api) setActionsEnabled(ctx context.Context, call *awswire.Call, names []string, enabled bool) error {
	arns, err := alarmARNs(call, names)
	if err != nil {
		return err
	}
	return a.store.Update(ctx, func(tx *state.Tx) error {
		for _, key := range arns {
			old, ok := tx.Alarms.Get(key)
			if !ok || old.ActionsEnabled == enabled {
				continue
			}
			row := *old
			row.ActionsEnabled, row.UpdatedAt = enabled, call.Now
			tx.Alarms.Put(&row)
			tx.AddAlarmHistory(alarm.Configured(old, &row, call.Now))
		}
		return nil
	})
}

func (a *api) describeAlarmsForMetric(
	_ context.Context, call *awswire.Call, in *shape.DescribeAlarmsForMetricInput,
) (*shape.DescribeAlarmsForMetricOutput, error) {
	parsed, err := metric(call, in.Namespace, in.MetricName, in.Dimensions, "Dimensions")
	if err != nil {
		return nil, err
	}
	wanted := alarmMetric(parsed)
	length := time.Duration(request.Value(in.Period)) * time.Second
	statistic := in.Statistic
	if in.ExtendedStatistic != nil {
		statistic = *in.ExtendedStatistic
	}
	tables := &a.store.View().Tables
	out := &shape.DescribeAlarmsForMetricOutput{}
	for row := range tables.Alarms.By(state.AlarmsByMetric, alarm.MetricEntry(call.Region, call.Account, wanted)) {
		m := row.Measure
		if m.Metric.Equal(wanted) && (length == 0 || length == row.Condition.Period) &&
			(statistic == "" || statistic == m.Statistic) && (in.Unit == "" || in.Unit == m.Unit) {
			out.MetricAlarms = append(out.MetricAlarms, answerAlarm(tables, row))
		}
	}
	return out, nil
}
