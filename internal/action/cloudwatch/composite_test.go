package cloudwatch

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter"
)

func (a *api) combine(name, rule string, change ...func(*shape.PutCompositeAlarmInput)) error {
	in := &shape.PutCompositeAlarmInput{AlarmName: &name, AlarmRule: &rule}
	for _, c := range change {
		c(in)
	}
	_, err := a.putCompositeAlarm(context.Background(), call(), in)
	return err
}

func TestCompositeAlarmsByAWSCLI(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	a.create(t, alarmOf("a"))
	a.create(t, alarmOf("b"))
	d := desktest.New(t, Service(a.store, a.points))
	d.AWS(t, "cloudwatch", "put-composite-alarm", "--alarm-name", "both", "--alarm-rule", "ALARM(a) AND ALARM(b)",
		"--alarm-description", "all of it", "--tags", "Key=k,Value=v")
	d.AWS(t, "cloudwatch wait composite-alarm-exists --alarm-names both --alarm-types CompositeAlarm")
	if got, want := d.JSON(t, "cloudwatch describe-alarms --alarm-types CompositeAlarm MetricAlarm --query "+
		"[MetricAlarms[].AlarmName,CompositeAlarms[].[AlarmName,AlarmRule,StateValue,StateReason,AlarmDescription]]"),
		`[["a","b"],[["both","ALARM(a) AND ALARM(b)","INSUFFICIENT_DATA","Unchecked: Initial alarm creation",`+
			`"all of it"]]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := d.JSON(t, "cloudwatch describe-alarms --query CompositeAlarms"); got != "[]" {
		t.Errorf("DescribeAlarms returns composite alarms without being asked for them: %s", got)
	}
	if got, want := d.JSON(t, "cloudwatch describe-alarms --children-of-alarm-name both --query "+
		"MetricAlarms[].[AlarmName,StateValue,Threshold]"),
		`[["a","INSUFFICIENT_DATA",null],["b","INSUFFICIENT_DATA",null]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got, want := d.JSON(t, "cloudwatch describe-alarms --parents-of-alarm-name a --query "+
		"CompositeAlarms[].[AlarmName,StateValue]"), `[["both",null]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	d.Refused(t, "(ValidationError) when calling the DeleteAlarms operation: Cannot delete a,b as there are composite "+
		"alarm(s) depending on them.", "cloudwatch delete-alarms --alarm-names a b")
	d.AWS(t, "cloudwatch delete-alarms --alarm-names a both b")
	if got, want := d.JSON(t, "cloudwatch describe-alarm-history --alarm-types CompositeAlarm --query "+
		"AlarmHistoryItems[].[AlarmName,AlarmType,HistorySummary]"),
		`[["both","CompositeAlarm","Alarm \"both\" deleted"],`+
			`["both","CompositeAlarm","Alarm \"both\" created"]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestPutCompositeAlarmRefuses(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	a.create(t, alarmOf("a"))
	for _, one := range [][2]string{{"low", "ALARM(a)"}, {"middle", "ALARM(low)"}} {
		if err := a.combine(one[0], one[1]); err != nil {
			t.Fatal(err)
		}
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("OK(n%d)", i)
	}
	for _, c := range []struct{ name, rule, want string }{
		{"x", "ALARM(a", "AlarmRule is invalid: the AlarmRule is wrong at character 8: a closing parenthesis"},
		{"x", "ALARM(b) OR OK(c)", "alarms [b, c] in the alarm rule do not exist"},
		{"x", "ALARM(x)", "alarms [x] in the alarm rule do not exist"},
		{"low", "ALARM(low)", "the alarm rule must not lead back to low"},
		{"low", "ALARM(a) OR ALARM(middle)", "the alarm rule must not lead back to low"},
		{"a", "TRUE", "There is an alarm a of the other type"},
		{"x", "ALARM(arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a)", "is not an alarm of this account and region"},
		{"x", strings.Join(many, " OR "), "names 101 alarms; 100 are allowed"},
	} {
		if err := a.combine(c.name, c.rule); err == nil || !strings.HasPrefix(err.Error(), "ValidationException: ") ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.40s: %v, want %s", c.name, c.rule, err, c.want)
		}
	}
	for want, change := range map[string]func(*shape.PutCompositeAlarmInput){
		"composite alarms have no scaling policies of Auto Scaling groups": func(in *shape.PutCompositeAlarmInput) {
			in.AlarmActions = []string{"arn:aws:autoscaling:x:1:scalingPolicy:1:autoScalingGroupName/g:policyName/p"}
		},
		"does not support Lambda functions as actions": func(in *shape.PutCompositeAlarmInput) {
			in.OKActions = []string{"arn:aws:lambda:us-east-1:123456789012:function:f"}
		},
		"Invalid region x specified.": func(in *shape.PutCompositeAlarmInput) {
			in.OKActions = []string{"arn:aws:sns:x:1:t"}
		},
	} {
		if err := a.combine("x", "TRUE", change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	low := alarmOf("low")
	if _, err := a.putMetricAlarm(t.Context(), call(), low); err == nil ||
		!strings.Contains(err.Error(), "other type") {
		t.Error(err)
	}
	_, err := a.deleteAlarms(t.Context(), call(), &shape.DeleteAlarmsInput{AlarmNames: []string{"low", "middle"}})
	if err == nil || !strings.Contains(err.Error(), "At most one composite alarm can be deleted in a call") {
		t.Error(err)
	}
	_, err = a.describeAlarms(t.Context(), call(), &shape.DescribeAlarmsInput{ChildrenOfAlarmName: new("low"),
		StateValue: "OK"})
	if err == nil || !strings.Contains(err.Error(), "can be used with MaxRecords and NextToken only") {
		t.Error(err)
	}
	// A rule may use the ARN of an alarm in this region instead of its name. It may change as long as it
	// makes no cycle.
	for _, one := range [][2]string{
		{"low", "OK(arn:aws:cloudwatch:us-east-1:123456789012:alarm:a)"}, {"middle", "OK(a)"},
	} {
		if err := a.combine(one[0], one[1]); err != nil {
			t.Error(err)
		}
	}
}
