package autoscaling

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createGroup(
	ctx context.Context, call *awswire.Call, in *shape.CreateAutoScalingGroupInput,
) (*shape.CreateAutoScalingGroupOutput, error) {
	if err := checkName("AutoScalingGroup name", request.Value(in.AutoScalingGroupName)); err != nil {
		return nil, err
	}
	g := &fleet.AutoScalingGroup{
		Name: *in.AutoScalingGroupName, ID: newid.UUID(call.Random),
		Region: call.Region, Account: call.Account, CreatedAt: call.Now,
		HealthCheckType: "EC2", Cooldown: 300, Policies: []string{fleet.PolicyDefault}, Min: int(*in.MinSize),
		Max: int(*in.MaxSize), Desired: int(*in.MinSize),
		ServiceRole: "arn:aws:iam::" + call.Account +
			":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
	}
	set := &settings{
		Zones: in.AvailabilityZones, Subnets: in.VPCZoneIdentifier,
		Cooldown: in.DefaultCooldown, Warmup: in.DefaultInstanceWarmup, Grace: in.HealthCheckGracePeriod,
		HealthCheckType: in.HealthCheckType, Lifetime: in.MaxInstanceLifetime,
		Protected: in.NewInstancesProtectedFromScaleIn, Policies: in.TerminationPolicies,
		Context: in.Context, DesiredType: in.DesiredCapacityType, Role: in.ServiceLinkedRoleARN,
		Configuration: in.LaunchConfigurationName, Template: in.LaunchTemplate, Desired: in.DesiredCapacity,
	}
	var err error
	if g.Tags, err = parseTags(g.Name, in.Tags); err != nil {
		return nil, err
	}
	if in.LaunchConfigurationName == nil && in.LaunchTemplate == nil {
		return nil, invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, " +
			"InstanceId or MixedInstancesPolicy parameter.")
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		if old, ok := tx.AutoScalingGroups.Get(g.Key()); ok {
			if old.Status == fleet.DeleteInProgress {
				return fault.New(shape.CodeAlreadyExists, "AutoScalingGroup by this name already exists - "+
					"A group with the name %s is being deleted", g.Name)
			}
			return fault.New(shape.CodeAlreadyExists, "AutoScalingGroup by this name already exists - A "+
				"group with the name %s already exists", g.Name)
		}
		if n := count(tx.AutoScalingGroups.Prefix(fleet.KeyPrefix(call.Region, call.Account))); n >= maxGroups {
			return fault.New(shape.CodeLimitExceeded,
				"You have already reached the maximum of %d Auto Scaling groups.", maxGroups)
		}
		launch.LinkRole(tx, call.Account, role.ServiceAutoScaling, call.Now)
		if err := set.apply(&tx.Tables, call, g); err != nil {
			return err
		}
		if len(g.Zones) == 0 {
			return invalid("At least one Availability Zone or VPC Subnet is required.")
		}
		if err := checkTargetGroups(&tx.Tables, in.TargetGroupARNs); err != nil {
			return err
		}
		g.TargetGroups = slices.Compact(slices.Sorted(slices.Values(in.TargetGroupARNs)))
		if g.Desired > 0 {
			g.Note = fleet.NoteCreated(call.Now, g.Desired)
		}
		tx.AutoScalingGroups.Put(g)
		for _, hook := range in.LifecycleHookSpecificationList {
			if err := putHook(tx, call, g.Name, &hook); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *api) updateGroup(
	ctx context.Context, call *awswire.Call, in *shape.UpdateAutoScalingGroupInput,
) (*shape.UpdateAutoScalingGroupOutput, error) {
	set := &settings{
		Zones: in.AvailabilityZones, Subnets: in.VPCZoneIdentifier,
		Cooldown: in.DefaultCooldown, Warmup: in.DefaultInstanceWarmup, Grace: in.HealthCheckGracePeriod,
		HealthCheckType: in.HealthCheckType, Lifetime: in.MaxInstanceLifetime,
		Protected: in.NewInstancesProtectedFromScaleIn, Policies: in.TerminationPolicies,
		Context: in.Context, DesiredType: in.DesiredCapacityType, Role: in.ServiceLinkedRoleARN,
		Configuration: in.LaunchConfigurationName, Template: in.LaunchTemplate, Desired: in.DesiredCapacity,
	}
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(tx *state.Tx, g *fleet.AutoScalingGroup) error {
		before := g.Desired
		if in.MinSize != nil {
			g.Min = int(*in.MinSize)
		}
		if in.MaxSize != nil {
			g.Max = int(*in.MaxSize)
		}
		if in.DesiredCapacity == nil && g.Min <= g.Max {
			g.Desired = min(max(g.Desired, g.Min), g.Max) // new bounds take the capacity with them
		}
		if err := set.apply(&tx.Tables, call, g); err != nil {
			return err
		}
		if g.Desired != before {
			g.AddNote(fleet.NoteConstraints(call.Now, g, before))
		}
		g.NextLaunch, g.LaunchFailures = call.Now, 0 // a change is worth another try at once
		return nil
	})
}

func (a *api) deleteGroup(
	ctx context.Context, call *awswire.Call, in *shape.DeleteAutoScalingGroupInput,
) (*shape.DeleteAutoScalingGroupOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		members := slices.Collect(tx.Instances.By(state.InstancesByAutoScalingGroup, g.Key()))
		if len(members) == 0 {
			tx.DeleteAutoScalingGroup(g, call.Now)
			return nil
		}
		if !request.Value(in.ForceDelete) {
			if !slices.ContainsFunc(members,
				func(m *fleet.Instance) bool { return !m.Scaling.Lifecycle.Leaving() }) {
				return fault.New(shape.CodeScalingActivityInProgress, "You cannot delete an "+
					"AutoScalingGroup while there are scaling activities in progress for that group.")
			}
			return fault.New(shape.CodeResourceInUse, "You cannot delete an AutoScalingGroup while there "+
				"are instances or pending Spot instance request(s) still in the group.")
		}
		g = g.Clone()
		g.Status, g.Min, g.Desired = fleet.DeleteInProgress, 0, 0
		tx.AutoScalingGroups.Put(g)
		return nil
	})
}

func (a *api) setDesiredCapacity(
	ctx context.Context, call *awswire.Call, in *shape.SetDesiredCapacityInput,
) (*shape.SetDesiredCapacityOutput, error) {
	want := int(*in.DesiredCapacity)
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(tx *state.Tx, g *fleet.AutoScalingGroup) error {
		if want > g.Max {
			return invalid("New SetDesiredCapacity value %d is above max value %d for the AutoScalingGroup.",
				want, g.Max)
		}
		if want < g.Min {
			return invalid("New SetDesiredCapacity value %d is below min value %d for the AutoScalingGroup.",
				want, g.Min)
		}
		if request.Value(in.HonorCooldown) {
			if open := openActivity(&tx.Tables, g); open != nil {
				return fault.New(shape.CodeScalingActivityInProgress,
					"Scaling activity %s is in progress and blocks this action", open.ID)
			}
			if wait := g.Cooldown - int(call.Now.Sub(g.CooldownStart).Seconds()); wait > 0 &&
				!g.CooldownStart.IsZero() {
				return fault.New(shape.CodeScalingActivityInProgress,
					"The cooldown of AutoScalingGroup %s lasts for another %d seconds.", g.Name, wait)
			}
		}
		if want != g.Desired {
			g.AddNote(fleet.NoteExplicit(call.Now, g.Desired, want))
			g.Desired = want
		}
		return nil
	})
}

func openActivity(t *state.Tables, g *fleet.AutoScalingGroup) *fleet.Activity {
	for act := range t.Activities.Prefix(fleet.ActivityPrefix(g.Region, g.Account, g.Name)) {
		if act.Open() && act.GroupARN == g.ARN() {
			return act
		}
	}
	return nil
}
