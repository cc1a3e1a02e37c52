package appscaling

import (
	"cmp"
	"math"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// parsePolicy reads the name, the type and the settings of a policy.
func parsePolicy(in *shape.PutScalingPolicyInput) (*appscaling.Policy, error) {
	p := &appscaling.Policy{Name: *in.PolicyName, Type: appscaling.PolicyType(in.PolicyType)}
	step, tracking := in.StepScalingPolicyConfiguration, in.TargetTrackingScalingPolicyConfiguration
	switch {
	case !appscaling.ValidPolicyName(p.Name):
		return nil, invalid("The value %q for parameter PolicyName is invalid: it has 1 to 256 printable ASCII "+
			"characters.", p.Name)
	case in.PolicyType == shape.PolicyTypePredictiveScaling:
		return nil, invalid("Berth does not support policies of type PredictiveScaling yet; use " +
			"TargetTrackingScaling or StepScaling.")
	case step != nil && tracking != nil:
		return nil, invalid("A policy has either StepScalingPolicyConfiguration or " +
			"TargetTrackingScalingPolicyConfiguration, and not both.")
	case step != nil && p.Type == appscaling.TargetTracking, tracking != nil && p.Type == appscaling.StepScaling:
		return nil, invalid("A policy of type %s has %sPolicyConfiguration and no other.", p.Type, p.Type)
	}
	var err error
	if step != nil {
		p.Step, err = parseStep(step)
	}
	if tracking != nil {
		p.Tracking, err = parseTracking(tracking)
	}
	return p, err
}

// parseStep reads the settings of a step policy (ecs.md 5.10, 6.9).
func parseStep(in *shape.StepScalingPolicyConfiguration) (*scaling.StepRule, error) {
	s := &scaling.StepRule{
		Adjustment: scaling.Adjustment(in.AdjustmentType), Aggregation: scaling.Aggregation(in.MetricAggregationType),
		Magnitude: request.Int(in.MinAdjustmentMagnitude), Cooldown: request.Int(in.Cooldown),
	}
	for _, one := range in.StepAdjustments {
		s.Steps = append(s.Steps, scaling.Step{Lower: one.MetricIntervalLowerBound,
			Upper: one.MetricIntervalUpperBound, By: int(*one.ScalingAdjustment)})
	}
	if s.Adjustment == "" {
		return nil, invalid("A step scaling policy needs an AdjustmentType.")
	}
	if err := s.Check(); err != nil {
		return nil, invalid("The step scaling policy is invalid: %v.", err)
	}
	return s, checkCooldown("Cooldown", s.Cooldown)
}

func checkCooldown(name string, seconds *int) error {
	if request.Value(seconds) < 0 {
		return invalid("%s must be greater than or equal to 0 seconds, and is %d.", name, *seconds)
	}
	return nil
}

// AWS documents this range for TargetValue: 2 to the power of -360 to 2 to the power of 360.
var leastTarget, mostTarget = math.Ldexp(1, -360), math.Ldexp(1, 360)

// parseTracking reads the settings of a policy that tracks a target (ecs.md 6.3 to 6.5).
func parseTracking(in *shape.TargetTrackingScalingPolicyConfiguration) (*appscaling.Tracking, error) {
	t := &appscaling.Tracking{
		OutCooldown: request.Int(in.ScaleOutCooldown), InCooldown: request.Int(in.ScaleInCooldown)}
	t.Target, t.DisableScaleIn = *in.TargetValue, request.Value(in.DisableScaleIn)
	if !(t.Target >= leastTarget && t.Target <= mostTarget) { // false for NaN as well
		return nil, invalid("TargetValue must be in the range of %g to %g, and is %v.", leastTarget, mostTarget,
			t.Target)
	}
	if err := cmp.Or(checkCooldown("ScaleOutCooldown", t.OutCooldown),
		checkCooldown("ScaleInCooldown", t.InCooldown)); err != nil {
		return nil, err
	}
	if (in.PredefinedMetricSpecification == nil) == (in.CustomizedMetricSpecification == nil) {
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

// parsePredefined reads a predefined metric (ecs.md 6.3, 6.4).
func parsePredefined(in *shape.PredefinedMetricSpecification) (*appscaling.Predefined, error) {
	p := &appscaling.Predefined{Type: in.PredefinedMetricType, Label: request.Value(in.ResourceLabel)}
	switch p.Type {
	case appscaling.AverageCPU, appscaling.AverageMemory:
		if in.ResourceLabel != nil {
			return nil, invalid("A ResourceLabel is only for the metric %s.", appscaling.RequestsPerTarget)
		}
	case appscaling.RequestsPerTarget:
		if _, _, ok := appscaling.SplitLabel(p.Label); !ok {
			return nil, invalid("The metric %s needs a ResourceLabel such as "+
				"app/my-alb/778d41231b141a0f/targetgroup/my-group/943f017f100becff, and not %q.", p.Type, p.Label)
		}
	case shape.MetricTypeECSServiceAverageCPUUtilizationHighResolution,
		shape.MetricTypeECSServiceAverageMemoryUtilizationHighResolution:
		return nil, invalid("Berth does not support the metric %s yet: no service can ask for a resolution of 20 "+
			"seconds.", p.Type)
	default:
		return nil, invalid("The metric %s is not one of ECS services.", p.Type)
	}
	return p, nil
}

// checkLabel refuses a load balancer that does not forward to the target group, and a target group in which
// the service does not register its tasks (ecs.md 6.4).
func checkLabel(t *state.Tables, call *awswire.Call, r resource, label string) error {
	balancer, group, _ := appscaling.SplitLabel(label)
	const service = "elasticloadbalancing"
	groupARN := arn.New(service, call.Region, call.Account, group).String()
	balancerARN := arn.New(service, call.Region, call.Account, "loadbalancer/"+balancer).String()
	progress := t.Progress(ecs.ARN(call.Region, call.Account, ecs.TypeService, r.cluster+"/"+r.service))
	if !slices.ContainsFunc(progress.Deployments, func(d ecs.Deployment) bool {
		return slices.ContainsFunc(d.Revision.LoadBalancers,
			func(lb ecs.LoadBalancer) bool { return lb.TargetGroupARN == groupARN })
	}) {
		return invalid("The target group %s in the ResourceLabel is not one of the service %s.", group, r.id)
	}
	if slices.Contains(t.LoadBalancersOf(groupARN), balancerARN) {
		return nil
	}
	return invalid("The load balancer %s in the ResourceLabel does not route requests to the target group %s.",
		balancer, group)
}

func answerStep(s *scaling.StepRule) *shape.StepScalingPolicyConfiguration {
	if s == nil {
		return nil
	}
	return &shape.StepScalingPolicyConfiguration{
		AdjustmentType: string(s.Adjustment), MetricAggregationType: string(s.Aggregation),
		Cooldown: request.Int32(s.Cooldown), MinAdjustmentMagnitude: request.Int32(s.Magnitude),
		StepAdjustments: request.Answers(s.Steps, func(one scaling.Step) shape.StepAdjustment {
			return shape.StepAdjustment{ScalingAdjustment: new(int32(one.By)), MetricIntervalLowerBound: one.Lower,
				MetricIntervalUpperBound: one.Upper}
		}),
	}
}

func answerTracking(t *appscaling.Tracking) *shape.TargetTrackingScalingPolicyConfiguration {
	if t == nil {
		return nil
	}
	out := &shape.TargetTrackingScalingPolicyConfiguration{
		TargetValue: &t.Target, DisableScaleIn: request.Optional(t.DisableScaleIn),
		ScaleOutCooldown: request.Int32(t.OutCooldown), ScaleInCooldown: request.Int32(t.InCooldown),
	}
	if p := t.Predefined; p != nil {
		out.PredefinedMetricSpecification = &shape.PredefinedMetricSpecification{PredefinedMetricType: p.Type,
			ResourceLabel: request.Optional(p.Label)}
		return out
	}
	out.CustomizedMetricSpecification = request.AnswerCustomized[shape.CustomizedMetricSpecification](t)
	return out
}
