package alarm

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

// notification is the message that an alarm publishes to a topic, with AWS's members in AWS's order.
type notification struct {
	AlarmName               string
	AlarmDescription        *string
	AWSAccountID            string `json:"AWSAccountId"`
	UpdatedAt               string `json:"AlarmConfigurationUpdatedTimestamp"`
	NewStateValue           scaling.State
	NewStateReason          string
	StateChangeTime         string
	Region                  string
	AlarmARN                string `json:"AlarmArn"`
	OldStateValue           scaling.State
	OKActions               []string
	AlarmActions            []string
	InsufficientDataActions []string
	AlarmRule               string   `json:",omitempty"`
	Trigger                 *trigger `json:",omitempty"`
}

// trigger is what the alarm compares.
type trigger struct {
	MetricName         string      `json:",omitempty"`
	Namespace          string      `json:",omitempty"`
	StatisticType      string      `json:",omitempty"`
	Statistic          string      `json:",omitempty"`
	ExtendedStatistic  string      `json:",omitempty"`
	Unit               *string     `json:",omitempty"`
	Dimensions         []dimension `json:",omitempty"`
	Period             int64
	EvaluationPeriods  int
	DatapointsToAlarm  int `json:",omitempty"`
	ComparisonOperator scaling.Comparison
	Threshold          double
	TreatMissingData   scaling.Missing
	LowSamples         string         `json:"EvaluateLowSampleCountPercentile"`
	Metrics            []triggerQuery `json:",omitempty"`
}

type dimension struct {
	Value string `json:"value"`
	Name  string `json:"name"`
}

type triggerQuery struct {
	Expression string       `json:",omitempty"`
	ID         string       `json:"Id"`
	Label      string       `json:",omitempty"`
	MetricStat *triggerStat `json:",omitempty"`
	Period     int64        `json:",omitempty"` // of an expression
	ReturnData bool
}

type triggerStat struct {
	Metric struct {
		Dimensions []dimension
		MetricName string
		Namespace  string
	}
	Period int64
	Stat   string
	Unit   string `json:",omitempty"`
}

// maxSubject is how many characters the subject of a message has at most.
const maxSubject = 100

// Notification returns the subject and the text of the message that is published for a due action. The text is JSON.
func (a *Alarm) Notification(d *Due) (subject, message string) {
	n := notification{
		AlarmName: a.Name, AWSAccountID: a.Account, UpdatedAt: Stamp(a.UpdatedAt), NewStateValue: d.To,
		NewStateReason: d.Reason, StateChangeTime: Stamp(d.At), Region: regionTitle(a.Region), AlarmARN: a.ARN,
		OldStateValue: d.From, OKActions: listed(a.OKActions), AlarmActions: listed(a.AlarmActions),
		InsufficientDataActions: listed(a.InsufficientDataActions), AlarmRule: a.Rule,
	}
	if a.Description != "" {
		n.AlarmDescription = &a.Description
	}
	if !a.Composite() {
		n.Trigger = a.trigger()
	}
	return subjectOf(string(d.To) + `: "` + a.Name + `" in ` + n.Region), encode(n)
}

// subjectOf returns a text that can be a subject: printable ASCII, not too long.
func subjectOf(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxSubject {
		return text[:maxSubject-3] + "..."
	}
	return text
}

func (a *Alarm) trigger() *trigger {
	c := a.Condition
	t := &trigger{
		Period: int64(c.Period / time.Second), EvaluationPeriods: c.Periods, DatapointsToAlarm: c.ToAlarm,
		ComparisonOperator: c.Comparison, Threshold: double(c.Threshold), TreatMissingData: c.MissingData,
		LowSamples: a.LowSamples,
	}
	if t.TreatMissingData == "" {
		t.TreatMissingData = scaling.MissingIsMissing
	}
	if a.Queries != nil {
		for _, q := range a.Queries {
			t.Metrics = append(t.Metrics, q.trigger())
		}
		return t
	}
	m := a.Measure
	t.MetricName, t.Namespace, t.Dimensions = m.Metric.Name, m.Metric.Namespace, m.Metric.dimensions()
	if m.Unit != "" {
		t.Unit = &m.Unit
	}
	t.StatisticType, t.Statistic = "Statistic", simpleStatistics[m.Statistic]
	if t.Statistic == "" {
		t.StatisticType, t.ExtendedStatistic = "ExtendedStatistic", m.Statistic
	}
	return t
}

// simpleStatistics are the names that messages have for statistics.
var simpleStatistics = map[string]string{
	"Average": "AVERAGE", "Sum": "SUM", "Minimum": "MINIMUM", "Maximum": "MAXIMUM", "SampleCount": "SAMPLE_COUNT",
}

func (m Metric) dimensions() []dimension {
	all := []dimension{}
	for _, d := range m.Dimensions {
		all = append(all, dimension{Value: d.Value, Name: d.Name})
	}
	return all
}

func (q Query) trigger() triggerQuery {
	t := triggerQuery{Expression: q.Expression, ID: q.ID, Label: q.Label, ReturnData: !q.Hidden}
	seconds := int64(q.Period / time.Second)
	if q.Measure == nil {
		t.Period = seconds
		return t
	}
	t.MetricStat = &triggerStat{Period: seconds, Stat: q.Measure.Statistic, Unit: q.Measure.Unit}
	t.MetricStat.Metric.Dimensions = q.Measure.Metric.dimensions()
	t.MetricStat.Metric.MetricName, t.MetricStat.Metric.Namespace = q.Measure.Metric.Name, q.Measure.Metric.Namespace
	return t
}

// titles are AWS's names of regions, as alarms write them. Another region is written as its code.
var titles = map[string]string{
	"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-1": "US West (N. California)",
	"us-west-2": "US West (Oregon)", "ca-central-1": "Canada (Central)", "sa-east-1": "South America (Sao Paulo)",
	"eu-central-1": "EU (Frankfurt)", "eu-west-1": "EU (Ireland)", "eu-west-2": "EU (London)",
	"eu-west-3":  "EU (Paris)",
	"eu-north-1": "EU (Stockholm)", "eu-south-1": "EU (Milan)", "ap-south-1": "Asia Pacific (Mumbai)",
	"ap-northeast-1": "Asia Pacific (Tokyo)", "ap-northeast-2": "Asia Pacific (Seoul)",
	"ap-northeast-3": "Asia Pacific (Osaka)", "ap-southeast-1": "Asia Pacific (Singapore)",
	"ap-southeast-2": "Asia Pacific (Sydney)", "ap-east-1": "Asia Pacific (Hong Kong)",
	"me-south-1": "Middle East (Bahrain)", "af-south-1": "Africa (Cape Town)",
}

func regionTitle(region string) string { return cmp.Or(titles[region], region) }

// actionData is the data of an item about an action.
type actionData struct {
	State    string          `json:"actionState"`
	Resource string          `json:"notificationResource"`
	Changed  int64           `json:"stateUpdateTimestamp"` // in milliseconds since 1970
	Error    string          `json:"error,omitempty"`
	Message  json.RawMessage `json:"publishedMessage,omitempty"`
}

// Published returns the item for a message that was published to a topic, or could not be: then problem says why.
func Published(a *Alarm, d *Due, message, problem string, at time.Time) *HistoryItem {
	data := actionData{State: "Succeeded", Resource: d.Action, Changed: d.At.UnixMilli(), Error: problem}
	summary := "Successfully executed action " + d.Action
	if problem != "" {
		data.State, summary = "Failed", "Failed to execute action "+d.Action+". Received error: \""+problem+"\""
	}
	with := data
	if problem == "" {
		with.Message = json.RawMessage(encode(map[string]string{"default": message}))
	}
	return &HistoryItem{
		ARN: a.ARN, Name: a.Name, Composite: a.Composite(), At: at, Type: ActionItem, Summary: summary,
		Data: short(with, data),
	}
}
