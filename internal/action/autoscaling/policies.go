package autoscaling

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) policies() []awswire.Operation {
	return []awswire.Operation{
		awswire.Op("PutScalingPolicy", a.putPolicy).Refuses("PredictiveScalingConfiguration"),
		awswire.Op("DeletePolicy", a.deletePolicy),
		awswire.Op("DescribePolicies", a.describePolicies),
		awswire.Op("ExecutePolicy", a.executePolicy),
		awswire.Op("DescribeAdjustmentTypes", a.describeAdjustmentTypes),
	}
}

func (a *api) putPolicy(
	ctx context.Context, call *awswire.Call, in *shape.PutScalingPolicyInput,
) (*shape.PutScalingPolicyOutput, error) {
	p, err := parsePolicy(call, in)
	if err != nil {
		return nil, err
	}
	ids := newid.UUIDs(call.Random, 3)
	out := &shape.PutScalingPolicyOutput{}
	return out, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := liveGroup(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		put := *p
		put.ID = ids[0]
		if put.Tracking != nil {
			put.Tracking = new(*p.Tracking)
			put.Tracking.HighID, put.Tracking.LowID = ids[1], ids[2]
		}
		if err := checkPolicy(&tx.Tables, g, &put); err != nil {
			return err
		}
		if !tx.PutGroupPolicy(&put, call.Now) {
			return fault.New(shape.CodeLimitExceeded, "Berth keeps %d alarms, and there are as many.", alarm.Max)
		}
		out.PolicyARN, out.Alarms = new(put.ARN()), answerAlarms(&tx.Tables, &put)
		return nil
	})
}

// checkPolicy holds a policy to what its group has, and gives one that exists already its ids.
func checkPolicy(t *state.Tables, g *fleet.AutoScalingGroup, p *groupscaling.Policy) error {
	all := slices.Collect(t.PoliciesOf(g))
	old, exists := t.GroupPolicies.Get(p.Key())
	switch {
	case exists && old.Type != p.Type:
		return invalid("The policy %s has the type %s, which cannot be changed. Delete it first.", p.Name, old.Type)
	case exists:
		p.ID, p.CreatedAt = old.ID, old.CreatedAt
		if p.Tracking != nil {
			p.Tracking.HighID, p.Tracking.LowID = old.Tracking.HighID, old.Tracking.LowID
		}
	case len(all) >= groupscaling.MaxPolicies:
		return fault.New(shape.CodeLimitExceeded, "A group can have %d scaling policies at most.",
			groupscaling.MaxPolicies)
	}
	if p.Tracking == nil {
		return nil
	}
	for _, other := range all {
		if other.Name != p.Name && other.Tracking != nil && other.Tracking.Same(p.Tracking) {
			return invalid("The policy %s tracks this metric already. A group has one such policy for a metric.",
				other.Name)
		}
	}
	if d := p.Tracking.Predefined; d != nil && d.Type == groupscaling.RequestsPerTarget {
		return checkLabel(t, g, d.Label)
	}
	return nil
}

// findPolicy finds a policy by its name in a group, or by its ARN.
func findPolicy(t *state.Tables, call *awswire.Call, groupName, name *string) (
	*groupscaling.Policy, *fleet.AutoScalingGroup, error,
) {
	key, groupKey, byARN := groupscaling.KeyFromARN(*name)
	if !byARN {
		if groupName == nil {
			return nil, nil, invalid("The parameter AutoScalingGroupName is required with the name of a policy.")
		}
		g, err := group(t, call, groupName)
		if err != nil {
			return nil, nil, err
		}
		key, groupKey = fleet.PartKey(g.Region, g.Account, g.Name, *name), g.Key()
	}
	p, ok := t.GroupPolicies.Get(key)
	g, exists := t.AutoScalingGroups.Get(groupKey)
	if !ok || !exists || byARN && p.ARN() != *name || p.Region != call.Region || p.Account != call.Account {
		return nil, nil, invalid("No scaling policy found with name or ARN %q.", *name)
	}
	return p, g, nil
}

func (a *api) deletePolicy(
	ctx context.Context, call *awswire.Call, in *shape.DeletePolicyInput,
) (*shape.DeletePolicyOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		p, _, err := findPolicy(&tx.Tables, call, in.AutoScalingGroupName, in.PolicyName)
		if err == nil {
			tx.DeleteGroupPolicy(p, call.Now)
		}
		return err
	})
}

// describePolicies describes the policies of groups, and those that the managed scaling of capacity providers has made
// (ecs.md 4.6).
func (a *api) describePolicies(
	_ context.Context, call *awswire.Call, in *shape.DescribePoliciesInput,
) (*shape.DescribePoliciesOutput, error) {
	view := a.store.View()
	all := view.GroupPolicies.Prefix(fleet.KeyPrefix(call.Region, call.Account))
	providers := view.CapacityProviders.Prefix(ecs.ARN(call.Region, call.Account, ecs.TypeCapacityProvider, ""))
	if in.AutoScalingGroupName != nil {
		g, err := group(&view.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return nil, err
		}
		all, providers = view.PoliciesOf(g), view.CapacityProviders.By(state.CapacityProvidersByGroup, g.ARN())
	}
	list := slices.Collect(all)
	for p := range providers {
		if policy, ok := provider.Policy(&view.Tables, p); ok {
			list = append(list, policy)
		}
	}
	found := request.Where(slices.Values(list), func(p *groupscaling.Policy) bool {
		return (len(in.PolicyNames) == 0 || slices.Contains(in.PolicyNames, p.Name) ||
			slices.Contains(in.PolicyNames, p.ARN())) &&
			(len(in.PolicyTypes) == 0 || slices.Contains(in.PolicyTypes, string(p.Type)))
	})
	bound := append([]string{request.Value(in.AutoScalingGroupName)}, slices.Concat(in.PolicyNames, in.PolicyTypes)...)
	page, next, err := request.Page(call, pages.Ask(in.MaxRecords, in.NextToken), slices.Collect(found),
		(*groupscaling.Policy).Key, bound...)
	return &shape.DescribePoliciesOutput{NextToken: next, ScalingPolicies: request.Answers(page,
		func(p *groupscaling.Policy) shape.ScalingPolicy { return answerPolicy(&view.Tables, p) })}, err
}

// executePolicy does what an alarm would make the policy do.
func (a *api) executePolicy(
	ctx context.Context, call *awswire.Call, in *shape.ExecutePolicyInput,
) (*shape.ExecutePolicyOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		p, g, err := findPolicy(&tx.Tables, call, in.AutoScalingGroupName, in.PolicyName)
		if err != nil {
			return err
		}
		observed, err := parseExecution(p, in)
		if err != nil {
			return err
		}
		if g, err = liveGroup(&tx.Tables, call, &g.Name); err != nil {
			return err
		}
		now := groupscaling.Situation{Group: g, Now: call.Now, Pace: scaling.PaceFrom(g.Tags, a.pace),
			Members: slices.Collect(tx.Instances.By(state.InstancesByAutoScalingGroup, g.Key()))}
		if request.Value(in.HonorCooldown) {
			if open := openActivity(&tx.Tables, g); open != nil {
				now.Busy = open.ID
			}
			if why := now.Waits(p); why != "" {
				return fault.New(shape.CodeScalingActivityInProgress, "The policy was not executed: %s.", why)
			}
		}
		proposal, problem := now.Propose(p, observed)
		if problem != "" {
			return invalid("The policy was not executed: %s.", problem)
		}
		if to := now.Decide([]scaling.Proposal{proposal}).To; to != g.Desired {
			changed := g.Clone()
			changed.AddNote(fleet.NoteExecuted(call.Now, p.Name, g.Desired, to))
			changed.Desired, changed.BlockedByMax = to, 0
			tx.AutoScalingGroups.Put(changed)
		}
		return nil
	})
}

// parseExecution reads the metric with which a policy is executed.
func parseExecution(p *groupscaling.Policy, in *shape.ExecutePolicyInput) (o scaling.Observation, err error) {
	switch p.Type {
	case groupscaling.TargetTracking:
		return o, invalid("A policy of type TargetTrackingScaling cannot be executed; its alarms do that.")
	case groupscaling.Simple:
		if in.MetricValue != nil || in.BreachThreshold != nil {
			return o, invalid("MetricValue and BreachThreshold are only for policies of type StepScaling.")
		}
		return o, nil
	}
	switch {
	case in.MetricValue == nil || in.BreachThreshold == nil:
		return o, invalid("A policy of type StepScaling is executed with MetricValue and BreachThreshold.")
	case request.Value(in.HonorCooldown):
		return o, invalid("HonorCooldown is only for policies of type SimpleScaling.")
	}
	o = scaling.Observation{Recent: []float64{*in.MetricValue}, Threshold: *in.BreachThreshold,
		Comparison: scaling.GreaterOrEqual}
	if *in.MetricValue < *in.BreachThreshold {
		o.Comparison = scaling.Less
	}
	return o, nil
}

func (a *api) describeAdjustmentTypes(
	context.Context, *awswire.Call, *shape.DescribeAdjustmentTypesInput,
) (*shape.DescribeAdjustmentTypesOutput, error) {
	return &shape.DescribeAdjustmentTypesOutput{AdjustmentTypes: request.Answers(adjustments,
		func(t scaling.Adjustment) shape.AdjustmentType {
			return shape.AdjustmentType{AdjustmentType: new(string(t))}
		})}, nil
}
