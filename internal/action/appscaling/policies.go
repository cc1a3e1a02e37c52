package appscaling

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) putScalingPolicy(
	ctx context.Context, call *awswire.Call, in *shape.PutScalingPolicyInput,
) (*shape.PutScalingPolicyOutput, error) {
	r, err := parseResource(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	asked, err := parsePolicy(in)
	if err != nil {
		return nil, err
	}
	asked.Region, asked.Account, asked.ResourceID, asked.CreatedAt = call.Region, call.Account, r.id, call.Now
	ids := newid.UUIDs(call.Random, 3)
	var put *appscaling.Policy
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if err := registered(&tx.Tables, call, r); err != nil {
			return err
		}
		var err error
		old, _ := tx.ScalingPolicies.Get(asked.Key())
		if put, err = next(&tx.Tables, old, asked, ids); err != nil {
			return err
		}
		if err := checkMetric(&tx.Tables, call, r, put); err != nil {
			return err
		}
		if !tx.PutScalingPolicy(put, call.Now) {
			return limit("The policy needs alarms, and CloudWatch has as many as it may.")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutScalingPolicyOutput{PolicyARN: new(put.ARN()),
		Alarms: answerAlarms(&a.store.View().Tables, put)}, nil
}

// next returns the new row of a policy from the call and from the existing policy with the name, which is nil
// if there is none. Settings that the call leaves out do not change. ids are for a new policy and for the
// names of its alarms.
func next(t *state.Tables, old, asked *appscaling.Policy, ids []string) (*appscaling.Policy, error) {
	p := *asked
	switch {
	case old == nil && p.Type == "":
		return nil, invalid("A new policy needs a PolicyType: TargetTrackingScaling or StepScaling.")
	case old == nil && p.Tracking == nil && p.Step == nil:
		return nil, invalid("A new policy of type %s needs %sPolicyConfiguration.", p.Type, p.Type)
	case old == nil && full(&t.ScalingPolicies, appscaling.Key(p.Region, p.Account, p.ResourceID),
		appscaling.MaxPolicies):
		return nil, limit("A scalable target has at most %d policies, and this one has as many.",
			appscaling.MaxPolicies)
	case old == nil:
		p.ID = ids[0]
		if p.Tracking != nil {
			tracking := *p.Tracking
			tracking.HighID, tracking.LowID = ids[1], ids[2]
			p.Tracking = &tracking
		}
		return &p, nil
	}
	if p.Type == "" {
		p.Type = old.Type
	}
	if p.Type != old.Type || p.Tracking != nil && old.Tracking == nil || p.Step != nil && old.Step == nil {
		return nil, invalid("The policy %s is of type %s, which cannot be changed; delete it first.", p.Name, old.Type)
	}
	p.ID, p.CreatedAt = old.ID, old.CreatedAt
	if p.Step == nil {
		p.Step = old.Step
	}
	if p.Tracking == nil {
		p.Tracking = old.Tracking
	} else {
		tracking := *p.Tracking
		tracking.HighID, tracking.LowID = old.Tracking.HighID, old.Tracking.LowID
		p.Tracking = &tracking
	}
	return &p, nil
}

// checkMetric refuses a second policy for the same metric (ecs.md 6.12), and a load balancer or target group
// that the service does not use (ecs.md 6.4).
func checkMetric(t *state.Tables, call *awswire.Call, r resource, p *appscaling.Policy) error {
	if p.Tracking == nil {
		return nil
	}
	for other := range t.ScalingPolicies.Prefix(appscaling.Key(p.Region, p.Account, p.ResourceID)) {
		if other.Name != p.Name && other.Tracking != nil && other.Tracking.Same(p.Tracking) {
			return invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed.")
		}
	}
	if p.Tracking.Predefined == nil || p.Tracking.Predefined.Type != appscaling.RequestsPerTarget {
		return nil
	}
	return checkLabel(t, call, r, p.Tracking.Predefined.Label)
}

func (a *api) deleteScalingPolicy(
	ctx context.Context, call *awswire.Call, in *shape.DeleteScalingPolicyInput,
) (*shape.DeleteScalingPolicyOutput, error) {
	r, err := parseResource(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		p, ok := tx.ScalingPolicies.Get(appscaling.PolicyKey(call.Region, call.Account, r.id, *in.PolicyName))
		if !ok {
			return notFound("No scaling policy found for %s, policy name: %s", r, *in.PolicyName)
		}
		tx.DeleteScalingPolicy(p, call.Now)
		return nil
	})
}

func (a *api) describeScalingPolicies(
	_ context.Context, call *awswire.Call, in *shape.DescribeScalingPoliciesInput,
) (*shape.DescribeScalingPoliciesOutput, error) {
	if n := len(in.PolicyNames); n > maxNamed {
		return nil, invalid("PolicyNames has %d members; %d are allowed.", n, maxNamed)
	}
	w, err := parseList(in.ServiceNamespace, one(in.ResourceId), in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	tables := &a.store.View().Tables
	list := request.Where(rows(call, w, &tables.ScalingPolicies), func(p *appscaling.Policy) bool {
		return len(in.PolicyNames) == 0 || slices.Contains(in.PolicyNames, p.Name) ||
			slices.Contains(in.PolicyNames, p.ARN())
	})
	found, next, err := request.Cut(call, pagesOf(10).Ask(in.MaxResults, in.NextToken), list,
		(*appscaling.Policy).Key, w.bound(in.ServiceNamespace, in.PolicyNames...)...)
	return &shape.DescribeScalingPoliciesOutput{
		ScalingPolicies: request.Answers(found, func(p *appscaling.Policy) shape.ScalingPolicy {
			return answerPolicy(tables, p)
		}), NextToken: next}, err
}

func answerPolicy(t *state.Tables, p *appscaling.Policy) shape.ScalingPolicy {
	return shape.ScalingPolicy{
		PolicyARN: new(p.ARN()), PolicyName: &p.Name, PolicyType: string(p.Type), CreationTime: &p.CreatedAt,
		ResourceId: &p.ResourceID, ScalableDimension: appscaling.Dimension, ServiceNamespace: appscaling.Namespace,
		Alarms: answerAlarms(t, p), StepScalingPolicyConfiguration: answerStep(p.Step),
		TargetTrackingScalingPolicyConfiguration: answerTracking(p.Tracking),
	}
}

// answerAlarms returns the alarms that were made for the policy, or those of users that name it.
func answerAlarms(t *state.Tables, p *appscaling.Policy) []shape.Alarm {
	all := p.Alarms(p.CreatedAt)
	if p.Step != nil {
		all = slices.Collect(t.Alarms.By(state.AlarmsByAction, p.ARN()))
	}
	return request.Answers(all, func(a *alarm.Alarm) shape.Alarm {
		return shape.Alarm{AlarmName: &a.Name, AlarmARN: &a.ARN}
	})
}
