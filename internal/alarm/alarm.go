// Package alarm has the rows that CloudWatch stores of alarms: their settings, their states, their history,
// and the actions that are due. Package scaling computes the states.
//
// An alarm has two rows, so that each has one kind of writer. Actions of the API write the [Alarm].
// control/alarm and SetAlarmState write its [Status].
package alarm

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/tag"
)

// Max is the maximum number of alarms. AWS allows 5,000 in a region, and more on request.
const Max = 20_000

// MaxActions is the maximum number of actions for one state of an alarm (ecs.md 7.4).
const MaxActions = 5

// IgnoreLowSamples is the value of LowSamples with which the state does not change when a percentile has too
// few samples (ecs.md 7.7).
const IgnoreLowSamples = "ignore"

// Dimension is a name and a value that distinguish a metric from others with its name.
type Dimension struct{ Name, Value string }

// Metric identifies a metric in the alarm's account and region.
type Metric struct {
	Namespace, Name string
	Dimensions      []Dimension `json:",omitempty"`
}

// Equal reports whether two metrics are the same. The order of the dimensions does not matter (ecs.md 7.1).
func (m Metric) Equal(other Metric) bool {
	return m.Namespace == other.Namespace && m.Name == other.Name && len(m.Dimensions) == len(other.Dimensions) &&
		!slices.ContainsFunc(m.Dimensions, func(d Dimension) bool { return !slices.Contains(other.Dimensions, d) })
}

// Measure is a statistic of a metric.
type Measure struct {
	Metric    Metric
	Statistic string // simple or extended, such as Average or p99.9
	Unit      string `json:",omitempty"` // "" means all units
}

// Query is a measure, or an expression over other queries of the alarm. The alarm compares the result of one
// of them.
type Query struct {
	ID         string
	Label      string        `json:",omitempty"`
	Measure    *Measure      `json:",omitempty"` // nil for an expression
	Expression string        `json:",omitempty"`
	Period     time.Duration `json:",omitempty"` // for an expression 0 means the period of its metrics
	// Hidden is true if ReturnData is false, as for all queries except the one that is compared.
	Hidden bool `json:",omitempty"`
}

// Alarm has the settings of an alarm.
type Alarm struct {
	ARN             string
	Name            string
	Region, Account string
	Description     string `json:",omitempty"`

	ActionsEnabled          bool
	OKActions               []string `json:",omitempty"` // ARNs, as in the two below
	AlarmActions            []string `json:",omitempty"`
	InsufficientDataActions []string `json:",omitempty"`

	// Rule is the rule of a composite alarm (see scaling.ParseRule), or "". Children are the ARNs of the
	// alarms in it.
	Rule     string   `json:",omitempty"`
	Children []string `json:",omitempty"`

	// Measure is the statistic to compare. It is empty in an alarm with Queries, and in a composite one.
	Measure Measure
	Queries []Query `json:",omitempty"`
	// Condition says when the values breach.
	Condition scaling.Condition
	// LowSamples is EvaluateLowSampleCountPercentile: evaluate, ignore, or "", which means evaluate.
	LowSamples string `json:",omitempty"`

	Tags      tag.Set   `json:",omitempty"`
	UpdatedAt time.Time // when the settings were last written
}

// Prefix returns the common prefix of the ARNs of all alarms in a region and account. The alarm's name
// follows it.
func Prefix(region, account string) string {
	return arn.New("cloudwatch", region, account, "alarm:").String()
}

// ARN returns the ARN of an alarm.
func ARN(region, account, name string) string { return Prefix(region, account) + name }

// MaxName is the maximum length of an alarm's name in characters.
const MaxName = 255

// ValidName reports whether a text can be an alarm's name: 1 to 255 characters of valid UTF-8, without
// control characters.
func ValidName(name string) bool {
	n := utf8.RuneCountInString(name)
	return n >= 1 && n <= MaxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// MetricEntry returns the entry of a metric in the index of alarms by metric.
func MetricEntry(region, account string, m Metric) string {
	return strings.Join([]string{region, account, m.Namespace, m.Name}, "\n")
}

// MetricEntry returns the index entry of the alarm's metric. It is "" for a composite alarm and for one with
// queries. DescribeAlarmsForMetric does not return these on AWS either.
func (a *Alarm) MetricEntry() string {
	if a.Measure.Metric.Name == "" {
		return ""
	}
	return MetricEntry(a.Region, a.Account, a.Measure.Metric)
}

// OnlyMinutes reports whether Berth measures a metric of the alarm only each minute. An expression over it and over
// others has no value for a second either. Metrics that users put may have points of a second.
func (a *Alarm) OnlyMinutes() bool {
	return a.Measure.Metric.onlyMinutes() || slices.ContainsFunc(a.Queries, func(q Query) bool {
		return q.Measure != nil && q.Measure.Metric.onlyMinutes()
	})
}

func (m Metric) onlyMinutes() bool {
	berths := strings.HasPrefix(m.Namespace, "AWS/") || m.Namespace == "ECS/ContainerInsights"
	return berths && !HasSeconds(m.Namespace)
}

// HasSeconds reports whether the metrics in a namespace, which Berth measures, may have points of a second too.
func HasSeconds(namespace string) bool {
	return namespace == "AWS/ECS" || namespace == "AWS/EC2" || namespace == "AWS/ECS/ManagedScaling"
}

// Composite reports whether the alarm's state follows from the states of other alarms.
func (a *Alarm) Composite() bool { return a.Rule != "" }

// ActionsFor returns the ARNs of the actions for a state.
func (a *Alarm) ActionsFor(s scaling.State) []string {
	switch s {
	case scaling.OK:
		return a.OKActions
	case scaling.InAlarm:
		return a.AlarmActions
	}
	return a.InsufficientDataActions
}

// Actions returns the ARNs of the actions for all states, each once.
func (a *Alarm) Actions() []string {
	all := slices.Concat(a.OKActions, a.AlarmActions, a.InsufficientDataActions)
	slices.Sort(all)
	return slices.Compact(all)
}

// WithoutAction returns the settings without an action, as they are when it is deleted.
func (a *Alarm) WithoutAction(action string, now time.Time) *Alarm {
	c := *a
	for _, list := range []*[]string{&c.OKActions, &c.AlarmActions, &c.InsufficientDataActions} {
		*list = slices.DeleteFunc(slices.Clone(*list), func(one string) bool { return one == action })
	}
	c.UpdatedAt = now
	return &c
}

// HasAction reports whether the ARN of any of the alarm's actions begins with prefix.
func (a *Alarm) HasAction(prefix string) bool {
	return slices.ContainsFunc(a.Actions(), func(action string) bool { return strings.HasPrefix(action, prefix) })
}

// OfPolicy returns an alarm of a policy that tracks a target, with the description that AWS gives it (ecs.md 4.6, 6.5).
// Its only action is the policy. Missing data do not change its state.
func OfPolicy(region, account, policyARN, name string, m Measure, c scaling.Condition, now time.Time) *Alarm {
	c.MissingData = scaling.MissingIsMissing
	return &Alarm{
		ARN: ARN(region, account, name), Name: name, Region: region, Account: account,
		Description:    "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + policyARN + ".",
		ActionsEnabled: true, AlarmActions: []string{policyARN}, Measure: m, Condition: c, UpdatedAt: now,
	}
}
