package alarm

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

var changedAt = time.Date(2026, 11, 29, 8, 1, 2, 345000000, time.UTC)

func dueOf(a *Alarm) *Due {
	return &Due{Action: "arn:aws:sns:us-east-1:123456789012:ops", Kind: SNSTopic, AlarmARN: a.ARN, From: scaling.OK,
		To: scaling.InAlarm, Reason: `Threshold Crossed: 1 datapoint [90.0 (29/11/26 08:00:00)]`, At: changedAt}
}

func base() *Alarm {
	return &Alarm{
		ARN: ARN("us-east-1", "123456789012", "busy"), Name: "busy", Region: "us-east-1", Account: "123456789012",
		Description: "too <busy>", AlarmActions: []string{"arn:aws:sns:us-east-1:123456789012:ops"},
		UpdatedAt: changedAt.Add(-time.Hour),
	}
}

const beginning = `{"AlarmName":"busy","AlarmDescription":"too <busy>","AWSAccountId":"123456789012",` +
	`"AlarmConfigurationUpdatedTimestamp":"2026-11-29T07:01:02.345+0000","NewStateValue":"ALARM",` +
	`"NewStateReason":"Threshold Crossed: 1 datapoint [90.0 (29/11/26 08:00:00)]",` +
	`"StateChangeTime":"2026-11-29T08:01:02.345+0000","Region":"US East (N. Virginia)",` +
	`"AlarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:busy","OldStateValue":"OK","OKActions":[],` +
	`"AlarmActions":["arn:aws:sns:us-east-1:123456789012:ops"],"InsufficientDataActions":[],`

// The texts are those that AWS documents for alarms on a metric, on metric math, and composite ones.
func TestNotification(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Alarm)
		want   string
	}{
		"metric": {func(a *Alarm) {
			a.Measure = Measure{Statistic: "Average", Unit: "Percent", Metric: Metric{Namespace: "AWS/ECS",
				Name: "CPUUtilization", Dimensions: []Dimension{{"ClusterName", "chat"}}}}
			a.Condition = scaling.Condition{Comparison: scaling.Greater, Threshold: 70, Period: time.Minute, Periods: 3,
				ToAlarm: 2, MissingData: scaling.MissingIgnored}
		}, `"Trigger":{"MetricName":"CPUUtilization","Namespace":"AWS/ECS","StatisticType":"Statistic",` +
			`"Statistic":"AVERAGE","Unit":"Percent","Dimensions":[{"value":"chat","name":"ClusterName"}],"Period":60,` +
			`"EvaluationPeriods":3,"DatapointsToAlarm":2,"ComparisonOperator":"GreaterThanThreshold",` +
			`"Threshold":70.0,` +
			`"TreatMissingData":"ignore","EvaluateLowSampleCountPercentile":""}}`},
		"percentile": {func(a *Alarm) {
			a.Measure = Measure{Statistic: "p99.9", Metric: Metric{Namespace: "App", Name: "m"}}
			a.Condition = scaling.Condition{Comparison: scaling.Less, Threshold: 0.5, Period: time.Minute, Periods: 1}
			a.LowSamples = IgnoreLowSamples
		}, `"Trigger":{"MetricName":"m","Namespace":"App","StatisticType":"ExtendedStatistic",` +
			`"ExtendedStatistic":"p99.9","Period":60,"EvaluationPeriods":1,"ComparisonOperator":"LessThanThreshold",` +
			`"Threshold":0.5,"TreatMissingData":"missing","EvaluateLowSampleCountPercentile":"ignore"}}`},
		"math": {func(a *Alarm) {
			a.Queries = []Query{{ID: "e1", Expression: "m1*2", Label: "twice", Period: time.Minute},
				{ID: "m1", Hidden: true, Period: time.Minute, Measure: &Measure{Statistic: "Sum", Unit: "Count",
					Metric: Metric{Namespace: "App", Name: "m", Dimensions: []Dimension{{"a", "b"}}}}}}
			a.Condition = scaling.Condition{Comparison: scaling.Greater, Threshold: 1, Period: time.Minute, Periods: 1}
		}, `"Trigger":{"Period":60,"EvaluationPeriods":1,"ComparisonOperator":"GreaterThanThreshold","Threshold":1.0,` +
			`"TreatMissingData":"missing","EvaluateLowSampleCountPercentile":"","Metrics":[{"Expression":"m1*2",` +
			`"Id":"e1",` +
			`"Label":"twice","Period":60,"ReturnData":true},{"Id":"m1","MetricStat":{"Metric":{"Dimensions":` +
			`[{"value":"b","name":"a"}],"MetricName":"m","Namespace":"App"},"Period":60,"Stat":"Sum","Unit":"Count"},` +
			`"ReturnData":false}]}}`},
		"composite": {func(a *Alarm) { a.Rule = "ALARM(x)" }, `"AlarmRule":"ALARM(x)"}`},
	} {
		a := base()
		c.change(a)
		subject, message := a.Notification(dueOf(a))
		if want := beginning + c.want; message != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, message, want)
		}
		if subject != `ALARM: "busy" in US East (N. Virginia)` {
			t.Errorf("%s: subject %s", name, subject)
		}
	}
}

// A subject is printable ASCII of at most 100 characters, whatever the alarm's name is; other regions have their codes.
func TestSubjects(t *testing.T) {
	a := base()
	a.Name, a.Region, a.Description = "é"+strings.Repeat("x", 200), "eu-north-7", ""
	subject, message := a.Notification(dueOf(a))
	if len(subject) != 100 || !strings.HasPrefix(subject, `ALARM: "?xxx`) || !strings.HasSuffix(subject, "xxx...") {
		t.Errorf("%s", subject)
	}
	if !strings.Contains(message, `"Region":"eu-north-7"`) || !strings.Contains(message, `"AlarmDescription":null`) {
		t.Errorf("%s", message)
	}
}

// The history has what was published, or why nothing was; a text that is too long is left out.
func TestHistoryOfActions(t *testing.T) {
	a := base()
	d := dueOf(a)
	h := Published(a, d, `{"a":1}`, "", changedAt)
	if h.Type != ActionItem || h.Summary != "Successfully executed action "+d.Action || h.Data != `{"actionState":`+
		`"Succeeded","notificationResource":"`+d.Action+`","stateUpdateTimestamp":1795939262345,"publishedMessage":`+
		`{"default":"{\"a\":1}"}}` {
		t.Errorf("%+v", h)
	}
	if h := Published(a, d, strings.Repeat("x", MaxData), "", changedAt); strings.Contains(h.Data, "publishedMessage") {
		t.Errorf("%d bytes of data", len(h.Data))
	}
	h = Published(a, d, "", "Topic does not exist", changedAt)
	if h.Summary != "Failed to execute action "+d.Action+`. Received error: "Topic does not exist"` ||
		!strings.Contains(h.Data, `"actionState":"Failed"`) || !strings.Contains(h.Data, `"error":"Topic does not `+
		`exist"`) {
		t.Errorf("%+v", h)
	}
}
