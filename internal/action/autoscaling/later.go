package autoscaling

import (
	"context"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
)

// later are the actions of what is not built yet. Lists are truthful: there are none. Everything
// else is refused by name.
func (a *api) later() []awswire.Operation {
	return []awswire.Operation{
		refuse[shape.StartInstanceRefreshInput, shape.StartInstanceRefreshOutput]("StartInstanceRefresh",
			"instance refresh"),
		refuse[shape.CancelInstanceRefreshInput, shape.CancelInstanceRefreshOutput]("CancelInstanceRefresh",
			"instance refresh"),
		refuse[shape.RollbackInstanceRefreshInput, shape.RollbackInstanceRefreshOutput](
			"RollbackInstanceRefresh", "instance refresh"),
		refuse[shape.PutWarmPoolInput, shape.PutWarmPoolOutput]("PutWarmPool", "warm pools"),
		refuse[shape.DeleteWarmPoolInput, shape.DeleteWarmPoolOutput]("DeleteWarmPool", "warm pools"),
		refuse[shape.PutNotificationConfigurationInput, shape.PutNotificationConfigurationOutput](
			"PutNotificationConfiguration", "notifications"),
		refuse[shape.DeleteNotificationConfigurationInput, shape.DeleteNotificationConfigurationOutput](
			"DeleteNotificationConfiguration", "notifications"),
		refuse[shape.AttachLoadBalancersInput, shape.AttachLoadBalancersOutput]("AttachLoadBalancers",
			"Classic Load Balancers"),
		refuse[shape.DetachLoadBalancersInput, shape.DetachLoadBalancersOutput]("DetachLoadBalancers",
			"Classic Load Balancers"),
		refuse[shape.AttachTrafficSourcesInput, shape.AttachTrafficSourcesOutput]("AttachTrafficSources",
			"traffic sources of groups"),
		refuse[shape.DetachTrafficSourcesInput, shape.DetachTrafficSourcesOutput]("DetachTrafficSources",
			"traffic sources of groups"),

		awswire.Op("DescribeInstanceRefreshes", func(
			_ context.Context, c *awswire.Call, in *shape.DescribeInstanceRefreshesInput,
		) (*shape.DescribeInstanceRefreshesOutput, error) {
			return &shape.DescribeInstanceRefreshesOutput{}, a.known(c, in.AutoScalingGroupName)
		}),
		awswire.Op("DescribeWarmPool", func(
			_ context.Context, c *awswire.Call, in *shape.DescribeWarmPoolInput,
		) (*shape.DescribeWarmPoolOutput, error) {
			return &shape.DescribeWarmPoolOutput{}, a.known(c, in.AutoScalingGroupName)
		}),
		awswire.Op("DescribeNotificationConfigurations", func(
			context.Context, *awswire.Call, *shape.DescribeNotificationConfigurationsInput,
		) (*shape.DescribeNotificationConfigurationsOutput, error) {
			return &shape.DescribeNotificationConfigurationsOutput{}, nil
		}),
		awswire.Op("DescribeLoadBalancers", func(
			_ context.Context, c *awswire.Call, in *shape.DescribeLoadBalancersInput,
		) (*shape.DescribeLoadBalancersOutput, error) {
			return &shape.DescribeLoadBalancersOutput{}, a.known(c, in.AutoScalingGroupName)
		}),
	}
}

// known refuses a group that does not exist; nil is no group in particular.
func (a *api) known(call *awswire.Call, name *string) error {
	if name == nil {
		return nil
	}
	_, ok := a.store.View().AutoScalingGroups.Get(fleet.Key(call.Region, call.Account, *name))
	if !ok {
		return invalid("AutoScalingGroup name not found - AutoScalingGroup '%s' not found", *name)
	}
	return nil
}

// refuse makes the operation of something that is not built.
func refuse[I, O any](name, what string) awswire.Operation {
	return awswire.Op(name, func(context.Context, *awswire.Call, *I) (*O, error) {
		return nil, fault.New("UnsupportedOperation", "Berth does not support %s: %s is not there yet.", what, name)
	}).With(awswire.Refused)
}
