package cloudwatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

type alarmIn = shape.PutMetricAlarmInput

// alarmOf returns a valid input: CPUUtilization of a service above 70 % for five minutes (ecs.md 5.12).
func alarmOf(name string) *alarmIn {
	return &alarmIn{
		AlarmName: &name, Namespace: new("AWS/ECS"), MetricName: new("CPUUtilization"),
		Dimensions: dims("ClusterName", "prod", "ServiceName", "chat"), Statistic: "Average", Period: new(int32(60)),
		EvaluationPeriods: new(int32(5)), Threshold: new(70.0), ComparisonOperator: "GreaterThanThreshold",
	}
}

func (a *api) create(t *testing.T, in *alarmIn) {
	t.Helper()
	if _, err := a.putMetricAlarm(t.Context(), call(), in); err != nil {
		t.Fatal(err)
	}
}

// Debian's AWS CLI uses the Query protocol. The test calls every action on alarms once.
func TestAlarmsByAWSCLI(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	d := desktest.New(t, Service(a.store, a.points))
	const arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu-high"
	put := "cloudwatch put-metric-alarm --alarm-name cpu-high --namespace AWS/ECS --metric-name CPUUtilization " +
		"--dimensions Name=ClusterName,Value=prod --statistic Average --period 60 --evaluation-periods 5 " +
		"--datapoints-to-alarm 3 --comparison-operator GreaterThanThreshold --treat-missing-data ignore "
	d.AWS(t, put+"--threshold 70 --tags Key=team,Value=chat")
	d.AWS(t, "cloudwatch wait alarm-exists --alarm-names cpu-high")
	if got, want := d.JSON(t, "cloudwatch describe-alarms --query MetricAlarms[0].[AlarmArn,StateValue,StateReason,"+
		"Threshold,Period,EvaluationPeriods,DatapointsToAlarm,TreatMissingData,Statistic,ActionsEnabled,AlarmActions,"+
		"Dimensions]"), `["`+arn+`","INSUFFICIENT_DATA","Unchecked: Initial alarm creation",70,60,5,3,"ignore",`+
		`"Average",true,[],[{"Name":"ClusterName","Value":"prod"}]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	d.AWS(t, "cloudwatch", "set-alarm-state", "--alarm-name", "cpu-high", "--state-value", "ALARM", "--state-reason",
		"try it", "--state-reason-data", `{"by":"hand"}`)
	d.AWS(t, put+"--threshold 80") // an update keeps the state (ecs.md 7.4)
	if got, want := d.JSON(t, "cloudwatch describe-alarms-for-metric --namespace AWS/ECS --metric-name CPUUtilization "+
		"--dimensions Name=ClusterName,Value=prod --query MetricAlarms[].[AlarmName,StateValue,StateReason,"+
		"StateReasonData,Threshold]"), `[["cpu-high","ALARM","try it","{\"by\":\"hand\"}",80]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	d.AWS(t, "cloudwatch disable-alarm-actions --alarm-names cpu-high nobody")
	if got := d.JSON(t, "cloudwatch describe-alarms --state-value ALARM --query MetricAlarms[].ActionsEnabled"); got !=
		"[false]" {
		t.Error(got)
	}
	d.AWS(t, "cloudwatch enable-alarm-actions --alarm-names cpu-high")
	d.AWS(t, "cloudwatch tag-resource --tags Key=a,Value=b --resource-arn "+arn)
	d.AWS(t, "cloudwatch untag-resource --tag-keys team --resource-arn "+arn)
	if got := d.JSON(t, "cloudwatch list-tags-for-resource --resource-arn "+arn); got !=
		`{"Tags":[{"Key":"a","Value":"b"}]}` {
		t.Error(got)
	}
	d.AWS(t, "cloudwatch delete-alarms --alarm-names cpu-high")
	if got, want := d.JSON(t, "cloudwatch describe-alarm-history --alarm-name cpu-high --scan-by TimestampAscending "+
		"--query AlarmHistoryItems[].[HistoryItemType,HistorySummary]"), `[`+
		`["ConfigurationUpdate","Alarm \"cpu-high\" created"],`+
		`["StateUpdate","Alarm updated from INSUFFICIENT_DATA to ALARM"],`+
		`["ConfigurationUpdate","Alarm \"cpu-high\" updated"],`+
		`["ConfigurationUpdate","Alarm \"cpu-high\" updated"],`+
		`["ConfigurationUpdate","Alarm \"cpu-high\" updated"],`+
		`["ConfigurationUpdate","Alarm \"cpu-high\" deleted"]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	d.Refused(t, "(ResourceNotFound) when calling the DeleteAlarms operation: There is no alarm cpu-high.",
		"cloudwatch delete-alarms --alarm-names cpu-high")
	d.Refused(t, "(ValidationError) when calling the PutMetricAlarm operation: The value "+
		`"arn:aws:lambda:us-east-1:123456789012:function:f" for parameter AlarmActions.member.1 is refused: Berth `+
		`does `+
		"not support Lambda functions as actions of alarms yet.",
		put+"--threshold 70 --alarm-actions arn:aws:lambda:us-east-1:123456789012:function:f")
	d.AWS(t, put+"--threshold 70 --alarm-actions arn:aws:sns:us-east-1:123456789012:ops")
	other := d.With("AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=eu-west-2")
	if got := other.JSON(t, "cloudwatch describe-alarm-history --query AlarmHistoryItems"); got != "[]" {
		t.Errorf("another region sees %s", got)
	}
}

// The codes have other names in JSON 1.0 than in Query.
func TestAlarmsInJSON(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	d := desktest.New(t, Service(a.store, a.points))
	post := func(action, input string) string {
		return d.Post(t, "monitoring", "GraniteServiceVersion20100801."+action, input)
	}
	const put = `{'AlarmName':'a','Namespace':'App','MetricName':'m','ExtendedStatistic':'p99',` +
		`'EvaluateLowSampleCountPercentile':'ignore','Period':10,'EvaluationPeriods':1,'Threshold':1,` +
		`'ComparisonOperator':'LessThanThreshold'%s}`
	if got := post("PutMetricAlarm", fmt.Sprintf(put, "")); got != "{}" {
		t.Error(got)
	}
	for action, want := range map[string]string{
		"DescribeAlarms": `"EvaluateLowSampleCountPercentile":"ignore","EvaluationPeriods":1,"ExtendedStatistic":"p99"`,
	} {
		if got := post(action, `{'AlarmNames':['a']}`); !strings.Contains(got, want) {
			t.Errorf("%s: %s", action, got)
		}
	}
	if got := post("PutMetricAlarm", fmt.Sprintf(put, `,'EvaluationInterval':60`)); !strings.HasPrefix(got,
		"ValidationException: ") || !strings.Contains(got, "EvaluationInterval") {
		t.Error(got)
	}
}

// Today's SDKs use CBOR. The inputs are {"AlarmNames": ["a"]} and {"AlarmNames": ["b"]}.
func TestAlarmsInCBOR(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	a.create(t, alarmOf("a"))
	d := desktest.New(t, Service(a.store, a.points))
	call := func(action, name string) (string, bool) {
		return d.CBOR(t, "monitoring", "GraniteServiceVersion20100801."+action, "\xa1\x6aAlarmNames\x81\x61"+name)
	}
	if got, ok := call("DescribeAlarms", "a"); !ok ||
		!strings.Contains(got, "\x6bStateReason\x78\x21"+alarm.Unchecked) ||
		!strings.Contains(got, "\x69Threshold\xfb\x40\x51\x80\x00\x00\x00\x00\x00") {
		t.Errorf("%t %q", ok, got)
	}
	if got, ok := call("DeleteAlarms", "b"); ok || !strings.Contains(got, "ResourceNotFound") {
		t.Errorf("%t %q", ok, got)
	}
	if got, ok := call("DeleteAlarms", "a"); !ok {
		t.Errorf("%q", got)
	}
}

// An invalid alarm is refused with CloudWatch's code, and nothing is stored (ecs.md 7.4).
func TestPutMetricAlarmRefuses(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	six := slices.Repeat([]string{"arn:aws:sns:us-east-1:123456789012:t"}, 6)
	for want, change := range map[string]func(*alarmIn){
		`The value "" for parameter AlarmName is invalid`: func(in *alarmIn) { in.AlarmName = new("") },
		`The value "a\nb" for parameter AlarmName`:        func(in *alarmIn) { in.AlarmName = new("a\nb") },
		"The parameter AlarmDescription has 1025": func(in *alarmIn) {
			in.AlarmDescription = new(strings.Repeat("d", 1025))
		},
		"The collection OKActions must not have a size greater": func(in *alarmIn) { in.OKActions = six },
		"Invalid arn syntax: the value \"topic\" for parameter Ala": func(in *alarmIn) {
			in.AlarmActions = []string{"topic"}
		},
		"Invalid region eu-west-1 specified. Only us-east-1 is supported.": func(in *alarmIn) {
			in.OKActions = []string{"arn:aws:sns:eu-west-1:123456789012:t"}
		},
		"an alarm has no such action": func(in *alarmIn) {
			in.InsufficientDataActions = []string{"arn:aws:s3:::bucket"}
		},
		"does not support actions on EC2 instances as actions": func(in *alarmIn) {
			in.AlarmActions = []string{"arn:aws:automate:us-east-1:ec2:stop"}
		},
		"member.1 is refused: of scaling policies, an alarm can call those of ECS services": func(in *alarmIn) {
			in.AlarmActions = []string{"arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/dynamodb/" +
				"table/t:policyName/p"}
		},
		"member.2 is refused: of scaling policies, an alarm can call those of ECS services": func(in *alarmIn) {
			in.OKActions = []string{
				"arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:autoScalingGroupName/g:policyName/p",
				"arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:autoScalingGroupName/g"}
		},
		"for parameter Namespace is invalid":                   func(in *alarmIn) { in.Namespace = nil },
		"for parameter MetricName is invalid":                  func(in *alarmIn) { in.MetricName = nil },
		"Exactly one of the parameters Statistic and Extended": func(in *alarmIn) { in.Statistic = "" },
		"Exactly one of the parameters Statistic and ExtendedS": func(in *alarmIn) {
			in.ExtendedStatistic = new("p99")
		},
		"The value Sum for parameter ExtendedStatistic is inva": func(in *alarmIn) {
			in.Statistic, in.ExtendedStatistic = "", new("Sum")
		},
		"is only for an ExtendedStatistic that is a percentile": func(in *alarmIn) {
			in.EvaluateLowSampleCountPercentile = new("ignore")
		},
		"Option skip is not supported. Supported options for ": func(in *alarmIn) {
			in.EvaluateLowSampleCountPercentile = new("skip")
		},
		"The parameter ComparisonOperator is required": func(in *alarmIn) { in.ComparisonOperator = "" },
		"Berth does not support anomaly detection": func(in *alarmIn) {
			in.ComparisonOperator = "LessThanLowerThreshold"
		},
		"The parameter Threshold is required":               func(in *alarmIn) { in.Threshold = nil },
		"The parameter EvaluationPeriods is required":       func(in *alarmIn) { in.EvaluationPeriods = nil },
		"Value '0' at 'evaluationPeriods' failed to satisf": func(in *alarmIn) { in.EvaluationPeriods = new(int32(0)) },
		"Value '0' at 'datapointsToAlarm' failed to satisf": func(in *alarmIn) { in.DatapointsToAlarm = new(int32(0)) },
		"DatapointsToAlarm must be less than or equal to E": func(in *alarmIn) { in.DatapointsToAlarm = new(int32(6)) },
		"for parameter TreatMissingData is invalid":         func(in *alarmIn) { in.TreatMissingData = new("zero") },
		"The parameter Period is required":                  func(in *alarmIn) { in.Period = nil },
		"Period must be 10, 20, 30 or a multiple of 60, an": func(in *alarmIn) { in.Period = new(int32(45)) },
		"across more than a day (EvaluationPeriods * Period must be <= 86400)": func(in *alarmIn) {
			in.Period, in.EvaluationPeriods = new(int32(300)), new(int32(289))
		},
		"across more than a week (EvaluationPeriods * Period must be <= 604800)": func(in *alarmIn) {
			in.Period, in.EvaluationPeriods = new(int32(3600)), new(int32(169))
		},
	} {
		in := alarmOf("a")
		change(in)
		_, err := a.putMetricAlarm(t.Context(), call(), in)
		if err == nil || !strings.HasPrefix(err.Error(), "ValidationException: ") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if n := a.store.View().Alarms.Len() + a.store.View().AlarmHistory.Len(); n != 0 {
		t.Errorf("calls that were refused wrote %d rows", n)
	}
	for _, change := range []func(*alarmIn){
		func(in *alarmIn) { in.Period, in.EvaluationPeriods = new(int32(300)), new(int32(288)) },
		func(in *alarmIn) { in.Period, in.EvaluationPeriods = new(int32(3600)), new(int32(168)) },
		func(in *alarmIn) { in.Period, in.EvaluationPeriods = new(int32(10)), new(int32(1)) },
		func(in *alarmIn) { in.DatapointsToAlarm = new(int32(5)) },
	} {
		in := alarmOf("fits")
		change(in)
		a.create(t, in)
	}
}

// An update replaces all settings. The state and the tags do not change (ecs.md 7.4).
func TestPutMetricAlarmReplaces(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	in := alarmOf("a")
	in.Tags = []shape.Tag{{Key: new("k"), Value: new("v")}}
	in.AlarmDescription, in.TreatMissingData = new("first"), new("breaching")
	a.create(t, in)
	key := alarm.ARN(desktest.Region, desktest.Account, "a")
	before, _ := a.store.View().AlarmStatus.Get(key)
	next := alarmOf("a")
	next.Threshold, next.Tags = new(80.0), []shape.Tag{{Key: new("other"), Value: new("v")}}
	a.create(t, next)
	row, _ := a.store.View().Alarms.Get(key)
	if after, _ := a.store.View().AlarmStatus.Get(key); after != before {
		t.Errorf("the state changed: %+v", after)
	}
	if row.Description != "" || row.Condition.MissingData != "" || row.Condition.Threshold != 80 ||
		len(row.Tags) != 1 || row.Tags[0].Key != "k" {
		t.Errorf("%+v", row)
	}
}

// names returns the names of the alarms on all pages.
func (a *api) names(t *testing.T, in shape.DescribeAlarmsInput) string {
	t.Helper()
	var all []string
	for {
		out, err := a.describeAlarms(t.Context(), call(), &in)
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, m := range out.MetricAlarms {
			page = append(page, *m.AlarmName)
		}
		all = append(all, strings.Join(page, " "))
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return strings.Join(all, "|")
		}
	}
}

func TestDescribeAlarms(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	for _, name := range []string{"b2", "a", "b1", "c"} {
		a.create(t, alarmOf(name))
	}
	if _, err := a.setAlarmState(t.Context(), call(), &shape.SetAlarmStateInput{AlarmName: new("b2"),
		StateValue: "OK", StateReason: new("x")}); err != nil {
		t.Fatal(err)
	}
	for want, in := range map[string]shape.DescribeAlarmsInput{
		"a b1 b2 c":   {},
		"a b1|b2 c":   {MaxRecords: new(int32(2))},
		"b1 b2":       {AlarmNamePrefix: new("b")},
		"a c":         {AlarmNames: []string{"c", "none", "a", "a"}},
		"b2":          {StateValue: "OK"},
		"b1":          {AlarmNamePrefix: new("b"), StateValue: "INSUFFICIENT_DATA"},
		"":            {AlarmTypes: []string{"CompositeAlarm"}},
		"a b1 b2 c ":  {},
		"c":           {AlarmNames: []string{"c"}, AlarmTypes: []string{"CompositeAlarm", "MetricAlarm"}},
		"nothing of ": {ActionPrefix: new("arn:aws:sns")},
	} {
		want = strings.TrimSuffix(strings.TrimPrefix(want, "nothing of "), " ")
		if got := a.names(t, in); got != want {
			t.Errorf("%+v: %q, want %q", in, got, want)
		}
	}
	for want, in := range map[string]*shape.DescribeAlarmsInput{
		"mutually exclusive":                 {AlarmNames: []string{"a"}, AlarmNamePrefix: new("a")},
		"Value '0' at 'maxRecords' failed":   {MaxRecords: new(int32(0))},
		"Value '101' at 'maxRecords' failed": {MaxRecords: new(int32(101))},
		"size greater than 100":              {AlarmNames: slices.Repeat([]string{"a"}, 101)},
	} {
		if _, err := a.describeAlarms(t.Context(), call(), in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// DescribeAlarms finds alarms by their actions, including actions that Berth does not carry out yet.
func TestDescribeAlarmsByAction(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	for name, action := range map[string]string{"sns": "arn:aws:sns:x:1:t", "lambda": "arn:aws:lambda:x:1:f"} {
		a.create(t, alarmOf(name))
		err := a.store.Update(t.Context(), func(tx *state.Tx) error {
			old, _ := tx.Alarms.Get(alarm.ARN(desktest.Region, desktest.Account, name))
			row := *old
			row.OKActions = []string{action}
			tx.Alarms.Put(&row)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := a.names(t, shape.DescribeAlarmsInput{ActionPrefix: new("arn:aws:sns")}); got != "sns" {
		t.Error(got)
	}
}

func TestDescribeAlarmsForMetric(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	a.create(t, alarmOf("a"))
	p99 := alarmOf("p99")
	p99.Statistic, p99.ExtendedStatistic, p99.Period, p99.Unit = "", new("p99"), new(int32(300)), "Percent"
	a.create(t, p99)
	cluster := alarmOf("cluster")
	cluster.Dimensions = dims("ClusterName", "prod")
	a.create(t, cluster)
	both, cpu := dims("ServiceName", "chat", "ClusterName", "prod"), new("CPUUtilization")
	for want, in := range map[string]shape.DescribeAlarmsForMetricInput{
		"a p99":   {Dimensions: both},
		"a":       {Dimensions: both, Statistic: "Average"},
		"p99":     {Dimensions: both, ExtendedStatistic: new("p99")},
		"p99 ":    {Dimensions: both, Period: new(int32(300))},
		"p99  ":   {Dimensions: both, Unit: "Percent"},
		"cluster": {Dimensions: dims("ClusterName", "prod")},
		"":        {},
	} {
		in.Namespace, in.MetricName = new("AWS/ECS"), cpu
		out, err := a.describeAlarmsForMetric(t.Context(), call(), &in)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range out.MetricAlarms {
			names = append(names, *m.AlarmName)
		}
		if got := strings.Join(names, " "); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %s, want %s", in, got, want)
		}
	}
}

// If one alarm does not exist, none is deleted.
func TestDeleteAlarmsIsAllOrNothing(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	a.create(t, alarmOf("a"))
	_, err := a.deleteAlarms(t.Context(), call(), &shape.DeleteAlarmsInput{AlarmNames: []string{"a", "b", "c"}})
	if err == nil || err.Error() != "ResourceNotFound: There is no alarm b, c." {
		t.Error(err)
	}
	if got := a.names(t, shape.DescribeAlarmsInput{}); got != "a" {
		t.Errorf("left: %q", got)
	}
}

func TestSetAlarmStateRefuses(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	a.create(t, alarmOf("a"))
	for want, in := range map[string]shape.SetAlarmStateInput{
		"ResourceNotFound: There is no alarm b": {AlarmName: new("b"), StateReason: new("x")},
		"InvalidFormatFault: ":                  {StateReasonData: new("{"), StateReason: new("x")},
		"more than 1023 characters":             {StateReason: new(strings.Repeat("x", 1024))},
		"more than 4000 characters": {StateReason: new("x"),
			StateReasonData: new(strings.Repeat("1", 4001))},
	} {
		in.StateValue = "ALARM"
		if in.AlarmName == nil {
			in.AlarmName = new("a")
		}
		if _, err := a.setAlarmState(t.Context(), call(), &in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if s, _ := a.store.View().AlarmStatus.Get(alarm.ARN(desktest.Region, desktest.Account, "a")); s.Value !=
		scaling.InsufficientData {
		t.Errorf("%+v", s)
	}
}

// The history has the last two weeks (ecs.md 7.5). A call can limit it to a type and to a period.
func TestDescribeAlarmHistory(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	at := func(minutes int) *awswire.Call {
		c := call()
		c.Now = now.Add(time.Duration(minutes) * time.Minute)
		return c
	}
	for i, name := range []string{"a", "a/b"} {
		if _, err := a.putMetricAlarm(t.Context(), at(i), alarmOf(name)); err != nil {
			t.Fatal(err)
		}
	}
	for i, value := range []string{"OK", "ALARM", "ALARM", "OK"} {
		if _, err := a.setAlarmState(t.Context(), at(10+i), &shape.SetAlarmStateInput{AlarmName: new("a"),
			StateValue: value, StateReason: new("x")}); err != nil {
			t.Fatal(err)
		}
	}
	list := func(in shape.DescribeAlarmHistoryInput, c *awswire.Call) string {
		var all []string
		for {
			out, err := a.describeAlarmHistory(t.Context(), c, &in)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range out.AlarmHistoryItems {
				words := strings.Fields(*h.HistorySummary)
				all = append(all, words[len(words)-1])
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return strings.Join(all, " ")
			}
		}
	}
	for _, c := range []struct {
		in   shape.DescribeAlarmHistoryInput
		want string
	}{
		{shape.DescribeAlarmHistoryInput{}, "OK ALARM OK created created"},
		{shape.DescribeAlarmHistoryInput{MaxRecords: new(int32(2))}, "OK ALARM OK created created"},
		{shape.DescribeAlarmHistoryInput{ScanBy: "TimestampAscending"}, "created created OK ALARM OK"},
		{shape.DescribeAlarmHistoryInput{AlarmName: new("a/b")}, "created"},
		{shape.DescribeAlarmHistoryInput{AlarmName: new("a"), HistoryItemType: "StateUpdate"}, "OK ALARM OK"},
		{shape.DescribeAlarmHistoryInput{HistoryItemType: "Action"}, ""},
		{shape.DescribeAlarmHistoryInput{StartDate: &at(10).Now, EndDate: &at(11).Now}, "ALARM OK"},
		{shape.DescribeAlarmHistoryInput{AlarmTypes: []string{"CompositeAlarm"}}, ""},
	} {
		if got := list(c.in, at(20)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.in, got, c.want)
		}
	}
	if got := list(shape.DescribeAlarmHistoryInput{}, at(14*24*60+5)); got != "OK ALARM OK" {
		t.Errorf("after two weeks: %q", got)
	}
}

func TestTagsOfAlarmsRefuse(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	a.create(t, alarmOf("a"))
	for arn, want := range map[string]string{
		"arn:aws:cloudwatch:us-east-1:123456789012:alarm:b":     "ResourceNotFoundException: There is no alarm",
		"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a":     "ResourceNotFoundException: There is no alarm",
		"arn:aws:cloudwatch:us-east-1:123456789012:dashboard/a": "InvalidParameterValueException: ",
		"a": "InvalidParameterValueException: ",
	} {
		_, err := a.tagResource(t.Context(), call(), &shape.TagResourceInput{ResourceARN: &arn})
		_, other := a.listTagsForResource(t.Context(), call(), &shape.ListTagsForResourceInput{ResourceARN: &arn})
		if err == nil || !strings.Contains(err.Error(), want) || other == nil || other.Error() != err.Error() {
			t.Errorf("%v, %v, want %s", err, other, want)
		}
	}
	bad := []shape.Tag{{Key: new("berth:pace"), Value: new("minutes")}}
	in := alarmOf("b")
	in.Tags = bad
	_, put := a.putMetricAlarm(t.Context(), call(), in)
	_, added := a.tagResource(t.Context(), call(), &shape.TagResourceInput{Tags: bad,
		ResourceARN: new("arn:aws:cloudwatch:us-east-1:123456789012:alarm:a")})
	const want = `InvalidParameterValueException: The value "minutes" of the tag berth:pace is invalid`
	for _, err := range []error{put, added} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
