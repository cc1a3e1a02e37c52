package alarm

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/scaling"
)

// ActionKind says what kind of service an action uses.
type ActionKind string

// The kinds of actions that AWS has.
const (
	SNSTopic       ActionKind = "SNS topics"
	ServicePolicy  ActionKind = "scaling policies of Application Auto Scaling"
	GroupPolicy    ActionKind = "scaling policies of Auto Scaling groups"
	EC2Action      ActionKind = "actions on EC2 instances"
	LambdaFunction ActionKind = "Lambda functions"
	OpsItem        ActionKind = "OpsItems and incidents of Systems Manager"
	Investigation  ActionKind = "investigations of CloudWatch"
)

// Repeats reports whether an action of the kind is due in every minute of the state, and not only when the
// state changes (ecs.md 7.5).
func (k ActionKind) Repeats() bool { return k == ServicePolicy || k == GroupPolicy }

// MaxActionLength is the maximum length of an action's ARN in characters.
const MaxActionLength = 1024

var (
	ec2Automation = regexp.MustCompile(`^ec2:(stop|terminate|reboot|recover)$`)
	topicName     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}(\.fifo)?$`)
)

// KindOf returns the kind of the action with an ARN, or false if AWS has no such action.
func KindOf(action string) (ActionKind, bool) {
	a, err := arn.Parse(action)
	if err != nil || len(action) > MaxActionLength {
		return "", false
	}
	switch {
	case a.Service == "sns" && topicName.MatchString(a.Resource):
		return SNSTopic, true
	case a.Service == "autoscaling" && strings.HasPrefix(a.Resource, "scalingPolicy:"):
		if strings.Contains(a.Resource, ":resource/") {
			return ServicePolicy, true
		}
		return GroupPolicy, true
	case a.Service == "automate" && ec2Automation.MatchString(a.Account+":"+a.Resource),
		a.Service == "swf" && strings.HasPrefix(a.Resource, "action/actions/AWS_EC2."):
		return EC2Action, true
	case a.Service == "lambda" && strings.HasPrefix(a.Resource, "function:"):
		return LambdaFunction, true
	case a.Service == "ssm", a.Service == "ssm-incidents":
		return OpsItem, true
	case a.Service == "aiops":
		return Investigation, true
	}
	return "", false
}

// Due is an action that is due because the state has changed or has lasted. The transaction that writes the
// state also writes the action. The controller that carries it out deletes the row in the transaction that
// records the result.
type Due struct {
	Action     string // ARN
	Kind       ActionKind
	AlarmARN   string
	Transition int64 // number of the change of state, see Status
	From, To   scaling.State
	// Reason and Data are copied from the state.
	Reason string
	Data   string    `json:",omitempty"`
	At     time.Time // when it became due, or became due again
	// Recent is Status.Recent if the action repeats.
	Recent []float64 `json:",omitempty"`
}

// DuePrefix returns the prefix of the keys of an alarm's due actions.
func DuePrefix(alarmARN string) string { return alarmARN + "\n" }

// Key returns the key of the row. When an action repeats before it was carried out, the new row replaces the
// old one.
func (d *Due) Key() string {
	return fmt.Sprintf("%s%016d\n%s", DuePrefix(d.AlarmARN), d.Transition, d.Action)
}

// DueFor returns the actions that are due when the alarm's state changes from old to now. It returns none if
// the alarm's actions are disabled.
func DueFor(a *Alarm, old, now *Status) (all []*Due) {
	for _, action := range a.enabled(now.Value) {
		kind, ok := KindOf(action)
		if !ok {
			continue // cannot happen: actions are checked when the alarm is put
		}
		all = append(all, &Due{
			Action: action, Kind: kind, AlarmARN: a.ARN, Transition: now.Transitions, From: old.Value, To: now.Value,
			Reason: now.Reason, Data: now.Data, At: now.UpdatedAt,
		})
	}
	return all
}

// Repeated is for an evaluation that has not changed the state. It returns the state with the values of the
// evaluation, and the actions that are due again, or nil if there are none.
func Repeated(a *Alarm, s *Status, e Evaluation, points []scaling.Datapoint) (*Status, []*Due) {
	again := *s
	again.RepeatedAt, again.Recent = e.At, []float64{}
	for _, p := range a.Condition.Considered(points) {
		again.Recent = append(again.Recent, p.Value)
	}
	again.Recent = again.Recent[max(0, len(again.Recent)-maxInReason):]
	var all []*Due
	for _, d := range DueFor(a, s, s) {
		if d.Kind.Repeats() {
			d.At, d.Recent = e.At, again.Recent
			all = append(all, d)
		}
	}
	if all == nil {
		return nil, nil
	}
	return &again, all
}

// Observation returns what the alarm compared when the action became due. A policy that an alarm calls decides from it.
func (d *Due) Observation(a *Alarm) scaling.Observation { return observation(a, d.Recent, d.Data) }

// Observation returns what the alarm compared last when it made repeated actions due, or when its state changed.
func (s *Status) Observation(a *Alarm) scaling.Observation { return observation(a, s.Recent, s.Data) }

// observation returns values, or those in the data of a state. A state that SetAlarmState has set has the data of that
// call, as on AWS.
func observation(a *Alarm, recent []float64, data string) scaling.Observation {
	o := scaling.Observation{Recent: recent, Comparison: a.Condition.Comparison, Threshold: a.Condition.Threshold}
	if recent == nil {
		var read struct {
			Recent []float64 `json:"recentDatapoints"`
		}
		if json.Unmarshal([]byte(data), &read) == nil {
			o.Recent = read.Recent
		}
	}
	return o
}

func (a *Alarm) enabled(s scaling.State) []string {
	if !a.ActionsEnabled {
		return nil
	}
	return a.ActionsFor(s)
}
