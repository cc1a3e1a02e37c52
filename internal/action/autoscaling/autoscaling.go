// Package autoscaling is the front desk of Amazon EC2 Auto Scaling: launch configurations, groups,
// their instances, activities, processes and tags. Each action parses what was asked, refuses what
// is wrong in AWS's words, runs one transaction and answers. Actions write what callers want;
// control/fleet makes it true, so an answer comes before the instances do.
//
// Instance refresh and warm pools are not built yet: what would make one is refused by name, and
// what lists them answers that there are none. The package holds no state and is safe for concurrent use.
package autoscaling

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

type api struct {
	store *state.Store
	pace  scaling.Pace
}

// Service returns the actions of EC2 Auto Scaling. pace is that of groups without a tag for it.
func Service(store *state.Store, pace scaling.Pace) awswire.Service {
	a := &api{store: store, pace: pace}
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.Query},
		Version: shape.APIVersion, Namespace: shape.XMLNamespace,
		TokenCode: shape.CodeInvalidNextToken, Operations: slices.Concat(a.operations(), a.hooks(), a.policies(),
			a.schedules(), a.later()),
	}
}

// Fields of things that are not built.
var (
	laterGroupFields = []string{"AvailabilityZoneDistribution", "AvailabilityZoneIds",
		"AvailabilityZoneImpairmentPolicy", "CapacityReservationSpecification",
		"DeletionProtection", "InstanceLifecyclePolicy", "InstanceMaintenancePolicy", "MixedInstancesPolicy",
		"PlacementGroup", "SkipZonalShiftValidation", "CapacityRebalance"}
	laterCreateFields = append([]string{
		"InstanceId", "LoadBalancerNames", "TrafficSources", "Operator",
	}, laterGroupFields...)
)

func (a *api) operations() []awswire.Operation {
	return []awswire.Operation{
		awswire.Op("CreateLaunchConfiguration", a.createLaunchConfiguration).Refuses("ClassicLinkVPCId",
			"ClassicLinkVPCSecurityGroups", "InstanceId", "KernelId", "RamdiskId", "SpotPrice"),
		awswire.Op("DeleteLaunchConfiguration", a.deleteLaunchConfiguration),
		awswire.Op("DescribeLaunchConfigurations", a.describeLaunchConfigurations),

		awswire.Op("CreateAutoScalingGroup", a.createGroup).Refuses(laterCreateFields...),
		awswire.Op("UpdateAutoScalingGroup", a.updateGroup).Refuses(laterGroupFields...),
		awswire.Op("DeleteAutoScalingGroup", a.deleteGroup),
		awswire.Op("DescribeAutoScalingGroups", a.describeGroups),
		awswire.Op("SetDesiredCapacity", a.setDesiredCapacity),

		awswire.Op("DescribeAutoScalingInstances", a.describeInstances),
		awswire.Op("TerminateInstanceInAutoScalingGroup", a.terminateInstance),
		awswire.Op("SetInstanceHealth", a.setInstanceHealth),
		awswire.Op("SetInstanceProtection", a.setInstanceProtection),
		awswire.Op("AttachInstances", a.attachInstances),
		awswire.Op("DetachInstances", a.detachInstances),
		awswire.Op("EnterStandby", a.enterStandby),
		awswire.Op("ExitStandby", a.exitStandby),

		awswire.Op("AttachLoadBalancerTargetGroups", a.attachTargetGroups),
		awswire.Op("DetachLoadBalancerTargetGroups", a.detachTargetGroups),
		awswire.Op("DescribeLoadBalancerTargetGroups", a.describeTargetGroups),
		awswire.Op("DescribeTrafficSources", a.describeTrafficSources),

		awswire.Op("DescribeScalingActivities", a.describeActivities),
		awswire.Op("SuspendProcesses", a.suspendProcesses),
		awswire.Op("ResumeProcesses", a.resumeProcesses),
		awswire.Op("DescribeScalingProcessTypes", a.describeProcessTypes),
		awswire.Op("DescribeTerminationPolicyTypes", a.describeTerminationPolicyTypes),
		awswire.Op("DescribeAccountLimits", a.describeAccountLimits),
		awswire.Op("EnableMetricsCollection", a.enableMetrics),
		awswire.Op("DisableMetricsCollection", a.disableMetrics),
		awswire.Op("DescribeMetricCollectionTypes", a.describeMetricTypes),

		awswire.Op("CreateOrUpdateTags", a.createOrUpdateTags),
		awswire.Op("DeleteTags", a.deleteTags),
		awswire.Op("DescribeTags", a.describeTags),
	}
}

// invalid is the fault of an input that is understood and not right.
func invalid(format string, args ...any) *fault.Error {
	return fault.New("ValidationError", format, args...)
}

// group finds a group that is not being deleted unless the caller says otherwise.
func group(t *state.Tables, call *awswire.Call, name *string) (*fleet.AutoScalingGroup, error) {
	g, ok := t.AutoScalingGroups.Get(fleet.Key(call.Region, call.Account, request.Value(name)))
	if !ok {
		return nil, invalid("AutoScalingGroup name not found - AutoScalingGroup '%s' not found", request.Value(name))
	}
	return g, nil
}

// liveGroup finds a group that may still be changed.
func liveGroup(t *state.Tables, call *awswire.Call, name *string) (*fleet.AutoScalingGroup, error) {
	g, err := group(t, call, name)
	if err == nil && g.Status == fleet.DeleteInProgress {
		return nil, fault.New(shape.CodeScalingActivityInProgress, "AutoScalingGroup '%s' is being deleted.", g.Name)
	}
	return g, err
}

// change runs fn on a copy of a group and stores it.
func (a *api) change(
	ctx context.Context, call *awswire.Call, name *string, fn func(*state.Tx, *fleet.AutoScalingGroup) error,
) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := liveGroup(&tx.Tables, call, name)
		if err != nil {
			return err
		}
		g = g.Clone()
		if err := fn(tx, g); err != nil {
			return err
		}
		tx.AutoScalingGroups.Put(g)
		return nil
	})
}

// pages are those of most lists, longPages those of activities and of target groups.
var pages, longPages = pagesOf(50), pagesOf(100)

func pagesOf(size int32) request.Pages {
	return request.Pages{Default: size, Least: 1, Most: 100, Refuse: func(size, least, most int32) error {
		return invalid("MaxRecords must be between %d and %d: %d", least, most, size)
	}}
}
