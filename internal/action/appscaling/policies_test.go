package appscaling

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

type (
	policyIn   = shape.PutScalingPolicyInput
	trackingIn = shape.TargetTrackingScalingPolicyConfiguration
	stepIn     = shape.StepScalingPolicyConfiguration
	customIn   = shape.CustomizedMetricSpecification
)

// putPolicy makes a target tracking policy for chat that keeps the CPU at 70 %. edit changes the input.
func (a *api) putPolicy(t *testing.T, name string, edit func(*policyIn)) (*shape.PutScalingPolicyOutput, error) {
	t.Helper()
	in := &policyIn{PolicyName: &name, ResourceId: new(chat), ScalableDimension: dimension, ServiceNamespace: "ecs",
		PolicyType: "TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration: &trackingIn{
			TargetValue: new(70.0), PredefinedMetricSpecification: &shape.PredefinedMetricSpecification{
				PredefinedMetricType: appscaling.AverageCPU}}}
	if edit != nil {
		edit(in)
	}
	return a.putScalingPolicy(t.Context(), call(), in)
}

// step makes of the input a step policy that adds a task, or two from 20 above the threshold. edit changes it
// further.
func step(edit func(*stepIn)) func(*policyIn) {
	return func(in *policyIn) {
		config := &stepIn{AdjustmentType: "ChangeInCapacity", StepAdjustments: []shape.StepAdjustment{
			{MetricIntervalLowerBound: new(0.0), MetricIntervalUpperBound: new(20.0), ScalingAdjustment: new(int32(1))},
			{MetricIntervalLowerBound: new(20.0), ScalingAdjustment: new(int32(2))}}}
		if edit != nil {
			edit(config)
		}
		in.PolicyType, in.TargetTrackingScalingPolicyConfiguration = "StepScaling", nil
		in.StepScalingPolicyConfiguration = config
	}
}

// custom makes the policy track a custom metric.
func custom(edit func(*customIn)) func(*policyIn) {
	return func(in *policyIn) {
		spec := &customIn{Namespace: new("Chat"), MetricName: new("Clients"), Statistic: "Average",
			Dimensions: []shape.MetricDimension{{Name: new("Room"), Value: new("a")}}}
		if edit != nil {
			edit(spec)
		}
		c := in.TargetTrackingScalingPolicyConfiguration
		c.PredefinedMetricSpecification, c.CustomizedMetricSpecification = nil, spec
	}
}

func predefined(kind, label string) func(*policyIn) {
	return func(in *policyIn) {
		p := in.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification
		p.PredefinedMetricType = kind
		if label != "" {
			p.ResourceLabel = &label
		}
	}
}

func tracking(edit func(*trackingIn)) func(*policyIn) {
	return func(in *policyIn) { edit(in.TargetTrackingScalingPolicyConfiguration) }
}

// ecs.md 6.5: the alarms of a policy are alarms of CloudWatch. They are deleted with the policy or with its
// target.
func TestPoliciesByAWSCLI(t *testing.T) {
	a := newAPI(t)
	d := a.desk(t)
	put := []string{"application-autoscaling", "put-scaling-policy", "--service-namespace", "ecs", "--resource-id",
		chat, "--scalable-dimension", dimension, "--policy-type", "TargetTrackingScaling", "--policy-name", "cpu",
		"--target-tracking-scaling-policy-configuration"}
	const config = `{"TargetValue":%d,"PredefinedMetricSpecification":` +
		`{"PredefinedMetricType":"ECSServiceAverageCPUUtilization"},"ScaleOutCooldown":60}`
	d.Refused(t, "(ObjectNotFoundException) when calling the PutScalingPolicy operation: No scalable target "+
		"registered for service namespace: ecs, resource ID: service/prod/chat, scalable dimension: "+
		"ecs:service:DesiredCount", append(put, fmt.Sprintf(config, 70))...)
	a.register(t, chat)
	first := d.JSON(t, append(put, fmt.Sprintf(config, 70))...)
	d.AWS(t, "cloudwatch set-alarm-state --state-value ALARM --state-reason test --alarm-name "+a.highAlarm(t))
	if again := d.JSON(t, append(put, fmt.Sprintf(config, 80))...); again != first {
		t.Errorf("an update has another ARN or other alarms: %s\nbefore %s", again, first)
	}
	policyARN := d.JSON(t, prefix+"describe-scaling-policies --service-namespace ecs --query "+
		"ScalingPolicies[0].PolicyARN")
	if !strings.HasSuffix(policyARN, `:resource/ecs/service/prod/chat:policyName/cpu"`) {
		t.Error(policyARN)
	}
	if got, want := d.JSON(t, prefix+"describe-scaling-policies --service-namespace ecs --query ScalingPolicies[]."+
		"[PolicyName,PolicyType,TargetTrackingScalingPolicyConfiguration,length(Alarms)]"),
		`[["cpu","TargetTrackingScaling",{"PredefinedMetricSpecification":{"PredefinedMetricType":`+
			`"ECSServiceAverageCPUUtilization"},"ScaleOutCooldown":60,"TargetValue":80},2]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	text := `"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ` + strings.Trim(policyARN, `"`) + `."`
	const dims = `[{"Name":"ClusterName","Value":"prod"},{"Name":"ServiceName","Value":"chat"}]`
	if got, want := d.JSON(t, "cloudwatch describe-alarms --alarm-name-prefix TargetTracking-service/prod/chat-Alarm "+
		"--query MetricAlarms[].[Namespace,MetricName,Dimensions,Statistic,Unit,Period,EvaluationPeriods,"+
		"ComparisonOperator,Threshold,TreatMissingData,AlarmDescription,AlarmActions,StateValue]"),
		`[["AWS/ECS","CPUUtilization",`+dims+`,"Average","Percent",60,3,"GreaterThanThreshold",80,"missing",`+text+`,[`+
			policyARN+`],"ALARM"],["AWS/ECS","CPUUtilization",`+dims+`,"Average","Percent",60,15,"LessThanThreshold",`+
			`72,"missing",`+text+`,[`+policyARN+`],"INSUFFICIENT_DATA"]]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	d.AWS(t, prefix+"delete-scaling-policy --policy-name cpu"+these)
	if got := d.JSON(t, "cloudwatch describe-alarms --query MetricAlarms"); got != "[]" {
		t.Errorf("alarms of a deleted policy: %s", got)
	}
	if got := d.JSON(t, "cloudwatch describe-alarm-history --scan-by TimestampDescending --max-items 2 --query "+
		"AlarmHistoryItems[].HistorySummary"); strings.Count(got, " deleted") != 2 {
		t.Error(got)
	}
	d.Refused(t, "(ObjectNotFoundException) when calling the DeleteScalingPolicy operation: No scaling policy found "+
		"for service namespace: ecs, resource ID: service/prod/chat, scalable dimension: ecs:service:DesiredCount, "+
		"policy name: cpu", prefix+"delete-scaling-policy --policy-name cpu"+these)
}

// highAlarm returns the name of the only high alarm.
func (a *api) highAlarm(t *testing.T) string {
	t.Helper()
	for one := range a.store.View().Alarms.All() {
		if strings.Contains(one.Name, "-AlarmHigh-") {
			return one.Name
		}
	}
	t.Fatal("there is no high alarm")
	return ""
}

// ecs.md 6.9: a step policy is returned as it was put, and makes no alarms.
func TestStepPolicyByAWSCLI(t *testing.T) {
	a := newAPI(t)
	d := a.desk(t)
	a.register(t, chat)
	const config = `{"AdjustmentType":"PercentChangeInCapacity","Cooldown":60,"MetricAggregationType":"Maximum",` +
		`"MinAdjustmentMagnitude":2,"StepAdjustments":[{"MetricIntervalLowerBound":0,"MetricIntervalUpperBound":15.5,` +
		`"ScalingAdjustment":10},{"MetricIntervalLowerBound":15.5,"ScalingAdjustment":30}]}`
	if got := d.JSON(t, "application-autoscaling", "put-scaling-policy", "--service-namespace", "ecs", "--resource-id",
		chat, "--scalable-dimension", dimension, "--policy-type", "StepScaling", "--policy-name", "steps",
		"--step-scaling-policy-configuration", config, "--query", "Alarms"); got != "[]" {
		t.Error(got)
	}
	if got := d.JSON(t, prefix+"describe-scaling-policies --service-namespace ecs --policy-names steps --query "+
		"ScalingPolicies[0].StepScalingPolicyConfiguration"); got != config {
		t.Errorf("%s\nwant %s", got, config)
	}
}

func TestPoliciesAreRefused(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	const v = "ValidationException: "
	const metric = v + "The customized metric is invalid: "
	nan := math.NaN()
	for _, c := range []struct {
		what string
		edit func(*policyIn)
		want string
	}{
		{"a name with control characters", func(in *policyIn) { in.PolicyName = new("a\n") },
			v + `The value "a\n" for parameter PolicyName is invalid: it has 1 to 256 printable ASCII`},
		{"predictive scaling (6.2)", func(in *policyIn) { in.PolicyType = "PredictiveScaling" },
			v + "Berth does not support policies of type PredictiveScaling yet"},
		{"no type", func(in *policyIn) { in.PolicyType = "" }, v + "A new policy needs a PolicyType"},
		{"no settings", func(in *policyIn) { in.TargetTrackingScalingPolicyConfiguration = nil },
			v + "A new policy of type TargetTrackingScaling needs TargetTrackingScalingPolicyConfiguration."},
		{"settings of the other type", func(in *policyIn) { in.PolicyType = "StepScaling" },
			v + "A policy of type StepScaling has StepScalingPolicyConfiguration and no other."},
		{"both settings", func(in *policyIn) { in.StepScalingPolicyConfiguration = &stepIn{} },
			v + "A policy has either StepScalingPolicyConfiguration or"},
		{"a target of 0", tracking(func(c *trackingIn) { c.TargetValue = new(0.0) }), v + "TargetValue must be in the"},
		{"a target that is no number", tracking(func(c *trackingIn) { c.TargetValue = &nan }),
			v + "TargetValue must be"},
		{"a negative cooldown (6.8)", tracking(func(c *trackingIn) { c.ScaleInCooldown = new(int32(-1)) }),
			v + "ScaleInCooldown must be greater than or equal to 0 seconds, and is -1."},
		{"another negative cooldown (6.8)", tracking(func(c *trackingIn) { c.ScaleOutCooldown = new(int32(-2)) }),
			v + "ScaleOutCooldown must be greater than or equal to 0 seconds, and is -2."},
		{"no metric", tracking(func(c *trackingIn) { c.PredefinedMetricSpecification = nil }),
			v + "A policy that tracks a target has either PredefinedMetricSpecification or"},
		{"two metrics", tracking(func(c *trackingIn) { c.CustomizedMetricSpecification = &customIn{} }),
			v + "A policy that tracks a target has either PredefinedMetricSpecification or"},
		{"a metric of another service (6.3)", predefined("RDSReaderAverageCPUUtilization", ""),
			v + "The metric RDSReaderAverageCPUUtilization is not one of ECS services."},
		{"20 seconds (6.3)", predefined("ECSServiceAverageCPUUtilizationHighResolution", ""),
			v + "Berth does not support the metric ECSServiceAverageCPUUtilizationHighResolution yet"},
		{"a label of a metric without (6.4)", predefined(appscaling.AverageCPU, "app/a/1/targetgroup/b/2"),
			v + "A ResourceLabel is only for the metric ALBRequestCountPerTarget."},
		{"no label (6.4)", predefined(appscaling.RequestsPerTarget, ""),
			v + "The metric ALBRequestCountPerTarget needs a ResourceLabel such as"},
		{"a label of nothing (6.4)", predefined(appscaling.RequestsPerTarget, "app/a/1/targetgroup/b/2"),
			v + "The target group targetgroup/b/2 in the ResourceLabel is not one of the service service/prod/chat."},
		{"a metric without a name", custom(func(c *customIn) { c.MetricName = nil }),
			metric + "a metric needs MetricName, Namespace and a statistic."},
		{"a metric without a statistic", custom(func(c *customIn) { c.Statistic = "" }),
			metric + "a metric needs MetricName, Namespace and a statistic."},
		{"a long name", custom(func(c *customIn) { c.Namespace = new(strings.Repeat("n", 256)) }),
			metric + "MetricName and Namespace have at most 255 characters."},
		{"too many dimensions (7.1)", custom(func(c *customIn) {
			c.Dimensions = make([]shape.MetricDimension, 31)
		}), metric + "a metric has at most 30 Dimensions, and this one has 31."},
		{"a dimension twice", custom(func(c *customIn) { c.Dimensions = append(c.Dimensions, c.Dimensions[0]) }),
			metric + "the dimension Room is given twice."},
		{"a dimension without a value", custom(func(c *customIn) { c.Dimensions[0].Value = new("") }),
			metric + "the name of a dimension has 1 to 255 characters and its value 1 to 1024; " +
				"those of \"Room\" do not."},
		{"a unit of nobody", custom(func(c *customIn) { c.Unit = new("Furlongs") }),
			metric + "the Unit \"Furlongs\" is not one of CloudWatch."},
		{"no adjustment type (6.9)", step(func(c *stepIn) { c.AdjustmentType = "" }),
			v + "A step scaling policy needs an AdjustmentType."},
		{"no steps (5.10)", step(func(c *stepIn) { c.StepAdjustments = nil }),
			v + "The step scaling policy is invalid: there must be at least one step adjustment."},
		{"a gap between steps (5.10)", step(func(c *stepIn) {
			c.StepAdjustments[1].MetricIntervalLowerBound = new(21.0)
		}), v + "The step scaling policy is invalid: there is a gap between steps, from 20 to 21."},
		{"21 steps (6.1)", step(func(c *stepIn) { c.StepAdjustments = manySteps(21) }),
			v + "The step scaling policy is invalid: a policy has at most 20 step adjustments, and this one has 21."},
		{"a negative capacity", step(func(c *stepIn) {
			c.AdjustmentType, c.StepAdjustments[0].ScalingAdjustment = "ExactCapacity", new(int32(-1))
		}), v + "The step scaling policy is invalid: a ScalingAdjustment must not be negative for " +
			"the AdjustmentType ExactCapacity."},
		{"a magnitude of what is no percentage", step(func(c *stepIn) { c.MinAdjustmentMagnitude = new(int32(1)) }),
			v + "The step scaling policy is invalid: MinAdjustmentMagnitude is only for " +
				"the AdjustmentType PercentChangeInCapacity."},
		{"a negative magnitude", step(func(c *stepIn) {
			c.AdjustmentType, c.MinAdjustmentMagnitude = "PercentChangeInCapacity", new(int32(-1))
		}), v + "The step scaling policy is invalid: MinAdjustmentMagnitude must not be negative, and is -1."},
		{"a negative cooldown (6.9)", step(func(c *stepIn) { c.Cooldown = new(int32(-1)) }),
			v + "Cooldown must be greater than or equal to 0 seconds, and is -1."},
		{"20 steps (6.1)", step(func(c *stepIn) { c.StepAdjustments = manySteps(20) }), ""},
	} {
		_, err := a.putPolicy(t, "p", c.edit)
		refused(t, c.what, err, c.want)
	}
	if n := a.store.View().Alarms.Len(); n != 0 {
		t.Errorf("%d alarms of policies that were refused", n)
	}
}

func manySteps(n int) (all []shape.StepAdjustment) {
	for i := range n {
		all = append(all, shape.StepAdjustment{MetricIntervalLowerBound: new(float64(i)),
			MetricIntervalUpperBound: new(float64(i + 1)), ScalingAdjustment: new(int32(1))})
	}
	return all
}

// The front desk refuses by name each member that is not built.
func TestRefusedMembers(t *testing.T) {
	d := newAPI(t).desk(t)
	const its = `{'ServiceNamespace':'ecs','ResourceId':'service/prod/chat','ScalableDimension':'` + dimension +
		`','PolicyName':'p',`
	for member, input := range map[string]string{
		"PredictiveScalingPolicyConfiguration": its + `'PolicyType':'PredictiveScaling',` +
			`'PredictiveScalingPolicyConfiguration':{'MetricSpecifications':[{'TargetValue':1}]}}`,
	} {
		if got := d.Post(t, "application-autoscaling", "AnyScaleFrontendService.PutScalingPolicy", input); !strings.
			HasPrefix(got, "ValidationException: ") || !strings.Contains(got, member) {
			t.Errorf("%s: %s", member, got)
		}
	}
}

// An update changes what the call gives and nothing else. It cannot change the type.
func TestPolicyIsUpdated(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	put := func(name string, edit func(*policyIn)) (string, int) {
		t.Helper()
		out, err := a.putPolicy(t, name, edit)
		if err != nil {
			t.Fatal(err)
		}
		return *out.PolicyARN, len(out.Alarms)
	}
	first, n := put("p", nil)
	if n != 2 {
		t.Errorf("%d alarms", n)
	}
	// Setting DisableScaleIn deletes the low alarm, and clearing it makes the alarm again (ecs.md 6.5).
	for _, off := range []bool{true, false} {
		again, n := put("p", tracking(func(c *trackingIn) { c.DisableScaleIn = &off }))
		if want := map[bool]int{true: 1, false: 2}[off]; n != want || again != first ||
			a.store.View().Alarms.Len() != want || a.store.View().AlarmStatus.Len() != want {
			t.Errorf("%s has %d alarms, %d in all", again, n, a.store.View().Alarms.Len())
		}
	}
	put("p", custom(nil))
	put("p", func(in *policyIn) { in.PolicyType, in.TargetTrackingScalingPolicyConfiguration = "", nil })
	for one := range a.store.View().Alarms.All() {
		if one.Measure.Metric.Name != "Clients" {
			t.Errorf("%+v", one.Measure)
		}
	}
	_, err := a.putPolicy(t, "p", step(nil))
	refused(t, "another type", err, "ValidationException: The policy p is of type TargetTrackingScaling, which cannot")
	put("s", step(nil))
	put("s", func(in *policyIn) { in.PolicyType, in.TargetTrackingScalingPolicyConfiguration = "StepScaling", nil })
	_, err = a.putPolicy(t, "s", func(in *policyIn) { in.PolicyType = "" })
	refused(t, "other settings", err, "ValidationException: The policy s is of type StepScaling, which cannot")
	if p, _ := a.store.View().ScalingPolicies.Get(appscaling.PolicyKey(desktest.Region, desktest.Account, chat,
		"s")); len(p.Step.Steps) != 2 {
		t.Errorf("%+v", p.Step)
	}
}

// ecs.md 6.12: two policies of one target cannot track the same metric.
func TestOnePolicyForAMetric(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	for _, c := range []struct {
		name string
		edit func(*policyIn)
		want string
	}{
		{"cpu", nil, ""},
		{"memory", predefined(appscaling.AverageMemory, ""), ""},
		{"clients", custom(nil), ""},
		{"most clients", custom(func(c *customIn) { c.Statistic = "Maximum" }), ""},
		{"cpu", tracking(func(c *trackingIn) { c.TargetValue = new(50.0) }), ""},
		{"cpu again", tracking(func(c *trackingIn) { c.TargetValue = new(50.0) }), "ValidationException: Only one " +
			"TargetTrackingScaling policy for a given metric specification is allowed."},
		{"clients again", custom(nil), "ValidationException: Only one TargetTrackingScaling policy"},
		{"cpu", predefined(appscaling.AverageMemory, ""), "ValidationException: Only one TargetTrackingScaling policy"},
	} {
		_, err := a.putPolicy(t, c.name, c.edit)
		refused(t, c.name, err, c.want)
	}
}

// ecs.md 6.1: a target has at most 50 policies. A policy is refused when CloudWatch has no room for its
// alarms, and then nothing is written.
func TestLimitOfPolicies(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	for i := range appscaling.MaxPolicies {
		if _, err := a.putPolicy(t, fmt.Sprint("p", i), step(nil)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := a.putPolicy(t, "more", step(nil))
	refused(t, "one more", err, "LimitExceededException: A scalable target has at most 50 policies, and this one has")
	_, err = a.putPolicy(t, "p0", step(nil))
	refused(t, "one of them", err, "")
	a.update(t, func(tx *state.Tx) {
		tx.ScalingPolicies.Delete(appscaling.PolicyKey(desktest.Region, desktest.Account, chat, "p0"))
		for i := range alarm.Max - 1 {
			tx.Alarms.Put(&alarm.Alarm{ARN: alarm.ARN(desktest.Region, desktest.Account, fmt.Sprint(i))})
		}
	})
	_, err = a.putPolicy(t, "p0", nil)
	refused(t, "too many alarms", err, "LimitExceededException: The policy needs alarms, and CloudWatch has as many")
	if v := a.store.View(); v.Alarms.Len() != alarm.Max-1 || v.ScalingPolicies.Len() != appscaling.MaxPolicies-1 {
		t.Errorf("%d alarms and %d policies", v.Alarms.Len(), v.ScalingPolicies.Len())
	}
	_, err = a.putPolicy(t, "p0", tracking(func(c *trackingIn) { c.DisableScaleIn = new(true) }))
	refused(t, "one alarm", err, "")
}

// ecs.md 6.4: the label names a target group of the service and a load balancer that forwards to it.
func TestResourceLabel(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	const arns = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
	a.update(t, func(tx *state.Tx) {
		tx.ServiceProgress.Put(&ecs.ServiceProgress{ServiceARN: service("chat").ServiceARN,
			Deployments: []ecs.Deployment{{Revision: ecs.ServiceRevision{LoadBalancers: []ecs.LoadBalancer{
				{TargetGroupARN: arns + "targetgroup/web/2"}, {TargetGroupARN: arns + "targetgroup/alone/3"}}}}}})
		tx.Listeners.Put(&elb.Listener{ARN: arns + "listener/app/alb/1/9", LoadBalancerARN: arns +
			"loadbalancer/app/alb/1"})
		tx.Rules.Put(&elb.Rule{ARN: arns + "listener-rule/app/alb/1/9/8", ListenerARN: arns + "listener/app/alb/1/9",
			Actions: []elb.Action{{Type: "forward", Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{
				{ARN: arns + "targetgroup/web/2"}, {ARN: arns + "targetgroup/other/4"}}}}}})
	})
	for label, want := range map[string]string{
		"app/alb/1/targetgroup/web/2": "",
		"app/alb/1/targetgroup/alone/3": "ValidationException: The load balancer app/alb/1 in the ResourceLabel does " +
			"not route requests to the target group targetgroup/alone/3.",
		"app/alb/2/targetgroup/web/2": "ValidationException: The load balancer app/alb/2 in the ResourceLabel does not",
		"app/alb/1/targetgroup/other/4": "ValidationException: The target group targetgroup/other/4 in the " +
			"ResourceLabel is not one of the service service/prod/chat.",
	} {
		_, err := a.putPolicy(t, label, predefined(appscaling.RequestsPerTarget, label))
		refused(t, label, err, want)
	}
}

// Deregistering a target deletes its policies, alarms and scheduled actions, and none of another target.
func TestDeregisterDeletesAll(t *testing.T) {
	a := newAPI(t, "chat2")
	a.register(t, chat)
	a.register(t, "service/prod/chat2")
	for _, id := range []string{chat, "service/prod/chat2"} {
		if _, err := a.putPolicy(t, "cpu", func(in *policyIn) { in.ResourceId = &id }); err != nil {
			t.Fatal(err)
		}
		if err := a.schedule(t, "night", func(in *scheduledIn) { in.ResourceId = &id }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.deregisterScalableTarget(t.Context(), call(), &shape.DeregisterScalableTargetInput{
		ResourceId: new(chat), ScalableDimension: dimension, ServiceNamespace: "ecs"}); err != nil {
		t.Fatal(err)
	}
	v := a.store.View()
	if v.ScalableTargets.Len() != 1 || v.ScalingPolicies.Len() != 1 || v.ScheduledActions.Len() != 1 ||
		v.Alarms.Len() != 2 || v.AlarmStatus.Len() != 2 {
		t.Errorf("%d targets, %d policies, %d scheduled actions, %d alarms and %d states", v.ScalableTargets.Len(),
			v.ScalingPolicies.Len(), v.ScheduledActions.Len(), v.Alarms.Len(), v.AlarmStatus.Len())
	}
	for one := range v.Alarms.All() {
		if !strings.HasPrefix(one.Name, "TargetTracking-service/prod/chat2-") {
			t.Error(one.Name)
		}
	}
}

func TestDescribeScalingPolicies(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	var arns []string
	for i := range 12 {
		out, err := a.putPolicy(t, fmt.Sprintf("p%02d", i), step(nil))
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, *out.PolicyARN)
	}
	type in = shape.DescribeScalingPoliciesInput
	for _, c := range []struct {
		edit func(*in)
		want int
		more bool
	}{
		{func(*in) {}, 10, true},
		{func(r *in) { r.ResourceId, r.ScalableDimension = new(chat), dimension }, 10, true},
		{func(r *in) { r.ResourceId = new("service/prod/other") }, 0, false},
		{func(r *in) { r.ServiceNamespace = "rds" }, 0, false},
		{func(r *in) { r.PolicyNames = []string{"p01", arns[11], "p"} }, 2, false},
	} {
		r := &in{ServiceNamespace: "ecs"}
		c.edit(r)
		out, err := a.describeScalingPolicies(t.Context(), call(), r)
		if err != nil || len(out.ScalingPolicies) != c.want || (out.NextToken != nil) != c.more {
			t.Errorf("%+v: %+v %v, want %d", r, out, err, c.want)
		}
	}
	_, err := a.describeScalingPolicies(t.Context(), call(), &in{ServiceNamespace: "ecs", MaxResults: new(int32(11))})
	refused(t, "a large page", err, "ValidationException: 1 validation error detected: Value '11' at 'maxResults'")
	_, err = a.describeScalingPolicies(t.Context(), call(), &in{ServiceNamespace: "ecs",
		PolicyNames: make([]string, 51)})
	refused(t, "51 names", err, "ValidationException: PolicyNames has 51 members; 50 are allowed.")
}
