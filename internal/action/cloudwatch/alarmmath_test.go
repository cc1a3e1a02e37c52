package cloudwatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/alarm"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter"
)

func TestAlarmsOnMetricMathByAWSCLI(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	d := desktest.New(t, Service(a.store, a.points))
	const errors = `{"Id":"m1","MetricStat":{"Metric":{"Dimensions":[{"Name":"Room","Value":"a"}],` +
		`"MetricName":"errors","Namespace":"App"},"Period":300,"Stat":"p99","Unit":"Count"},"ReturnData":false}`
	const requests = `{"Id":"m2","MetricStat":{"Metric":{"Dimensions":[],"MetricName":"requests",` +
		`"Namespace":"App"},"Period":300,"Stat":"Sum"},"ReturnData":false}`
	const rate = `{"Expression":"100 * m1 / m2","Id":"e1","Label":"error rate","ReturnData":true}`
	const queries = "[" + rate + "," + errors + "," + requests + "]"
	d.AWS(t, "cloudwatch", "put-metric-alarm", "--alarm-name", "rate", "--evaluation-periods", "2", "--threshold", "1",
		"--comparison-operator", "GreaterThanThreshold", "--metrics", queries)
	if got := d.JSON(t, "cloudwatch describe-alarms --query MetricAlarms[0].Metrics"); got != queries {
		t.Errorf("%s\nwant %s", got, queries)
	}
	if got := d.JSON(t, "cloudwatch describe-alarms --query "+
		"MetricAlarms[0].[MetricName,Namespace,Statistic,Period]"); got != "[null,null,null,null]" {
		t.Error(got)
	}
	if got := d.JSON(t, "cloudwatch describe-alarms-for-metric --namespace App --metric-name requests"); got !=
		`{"MetricAlarms":[]}` {
		t.Errorf("DescribeAlarmsForMetric returns an alarm on metric math: %s", got)
	}
	row, _ := a.store.View().Alarms.Get(alarm.ARN(desktest.Region, desktest.Account, "rate"))
	if row.Condition.Period != 5*time.Minute {
		t.Errorf("the period of the condition is %v", row.Condition.Period)
	}
}

// mathOf returns a valid input with metric math.
func mathOf(queries ...shape.MetricDataQuery) *alarmIn {
	return &alarmIn{AlarmName: new("a"), EvaluationPeriods: new(int32(1)), Threshold: new(1.0),
		ComparisonOperator: "GreaterThanThreshold", Metrics: queries}
}

// ecs.md 7.4: at most ten metrics and expressions. An alarm that could never be evaluated is refused.
func TestAlarmsOnMetricMathRefuse(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	m1 := hidden(stat("m1", "x", "Sum", 60))
	for want, in := range map[string]*alarmIn{
		"Exactly one element of the metrics list should return data": mathOf(m1),
		"Exactly one element of the metrics list should return dat": mathOf(stat("m1", "x", "Sum", 60),
			calc("e1", "m1")),
		"size greater than 10":               mathOf(slices.Repeat([]shape.MetricDataQuery{m1}, 11)...),
		"must have at least one element":     mathOf([]shape.MetricDataQuery{}...),
		"id in Metrics are not unique":       mathOf(m1, m1),
		"there is no metric or expression":   mathOf(calc("e1", "m2 * 2"), m1),
		"it needs its own result":            mathOf(calc("e1", "e2 + m1"), hidden(calc("e2", "e1 + m1")), m1),
		"the function ANOMALY_DETECTION_BAN": mathOf(calc("e1", "ANOMALY_DETECTION_BAND(m1, 2)"), m1),
		"SEARCH cannot be used in an alarm":  mathOf(calc("e1", "MAX(SEARCH('{App} x', 'Sum', 60))"), m1),
		"a single time series, and it has 2": mathOf(calc("e1", "[m1, m2]"), m1, hidden(stat("m2", "y", "Sum", 60))),
		"Period must be 10, 20, 30 or a mul": mathOf(stat("m1", "x", "Sum", 5)),
		`Id is invalid`:                      mathOf(stat("M1", "x", "Sum", 60)),
		"the result is not a time series":    mathOf(calc("e1", "2 * 3"), m1),
	} {
		if in.Metrics == nil {
			in.Metrics = []shape.MetricDataQuery{}
		}
		_, err := a.putMetricAlarm(t.Context(), call(), in)
		if err == nil || !strings.HasPrefix(err.Error(), "ValidationException: ") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for name, change := range map[string]func(*alarmIn){
		"Namespace":         func(in *alarmIn) { in.Namespace = new("App") },
		"MetricName":        func(in *alarmIn) { in.MetricName = new("m") },
		"Dimensions":        func(in *alarmIn) { in.Dimensions = dims("a", "b") },
		"Period":            func(in *alarmIn) { in.Period = new(int32(60)) },
		"Unit":              func(in *alarmIn) { in.Unit = "Count" },
		"Statistic":         func(in *alarmIn) { in.Statistic = "Sum" },
		"ExtendedStatistic": func(in *alarmIn) { in.ExtendedStatistic = new("p9") },
		"EvaluateLowSampleCountPercentile": func(in *alarmIn) {
			in.EvaluateLowSampleCountPercentile = new("ignore")
		},
	} {
		in := mathOf(stat("m1", "x", "Sum", 60))
		change(in)
		want := "The parameters Metrics and " + name + " are mutually exclusive"
		if _, err := a.putMetricAlarm(t.Context(), call(), in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if n := a.store.View().Alarms.Len(); n != 0 {
		t.Errorf("%d alarms", n)
	}
	a.create(t, mathOf(stat("m1", "x", "Sum", 60)))
	a.create(t, mathOf(calc("e1", "FILL(m1, 0)"), m1))
}
