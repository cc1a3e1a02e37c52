package cloudwatch

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// maxChildren is the maximum number of alarms in the rule of a composite alarm.
const maxChildren = 100

func (a *api) putCompositeAlarm(
	ctx context.Context, call *awswire.Call, in *shape.PutCompositeAlarmInput,
) (*shape.PutCompositeAlarmOutput, error) {
	row, err := parseSettings(call, in.AlarmName, common{in.AlarmDescription, in.ActionsEnabled, in.OKActions,
		in.AlarmActions, in.InsufficientDataActions, true})
	if err != nil {
		return nil, err
	}
	if row.Children, err = children(call, *in.AlarmRule); err != nil {
		return nil, err
	}
	row.Rule = *in.AlarmRule
	tags, err := tagRules.New(request.Tags(in.Tags))
	if err != nil {
		return nil, err
	}
	return nil, a.putAlarm(ctx, call, row, tags)
}

// children returns the ARNs of the alarms in a rule.
func children(call *awswire.Call, text string) (arns []string, err error) {
	rule, err := scaling.ParseRule(text)
	if err != nil {
		return nil, validation("The value for parameter AlarmRule is invalid: %v.", err)
	}
	names := rule.Alarms()
	if len(names) > maxChildren {
		return nil, validation("The parameter AlarmRule names %d alarms; %d are allowed.", len(names), maxChildren)
	}
	for _, text := range rule.Texts() {
		if arn.Is(text) && !strings.HasPrefix(text, alarm.Prefix(call.Region, call.Account)) {
			return nil, validation("The alarm %q in the parameter AlarmRule is invalid: it is not an alarm of this "+
				"account and region.", text)
		}
	}
	for _, name := range names {
		if !alarm.ValidName(name) {
			return nil, validation("The alarm %q in the parameter AlarmRule is invalid: "+nameRule, name)
		}
		arns = append(arns, alarm.ARN(call.Region, call.Account, name))
	}
	return arns, nil
}

// checkChildren returns an error if an alarm of the rule does not exist, or if its state depends on that of
// the composite alarm.
func checkChildren(tables *state.Tables, row *alarm.Alarm) error {
	var missing []string
	for _, child := range row.Children {
		if _, ok := tables.Alarms.Get(child); !ok {
			missing = append(missing, nameOf(child))
		}
	}
	if len(missing) > 0 {
		return validation("Could not save the composite alarm as alarms [%s] in the alarm rule do not exist",
			strings.Join(missing, ", "))
	}
	seen := make(map[string]bool)
	below := slices.Clone(row.Children)
	for len(below) > 0 {
		next := below[0]
		below = below[1:]
		if next == row.ARN {
			return validation("Could not save the composite alarm as its state would depend on itself: the alarm rule "+
				"must not lead back to %s", row.Name)
		}
		if child, ok := tables.Alarms.Get(next); ok && !seen[next] {
			seen[next] = true
			below = append(below, child.Children...)
		}
	}
	return nil
}

// checkParents returns an error if the alarm to be deleted is in the rule of a composite alarm that is not
// deleted too.
func checkParents(tx *state.Tx, arns []string) error {
	composite, needed := 0, []string(nil)
	for _, key := range arns {
		if row, _ := tx.Alarms.Get(key); row.Composite() {
			composite++
		}
		for parent := range tx.Alarms.By(state.AlarmsByChild, key) {
			if !slices.Contains(arns, parent.ARN) {
				needed = append(needed, nameOf(key))
				break
			}
		}
	}
	switch {
	case composite > 1:
		return validation("At most one composite alarm can be deleted in a call, and %d are named.", composite)
	case len(needed) == 1:
		return validation("Cannot delete %s as there are composite alarm(s) depending on it.", needed[0])
	case len(needed) > 1:
		return validation("Cannot delete %s as there are composite alarm(s) depending on them.",
			strings.Join(needed, ","))
	}
	return nil
}

func answerComposite(tables *state.Tables, row *alarm.Alarm) shape.CompositeAlarm {
	s := tables.StatusOf(row)
	return shape.CompositeAlarm{
		AlarmArn: &row.ARN, AlarmName: &row.Name, AlarmDescription: request.Optional(row.Description),
		AlarmConfigurationUpdatedTimestamp: &row.UpdatedAt, ActionsEnabled: &row.ActionsEnabled,
		OKActions: row.OKActions, AlarmActions: row.AlarmActions,
		InsufficientDataActions: row.InsufficientDataActions, AlarmRule: &row.Rule,
		StateValue: string(s.Value), StateReason: &s.Reason, StateReasonData: request.Optional(s.Data),
		StateUpdatedTimestamp: &s.UpdatedAt, StateTransitionedTimestamp: &s.TransitionedAt,
	}
}

// related answers a call of DescribeAlarms for the alarms in the rule of a composite alarm, with their
// states, or for the composite alarms whose rules have an alarm.
func (a *api) related(call *awswire.Call, in *shape.DescribeAlarmsInput) (*shape.DescribeAlarmsOutput, error) {
	if in.ActionPrefix != nil || in.AlarmNamePrefix != nil || in.AlarmNames != nil || in.AlarmTypes != nil ||
		in.StateValue != "" || in.ChildrenOfAlarmName != nil && in.ParentsOfAlarmName != nil {
		return nil, combination("ChildrenOfAlarmName and ParentsOfAlarmName can be used with MaxRecords and " +
			"NextToken only.")
	}
	of, parents := in.ChildrenOfAlarmName, in.ParentsOfAlarmName != nil
	if parents {
		of = in.ParentsOfAlarmName
	}
	key, err := named(call, of)
	if err != nil {
		return nil, err
	}
	tables := &a.store.View().Tables
	row, ok := tables.Alarms.Get(key)
	if !ok {
		return nil, fault.New(shape.CodeResourceNotFound, "There is no alarm %s.", *of)
	}
	list := rows(&tables.Alarms, slices.Sorted(slices.Values(row.Children)))
	if parents {
		list = tables.Alarms.By(state.AlarmsByChild, key)
	}
	bound := map[bool]string{false: "children", true: "parents"}[parents]
	found, next, err := request.Cut(call, alarmPages.Ask(in.MaxRecords, in.NextToken), list, alarmARN, bound, key)
	out := described(next)
	for _, row := range found {
		switch s := tables.StatusOf(row); {
		case parents:
			out.CompositeAlarms = append(out.CompositeAlarms, shape.CompositeAlarm{AlarmArn: &row.ARN,
				AlarmName: &row.Name})
		case row.Composite():
			out.CompositeAlarms = append(out.CompositeAlarms, shape.CompositeAlarm{AlarmArn: &row.ARN,
				AlarmName: &row.Name, StateValue: string(s.Value), StateUpdatedTimestamp: &s.UpdatedAt})
		default:
			out.MetricAlarms = append(out.MetricAlarms, shape.MetricAlarm{AlarmArn: &row.ARN, AlarmName: &row.Name,
				StateValue: string(s.Value), StateUpdatedTimestamp: &s.UpdatedAt})
		}
	}
	return out, err
}
