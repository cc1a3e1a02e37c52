package cloudwatch

import (
	"context"
	"errors"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/state"
)

// alarms returns the actions on alarms.
func (a *api) alarms() []awswire.Operation {
	return []awswire.Operation{
		awswire.Op("PutMetricAlarm", a.putMetricAlarm).Refuses("ActionConfiguration",
			"EvaluationCriteria", "EvaluationInterval", "EvaluationWindow", "Metrics[].AccountId",
			"ThresholdMetricId", "WarmUpConfiguration"),
		awswire.Op("PutCompositeAlarm", a.putCompositeAlarm).Refuses("ActionConfiguration", "ActionsSuppressor",
			"ActionsSuppressorExtensionPeriod", "ActionsSuppressorWaitPeriod"),
		awswire.Op("DescribeAlarms", a.describeAlarms),
		awswire.Op("DeleteAlarms", a.deleteAlarms),
		awswire.Op("DescribeAlarmsForMetric", a.describeAlarmsForMetric),
		awswire.Op("DescribeAlarmHistory", a.describeAlarmHistory).Refuses("AlarmContributorId"),
		awswire.Op("SetAlarmState", a.setAlarmState),
		awswire.Op("EnableAlarmActions", a.enableAlarmActions),
		awswire.Op("DisableAlarmActions", a.disableAlarmActions),
		awswire.Op("TagResource", a.tagResource),
		awswire.Op("UntagResource", a.untagResource),
		awswire.Op("ListTagsForResource", a.listTagsForResource),
	}
}

// maxNames is the maximum number of alarms that a call may name.
const maxNames = 100

// alarmARNs returns the ARNs of the alarms that a call names, each once.
func alarmARNs(call *awswire.Call, names []string) (arns []string, err error) {
	if len(names) > maxNames {
		return nil, validation("The collection AlarmNames must not have a size greater than %d.", maxNames)
	}
	seen := make(map[string]bool)
	for i, name := range names {
		if !alarm.ValidName(name) {
			return nil, validation("The value %q for parameter AlarmNames.member.%d is invalid: "+nameRule, name, i+1)
		}
		if !seen[name] {
			seen[name] = true
			arns = append(arns, alarm.ARN(call.Region, call.Account, name))
		}
	}
	return arns, nil
}

const nameRule = "the name of an alarm has 1 to 255 characters and no control characters."

// named returns the ARN of the alarm with a name, in the caller's account and region.
func named(call *awswire.Call, name *string) (string, error) {
	if !alarm.ValidName(request.Value(name)) {
		return "", validation("The value %q for parameter AlarmName is invalid: "+nameRule, request.Value(name))
	}
	return alarm.ARN(call.Region, call.Account, *name), nil
}

// unknown returns the error for names without an alarm.
func unknown(arns ...string) *fault.Error {
	var names []string
	for _, a := range arns {
		names = append(names, nameOf(a))
	}
	return fault.New(shape.CodeResourceNotFound, "There is no alarm %s.", strings.Join(names, ", "))
}

// nameOf returns the alarm's name in an ARN.
func nameOf(alarmARN string) string {
	a, _ := arn.Parse(alarmARN) // Berth made the ARN, so it is valid
	return strings.TrimPrefix(a.Resource, "alarm:")
}

func (a *api) deleteAlarms(
	ctx context.Context, call *awswire.Call, in *shape.DeleteAlarmsInput,
) (*shape.DeleteAlarmsOutput, error) {
	arns, err := alarmARNs(call, in.AlarmNames)
	if err != nil {
		return nil, err
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		var missing []string
		for _, key := range arns {
			if _, ok := tx.Alarms.Get(key); !ok {
				missing = append(missing, key)
			}
		}
		if len(missing) > 0 { // then no alarm is deleted
			return unknown(missing...)
		}
		if err := checkParents(tx, arns); err != nil {
			return err
		}
		for _, key := range arns {
			tx.DeleteAlarm(key, call.Now)
		}
		return nil
	})
}

// alarmMetric converts a metric to the form in the alarm's row.
func alarmMetric(m meter.Metric) alarm.Metric {
	out := alarm.Metric{Namespace: m.Namespace, Name: m.Name}
	for _, d := range m.Dimensions {
		out.Dimensions = append(out.Dimensions, alarm.Dimension(d))
	}
	return out
}

// asValidation changes the code of a fault to the one that PutMetricAlarm has for wrong input.
func asValidation(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return validation("%s", f.Message)
	}
	return err
}
