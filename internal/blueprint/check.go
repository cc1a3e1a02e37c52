package blueprint

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/meter/compare"
	"github.com/berthhq/berth/internal/scaling"
)

// Check returns an error if a row refers to one that does not exist, or if the API would not accept it: files may be
// edited.
func (s *Stack) Check() error { return s.check(nil) }

func (s *Stack) check(at position) error {
	if s.Region == "" || s.Account == "" {
		return errors.New("a stack must have a Region and an Account, such as us-east-1 and 123456789012")
	}
	c := checker{s: s, at: at, clusters: map[string]bool{}, definitions: map[string]bool{}, groups: map[string]bool{},
		services: map[string]bool{}, revisions: map[string]bool{}}
	for i, v := range s.Clusters {
		c.unique(c.clusters, "Clusters", i, v.ClusterARN, v.ClusterName)
		c.owned("Clusters", i, v.ClusterARN)
	}
	for i, v := range s.TaskDefinitions {
		c.unique(c.definitions, "TaskDefinitions", i, v.TaskDefinitionARN, v.Name())
		c.owned("TaskDefinitions", i, v.TaskDefinitionARN)
		c.needs("TaskDefinitions", i, len(v.ContainerDefinitions) > 0, "the task definition has no container")
	}
	for i, v := range s.TargetGroups {
		c.unique(c.groups, "TargetGroups", i, v.ARN, v.Name)
	}
	c.checkServices()
	c.checkFleet()
	c.checkStrategies()
	c.checkScaling()
	return c.err
}

type checker struct {
	s   *Stack
	at  position
	err error // the first one

	clusters, definitions, groups, services, revisions map[string]bool
}

func (c *checker) needs(list string, i int, ok bool, format string, args ...any) {
	if ok || c.err != nil {
		return
	}
	where := fmt.Sprintf("%s[%d]", list, i)
	if lines := c.at[list]; i < len(lines) {
		where = fmt.Sprintf("line %d: %s", lines[i], where)
	}
	c.err = fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...))
}

func (c *checker) unique(seen map[string]bool, list string, i int, key, name string) {
	c.needs(list, i, key != "" && name != "", "an ARN or a name is missing")
	c.needs(list, i, !seen[key], "%s is in the list twice", key)
	seen[key] = true
}

func (c *checker) owned(list string, i int, text string) {
	c.needs(list, i, c.s.owns(text), "%q is not an ARN of region %s and account %s", text, c.s.Region, c.s.Account)
}

func (c *checker) checkServices() {
	for i, r := range c.s.Revisions {
		c.unique(c.revisions, "Revisions", i, r.ServiceARN, r.ServiceARN)
		c.needs("Revisions", i, c.definitions[r.TaskDefinition], "the task definition %q is not in TaskDefinitions",
			r.TaskDefinition)
		for _, lb := range r.LoadBalancers {
			c.needs("Revisions", i, c.groups[lb.TargetGroupARN], "the target group %q is not in TargetGroups",
				lb.TargetGroupARN)
		}
	}
	for i, v := range c.s.Services {
		c.unique(c.services, "Services", i, v.ServiceARN, v.ServiceName)
		c.owned("Services", i, v.ServiceARN)
		c.needs("Services", i, c.clusters[v.ClusterARN], "the cluster %q is not in Clusters", v.ClusterARN)
		c.needs("Services", i, c.revisions[v.ServiceARN], "the service has no row in Revisions")
		c.needs("Services", i, v.Status == ecs.ServiceActive, "the Status of a service must be %s", ecs.ServiceActive)
		c.needs("Services", i, v.DesiredCount >= 0 && v.DesiredCount <= MaxCount,
			"DesiredCount is %d; it must be from 0 to %d", v.DesiredCount, MaxCount)
		d := v.DeploymentConfiguration
		c.needs("Services", i, d.MaximumPercent > 0 && d.MinimumHealthyPercent >= 0,
			"DeploymentConfiguration needs a MaximumPercent above 0 and a MinimumHealthyPercent of at least 0")
	}
}

func (c *checker) checkFleet() {
	groups, launches := map[string]bool{}, c.s.Launches()
	for i, g := range c.s.Groups {
		c.unique(groups, "Groups", i, g.Key(), g.Name)
		c.needs("Groups", i, g.Region == c.s.Region && g.Account == c.s.Account,
			"the group is of another region or account")
		c.needs("Groups", i, 0 <= g.Min && g.Min <= g.Desired && g.Desired <= g.Max && g.Max <= MaxCount,
			"Min, Desired and Max are %d, %d and %d; they must ascend, up to %d", g.Min, g.Desired, g.Max, MaxCount)
		why := launches.cannotLaunch(g)
		c.needs("Groups", i, why == "", "%s", why)
	}
	c.checkProviders(groups)
	c.checkGroupScaling(groups)
}

func (c *checker) checkProviders(groups map[string]bool) {
	for i, p := range c.s.CapacityProviders {
		c.owned("CapacityProviders", i, p.CapacityProviderARN)
		key, ok := fleet.GroupKeyFromARN(p.AutoScalingGroupProvider.AutoScalingGroupARN)
		c.needs("CapacityProviders", i, ok && groups[key], "the group %q is not in Groups",
			p.AutoScalingGroupProvider.AutoScalingGroupARN)
		c.needs("CapacityProviders", i, p.Status == ecs.CapacityProviderActive,
			"the Status of a capacity provider must be %s", ecs.CapacityProviderActive)
		err := p.AutoScalingGroupProvider.ManagedScaling.Check()
		c.needs("CapacityProviders", i, err == nil, "%v", err)
		s := p.AutoScalingGroupProvider
		c.switched(i, "ManagedDraining", s.ManagedDraining)
		c.switched(i, "ManagedTerminationProtection", s.ManagedTerminationProtection)
		c.needs("CapacityProviders", i,
			s.ManagedTerminationProtection != ecs.Enabled || s.ManagedScaling.Status == ecs.Enabled,
			"ManagedTerminationProtection needs ManagedScaling with the Status %s", ecs.Enabled)
	}
}

// switched checks a switch of a capacity provider, which a file may leave out.
func (c *checker) switched(i int, name, value string) {
	c.needs("CapacityProviders", i, value == ecs.Enabled || value == ecs.Disabled || value == "",
		"%s must be %s or %s, not %q", name, ecs.Enabled, ecs.Disabled, value)
}

func (c *checker) checkGroupScaling(groups map[string]bool) {
	for i, p := range c.s.GroupPolicies {
		c.needs("GroupPolicies", i, groups[fleet.Key(p.Region, p.Account, p.Group)], "the group %q is not in Groups",
			p.Group)
		switch p.Type {
		case groupscaling.Simple:
			c.needs("GroupPolicies", i, p.Adjusts != nil, "a simple policy needs Adjusts")
		case groupscaling.Step:
			c.checkSteps("GroupPolicies", i, p.Steps, "Steps")
		case groupscaling.TargetTracking:
			c.checkTracking("GroupPolicies", i, p.Tracking)
		default:
			c.needs("GroupPolicies", i, false, "the Type of a policy must be %s, %s or %s", groupscaling.Simple,
				groupscaling.Step, groupscaling.TargetTracking)
		}
	}
	for i, a := range c.s.GroupSchedules {
		c.needs("GroupSchedules", i, groups[fleet.Key(a.Region, a.Account, a.Group)], "the group %q is not in Groups",
			a.Group)
		if a.Recurrence != "" {
			_, err := a.Schedule()
			c.needs("GroupSchedules", i, err == nil, "%v", err)
		}
	}
}

func (c *checker) checkTracking(list string, i int, t *appscaling.Tracking) {
	ok := t != nil && (t.Predefined == nil) == (t.Customized != nil || t.Math != nil) &&
		(t.Customized == nil || t.Math == nil)
	c.needs(list, i, ok, "a target tracking policy needs Tracking with one of Predefined, Customized and Math")
	if ok && t.Math != nil {
		_, problem := compare.Check(t.Queries(time.Minute))
		c.needs(list, i, problem == "", "the metric math of a policy is invalid: %s", problem)
	}
	c.needs(list, i, !ok || t.Target > 0, "the Target of a policy must be above 0")
}

func (c *checker) checkSteps(list string, i int, rule *scaling.StepRule, member string) {
	c.needs(list, i, rule != nil, "a step policy needs %s", member)
	if rule != nil {
		err := scaling.CheckSteps(rule.Steps)
		c.needs(list, i, err == nil, "%v", err)
	}
}

func (c *checker) checkScaling() {
	targets, served := map[string]bool{}, map[string]bool{}
	for _, v := range c.s.Services {
		served[resourceOf(v)] = true
	}
	for i, t := range c.s.ScalableTargets {
		c.unique(targets, "ScalableTargets", i, t.ResourceID, t.ResourceID)
		_, _, ok := appscaling.SplitResource(t.ResourceID)
		c.needs("ScalableTargets", i, ok && served[t.ResourceID],
			"%q is not service/CLUSTER/SERVICE of a service in Services", t.ResourceID)
		c.needs("ScalableTargets", i, 0 <= t.Bounds.Min && t.Bounds.Min <= t.Bounds.Max && t.Bounds.Max <= MaxCount,
			"Min and Max are %d and %d; they must ascend, up to %d", t.Bounds.Min, t.Bounds.Max, MaxCount)
	}
	for i, p := range c.s.ScalingPolicies {
		c.needs("ScalingPolicies", i, targets[p.ResourceID], "%q has no row in ScalableTargets", p.ResourceID)
		switch p.Type {
		case appscaling.TargetTracking:
			c.checkTracking("ScalingPolicies", i, p.Tracking)
		case appscaling.StepScaling:
			c.checkSteps("ScalingPolicies", i, p.Step, "Step")
		default:
			c.needs("ScalingPolicies", i, false, "the Type of a policy must be %s or %s", appscaling.TargetTracking,
				appscaling.StepScaling)
		}
	}
	for i, a := range c.s.ScheduledActions {
		c.needs("ScheduledActions", i, targets[a.ResourceID], "%q has no row in ScalableTargets", a.ResourceID)
		_, err := appscaling.ParseSchedule(a.Schedule, a.Timezone)
		c.needs("ScheduledActions", i, err == nil, "%v", err)
	}
	for i, a := range c.s.Alarms {
		c.owned("Alarms", i, a.ARN)
		c.needs("Alarms", i, a.Composite() || a.Condition.Period > 0 && a.Condition.Periods > 0,
			"the Condition of an alarm needs a Period and Periods above 0")
	}
}

// Balanced returns the load balancer and the target group of a service, as they are in the dimensions of metrics.
// service is the service's name or CLUSTER/NAME.
func (s *Stack) Balanced(service string) (balancer, group string, err error) {
	for _, v := range s.Services {
		if service != v.ServiceName && service != arn.LastID(v.ClusterARN)+"/"+v.ServiceName {
			continue
		}
		for _, r := range s.Revisions {
			if r.ServiceARN != v.ServiceARN || len(r.LoadBalancers) == 0 {
				continue
			}
			group := r.LoadBalancers[0].TargetGroupARN
			if lb := s.balancerOf(group); lb != "" {
				return elb.MetricName(lb), elb.MetricName(group), nil
			}
		}
		return "", "", fmt.Errorf("the service %q has no load balancer, so its requests were not counted", service)
	}
	return "", "", fmt.Errorf("the stack has no service %q", service)
}

// balancerOf returns the first load balancer that forwards to a target group.
func (s *Stack) balancerOf(group string) string {
	for _, r := range s.Rules {
		if !slices.Contains(elb.Uses(r.Actions), group) {
			continue
		}
		for _, l := range s.Listeners {
			if l.ARN == r.ListenerARN {
				return l.LoadBalancerARN
			}
		}
	}
	return ""
}
