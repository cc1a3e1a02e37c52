package alarm

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/scaling"
)

// ActionKind is what an action does.
type ActionKind string

// The kinds of actions that AWS knows.
const (
	SNSTopic       ActionKind = "SNS topics"
	ServicePolicy  ActionKind = "scaling policies of Application Auto Scaling"
	GroupPolicy    ActionKind = "scaling policies of Auto Scaling groups"
	EC2Action      ActionKind = "actions on EC2 instances"
	LambdaFunction ActionKind = "Lambda functions"
	OpsItem        ActionKind = "OpsItems and incidents of Systems Manager"
	Investigation  ActionKind = "investigations of CloudWatch"
)

// Repeats reports whether an action of the kind is due in every minute that the alarm stays in the state,
// and not only when the state changes (ecs.md 7.5).
func (k ActionKind) Repeats() bool { return k == ServicePolicy || k == GroupPolicy }

// MaxActionLength is how many characters the ARN of an action has at most.
const MaxActionLength = 1024

var (
	ec2Automation = regexp.MustCompile(`^ec2:(stop|terminate|reboot|recover)$`)
	topicName     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}(\.fifo)?$`)
)

// KindOf returns the kind of the action with an ARN, and false if AWS has no such action.
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

// Due is an action that a change of state, or a state that lasts, has made due. It is written in the
// transaction that writes the state. The controller that carries the action out deletes the row in the
// transaction that records the result.
type Due struct {
	Action     string // ARN
	Kind       ActionKind
	AlarmARN   string
	Transition int64 // number of the change of state, see Status
	From, To   scaling.State
	// Reason and Data are those of the state.
	Reason string
	Data   string    `json:",omitempty"`
	At     time.Time // when it became due; later for one that repeats
}

// DuePrefix returns the prefix of the keys of an alarm's due actions.
func DuePrefix(alarmARN string) string { return alarmARN + "\n" }

// Key returns the key of the row. An action that repeats before it was carried out replaces its row.
func (d *Due) Key() string {
	return fmt.Sprintf("%s%016d\n%s", DuePrefix(d.AlarmARN), d.Transition, d.Action)
}

// DueFor returns the actions that are due because the alarm's state became now, which was old before. There
// are none if the alarm's actions are disabled.
func DueFor(a *Alarm, old, now *Status) (all []*Due) {
	for _, action := range a.enabled(now.Value) {
		kind, ok := KindOf(action)
		if !ok {
			continue // the action was checked when the alarm was made
		}
		all = append(all, &Due{
			Action: action, Kind: kind, AlarmARN: a.ARN, Transition: now.Transitions, From: old.Value, To: now.Value,
			Reason: now.Reason, Data: now.Data, At: now.UpdatedAt,
		})
	}
	return all
}

// Repeated returns the actions that are due again at a time because the alarm stays in its state.
func Repeated(a *Alarm, s *Status, at time.Time) (all []*Due) {
	for _, d := range DueFor(a, s, s) {
		if d.Kind.Repeats() {
			d.At = at
			all = append(all, d)
		}
	}
	return all
}

func (a *Alarm) enabled(s scaling.State) []string {
	if !a.ActionsEnabled {
		return nil
	}
	return a.ActionsFor(s)
}
