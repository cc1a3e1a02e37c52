package autoscaling

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) describeInstances(
	_ context.Context, call *awswire.Call, in *shape.DescribeAutoScalingInstancesInput,
) (*shape.DescribeAutoScalingInstancesOutput, error) {
	all := members(a.store.View().Instances.Prefix(fleet.InstancePrefix(call.Region, call.Account)))
	found, next, err := request.Cut(call, pages.Ask(in.MaxRecords, in.NextToken),
		named(all, in.InstanceIds, func(i *fleet.Instance) string { return i.ID }), (*fleet.Instance).ARN,
		in.InstanceIds...)
	return &shape.DescribeAutoScalingInstancesOutput{
		AutoScalingInstances: request.Answers(found, answerDetails), NextToken: next,
	}, err
}

func answerDetails(i *fleet.Instance) shape.AutoScalingInstanceDetails {
	m := answerMember(i)
	return shape.AutoScalingInstanceDetails{
		AutoScalingGroupName: new(i.Scaling.Group), AvailabilityZone: m.AvailabilityZone,
		AvailabilityZoneId: m.AvailabilityZoneId, HealthStatus: describedHealth(m.HealthStatus),
		InstanceId: m.InstanceId, LifecycleState: new(m.LifecycleState),
		ProtectedFromScaleIn: m.ProtectedFromScaleIn, ImageId: m.ImageId, InstanceType: m.InstanceType,
		LaunchConfigurationName: m.LaunchConfigurationName, LaunchTemplate: m.LaunchTemplate,
	}
}

// describedHealth is in capitals in this one answer, as on AWS.
func describedHealth(health *string) *string {
	if *health == fleet.Healthy {
		return new("HEALTHY")
	}
	return new("UNHEALTHY")
}

func members(all iter.Seq[*fleet.Instance]) iter.Seq[*fleet.Instance] {
	return request.Where(all, func(i *fleet.Instance) bool { return i.Scaling.Member() })
}

// member finds an instance that is in a group, and the group.
func member(t *state.Tables, call *awswire.Call, id string) (*fleet.Instance, *fleet.AutoScalingGroup, error) {
	i, ok := t.Instances.Get(fleet.InstanceARN(call.Region, call.Account, id))
	if !ok || !i.Scaling.Member() {
		return nil, nil, invalid("Instance Id not found - No managed instance found for instance ID: %s", id)
	}
	g, ok := t.AutoScalingGroups.Get(i.GroupKey())
	if !ok {
		return nil, nil, invalid("Instance Id not found - No managed instance found for instance ID: %s", id)
	}
	return i, g, nil
}

// memberOf is member for a caller that names the group as well.
func memberOf(t *state.Tables, call *awswire.Call, g *fleet.AutoScalingGroup, id string) (*fleet.Instance, error) {
	i, ok := t.Instances.Get(fleet.InstanceARN(call.Region, call.Account, id))
	if !ok || i.GroupKey() != g.Key() {
		return nil, invalid("The instance %s is not part of Auto Scaling group %s.", id, g.Name)
	}
	return i, nil
}

func (a *api) terminateInstance(
	ctx context.Context, call *awswire.Call, in *shape.TerminateInstanceInAutoScalingGroupInput,
) (*shape.TerminateInstanceInAutoScalingGroupOutput, error) {
	ids := in.InstanceIds
	if in.InstanceId != nil {
		ids = append(ids, *in.InstanceId)
	}
	if len(ids) == 0 {
		return nil, invalid("The request must contain the parameter InstanceId")
	}
	uuids := newid.UUIDs(call.Random, len(ids))
	out := &shape.TerminateInstanceInAutoScalingGroupOutput{}
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		out.Activities = nil
		for n, id := range ids {
			act, err := terminateOne(tx, call, id, request.Value(in.AutoScalingGroupName),
				*in.ShouldDecrementDesiredCapacity, uuids[n])
			if err != nil {
				return err
			}
			out.Activities = append(out.Activities, answerActivity(&tx.Tables, act))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if in.InstanceId != nil {
		out.Activity = &out.Activities[len(out.Activities)-1]
	}
	if in.InstanceIds == nil {
		out.Activities = nil
	}
	return out, nil
}

func terminateOne(
	tx *state.Tx, call *awswire.Call, id, groupName string, decrement bool, uuid string,
) (*fleet.Activity, error) {
	i, g, err := member(&tx.Tables, call, id)
	if err != nil {
		return nil, err
	}
	if groupName != "" && g.Name != groupName {
		return nil, invalid("The instance %s is not part of Auto Scaling group %s.", id, groupName)
	}
	if i.Scaling.Lifecycle.Leaving() {
		return nil, invalid("The instance %s is not in a state from which it can be terminated: it is "+
			"terminating already.", id)
	}
	from := g.Desired
	if decrement && i.Scaling.Counts() { // one in standby is not part of the capacity
		if g.Desired <= g.Min {
			return nil, invalid("Currently, desiredSize equals minSize (%d). Terminating instance without "+
				"replacement will violate group's min size constraint. "+
				"Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.", g.Min)
		}
		g = g.Clone()
		g.Desired--
		tx.AutoScalingGroups.Put(g)
	}
	cancelLaunch(tx, i, call.Now)
	retired, act := g.Retire(i, uuid, fleet.CauseUserRequest(call.Now, from, g.Desired), call.Now)
	tx.Instances.Put(retired)
	tx.Activities.Put(act)
	return act, nil
}

// cancelLaunch ends the activity of an instance that leaves before it came into service or into standby.
func cancelLaunch(tx *state.Tx, i *fleet.Instance, now time.Time) {
	if act, ok := tx.Activities.Get(i.Scaling.LaunchedBy); ok && act.Open() {
		tx.Activities.Put(act.Finished(fleet.ActivityCancelled, i.Scaling.Lifecycle.Unfinished(), now))
	}
}

func (a *api) setInstanceHealth(
	ctx context.Context, call *awswire.Call, in *shape.SetInstanceHealthInput,
) (*shape.SetInstanceHealthOutput, error) {
	if h := *in.HealthStatus; h != fleet.Healthy && h != fleet.Unhealthy {
		return nil, invalid("The health status %q is not valid: use Healthy or Unhealthy", h)
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		i, g, err := member(&tx.Tables, call, *in.InstanceId)
		if err != nil {
			return err
		}
		grace := i.Scaling.InServiceAt.Add(time.Duration(g.GracePeriod) * time.Second)
		respects := in.ShouldRespectGracePeriod == nil || *in.ShouldRespectGracePeriod
		if respects && (i.Scaling.InServiceAt.IsZero() || call.Now.Before(grace)) &&
			*in.HealthStatus == fleet.Unhealthy && g.GracePeriod > 0 {
			return nil // ecs.md 5.6: within the grace period the verdict does not count
		}
		c := i.Clone()
		c.Scaling.Health, c.Scaling.HealthCause = *in.HealthStatus, ""
		if c.Scaling.Health == fleet.Unhealthy {
			c.Scaling.HealthCause = fleet.WhyUser
		}
		tx.Instances.Put(c)
		return nil
	})
}

func (a *api) setInstanceProtection(
	ctx context.Context, call *awswire.Call, in *shape.SetInstanceProtectionInput,
) (*shape.SetInstanceProtectionOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := liveGroup(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		for _, id := range in.InstanceIds {
			i, err := memberOf(&tx.Tables, call, g, id)
			if err != nil {
				return err
			}
			if i.Scaling.Lifecycle != fleet.LifecycleInService && !i.Scaling.Lifecycle.Resting() {
				return invalid("The instance %s is not in InService or EnteringStandby or Standby.", id)
			}
			c := i.Clone()
			c.Scaling.Protected = *in.ProtectedFromScaleIn
			tx.Instances.Put(c)
		}
		return nil
	})
}

func (a *api) attachInstances(
	ctx context.Context, call *awswire.Call, in *shape.AttachInstancesInput,
) (*shape.AttachInstancesOutput, error) {
	uuids := newid.UUIDs(call.Random, len(in.InstanceIds))
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(tx *state.Tx, g *fleet.AutoScalingGroup) error {
		to := g.Desired + len(in.InstanceIds)
		if to > g.Max {
			return invalid("AutoScalingGroup %s has min-size=%d, max-size=%d, and desired-size=%d. To "+
				"attach %d more instance(s), please update the AutoScalingGroup sizes appropriately.",
				g.Name, g.Min, g.Max, g.Desired, len(in.InstanceIds))
		}
		for n, id := range in.InstanceIds {
			i, ok := tx.Instances.Get(fleet.InstanceARN(call.Region, call.Account, id))
			if !ok {
				return invalid("Invalid Instance ID(s): [%s] specified", id)
			}
			if i.Scaling.Member() {
				return invalid("Instance %s is already part of AutoScalingGroup:%s", id, i.Scaling.Group)
			}
			if i.State != fleet.Running || i.Desired != fleet.Running {
				return invalid("Instance %s is not in correct state. Instance(s) must be in 'running' state", id)
			}
			if !slices.Contains(g.Zones, i.Zone) {
				return invalid("The availability zone of instance %s is %s, which is not one of "+
					"AutoScalingGroup %s", id, i.Zone, g.Name)
			}
			attached, act := g.Attach(i, uuids[n], call.Now, to)
			tx.Instances.Put(attached)
			tx.Activities.Put(act)
		}
		g.Desired = to
		return nil
	})
}

func (a *api) detachInstances(
	ctx context.Context, call *awswire.Call, in *shape.DetachInstancesInput,
) (*shape.DetachInstancesOutput, error) {
	uuids := newid.UUIDs(call.Random, len(in.InstanceIds))
	out := &shape.DetachInstancesOutput{}
	err := a.change(ctx, call, in.AutoScalingGroupName, func(tx *state.Tx, g *fleet.AutoScalingGroup) error {
		out.Activities = nil
		from := g.Desired
		leaving, counted := make([]*fleet.Instance, len(in.InstanceIds)), 0
		for n, id := range in.InstanceIds {
			if slices.Contains(in.InstanceIds[:n], id) {
				return invalid("The instance %s is named more than once.", id)
			}
			i, err := memberOf(&tx.Tables, call, g, id)
			if err != nil {
				return err
			}
			if i.Scaling.Lifecycle != fleet.LifecycleInService && i.Scaling.Lifecycle != fleet.LifecycleStandby {
				return invalid("The instance %s is not in InService or Standby.", id)
			}
			if leaving[n] = i; i.Scaling.Counts() {
				counted++
			}
		}
		if *in.ShouldDecrementDesiredCapacity {
			if g.Desired-counted < g.Min {
				return sizesForbid(g, "detach", counted)
			}
			g.Desired -= counted
		}
		for n, i := range leaving {
			deregister(tx, i.Scaling.Targets, call.Now)
			detached, act := g.Detach(i, uuids[n], call.Now, from, g.Desired)
			tx.Instances.Put(detached)
			tx.Activities.Put(act)
			out.Activities = append(out.Activities, answerActivity(&tx.Tables, act))
		}
		return nil
	})
	return out, err
}
