package autoscaling

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

func (a *api) describeGroups(
	_ context.Context, call *awswire.Call, in *shape.DescribeAutoScalingGroupsInput,
) (*shape.DescribeAutoScalingGroupsOutput, error) {
	bound := slices.Clone(in.AutoScalingGroupNames)
	for _, f := range in.Filters {
		if !groupFilter(request.Value(f.Name)) {
			return nil, invalid("Filter type %s is not correct. Allowed Filter types are: tag-key "+
				"tag-value tag:<key>", request.Value(f.Name))
		}
		bound = append(append(bound, request.Value(f.Name)), f.Values...)
	}
	view := a.store.View()
	all := named(view.AutoScalingGroups.Prefix(fleet.KeyPrefix(call.Region, call.Account)),
		in.AutoScalingGroupNames, func(g *fleet.AutoScalingGroup) string { return g.Name })
	found, next, err := request.Cut(call, pages.Ask(in.MaxRecords, in.NextToken), tagged(all, in.Filters),
		(*fleet.AutoScalingGroup).Key, bound...)
	return &shape.DescribeAutoScalingGroupsOutput{NextToken: next, AutoScalingGroups: request.Answers(found,
		func(g *fleet.AutoScalingGroup) shape.AutoScalingGroup {
			return answerGroup(&view.Tables, g, in.IncludeInstances == nil || *in.IncludeInstances)
		})}, err
}

func groupFilter(name string) bool {
	return name == "tag-key" || name == "tag-value" || strings.HasPrefix(name, "tag:")
}

// tagged keeps the groups that every filter lets through.
func tagged(all iter.Seq[*fleet.AutoScalingGroup], filters []shape.Filter) iter.Seq[*fleet.AutoScalingGroup] {
	return request.Where(all, func(g *fleet.AutoScalingGroup) bool {
		return !slices.ContainsFunc(filters, func(f shape.Filter) bool {
			return !slices.ContainsFunc(g.Tags, func(t tag.Tag) bool { return tagPasses(f, t) })
		})
	})
}

func tagPasses(f shape.Filter, t tag.Tag) bool {
	switch name := request.Value(f.Name); name {
	case "tag-key":
		return slices.Contains(f.Values, t.Key)
	case "tag-value":
		return slices.Contains(f.Values, t.Value)
	default:
		return t.Key == strings.TrimPrefix(name, "tag:") && slices.Contains(f.Values, t.Value)
	}
}

func answerGroup(t *state.Tables, g *fleet.AutoScalingGroup, instances bool) shape.AutoScalingGroup {
	out := shape.AutoScalingGroup{
		AutoScalingGroupName: &g.Name, AutoScalingGroupARN: new(g.ARN()), AvailabilityZones: g.Zones,
		CreatedTime: &g.CreatedAt, MinSize: new(int32(g.Min)), MaxSize: new(int32(g.Max)),
		DesiredCapacity: new(int32(g.Desired)), DefaultCooldown: new(int32(g.Cooldown)),
		HealthCheckType: &g.HealthCheckType, HealthCheckGracePeriod: new(int32(g.GracePeriod)),
		TerminationPolicies: g.Policies, NewInstancesProtectedFromScaleIn: &g.NewProtected,
		ServiceLinkedRoleARN: request.Optional(g.ServiceRole), VPCZoneIdentifier: new(strings.Join(g.Subnets, ",")),
		Context: request.Optional(g.Context), DesiredCapacityType: request.Optional(g.DesiredType),
		Status:                  request.Optional(g.Status),
		LaunchConfigurationName: request.Optional(g.Launch.Configuration), LaunchTemplate: answerTemplate(g.Launch),
		CapacityRebalance: new(false), DeletionProtection: "none",
	}
	if g.MaxLifetime > 0 {
		out.MaxInstanceLifetime = new(int32(g.MaxLifetime))
	}
	if g.Warmup != nil {
		out.DefaultInstanceWarmup = new(int32(*g.Warmup))
	}
	for _, p := range g.Suspended {
		out.SuspendedProcesses = append(out.SuspendedProcesses,
			shape.SuspendedProcess{ProcessName: new(p.Name), SuspensionReason: new(p.Reason)})
	}
	for _, m := range g.Metrics {
		out.EnabledMetrics = append(out.EnabledMetrics,
			shape.EnabledMetric{Metric: new(m), Granularity: new(granularity)})
	}
	out.TargetGroupARNs = g.TargetGroups
	for _, arn := range g.TargetGroups {
		out.TrafficSources = append(out.TrafficSources,
			shape.TrafficSourceIdentifier{Identifier: new(arn), Type: new("elbv2")})
	}
	for _, t := range g.Tags {
		out.Tags = append(out.Tags, answerTag(g, t))
	}
	if instances {
		for i := range t.Instances.By(state.InstancesByAutoScalingGroup, g.Key()) {
			out.Instances = append(out.Instances, answerMember(i))
		}
	}
	return out
}

func answerTemplate(s fleet.LaunchSource) *shape.LaunchTemplateSpecification {
	if s.TemplateID == "" {
		return nil
	}
	version := s.Version
	if version == "" {
		version = "$Default"
	}
	return &shape.LaunchTemplateSpecification{
		LaunchTemplateId: new(s.TemplateID), LaunchTemplateName: new(s.TemplateName), Version: new(version),
	}
}

func answerMember(i *fleet.Instance) shape.Instance {
	m := i.Scaling
	return shape.Instance{
		InstanceId: &i.ID, AvailabilityZone: &i.Zone,
		AvailabilityZoneId: zoneID(i), HealthStatus: new(m.Health), LifecycleState: string(m.Lifecycle),
		ProtectedFromScaleIn: new(m.Protected), ImageId: request.Optional(i.Launch.ImageID),
		InstanceType: new(i.Launch.InstanceType), LaunchConfigurationName: request.Optional(m.Source.Configuration),
		LaunchTemplate: answerTemplate(m.Source),
	}
}

func zoneID(i *fleet.Instance) *string {
	s, _ := fleet.ZoneSubnet(i.Region, i.Account, i.Zone)
	return request.Optional(s.Zone.ID)
}
