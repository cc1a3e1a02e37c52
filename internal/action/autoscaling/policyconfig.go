package autoscaling

import (
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

var adjustments = []scaling.Adjustment{scaling.ChangeInCapacity, scaling.ExactCapacity,
	scaling.PercentChangeInCapacity}

// parsePolicy reads the settings of a policy (ecs.md 5.10).
func parsePolicy(call *awswire.Call, in *shape.PutScalingPolicyInput) (*groupscaling.Policy, error) {
	p := &groupscaling.Policy{Region: call.Region, Account: call.Account, Group: *in.AutoScalingGroupName,
		Name: *in.PolicyName, Type: groupscaling.Simple, Disabled: in.Enabled != nil && !*in.Enabled,
		Warmup: request.Int(in.EstimatedInstanceWarmup), CreatedAt: call.Now}
	if in.PolicyType != nil {
		p.Type = groupscaling.PolicyType(*in.PolicyType)
	}
	if err := checkName("policy name", p.Name); err != nil {
		return nil, err
	}
	if request.Value(p.Warmup) < 0 {
		return nil, invalid("EstimatedInstanceWarmup must not be negative: %d", *p.Warmup)
	}
	if err := foreign(p.Type, in); err != nil {
		return nil, err
	}
	var err error
	switch p.Type {
	case groupscaling.Simple:
		p.Adjusts, err = parseSimple(in)
	case groupscaling.Step:
		p.Steps, err = parseSteps(in)
	case groupscaling.TargetTracking:
		if in.TargetTrackingConfiguration == nil {
			return nil, invalid("A policy of type TargetTrackingScaling needs a TargetTrackingConfiguration.")
		}
		p.Tracking, err = parseTracking(in.TargetTrackingConfiguration)
	default:
		return nil, invalid("The policy type %q is not supported: use SimpleScaling, StepScaling or "+
			"TargetTrackingScaling.", p.Type)
	}
	return p, err
}

// foreign refuses the members that are for policies of another type.
func foreign(of groupscaling.PolicyType, in *shape.PutScalingPolicyInput) error {
	const simple, step, tracking = groupscaling.Simple, groupscaling.Step, groupscaling.TargetTracking
	for _, member := range []struct {
		name string
		set  bool
		of   []groupscaling.PolicyType
	}{
		{"AdjustmentType", in.AdjustmentType != nil, []groupscaling.PolicyType{simple, step}},
		{"MinAdjustmentMagnitude", in.MinAdjustmentMagnitude != nil, []groupscaling.PolicyType{simple, step}},
		{"MinAdjustmentStep", in.MinAdjustmentStep != nil, []groupscaling.PolicyType{simple}},
		{"ScalingAdjustment", in.ScalingAdjustment != nil, []groupscaling.PolicyType{simple}},
		{"Cooldown", in.Cooldown != nil, []groupscaling.PolicyType{simple}},
		{"StepAdjustments", in.StepAdjustments != nil, []groupscaling.PolicyType{step}},
		{"MetricAggregationType", in.MetricAggregationType != nil, []groupscaling.PolicyType{step}},
		{"EstimatedInstanceWarmup", in.EstimatedInstanceWarmup != nil, []groupscaling.PolicyType{step, tracking}},
		{"TargetTrackingConfiguration", in.TargetTrackingConfiguration != nil, []groupscaling.PolicyType{tracking}},
	} {
		if member.set && !slices.Contains(member.of, of) {
			return invalid("%s is not for policies of type %s.", member.name, of)
		}
	}
	return nil
}

func parseAdjustment(in *string) (scaling.Adjustment, error) {
	t := scaling.Adjustment(request.Value(in))
	if !slices.Contains(adjustments, t) {
		return "", invalid("The AdjustmentType %q is not valid: use ChangeInCapacity, ExactCapacity or "+
			"PercentChangeInCapacity.", t)
	}
	return t, nil
}

func parseSimple(in *shape.PutScalingPolicyInput) (*groupscaling.SimpleRule, error) {
	t, err := parseAdjustment(in.AdjustmentType)
	if err != nil {
		return nil, err
	}
	r := &groupscaling.SimpleRule{Adjustment: t, By: int(request.Value(in.ScalingAdjustment)),
		Cooldown: request.Int(in.Cooldown)}
	least := in.MinAdjustmentMagnitude
	if least == nil {
		least = in.MinAdjustmentStep // the older name
	}
	r.Magnitude = int(request.Value(least))
	switch {
	case in.ScalingAdjustment == nil:
		return nil, invalid("A policy of type SimpleScaling needs a ScalingAdjustment.")
	case t == scaling.ExactCapacity && r.By < 0:
		return nil, invalid("A ScalingAdjustment must not be negative for the AdjustmentType ExactCapacity: %d", r.By)
	case least != nil && t != scaling.PercentChangeInCapacity:
		return nil, invalid("MinAdjustmentMagnitude is only for the AdjustmentType PercentChangeInCapacity.")
	case r.Magnitude < 0:
		return nil, invalid("MinAdjustmentMagnitude must not be negative: %d", r.Magnitude)
	case request.Value(r.Cooldown) < 0:
		return nil, invalid("Cooldown must not be negative: %d", *r.Cooldown)
	}
	return r, nil
}

func parseSteps(in *shape.PutScalingPolicyInput) (*scaling.StepRule, error) {
	t, err := parseAdjustment(in.AdjustmentType)
	if err != nil {
		return nil, err
	}
	r := &scaling.StepRule{Adjustment: t, Magnitude: request.Int(in.MinAdjustmentMagnitude),
		Aggregation: scaling.Aggregation(request.Value(in.MetricAggregationType))}
	if a := r.Aggregation; a != "" && a != scaling.Average && a != scaling.Minimum && a != scaling.Maximum {
		return nil, invalid("The MetricAggregationType %q is not valid: use Average, Minimum or Maximum.", a)
	}
	for _, one := range in.StepAdjustments {
		r.Steps = append(r.Steps, scaling.Step{Lower: one.MetricIntervalLowerBound,
			Upper: one.MetricIntervalUpperBound, By: int(*one.ScalingAdjustment)})
	}
	if err := r.Check(); err != nil {
		return nil, invalid("The step scaling policy is invalid: %v.", err)
	}
	return r, nil
}

func parseTracking(in *shape.TargetTrackingConfiguration) (*appscaling.Tracking, error) {
	t := &appscaling.Tracking{Tracking: scaling.Tracking{Target: *in.TargetValue,
		DisableScaleIn: request.Value(in.DisableScaleIn)}}
	switch {
	case !(t.Target > 0 && t.Target < 1e100): // also for NaN
		return nil, invalid("TargetValue must be a number above 0: %v", t.Target)
	case (in.PredefinedMetricSpecification == nil) == (in.CustomizedMetricSpecification == nil):
		return nil, invalid("A policy that tracks a target has either PredefinedMetricSpecification or " +
			"CustomizedMetricSpecification.")
	}
	if in.PredefinedMetricSpecification != nil {
		var err error
		t.Predefined, err = parsePredefined(in.PredefinedMetricSpecification)
		return t, err
	}
	if problem := request.ParseCustomized(in.CustomizedMetricSpecification, t); problem != "" {
		return nil, invalid("%s", problem)
	}
	return t, nil
}

func parsePredefined(in *shape.PredefinedMetricSpecification) (*appscaling.Predefined, error) {
	p := &appscaling.Predefined{Type: in.PredefinedMetricType, Label: request.Value(in.ResourceLabel)}
	switch p.Type {
	case groupscaling.AverageCPU, groupscaling.AverageNetworkIn, groupscaling.AverageNetworkOut:
		if in.ResourceLabel != nil {
			return nil, invalid("A ResourceLabel is only for the metric %s.", groupscaling.RequestsPerTarget)
		}
	case groupscaling.RequestsPerTarget:
		if _, _, ok := appscaling.SplitLabel(p.Label); !ok {
			return nil, invalid("The metric %s needs a ResourceLabel such as "+
				"app/my-alb/778d41231b141a0f/targetgroup/my-group/943f017f100becff, and not %q.", p.Type, p.Label)
		}
	}
	return p, nil
}

// checkLabel refuses a target group that is not one of the group, and a load balancer that does not send requests to
// it.
func checkLabel(t *state.Tables, g *fleet.AutoScalingGroup, label string) error {
	balancer, target, _ := appscaling.SplitLabel(label)
	const service = "elasticloadbalancing"
	targetARN := arn.New(service, g.Region, g.Account, target).String()
	if !slices.Contains(g.TargetGroups, targetARN) {
		return invalid("The target group %s in the ResourceLabel is not attached to the group %s.", target, g.Name)
	}
	balancerARN := arn.New(service, g.Region, g.Account, "loadbalancer/"+balancer).String()
	if slices.Contains(t.LoadBalancersOf(targetARN), balancerARN) {
		return nil
	}
	return invalid("The load balancer %s in the ResourceLabel does not route requests to the target group %s.",
		strings.TrimPrefix(balancer, "app/"), target)
}

// answerAlarms lists the alarms that have a policy as an action.
func answerAlarms(t *state.Tables, p *groupscaling.Policy) (out []shape.Alarm) {
	for a := range t.Alarms.By(state.AlarmsByAction, p.ARN()) {
		out = append(out, shape.Alarm{AlarmName: &a.Name, AlarmARN: &a.ARN})
	}
	return out
}

func answerPolicy(t *state.Tables, p *groupscaling.Policy) shape.ScalingPolicy {
	out := shape.ScalingPolicy{
		AutoScalingGroupName: &p.Group, PolicyName: &p.Name, PolicyARN: new(p.ARN()), PolicyType: new(string(p.Type)),
		Enabled: new(!p.Disabled), EstimatedInstanceWarmup: request.Int32(p.Warmup), Alarms: answerAlarms(t, p),
	}
	if r := p.Adjusts; r != nil {
		out.AdjustmentType, out.ScalingAdjustment = new(string(r.Adjustment)), new(int32(r.By))
		out.Cooldown = request.Int32(r.Cooldown)
		if r.Magnitude > 0 {
			out.MinAdjustmentMagnitude = new(int32(r.Magnitude))
		}
	}
	if r := p.Steps; r != nil {
		out.AdjustmentType, out.MinAdjustmentMagnitude = new(string(r.Adjustment)), request.Int32(r.Magnitude)
		out.MetricAggregationType = request.Optional(string(r.Aggregation))
		out.StepAdjustments = request.Answers(r.Steps, func(one scaling.Step) shape.StepAdjustment {
			return shape.StepAdjustment{ScalingAdjustment: new(int32(one.By)), MetricIntervalLowerBound: one.Lower,
				MetricIntervalUpperBound: one.Upper}
		})
	}
	if p.Tracking != nil {
		out.TargetTrackingConfiguration = answerTracking(p.Tracking)
	}
	return out
}

func answerTracking(t *appscaling.Tracking) *shape.TargetTrackingConfiguration {
	out := &shape.TargetTrackingConfiguration{TargetValue: &t.Target, DisableScaleIn: &t.DisableScaleIn}
	if p := t.Predefined; p != nil {
		out.PredefinedMetricSpecification = &shape.PredefinedMetricSpecification{PredefinedMetricType: p.Type,
			ResourceLabel: request.Optional(p.Label)}
		return out
	}
	out.CustomizedMetricSpecification = request.AnswerCustomized[shape.CustomizedMetricSpecification](t)
	return out
}
