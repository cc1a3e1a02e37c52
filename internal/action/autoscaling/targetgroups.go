package autoscaling

import (
	"context"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// checkTargetGroups refuses target groups that are not there or whose targets are not instances.
func checkTargetGroups(t *state.Tables, arns []string) error {
	for _, arn := range arns {
		g, ok := t.TargetGroups.Get(arn)
		if !ok {
			return invalid("Provided Target Groups may not be valid. Please ensure they exist and try again.")
		}
		if g.TargetType != elb.TargetInstance {
			return invalid("The target group %s has targets of the type %s. A group registers instances.",
				arn, g.TargetType)
		}
	}
	return nil
}

func (a *api) attachTargetGroups(
	ctx context.Context, call *awswire.Call, in *shape.AttachLoadBalancerTargetGroupsInput,
) (*shape.AttachLoadBalancerTargetGroupsOutput, error) {
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(tx *state.Tx, g *fleet.AutoScalingGroup) error {
		if err := checkTargetGroups(&tx.Tables, in.TargetGroupARNs); err != nil {
			return err
		}
		g.TargetGroups = slices.Compact(slices.Sorted(slices.Values(append(g.TargetGroups, in.TargetGroupARNs...))))
		return nil
	})
}

func (a *api) detachTargetGroups(
	ctx context.Context, call *awswire.Call, in *shape.DetachLoadBalancerTargetGroupsInput,
) (*shape.DetachLoadBalancerTargetGroupsOutput, error) {
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(_ *state.Tx, g *fleet.AutoScalingGroup) error {
		for _, arn := range in.TargetGroupARNs {
			if !slices.Contains(g.TargetGroups, arn) {
				return invalid("Trying to remove Target Groups that are not part of the group.")
			}
		}
		g.TargetGroups = slices.DeleteFunc(g.TargetGroups,
			func(arn string) bool { return slices.Contains(in.TargetGroupARNs, arn) })
		return nil
	})
}

func (a *api) describeTargetGroups(
	_ context.Context, call *awswire.Call, in *shape.DescribeLoadBalancerTargetGroupsInput,
) (*shape.DescribeLoadBalancerTargetGroupsOutput, error) {
	t := &a.store.View().Tables
	g, err := group(t, call, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	arns, next, err := request.Cut(call, longPages.Ask(in.MaxRecords, in.NextToken), slices.Values(g.TargetGroups),
		request.Itself, request.Value(in.AutoScalingGroupName))
	return &shape.DescribeLoadBalancerTargetGroupsOutput{NextToken: next,
		LoadBalancerTargetGroups: request.Answers(arns, func(arn string) shape.LoadBalancerTargetGroupState {
			return shape.LoadBalancerTargetGroupState{LoadBalancerTargetGroupARN: &arn,
				State: new(attachment(t, g, arn))}
		})}, err
}

// describeTrafficSources tells the same in newer words: target groups are the only traffic sources there are.
func (a *api) describeTrafficSources(
	ctx context.Context, call *awswire.Call, in *shape.DescribeTrafficSourcesInput,
) (*shape.DescribeTrafficSourcesOutput, error) {
	groups, err := a.describeTargetGroups(ctx, call, &shape.DescribeLoadBalancerTargetGroupsInput{
		AutoScalingGroupName: in.AutoScalingGroupName, MaxRecords: in.MaxRecords, NextToken: in.NextToken,
	})
	if err != nil || in.TrafficSourceType != nil && *in.TrafficSourceType != "elbv2" {
		return nil, err
	}
	return &shape.DescribeTrafficSourcesOutput{NextToken: groups.NextToken, TrafficSources: request.Answers(
		groups.LoadBalancerTargetGroups, func(g shape.LoadBalancerTargetGroupState) shape.TrafficSourceState {
			return shape.TrafficSourceState{Identifier: g.LoadBalancerTargetGroupARN,
				TrafficSource: g.LoadBalancerTargetGroupARN, State: g.State, Type: new("elbv2")}
		})}, nil
}

// attachment is how far a target group has come: Adding until every instance in service is
// registered, InService once one of them is healthy, else Added.
func attachment(t *state.Tables, g *fleet.AutoScalingGroup, arn string) string {
	healthy := false
	for m := range t.Instances.By(state.InstancesByAutoScalingGroup, g.Key()) {
		if m.Scaling.Lifecycle != fleet.LifecycleInService {
			continue
		}
		at := slices.IndexFunc(m.Scaling.Targets, func(key string) bool { return elb.GroupOfTargetKey(key) == arn })
		if at < 0 {
			return "Adding"
		}
		seen, ok := t.TargetHealth.Get(m.Scaling.Targets[at])
		healthy = healthy || ok && seen.State == elb.Healthy
	}
	if healthy {
		return "InService"
	}
	return "Added"
}

// deregister removes an instance that leaves its group but continues to run from the load balancers.
func deregister(tx *state.Tx, keys []string, now time.Time) {
	for _, key := range keys {
		if t, ok := tx.Targets.Get(key); ok && !t.IsDraining() {
			delay := time.Duration(0)
			if g, ok := tx.TargetGroups.Get(t.TargetGroupARN); ok {
				delay = g.DeregistrationDelay()
			}
			tx.Targets.Put(t.Deregister(now, delay))
		}
	}
}
