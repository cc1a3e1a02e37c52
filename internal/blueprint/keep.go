package blueprint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// The functions of this file decide which rows are exported. A row that refers to something that does not exist any
// more is left out, because Check would refuse it, and LeftOut says so.

// maxLeftOut is how many reasons LeftOut has at most.
const maxLeftOut = 100

// leave adds a reason to LeftOut, and returns false.
func (s *exporter) leave(format string, args ...any) bool {
	if len(s.LeftOut) < maxLeftOut {
		s.LeftOut = append(s.LeftOut, fmt.Sprintf(format, args...))
	}
	return false
}

func keepService(s *exporter, t *state.Tables, v *ecs.Service) bool {
	v.Tags, v.ClientToken, v.ParameterHash, v.CreatedBy, v.RoleARN = nil, "", "", "", ""
	if !s.owns(v.ServiceARN) || v.Status != ecs.ServiceActive {
		return false
	}
	if !s.starts(t, v) {
		return s.leave("service %q has no deployment with a task definition that exists", v.ServiceName)
	}
	s.services[resourceOf(v)] = true
	return true
}

// starts reports whether a service has a cluster, and a revision from which a simulation can start its tasks.
func (s *exporter) starts(t *state.Tables, v *ecs.Service) bool {
	c, ok := t.Clusters.Get(v.ClusterARN)
	d := t.Progress(v.ServiceARN).Primary()
	if !ok || c.Status != ecs.ClusterActive || d == nil {
		return false
	}
	_, ok = t.ServiceRevisions.Get(d.Revision.ServiceRevisionARN)
	_, defined := t.TaskDefinitions.Get(d.Revision.TaskDefinition)
	return ok && defined
}

func keepRevision(s *exporter, t *state.Tables, r *ecs.ServiceRevision) bool {
	d := t.Progress(r.ServiceARN).Primary()
	v, ok := t.Services.Get(r.ServiceARN)
	if !ok || !s.owns(r.ServiceARN) || v.Status != ecs.ServiceActive || !s.starts(t, v) ||
		d.Revision.ServiceRevisionARN != r.ServiceRevisionARN {
		return false
	}
	r.LoadBalancers = slices.DeleteFunc(slices.Clone(r.LoadBalancers), func(lb ecs.LoadBalancer) bool {
		_, ok := t.TargetGroups.Get(lb.TargetGroupARN)
		return !ok && !s.leave("service %q: its target group %s does not exist any more", v.ServiceName,
			lb.TargetGroupARN)
	})
	return true
}

// keepRule keeps only the actions of a rule, because its conditions may contain secrets, such as the value of a header.
func keepRule(s *exporter, _ *state.Tables, r *elb.Rule) bool {
	r.Tags, r.Conditions = nil, nil
	r.Actions = slices.DeleteFunc(slices.Clone(r.Actions), func(a elb.Action) bool { return a.Forward == nil })
	return s.owns(r.ARN) && len(r.Actions) > 0
}

// keepDefinition removes environments, commands and the like, because they often contain secrets.
func keepDefinition(s *exporter, t *state.Tables, d *ecs.TaskDefinition) bool {
	used := false
	for range t.ServiceProgress.By(state.ServiceProgressByTaskDefinition, d.TaskDefinitionARN) {
		used = true
	}
	containers := make([]ecs.ContainerDefinition, len(d.ContainerDefinitions))
	for i, c := range d.ContainerDefinitions {
		containers[i] = ecs.ContainerDefinition{
			Name: c.Name, Image: c.Image, CPU: c.CPU, Memory: c.Memory, MemoryReservation: c.MemoryReservation,
			Essential: c.Essential, PortMappings: c.PortMappings, StopTimeout: c.StopTimeout,
			ResourceRequirements: c.ResourceRequirements,
		}
		if h := c.HealthCheck; h != nil {
			containers[i].HealthCheck = &ecs.HealthCheck{Interval: h.Interval, Timeout: h.Timeout, Retries: h.Retries,
				StartPeriod: h.StartPeriod}
		}
	}
	d.ContainerDefinitions, d.Volumes, d.Tags, d.Zeros = containers, nil, nil, nil
	d.TaskRoleARN, d.ExecutionRoleARN, d.RegisteredBy = "", "", ""
	return used && s.owns(d.TaskDefinitionARN)
}

func keepTemplate(s *exporter, _ *state.Tables, t *fleet.LaunchTemplate) bool {
	t.Versions = slices.Clone(t.Versions)
	for i := range t.Versions {
		t.Versions[i].Data = plainLaunch(t.Versions[i].Data)
	}
	t.Tags, t.ClientToken = nil, ""
	return t.Region == s.Region && t.Account == s.Account
}

func keepGroup(s *exporter, _ *state.Tables, g *fleet.AutoScalingGroup) bool {
	g.Tags = nil
	g.ClearProgress()
	if g.Region != s.Region || g.Account != s.Account || g.Status != "" {
		return false
	}
	if s.launches == nil {
		s.launches = s.Launches()
	}
	if why := s.launches.cannotLaunch(g); why != "" {
		return s.leave("group %q: %s", g.Name, why)
	}
	s.groups[g.Key()] = true
	return true
}

func keepProvider(s *exporter, _ *state.Tables, p *ecs.CapacityProvider) bool {
	p.Tags = nil
	if !s.owns(p.CapacityProviderARN) || p.Status != ecs.CapacityProviderActive {
		return false
	}
	key, ok := fleet.GroupKeyFromARN(p.AutoScalingGroupProvider.AutoScalingGroupARN)
	return ok && s.groups[key] || s.leave("capacity provider %q: its Auto Scaling group is not in the stack", p.Name)
}

func keepTarget(s *exporter, _ *state.Tables, v *appscaling.Target) bool {
	v.Tags = nil
	if v.Region != s.Region || v.Account != s.Account {
		return false
	}
	if !s.services[v.ResourceID] {
		return s.leave("the scaling of %q: there is no such service", v.ResourceID)
	}
	s.targets[appscaling.Key(v.Region, v.Account, v.ResourceID)] = true
	return true
}

// resourceOf returns the id of a service in Application Auto Scaling.
func resourceOf(v *ecs.Service) string {
	return "service/" + arn.LastID(v.ClusterARN) + "/" + v.ServiceName
}

// keepAlarm leaves out the alarms of policies, which a simulation makes from the policies.
func keepAlarm(s *exporter, t *state.Tables, a *alarm.Alarm) bool {
	a.Tags = nil
	return s.owns(a.ARN) && !slices.ContainsFunc(a.Actions(), func(action string) bool {
		return made(t, a.ARN, action)
	})
}

// made reports whether an alarm was made for the policy that it calls. An alarm of a user may call a policy too.
func made(t *state.Tables, alarmARN, action string) bool {
	if region, account, resource, ok := appscaling.SplitPolicyARN(action); ok {
		for p := range t.ScalingPolicies.Prefix(appscaling.Key(region, account, resource)) {
			if p.ARN() == action {
				return slices.Contains(p.AlarmARNs(), alarmARN)
			}
		}
	}
	if p, ok := t.ManagedScalingOf(action); ok {
		_, group, _ := strings.Cut(p.AutoScalingGroupProvider.AutoScalingGroupARN, ":autoScalingGroupName/")
		high, low := scaling.AlarmNames(group, p.HighID, p.LowID)
		name := strings.TrimPrefix(alarmARN, alarm.Prefix(arn.Region(action), arn.Account(action)))
		return name == high || name == low
	}
	if key, _, ok := groupscaling.KeyFromARN(action); ok {
		if p, ok := t.GroupPolicies.Get(key); ok {
			return p.ARN() == action && slices.Contains(p.AlarmARNs(), alarmARN)
		}
	}
	return false
}

// leaveHooks says which lifecycle hooks are left out: those of users. The hook of managed draining is made from the
// capacity provider.
func (s *exporter) leaveHooks(t *state.Tables) {
	for _, g := range s.Groups {
		for h := range t.LifecycleHooks.Prefix(fleet.PartPrefix(g.Region, g.Account, g.Name)) {
			if h.Name != fleet.DrainingHook {
				s.leave("lifecycle hook %q of group %q: a simulation has nobody who completes its actions", h.Name,
					g.Name)
			}
		}
	}
}
