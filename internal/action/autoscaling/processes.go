package autoscaling

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) suspendProcesses(
	ctx context.Context, call *awswire.Call, in *shape.SuspendProcessesInput,
) (*shape.SuspendProcessesOutput, error) {
	names, err := processes(in.ScalingProcesses)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(_ *state.Tx, g *fleet.AutoScalingGroup) error {
		for _, name := range names {
			if !g.IsSuspended(name) {
				g.Suspended = append(g.Suspended,
					fleet.SuspendedProcess{Name: name, Reason: "User suspended at " + fleet.Stamp(call.Now)})
			}
		}
		return nil
	})
}

func (a *api) resumeProcesses(
	ctx context.Context, call *awswire.Call, in *shape.ResumeProcessesInput,
) (*shape.ResumeProcessesOutput, error) {
	names, err := processes(in.ScalingProcesses)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(_ *state.Tx, g *fleet.AutoScalingGroup) error {
		g.Suspended = slices.DeleteFunc(g.Suspended,
			func(p fleet.SuspendedProcess) bool { return slices.Contains(names, p.Name) })
		return nil
	})
}

// processes checks names of processes; none mean all.
func processes(names []string) ([]string, error) {
	if len(names) == 0 {
		return fleet.ProcessNames(), nil
	}
	for _, n := range names {
		if !slices.Contains(fleet.ProcessNames(), n) {
			return nil, invalid("The process %q is not valid. Valid ones are %s", n,
				strings.Join(fleet.ProcessNames(), ", "))
		}
	}
	return names, nil
}

func (a *api) describeProcessTypes(
	context.Context, *awswire.Call, *shape.DescribeScalingProcessTypesInput,
) (*shape.DescribeScalingProcessTypesOutput, error) {
	out := &shape.DescribeScalingProcessTypesOutput{}
	for _, n := range fleet.ProcessNames() {
		out.Processes = append(out.Processes, shape.ProcessType{ProcessName: new(n)})
	}
	return out, nil
}

func (a *api) describeTerminationPolicyTypes(
	context.Context, *awswire.Call, *shape.DescribeTerminationPolicyTypesInput,
) (*shape.DescribeTerminationPolicyTypesOutput, error) {
	return &shape.DescribeTerminationPolicyTypesOutput{TerminationPolicyTypes: fleet.PolicyNames()}, nil
}

func (a *api) describeAccountLimits(
	_ context.Context, call *awswire.Call, _ *shape.DescribeAccountLimitsInput,
) (*shape.DescribeAccountLimitsOutput, error) {
	view, prefix := a.store.View(), fleet.KeyPrefix(call.Region, call.Account)
	return &shape.DescribeAccountLimitsOutput{
		MaxNumberOfAutoScalingGroups:    new(int32(maxGroups)),
		NumberOfAutoScalingGroups:       new(int32(count(view.AutoScalingGroups.Prefix(prefix)))),
		MaxNumberOfLaunchConfigurations: new(int32(maxLaunchConfigurations)),
		NumberOfLaunchConfigurations:    new(int32(count(view.LaunchConfigurations.Prefix(prefix)))),
	}, nil
}

// granularity is the only one there is.
const granularity = "1Minute"

func checkMetrics(names []string) ([]string, error) {
	if len(names) == 0 {
		return fleet.GroupMetricNames(), nil
	}
	for _, n := range names {
		if !slices.Contains(fleet.GroupMetricNames(), n) {
			return nil, invalid("The metric %q is not valid. Valid ones are %s", n,
				strings.Join(fleet.GroupMetricNames(), ", "))
		}
	}
	return names, nil
}

func (a *api) enableMetrics(
	ctx context.Context, call *awswire.Call, in *shape.EnableMetricsCollectionInput,
) (*shape.EnableMetricsCollectionOutput, error) {
	names, err := checkMetrics(in.Metrics)
	if err != nil {
		return nil, err
	}
	if request.Value(in.Granularity) != granularity {
		return nil, invalid("The granularity %q is not valid: use %s", request.Value(in.Granularity), granularity)
	}
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(_ *state.Tx, g *fleet.AutoScalingGroup) error {
		for _, n := range names {
			if !slices.Contains(g.Metrics, n) {
				g.Metrics = append(g.Metrics, n)
			}
		}
		return nil
	})
}

func (a *api) disableMetrics(
	ctx context.Context, call *awswire.Call, in *shape.DisableMetricsCollectionInput,
) (*shape.DisableMetricsCollectionOutput, error) {
	names, err := checkMetrics(in.Metrics)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, call, in.AutoScalingGroupName, func(_ *state.Tx, g *fleet.AutoScalingGroup) error {
		g.Metrics = slices.DeleteFunc(g.Metrics, func(n string) bool { return slices.Contains(names, n) })
		return nil
	})
}

func (a *api) describeMetricTypes(
	context.Context, *awswire.Call, *shape.DescribeMetricCollectionTypesInput,
) (*shape.DescribeMetricCollectionTypesOutput, error) {
	out := &shape.DescribeMetricCollectionTypesOutput{
		Granularities: []shape.MetricGranularityType{{Granularity: new(granularity)}},
	}
	for _, n := range fleet.GroupMetricNames() {
		out.Metrics = append(out.Metrics, shape.MetricCollectionType{Metric: new(n)})
	}
	return out, nil
}
