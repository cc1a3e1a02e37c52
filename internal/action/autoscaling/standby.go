package autoscaling

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) enterStandby(
	ctx context.Context, call *awswire.Call, in *shape.EnterStandbyInput,
) (*shape.EnterStandbyOutput, error) {
	acts, err := a.moveAll(ctx, call, in.AutoScalingGroupName, in.InstanceIds, fleet.LifecycleInService,
		(*fleet.AutoScalingGroup).Rest, func(g *fleet.AutoScalingGroup, n int) error {
			switch {
			case !*in.ShouldDecrementDesiredCapacity:
				return nil
			case g.Desired-n < g.Min:
				return sizesForbid(g, "place into standby", n)
			}
			g.Desired -= n
			return nil
		})
	return &shape.EnterStandbyOutput{Activities: acts}, err
}

func (a *api) exitStandby(
	ctx context.Context, call *awswire.Call, in *shape.ExitStandbyInput,
) (*shape.ExitStandbyOutput, error) {
	acts, err := a.moveAll(ctx, call, in.AutoScalingGroupName, in.InstanceIds, fleet.LifecycleStandby,
		(*fleet.AutoScalingGroup).Return, func(g *fleet.AutoScalingGroup, n int) error {
			if g.Desired+n > g.Max {
				return sizesForbid(g, "move out of standby", n)
			}
			g.Desired += n
			return nil
		})
	return &shape.ExitStandbyOutput{Activities: acts}, err
}

// move begins to move a member of a group, as AutoScalingGroup.Rest and Return do.
type move func(g *fleet.AutoScalingGroup, i *fleet.Instance, id string, now time.Time, from, to int) (
	*fleet.Instance, *fleet.Activity)

// moveAll moves members of a group that are in a state. resize changes the group's capacity by the number of members.
func (a *api) moveAll(ctx context.Context, call *awswire.Call, group *string, ids []string, from fleet.Lifecycle,
	begin move, resize func(g *fleet.AutoScalingGroup, n int) error,
) (acts []shape.Activity, err error) {
	if len(ids) == 0 {
		return nil, invalid("The request must contain the parameter InstanceIds")
	}
	uuids := newid.UUIDs(call.Random, len(ids))
	err = a.change(ctx, call, group, func(tx *state.Tx, g *fleet.AutoScalingGroup) error {
		acts = nil
		before := g.Desired
		if err := resize(g, len(ids)); err != nil {
			return err
		}
		for n, id := range ids {
			i, err := memberOf(&tx.Tables, call, g, id)
			if err != nil {
				return err
			}
			if i.Scaling.Lifecycle != from {
				return invalid("The instance %s is not in %s.", id, from)
			}
			moved, act := begin(g, i, uuids[n], call.Now, before, g.Desired)
			tx.Instances.Put(moved)
			tx.Activities.Put(act)
			acts = append(acts, answerActivity(&tx.Tables, act))
		}
		return nil
	})
	return acts, err
}

// sizesForbid is the error when a group's minimum or maximum does not allow to move n instances.
func sizesForbid(g *fleet.AutoScalingGroup, to string, n int) error {
	what := "instances"
	if n == 1 {
		what = "instance"
	}
	return invalid("AutoScalingGroup %s has min-size=%d, max-size=%d, and desired-size=%d. To %s %d %s, please update "+
		"the AutoScalingGroup sizes appropriately.", g.Name, g.Min, g.Max, g.Desired, to, n, what)
}
