// Package alarm has what CloudWatch keeps of alarms: their settings, their states, their history, and the
// actions that are due. The arithmetic of a state is in package scaling.
//
// An alarm has two rows, so that each has one kind of writer: actions of the API write an [Alarm],
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

// Max is how many alarms there may be. AWS has 5,000 in a region, and more on request.
const Max = 20_000

// MaxActions is how many actions an alarm has for a state at most (ecs.md 7.4).
const MaxActions = 5

// IgnoreLowSamples keeps the state when a percentile has too few samples (ecs.md 7.7).
const IgnoreLowSamples = "ignore"

// Dimension is a name and a value that distinguish a metric from others with its name.
type Dimension struct{ Name, Value string }

// Metric is what identifies a metric of the alarm's account and region.
type Metric struct {
	Namespace, Name string
	Dimensions      []Dimension `json:",omitempty"`
}

// Equal reports whether two metrics are the same. The order of dimensions does not matter (ecs.md 7.1).
func (m Metric) Equal(other Metric) bool {
	return m.Namespace == other.Namespace && m.Name == other.Name && len(m.Dimensions) == len(other.Dimensions) &&
		!slices.ContainsFunc(m.Dimensions, func(d Dimension) bool { return !slices.Contains(other.Dimensions, d) })
}

// Measure is a statistic of a metric.
type Measure struct {
	Metric    Metric
	Statistic string // simple or extended: Average, p99.9
	Unit      string `json:",omitempty"` // "" means any
}

// Query is a measure, or an expression over the other queries of its alarm. One query of an alarm is compared.
type Query struct {
	ID         string
	Label      string        `json:",omitempty"`
	Measure    *Measure      `json:",omitempty"` // nil for an expression
	Expression string        `json:",omitempty"`
	Period     time.Duration `json:",omitempty"` // 0 for an expression with that of its metrics
	// Hidden is true unless the query is the one that is compared: ReturnData is false.
	Hidden bool `json:",omitempty"`
}

// Alarm is the settings of an alarm.
type Alarm struct {
	ARN             string
	Name            string
	Region, Account string
	Description     string `json:",omitempty"`

	ActionsEnabled          bool
	OKActions               []string `json:",omitempty"` // ARNs, as those that follow
	AlarmActions            []string `json:",omitempty"`
	InsufficientDataActions []string `json:",omitempty"`

	// Rule is that of a composite alarm, see scaling.ParseRule; "" for others. Children are the ARNs of the alarms
	// in it.
	Rule     string   `json:",omitempty"`
	Children []string `json:",omitempty"`

	// Measure is what is compared. It is empty in an alarm with Queries and in a composite one.
	Measure Measure
	Queries []Query `json:",omitempty"`
	// Condition is how it is compared.
	Condition scaling.Condition
	// LowSamples is EvaluateLowSampleCountPercentile: evaluate, ignore or "", which means evaluate.
	LowSamples string `json:",omitempty"`

	// Pace is that of the policy whose alarm this is; "" is that of the server. A tag of the alarm goes before it.
	Pace scaling.Pace `json:",omitempty"`

	Tags      tag.Set   `json:",omitempty"`
	UpdatedAt time.Time // when the settings were last written
}

// Prefix returns the prefix of the ARNs of the alarms of a region and account; the name follows.
func Prefix(region, account string) string {
	return arn.New("cloudwatch", region, account, "alarm:").String()
}

// ARN returns the ARN of an alarm.
func ARN(region, account, name string) string { return Prefix(region, account) + name }

// MaxName is how many characters the name of an alarm has at most.
const MaxName = 255

// ValidName reports whether a text can be the name of an alarm: 1 to 255 characters of UTF-8 without
// control characters.
func ValidName(name string) bool {
	n := utf8.RuneCountInString(name)
	return n >= 1 && n <= MaxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// MetricEntry returns the entry of the index of alarms by metric.
func MetricEntry(region, account string, m Metric) string {
	return strings.Join([]string{region, account, m.Namespace, m.Name}, "\n")
}

// MetricEntry returns the entry of the alarm's metric; "" for a composite alarm and one with queries, which
// DescribeAlarmsForMetric does not find on AWS either.
func (a *Alarm) MetricEntry() string {
	if a.Measure.Metric.Name == "" {
		return ""
	}
	return MetricEntry(a.Region, a.Account, a.Measure.Metric)
}

// Composite reports whether the state follows from those of other alarms.
func (a *Alarm) Composite() bool { return a.Rule != "" }

// PaceOn returns the pace of the alarm on a server with a pace.
func (a *Alarm) PaceOn(server scaling.Pace) scaling.Pace {
	if a.Pace != scaling.PaceOfAWS {
		server = a.Pace
	}
	return scaling.PaceFrom(a.Tags, server)
}

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

// HasAction reports whether an action for any state begins with prefix.
func (a *Alarm) HasAction(prefix string) bool {
	return slices.ContainsFunc(slices.Concat(a.OKActions, a.AlarmActions, a.InsufficientDataActions),
		func(action string) bool { return strings.HasPrefix(action, prefix) })
}
