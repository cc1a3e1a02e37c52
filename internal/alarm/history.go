package alarm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

const (
	// KeptFor is how long an item of the history is stored, also after its alarm was deleted (ecs.md 7.5).
	KeptFor = 14 * 24 * time.Hour
	// KeptItems is the maximum number of stored items of one alarm. AWS documents no number.
	KeptItems = 200
	// MaxData is the maximum length of an item's data in bytes. On AWS it is the same number of characters.
	MaxData = 4095
)

// ItemType is the type of an item of the history.
type ItemType string

// The types of items.
const (
	ConfigurationUpdate ItemType = "ConfigurationUpdate"
	StateUpdate         ItemType = "StateUpdate"
	ActionItem          ItemType = "Action"
)

// HistoryItem is a change of an alarm's settings or state, or an action.
type HistoryItem struct {
	ARN      string // of the alarm
	Name     string
	Sequence int64 // from 1
	At       time.Time
	Type     ItemType
	Summary  string
	Data     string // JSON
	// Composite is true for an item of a composite alarm.
	Composite bool `json:",omitempty"`
}

// HistoryPrefix returns the common prefix of the keys of an alarm's history. No other alarm's keys have it,
// since names of alarms contain no control characters.
func HistoryPrefix(arn string) string { return arn + "\n" }

// Key returns the item's key. The keys of one alarm sort by time.
func (h *HistoryItem) Key() string { return fmt.Sprintf("%s%016d", HistoryPrefix(h.ARN), h.Sequence) }

// Follow numbers the item after the last one, which is nil if there is none.
func (h *HistoryItem) Follow(last *HistoryItem) {
	h.Sequence = 1
	if last != nil {
		h.Sequence = last.Sequence + 1
	}
}

// Forgets returns the key of the item that is deleted when this one is stored.
func (h *HistoryItem) Forgets() string {
	return (&HistoryItem{ARN: h.ARN, Sequence: h.Sequence - KeptItems}).Key()
}

// Stamp formats a time as in the data of alarms.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// settings are the settings that all alarms have, with their names in the history.
type settings struct {
	AlarmName               string   `json:"alarmName"`
	AlarmARN                string   `json:"alarmArn"`
	AlarmDescription        string   `json:"alarmDescription,omitempty"`
	UpdatedAt               string   `json:"alarmConfigurationUpdatedTimestamp"`
	ActionsEnabled          bool     `json:"actionsEnabled"`
	OKActions               []string `json:"okactions"`
	AlarmActions            []string `json:"alarmActions"`
	InsufficientDataActions []string `json:"insufficientDataActions"`
}

// compositeSettings are the settings of composite alarms.
type compositeSettings struct {
	settings
	Rule string `json:"alarmRule"`
}

// metricSettings are the settings of alarms on a metric.
type metricSettings struct {
	settings
	MetricName         string              `json:"metricName,omitempty"`
	Namespace          string              `json:"namespace,omitempty"`
	Statistic          string              `json:"statistic,omitempty"`
	Dimensions         []map[string]string `json:"dimensions"`
	Period             int64               `json:"period,omitempty"`
	Unit               string              `json:"unit,omitempty"`
	EvaluationPeriods  int                 `json:"evaluationPeriods"`
	DatapointsToAlarm  int                 `json:"datapointsToAlarm,omitempty"`
	Threshold          double              `json:"threshold"`
	ComparisonOperator string              `json:"comparisonOperator"`
	TreatMissingData   string              `json:"treatMissingData,omitempty"`
	LowSamples         string              `json:"evaluateLowSampleCountPercentile,omitempty"`
	Metrics            []querySettings     `json:"metrics,omitempty"`
}

type querySettings struct {
	ID         string        `json:"id"`
	Label      string        `json:"label,omitempty"`
	Expression string        `json:"expression,omitempty"`
	Period     int64         `json:"period,omitempty"` // only of an expression
	Stat       *statSettings `json:"metricStat,omitempty"`
	ReturnData bool          `json:"returnData"`
}

type statSettings struct {
	Metric metricName `json:"metric"`
	Period int64      `json:"period"`
	Stat   string     `json:"stat"`
	Unit   string     `json:"unit,omitempty"`
}

type metricName struct {
	Namespace  string              `json:"namespace"`
	Name       string              `json:"metricName"`
	Dimensions []map[string]string `json:"dimensions"`
}

// settings returns an alarm's settings as they are in the history.
func (a *Alarm) settings() any {
	all := settings{
		AlarmName: a.Name, AlarmARN: a.ARN, AlarmDescription: a.Description, UpdatedAt: Stamp(a.UpdatedAt),
		ActionsEnabled: a.ActionsEnabled, OKActions: listed(a.OKActions), AlarmActions: listed(a.AlarmActions),
		InsufficientDataActions: listed(a.InsufficientDataActions),
	}
	if a.Composite() {
		return compositeSettings{all, a.Rule}
	}
	s := metricSettings{
		settings: all, MetricName: a.Measure.Metric.Name, Namespace: a.Measure.Metric.Namespace,
		Statistic: a.Measure.Statistic, Dimensions: a.Measure.Metric.settings(), Unit: a.Measure.Unit,
		Period:            int64(a.Condition.Period / time.Second),
		EvaluationPeriods: a.Condition.Periods, DatapointsToAlarm: a.Condition.ToAlarm,
		Threshold: double(a.Condition.Threshold), ComparisonOperator: string(a.Condition.Comparison),
		TreatMissingData: string(a.Condition.MissingData), LowSamples: a.LowSamples,
	}
	for _, q := range a.Queries {
		s.Metrics = append(s.Metrics, q.settings())
	}
	return s
}

// settings returns a metric's dimensions as they are in the history.
func (m Metric) settings() []map[string]string {
	all := []map[string]string{}
	for _, d := range m.Dimensions {
		all = append(all, map[string]string{"name": d.Name, "value": d.Value})
	}
	return all
}

func (q Query) settings() querySettings {
	s := querySettings{ID: q.ID, Label: q.Label, Expression: q.Expression, ReturnData: !q.Hidden}
	seconds := int64(q.Period / time.Second)
	if m := q.Measure; m != nil {
		s.Stat = &statSettings{metricName{m.Metric.Namespace, m.Metric.Name, m.Metric.settings()}, seconds, m.Statistic,
			m.Unit}
	} else {
		s.Period = seconds
	}
	return s
}

func listed(all []string) []string { return append([]string{}, all...) }

// double is a number that is written with a decimal point, as CloudWatch does.
type double float64

// MarshalJSON implements json.Marshaler.
func (d double) MarshalJSON() ([]byte, error) { return []byte(scaling.Number(float64(d))), nil }

// encode returns a value as JSON. It cannot fail for the types of this package.
func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("alarm: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Configured returns the item for settings that were created (old is nil), changed, or deleted (now is nil).
func Configured(old, now *Alarm, at time.Time) *HistoryItem {
	data := map[string]any{"version": "1.0"}
	a, what := now, "created"
	switch {
	case old == nil:
		data["type"], data["createdAlarm"] = "Create", now.settings()
	case now == nil:
		a, what = old, "deleted"
		data["type"], data["deletedAlarm"] = "Delete", old.settings()
	default:
		what = "updated"
		data["type"], data["updatedAlarm"] = "Update", now.settings()
		data["originalUpdatedFields"] = changed(old.settings(), now.settings())
	}
	return &HistoryItem{
		ARN: a.ARN, Name: a.Name, Composite: a.Composite(), At: at, Type: ConfigurationUpdate,
		Summary: "Alarm " + strconv.Quote(a.Name) + " " + what,
		Data:    short(data, map[string]any{"version": "1.0", "type": data["type"]}),
	}
}

// changed returns the old values of the changed settings by name.
func changed(old, now any) map[string]json.RawMessage {
	before, after := members(old), members(now)
	fields := make(map[string]json.RawMessage)
	for name, value := range before {
		if !bytes.Equal(value, after[name]) {
			fields[name] = value
		}
	}
	return fields
}

func members(v any) (all map[string]json.RawMessage) {
	if err := json.Unmarshal([]byte(encode(v)), &all); err != nil {
		panic("alarm: " + err.Error()) // cannot fail: encode made it
	}
	return all
}

// stateData is a state as it is in the data of the history.
type stateData struct {
	Value  scaling.State   `json:"stateValue"`
	Reason string          `json:"stateReason"`
	Data   json.RawMessage `json:"stateReasonData,omitempty"`
}

func (s *Status) data() stateData {
	return stateData{s.Value, s.Reason, json.RawMessage(s.Data)}
}

// Changed returns the history item of a change of state.
func Changed(a *Alarm, old, now *Status) *HistoryItem {
	return &HistoryItem{
		ARN: a.ARN, Name: a.Name, Composite: a.Composite(), At: now.UpdatedAt, Type: StateUpdate,
		Summary: fmt.Sprintf("Alarm updated from %s to %s", old.Value, now.Value),
		Data: short(
			changeData{"1.0", old.data(), now.data()},
			changeData{"1.0", stateData{Value: old.Value, Reason: old.Reason}, now.data()},
			changeData{"1.0", stateData{Value: old.Value, Reason: old.Reason},
				stateData{Value: now.Value, Reason: now.Reason}},
			changeData{"1.0", stateData{Value: old.Value}, stateData{Value: now.Value}}),
	}
}

// Executed returns the item for an action that was carried out, or that could not be because of a problem.
func Executed(a *Alarm, d *Due, problem string, at time.Time) *HistoryItem {
	data := struct {
		State   string `json:"actionState"`
		Updated int64  `json:"stateUpdateTimestamp"`
		Action  string `json:"notificationResource"`
		Error   string `json:"error,omitempty"`
	}{"Succeeded", d.At.UnixMilli(), d.Action, problem}
	h := &HistoryItem{ARN: a.ARN, Name: a.Name, Composite: a.Composite(), At: at, Type: ActionItem,
		Summary: "Successfully executed action " + d.Action}
	if problem != "" {
		data.State = "Failed"
		h.Summary = fmt.Sprintf("Failed to execute action %s. Received error: %q", d.Action, problem)
	}
	h.Data = short(data)
	return h
}

// changeData is the data of a change of state.
type changeData struct {
	Version string    `json:"version"`
	Old     stateData `json:"oldState"`
	New     stateData `json:"newState"`
}

// short returns the first of the values whose JSON has at most MaxData bytes, or else the last value.
func short(values ...any) (data string) {
	for _, v := range values {
		if data = encode(v); len(data) <= MaxData {
			break
		}
	}
	return data
}
