package alarm

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

// Combine computes the state of a composite alarm from its rule and the states of its children. It returns s
// if the state is the same. As on AWS, the reason names the child whose state changed last, or the change of
// the rule. status returns the state of a child, or nil if there is none.
func Combine(a *Alarm, s *Status, status func(arn string) *Status, now time.Time) (*Status, error) {
	rule, err := scaling.ParseRule(a.Rule)
	if err != nil {
		return nil, err
	}
	value := scaling.OK
	if rule.Holds(func(name string) scaling.State {
		if child := status(ARN(a.Region, a.Account, name)); child != nil {
			return child.Value
		}
		return scaling.InsufficientData
	}) {
		value = scaling.InAlarm
	}
	if value == s.Value {
		return s, nil
	}
	trigger := latest(a.Children, status)
	data := struct {
		Triggers []triggering `json:"triggeringAlarms"`
	}{[]triggering{}}
	if trigger != nil {
		data.Triggers = append(data.Triggers, triggering{trigger.ARN,
			triggerState{trigger.Value, Stamp(trigger.TransitionedAt)}})
	}
	var reason string
	switch {
	case trigger != nil && trigger.TransitionedAt.After(a.UpdatedAt):
		reason = fmt.Sprintf("%s transitioned to %s at %s", trigger.ARN, trigger.Value,
			trigger.TransitionedAt.UTC().Format("Monday 02 January, 2006 15:04:05 MST"))
	case s.Reason == Unchecked:
		reason = fmt.Sprintf("%s was created and its alarm rule evaluates to %s", a.ARN, value)
	default:
		reason = fmt.Sprintf("%s was updated and its alarm rule evaluates to %s", a.ARN, value)
	}
	return s.Next(value, reason, encode(data), now), nil
}

// triggering is, in StateReasonData, an alarm that has changed the state of a composite alarm.
type triggering struct {
	ARN   string       `json:"arn"`
	State triggerState `json:"state"`
}

type triggerState struct {
	Value scaling.State `json:"value"`
	At    string        `json:"timestamp"`
}

// latest returns the state that changed last, or nil if there is none.
func latest(arns []string, status func(arn string) *Status) (last *Status) {
	for _, arn := range arns {
		if s := status(arn); s != nil && (last == nil || s.TransitionedAt.After(last.TransitionedAt)) {
			last = s
		}
	}
	return last
}

// InComposite reports whether a composite alarm may have actions of the kind.
func (k ActionKind) InComposite() bool { return !k.Repeats() && k != EC2Action }
