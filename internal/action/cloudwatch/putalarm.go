package cloudwatch

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

const (
	// maxDescription is the maximum length of a description in characters.
	maxDescription = 1024
	day            = 24 * time.Hour
)

func (a *api) putMetricAlarm(
	ctx context.Context, call *awswire.Call, in *shape.PutMetricAlarmInput,
) (*shape.PutMetricAlarmOutput, error) {
	row, err := parseSettings(call, in.AlarmName, common{in.AlarmDescription, in.ActionsEnabled, in.OKActions,
		in.AlarmActions, in.InsufficientDataActions, false})
	if err != nil {
		return nil, err
	}
	period, err := a.parseCompared(call, in, row)
	if err != nil {
		return nil, err
	}
	if err := parseCondition(in, period, row); err != nil {
		return nil, err
	}
	tags, err := tagRules.New(request.Tags(in.Tags))
	if err != nil {
		return nil, err
	}
	return nil, a.putAlarm(ctx, call, row, tags)
}

// putAlarm creates an alarm. If there is one with the name, it replaces its settings and does not change its
// state (ecs.md 7.4).
func (a *api) putAlarm(ctx context.Context, call *awswire.Call, row *alarm.Alarm, tags tag.Set) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		put := *row
		put.Tags = tags
		if old, exists := tx.Alarms.Get(row.ARN); exists && old.Composite() != row.Composite() {
			return validation("There is an alarm %s of the other type; delete it first.", row.Name)
		}
		if err := checkChildren(&tx.Tables, &put); err != nil {
			return err
		}
		if !tx.PutAlarm(&put, call.Now) {
			return fault.New(shape.CodeLimitExceededFault, "Berth keeps %d alarms, and there are as many.", alarm.Max)
		}
		return nil
	})
}

// common has the members that PutMetricAlarm and PutCompositeAlarm share.
type common struct {
	description                 *string
	actionsEnabled              *bool
	ok, alarm, insufficientData []string
	composite                   bool
}

// parseSettings reads the settings that both types of alarms have.
func parseSettings(call *awswire.Call, name *string, in common) (*alarm.Alarm, error) {
	key, err := named(call, name)
	if err != nil {
		return nil, err
	}
	row := &alarm.Alarm{
		ARN: key, Name: *name, Region: call.Region, Account: call.Account, UpdatedAt: call.Now,
		Description:    request.Value(in.description),
		ActionsEnabled: in.actionsEnabled == nil || *in.actionsEnabled,
		OKActions:      in.ok, AlarmActions: in.alarm, InsufficientDataActions: in.insufficientData,
	}
	if n := utf8.RuneCountInString(row.Description); n > maxDescription {
		return nil, validation("The parameter AlarmDescription has %d characters; %d are allowed.", n, maxDescription)
	}
	for _, list := range []struct {
		name    string
		actions []string
	}{{"OKActions", in.ok}, {"AlarmActions", in.alarm}, {"InsufficientDataActions", in.insufficientData}} {
		if err := checkActions(call, list.name, list.actions, in.composite); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// checkBuilt returns an error unless a controller carries out an action.
func checkBuilt(kind alarm.ActionKind, action, at string) error {
	whole := true
	switch kind {
	case alarm.SNSTopic: // control/notify
	case alarm.ServicePolicy: // control/scale
		_, _, _, whole = appscaling.SplitPolicyARN(action)
	case alarm.GroupPolicy: // control/fleet and control/capacity
		_, _, whole = groupscaling.KeyFromARN(action)
	default:
		return validation("The value %q for parameter %s is refused: Berth does not support %s as actions of "+
			"alarms yet. Without actions the alarm is evaluated, and its state can be read.", action, at, kind)
	}
	if !whole {
		return validation("The value %q for parameter %s is refused: of scaling policies, an alarm can call those of "+
			"ECS services (…:resource/ecs/service/CLUSTER/SERVICE:policyName/NAME) and of Auto Scaling groups "+
			"(…:autoScalingGroupName/GROUP:policyName/NAME).", action, at)
	}
	return nil
}

func checkActions(call *awswire.Call, name string, actions []string, composite bool) error {
	if len(actions) > alarm.MaxActions {
		return validation("The collection %s must not have a size greater than %d.", name, alarm.MaxActions)
	}
	for i, action := range actions {
		at := fmt.Sprintf("%s.member.%d", name, i+1)
		parsed, err := arn.Parse(action)
		if err != nil || len(action) > alarm.MaxActionLength {
			return validation("Invalid arn syntax: the value %.100q for parameter %s is not an ARN of up to %d "+
				"characters.", action, at, alarm.MaxActionLength)
		}
		kind, ok := alarm.KindOf(action)
		if !ok {
			return validation("The value %q for parameter %s is invalid: an alarm has no such action.", action, at)
		}
		if composite && !kind.InComposite() {
			return validation("The value %q for parameter %s is invalid: composite alarms have no %s.", action, at,
				kind)
		}
		if err := checkBuilt(kind, action, at); err != nil {
			return err
		}
		if kind == alarm.SNSTopic && parsed.Region != call.Region {
			return validation("Invalid region %s specified. Only %s is supported.", parsed.Region, call.Region)
		}
		if slices.Contains(actions[:i], action) {
			return validation("The value %q is given twice in %s.", action, name)
		}
	}
	return nil
}

// parseMeasure reads the metric and the statistic that are compared.
func parseMeasure(call *awswire.Call, in *shape.PutMetricAlarmInput, row *alarm.Alarm) error {
	m, err := metric(call, in.Namespace, in.MetricName, in.Dimensions, "Dimensions")
	if err != nil {
		return asValidation(err)
	}
	row.Measure.Metric, row.Measure.Unit = alarmMetric(m), in.Unit
	switch extended := request.Value(in.ExtendedStatistic); {
	case (in.Statistic == "") == (extended == ""):
		return validation("Exactly one of the parameters Statistic and ExtendedStatistic must be specified.")
	case extended != "":
		s, err := meter.ParseStatistic(extended)
		if err != nil || !s.NeedsSpread() {
			return validation("The value %s for parameter ExtendedStatistic is invalid.", extended)
		}
		row.Measure.Statistic = extended
	default:
		row.Measure.Statistic = in.Statistic
	}
	return parseLowSamples(in, row)
}

// parseLowSamples reads what happens when a percentile has too few samples (ecs.md 7.7).
func parseLowSamples(in *shape.PutMetricAlarmInput, row *alarm.Alarm) error {
	row.LowSamples = request.Value(in.EvaluateLowSampleCountPercentile)
	switch {
	case row.LowSamples == "":
		return nil
	case row.LowSamples != "evaluate" && row.LowSamples != alarm.IgnoreLowSamples:
		return validation("Option %s is not supported. Supported options for parameter "+
			"EvaluateLowSampleCountPercentile are evaluate and ignore.", row.LowSamples)
	}
	s, err := meter.ParseStatistic(row.Measure.Statistic)
	if err != nil {
		return err
	}
	if _, ok := s.IsPercentile(); !ok {
		return validation("The parameter EvaluateLowSampleCountPercentile is only for an ExtendedStatistic that is a " +
			"percentile.")
	}
	return nil
}

var treatments = []string{
	string(scaling.MissingIsMissing), string(scaling.MissingIgnored), string(scaling.MissingIsBreaching),
	string(scaling.MissingIsNotBreaching),
}

// parseCondition reads the condition that the values are compared with (ecs.md 7.4).
func parseCondition(in *shape.PutMetricAlarmInput, period *int32, row *alarm.Alarm) error {
	treat := request.Value(in.TreatMissingData)
	periods, toAlarm := request.Value(in.EvaluationPeriods), request.Value(in.DatapointsToAlarm)
	c := scaling.Condition{
		Comparison: scaling.Comparison(in.ComparisonOperator), Threshold: request.Value(in.Threshold),
		Periods: int(periods), ToAlarm: int(toAlarm), MissingData: scaling.Missing(treat),
	}
	switch {
	case in.ComparisonOperator == "":
		return validation("The parameter ComparisonOperator is required.")
	case !c.Comparison.Numeric():
		return validation("The value %s for parameter ComparisonOperator is refused: Berth does not support anomaly "+
			"detection.", in.ComparisonOperator)
	case in.Threshold == nil:
		return validation("The parameter Threshold is required.")
	case math.IsNaN(c.Threshold) || math.IsInf(c.Threshold, 0):
		return validation("The value %v for parameter Threshold is invalid: it must be a number.", c.Threshold)
	case in.EvaluationPeriods == nil:
		return validation("The parameter EvaluationPeriods is required.")
	case periods < 1:
		return fault.Unsatisfied(shape.CodeValidationException, periods, "evaluationPeriods",
			"Member must have value greater than or equal to 1")
	case in.DatapointsToAlarm != nil && toAlarm < 1:
		return fault.Unsatisfied(shape.CodeValidationException, toAlarm, "datapointsToAlarm",
			"Member must have value greater than or equal to 1")
	case toAlarm > periods:
		return validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
	case treat != "" && !slices.Contains(treatments, treat):
		return validation("The value %q for parameter TreatMissingData is invalid: it must be one of %v.", treat,
			treatments)
	}
	row.Condition = c
	return parsePeriod(period, row)
}

// parsePeriod reads the period, and checks the total length of all periods (ecs.md 7.4).
func parsePeriod(seconds *int32, row *alarm.Alarm) error {
	if seconds == nil {
		return validation("The parameter Period is required.")
	}
	switch n := *seconds; {
	case n == 10, n == 20, n == 30, n > 0 && n%60 == 0:
	default:
		return validation("Period must be 10, 20, 30 or a multiple of 60, and is %d.", n)
	}
	period := time.Duration(*seconds) * time.Second
	most := day
	if period >= time.Hour {
		most = 7 * day
	}
	if int64(row.Condition.Periods)*int64(*seconds) > int64(most/time.Second) {
		return validation("Metrics cannot be checked across more than %s (EvaluationPeriods * Period must be <= %d).",
			map[time.Duration]string{day: "a day", 7 * day: "a week"}[most], int64(most/time.Second))
	}
	row.Condition.Period = period
	return nil
}
