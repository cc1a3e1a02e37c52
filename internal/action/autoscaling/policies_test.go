package autoscaling

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

const (
	policyLine = "PutScalingPolicy AutoScalingGroupName=g PolicyName=p"
	simpleLine = policyLine + " AdjustmentType=ChangeInCapacity ScalingAdjustment=1"
	stepLine   = policyLine + " PolicyType=StepScaling AdjustmentType=ChangeInCapacity"
	trackLine  = policyLine + " PolicyType=TargetTrackingScaling TargetTrackingConfiguration.TargetValue=50"
	cpuMetric  = " TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType=" +
		"ASGAverageCPUUtilization"
	custom = " TargetTrackingConfiguration.CustomizedMetricSpecification."
)

// mathMetric is the number of clients in thousands.
const mathMetric = custom + "Metrics.member.1.Id=m1" + custom + "Metrics.member.1.ReturnData=false" +
	custom + "Metrics.member.1.MetricStat.Stat=Sum" + custom + "Metrics.member.1.MetricStat.Metric.Namespace=Chat" +
	custom + "Metrics.member.1.MetricStat.Metric.MetricName=Clients" +
	custom + "Metrics.member.1.MetricStat.Metric.Dimensions.member.1.Name=Room" +
	custom + "Metrics.member.1.MetricStat.Metric.Dimensions.member.1.Value=a" +
	custom + "Metrics.member.2.Id=e1" + custom + "Metrics.member.2.Expression=m1/1000"

// A policy that tracks the result of metric math has alarms with the same metrics and expressions, and is described as
// it was put (ecs.md 5.10).
func TestPolicyMath(t *testing.T) {
	d := newDesk(t)
	d.group("1", "3", "1")
	d.ok(trackLine + mathMetric)
	d.contains("DescribePolicies AutoScalingGroupName=g", "<Id>m1</Id>", "<Expression>m1/1000</Expression>",
		"<Stat>Sum</Stat>", "<MetricName>Clients</MetricName>", "<Name>Room</Name><Value>a</Value>",
		"<ReturnData>false</ReturnData>")
	n := 0
	for a := range d.store.View().Alarms.All() {
		n++
		if len(a.Queries) != 2 || a.Queries[0].Period != time.Minute || a.Queries[1].Expression != "m1/1000" ||
			a.Measure.Metric.Name != "" {
			t.Errorf("the alarm %s compares %+v, %+v", a.Name, a.Measure, a.Queries)
		}
	}
	if n != 2 {
		t.Errorf("%d alarms", n)
	}
}

// The periods of a policy's metrics, all of a minute, are described where they were put.
func TestPolicyPeriods(t *testing.T) {
	const (
		plain = custom + "Namespace=n" + custom + "MetricName=m" + custom + "Statistic=Average"
		first = mathMetric + custom + "Metrics.member.1."
		stat  = "<Stat>Sum</Stat><Period>60</Period></MetricStat>"
	)
	for call, want := range map[string]string{
		plain:                             "",
		mathMetric:                        "",
		plain + custom + "Period=60":      "<Namespace>n</Namespace><Period>60</Period><Statistic>",
		mathMetric + custom + "Period=60": "</Metrics><Period>60</Period></Cust",
		first + "Period=60":               "</MetricStat><Period>60</Period><Ret",
		first + "MetricStat.Period=60":    stat,
		mathMetric + custom + "Metrics.member.2.Period=60": "<Expression>m1/1000</Expression><Period>60</Period>",
	} {
		d := newDesk(t)
		d.group("1", "3", "1")
		d.ok(trackLine + call)
		got, n := d.ok("DescribePolicies AutoScalingGroupName=g"), 1
		if want == "" {
			n = 0
		}
		if !strings.Contains(got, want) || strings.Count(got, "<Period>") != n {
			t.Errorf("%s\ngot  %s\nwant %s", call, got, want)
		}
		again := d.call(strings.Replace(trackLine, "Name=p", "Name=q", 1) +
			strings.NewReplacer(custom+"Period=60", "", custom+"Metrics.member.1.Period=60", "").Replace(call))
		if !strings.Contains(again, "tracks this metric already") {
			t.Errorf("%s: a second policy for the metric: %s", call, again)
		}
	}
}

// ecs.md 5.10: the average traffic of a group's instances.
func TestPolicyNetwork(t *testing.T) {
	d := newDesk(t)
	d.group("1", "3", "1")
	d.ok(trackLine + strings.Replace(cpuMetric, "CPUUtilization", "NetworkIn", 1))
	d.contains("DescribePolicies AutoScalingGroupName=g", "<PredefinedMetricType>ASGAverageNetworkIn<")
	for a := range d.store.View().Alarms.All() {
		if a.Measure.Metric.Name != "NetworkIn" || a.Measure.Metric.Namespace != "AWS/EC2" {
			t.Errorf("the alarm %s compares %+v", a.Name, a.Measure)
		}
	}
}

// ecs.md 5.10.
func TestPolicyFaults(t *testing.T) {
	for _, c := range []struct{ call, want string }{
		{strings.Replace(simpleLine, "=g", "=x", 1),
			"AutoScalingGroup name not found - AutoScalingGroup 'x' not found"},
		{policyLine, `The AdjustmentType "" is not valid: use ChangeInCapacity, ExactCapacity or ` +
			"PercentChangeInCapacity."},
		{policyLine + " AdjustmentType=ChangeInCapacity", "A policy of type SimpleScaling needs a ScalingAdjustment."},
		{policyLine + " AdjustmentType=ExactCapacity ScalingAdjustment=-1",
			"A ScalingAdjustment must not be negative for the AdjustmentType ExactCapacity: -1"},
		{simpleLine + " MinAdjustmentMagnitude=2",
			"MinAdjustmentMagnitude is only for the AdjustmentType PercentChangeInCapacity."},
		{simpleLine + " Cooldown=-1", "Cooldown must not be negative: -1"},
		{simpleLine + " EstimatedInstanceWarmup=60", "EstimatedInstanceWarmup is not for policies of type " +
			"SimpleScaling."},
		{simpleLine + " PolicyType=PredictiveScaling", "AdjustmentType is not for policies of type PredictiveScaling."},
		{policyLine + " PolicyType=PredictiveScaling", `The policy type "PredictiveScaling" is not supported: use ` +
			"SimpleScaling, StepScaling or TargetTrackingScaling."},
		{stepLine, "The step scaling policy is invalid: there must be at least one step adjustment."},
		{stepLine + " MetricAggregationType=Sum StepAdjustments.member.1.ScalingAdjustment=1",
			`The MetricAggregationType "Sum" is not valid: use Average, Minimum or Maximum.`},
		{stepLine + " Cooldown=60 StepAdjustments.member.1.ScalingAdjustment=1",
			"Cooldown is not for policies of type StepScaling."},
		{stepLine + " EstimatedInstanceWarmup=-1 StepAdjustments.member.1.ScalingAdjustment=1",
			"EstimatedInstanceWarmup must not be negative: -1"},
		{policyLine + " PolicyType=TargetTrackingScaling",
			"A policy of type TargetTrackingScaling needs a TargetTrackingConfiguration."},
		{trackLine, "A policy that tracks a target has either PredefinedMetricSpecification or " +
			"CustomizedMetricSpecification."},
		{strings.Replace(trackLine, "=50", "=0", 1) + cpuMetric, "TargetValue must be a number above 0: 0"},
		{trackLine + strings.Replace(cpuMetric, "CPUUtilization", "NetworkOut", 1) +
			" TargetTrackingConfiguration.PredefinedMetricSpecification.ResourceLabel=app/a/1/targetgroup/b/2",
			"A ResourceLabel is only for the metric ALBRequestCountPerTarget."},
		{trackLine + strings.Replace(cpuMetric, "ASGAverageCPUUtilization", "ALBRequestCountPerTarget", 1),
			"The metric ALBRequestCountPerTarget needs a ResourceLabel such as " +
				`app/my-alb/778d41231b141a0f/targetgroup/my-group/943f017f100becff, and not "".`},
		{trackLine + strings.Replace(cpuMetric, "ASGAverageCPUUtilization", "ALBRequestCountPerTarget", 1) +
			" TargetTrackingConfiguration.PredefinedMetricSpecification.ResourceLabel=app/a/1/targetgroup/b/2",
			"The target group targetgroup/b/2 in the ResourceLabel is not attached to the group g."},
		{trackLine + custom + "Namespace=n", "The customized metric is invalid: a metric needs MetricName, " +
			"Namespace and a statistic."},
		{trackLine + custom + "Namespace=n" + custom + "MetricName=m" + custom + "Statistic=Average" +
			custom + "Dimensions.member.1.Name=d" + custom + "Dimensions.member.1.Value=1" +
			custom + "Dimensions.member.2.Name=d" + custom + "Dimensions.member.2.Value=2",
			"The customized metric is invalid: the dimension d is given twice."},
		{trackLine + custom + "Metrics.member.1.Id=m", "The element m of Metrics needs either MetricStat or " +
			"Expression."},
		{trackLine + custom + "Metrics.member.1.Id=m" + custom + "MetricName=m",
			"A CustomizedMetricSpecification has either Metrics or MetricName, Namespace, Dimensions, Statistic and " +
				"Unit."},
		{trackLine + custom + "Metrics.member.1.Id=m" + custom + "Metrics.member.1.Expression=x" + custom +
			"Metrics.member.1.Period=10", "Berth supports a Period of 60 seconds only: 10"},
		{trackLine + mathMetric + custom + "Metrics.member.1.MetricStat.Period=300",
			"Berth supports a Period of 60 seconds only: 300"},
		{trackLine + strings.Replace(mathMetric, "ReturnData=false", "ReturnData=true", 1),
			"The metric math is invalid: Exactly one element of the metrics list should return data."},
		{trackLine + custom + "Namespace=n" + custom + "MetricName=m" + custom + "Statistic=Average" + custom +
			"Period=10", "Berth supports a Period of 60 seconds only: 10"},
		{"DeletePolicy PolicyName=p", "The parameter AutoScalingGroupName is required with the name of a policy."},
		{"DeletePolicy AutoScalingGroupName=g PolicyName=x", `No scaling policy found with name or ARN "x".`},
		{"ExecutePolicy AutoScalingGroupName=g PolicyName=x", `No scaling policy found with name or ARN "x".`},
		{"DescribePolicies AutoScalingGroupName=x", "AutoScalingGroup name not found - AutoScalingGroup 'x' not found"},
	} {
		t.Run(c.call[:min(len(c.call), 150)], func(t *testing.T) {
			d := newDesk(t)
			d.group("1", "3", "1")
			if got := d.call(c.call); got != "ValidationError: "+c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func (d *desk) contains(line string, want ...string) {
	d.t.Helper()
	out := d.ok(line)
	for _, w := range want {
		if !strings.Contains(out, w) {
			d.t.Errorf("%s: %s is not in %s", line, w, out)
		}
	}
}

// Policies of every type are described as they were put, and keep their ARN when they are put again.
func TestPolicies(t *testing.T) {
	d := newDesk(t)
	d.group("1", "9", "2")
	first := d.ok(simpleLine + " Cooldown=60")
	d.contains("DescribePolicies AutoScalingGroupName=g", "<PolicyType>SimpleScaling<", "<Cooldown>60<",
		"<ScalingAdjustment>1<", "<Enabled>true<", "<AdjustmentType>ChangeInCapacity<")
	again := d.ok(strings.Replace(simpleLine, "Adjustment=1", "Adjustment=2", 1) + " Enabled=false")
	arn := between(first, "<PolicyARN>", "<")
	if arn != between(again, "<PolicyARN>", "<") || arn == "" {
		t.Errorf("%s and then %s", first, again)
	}
	d.contains("DescribePolicies PolicyNames.member.1="+arn, "<ScalingAdjustment>2<", "<Enabled>false<")
	if got := d.call(stepLine + " StepAdjustments.member.1.ScalingAdjustment=1"); got != "ValidationError: The "+
		"policy p "+
		"has the type SimpleScaling, which cannot be changed. Delete it first." {
		t.Error(got)
	}
	d.ok(strings.Replace(stepLine, "=p ", "=s ", 1) + " EstimatedInstanceWarmup=30 MetricAggregationType=Maximum " +
		"StepAdjustments.member.1.MetricIntervalLowerBound=0 StepAdjustments.member.1.ScalingAdjustment=3")
	d.contains("DescribePolicies PolicyTypes.member.1=StepScaling", "<PolicyName>s<", "<EstimatedInstanceWarmup>30<",
		"<MetricAggregationType>Maximum<", "<MetricIntervalLowerBound>0<", "<ScalingAdjustment>3<")
	if out := d.ok("DescribePolicies PolicyTypes.member.1=StepScaling"); strings.Contains(out, "<PolicyName>p<") {
		t.Error(out)
	}
	d.contains("DescribeAdjustmentTypes", "<AdjustmentType>ChangeInCapacity<", "<AdjustmentType>ExactCapacity<",
		"<AdjustmentType>PercentChangeInCapacity<")
	// Alarms that call the policy are listed with it, and lose it when it is deleted, as on AWS.
	d.update(func(tx *state.Tx) {
		tx.PutAlarm(&alarm.Alarm{ARN: alarm.ARN(region, account, "cpu"), Name: "cpu", Region: region, Account: account,
			AlarmActions: []string{arn}}, time.Now())
	})
	d.contains("DescribePolicies PolicyNames.member.1=p", "<AlarmName>cpu<")
	d.ok("DeletePolicy PolicyName=" + arn)
	if a, ok := d.store.View().Alarms.Get(alarm.ARN(region, account, "cpu")); !ok || len(a.AlarmActions) != 0 {
		t.Errorf("the alarm of a deleted policy: %+v", a)
	}
}

func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

// ecs.md 5.10: a policy that tracks a target has alarms, which end with it and with its group.
func TestTrackingPolicies(t *testing.T) {
	d := newDesk(t)
	d.group("0", "9", "0")
	names := func() (all []string) {
		for a := range d.store.View().Alarms.All() {
			all = append(all, a.Name)
		}
		return all
	}
	out := d.ok(trackLine + cpuMetric)
	before := names()
	if len(before) != 2 || !strings.HasPrefix(before[0], "TargetTracking-g-AlarmHigh-") ||
		!strings.HasPrefix(before[1], "TargetTracking-g-AlarmLow-") || !strings.Contains(out, before[0]) {
		t.Fatalf("alarms %v, answer %s", before, out)
	}
	d.contains("DescribePolicies", "<TargetValue>50<", "<PredefinedMetricType>ASGAverageCPUUtilization<",
		"<AlarmName>"+before[0], "<AlarmName>"+before[1])
	d.ok(strings.Replace(trackLine, "=50", "=60", 1) + cpuMetric + " TargetTrackingConfiguration.DisableScaleIn=true")
	if after := names(); len(after) != 1 || after[0] != before[0] {
		t.Errorf("alarms of a policy that never scales in: %v", after)
	}
	if got := d.call(strings.Replace(trackLine, "=p", "=q", 1) + cpuMetric); got != "ValidationError: The policy p "+
		"tracks this metric already. A group has one such policy for a metric." {
		t.Error(got)
	}
	d.ok(strings.Replace(trackLine, "=p", "=q",
		1) + custom + "Namespace=Chat" + custom + "MetricName=Clients" + custom +
		"Statistic=Average" + custom + "Dimensions.member.1.Name=a" + custom + "Dimensions.member.1.Value=b")
	d.contains("DescribePolicies PolicyNames.member.1=q", "<MetricName>Clients<", "<Name>a</Name><Value>b</Value>")
	if n := len(names()); n != 3 {
		t.Errorf("%d alarms", n)
	}
	d.ok("DeletePolicy AutoScalingGroupName=g PolicyName=q")
	d.ok("DeleteAutoScalingGroup AutoScalingGroupName=g")
	if v := d.store.View(); v.Alarms.Len() != 0 || v.GroupPolicies.Len() != 0 {
		t.Errorf("%v outlive the group", names())
	}
}

// ExecutePolicy does what an alarm would do; a cooldown matters only if the caller wants it.
func TestExecutePolicy(t *testing.T) {
	d := newDesk(t)
	d.group("1", "4", "1")
	d.ok(simpleLine)
	execute := "ExecutePolicy AutoScalingGroupName=g PolicyName=p"
	d.ok(execute + " HonorCooldown=true")
	if g := d.theGroup(); g.Desired != 2 || !strings.HasSuffix(g.Note,
		"a user request executed policy p changing the desired capacity from 1 to 2.") {
		t.Errorf("desired %d: %s", g.Desired, g.Note)
	}
	d.update(func(tx *state.Tx) {
		g := d.theGroup().Clone()
		g.CooldownStart = time.Now()
		tx.AutoScalingGroups.Put(g)
	})
	if got := d.call(execute + " HonorCooldown=true"); !strings.HasPrefix(got, "ScalingActivityInProgress: The policy "+
		"was not executed: the cooldown of the group lasts until ") {
		t.Error(got)
	}
	d.ok(execute)
	if got := d.call(execute + " MetricValue=1"); got != "ValidationError: MetricValue and BreachThreshold are "+
		"only for "+
		"policies of type StepScaling." {
		t.Error(got)
	}
	d.ok(strings.Replace(stepLine, "=p ", "=s ", 1) + " StepAdjustments.member.1.MetricIntervalLowerBound=0 " +
		"StepAdjustments.member.1.ScalingAdjustment=4")
	step := "ExecutePolicy AutoScalingGroupName=g PolicyName=s"
	for line, want := range map[string]string{
		step: "ValidationError: A policy of type StepScaling is executed with MetricValue and BreachThreshold.",
		step + " MetricValue=50 BreachThreshold=60": "ValidationError: The policy was not executed: no step " +
			"adjustment " +
			"is for the value of the metric.",
		step + " MetricValue=60 BreachThreshold=60 HonorCooldown=true": "ValidationError: HonorCooldown is only for " +
			"policies of type SimpleScaling.",
	} {
		if got := d.call(line); got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
	d.ok(step + " MetricValue=60 BreachThreshold=60")
	if g := d.theGroup(); g.Desired != 4 { // four more than the none that are there
		t.Errorf("desired %d", g.Desired)
	}
	d.ok(strings.Replace(trackLine, "=p ", "=t ", 1) + cpuMetric)
	if got := d.call("ExecutePolicy AutoScalingGroupName=g PolicyName=t"); got != "ValidationError: A policy of type "+
		"TargetTrackingScaling cannot be executed; its alarms do that." {
		t.Error(got)
	}
}

// Scheduled actions.
func TestScheduledFaults(t *testing.T) {
	const line = "PutScheduledUpdateGroupAction AutoScalingGroupName=g ScheduledActionName=s"
	for call, want := range map[string]string{
		line + " StartTime=2999-01-01T00:00:00Z": "At least one of MinSize, MaxSize and DesiredCapacity must be " +
			"specified.",
		line + " MinSize=1":  "A scheduled action needs a StartTime or a Recurrence.",
		line + " MinSize=-1": "Sizes must not be negative: -1",
		line + " MinSize=3 DesiredCapacity=2": "MinSize must not be above DesiredCapacity, and that not above " +
			"MaxSize.",
		line + " MinSize=1 StartTime=2001-01-01T00:00:00Z": "Given start time is in the past",
		line + " MinSize=1 Recurrence=0_8_*_*_*": "Given recurrence string: 0_8_*_*_* is invalid: a cron " +
			"expression has five fields, and this one has 1",
		line + " MinSize=1 StartTime=2999-01-02T00:00:00Z EndTime=2999-01-01T00:00:00Z": "The EndTime must be " +
			"after the " +
			"StartTime.",
		line + " MinSize=1 StartTime=2999-01-02T00:00:00Z TimeZone=Mars": `The TimeZone "Mars" is not one of the ` +
			`IANA, ` +
			"such as Etc/GMT+9 or Pacific/Tahiti.",
		line + " MinSize=1 StartTime=2999-01-02T00:00:00Z Time=2999-01-03T00:00:00Z": "Time and StartTime are the " +
			"same " +
			"parameter and must be equal.",
		"DeleteScheduledAction AutoScalingGroupName=g ScheduledActionName=x": "Scheduled action name not found - no " +
			`scheduled action "x" in AutoScalingGroup g`,
		"DescribeScheduledActions AutoScalingGroupName=x": "AutoScalingGroup name not found - AutoScalingGroup 'x' " +
			"not found",
	} {
		d := newDesk(t)
		d.group("1", "3", "1")
		if got := d.call(call); got != "ValidationError: "+want {
			t.Errorf("%s\ngot  %s\nwant %s", call, got, want)
		}
	}
}

func TestScheduled(t *testing.T) {
	const line = "PutScheduledUpdateGroupAction AutoScalingGroupName=g ScheduledActionName=s"
	d := newDesk(t)
	d.group("1", "3", "1")
	d.ok(line + " DesiredCapacity=2 Time=2999-01-02T00:00:00Z EndTime=2999-02-01T00:00:00Z TimeZone=Europe/Paris")
	d.contains("DescribeScheduledActions AutoScalingGroupName=g", "<DesiredCapacity>2<", "<TimeZone>Europe/Paris<",
		"<StartTime>2999-01-02T00:00:00.000Z<", "<EndTime>2999-02-01T00:00:00.000Z<",
		":autoScalingGroupName/g:scheduledActionName/s<")
	for filter, want := range map[string]bool{"": true, " StartTime=2999-01-03T00:00:00Z": false,
		" EndTime=2999-01-03T00:00:00Z": true, " EndTime=2998-01-03T00:00:00Z": false,
		" ScheduledActionNames.member.1=s": true, " ScheduledActionNames.member.1=x": false} {
		if got := strings.Contains(d.ok("DescribeScheduledActions"+filter), "<ScheduledActionName>s<"); got != want {
			t.Errorf("%q: %v", filter, got)
		}
	}
	batch := d.ok("BatchPutScheduledUpdateGroupAction AutoScalingGroupName=g " +
		"ScheduledUpdateGroupActions.member.1.ScheduledActionName=t ScheduledUpdateGroupActions.member.1.MinSize=0 " +
		"ScheduledUpdateGroupActions.member.1.StartTime=2999-01-02T00:00:00Z " +
		"ScheduledUpdateGroupActions.member.2.ScheduledActionName=u ScheduledUpdateGroupActions.member.2.MinSize=0")
	if !strings.Contains(batch, "<ScheduledActionName>u</ScheduledActionName><ErrorCode>ValidationError</ErrorCode>"+
		"<ErrorMessage>A scheduled action needs a StartTime or a Recurrence.<") || strings.Contains(batch, ">t<") {
		t.Error(batch)
	}
	out := d.ok("BatchDeleteScheduledAction AutoScalingGroupName=g ScheduledActionNames.member.1=t " +
		"ScheduledActionNames.member.2=u")
	if !strings.Contains(out, ">u<") || strings.Contains(out, ">t<") {
		t.Error(out)
	}
	d.ok("DeleteScheduledAction AutoScalingGroupName=g ScheduledActionName=s")
	if n := d.store.View().GroupSchedules.Len(); n != 0 {
		t.Errorf("%d are left", n)
	}
	if g := d.theGroup(); g.Status == fleet.DeleteInProgress || g.Desired != 1 {
		t.Errorf("%+v", g)
	}
}
